package interop.scenario;

import interop.Failure;
import interop.Run;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * A producer and a consumer that are there while tools ask about them and move the group about, until a line comes on stdin.
 * A message whose body begins with {@code slow} takes {@code --slow-ms}. Commits at once, and says how much came.
 */
public final class Attended {
    private static final long COMMIT_MS = 100;

    private Attended() {
    }

    public static String run(Run run) throws Exception {
        run.pollRoutesEvery(1000);
        // A producer that has not sent yet makes itself known with the next heartbeat, which may be half a minute away.
        var client = run.producer().getDefaultMQProducerImpl().getMqClientFactory();
        client.updateTopicRouteInfoFromNameServer(run.topic);
        client.sendHeartbeatToAllBrokerWithLock();
        AtomicInteger quick = new AtomicInteger();
        AtomicInteger slow = new AtomicInteger();
        int slowMs = run.options.number("slow-ms", 500);
        DefaultMQPushConsumer consumer = run.pushConsumer(run.group);
        consumer.subscribe(run.topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            messages.forEach(message -> take(message, quick, slow, slowMs));
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        AtomicInteger stopped = new AtomicInteger();
        StopLine.thenRun(stopped::incrementAndGet);
        while (stopped.get() == 0) {
            consumer.getDefaultMQPushConsumerImpl().persistConsumerOffset();
            Failure.throwReported();
            Thread.sleep(COMMIT_MS);
        }
        return "quick " + quick.get() + ", slow " + slow.get();
    }

    private static void take(MessageExt message, AtomicInteger quick, AtomicInteger slow, int slowMs) {
        if (!new String(message.getBody(), java.nio.charset.StandardCharsets.UTF_8).startsWith("slow")) {
            quick.incrementAndGet();
            return;
        }
        slow.incrementAndGet();
        try {
            Thread.sleep(slowMs);
        } catch (InterruptedException stopping) {
            Thread.currentThread().interrupt();
        }
    }
}
