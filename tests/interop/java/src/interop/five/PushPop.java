package interop.five;

import interop.Await;
import interop.Expect;
import interop.Numbered;
import interop.Received;
import interop.Run;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageRequestMode;

/**
 * Push consumers of a group that was set to POP: they share all queues, each message comes to one of them, one that is
 * refused comes again, and who joins or leaves stops nobody.
 */
public final class PushPop {
    private static final int PHASE_MESSAGES = 200;
    private static final int REFUSED = 7;
    private static final long ASK_MS_MAX = 5000;

    private PushPop() {
    }

    public static String run(Run run) throws Exception {
        run.quickRouteAndRebalance();
        run.createTopic(4);
        for (var broker : run.admin().examineBrokerClusterInfo().getBrokerAddrTable().values()) {
            run.admin().setMessageRequestMode(broker.getBrokerAddrs().get(0L), run.topic, run.group, MessageRequestMode.POP, -1, ASK_MS_MAX);
        }
        Received received = new Received();
        Set<Integer> refused = ConcurrentHashMap.newKeySet();
        DefaultMQPushConsumer first = join(run, "first", received, refused);
        DefaultMQPushConsumer second = join(run, "second", received, refused);
        Await.until("both to pop the queues of each broker", 30,
            () -> pops(first, run) == run.brokers() && pops(second, run) == run.brokers(), () -> pops(first, run) + " and " + pops(second, run));
        send(run, 0, PHASE_MESSAGES);
        received.awaitDistinct(PHASE_MESSAGES, Received.DELIVERED_WITHIN_SECONDS);
        join(run, "third", received, refused);
        first.shutdown();
        send(run, PHASE_MESSAGES, 2 * PHASE_MESSAGES);
        received.awaitDistinct(2 * PHASE_MESSAGES, Received.DELIVERED_WITHIN_SECONDS);
        // Refused once, it comes again 10 s later.
        Await.until("the refused message to come again", 60, () -> received.total() > 2 * PHASE_MESSAGES, received::total);
        received.expectAll("consumed messages", 0, 2 * PHASE_MESSAGES);
        Expect.equal("deliveries: each once, the refused one twice", 2 * PHASE_MESSAGES + 1, received.total());
        Expect.that(received.arrivals().stream().allMatch(arrival -> arrival.message().getProperty(MessageConst.PROPERTY_POP_CK) != null),
            "each message to be popped", "one that was not");
        long consumers = received.arrivals().stream().map(Received.Arrival::consumer).distinct().count();
        return "consumed " + received.total() + " by " + consumers;
    }

    private static DefaultMQPushConsumer join(Run run, String name, Received received, Set<Integer> refused) throws Exception {
        DefaultMQPushConsumer consumer = run.pushConsumer(run.group);
        consumer.setClientRebalance(false);
        consumer.subscribe(run.topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            messages.forEach(message -> received.add(name, message));
            boolean isRefused = messages.stream().anyMatch(message -> Numbered.key(REFUSED).equals(message.getKeys())) && refused.add(REFUSED);
            return isRefused ? ConsumeConcurrentlyStatus.RECONSUME_LATER : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        return consumer;
    }

    /** Brokers whose queues of the topic a member pops. */
    private static long pops(DefaultMQPushConsumer member, Run run) {
        return member.getDefaultMQPushConsumerImpl().getRebalanceImpl().getPopProcessQueueTable().keySet().stream()
            .filter(queue -> queue.getTopic().equals(run.topic)).count();
    }

    private static void send(Run run, int first, int end) throws Exception {
        for (int number = first; number < end; number++) {
            run.producer().send(Numbered.message(run.topic, number));
        }
    }
}
