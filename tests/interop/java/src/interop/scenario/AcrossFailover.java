package interop.scenario;

import interop.Await;
import interop.Expect;
import interop.Numbered;
import interop.Received;
import interop.Run;
import interop.TopicContents;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.IntStream;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * Half messages and timers that are stored by one broker and end, or come, at the next: whoever runs this kills the first
 * once a line of output says that all is stored, and then says so with a line on stdin. Until then the producer does not know how its transactions end.
 */
public final class AcrossFailover {
    private static final int HALVES = 30;
    private static final int TIMERS = 40;
    private static final int RECALLED_EVERY = 4;
    private static final long FIRST_DUE_MS = 9000;
    private static final long STEP_MS = 50;
    /** After a leader's death: a second for the next one, routes and heartbeats every second, questions every second. */
    private static final long WITHIN_SECONDS = 60;

    private AcrossFailover() {
    }

    private static final class Undecided implements TransactionListener {
        final Set<Integer> asked = ConcurrentHashMap.newKeySet();
        volatile boolean isDecided;

        @Override
        public LocalTransactionState executeLocalTransaction(Message message, Object number) {
            return LocalTransactionState.UNKNOW;
        }

        @Override
        public LocalTransactionState checkLocalTransaction(MessageExt message) {
            int number = Numbered.check(message);
            if (!isDecided) {
                return LocalTransactionState.UNKNOW;
            }
            asked.add(number);
            return isCommitted(number) ? LocalTransactionState.COMMIT_MESSAGE : LocalTransactionState.ROLLBACK_MESSAGE;
        }
    }

    public static String run(Run run) throws Exception {
        run.quickRouteAndRebalance();
        run.createTopic(2);
        Received received = new Received();
        run.startConsumer(received);
        Undecided listener = new Undecided();
        TransactionMQProducer producer = run.transactionProducer(run.group + "-transactions", listener);
        producer.start();
        for (int number = 0; number < HALVES; number++) {
            producer.sendMessageInTransaction(Numbered.message(run.topic, number), number);
        }
        Map<Integer, Long> due = new HashMap<>();
        long first = System.currentTimeMillis() + FIRST_DUE_MS;
        for (int number = HALVES; number < HALVES + TIMERS; number++) {
            Message message = Numbered.message(run.topic, number);
            due.put(number, first + STEP_MS * (number * 7 % TIMERS));
            Message.class.getMethod("setDeliverTimeMs", long.class).invoke(message, due.get(number));
            SendResult sent = producer.send(message);
            if (isRecalled(number)) {
                String handle = (String) SendResult.class.getMethod("getRecallHandle").invoke(sent);
                producer.getClass().getMethod("recallMessage", String.class, String.class).invoke(producer, run.topic, handle);
            }
        }
        System.out.println("all is stored");
        StopLine.thenRun(() -> listener.isDecided = true);
        Await.until("the death of the leader", WITHIN_SECONDS, () -> listener.isDecided, () -> "nobody said so");
        long told = System.currentTimeMillis();
        Expect.that(told < first, "all of it is before the first timer is due", told - first + " ms");
        Await.until("all transactions to be asked about", WITHIN_SECONDS, () -> listener.asked.size() == HALVES, listener.asked::size);
        List<Integer> expected = IntStream.range(0, HALVES + TIMERS).filter(AcrossFailover::comes).boxed().toList();
        received.awaitDistinct(expected.size(), WITHIN_SECONDS);
        List<MessageExt> stored = TopicContents.read(run, run.topic).all();
        Expect.equal("numbers stored in the topic", expected, stored.stream().map(Numbered::check).sorted().toList());
        for (MessageExt message : stored) {
            Long dueMs = due.get(Numbered.check(message));
            if (dueMs != null) {
                Expect.that(message.getStoreTimestamp() >= dueMs, "no timer is early", message);
            }
        }
        return "half messages " + HALVES + ", timers " + TIMERS + ", came " + expected.size();
    }

    private static boolean comes(int number) {
        return number < HALVES ? isCommitted(number) : !isRecalled(number);
    }

    private static boolean isCommitted(int number) {
        return number % 3 != 0;
    }

    private static boolean isRecalled(int number) {
        return number % RECALLED_EVERY == 1;
    }
}
