package interop;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Messages that can be recognised and checked byte by byte: all of their content follows from their number. */
public final class Numbered {
    private static final String NUMBER = "number";
    private static final String TEXT = "text";

    private Numbered() {
    }

    public static Message message(String topic, String tags, int number) {
        Message message = new Message(topic, tags, key(number), body(number));
        message.putUserProperty(NUMBER, Integer.toString(number));
        message.putUserProperty(TEXT, text(number));
        return message;
    }

    public static Message message(String topic, int number) {
        return message(topic, "", number);
    }

    public static List<Message> messages(String topic, int first, int end) {
        List<Message> messages = new ArrayList<>();
        for (int number = first; number < end; number++) {
            messages.add(message(topic, number));
        }
        return messages;
    }

    /** The message's number, after checking that body, keys and properties are those it was sent with. */
    public static int check(MessageExt message) {
        int number = Integer.parseInt(String.valueOf(message.getUserProperty(NUMBER)));
        Expect.equal("keys of message " + number, key(number), message.getKeys());
        Expect.equal("property of message " + number, text(number), message.getUserProperty(TEXT));
        Expect.equalBytes("body of message " + number, body(number), message.getBody());
        return number;
    }

    public static String key(int number) {
        return "key-" + number;
    }

    /** Not only ASCII, and with the characters JSON would escape. */
    private static String text(int number) {
        return "nümber \"" + number + "\" {数} \\ /";
    }

    /** 40 to 1,040 bytes, all byte values. */
    private static byte[] body(int number) {
        byte[] head = ("message " + number + " — nümber 数 ").getBytes(StandardCharsets.UTF_8);
        Random random = new Random(number);
        byte[] body = new byte[40 + random.nextInt(1000)];
        random.nextBytes(body);
        System.arraycopy(head, 0, body, 0, Math.min(head.length, body.length));
        return body;
    }
}
