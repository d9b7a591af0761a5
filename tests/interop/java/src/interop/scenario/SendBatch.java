package interop.scenario;

import interop.Expect;
import interop.Numbered;
import interop.Run;
import interop.TopicContents;
import java.util.HashSet;
import java.util.Set;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.MessageExt;

/** Batches: one queue each, consecutive offsets in batch order, every message whole and with ids of its own. */
public final class SendBatch {
    private static final int BATCHES = 10;
    private static final int BATCH_MESSAGES = 50;

    private SendBatch() {
    }

    public static String run(Run run) throws Exception {
        run.createTopic(4);
        SendResult[] results = new SendResult[BATCHES];
        for (int batch = 0; batch < BATCHES; batch++) {
            int first = batch * BATCH_MESSAGES;
            results[batch] = run.producer().send(Numbered.messages(run.topic, first, first + BATCH_MESSAGES));
        }

        TopicContents contents = TopicContents.read(run, run.topic);
        contents.expectExactly(0, BATCHES * BATCH_MESSAGES);
        Set<String> ids = new HashSet<>();
        for (int batch = 0; batch < BATCHES; batch++) {
            SendResult result = results[batch];
            Expect.equal("send status", SendStatus.SEND_OK, result.getSendStatus());
            String[] uniqueIds = result.getMsgId().split(",");
            String[] offsetIds = result.getOffsetMsgId().split(",");
            Expect.equal("unique ids of a batch", BATCH_MESSAGES, uniqueIds.length);
            Expect.equal("offset ids of a batch", BATCH_MESSAGES, offsetIds.length);
            for (int i = 0; i < BATCH_MESSAGES; i++) {
                MessageExt stored = contents.at(result.getMessageQueue(), result.getQueueOffset() + i);
                Expect.equal("message " + i + " of batch " + batch, batch * BATCH_MESSAGES + i, Numbered.check(stored));
                Expect.equal("unique id", uniqueIds[i], stored.getMsgId());
                MessageExt byId = run.admin().viewMessage(run.topic, offsetIds[i]);
                Expect.equal("message behind an offset id", Numbered.check(stored), Numbered.check(byId));
                ids.add(offsetIds[i]);
            }
        }
        Expect.equal("different offset ids", BATCHES * BATCH_MESSAGES, ids.size());
        return "batches " + BATCHES + " messages " + BATCHES * BATCH_MESSAGES;
    }
}
