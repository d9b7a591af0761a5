package interop.scenario;

import interop.Await;
import interop.Expect;
import interop.Failure;
import interop.Numbered;
import interop.Received;
import interop.Run;
import interop.TopicContents;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.client.producer.TransactionSendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * Transactions that are committed, rolled back and left open at once, and what producers then answer when they are asked.
 * The broker asks soon: {@code transactionTimeOut} and {@code transactionCheckInterval} are a second or so.
 */
public final class Transactions {
    private static final int MESSAGES = 70;
    private static final long ASKED_WITHIN_SECONDS = 90;

    private Transactions() {
    }

    /** What becomes of message n: the last digit says. */
    private enum Fate {
        COMMIT, ROLLBACK, COMMIT_WHEN_ASKED, ROLLBACK_WHEN_ASKED, THROW_THEN_COMMIT, THROW_WHEN_ASKED_THEN_COMMIT, UNKNOWN_THEN_ROLLBACK;

        static Fate of(int number) {
            return values()[number % values().length];
        }

        boolean isDelivered() {
            return this != ROLLBACK && this != ROLLBACK_WHEN_ASKED && this != UNKNOWN_THEN_ROLLBACK;
        }

        /** How often its producer has to be asked. */
        int checks() {
            return switch (this) {
                case COMMIT, ROLLBACK -> 0;
                case COMMIT_WHEN_ASKED, ROLLBACK_WHEN_ASKED, THROW_THEN_COMMIT -> 1;
                case THROW_WHEN_ASKED_THEN_COMMIT, UNKNOWN_THEN_ROLLBACK -> 2;
            };
        }
    }

    /** Answers as {@link Fate} says, and counts. */
    private static final class Listener implements TransactionListener {
        final Map<Integer, AtomicInteger> asked = new ConcurrentHashMap<>();
        private final Run run;

        Listener(Run run) {
            this.run = run;
        }

        @Override
        public LocalTransactionState executeLocalTransaction(Message message, Object number) {
            return switch (Fate.of((Integer) number)) {
                case COMMIT -> LocalTransactionState.COMMIT_MESSAGE;
                case ROLLBACK -> LocalTransactionState.ROLLBACK_MESSAGE;
                case THROW_THEN_COMMIT -> throw new IllegalStateException("the local transaction of " + number + " fails as it should");
                default -> LocalTransactionState.UNKNOW;
            };
        }

        @Override
        public LocalTransactionState checkLocalTransaction(MessageExt message) {
            int number = expectHalf(message);
            int times = asked.computeIfAbsent(number, key -> new AtomicInteger()).incrementAndGet();
            return switch (Fate.of(number)) {
                case COMMIT_WHEN_ASKED, THROW_THEN_COMMIT -> LocalTransactionState.COMMIT_MESSAGE;
                case ROLLBACK_WHEN_ASKED -> LocalTransactionState.ROLLBACK_MESSAGE;
                case UNKNOWN_THEN_ROLLBACK -> times < 2 ? LocalTransactionState.UNKNOW : LocalTransactionState.ROLLBACK_MESSAGE;
                case THROW_WHEN_ASKED_THEN_COMMIT -> {
                    if (times < 2) {
                        throw new IllegalStateException("the check of " + number + " fails as it should");
                    }
                    yield LocalTransactionState.COMMIT_MESSAGE;
                }
                default -> {
                    Failure.report(new Failure("nobody has to ask about message " + number));
                    yield LocalTransactionState.UNKNOW;
                }
            };
        }

        private int expectHalf(MessageExt message) {
            try {
                int number = Numbered.check(message);
                Expect.equal("topic that a check is about", run.topic, message.getTopic());
                Expect.equal("transaction id of a check", message.getProperty(MessageConst.PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX), message.getTransactionId());
                Expect.equal("producer group of a check", run.group + "-transactions", message.getProperty(MessageConst.PROPERTY_PRODUCER_GROUP));
                return number;
            } catch (RuntimeException wrong) {
                Failure.report(wrong);
                throw wrong;
            }
        }

        int times(int number) {
            AtomicInteger times = asked.get(number);
            return times == null ? 0 : times.get();
        }
    }

    public static String run(Run run) throws Exception {
        run.createTopic(4);
        Received received = new Received();
        run.startConsumer(received);
        Listener listener = new Listener(run);
        TransactionMQProducer producer = run.transactionProducer(run.group + "-transactions", listener);
        producer.start();
        TransactionSendResult[] results = new TransactionSendResult[MESSAGES];
        for (int number = 0; number < MESSAGES; number++) {
            Message message = Numbered.message(run.topic, "Halved", number);
            results[number] = producer.sendMessageInTransaction(message, number);
            Expect.equal("send status of half message " + number, SendStatus.SEND_OK, results[number].getSendStatus());
            Expect.equal("transaction id of half message " + number, results[number].getMsgId(), results[number].getTransactionId());
        }
        for (int number = 0; number < MESSAGES; number++) {
            int about = number;
            int checks = Fate.of(number).checks();
            Await.until("message " + number + " to be asked about " + checks + " times", ASKED_WITHIN_SECONDS,
                () -> listener.times(about) >= checks, () -> listener.times(about));
        }
        List<Integer> delivered = java.util.stream.IntStream.range(0, MESSAGES).filter(number -> Fate.of(number).isDelivered()).boxed().toList();
        received.awaitDistinct(delivered.size(), Received.DELIVERED_WITHIN_SECONDS);
        // What is still to come would be in the topic by the time a later message is.
        Message last = Numbered.message(run.topic, MESSAGES);
        producer.send(last);
        received.awaitDistinct(delivered.size() + 1, Received.DELIVERED_WITHIN_SECONDS);
        List<Integer> stored = TopicContents.read(run, run.topic).all().stream().map(Numbered::check).sorted().toList();
        Expect.equal("numbers stored in the topic", java.util.stream.Stream.concat(delivered.stream(), java.util.stream.Stream.of(MESSAGES)).toList(), stored);
        for (Received.Arrival arrival : received.arrivals()) {
            if (arrival.number() < MESSAGES) {
                expectCommitted(run, arrival.number(), arrival.message(), results[arrival.number()]);
            }
        }
        int asked = listener.asked.values().stream().mapToInt(AtomicInteger::get).sum();
        return "half messages " + MESSAGES + ", delivered " + delivered.size() + ", checks " + asked;
    }

    private static void expectCommitted(Run run, int number, MessageExt message, TransactionSendResult sent) {
        String what = " of committed message " + number;
        Expect.equal("topic" + what, run.topic, message.getTopic());
        Expect.equal("tags" + what, "Halved", message.getTags());
        Expect.equal("unique id" + what, sent.getMsgId(), message.getMsgId());
        Expect.equal("queue" + what, sent.getMessageQueue().getQueueId(), message.getQueueId());
        Expect.equal("broker" + what, sent.getMessageQueue().getBrokerName(), message.getBrokerName());
        Expect.equal("flags" + what, 8, message.getSysFlag() & 12);
        Expect.that(message.getStoreTimestamp() >= message.getBornTimestamp() - 1000, "a store time" + what, message.getStoreTimestamp());
        Expect.equal("TRAN_MSG" + what, "true", message.getProperty(MessageConst.PROPERTY_TRANSACTION_PREPARED));
        Expect.equal("PGROUP" + what, run.group + "-transactions", message.getProperty(MessageConst.PROPERTY_PRODUCER_GROUP));
        Expect.equal("transaction id property" + what, sent.getMsgId(), message.getProperty("__transactionId__"));
        Expect.equal("REAL_TOPIC" + what, null, message.getProperty(MessageConst.PROPERTY_REAL_TOPIC));
        Expect.equal("REAL_QID" + what, null, message.getProperty(MessageConst.PROPERTY_REAL_QUEUE_ID));
        long half = message.getPreparedTransactionOffset();
        Expect.that(half >= 0 && half < message.getCommitLogOffset(), "an offset of the half message" + what, half);
        String checks = message.getProperty(MessageConst.PROPERTY_TRANSACTION_CHECK_TIMES);
        int least = Fate.of(number).checks();
        Expect.that(least == 0 ? checks == null : checks != null && Integer.parseInt(checks) >= least, "at least " + least + " checks counted" + what, checks);
        if (number == 0) {
            System.out.println("message 0: " + message);
        }
    }
}
