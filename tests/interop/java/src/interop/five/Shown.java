package interop.five;

import interop.Await;
import interop.Expect;
import interop.Numbered;
import interop.Run;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.body.ClusterInfo;
import org.apache.rocketmq.remoting.protocol.subscription.SubscriptionGroupConfig;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/**
 * The state that the pages show: a topic with five messages in each queue, a producer, a group that is online and has
 * consumed all, one that is offline and has two of each queue, one whose messages became dead letters, and traces of those.
 */
final class Shown {
    static final String CLUSTER = "DefaultCluster";
    static final String TRACES = "RMQ_SYS_TRACE_TOPIC";
    static final int QUEUES = 2;
    static final int IN_EACH = 5;
    static final int OFFLINE_HAS = 2;
    static final int DEAD = 3;
    static final long ASK_MS_MAX = 5000;
    static final int WITHIN_SECONDS = 30;

    final Run run;
    final DefaultMQAdminExt admin;
    final String topic;
    final String online;
    final String offline;
    final String dead;
    final String deadTopic;
    final long begin = System.currentTimeMillis();
    /** Addresses of the masters by broker name. */
    final TreeMap<String, String> brokers = new TreeMap<>();
    final List<SendResult> sent = new ArrayList<>();
    /** Unique ids of what became dead letters. */
    final List<String> deadIds = new ArrayList<>();
    final AtomicInteger consumed = new AtomicInteger();
    String clientId;

    private Shown(Run run) throws Exception {
        this.run = run;
        this.admin = run.admin();
        this.topic = run.topic;
        this.online = run.group;
        this.offline = run.group + "-offline";
        this.dead = run.group + "-dead";
        this.deadTopic = run.topic + "-dead";
    }

    static Shown make(Run run) throws Exception {
        run.quickRouteAndRebalance();
        Shown shown = new Shown(run);
        ClusterInfo cluster = shown.admin.examineBrokerClusterInfo();
        cluster.getBrokerAddrTable().forEach((name, data) -> shown.brokers.put(name, data.getBrokerAddrs().get(0L)));
        run.createTopic(QUEUES);
        DefaultMQPushConsumer dying = shown.letMessagesDie();
        DefaultMQPushConsumer leaving = shown.joinForAMoment();
        shown.consumeAll();
        leaving.shutdown();
        shown.goOffline();
        Await.until(DEAD + " dead letters", WITHIN_SECONDS, () -> shown.deadLetters() == DEAD, shown::deadLetters);
        dying.shutdown();
        return shown;
    }

    /** Messages of all queues. */
    int messages() {
        return QUEUES * IN_EACH * brokers.size();
    }

    List<MessageQueue> queues() throws Exception {
        return run.queues();
    }

    private void consumeAll() throws Exception {
        DefaultMQPushConsumer consumer = run.pushConsumer(online);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            consumed.addAndGet(messages.size());
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        clientId = consumer.getDefaultMQPushConsumerImpl().getmQClientFactory().getClientId();
        int number = 0;
        for (MessageQueue queue : queues()) {
            for (int each = 0; each < IN_EACH; each++) {
                sent.add(run.producer().send(Numbered.message(topic, "Tag", number++), queue));
            }
        }
        Await.until("all to be consumed", WITHIN_SECONDS, () -> consumed.get() == messages(), consumed::get);
        run.awaitAllCommitted(online, WITHIN_SECONDS, () -> consumer.getDefaultMQPushConsumerImpl().persistConsumerOffset());
        // A producer makes itself known with its heartbeat, which may be half a minute away.
        run.producer().getDefaultMQProducerImpl().getMqClientFactory().sendHeartbeatToAllBrokerWithLock();
    }

    /** Refused at once and for good: with no second try a message goes to the dead letters straight away. */
    private DefaultMQPushConsumer letMessagesDie() throws Exception {
        for (String address : brokers.values()) {
            var config = new org.apache.rocketmq.common.TopicConfig(deadTopic, 1, 1, 6);
            admin.createAndUpdateTopicConfig(address, config);
        }
        DefaultMQPushConsumer consumer = run.pushConsumer(dead);
        consumer.setMaxReconsumeTimes(0);
        consumer.subscribe(deadTopic, "*");
        consumer.registerMessageListener(
            (MessageListenerConcurrently) (messages, context) -> ConsumeConcurrentlyStatus.RECONSUME_LATER);
        consumer.start();
        DefaultMQProducer traced = run.tracedProducer();
        for (int number = 0; number < DEAD; number++) {
            deadIds.add(traced.send(Numbered.message(deadTopic, "Dead", number)).getMsgId());
        }
        return consumer;
    }

    /** Of the group that is offline later: what a group leaves behind, as its retry topic, is there. */
    private DefaultMQPushConsumer joinForAMoment() throws Exception {
        DefaultMQPushConsumer consumer = run.pushConsumer(offline);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> ConsumeConcurrentlyStatus.CONSUME_SUCCESS);
        consumer.start();
        Await.until("the retry topic of " + offline, WITHIN_SECONDS, () -> {
            try {
                return admin.examineTopicRouteInfo("%RETRY%" + offline).getBrokerDatas().size() == brokers.size();
            } catch (org.apache.rocketmq.client.exception.MQClientException notThereYet) {
                return false;
            }
        }, () -> "none");
        return consumer;
    }

    private void goOffline() throws Exception {
        for (String address : brokers.values()) {
            SubscriptionGroupConfig config = new SubscriptionGroupConfig();
            config.setGroupName(offline);
            config.setRetryMaxTimes(3);
            admin.createAndUpdateSubscriptionGroupConfig(address, config);
        }
        for (MessageQueue queue : queues()) {
            admin.updateConsumeOffset(brokers.get(queue.getBrokerName()), offline, queue, OFFLINE_HAS);
        }
    }

    private long deadLetters() throws Exception {
        long messages = 0;
        for (String address : brokers.values()) {
            try {
                for (var offsets : admin.examineTopicStats(address, "%DLQ%" + dead).getOffsetTable().values()) {
                    messages += offsets.getMaxOffset() - offsets.getMinOffset();
                }
            } catch (org.apache.rocketmq.client.exception.MQBrokerException notThereYet) {
                // Its first dead letter makes the topic.
            }
        }
        return messages;
    }

    /** Fails unless a page that lists names has this one. */
    static void has(String what, java.util.Collection<String> names, String name) {
        Expect.that(names.contains(name), what + " with " + name, names);
    }
}
