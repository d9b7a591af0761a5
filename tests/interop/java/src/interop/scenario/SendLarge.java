package interop.scenario;

import interop.Expect;
import interop.Run;
import interop.TopicContents;
import java.util.Random;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Bodies up to the broker's maxMessageSize of 4 MiB arrive whole; one byte more is refused with MESSAGE_ILLEGAL. */
public final class SendLarge {
    private static final int BODY_BYTES_MAX = 4 * 1024 * 1024;
    private static final int MESSAGE_ILLEGAL = 13;

    private SendLarge() {
    }

    public static String run(Run run) throws Exception {
        run.createTopic(1);
        DefaultMQProducer producer = run.producer();
        producer.setCompressMsgBodyOverHowmuch(Integer.MAX_VALUE);
        producer.setMaxMessageSize(2 * BODY_BYTES_MAX);
        producer.setRetryTimesWhenSendFailed(0);
        producer.setSendMsgTimeout(10_000);
        int[] sizes = {BODY_BYTES_MAX - 4096, BODY_BYTES_MAX - 1, BODY_BYTES_MAX};
        for (int size : sizes) {
            SendResult result = producer.send(new Message(run.topic, body(size)));
            MessageExt stored = TopicContents.read(run, run.topic).at(result.getMessageQueue(), result.getQueueOffset());
            Expect.equalBytes("body of " + size + " bytes", body(size), stored.getBody());
        }
        try {
            SendResult result = producer.send(new Message(run.topic, body(BODY_BYTES_MAX + 1)));
            Expect.that(false, "a refusal of " + (BODY_BYTES_MAX + 1) + " bytes", result);
        } catch (MQBrokerException refused) {
            Expect.equal("code for a body over the limit", MESSAGE_ILLEGAL, refused.getResponseCode());
        }
        producer.send(new Message(run.topic, body(10)));
        Expect.equal("messages stored", sizes.length + 1, TopicContents.read(run, run.topic).all().size());
        return "largest body " + BODY_BYTES_MAX + " bytes";
    }

    private static byte[] body(int size) {
        byte[] body = new byte[size];
        new Random(size).nextBytes(body);
        return body;
    }
}
