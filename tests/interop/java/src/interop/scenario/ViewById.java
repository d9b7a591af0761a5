package interop.scenario;

import interop.Expect;
import interop.Numbered;
import interop.Run;
import java.net.InetSocketAddress;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageId;

/** A message found by its offset id, and none where there is none. */
public final class ViewById {
    private static final int MESSAGES = 20;

    private ViewById() {
    }

    public static String run(Run run) throws Exception {
        run.createTopic(4);
        SendResult result = null;
        for (int number = 0; number < MESSAGES; number++) {
            result = run.producer().send(Numbered.message(run.topic, "Viewed", number));
            MessageExt seen = run.producer().viewMessage(run.topic, result.getOffsetMsgId());
            Expect.equal("message behind the id", number, Numbered.check(seen));
            Expect.equal("unique id", result.getMsgId(), seen.getMsgId());
            Expect.equal("queue id", result.getMessageQueue().getQueueId(), seen.getQueueId());
            Expect.equal("queue offset", result.getQueueOffset(), seen.getQueueOffset());
            Expect.equal("tags", "Viewed", seen.getTags());
            Expect.equal("message through mqadmin's client", number, Numbered.check(run.admin().viewMessage(run.topic, result.getOffsetMsgId())));
        }
        MessageId id = MessageDecoder.decodeMessageId(result.getOffsetMsgId());
        InetSocketAddress address = (InetSocketAddress) id.getAddress();
        String beyond = MessageDecoder.createMessageId(address, id.getOffset() + (1L << 40));
        try {
            MessageExt seen = run.producer().viewMessage(run.topic, beyond);
            Expect.equal("message behind an id beyond the end of the log", null, seen);
        } catch (MQClientException notThere) {
            return "viewed " + MESSAGES + ", beyond the end: " + notThere.getResponseCode();
        }
        return "viewed " + MESSAGES;
    }
}
