package interop.scenario;

import interop.Expect;
import interop.Numbered;
import interop.Received;
import interop.Run;
import java.util.List;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;

/**
 * Tag filters: "A || B" gets exactly those. "AaAa" also is what the tag "BBBB" hashes to, so the client has to drop
 * what the broker lets through. A group without any match still advances to the end.
 */
public final class Tags {
    private static final String[] TAGS = {"A", "B", "C", "", "AaAa", "BBBB"};
    private static final int ROUNDS = 60;

    private Tags() {
    }

    public static String run(Run run) throws Exception {
        run.createTopic(4);
        Received either = new Received();
        Received collision = new Received();
        Received none = new Received();
        start(run, either, run.group + "-either", "A || B");
        start(run, collision, run.group + "-collision", "AaAa");
        DefaultMQPushConsumer unmatched = start(run, none, run.group + "-none", "Nothing");
        for (int number = 0; number < ROUNDS * TAGS.length; number++) {
            run.producer().send(Numbered.message(run.topic, TAGS[number % TAGS.length], number));
        }
        either.awaitDistinct(2 * ROUNDS, Received.DELIVERED_WITHIN_SECONDS);
        collision.awaitDistinct(ROUNDS, Received.DELIVERED_WITHIN_SECONDS);
        // The others get there too, but a client says so only with its next answer, after a hold of 15 s.
        run.awaitAllCommitted(unmatched.getConsumerGroup(), 60, () -> unmatched.getDefaultMQPushConsumerImpl().persistConsumerOffset());
        expect(either, "A || B", 2 * ROUNDS);
        expect(collision, "AaAa", ROUNDS);
        expect(none, "Nothing", 0);
        return "sent " + ROUNDS * TAGS.length + ", A || B got " + either.total() + ", AaAa got " + collision.total() + ", Nothing got " + none.total();
    }

    private static void expect(Received received, String expression, int count) {
        Expect.equal("messages for " + expression, count, received.total());
        Expect.equal("different messages for " + expression, count, received.distinct());
        received.arrivals().forEach(arrival -> {
            String tags = TAGS[arrival.number() % TAGS.length];
            Expect.that(List.of(expression.split(" \\|\\| ")).contains(tags), "only " + expression, tags);
        });
    }

    private static DefaultMQPushConsumer start(Run run, Received received, String group, String expression) throws Exception {
        DefaultMQPushConsumer consumer = run.pushConsumer(group);
        consumer.subscribe(run.topic, expression);
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            messages.forEach(message -> received.add(group, message));
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        return consumer;
    }
}
