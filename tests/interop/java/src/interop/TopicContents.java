package interop;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Everything stored in a topic, read queue by queue from the minimum to the maximum offset. */
public final class TopicContents {
    private static final int PULL_BATCH = 32;

    /** Messages of each queue in queue order; their offsets are dense, which is checked while reading. */
    public final Map<MessageQueue, List<MessageExt>> byQueue = new HashMap<>();

    private TopicContents() {
    }

    /** {@code deadlineless} topics do not exist here: a queue that does not get to its end fails the scenario's deadline. */
    public static TopicContents read(Run run, String topic) throws Exception {
        DefaultMQPullConsumer consumer = run.pullConsumer(run.group + "-reader");
        consumer.start();
        TopicContents contents = new TopicContents();
        for (MessageQueue queue : consumer.fetchSubscribeMessageQueues(topic)) {
            contents.byQueue.put(queue, readQueue(consumer, queue));
        }
        consumer.shutdown();
        return contents;
    }

    private static List<MessageExt> readQueue(DefaultMQPullConsumer consumer, MessageQueue queue) throws Exception {
        List<MessageExt> messages = new ArrayList<>();
        long offset = consumer.minOffset(queue);
        long end = consumer.maxOffset(queue);
        while (offset < end) {
            PullResult result = consumer.pull(queue, "*", offset, PULL_BATCH);
            Expect.equal("pull status at " + offset + " of " + queue + " which ends at " + end, PullStatus.FOUND, result.getPullStatus());
            for (MessageExt message : result.getMsgFoundList()) {
                Expect.equal("queue offset read from " + queue, offset, message.getQueueOffset());
                Expect.equal("queue id read from " + queue, queue.getQueueId(), message.getQueueId());
                messages.add(message);
                offset++;
            }
            Expect.equal("next offset of " + queue, offset, result.getNextBeginOffset());
        }
        return messages;
    }

    public List<MessageExt> all() {
        return byQueue.values().stream().flatMap(List::stream).toList();
    }

    /** Exactly the messages {@code first..end}, each once and with its content. */
    public void expectExactly(int first, int end) {
        Received received = new Received();
        all().forEach(message -> received.add("reader", message));
        Failure.throwReported();
        received.expectExactlyOnce("stored messages", first, end);
    }

    /** The message a send result points at. */
    public MessageExt at(MessageQueue queue, long queueOffset) {
        List<MessageExt> messages = byQueue.get(queue);
        Expect.that(messages != null, "a queue " + queue, byQueue.keySet());
        Expect.that(queueOffset < messages.size(), "an offset below " + messages.size() + " in " + queue, queueOffset);
        return messages.get((int) queueOffset);
    }
}
