package interop.scenario;

import interop.Numbered;
import interop.Received;
import interop.Run;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;

/** A group that was away continues where it stopped: nothing again, nothing left out. */
public final class Resume {
    private static final int BEFORE = 300;
    private static final int MEANWHILE = 200;
    private static final int AFTER = 100;

    private Resume() {
    }

    public static String run(Run run) throws Exception {
        run.createTopic(4);
        Received first = new Received();
        DefaultMQPushConsumer consumer = run.startConsumer(first);
        send(run, 0, BEFORE);
        first.awaitDistinct(BEFORE, Received.DELIVERED_WITHIN_SECONDS);
        consumer.shutdown();
        run.awaitAllCommitted(run.group, 10);
        first.expectExactlyOnce("messages before the pause", 0, BEFORE);

        send(run, BEFORE, BEFORE + MEANWHILE);
        Received second = new Received();
        consumer = run.startConsumer(second);
        send(run, BEFORE + MEANWHILE, BEFORE + MEANWHILE + AFTER);
        second.awaitDistinct(MEANWHILE + AFTER, Received.DELIVERED_WITHIN_SECONDS);
        consumer.shutdown();
        run.awaitAllCommitted(run.group, 10);
        second.expectExactlyOnce("messages after the pause", BEFORE, BEFORE + MEANWHILE + AFTER);
        return "consumed " + first.total() + " then " + second.total();
    }

    private static void send(Run run, int first, int end) throws Exception {
        for (int number = first; number < end; number++) {
            run.producer().send(Numbered.message(run.topic, number));
        }
    }
}
