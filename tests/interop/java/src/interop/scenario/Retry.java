package interop.scenario;

import interop.Await;
import interop.Expect;
import interop.Numbered;
import interop.Received;
import interop.Run;
import java.util.ArrayList;
import java.util.List;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;

/** Message n is refused n mod 4 times: redelivered after delay level 1 each time, with the count and its origin. */
public final class Retry {
    private static final int MESSAGES = 20;
    private static final int REFUSALS_MAX = 3;
    /** Delay level 1. */
    private static final int DELAY_MS = 1000;

    private Retry() {
    }

    public static String run(Run run) throws Exception {
        run.quickRouteAndRebalance();
        run.createTopic(4);
        Received received = new Received();
        DefaultMQPushConsumer consumer = run.startConsumer((messages, context) -> {
            MessageExt message = messages.get(0);
            received.add("only", message);
            if (message.getReconsumeTimes() >= refusals(Numbered.check(message))) {
                return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            }
            context.setDelayLevelWhenNextConsume(1);
            return ConsumeConcurrentlyStatus.RECONSUME_LATER;
        });
        List<SendResult> results = new ArrayList<>();
        int deliveries = 0;
        for (int number = 0; number < MESSAGES; number++) {
            results.add(run.producer().send(Numbered.message(run.topic, "Retried", number)));
            deliveries += 1 + refusals(number);
        }
        int expected = deliveries;
        Await.until(deliveries + " deliveries", 60, () -> received.total() >= expected, received::total);
        consumer.shutdown();
        run.awaitAllCommitted(run.group, 10);
        Expect.equal("deliveries", deliveries, received.total());

        for (int number = 0; number < MESSAGES; number++) {
            expectAttempts(run, number, results.get(number), received);
        }
        return "messages " + MESSAGES + " deliveries " + deliveries;
    }

    private static int refusals(int number) {
        return number % (REFUSALS_MAX + 1);
    }

    private static void expectAttempts(Run run, int number, SendResult sent, Received received) {
        List<Received.Arrival> attempts = received.arrivals().stream().filter(arrival -> arrival.number() == number).toList();
        Expect.equal("deliveries of message " + number, 1 + refusals(number), attempts.size());
        for (int attempt = 0; attempt < attempts.size(); attempt++) {
            MessageExt message = attempts.get(attempt).message();
            Expect.equal("reconsume times at delivery " + attempt + " of " + number, attempt, message.getReconsumeTimes());
            Expect.equal("topic of a redelivery", run.topic, message.getTopic());
            Expect.equal("tags of a redelivery", "Retried", message.getTags());
            Expect.equal("unique id of a redelivery", sent.getMsgId(), message.getMsgId());
            if (attempt > 0) {
                Expect.equal("origin of a redelivery", sent.getOffsetMsgId(), message.getProperty(MessageConst.PROPERTY_ORIGIN_MESSAGE_ID));
                long waited = attempts.get(attempt).atMs() - attempts.get(attempt - 1).atMs();
                Expect.that(waited >= DELAY_MS, "at least " + DELAY_MS + " ms between deliveries of " + number, waited);
            }
        }
    }
}
