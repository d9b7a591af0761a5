package interop.scenario;

import interop.Await;
import interop.Expect;
import interop.Numbered;
import interop.Run;
import interop.TopicContents;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Synchronous sends to a topic that does not exist yet: every field of the result, and every field of the stored message. */
public final class SendSync {
    private static final int MESSAGES = 100;

    private SendSync() {
    }

    public static String run(Run run) throws Exception {
        Expect.equal("route before the first send", List.of(), run.routedQueues());
        long before = System.currentTimeMillis();
        List<SendResult> results = new ArrayList<>();
        for (int number = 0; number < MESSAGES; number++) {
            results.add(run.producer().send(Numbered.message(run.topic, "Tag" + number % 3, number)));
        }
        long after = System.currentTimeMillis();
        Await.until("the auto-created topic on every broker", 30,
            () -> run.routedQueues().equals(run.everyBroker(4)), run::routedQueues);

        Map<MessageQueue, Long> next = new HashMap<>();
        for (SendResult result : results) {
            Expect.equal("send status", SendStatus.SEND_OK, result.getSendStatus());
            long expected = next.merge(result.getMessageQueue(), 1L, Long::sum) - 1;
            Expect.equal("queue offset of a send to " + result.getMessageQueue(), expected, result.getQueueOffset());
        }
        TopicContents contents = TopicContents.read(run, run.topic);
        contents.expectExactly(0, MESSAGES);
        for (int number = 0; number < MESSAGES; number++) {
            SendResult result = results.get(number);
            MessageExt stored = contents.at(result.getMessageQueue(), result.getQueueOffset());
            Expect.equal("message at the offset of result " + number, number, Numbered.check(stored));
            Expect.equal("unique id", result.getMsgId(), stored.getMsgId());
            Expect.equal("tags", "Tag" + number % 3, stored.getTags());
            Expect.equal("topic", run.topic, stored.getTopic());
            Expect.equal("reconsume times", 0, stored.getReconsumeTimes());
            Expect.that(stored.getBornTimestamp() >= before && stored.getBornTimestamp() <= after,
                "a born time in " + before + ".." + after, stored.getBornTimestamp());
            Expect.that(stored.getStoreTimestamp() >= before && stored.getStoreTimestamp() <= after,
                "a store time in " + before + ".." + after, stored.getStoreTimestamp());
            InetAddress born = ((InetSocketAddress) stored.getBornHost()).getAddress();
            Expect.that(born.isLoopbackAddress(), "a loopback born host", born);
            var offsetId = MessageDecoder.decodeMessageId(result.getOffsetMsgId());
            Expect.equal("physical offset in the offset message id", stored.getCommitLogOffset(), offsetId.getOffset());
            Expect.equal("address in the offset message id", stored.getStoreHost(), offsetId.getAddress());
        }
        return "sent " + MESSAGES + " queues " + next.size();
    }
}
