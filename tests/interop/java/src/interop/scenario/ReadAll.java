package interop.scenario;

import interop.Expect;
import interop.Run;
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * Reads every queue of a topic from its first message to its end, by pulls alone: those go to a slave where the master says
 * so, or where there is no master. {@code --messages} are there.
 */
public final class ReadAll {
    private static final int PULL_BATCH = 32;

    private ReadAll() {
    }

    public static String run(Run run) throws Exception {
        DefaultMQPullConsumer consumer = run.pullConsumer(run.group + "-all");
        consumer.start();
        Set<MessageQueue> queues = consumer.fetchSubscribeMessageQueues(run.topic);
        int read = 0;
        for (MessageQueue queue : queues) {
            long offset = 0;
            PullResult result = consumer.pull(queue, "*", offset, PULL_BATCH);
            while (result.getPullStatus() == PullStatus.FOUND) {
                for (MessageExt message : result.getMsgFoundList()) {
                    Expect.equal("queue offset read from " + queue, offset, message.getQueueOffset());
                    offset++;
                    read++;
                }
                result = consumer.pull(queue, "*", offset, PULL_BATCH);
            }
            Expect.equal("status at the end of " + queue, PullStatus.NO_NEW_MSG, result.getPullStatus());
        }
        Expect.equal("messages read from " + queues.size() + " queues", run.options.number("messages", 0), read);
        return "read " + read;
    }
}
