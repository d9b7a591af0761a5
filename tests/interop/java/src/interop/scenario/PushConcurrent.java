package interop.scenario;

import interop.Expect;
import interop.Failure;
import interop.Numbered;
import interop.Received;
import interop.Run;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;

/** A concurrent push consumer gets every message of several producer threads exactly once, and commits all of them. */
public final class PushConcurrent {
    private static final int THREADS = 4;
    private static final int MESSAGES = 2000;

    private PushConcurrent() {
    }

    public static String run(Run run) throws Exception {
        run.createTopic(4);
        Received received = new Received();
        DefaultMQPushConsumer consumer = run.startConsumer(received);
        run.producer();

        Thread[] senders = new Thread[THREADS];
        for (int thread = 0; thread < THREADS; thread++) {
            int first = thread;
            senders[thread] = new Thread(() -> {
                try {
                    for (int number = first; number < MESSAGES; number += THREADS) {
                        run.producer().send(Numbered.message(run.topic, number));
                    }
                } catch (Exception error) {
                    Failure.report(error);
                }
            });
            senders[thread].start();
        }
        for (Thread sender : senders) {
            sender.join();
        }
        received.awaitDistinct(MESSAGES, Received.DELIVERED_WITHIN_SECONDS);
        received.arrivals().forEach(arrival -> Expect.equal("topic of a delivery", run.topic, arrival.message().getTopic()));
        consumer.shutdown();
        run.awaitAllCommitted(run.group, 10);
        received.expectExactlyOnce("consumed messages", 0, MESSAGES);
        return "consumed " + received.total() + " of " + MESSAGES + " exactly once";
    }
}
