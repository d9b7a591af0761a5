package interop;

/** Waits for a condition, never for a time: polls until it holds or the limit has passed. */
public final class Await {
    private static final long POLL_MS = 5;

    private Await() {
    }

    public interface Condition {
        boolean holds() throws Exception;
    }

    public interface Seen {
        Object now() throws Exception;
    }

    /** Returns how long it took in ms. */
    public static long until(String what, long limitSeconds, Condition condition, Seen seen) throws Exception {
        Deadline.nowWaitingFor(what);
        long start = System.nanoTime();
        while (true) {
            Failure.throwReported();
            if (condition.holds()) {
                Deadline.nowWaitingFor("the scenario's own steps after: " + what);
                return (System.nanoTime() - start) / 1_000_000;
            }
            if (System.nanoTime() - start > limitSeconds * 1_000_000_000L) {
                throw new Failure("waited " + limitSeconds + " s for " + what + ", saw " + seen.now());
            }
            Thread.sleep(POLL_MS);
        }
    }

    /** Waits until the wall clock has moved past {@code millis}, so that time stamps differ. */
    public static void clockPast(long millis) throws InterruptedException {
        while (System.currentTimeMillis() <= millis) {
            Thread.sleep(1);
        }
    }
}
