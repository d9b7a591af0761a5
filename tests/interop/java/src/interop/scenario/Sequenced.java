package interop.scenario;

import interop.Expect;
import java.util.Random;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** A message of the crash test: its key is {@code thread-sequence}, its body follows from the key. */
record Sequenced(int thread, long sequence) {
    private static final int BODY_BYTES_MIN = 50;
    private static final int BODY_BYTES_SPREAD = 400;

    String key() {
        return thread + "-" + sequence;
    }

    static Sequenced parse(String key) {
        int dash = key.indexOf('-');
        return new Sequenced(Integer.parseInt(key.substring(0, dash)), Long.parseLong(key.substring(dash + 1)));
    }

    Message message(String topic) {
        return new Message(topic, "", key(), body());
    }

    static Sequenced check(MessageExt message) {
        Sequenced sequenced = parse(message.getKeys());
        Expect.equalBytes("body of " + sequenced.key(), sequenced.body(), message.getBody());
        return sequenced;
    }

    private byte[] body() {
        Random random = new Random(sequence * 31 + thread);
        byte[] body = new byte[BODY_BYTES_MIN + random.nextInt(BODY_BYTES_SPREAD)];
        random.nextBytes(body);
        return body;
    }
}
