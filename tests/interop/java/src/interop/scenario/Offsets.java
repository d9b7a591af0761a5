package interop.scenario;

import interop.Await;
import interop.Expect;
import interop.Numbered;
import interop.Run;
import interop.TopicContents;
import java.util.List;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Minimum, maximum and by-time offsets through the clients' admin API. */
public final class Offsets {
    private static final int MESSAGES = 40;

    private Offsets() {
    }

    public static String run(Run run) throws Exception {
        run.createTopic(2);
        List<MessageQueue> queues = run.queues();
        MessageQueue queue = queues.get(0);
        for (MessageQueue each : queues) {
            Expect.equal("minimum of an empty queue", 0L, run.producer().minOffset(each));
            Expect.equal("maximum of an empty queue", 0L, run.producer().maxOffset(each));
        }
        for (int number = 0; number < MESSAGES; number++) {
            SendResult result = run.producer().send(Numbered.message(run.topic, number), queue);
            Expect.equal("offset of message " + number, (long) number, result.getQueueOffset());
            // Some messages share a millisecond with the next, others do not.
            if (number % 4 == 3) {
                Await.clockPast(System.currentTimeMillis() + 2);
            }
        }
        Await.until("the maximum offset", 10, () -> run.producer().maxOffset(queue) == MESSAGES, () -> run.producer().maxOffset(queue));
        Expect.equal("minimum", 0L, run.producer().minOffset(queue));
        Expect.equal("maximum through mqadmin's client", (long) MESSAGES, run.admin().maxOffset(queue));
        Expect.equal("maximum of the other queue", 0L, run.producer().maxOffset(queues.get(1)));

        List<MessageExt> stored = TopicContents.read(run, run.topic).byQueue.get(queue);
        long first = stored.get(0).getStoreTimestamp();
        long last = stored.get(MESSAGES - 1).getStoreTimestamp();
        for (long time = first - 2; time <= last; time++) {
            long at = time;
            long expected = stored.stream().filter(message -> message.getStoreTimestamp() >= at).findFirst().orElseThrow().getQueueOffset();
            Expect.equal("offset by time " + time + " (first " + first + ", last " + last + ")", expected, run.producer().searchOffset(queue, time));
        }
        Expect.equal("offset by a time long ago", 0L, run.producer().searchOffset(queue, 0));
        Expect.equal("offset by a time to come", (long) MESSAGES, run.producer().searchOffset(queue, last + 3_600_000));
        return "messages " + MESSAGES + " times asked " + (last - first + 5);
    }
}
