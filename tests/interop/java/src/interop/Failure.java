package interop;

import java.util.concurrent.atomic.AtomicReference;

/** An assertion that does not hold: what was expected, what was seen. */
public final class Failure extends RuntimeException {
    private static final AtomicReference<Failure> REPORTED = new AtomicReference<>();

    public Failure(String message) {
        super(message);
    }

    /**
     * Keeps the first failure of a client's own thread. Thrown there it would only make the client redeliver;
     * {@link Await} and the end of the scenario throw it where it counts.
     */
    public static void report(Throwable failure) {
        REPORTED.compareAndSet(null, failure instanceof Failure known ? known : new Failure("unexpected " + failure));
    }

    public static void throwReported() {
        Failure failure = REPORTED.get();
        if (failure != null) {
            throw failure;
        }
    }
}
