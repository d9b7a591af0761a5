package interop.scenario;

import interop.Expect;
import interop.Numbered;
import interop.Received;
import interop.Run;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * Due times by all three calls of the 5.x client, every fourth message recalled: what is recalled never comes, the rest comes once,
 * not early, hardly late, in order of due time in each queue. The calls are found by name: client 4.9 has none of them.
 */
public final class Timers {
    private static final int MESSAGES = 60;
    private static final int RECALLED_EVERY = 4;
    private static final long LATE_MS_MEDIAN_MAX = 10;
    private static final long LATE_MS_MAX = 1000;
    /** After the last due time nothing more may come. */
    private static final long SILENT_MS = 1000;

    private Timers() {
    }

    public static String run(Run run) throws Exception {
        run.createTopic(4);
        Received received = new Received();
        run.startConsumer(received);
        // An ordinary message first: lateness is to be the broker's, not that of a consumer still starting.
        run.producer().send(Numbered.message(run.topic, MESSAGES));
        received.awaitDistinct(1, Received.DELIVERED_WITHIN_SECONDS);
        Map<Integer, SendResult> sent = new HashMap<>();
        int recalled = 0;
        for (int number = 0; number < MESSAGES; number++) {
            Message message = Numbered.message(run.topic, "Later", number);
            switch (number % 3) {
                case 0 -> call(message, "setDelayTimeSec", 2);
                case 1 -> call(message, "setDelayTimeMs", 1500 + 37 * (number % 10));
                default -> call(message, "setDeliverTimeMs", System.currentTimeMillis() + 2500 - 11 * number);
            }
            SendResult result = run.producer().send(message);
            sent.put(number, result);
            if (isRecalled(number)) {
                String handle = (String) SendResult.class.getMethod("getRecallHandle").invoke(result);
                Object id = run.producer().getClass().getMethod("recallMessage", String.class, String.class)
                    .invoke(run.producer(), run.topic, handle);
                Expect.equal("id of a recalled message", result.getMsgId(), id);
                recalled++;
            }
        }
        received.awaitDistinct(MESSAGES - recalled + 1, Received.DELIVERED_WITHIN_SECONDS);
        Thread.sleep(SILENT_MS);
        Expect.equal("deliveries", MESSAGES - recalled + 1, received.total());
        return "messages " + MESSAGES + ", recalled " + recalled + ", " + check(received.arrivals(), sent);
    }

    private static String check(List<Received.Arrival> arrivals, Map<Integer, SendResult> sent) {
        List<Long> late = new ArrayList<>();
        Map<Integer, List<MessageExt>> byQueue = new HashMap<>();
        for (Received.Arrival arrival : arrivals) {
            int number = arrival.number();
            if (number == MESSAGES) {
                continue;
            }
            Expect.that(!isRecalled(number), "message " + number + " does not come, it was recalled", arrival.atMs());
            MessageExt message = arrival.message();
            long due = dueMs(message);
            SendResult result = sent.get(number);
            Expect.that(message.getStoreTimestamp() >= due, "message " + number + " not stored early", message.getStoreTimestamp() - due + " ms");
            Expect.that(message.getBornTimestamp() < due - 1000, "message " + number + " waits as long as it was to", due - message.getBornTimestamp());
            Expect.that(message.getStoreTimestamp() - due < LATE_MS_MAX, "message " + number + " less than " + LATE_MS_MAX + " ms late", message.getStoreTimestamp() - due);
            Expect.equal("queue of a timer message", result.getMessageQueue().getQueueId(), message.getQueueId());
            Expect.equal("broker of a timer message", result.getMessageQueue().getBrokerName(), message.getBrokerName());
            Expect.equal("unique id of a timer message", result.getMsgId(), message.getMsgId());
            Expect.equal("tags of a timer message", "Later", message.getTags());
            Expect.equal("REAL_TOPIC", message.getTopic(), message.getProperty("REAL_TOPIC"));
            Expect.that(message.getProperty("TIMER_ENQUEUE_MS") != null, "TIMER_ENQUEUE_MS", message.getProperties());
            Expect.that(message.getProperty("TIMER_DEQUEUE_MS") != null, "TIMER_DEQUEUE_MS", message.getProperties());
            late.add(message.getStoreTimestamp() - due);
            byQueue.computeIfAbsent(message.getQueueId() + 1000 * message.getBrokerName().hashCode(), queue -> new ArrayList<>()).add(message);
        }
        for (List<MessageExt> queue : byQueue.values()) {
            queue.sort(Comparator.comparingLong(MessageExt::getQueueOffset));
            for (int at = 1; at < queue.size(); at++) {
                Expect.that(dueMs(queue.get(at - 1)) <= dueMs(queue.get(at)), "order of due times in a queue", queue.get(at));
            }
        }
        late.sort(null);
        long median = late.get(late.size() / 2);
        Expect.that(median <= LATE_MS_MEDIAN_MAX, "half of them at most " + LATE_MS_MEDIAN_MAX + " ms late", median);
        return "median " + median + " ms late, latest " + late.get(late.size() - 1) + " ms";
    }

    private static boolean isRecalled(int number) {
        return number % RECALLED_EVERY == 1;
    }

    private static long dueMs(MessageExt message) {
        return Long.parseLong(message.getProperty("TIMER_OUT_MS"));
    }

    private static void call(Message message, String setter, long value) throws Exception {
        Message.class.getMethod(setter, long.class).invoke(message, value);
    }
}
