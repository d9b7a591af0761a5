package interop;

import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import org.apache.rocketmq.common.message.MessageExt;

/** Collects what consumers received, from any thread, and checks the content on the way in. */
public final class Received {
    /**
     * Longer than a client's heartbeat interval: after a rebalance the 5.x client now and then skips the heartbeat with
     * its new subscription version, and the original broker refuses its pulls until the next one.
     */
    public static final long DELIVERED_WITHIN_SECONDS = 60;

    /** One delivery. */
    public record Arrival(int number, String consumer, long atMs, MessageExt message) {
    }

    private final List<Arrival> arrivals = new ArrayList<>();
    private final TreeMap<Integer, Integer> timesByNumber = new TreeMap<>();

    /** Never throws: see {@link Failure#report}. */
    public void add(String consumer, MessageExt message) {
        try {
            long now = System.currentTimeMillis();
            int number = Numbered.check(message);
            synchronized (this) {
                arrivals.add(new Arrival(number, consumer, now, message));
                timesByNumber.merge(number, 1, Integer::sum);
            }
        } catch (RuntimeException wrongContent) {
            Failure.report(wrongContent);
        }
    }

    public synchronized int distinct() {
        return timesByNumber.size();
    }

    public synchronized int total() {
        return arrivals.size();
    }

    public synchronized List<Arrival> arrivals() {
        return List.copyOf(arrivals);
    }

    public void awaitDistinct(int count, long limitSeconds) throws Exception {
        Await.until(count + " different messages", limitSeconds, () -> distinct() >= count,
            () -> distinct() + " different ones, " + total() + " in all");
    }

    /** All of {@code first..end}, nothing else. */
    public synchronized void expectAll(String what, int first, int end) {
        List<Integer> missing = new ArrayList<>();
        for (int number = first; number < end; number++) {
            if (!timesByNumber.containsKey(number)) {
                missing.add(number);
            }
        }
        Expect.that(missing.isEmpty(), what + " without gaps", missing.size() + " missing: " + missing);
        Expect.equal(what + ", different messages", end - first, timesByNumber.size());
    }

    /** Where and when: stored twice is another fault than delivered twice. */
    private static void print(Arrival arrival) {
        MessageExt message = arrival.message();
        System.out.println(arrival.number() + " came to " + arrival.consumer() + " at " + arrival.atMs() + " from "
            + message.getBrokerName() + " queue " + message.getQueueId() + " offset " + message.getQueueOffset() + ", born "
            + message.getBornTimestamp() + ", stored " + message.getStoreTimestamp() + ", consumed " + message.getReconsumeTimes()
            + " times before");
    }

    public synchronized void expectExactlyOnce(String what, int first, int end) {
        expectAll(what, first, end);
        List<String> repeated = new ArrayList<>();
        timesByNumber.forEach((number, times) -> {
            if (times > 1) {
                repeated.add(number + "×" + times);
                arrivals.stream().filter(arrival -> arrival.number() == number).forEach(Received::print);
            }
        });
        Expect.that(repeated.isEmpty(), what + " without repeats", repeated.size() + " repeated: " + repeated);
    }
}
