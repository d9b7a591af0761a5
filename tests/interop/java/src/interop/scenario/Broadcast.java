package interop.scenario;

import interop.Expect;
import interop.Numbered;
import interop.Received;
import interop.Run;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.common.message.MessageQueue;

/** Two broadcasting consumers of one group: each gets every message exactly once. */
public final class Broadcast {
    private static final int MESSAGES = 300;

    private Broadcast() {
    }

    public static String run(Run run) throws Exception {
        run.createTopic(4);
        Received first = new Received();
        Received second = new Received();
        start(run, first);
        start(run, second);
        for (int number = 0; number < MESSAGES; number++) {
            run.producer().send(Numbered.message(run.topic, number));
        }
        first.awaitDistinct(MESSAGES, Received.DELIVERED_WITHIN_SECONDS);
        second.awaitDistinct(MESSAGES, Received.DELIVERED_WITHIN_SECONDS);
        first.expectExactlyOnce("messages of the first consumer", 0, MESSAGES);
        second.expectExactlyOnce("messages of the second consumer", 0, MESSAGES);
        for (MessageQueue queue : run.queues()) {
            // A young queue answers 0 to a group that never committed.
            Expect.that(run.committed(run.group, queue) <= 0, "no offset stored for a broadcasting group", run.committed(run.group, queue));
        }
        return "each of 2 consumers got " + MESSAGES;
    }

    private static void start(Run run, Received received) throws Exception {
        DefaultMQPushConsumer consumer = run.pushConsumer(run.group);
        // The enum's package differs between client versions, so the constant is found by the getter's type.
        consumer.setMessageModel(Enum.valueOf(consumer.getMessageModel().getDeclaringClass(), "BROADCASTING"));
        consumer.subscribe(run.topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            messages.forEach(message -> received.add("broadcast", message));
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
    }
}
