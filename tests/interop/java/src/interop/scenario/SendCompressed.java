package interop.scenario;

import interop.Expect;
import interop.Run;
import interop.TopicContents;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** A body the client compresses (over 4 KiB): stored compressed, and equal after the consumer's decompression. */
public final class SendCompressed {
    private SendCompressed() {
    }

    public static String run(Run run) throws Exception {
        run.createTopic(1);
        int[] sizes = {4 * 1024 - 1, 4 * 1024 + 1, 64 * 1024, 1024 * 1024};
        StringBuilder facts = new StringBuilder();
        for (int size : sizes) {
            SendResult result = run.producer().send(new Message(run.topic, body(size)));
            MessageExt stored = TopicContents.read(run, run.topic).at(result.getMessageQueue(), result.getQueueOffset());
            // The 5.x client clears the flag when it decompresses; the size of the stored record tells in both.
            boolean compressed = stored.getStoreSize() < size / 2;
            Expect.equalBytes("body of " + size + " bytes", body(size), stored.getBody());
            Expect.equal("compression of " + size + " bytes stored as " + stored.getStoreSize(), size > 4 * 1024, compressed);
            facts.append(size).append(" bytes stored as ").append(stored.getStoreSize()).append(' ');
        }
        return facts.toString().trim();
    }

    private static byte[] body(int size) {
        byte[] pattern = "compressible 数 ".getBytes(StandardCharsets.UTF_8);
        byte[] body = new byte[size];
        for (int at = 0; at < size; at += pattern.length) {
            System.arraycopy(pattern, 0, body, at, Math.min(pattern.length, size - at));
        }
        Arrays.fill(body, 0, 1, (byte) size);
        return body;
    }
}
