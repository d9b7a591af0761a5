package interop.scenario;

import interop.Expect;
import interop.Numbered;
import interop.Run;
import interop.TopicContents;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** A MessageQueueSelector by order id: all steps of an order in the chosen queue, in the order they were sent. */
public final class SendSelector {
    private static final int ORDERS = 40;
    private static final int STEPS = 5;

    private SendSelector() {
    }

    public static String run(Run run) throws Exception {
        run.createTopic(4);
        Map<Integer, MessageQueue> queueOfOrder = new HashMap<>();
        for (int number = 0; number < ORDERS * STEPS; number++) {
            SendResult result = run.producer().send(Numbered.message(run.topic, number), Orders::select, number % ORDERS);
            MessageQueue previous = queueOfOrder.putIfAbsent(number % ORDERS, result.getMessageQueue());
            Expect.that(previous == null || previous.equals(result.getMessageQueue()), "order " + number % ORDERS + " to stay in " + previous,
                result.getMessageQueue());
        }
        TopicContents contents = TopicContents.read(run, run.topic);
        contents.expectExactly(0, ORDERS * STEPS);
        contents.byQueue.forEach((queue, messages) -> expectOrder(queue, messages, queueOfOrder));
        Expect.equal("queues used", contents.byQueue.size(), (int) queueOfOrder.values().stream().distinct().count());
        return "orders " + ORDERS + " steps " + STEPS + " queues " + contents.byQueue.size();
    }

    private static void expectOrder(MessageQueue queue, List<MessageExt> messages, Map<Integer, MessageQueue> queueOfOrder) {
        int previous = -1;
        for (MessageExt message : messages) {
            int number = Numbered.check(message);
            Expect.equal("queue of order " + number % ORDERS, queueOfOrder.get(number % ORDERS), queue);
            Expect.that(number > previous, "a number above " + previous + " next in " + queue, number);
            previous = number;
        }
    }
}
