// A stock Java client that sends on and on at its default settings while something happens to the brokers.
//
//   java -cp 'JARS/*' JavaFailover.java --namesrv 127.0.0.1:9876 --topic T --threads 4 --size 1024 --seconds 60
//
// Run from its source. Prints "sending" once the first send is acknowledged, and as its last line the result as JSON: the
// longest time between two acknowledged sends of whichever thread, when it began, and the sends that failed for good, after
// all of the client's own retries.

import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;

import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;

public class JavaFailover {
    /** Between two sends of a thread: the time without a send is wanted, not a rate. */
    private static final long PAUSE_MS = 5;

    private static final AtomicLong acknowledged = new AtomicLong();
    private static final AtomicLong failed = new AtomicLong();
    private static final AtomicReference<String> firstFailure = new AtomicReference<>();

    private static long lastNs;
    private static long longestNs;
    private static long longestBeganMs;

    public static void main(String[] words) throws Exception {
        Map<String, String> options = new HashMap<>();
        for (int n = 0; n + 1 < words.length; n += 2) {
            options.put(words[n].replaceFirst("^--", ""), words[n + 1]);
        }
        String topic = options.get("topic");
        byte[] body = new byte[Integer.parseInt(options.get("size"))];
        new Random(42).nextBytes(body);
        DefaultMQProducer producer = new DefaultMQProducer("java-failover");
        producer.setNamesrvAddr(options.get("namesrv"));
        producer.start();
        producer.send(new Message(topic, body));
        succeeded();
        System.out.println("sending");

        long endNs = System.nanoTime() + 1_000_000_000L * Integer.parseInt(options.get("seconds"));
        Thread[] senders = new Thread[Integer.parseInt(options.get("threads"))];
        for (int n = 0; n < senders.length; n++) {
            senders[n] = new Thread(() -> sendUntil(endNs, producer, topic, body));
            senders[n].start();
        }
        for (Thread sender : senders) {
            sender.join();
        }
        // What lasts until the end is a gap too.
        note();
        String failure = firstFailure.get() == null ? "" : firstFailure.get().replaceAll("[\"\\\\\\p{Cntrl}]", " ");
        System.out.printf(Locale.ROOT,
            "{\"acknowledged\":%d,\"failed\":%d,\"first_failure\":\"%s\",\"longest_gap_ms\":%.1f,\"gap_began_ms\":%d}%n",
            acknowledged.get(), failed.get(), failure, longestNs / 1e6, longestBeganMs);
        System.exit(0);
    }

    private static void sendUntil(long endNs, DefaultMQProducer producer, String topic, byte[] body) {
        while (System.nanoTime() < endNs) {
            try {
                SendStatus status = producer.send(new Message(topic, body)).getSendStatus();
                if (status != SendStatus.SEND_OK) {
                    throw new IllegalStateException("status " + status);
                }
                succeeded();
            } catch (Exception failure) {
                failed.incrementAndGet();
                firstFailure.compareAndSet(null, failure.toString().split("\n")[0]);
            }
            try {
                Thread.sleep(PAUSE_MS);
            } catch (InterruptedException end) {
                return;
            }
        }
    }

    private static synchronized void succeeded() {
        acknowledged.incrementAndGet();
        if (lastNs != 0) {
            note();
        }
        lastNs = System.nanoTime();
    }

    private static synchronized void note() {
        long gapNs = System.nanoTime() - lastNs;
        if (gapNs > longestNs) {
            longestNs = gapNs;
            longestBeganMs = System.currentTimeMillis() - gapNs / 1_000_000;
        }
    }
}
