package interop.scenario;

import interop.Await;
import interop.Expect;
import interop.Failure;
import interop.Run;
import java.io.BufferedReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * Reads the whole topic of {@link CrashProducer} and holds it against the ack file: every acknowledged message is whole
 * and at the place its answer named, no place was given twice, queue offsets are dense, and each thread's
 * acknowledged messages lie in each queue in the order they were sent. {@code --lost-tail-max} allows for so many acknowledged
 * messages that would have come after the last stored one of their queue.
 */
public final class CrashVerify {
    private static final int PULL_BATCH = 32;
    private static final long ROUTE_WITHIN_SECONDS = 30;
    private static final int THREAD_SHIFT = 48;

    /** What lies at each offset of a queue, a message packed into a long. */
    private final Map<String, long[]> storedByQueue = new HashMap<>();
    private final Map<String, Long> lastOffset = new HashMap<>();
    private final Set<Long> distinct = new HashSet<>();
    private final int lostTailMax;
    private long stored;
    private int lost;

    private CrashVerify(int lostTailMax) {
        this.lostTailMax = lostTailMax;
    }

    public static String run(Run run) throws Exception {
        return new CrashVerify(run.options.number("lost-tail-max", 0)).verify(run);
    }

    private String verify(Run run) throws Exception {
        DefaultMQPullConsumer consumer = run.pullConsumer(run.group + "-verify");
        consumer.start();
        // On a busy machine a new client may give up on the name server before its first answer.
        Await.until("the route of " + run.topic, ROUTE_WITHIN_SECONDS, () -> !run.routedQueues().isEmpty(), run::routedQueues);
        Set<MessageQueue> queues = consumer.fetchSubscribeMessageQueues(run.topic);
        Expect.equal("queues", 4 * run.brokers(), queues.size());
        for (MessageQueue queue : queues) {
            storedByQueue.put(place(queue.getBrokerName(), queue.getQueueId()), readQueue(consumer, queue));
        }
        long acknowledged = 0;
        try (BufferedReader lines = Files.newBufferedReader(Path.of(run.options.text("ack-file")))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                expectStored(line);
                acknowledged++;
            }
        }
        Expect.that(acknowledged > 0, "acknowledged messages in the ack file", acknowledged);
        return "acknowledged " + acknowledged + " lost at the ends of queues " + lost + "; stored " + stored + " in " + queues.size() + " queues, not acknowledged "
            + (distinct.size() - acknowledged + lost) + ", stored again by the producer's own retries " + (stored - distinct.size());
    }

    private long[] readQueue(DefaultMQPullConsumer consumer, MessageQueue queue) throws Exception {
        Expect.equal("minimum offset of " + queue, 0L, consumer.minOffset(queue));
        long[] messages = new long[(int) consumer.maxOffset(queue)];
        int offset = 0;
        while (offset < messages.length) {
            PullResult result = consumer.pull(queue, "*", offset, PULL_BATCH);
            Expect.equal("pull status at " + offset + " of " + queue + " which ends at " + messages.length, PullStatus.FOUND, result.getPullStatus());
            for (MessageExt message : result.getMsgFoundList()) {
                Expect.equal("queue offset read from " + queue, (long) offset, message.getQueueOffset());
                messages[offset] = packed(Sequenced.check(message));
                distinct.add(messages[offset]);
                stored++;
                offset++;
            }
        }
        return messages;
    }

    private void expectStored(String line) {
        String[] fields = line.split(" ");
        Sequenced message = Sequenced.parse(fields[0]);
        int offset = Integer.parseInt(fields[2]);
        String place = place(fields[3], Integer.parseInt(fields[1]));
        long[] messages = storedByQueue.get(place);
        if (messages != null && offset >= messages.length && lost < lostTailMax) {
            lost++;
            return;
        }
        if (messages == null || offset >= messages.length) {
            throw new Failure("expected acknowledged message " + message.key() + " at " + offset + " of " + place + ", saw "
                + (messages == null ? "no such queue" : "a queue that ends at " + messages.length));
        }
        if (messages[offset] != packed(message)) {
            throw new Failure("expected acknowledged message " + message.key() + " at " + offset + " of " + place + ", saw "
                + (messages[offset] >>> THREAD_SHIFT) + "-" + (messages[offset] & ((1L << THREAD_SHIFT) - 1)));
        }
        // Acks of a thread are in the file in the order of its sends.
        Long previous = lastOffset.put(message.thread() + " " + place, (long) offset);
        Expect.that(previous == null || previous < offset, "message " + message.key() + " behind offset " + previous + " of " + place, offset);
    }

    private static String place(String brokerName, int queueId) {
        return brokerName + " queue " + queueId;
    }

    private static long packed(Sequenced message) {
        return (long) message.thread() << THREAD_SHIFT | message.sequence();
    }
}
