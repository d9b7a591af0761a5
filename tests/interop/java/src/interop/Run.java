package interop;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.store.ReadOffsetType;
import org.apache.rocketmq.client.consumer.store.RemoteBrokerOffsetStore;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/**
 * What a scenario works with: its options, and clients that are shut down at its end. Each client has its own instance
 * name and so its own connections, as if it ran in a process of its own.
 * Types whose package differs between client 4.9 and 5 are named by {@code var} only, so one source serves both.
 */
public final class Run implements AutoCloseable {
    private static final long CLOSE_MS_MAX = 1000;
    private static final int CREATE_TRIES_MAX = 3;
    private static final long SHUTDOWN_WITHIN_MILLIS = 2000;

    public final Options options;
    public final String topic;
    public final String group;
    private final String namesrv;
    private final AtomicInteger instances = new AtomicInteger();
    private final Deque<Runnable> shutdowns = new ArrayDeque<>();
    private int pollNameServerMs;
    private DefaultMQProducer producer;
    private DefaultMQAdminExt admin;

    Run(Options options) {
        this.options = options;
        this.topic = options.text("topic");
        this.group = options.text("group");
        this.namesrv = options.text("namesrv");
    }

    /** Broker groups (our shards) of the cluster. */
    public int brokers() {
        return options.number("brokers", 1);
    }

    /** One started producer for the whole scenario. */
    public DefaultMQProducer producer() throws Exception {
        if (producer == null) {
            producer = newProducer();
            producer.start();
            shutdowns.push(producer::shutdown);
        }
        return producer;
    }

    /** Not started, not shut down by {@link #close}. */
    public DefaultMQProducer newProducer() {
        return configured(new DefaultMQProducer(group + "-producer"));
    }

    /** A producer of transactions that is known to the brokers as soon as it has sent; the caller starts it. */
    public TransactionMQProducer transactionProducer(String producerGroup, TransactionListener listener) {
        TransactionMQProducer producer = configured(new TransactionMQProducer(producerGroup));
        producer.setTransactionListener(listener);
        producer.setHeartbeatBrokerInterval(1000);
        shutdowns.push(producer::shutdown);
        return producer;
    }

    public DefaultMQAdminExt admin() throws Exception {
        if (admin == null) {
            admin = configured(new DefaultMQAdminExt());
            admin.start();
            shutdowns.push(admin::shutdown);
        }
        return admin;
    }

    /** A push consumer that begins at the first message; the caller subscribes, registers a listener and starts it. */
    public DefaultMQPushConsumer pushConsumer(String consumerGroup) {
        DefaultMQPushConsumer consumer = configured(new DefaultMQPushConsumer(consumerGroup));
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setConsumeThreadMin(4);
        consumer.setConsumeThreadMax(4);
        // A consumer that ends commits what its listener had returned from: without a wait the last messages count as not consumed
        // where it ends as soon as they have come.
        consumer.setAwaitTerminationMillisWhenShutdown(SHUTDOWN_WITHIN_MILLIS);
        shutdowns.push(consumer::shutdown);
        return consumer;
    }

    /** A push consumer of the run's topic and group, started, that begins at the first message. */
    public DefaultMQPushConsumer startConsumer(MessageListenerConcurrently listener) throws Exception {
        DefaultMQPushConsumer consumer = pushConsumer(group);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener(listener);
        consumer.start();
        return consumer;
    }

    /** The same, where whatever comes is kept and counts as consumed. */
    public DefaultMQPushConsumer startConsumer(Received received) throws Exception {
        return startConsumer((messages, context) -> {
            messages.forEach(message -> received.add("only", message));
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
    }

    /** Started, and traces what it sends. */
    public DefaultMQProducer tracedProducer() throws Exception {
        DefaultMQProducer traced = configured(new DefaultMQProducer(group + "-traced", true, null));
        traced.start();
        shutdowns.push(traced::shutdown);
        return traced;
    }

    /** As {@link #pushConsumer}, and traces what it consumes. */
    public DefaultMQPushConsumer tracedConsumer(String consumerGroup) {
        DefaultMQPushConsumer consumer = configured(new DefaultMQPushConsumer(consumerGroup, true, null));
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        shutdowns.push(consumer::shutdown);
        return consumer;
    }

    public DefaultMQPullConsumer pullConsumer(String consumerGroup) {
        DefaultMQPullConsumer consumer = configured(new DefaultMQPullConsumer(consumerGroup));
        shutdowns.push(consumer::shutdown);
        return consumer;
    }

    public DefaultLitePullConsumer litePullConsumer(String consumerGroup) {
        DefaultLitePullConsumer consumer = configured(new DefaultLitePullConsumer(consumerGroup));
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        shutdowns.push(consumer::shutdown);
        return consumer;
    }

    private <C extends ClientConfig> C configured(C client) {
        client.setNamesrvAddr(namesrv);
        if (pollNameServerMs != 0) {
            client.setPollNameServerInterval(pollNameServerMs);
        }
        client.setInstanceName(ProcessHandle.current().pid() + "-" + instances.incrementAndGet());
        return client;
    }

    /**
     * Lets clients made after this poll routes and rebalance every second. A new group's consumer finds its retry topic
     * only that way, and the defaults are 30 s and 20 s.
     */
    public void quickRouteAndRebalance() {
        System.setProperty("rocketmq.client.rebalance.waitInterval", "1000");
        pollNameServerMs = 1000;
    }

    /** Lets clients made after this poll routes this often; 0: every 30 s, as by default. */
    public void pollRoutesEvery(int milliseconds) {
        pollNameServerMs = milliseconds;
    }

    /** Creates the scenario's topic with {@code queues} queues on every broker, and waits until the route shows all of them. */
    public void createTopic(int queues) throws Exception {
        for (int left = CREATE_TRIES_MAX - 1; ; left--) {
            try {
                tryToCreateTopic(queues);
                break;
            } catch (org.apache.rocketmq.remoting.exception.RemotingTimeoutException busy) {
                // A new client on a busy machine: the whole of it is the same when done again.
                if (left == 0) {
                    throw busy;
                }
            }
        }
        Await.until("the route of " + topic + " with " + queues + " queues on each broker", 30,
            () -> routedQueues().equals(everyBroker(queues)), this::routedQueues);
    }

    private void tryToCreateTopic(int queues) throws Exception {
        var brokers = admin().examineBrokerClusterInfo().getBrokerAddrTable();
        Expect.equal("broker names in the cluster info", brokers(), brokers.size());
        for (var broker : brokers.values()) {
            admin().createAndUpdateTopicConfig(broker.getBrokerAddrs().get(0L), new TopicConfig(topic, queues, queues, 6));
        }
    }

    /** Write queues of the topic's route, a number per broker; empty while there is no route, or no answer. */
    public List<Integer> routedQueues() throws Exception {
        List<Integer> queues = new ArrayList<>();
        try {
            for (var data : admin().examineTopicRouteInfo(topic).getQueueDatas()) {
                queues.add(data.getWriteQueueNums());
            }
        } catch (org.apache.rocketmq.client.exception.MQClientException | org.apache.rocketmq.remoting.exception.RemotingTimeoutException noRoute) {
            return List.of();
        }
        return queues;
    }

    public List<Integer> everyBroker(int queues) {
        return java.util.Collections.nCopies(brokers(), queues);
    }

    /** The topic's queues in a stable order. */
    public List<MessageQueue> queues() throws Exception {
        return producer().fetchPublishMessageQueues(topic).stream().sorted().toList();
    }

    /** The group's offset as the broker has it; -1 if it has none. Asked without joining the group. */
    public long committed(String consumerGroup, MessageQueue queue) throws Exception {
        var client = producer().getDefaultMQProducerImpl().getMqClientFactory();
        return new RemoteBrokerOffsetStore(client, consumerGroup).readOffset(queue, ReadOffsetType.READ_FROM_STORE);
    }

    /**
     * Commits offset 0 for every queue, one after the other, for a group that has a consumer. An Apache broker makes
     * the table of a group's offsets without a lock at the first commit: of two at the same instant, one may be lost.
     */
    public void commitOneByOne(String consumerGroup) throws Exception {
        var brokers = admin().examineBrokerClusterInfo().getBrokerAddrTable();
        for (MessageQueue queue : queues()) {
            String address = brokers.get(queue.getBrokerName()).getBrokerAddrs().get(0L);
            admin().updateConsumeOffset(address, consumerGroup, queue, 0);
        }
    }

    /** Waits until the broker has every message of the topic as consumed by the group. */
    public void awaitAllCommitted(String consumerGroup, long limitSeconds) throws Exception {
        awaitAllCommitted(consumerGroup, limitSeconds, () -> { });
    }

    /** The same, with consumers told by {@code commit} not to wait for their timer. */
    public void awaitAllCommitted(String consumerGroup, long limitSeconds, Runnable commit) throws Exception {
        for (MessageQueue queue : queues()) {
            Await.until("group " + consumerGroup + " to have committed all of " + queue, limitSeconds,
                () -> {
                    commit.run();
                    return Math.max(0, committed(consumerGroup, queue)) == producer().maxOffset(queue);
                },
                () -> "committed " + committed(consumerGroup, queue) + " of " + producer().maxOffset(queue));
        }
    }

    /**
     * All at once, and not to the last: a client first takes its leave of the brokers, then a 5.x client waits up to 3 s
     * for a thread of its own, and here the process ends soon anyway.
     */
    @Override
    public void close() throws InterruptedException {
        List<Thread> closing = shutdowns.stream().map(Thread::new).toList();
        closing.forEach(Thread::start);
        long end = System.currentTimeMillis() + CLOSE_MS_MAX;
        for (Thread thread : closing) {
            thread.join(Math.max(1, end - System.currentTimeMillis()));
        }
    }
}
