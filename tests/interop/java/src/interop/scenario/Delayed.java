package interop.scenario;

import interop.Expect;
import interop.Numbered;
import interop.Received;
import interop.Run;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Delay levels 1 and 2: not early, not much late, in the queue that was asked for, content untouched. */
public final class Delayed {
    private static final int MESSAGES = 20;
    private static final long[] LEVEL_MS = {0, 1000, 5000};
    private static final long LATE_MS_MAX = 1500;
    /** Half of them are stored this soon: a busy machine is late now and then. */
    private static final long STORED_LATE_MS_MEDIAN_MAX = 10;

    private Delayed() {
    }

    public static String run(Run run) throws Exception {
        run.createTopic(4);
        Received received = new Received();
        run.startConsumer(received);
        // An ordinary message first: lateness is to be the broker's, not that of a consumer still starting.
        run.producer().send(Numbered.message(run.topic, MESSAGES));
        received.awaitDistinct(1, Received.DELIVERED_WITHIN_SECONDS);
        Map<Integer, SendResult> sent = new HashMap<>();
        for (int number = 0; number < MESSAGES; number++) {
            Message message = Numbered.message(run.topic, "Later", number);
            message.setDelayTimeLevel(level(number));
            sent.put(number, run.producer().send(message));
        }
        received.awaitDistinct(MESSAGES + 1, Received.DELIVERED_WITHIN_SECONDS);
        received.expectExactlyOnce("messages", 0, MESSAGES + 1);

        long latest = 0;
        List<Long> storedLate = new ArrayList<>();
        for (Received.Arrival arrival : received.arrivals()) {
            if (arrival.number() == MESSAGES) {
                continue;
            }
            MessageExt message = arrival.message();
            SendResult result = sent.get(arrival.number());
            long due = message.getBornTimestamp() + LEVEL_MS[level(arrival.number())];
            Expect.that(arrival.atMs() >= due, "message " + arrival.number() + " not early", arrival.atMs() - due + " ms");
            Expect.that(message.getStoreTimestamp() >= due, "message " + arrival.number() + " not stored early", message.getStoreTimestamp() - due + " ms");
            Expect.that(arrival.atMs() - due < LATE_MS_MAX, "message " + arrival.number() + " less than " + LATE_MS_MAX + " ms late", arrival.atMs() - due);
            Expect.equal("queue of a delayed message", result.getMessageQueue().getQueueId(), message.getQueueId());
            Expect.equal("broker of a delayed message", result.getMessageQueue().getBrokerName(), message.getBrokerName());
            Expect.equal("unique id of a delayed message", result.getMsgId(), message.getMsgId());
            Expect.equal("tags of a delayed message", "Later", message.getTags());
            latest = Math.max(latest, arrival.atMs() - due);
            storedLate.add(message.getStoreTimestamp() - due);
        }
        storedLate.sort(null);
        long median = storedLate.get(MESSAGES / 2);
        if (run.options.number("exact", 1) == 1) {
            Expect.that(median <= STORED_LATE_MS_MEDIAN_MAX, "half of them stored at most " + STORED_LATE_MS_MEDIAN_MAX + " ms late", median);
        }
        return "messages " + MESSAGES + " at levels 1 and 2, half at most " + median + " ms late, latest " + latest + " ms";
    }

    private static int level(int number) {
        return 1 + number % 2;
    }
}
