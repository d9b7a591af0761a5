package interop.scenario;

import interop.Await;
import interop.Expect;
import interop.Failure;
import interop.Run;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.exception.RequestTimeoutException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.RequestCallback;
import org.apache.rocketmq.client.utils.MessageUtil;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;

/** Requests that another client answers: each gets its own reply, or its timeout; and replies are stored. */
public final class RequestReply {
    private static final int SYNCHRONOUS = 60;
    private static final int ASYNCHRONOUS = 60;
    private static final long TIMEOUT_MS = 20_000;
    private static final long SHORT_MS = 1_500;
    private static final String UNANSWERED = "nobody answers this";
    /** Beyond what a client compresses from on. */
    private static final String LONG = "x".repeat(20_000);

    private RequestReply() {
    }

    public static String run(Run run) throws Exception {
        run.createTopic(4);
        DefaultMQProducer replier = run.newProducer();
        replier.setProducerGroup(run.group + "-replier");
        replier.start();
        DefaultMQPushConsumer consumer = run.pushConsumer(run.group);
        consumer.subscribe(run.topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            messages.forEach(message -> reply(replier, message));
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();

        DefaultMQProducer requester = run.producer();
        for (int number = 0; number < SYNCHRONOUS; number++) {
            String asked = "sync " + number + (number % 10 == 0 ? LONG : "");
            Message reply = requester.request(message(run.topic, asked), TIMEOUT_MS);
            Expect.equal("reply to " + number, "re: " + asked, text(reply));
        }
        Map<Integer, String> replies = new ConcurrentHashMap<>();
        for (int number = 0; number < ASYNCHRONOUS; number++) {
            int asked = number;
            requester.request(message(run.topic, "async " + number), new RequestCallback() {
                @Override
                public void onSuccess(Message reply) {
                    replies.put(asked, text(reply));
                }

                @Override
                public void onException(Throwable error) {
                    Failure.report(error);
                }
            }, TIMEOUT_MS);
        }
        Await.until("all asynchronous replies", 30, () -> replies.size() == ASYNCHRONOUS, replies::size);
        replies.forEach((number, reply) -> Expect.equal("reply to " + number, "re: async " + number, reply));
        try {
            Message reply = requester.request(message(run.topic, UNANSWERED), SHORT_MS);
            throw new Failure("nobody answered, and there is a reply: " + text(reply));
        } catch (RequestTimeoutException timeout) {
            // As it should be.
        }
        String refused = refusalOfLostReply(run, replier);

        String cluster = run.admin().examineBrokerClusterInfo().getClusterAddrTable().keySet().iterator().next();
        long stored = 0;
        for (var queue : requester.fetchPublishMessageQueues(cluster + "_REPLY_TOPIC")) {
            stored += requester.maxOffset(queue);
        }
        replier.shutdown();
        Expect.equal("stored replies, also the one that nobody got", (long) SYNCHRONOUS + ASYNCHRONOUS + 1, stored);
        return "replies " + (SYNCHRONOUS + ASYNCHRONOUS) + ", refused: " + refused;
    }

    /** What a client that is gone was to get. */
    private static String refusalOfLostReply(Run run, DefaultMQProducer replier) throws Exception {
        MessageExt request = new MessageExt();
        request.setTopic(run.topic);
        MessageAccessor.putProperty(request, MessageConst.PROPERTY_CLUSTER,
            run.admin().examineBrokerClusterInfo().getClusterAddrTable().keySet().iterator().next());
        MessageAccessor.putProperty(request, MessageConst.PROPERTY_MESSAGE_REPLY_TO_CLIENT, "gone@1");
        MessageAccessor.putProperty(request, MessageConst.PROPERTY_CORRELATION_ID, "c");
        MessageAccessor.putProperty(request, MessageConst.PROPERTY_MESSAGE_TTL, "3000");
        Message reply = MessageUtil.createReplyMessage(request, "lost".getBytes(StandardCharsets.UTF_8));
        replier.setRetryTimesWhenSendFailed(0);
        try {
            replier.send(reply);
        } catch (MQClientException refused) {
            Expect.that(refused.getCause() instanceof MQBrokerException, "a refusal by the broker", refused);
            String remark = ((MQBrokerException) refused.getCause()).getErrorMessage();
            Expect.equal("code of a reply to a client that is gone", 1, ((MQBrokerException) refused.getCause()).getResponseCode());
            Expect.that(remark.contains("channel of <gone@1> not found"), "the client's name", remark);
            return remark;
        }
        throw new Failure("a reply to a client that is gone was taken");
    }

    private static void reply(DefaultMQProducer replier, MessageExt request) {
        if (text(request).equals(UNANSWERED)) {
            return;
        }
        try {
            byte[] body = ("re: " + text(request)).getBytes(StandardCharsets.UTF_8);
            replier.send(MessageUtil.createReplyMessage(request, body), TIMEOUT_MS);
        } catch (Exception error) {
            Failure.report(error);
        }
    }

    private static Message message(String topic, String text) {
        return new Message(topic, text.getBytes(StandardCharsets.UTF_8));
    }

    private static String text(Message message) {
        return new String(message.getBody(), StandardCharsets.UTF_8);
    }
}
