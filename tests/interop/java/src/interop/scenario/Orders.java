package interop.scenario;

import java.util.List;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;

/** The usual selector of ordered producers: order id modulo number of queues. */
final class Orders {
    private Orders() {
    }

    static MessageQueue select(List<MessageQueue> queues, Message message, Object orderId) {
        return queues.get((Integer) orderId % queues.size());
    }
}
