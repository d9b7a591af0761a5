package interop.scenario;

import interop.Await;
import interop.Expect;
import interop.Numbered;
import interop.Received;
import interop.Run;
import java.util.Collection;
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.common.message.MessageQueue;

/** The lite pull consumer in its two modes. */
public final class LitePull {
    private static final int MESSAGES = 500;

    private LitePull() {
    }

    /** Queues assigned by hand: read all, commit, seek back, read the rest of a queue again. */
    public static String assign(Run run) throws Exception {
        run.createTopic(4);
        send(run, 0, MESSAGES);
        DefaultLitePullConsumer consumer = run.litePullConsumer(run.group);
        consumer.setAutoCommit(false);
        consumer.start();
        Collection<MessageQueue> queues = consumer.fetchMessageQueues(run.topic);
        Expect.equal("queues", 4 * run.brokers(), queues.size());
        consumer.assign(queues);
        Received received = new Received();
        poll(consumer, received, MESSAGES);
        received.expectExactlyOnce("polled messages", 0, MESSAGES);
        consumer.commit(Set.copyOf(queues), true);
        run.awaitAllCommitted(run.group, 30);

        MessageQueue queue = queues.iterator().next();
        long end = run.producer().maxOffset(queue);
        long from = end / 2;
        consumer.seek(queue, from);
        Received again = new Received();
        poll(consumer, again, (int) (end - from));
        again.arrivals().forEach(arrival -> {
            Expect.equal("broker after the seek", queue.getBrokerName(), arrival.message().getBrokerName());
            Expect.equal("queue after the seek", queue.getQueueId(), arrival.message().getQueueId());
            Expect.that(arrival.message().getQueueOffset() >= from, "only offsets from " + from, arrival.message().getQueueOffset());
        });
        return "polled " + received.total() + " and " + again.total() + " again after a seek";
    }

    /**
     * Queues by rebalance: read what is there, then what comes while polling; auto commit on shutdown.
     * {@code --commit-once-before 1} when one of the brokers is Apache's.
     */
    public static String subscribe(Run run) throws Exception {
        run.createTopic(4);
        send(run, 0, MESSAGES / 2);
        DefaultLitePullConsumer consumer = run.litePullConsumer(run.group);
        consumer.setAutoCommitIntervalMillis(1000);
        consumer.subscribe(run.topic, "*");
        consumer.start();
        Received received = new Received();
        poll(consumer, received, MESSAGES / 2);
        if (run.options.number("commit-once-before", 0) == 1) {
            run.commitOneByOne(run.group);
        }
        send(run, MESSAGES / 2, MESSAGES);
        poll(consumer, received, MESSAGES);
        received.expectExactlyOnce("polled messages", 0, MESSAGES);
        // A poll commits what earlier polls returned, in the client's memory; shutdown sends it.
        for (MessageQueue queue : consumer.assignment()) {
            Await.until("auto commit of " + queue, 30, () -> {
                Expect.equal("messages after the last one", 0, consumer.poll(10).size());
                return consumer.committed(queue) == run.producer().maxOffset(queue);
            }, () -> consumer.committed(queue));
        }
        consumer.shutdown();
        run.awaitAllCommitted(run.group, 10);
        return "polled " + received.total();
    }

    private static void send(Run run, int first, int end) throws Exception {
        for (int number = first; number < end; number++) {
            run.producer().send(Numbered.message(run.topic, number));
        }
    }

    private static void poll(DefaultLitePullConsumer consumer, Received received, int distinct) throws Exception {
        Await.until(distinct + " polled messages", 60, () -> {
            consumer.poll(100).forEach(message -> received.add("lite", message));
            return received.distinct() >= distinct;
        }, received::distinct);
    }
}
