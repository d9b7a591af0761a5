package interop.scenario;

import interop.Await;
import interop.Expect;
import interop.Numbered;
import interop.Received;
import interop.Run;
import interop.TopicContents;
import java.util.HashMap;
import java.util.Map;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** With maxReconsumeTimes 1 a message that is always refused is delivered twice, then lies in %DLQ%group. */
public final class DeadLetter {
    private static final int MESSAGES = 5;

    private DeadLetter() {
    }

    public static String run(Run run) throws Exception {
        run.quickRouteAndRebalance();
        run.createTopic(4);
        Received received = new Received();
        DefaultMQPushConsumer consumer = run.pushConsumer(run.group);
        consumer.setMaxReconsumeTimes(1);
        consumer.subscribe(run.topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            received.add("only", messages.get(0));
            context.setDelayLevelWhenNextConsume(1);
            return ConsumeConcurrentlyStatus.RECONSUME_LATER;
        });
        consumer.start();
        Map<Integer, SendResult> sent = new HashMap<>();
        for (int number = 0; number < MESSAGES; number++) {
            sent.put(number, run.producer().send(Numbered.message(run.topic, "Dead", number)));
        }
        String deadLetters = "%DLQ%" + run.group;
        Await.until(MESSAGES + " messages in " + deadLetters, 60, () -> stored(run, deadLetters) == MESSAGES, () -> stored(run, deadLetters));
        consumer.shutdown();
        Expect.equal("deliveries", 2 * MESSAGES, received.total());
        received.expectAll("consumed messages", 0, MESSAGES);

        TopicContents contents = TopicContents.read(run, deadLetters);
        contents.expectExactly(0, MESSAGES);
        for (MessageExt dead : contents.all()) {
            SendResult result = sent.get(Numbered.check(dead));
            Expect.equal("topic of a dead letter", deadLetters, dead.getTopic());
            Expect.equal("queue of a dead letter", 0, dead.getQueueId());
            Expect.equal("reconsume times of a dead letter", 2, dead.getReconsumeTimes());
            Expect.equal("tags of a dead letter", "Dead", dead.getTags());
            Expect.equal("unique id of a dead letter", result.getMsgId(), dead.getMsgId());
            Expect.equal("original topic of a dead letter", run.topic, dead.getProperty(MessageConst.PROPERTY_RETRY_TOPIC));
            Expect.equal("origin of a dead letter", result.getOffsetMsgId(), dead.getProperty(MessageConst.PROPERTY_ORIGIN_MESSAGE_ID));
        }
        return "messages " + MESSAGES + " deliveries " + received.total() + " dead letters " + contents.all().size();
    }

    private static long stored(Run run, String topic) throws Exception {
        long messages = 0;
        try {
            for (MessageQueue queue : run.producer().fetchPublishMessageQueues(topic)) {
                messages += run.producer().maxOffset(queue);
            }
        } catch (MQClientException noRouteYet) {
            return 0;
        }
        return messages;
    }
}
