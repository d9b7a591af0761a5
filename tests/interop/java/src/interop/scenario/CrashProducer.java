package interop.scenario;

import interop.Await;
import interop.Expect;
import interop.Failure;
import interop.Run;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;

/**
 * Sends as fast as it can until a line comes on stdin or {@code --run-s} are over, through any number of broker crashes.
 * Each acknowledged message is a line {@code key queueId queueOffset brokerName milliseconds} of {@code --ack-file}, written before its
 * thread's next send. Each send that the application saw fail is a line {@code milliseconds tookMilliseconds cause} of
 * a file beside it whose name ends in {@code .failed}. {@code --poll-ms}: how often routes are asked for. {@code --pause-ms}: between a thread's sends.
 * {@code --attempt-ms}: how long one attempt of a send may take, and brokers that did not answer are kept away from.
 */
public final class CrashProducer {
    /** After a failed send, so that a broker that is down is not asked in a tight loop. */
    private static final long PAUSE_AFTER_FAILURE_MS = 10;

    private final Run run;
    private final BufferedWriter acknowledged;
    private final BufferedWriter failures;
    private final AtomicLong ok = new AtomicLong();
    private final AtomicLong failed = new AtomicLong();
    private final long pauseMs;
    private volatile boolean stopped;

    private CrashProducer(Run run) throws IOException {
        this.run = run;
        this.pauseMs = run.options.number("pause-ms", 0);
        this.acknowledged = Files.newBufferedWriter(Path.of(run.options.text("ack-file")));
        this.failures = Files.newBufferedWriter(Path.of(run.options.text("ack-file") + ".failed"));
    }

    public static String run(Run run) throws Exception {
        return new CrashProducer(run).produce();
    }

    private String produce() throws Exception {
        run.pollRoutesEvery(run.options.number("poll-ms", 0));
        run.createTopic(4);
        DefaultMQProducer producer = run.producer();
        int attemptMs = run.options.number("attempt-ms", 0);
        if (attemptMs > 0) {
            limitAttempts(producer, attemptMs);
        }
        Thread[] threads = new Thread[run.options.number("threads", 4)];
        for (int i = 0; i < threads.length; i++) {
            int thread = i;
            threads[i] = new Thread(() -> send(producer, thread), "sender-" + i);
            threads[i].start();
        }
        StopLine.thenRun(() -> stopped = true);
        long stopAtMs = System.currentTimeMillis() + 1000L * run.options.number("run-s", 60);
        int limit = run.options.number("run-s", 60) + 10;
        Await.until("the end of the run", limit, () -> stopped || System.currentTimeMillis() >= stopAtMs, () -> ok + " acknowledged");
        stopped = true;
        for (Thread thread : threads) {
            thread.join();
        }
        acknowledged.close();
        failures.close();
        Expect.that(ok.get() > 0, "some acknowledged messages", ok);
        return "acknowledged " + ok + " failed " + failed;
    }

    /** What an application sets for hosts that swallow what they are sent; only 5.x can limit an attempt. */
    private static void limitAttempts(DefaultMQProducer producer, int attemptMs) throws ReflectiveOperationException {
        DefaultMQProducer.class.getMethod("setSendMsgMaxTimeoutPerRequest", int.class).invoke(producer, attemptMs);
        producer.setSendLatencyFaultEnable(true);
    }

    private void send(DefaultMQProducer producer, int thread) {
        for (long sequence = 0; !stopped; sequence++) {
            Sequenced message = new Sequenced(thread, sequence);
            long startMs = System.currentTimeMillis();
            try {
                SendResult result = producer.send(message.message(run.topic));
                if (result.getSendStatus() == SendStatus.SEND_OK) {
                    acknowledge(message, result);
                    ok.incrementAndGet();
                } else {
                    fail(startMs, result.getSendStatus().name());
                }
                pause(pauseMs);
            } catch (IOException | InterruptedException broken) {
                Failure.report(broken);
                return;
            } catch (Exception brokerGone) {
                try {
                    fail(startMs, brokerGone.toString());
                    pause(PAUSE_AFTER_FAILURE_MS);
                } catch (IOException | InterruptedException broken) {
                    Failure.report(broken);
                    return;
                }
            }
        }
    }

    private static void pause(long milliseconds) throws InterruptedException {
        if (milliseconds > 0) {
            Thread.sleep(milliseconds);
        }
    }

    private synchronized void fail(long startMs, String cause) throws IOException {
        failed.incrementAndGet();
        long nowMs = System.currentTimeMillis();
        failures.write(nowMs + " " + (nowMs - startMs) + " " + cause.lines().findFirst().orElse("") + "\n");
        failures.flush();
    }

    private synchronized void acknowledge(Sequenced message, SendResult result) throws IOException {
        acknowledged.write(message.key() + " " + result.getMessageQueue().getQueueId() + " " + result.getQueueOffset() + " "
            + result.getMessageQueue().getBrokerName() + " " + System.currentTimeMillis() + "\n");
        acknowledged.flush();
    }
}
