package interop.five;

import interop.Expect;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.admin.ConsumeStats;
import org.apache.rocketmq.remoting.protocol.admin.OffsetWrapper;
import org.apache.rocketmq.remoting.protocol.body.ConsumerConnection;
import org.apache.rocketmq.remoting.protocol.body.ConsumerRunningInfo;
import org.apache.rocketmq.remoting.protocol.heartbeat.ConsumeType;
import org.apache.rocketmq.remoting.protocol.subscription.SubscriptionGroupConfig;

/** Consumer, and who consumes a topic. */
final class ConsumerPages {
    private static final int NOT_ONLINE = 206;
    private static final String[] GROUPS_OF_THE_SYSTEM = {"TOOLS_CONSUMER", "SELF_TEST_C_GROUP", "FILTERSRV_CONSUMER", "CID_RMQ_SYS_TRANS"};

    private final Shown shown;
    private final ClusterPages cluster;

    ConsumerPages(Shown shown, ClusterPages cluster) {
        this.shown = shown;
        this.cluster = cluster;
    }

    /** consumer/groupList, conditions 2 and 4: no table is empty, and a group's retry topic has a route. */
    void groupList() throws Exception {
        Set<String> groups = new TreeSet<>();
        for (String address : shown.brokers.values()) {
            Set<String> there = shown.admin.getAllSubscriptionGroup(address, Shown.ASK_MS_MAX).getSubscriptionGroupTable().keySet();
            for (String group : GROUPS_OF_THE_SYSTEM) {
                Shown.has("groups of " + address, there, group);
            }
            groups.addAll(there);
        }
        for (String group : new String[] {shown.online, shown.offline, shown.dead}) {
            Shown.has("groups", groups, group);
        }
        Expect.equal("brokers of the retry topic's route", shown.brokers.size(),
            shown.admin.examineTopicRouteInfo("%RETRY%" + shown.online).getBrokerDatas().size());
        Expect.equal("lag of the online group", 0L, shown.admin.examineConsumeStats(shown.online).computeTotalDiff());
    }

    /** topic/queryConsumerByTopic, consumer/queryTopicByConsumer, condition 3: a group that is offline is so by code. */
    void consumersOfTopic() throws Exception {
        Set<String> groups = shown.admin.queryTopicConsumeByWho(shown.topic).getGroupList();
        Expect.equal("groups of the topic", new TreeSet<>(Set.of(shown.online, shown.offline)), new TreeSet<>(groups));
        expectOffsets(shown.online, Shown.IN_EACH);
        expectOffsets(shown.offline, Shown.OFFLINE_HAS);
        Expect.equal("code of the members of the offline group", NOT_ONLINE,
            Refused.code("its members", () -> shown.admin.examineConsumerConnectionInfo(shown.offline)));
    }

    private void expectOffsets(String group, long expected) throws Exception {
        ConsumeStats stats = shown.admin.examineConsumeStats(group, shown.topic);
        Expect.equal("queues of " + group, new TreeSet<>(shown.queues()), new TreeSet<>(stats.getOffsetTable().keySet()));
        for (OffsetWrapper offsets : stats.getOffsetTable().values()) {
            Expect.equal("end of a queue", (long) Shown.IN_EACH, offsets.getBrokerOffset());
            Expect.equal("offset of " + group, expected, offsets.getConsumerOffset());
        }
        Expect.equal("lag of " + group, (Shown.IN_EACH - expected) * stats.getOffsetTable().size(), stats.computeTotalDiff());
    }

    /** consumer/consumerConnection, consumerRunningInfo. */
    void online() throws Exception {
        ConsumerConnection connection = shown.admin.examineConsumerConnectionInfo(shown.online);
        Expect.equal("members", 1, connection.getConnectionSet().size());
        Expect.equal("member", shown.clientId, connection.getConnectionSet().iterator().next().getClientId());
        Expect.equal("how it consumes", ConsumeType.CONSUME_PASSIVELY, connection.getConsumeType());
        Shown.has("subscriptions", connection.getSubscriptionTable().keySet(), shown.topic);
        ConsumerRunningInfo info = shown.admin.getConsumerRunningInfo(shown.online, shown.clientId, true);
        Set<MessageQueue> queues = new TreeSet<>(info.getMqTable().keySet());
        queues.removeIf(queue -> !queue.getTopic().equals(shown.topic));
        Expect.equal("queues in its own words", new TreeSet<>(shown.queues()), queues);
        Expect.that(info.getJstack() != null && info.getJstack().contains("java.lang"), "the stacks of its threads", info.getJstack());
    }

    /** consumer/createOrUpdate, examineSubscriptionGroupConfig, deleteSubGroup. */
    void createdAndDeleted() throws Exception {
        String group = shown.online + "-made";
        for (int times : new int[] {3, 5}) {
            SubscriptionGroupConfig config = new SubscriptionGroupConfig();
            config.setGroupName(group);
            config.setRetryMaxTimes(times);
            config.setConsumeBroadcastEnable(false);
            for (String address : shown.brokers.values()) {
                shown.admin.createAndUpdateSubscriptionGroupConfig(address, config);
                SubscriptionGroupConfig kept = shown.admin.getAllSubscriptionGroup(address, Shown.ASK_MS_MAX).getSubscriptionGroupTable().get(group);
                Expect.equal("tries as set", times, kept.getRetryMaxTimes());
                Expect.equal("broadcasting as set", false, kept.isConsumeBroadcastEnable());
            }
        }
        Set<String> servers = new TreeSet<>(shown.admin.getNameServerAddressList());
        for (String address : shown.brokers.values()) {
            shown.admin.deleteSubscriptionGroup(address, group, true);
            Expect.that(!shown.admin.getAllSubscriptionGroup(address, Shown.ASK_MS_MAX).getSubscriptionGroupTable().containsKey(group), "no group " + group, address);
        }
        for (String topic : new String[] {"%RETRY%" + group, "%DLQ%" + group}) {
            shown.admin.deleteTopicInBroker(new TreeSet<>(shown.brokers.values()), topic);
            shown.admin.deleteTopicInNameServer(servers, topic);
        }
    }

    /** consumer/skipAccumulate where members reset by themselves, condition 6: there are none, and the page goes the old way. */
    void skippedTheOldWay() throws Exception {
        cluster.set("useServerSideResetOffset", "false");
        try {
            shown.admin.resetOffsetByTimestamp(shown.topic, shown.offline, -1, true);
            throw new interop.Failure("a reset of a group without members to be refused");
        } catch (MQClientException refused) {
            Expect.equal("code of a reset without members", NOT_ONLINE, refused.getResponseCode());
        }
        shown.admin.resetOffsetByTimestampOld(shown.offline, shown.topic, -1, true);
        cluster.set("useServerSideResetOffset", "true");
        expectOffsets(shown.offline, Shown.IN_EACH);
    }

    /** consumer/resetOffset, skipAccumulate, of a group that is offline. */
    void resetAndSkipped() throws Exception {
        Map<MessageQueue, Long> reset = shown.admin.resetOffsetByTimestamp(shown.topic, shown.offline, shown.begin, true);
        Expect.equal("queues that were reset", shown.queues().size(), reset.size());
        expectOffsets(shown.offline, 0);
        shown.admin.resetOffsetByTimestamp(shown.topic, shown.offline, -1, true);
        expectOffsets(shown.offline, Shown.IN_EACH);
        shown.admin.resetOffsetByTimestamp(shown.topic, shown.offline, shown.begin, true);
        expectOffsets(shown.offline, 0);
    }
}
