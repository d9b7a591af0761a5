// Load from the stock Java client: one client, many threads, each sends one message at a time.
//
//   java -cp 'JARS/*' JavaLoad.java --namesrv 127.0.0.1:9876 --topic T --threads 64 --size 1024 --warmup 12 --seconds 8 --pid BROKER
//
// Run from its source, so that nothing needs to be compiled before. The last line of its output is the result as JSON:
// messages acknowledged within the window, their latencies, and the processor time of broker and client within it.

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.atomic.AtomicReference;

import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;

public class JavaLoad {
    /** Processor time is counted in these: 100 a second on every Linux that Java runs on. */
    private static final double TICK_US = 10_000;

    private static volatile boolean measuring;
    private static volatile boolean stopped;
    private static final AtomicReference<String> firstFailure = new AtomicReference<>();

    /** One thread's count and latencies; nobody else touches them before the thread has ended. */
    private static final class Sender extends Thread {
        private final DefaultMQProducer producer;
        private final String topic;
        private final byte[] body;
        private int[] latenciesUs = new int[1 << 16];
        private int messages;
        private long failed;

        Sender(DefaultMQProducer producer, String topic, byte[] body) {
            this.producer = producer;
            this.topic = topic;
            this.body = body;
        }

        @Override
        public void run() {
            while (!stopped) {
                long start = System.nanoTime();
                boolean counts = measuring;
                try {
                    SendStatus status = producer.send(new Message(topic, body)).getSendStatus();
                    if (status != SendStatus.SEND_OK) {
                        throw new IllegalStateException("status " + status);
                    }
                    if (counts && measuring) {
                        record((System.nanoTime() - start) / 1000);
                    }
                } catch (Exception failure) {
                    firstFailure.compareAndSet(null, failure.toString().split("\n")[0]);
                    if (counts) {
                        failed++;
                    }
                }
            }
        }

        private void record(long us) {
            if (messages == latenciesUs.length) {
                latenciesUs = Arrays.copyOf(latenciesUs, 2 * messages);
            }
            latenciesUs[messages++] = (int) Math.min(us, Integer.MAX_VALUE);
        }
    }

    public static void main(String[] words) throws Exception {
        Map<String, String> options = new HashMap<>();
        for (int n = 0; n + 1 < words.length; n += 2) {
            options.put(words[n].replaceFirst("^--", ""), words[n + 1]);
        }
        String topic = options.get("topic");
        byte[] body = new byte[Integer.parseInt(options.get("size"))];
        new Random(42).nextBytes(body);
        DefaultMQProducer producer = new DefaultMQProducer("java-load");
        producer.setNamesrvAddr(options.get("namesrv"));
        producer.setRetryTimesWhenSendFailed(0);
        producer.setCompressMsgBodyOverHowmuch(Integer.MAX_VALUE);
        producer.setDefaultTopicQueueNums(8);
        producer.start();
        // The first send creates the topic; many at once would all ask for it.
        producer.send(new Message(topic, body));

        List<Sender> senders = new ArrayList<>();
        for (int n = 0; n < Integer.parseInt(options.get("threads")); n++) {
            senders.add(new Sender(producer, topic, body));
        }
        senders.forEach(Thread::start);
        Thread.sleep(1000L * Integer.parseInt(options.get("warmup")));
        String broker = options.get("pid");
        String own = Long.toString(ProcessHandle.current().pid());
        double brokerCpu = cpuUs(broker), ownCpu = cpuUs(own);
        long start = System.nanoTime();
        measuring = true;
        Thread.sleep(1000L * Integer.parseInt(options.get("seconds")));
        measuring = false;
        double seconds = (System.nanoTime() - start) / 1e9;
        brokerCpu = cpuUs(broker) - brokerCpu;
        ownCpu = cpuUs(own) - ownCpu;
        stopped = true;
        for (Sender sender : senders) {
            sender.join();
        }
        report(senders, seconds, brokerCpu, ownCpu);
        System.exit(0);
    }

    private static void report(List<Sender> senders, double seconds, double brokerCpuUs, double ownCpuUs) {
        int[] all = senders.stream().flatMapToInt(sender -> Arrays.stream(sender.latenciesUs, 0, sender.messages)).toArray();
        Arrays.sort(all);
        long failed = senders.stream().mapToLong(sender -> sender.failed).sum();
        String failure = firstFailure.get() == null ? "" : firstFailure.get().replaceAll("[\"\\\\\\p{Cntrl}]", " ");
        System.out.printf(Locale.ROOT,
            "{\"messages\":%d,\"seconds\":%.6f,\"failed\":%d,\"first_failure\":\"%s\",\"p50_us\":%d,\"p99_us\":%d,"
                + "\"p999_us\":%d,\"max_us\":%d,\"broker_cpu_us\":%.0f,\"own_cpu_us\":%.0f}%n",
            all.length, seconds, failed, failure, at(all, 0.5), at(all, 0.99), at(all, 0.999), at(all, 1), brokerCpuUs, ownCpuUs);
    }

    private static int at(int[] sorted, double share) {
        return sorted.length == 0 ? 0 : sorted[(int) Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
    }

    /** User plus system time so far. The name, in parentheses, may hold anything: counting starts behind it. */
    private static double cpuUs(String pid) throws Exception {
        String stat = Files.readString(Path.of("/proc", pid, "stat"));
        String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
        return (Long.parseLong(fields[11]) + Long.parseLong(fields[12])) * TICK_US;
    }
}
