package interop.scenario;

import interop.Await;
import interop.Expect;
import interop.Numbered;
import interop.Run;
import java.util.ArrayList;
import java.util.List;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Messages found by their unique id and by their keys, within a time, and no others. */
public final class QueryByKey {
    private static final int MESSAGES = 300;
    private static final int SHARED_EVERY = 3;
    private static final int ANSWER_MAX = 64;

    private QueryByKey() {
    }

    public static String run(Run run) throws Exception {
        run.createTopic(4);
        long begin = System.currentTimeMillis();
        List<SendResult> results = new ArrayList<>();
        long middle = 0;
        for (int number = 0; number < MESSAGES; number++) {
            if (number == MESSAGES / 2) {
                // The original compares whole seconds.
                Await.clockPast(System.currentTimeMillis() + 2_100);
                middle = System.currentTimeMillis();
            }
            Message message = Numbered.message(run.topic, "Tag", number);
            if (number % SHARED_EVERY == 0) {
                message.setKeys("shared  " + Numbered.key(number));
            }
            results.add(run.producer().send(message));
        }
        long end = System.currentTimeMillis() + 1_000;
        for (int number = 0; number < MESSAGES; number++) {
            SendResult result = results.get(number);
            MessageExt found = run.producer().viewMessage(run.topic, result.getMsgId());
            Expect.equal("queue offset of what the unique id finds", result.getQueueOffset(), found.getQueueOffset());
            Expect.equal("queue of what the unique id finds", result.getMessageQueue().getQueueId(), found.getQueueId());
            List<MessageExt> byKey = query(run, Numbered.key(number), begin, end);
            Expect.equal("messages with the key of " + number, 1, byKey.size());
            Expect.equal("message with the key of " + number, result.getMsgId(), byKey.get(0).getMsgId());
        }
        // Each broker gives its newest.
        Expect.equal("messages with the shared key", MESSAGES / SHARED_EVERY, query(run, "shared", begin, end).size());
        Expect.equal("of the second half", MESSAGES / 2 / SHARED_EVERY, query(run, "shared", middle - 1_000, end).size());
        Expect.equal("of the first half", MESSAGES / 2 / SHARED_EVERY, query(run, "shared", begin - 1_000, middle - 1_100).size());
        Expect.that(MESSAGES / SHARED_EVERY / run.brokers() <= ANSWER_MAX, "no answer to be cut", run.brokers());
        for (String unknown : List.of("unknown", "share", Numbered.key(MESSAGES), "Tag")) {
            Expect.equal("messages with the key " + unknown, 0, query(run, unknown, begin, end).size());
        }
        Expect.equal("messages of another time", 0, query(run, "shared", end + 10_000, end + 20_000).size());
        return "found " + MESSAGES + " by key and by id";
    }

    private static List<MessageExt> query(Run run, String key, long begin, long end) throws Exception {
        try {
            return run.admin().queryMessage(run.topic, key, ANSWER_MAX, begin, end).getMessageList();
        } catch (MQClientException nothing) {
            return List.of();
        }
    }
}
