package interop.scenario;

import interop.Await;
import interop.Expect;
import interop.Failure;
import interop.Numbered;
import interop.Run;
import interop.TopicContents;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * One producer throws whenever it is asked, one hangs, one never knows: what they left open goes to TRANS_CHECK_MAX_TIME_TOPIC
 * after {@code --check-max} checks, and a fourth producer's transaction is ended meanwhile. The topic stays empty but for that.
 */
public final class GivenUp {
    private static final String GIVEN_UP = "TRANS_CHECK_MAX_TIME_TOPIC";
    private static final long WITHIN_SECONDS = 90;

    private GivenUp() {
    }

    private record Asked(List<String> counts, java.util.function.Supplier<LocalTransactionState> answer) implements TransactionListener {
        Asked(java.util.function.Supplier<LocalTransactionState> answer) {
            this(Collections.synchronizedList(new ArrayList<>()), answer);
        }

        @Override
        public LocalTransactionState executeLocalTransaction(Message message, Object unused) {
            return LocalTransactionState.UNKNOW;
        }

        @Override
        public LocalTransactionState checkLocalTransaction(MessageExt message) {
            counts.add(message.getProperty(MessageConst.PROPERTY_TRANSACTION_CHECK_TIMES));
            return answer.get();
        }
    }

    public static String run(Run run) throws Exception {
        int checkMax = run.options.number("check-max", 15);
        run.createTopic(1);
        CountDownLatch over = new CountDownLatch(1);
        Asked throwing = new Asked(() -> {
            throw new IllegalStateException("this check fails as it should");
        });
        Asked unknowing = new Asked(() -> LocalTransactionState.UNKNOW);
        Asked hanging = new Asked(() -> {
            try {
                over.await();
            } catch (InterruptedException stopping) {
                Thread.currentThread().interrupt();
            }
            return LocalTransactionState.UNKNOW;
        });
        AtomicInteger quickTimes = new AtomicInteger();
        Asked quick = new Asked(() -> quickTimes.incrementAndGet() < 2 ? LocalTransactionState.UNKNOW : LocalTransactionState.COMMIT_MESSAGE);
        Asked[] listeners = {throwing, unknowing, hanging, quick};
        for (int number = 0; number < listeners.length; number++) {
            TransactionMQProducer producer = run.transactionProducer(run.group + "-" + number, listeners[number]);
            producer.start();
            producer.sendMessageInTransaction(Numbered.message(run.topic, number), null);
        }
        Await.until("the quick producer's message", WITHIN_SECONDS, () -> numbers(run, run.topic).contains(3), () -> numbers(run, run.topic));
        Await.until("the others' messages in " + GIVEN_UP, WITHIN_SECONDS,
            () -> numbers(run, GIVEN_UP).containsAll(List.of(0, 1, 2)), () -> numbers(run, GIVEN_UP));
        over.countDown();
        Expect.equal("messages in the topic", List.of(3), numbers(run, run.topic));
        for (MessageExt message : contents(run, GIVEN_UP)) {
            Expect.equal("REAL_TOPIC of a message given up", run.topic, message.getProperty(MessageConst.PROPERTY_REAL_TOPIC));
            Expect.equal("REAL_QID of a message given up", "0", message.getProperty(MessageConst.PROPERTY_REAL_QUEUE_ID));
            Expect.equal("checks of a message given up", Integer.toString(checkMax), message.getProperty(MessageConst.PROPERTY_TRANSACTION_CHECK_TIMES));
        }
        Expect.equal("messages given up", List.of(0, 1, 2), numbers(run, GIVEN_UP));
        List<String> counts = java.util.stream.IntStream.rangeClosed(1, checkMax).mapToObj(Integer::toString).toList();
        Expect.equal("checks of the producer that throws", counts, List.copyOf(throwing.counts()));
        Expect.equal("checks of the producer that never knows", counts, List.copyOf(unknowing.counts()));
        Failure.throwReported();
        return "checks " + checkMax + ", quick after " + quickTimes.get();
    }

    private static List<Integer> numbers(Run run, String topic) throws Exception {
        return contents(run, topic).stream().map(Numbered::check).sorted().toList();
    }

    private static List<MessageExt> contents(Run run, String topic) throws Exception {
        try {
            return TopicContents.read(run, topic).all();
        } catch (org.apache.rocketmq.client.exception.MQClientException notThereYet) {
            return List.of();
        }
    }
}
