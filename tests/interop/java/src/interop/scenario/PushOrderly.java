package interop.scenario;

import interop.Expect;
import interop.Failure;
import interop.Numbered;
import interop.Received;
import interop.Run;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * An orderly consumer: one message of a queue at a time, queue offsets one after the other, orders in their order; a
 * message that is suspended comes again at once and nothing of its queue passes it.
 */
public final class PushOrderly {
    private static final int ORDERS = 20;
    private static final int MESSAGES = 600;
    /** Every message whose number divides by this is refused at its first delivery. */
    private static final int SUSPEND_EVERY = 50;

    private final Received received = new Received();
    private final Map<MessageQueue, Long> nextOffset = new ConcurrentHashMap<>();
    private final Set<MessageQueue> busy = ConcurrentHashMap.newKeySet();
    private final Set<Integer> suspended = ConcurrentHashMap.newKeySet();

    private PushOrderly() {
    }

    public static String run(Run run) throws Exception {
        return new PushOrderly().consume(run);
    }

    private String consume(Run run) throws Exception {
        run.createTopic(4);
        DefaultMQPushConsumer consumer = run.pushConsumer(run.group);
        consumer.subscribe(run.topic, "*");
        consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> handle(messages.get(0), context));
        consumer.start();
        for (int number = 0; number < MESSAGES; number++) {
            run.producer().send(Numbered.message(run.topic, number), Orders::select, number % ORDERS);
        }
        received.awaitDistinct(MESSAGES, Received.DELIVERED_WITHIN_SECONDS);
        consumer.shutdown();
        run.awaitAllCommitted(run.group, 10);
        received.expectExactlyOnce("consumed messages", 0, MESSAGES);
        Expect.equal("messages suspended once", MESSAGES / SUSPEND_EVERY, suspended.size());

        Map<Integer, Integer> lastOfOrder = new HashMap<>();
        for (Received.Arrival arrival : received.arrivals()) {
            Integer last = lastOfOrder.put(arrival.number() % ORDERS, arrival.number());
            Expect.that(last == null || last < arrival.number(), "order " + arrival.number() % ORDERS + " to go on after " + last, arrival.number());
        }
        return "consumed " + received.total() + " in order, suspended " + suspended.size() + ", queues " + nextOffset.size();
    }

    private ConsumeOrderlyStatus handle(MessageExt message, ConsumeOrderlyContext context) {
        MessageQueue queue = context.getMessageQueue();
        if (!busy.add(queue)) {
            Failure.report(new Failure("two messages of " + queue + " in the listener at once"));
        }
        try {
            long expected = nextOffset.getOrDefault(queue, 0L);
            Expect.equal("next queue offset of " + queue, expected, message.getQueueOffset());
            if (Numbered.check(message) % SUSPEND_EVERY == 0 && suspended.add(Numbered.check(message))) {
                context.setSuspendCurrentQueueTimeMillis(20);
                return ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
            }
            nextOffset.put(queue, expected + 1);
            received.add("only", message);
        } catch (RuntimeException wrong) {
            Failure.report(wrong);
        } finally {
            busy.remove(queue);
        }
        return ConsumeOrderlyStatus.SUCCESS;
    }
}
