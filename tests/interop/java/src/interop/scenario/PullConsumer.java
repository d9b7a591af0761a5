package interop.scenario;

import interop.Await;
import interop.Expect;
import interop.Failure;
import interop.Numbered;
import interop.Received;
import interop.Run;
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.common.message.MessageQueue;

/** The old pull API: queues from the route, a pull loop, every pull status, offsets stored and fetched by hand. */
public final class PullConsumer {
    private static final int MESSAGES = 300;
    private static final int PULL_BATCH = 20;

    private PullConsumer() {
    }

    public static String run(Run run) throws Exception {
        run.createTopic(4);
        for (int number = 0; number < MESSAGES; number++) {
            run.producer().send(Numbered.message(run.topic, "Even".repeat(1 - number % 2), number));
        }
        DefaultMQPullConsumer consumer = run.pullConsumer(run.group);
        consumer.start();
        Set<MessageQueue> queues = consumer.fetchSubscribeMessageQueues(run.topic);
        Expect.equal("queues", 4 * run.brokers(), queues.size());
        Received received = new Received();
        for (MessageQueue queue : queues) {
            readToEnd(consumer, queue, received);
            expectStatuses(consumer, queue);
        }
        Failure.throwReported();
        received.expectExactlyOnce("pulled messages", 0, MESSAGES);
        return "pulled " + received.total() + " from " + queues.size() + " queues";
    }

    private static void readToEnd(DefaultMQPullConsumer consumer, MessageQueue queue, Received received) throws Exception {
        // A young queue answers 0 to a group that never committed.
        long stored = consumer.fetchConsumeOffset(queue, true);
        Expect.that(stored <= 0, "no offset of a group that never committed", stored);
        long offset = 0;
        PullResult result = consumer.pull(queue, "*", offset, PULL_BATCH);
        while (result.getPullStatus() == PullStatus.FOUND) {
            Expect.that(result.getMsgFoundList().size() <= PULL_BATCH, "at most " + PULL_BATCH + " messages", result.getMsgFoundList().size());
            result.getMsgFoundList().forEach(message -> received.add("pull", message));
            offset = result.getNextBeginOffset();
            consumer.updateConsumeOffset(queue, offset);
            result = consumer.pull(queue, "*", offset, PULL_BATCH);
        }
        Expect.equal("status at the end of " + queue, PullStatus.NO_NEW_MSG, result.getPullStatus());
        Expect.equal("end of " + queue, consumer.maxOffset(queue), offset);
        consumer.getOffsetStore().persist(queue);
        long end = offset;
        Await.until("the stored offset of " + queue, 10, () -> consumer.fetchConsumeOffset(queue, true) == end,
            () -> consumer.fetchConsumeOffset(queue, true));
    }

    private static void expectStatuses(DefaultMQPullConsumer consumer, MessageQueue queue) throws Exception {
        long end = consumer.maxOffset(queue);
        PullResult past = consumer.pull(queue, "*", end + 100, PULL_BATCH);
        Expect.equal("status past the end", PullStatus.OFFSET_ILLEGAL, past.getPullStatus());
        Expect.equal("offset to go on from, past the end", end, past.getNextBeginOffset());
        PullResult nothing = consumer.pull(queue, "NoSuchTag", 0, PULL_BATCH);
        Expect.equal("status when no tag matches", PullStatus.NO_MATCHED_MSG, nothing.getPullStatus());
        Expect.that(nothing.getNextBeginOffset() > 0, "an offset that advanced past what did not match", nothing.getNextBeginOffset());
        Expect.equal("minimum offset in a pull result", 0L, nothing.getMinOffset());
        Expect.equal("maximum offset in a pull result", end, nothing.getMaxOffset());
    }
}
