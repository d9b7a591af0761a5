package interop.scenario;

import interop.Await;
import interop.Expect;
import interop.Failure;
import interop.Run;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * Consumes what {@link CrashProducer} sends, through any number of broker crashes, until a line comes on stdin; then all
 * that the producer's {@code --ack-file} lists has to have come, and to be committed. The group's offsets, as a broker tells
 * them, never go back meanwhile. {@code --poll-ms}: how often routes are asked for.
 */
public final class CrashConsumer {
    private static final long CONSUMED_WITHIN_SECONDS = 60;
    private static final long COMMIT_MS = 100;
    private static final long LOOK_MS = 20;

    private final Set<String> keys = ConcurrentHashMap.newKeySet();
    private final AtomicLong deliveries = new AtomicLong();
    private final Map<MessageQueue, Long> committed = new HashMap<>();
    private volatile boolean stopped;
    private long looks;

    private CrashConsumer() {
    }

    public static String run(Run run) throws Exception {
        return new CrashConsumer().consume(run);
    }

    private String consume(Run run) throws Exception {
        run.pollRoutesEvery(run.options.number("poll-ms", 0));
        Await.until("the producer's topic", 30, () -> !run.routedQueues().isEmpty(), run::routedQueues);
        List<MessageQueue> queues = run.queues();
        DefaultMQPushConsumer consumer = run.pushConsumer(run.group);
        consumer.setPersistConsumerOffsetInterval((int) COMMIT_MS);
        consumer.subscribe(run.topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> handle(messages));
        consumer.start();
        StopLine.thenRun(() -> stopped = true);
        while (!stopped) {
            look(run, queues);
            Failure.throwReported();
            Thread.sleep(LOOK_MS);
        }
        Set<String> acknowledged = acknowledged(Path.of(run.options.text("ack-file")));
        Await.until("all acknowledged messages", CONSUMED_WITHIN_SECONDS, () -> {
            look(run, queues);
            return keys.containsAll(acknowledged);
        }, () -> missing(acknowledged));
        run.awaitAllCommitted(run.group, CONSUMED_WITHIN_SECONDS, () -> {
            try {
                look(run, queues);
            } catch (Exception broken) {
                Failure.report(broken);
            }
        });
        long repeats = deliveries.get() - keys.size();
        return "acknowledged " + acknowledged.size() + ", consumed " + keys.size() + ", delivered again " + repeats + ", looked at offsets " + looks + " times";
    }

    private ConsumeConcurrentlyStatus handle(List<MessageExt> messages) {
        try {
            for (MessageExt message : messages) {
                keys.add(Sequenced.check(message).key());
                deliveries.incrementAndGet();
            }
        } catch (RuntimeException wrong) {
            Failure.report(wrong);
        }
        return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    }

    /** A broker that is not there is no answer; the next one has to say at least as much as the last. */
    private void look(Run run, List<MessageQueue> queues) throws Exception {
        for (MessageQueue queue : queues) {
            long now = run.committed(run.group, queue);
            if (now < 0) {
                continue;
            }
            looks++;
            Long before = committed.put(queue, now);
            Expect.that(before == null || before <= now, "the offset of " + queue + " to stay at " + before + " or grow", now);
        }
    }

    private static Set<String> acknowledged(Path file) throws IOException {
        Set<String> acknowledged = new HashSet<>();
        for (String line : Files.readAllLines(file)) {
            acknowledged.add(line.substring(0, line.indexOf(' ')));
        }
        return acknowledged;
    }

    private String missing(Set<String> acknowledged) {
        Set<String> missing = new HashSet<>(acknowledged);
        missing.removeAll(keys);
        return missing.size() + " of " + acknowledged.size() + " missing: " + missing.stream().limit(20).toList();
    }
}
