package interop.scenario;

import interop.Await;
import interop.Expect;
import interop.Failure;
import interop.Numbered;
import interop.Run;
import interop.TopicContents;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;

/** Asynchronous sends, many in flight on one connection: each callback gets its own message's result. */
public final class SendAsync {
    private static final int MESSAGES = 1000;
    private static final int IN_FLIGHT = 64;

    private SendAsync() {
    }

    public static String run(Run run) throws Exception {
        run.createTopic(4);
        Map<Integer, SendResult> results = new ConcurrentHashMap<>();
        Semaphore window = new Semaphore(IN_FLIGHT);
        for (int number = 0; number < MESSAGES; number++) {
            int sent = number;
            window.acquire();
            run.producer().send(Numbered.message(run.topic, number), new SendCallback() {
                @Override
                public void onSuccess(SendResult result) {
                    results.put(sent, result);
                    window.release();
                }

                @Override
                public void onException(Throwable error) {
                    Failure.report(new Failure("async send of " + sent + " failed with " + error));
                    window.release();
                }
            });
        }
        Await.until(MESSAGES + " callbacks", 30, () -> results.size() == MESSAGES, results::size);

        TopicContents contents = TopicContents.read(run, run.topic);
        contents.expectExactly(0, MESSAGES);
        results.forEach((number, result) -> {
            Expect.equal("send status", SendStatus.SEND_OK, result.getSendStatus());
            Expect.equal("message at the offset of result " + number, (int) number,
                Numbered.check(contents.at(result.getMessageQueue(), result.getQueueOffset())));
        });
        return "sent " + MESSAGES + " in flight " + IN_FLIGHT;
    }
}
