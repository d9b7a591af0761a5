package interop.scenario;

import interop.Await;
import interop.Numbered;
import interop.Run;
import interop.TopicContents;
import org.apache.rocketmq.common.message.MessageQueue;

/** One-way sends: no answer, but over a healthy connection every one of them is stored. */
public final class SendOneway {
    private static final int MESSAGES = 200;

    private SendOneway() {
    }

    public static String run(Run run) throws Exception {
        run.createTopic(4);
        for (int number = 0; number < MESSAGES; number++) {
            run.producer().sendOneway(Numbered.message(run.topic, number));
        }
        Await.until(MESSAGES + " stored messages", 30, () -> stored(run) == MESSAGES, () -> stored(run));
        TopicContents.read(run, run.topic).expectExactly(0, MESSAGES);
        return "sent " + MESSAGES;
    }

    private static long stored(Run run) throws Exception {
        long messages = 0;
        for (MessageQueue queue : run.queues()) {
            messages += run.producer().maxOffset(queue);
        }
        return messages;
    }
}
