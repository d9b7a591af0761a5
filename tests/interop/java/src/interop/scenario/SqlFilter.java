package interop.scenario;

import interop.Await;
import interop.Expect;
import interop.Numbered;
import interop.Received;
import interop.Run;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.IntPredicate;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.common.message.Message;

/**
 * Filters by SQL92 expressions; the broker needs {@code enablePropertyFilter}. Each consumer gets exactly what a function
 * here selects too; what it refuses once comes again; a group without any match still advances to the end; and a wrong
 * expression fails the start of its consumer, with its place.
 */
public final class SqlFilter {
    private static final int MESSAGES = 300;
    private static final String REFUSED_ONCE = "number BETWEEN 290 AND 299";
    private static final int SUBSCRIPTION_PARSE_FAILED = 23;

    private SqlFilter() {
    }

    public static String run(Run run) throws Exception {
        Map<String, IntPredicate> selections = new LinkedHashMap<>();
        selections.put("number > 200", number -> number > 200);
        selections.put("colour = 'red' AND number BETWEEN 10 AND 99", number -> number % 3 == 0 && number >= 10 && number <= 99);
        selections.put("(colour IN ('blue', 'green') OR colour IS NULL) AND NOT (number <= 280.5)", number -> number % 3 != 0 && number > 280);
        selections.put("TAGS IS NOT NULL AND TAGS <> 'B' AND even = TRUE", number -> number % 2 == 0 && number % 5 != 1);
        selections.put("it$s = 'it''s' OR colour CONTAINS 'lu' AND number < 20", number -> number == 7 || number % 3 == 1 && number < 20);
        selections.put(REFUSED_ONCE, number -> number >= 290);
        selections.put("weight > 1 OR colour > number", number -> false);

        run.quickRouteAndRebalance();
        run.createTopic(4);
        expectRefused(run, "number > AND colour = 'red'", "line 1, column 10");
        expectRefused(run, "number > 1 AND\n colour > 'red'", "");
        Map<String, Received> received = new LinkedHashMap<>();
        Map<String, DefaultMQPushConsumer> consumers = new LinkedHashMap<>();
        for (String expression : selections.keySet()) {
            received.put(expression, new Received());
            consumers.put(expression, start(run, received.get(expression), run.group + "-" + consumers.size(), expression));
        }
        for (int number = 0; number < MESSAGES; number++) {
            run.producer().send(message(run, number));
        }
        StringBuilder facts = new StringBuilder();
        for (String expression : selections.keySet()) {
            DefaultMQPushConsumer consumer = consumers.get(expression);
            facts.append(", ").append(expect(run, consumer, received.get(expression), expression, selections.get(expression)));
        }
        String pulled = litePull(run);
        return "sent " + MESSAGES + ", selected" + facts + ", " + pulled;
    }

    private static Message message(Run run, int number) {
        Message message = Numbered.message(run.topic, new String[] {"A", "B", "C", "D", "E"}[number % 5], number);
        if (number % 3 != 2) {
            message.putUserProperty("colour", number % 3 == 0 ? "red" : "blue");
        }
        message.putUserProperty("even", Boolean.toString(number % 2 == 0));
        if (number == 7) {
            message.putUserProperty("it$s", "it's");
        }
        return message;
    }

    private static String expect(Run run, DefaultMQPushConsumer consumer, Received received, String expression, IntPredicate wanted) throws Exception {
        int count = 0;
        for (int number = 0; number < MESSAGES; number++) {
            count += wanted.test(number) ? 1 : 0;
        }
        int deliveries = expression.equals(REFUSED_ONCE) ? 2 * count : count;
        Await.until(deliveries + " deliveries for " + expression, Received.DELIVERED_WITHIN_SECONDS, () -> received.total() >= deliveries, received::total);
        run.awaitAllCommitted(consumer.getConsumerGroup(), 60, () -> consumer.getDefaultMQPushConsumerImpl().persistConsumerOffset());
        Expect.equal("deliveries for " + expression, deliveries, received.total());
        Expect.equal("different messages for " + expression, count, received.distinct());
        received.arrivals().forEach(arrival -> Expect.that(wanted.test(arrival.number()), "only " + expression, arrival.number()));
        return count + "";
    }

    private static DefaultMQPushConsumer start(Run run, Received received, String group, String expression) throws Exception {
        DefaultMQPushConsumer consumer = run.pushConsumer(group);
        consumer.subscribe(run.topic, MessageSelector.bySql(expression));
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            messages.forEach(message -> received.add(group, message));
            context.setDelayLevelWhenNextConsume(1);
            boolean isFirst = messages.get(0).getReconsumeTimes() == 0;
            return expression.equals(REFUSED_ONCE) && isFirst ? ConsumeConcurrentlyStatus.RECONSUME_LATER : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        return consumer;
    }

    private static void expectRefused(Run run, String expression, String place) throws Exception {
        DefaultMQPushConsumer consumer = run.pushConsumer(run.group + "-wrong");
        consumer.subscribe(run.topic, MessageSelector.bySql(expression));
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> ConsumeConcurrentlyStatus.CONSUME_SUCCESS);
        try {
            consumer.start();
        } catch (MQClientException refused) {
            Expect.equal("code for " + expression, SUBSCRIPTION_PARSE_FAILED, refused.getResponseCode());
            Expect.that(refused.getErrorMessage().contains(place), "the place " + place, refused.getErrorMessage());
            return;
        } finally {
            consumer.shutdown();
        }
        Expect.that(false, "a consumer with " + expression + " refused at its start", "it started");
    }

    /** This consumer's pulls bring their expression along. */
    private static String litePull(Run run) throws Exception {
        DefaultLitePullConsumer consumer = run.litePullConsumer(run.group + "-lite");
        consumer.subscribe(run.topic, MessageSelector.bySql("number >= 100 AND number < 150"));
        consumer.start();
        Received received = new Received();
        Await.until("50 polled messages", 60, () -> {
            var polled = consumer.poll(100);
            polled.forEach(message -> received.add("lite", message));
            return received.distinct() >= 50;
        }, received::distinct);
        Expect.equal("messages after the last one", 0, consumer.poll(500).size());
        received.expectExactlyOnce("polled messages", 100, 150);
        return "polled " + received.total();
    }
}
