package interop.five;

import interop.Await;
import interop.Expect;
import java.util.Set;
import java.util.TreeSet;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.protocol.admin.TopicOffset;

/** Topic, Producer. */
final class TopicPages {
    private static final int NO_TOPIC = 17;

    private final Shown shown;

    TopicPages(Shown shown) {
        this.shown = shown;
    }

    /** topic/list, condition 8: the names of cluster and brokers are system topics, and users' topics are not. */
    void list() throws Exception {
        Set<String> all = shown.admin.fetchAllTopicList().getTopicList();
        var client = shown.run.producer().getDefaultMQProducerImpl().getMqClientFactory().getMQClientAPIImpl();
        Set<String> system = client.getSystemTopicList(Shown.ASK_MS_MAX).getTopicList();
        Shown.has("system topics", system, Shown.CLUSTER);
        for (String broker : shown.brokers.keySet()) {
            Shown.has("system topics", system, broker);
        }
        for (String name : new String[] {"TBW102", "SCHEDULE_TOPIC_XXXX", "RMQ_SYS_TRANS_HALF_TOPIC", "SELF_TEST_TOPIC", Shown.TRACES}) {
            Shown.has("system topics", system, name);
        }
        Set<String> users = new TreeSet<>(all);
        users.removeAll(system);
        for (String name : new String[] {shown.topic, shown.deadTopic, "%RETRY%" + shown.online, "%DLQ%" + shown.dead}) {
            Shown.has("users' topics", users, name);
        }
        // Of the topics that each broker has for itself, a page knows one broker's.
        users.removeIf(name -> name.startsWith("%") || name.startsWith("rmq_sys_"));
        Expect.equal("users' topics", new TreeSet<>(Set.of(shown.topic, shown.deadTopic)), users);
        for (String address : shown.brokers.values()) {
            Set<String> own = client.getSystemTopicListFromBroker(address, Shown.ASK_MS_MAX).getTopicList();
            Expect.that(!own.contains(shown.topic) && own.contains("TBW102"), "system topics of " + address, own);
        }
    }

    /** topic/list.queryTopicType, condition 9. */
    void types() throws Exception {
        for (String address : shown.brokers.values()) {
            TopicConfig config = shown.admin.getAllTopicConfig(address, Shown.ASK_MS_MAX).getTopicConfigTable().get(shown.topic);
            Expect.equal("queues in the table of " + address, Shown.QUEUES, config.getReadQueueNums());
        }
    }

    /** topic/stats. */
    void stats() throws Exception {
        var table = shown.admin.examineTopicStats(shown.topic).getOffsetTable();
        Expect.equal("queues of the status", new TreeSet<>(shown.queues()), new TreeSet<>(table.keySet()));
        for (TopicOffset offset : table.values()) {
            Expect.equal("first offset", 0L, offset.getMinOffset());
            Expect.equal("end", (long) Shown.IN_EACH, offset.getMaxOffset());
            Expect.that(offset.getLastUpdateTimestamp() >= shown.begin, "the time of the last message", offset);
        }
    }

    /** topic/route. */
    void route() throws Exception {
        var route = shown.admin.examineTopicRouteInfo(shown.topic);
        Set<String> names = new TreeSet<>();
        route.getBrokerDatas().forEach(data -> names.add(data.getBrokerName() + " " + data.getBrokerAddrs().get(0L)));
        Set<String> expected = new TreeSet<>();
        shown.brokers.forEach((name, address) -> expected.add(name + " " + address));
        Expect.equal("brokers of the route", expected, names);
        Expect.equal("code of the route of no topic", NO_TOPIC, Refused.code("a route", () -> shown.admin.examineTopicRouteInfo("no-such-topic")));
    }

    /** topic/createOrUpdate, examineTopicConfig, sendTopicMessage, deleteTopic. */
    void createdSentToAndDeleted() throws Exception {
        String name = shown.topic + "-made";
        for (int queues : new int[] {3, 4}) {
            for (String address : shown.brokers.values()) {
                shown.admin.createAndUpdateTopicConfig(address, new TopicConfig(name, queues, queues, 6));
                TopicConfig config = shown.admin.examineTopicConfig(address, name);
                Expect.equal("queues as set", queues, config.getWriteQueueNums());
                Expect.equal("permission as set", 6, config.getPerm());
            }
        }
        Await.until("the route of " + name, Shown.WITHIN_SECONDS,
            () -> shown.admin.examineTopicRouteInfo(name).getQueueDatas().size() == shown.brokers.size(), () -> name);
        Expect.equal("a message by hand", SendStatus.SEND_OK, shown.run.producer().send(new Message(name, "Tag", "key", new byte[] {1})).getSendStatus());
        TransactionMQProducer producer = shown.run.transactionProducer(shown.online + "-transactions", new Committing());
        producer.start();
        Expect.equal("a transactional message by hand", LocalTransactionState.COMMIT_MESSAGE,
            producer.sendMessageInTransaction(new Message(name, new byte[] {2}), null).getLocalTransactionState());
        Await.until("both messages in " + name, Shown.WITHIN_SECONDS, () -> stored(name) == 2, () -> stored(name));

        shown.admin.deleteTopicInBroker(new TreeSet<>(shown.brokers.values()), name);
        shown.admin.deleteTopicInNameServer(new TreeSet<>(shown.admin.getNameServerAddressList()), name);
        Expect.equal("code of the route of what was deleted", NO_TOPIC, Refused.code("a route", () -> shown.admin.examineTopicRouteInfo(name)));
        for (String address : shown.brokers.values()) {
            Expect.equal("code of the settings of what was deleted", NO_TOPIC, Refused.code("settings", () -> shown.admin.examineTopicConfig(address, name)));
        }
    }

    private long stored(String name) throws Exception {
        return shown.admin.examineTopicStats(name).getOffsetTable().values().stream().mapToLong(TopicOffset::getMaxOffset).sum();
    }

    /** producer/producerConnection. */
    void producers() throws Exception {
        String group = shown.online + "-producer";
        var connections = shown.admin.examineProducerConnectionInfo(group, shown.topic).getConnectionSet();
        Set<String> ids = new TreeSet<>();
        connections.forEach(connection -> ids.add(connection.getClientId()));
        String id = shown.run.producer().getDefaultMQProducerImpl().getMqClientFactory().getClientId();
        Expect.equal("producers", Set.of(id), ids);
    }

    private static final class Committing implements TransactionListener {
        @Override
        public LocalTransactionState executeLocalTransaction(Message message, Object argument) {
            return LocalTransactionState.COMMIT_MESSAGE;
        }

        @Override
        public LocalTransactionState checkLocalTransaction(MessageExt message) {
            return LocalTransactionState.COMMIT_MESSAGE;
        }
    }
}
