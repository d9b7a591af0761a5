package interop.scenario;

import interop.Await;
import interop.Failure;
import interop.Numbered;
import interop.Received;
import interop.Run;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/** A producer thread that sends numbered messages until stopped, and can be held between two messages. */
final class Sender {
    private static final long GAP_NS = TimeUnit.MILLISECONDS.toNanos(1);

    private final Semaphore turn = new Semaphore(1);
    private final Thread thread;
    private volatile boolean stopped;
    private volatile int sent;

    Sender(Run run) throws Exception {
        var producer = run.producer();
        thread = new Thread(() -> {
            try {
                while (!stopped) {
                    turn.acquire();
                    producer.send(Numbered.message(run.topic, sent));
                    sent++;
                    turn.release();
                    LockSupport.parkNanos(GAP_NS);
                }
            } catch (Exception error) {
                Failure.report(error);
            }
        }, "sender");
        thread.start();
    }

    /** After this nothing is in flight: all of {@code 0..sent()} is stored. */
    void pause() throws InterruptedException {
        if (!turn.tryAcquire(10, TimeUnit.SECONDS)) {
            throw new Failure("expected a send to end within 10 s");
        }
    }

    void resume() {
        turn.release();
    }

    void stop() throws InterruptedException {
        stopped = true;
        thread.join();
    }

    int sent() {
        return sent;
    }

    /** Waits until {@code more} messages sent from now on have arrived. */
    void awaitMore(int more, Received received) throws Exception {
        received.awaitDistinct(sent + more, Received.DELIVERED_WITHIN_SECONDS);
    }
}
