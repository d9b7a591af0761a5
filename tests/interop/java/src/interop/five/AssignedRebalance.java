package interop.five;

import interop.Expect;
import interop.Received;
import interop.Run;
import interop.scenario.Members;
import interop.scenario.Rebalance;
import java.util.Set;
import java.util.TreeSet;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.common.message.MessageQueueAssignment;
import org.apache.rocketmq.common.message.MessageRequestMode;
import org.apache.rocketmq.remoting.protocol.heartbeat.MessageModel;

/**
 * {@link Rebalance} with members that have the broker share out the queues: each has what every broker says is its, and
 * each message comes once.
 */
public final class AssignedRebalance {
    private static final long ASK_MS_MAX = 5000;

    private AssignedRebalance() {
    }

    public static String run(Run run) throws Exception {
        Received received = new Received();
        Members members = new Members(run, received, member -> member.setClientRebalance(false));
        return Rebalance.run(run, received, members, () -> expectAssigned(run, members));
    }

    private static void expectAssigned(Run run, Members members) throws Exception {
        for (DefaultMQPushConsumer member : members.present()) {
            var client = member.getDefaultMQPushConsumerImpl().getmQClientFactory();
            Set<MessageQueue> has = new TreeSet<>(members.share(member));
            for (var broker : run.admin().examineBrokerClusterInfo().getBrokerAddrTable().values()) {
                Set<MessageQueue> told = new TreeSet<>();
                for (MessageQueueAssignment assignment : client.getMQClientAPIImpl().queryAssignment(broker.getBrokerAddrs().get(0L),
                    run.topic, run.group, client.getClientId(), "AVG", MessageModel.CLUSTERING, ASK_MS_MAX)) {
                    Expect.equal("how to get the messages", MessageRequestMode.PULL, assignment.getMode());
                    told.add(assignment.getMessageQueue());
                }
                Expect.equal("queues of " + client.getClientId() + " by " + broker.getBrokerName(), told, has);
            }
        }
    }
}
