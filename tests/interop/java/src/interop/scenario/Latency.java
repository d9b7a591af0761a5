package interop.scenario;

import interop.Await;
import interop.Expect;
import interop.Failure;
import interop.Numbered;
import interop.Received;
import interop.Run;
import java.util.Arrays;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;

/** One message at a time to an idle consumer whose pulls are held by the broker: from the call of send to the listener. */
public final class Latency {
    /** The first sends load the client's classes; they are not measured. */
    private static final int WARM_UP = 10;
    private static final int MEASURED = 50;
    private static final double MEDIAN_MS_MAX = 20;
    private static final double WORST_MS_MAX = 500;
    /** How long the consumer is idle before each message. */
    private static final long IDLE_MS = 50;

    private Latency() {
    }

    public static String run(Run run) throws Exception {
        run.createTopic(4);
        SynchronousQueue<Long> arrivals = new SynchronousQueue<>();
        DefaultMQPushConsumer consumer = run.pushConsumer(run.group);
        consumer.subscribe(run.topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            long now = System.nanoTime();
            try {
                Numbered.check(messages.get(0));
                arrivals.put(now);
            } catch (Exception wrong) {
                Failure.report(wrong);
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        run.producer();
        double[] measured = new double[MEASURED];
        for (int number = 0; number < WARM_UP + MEASURED; number++) {
            Await.clockPast(System.currentTimeMillis() + IDLE_MS);
            long sent = System.nanoTime();
            run.producer().send(Numbered.message(run.topic, number));
            Long arrived = arrivals.poll(Received.DELIVERED_WITHIN_SECONDS, TimeUnit.SECONDS);
            Expect.that(arrived != null, "message " + number + " within " + Received.DELIVERED_WITHIN_SECONDS + " s", arrived);
            if (number >= WARM_UP) {
                measured[number - WARM_UP] = (arrived - sent) / 1e6;
            }
        }
        Arrays.sort(measured);
        double median = measured[MEASURED / 2];
        double worst = measured[MEASURED - 1];
        String facts = String.format("messages %d min %.2f ms median %.2f ms p90 %.2f ms max %.2f ms", MEASURED, measured[0], median,
            measured[MEASURED * 9 / 10], worst);
        Expect.that(median < MEDIAN_MS_MAX, "a median below " + MEDIAN_MS_MAX + " ms", facts);
        Expect.that(worst < WORST_MS_MAX, "a maximum below " + WORST_MS_MAX + " ms", facts);
        return facts;
    }
}
