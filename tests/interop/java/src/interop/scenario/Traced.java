package interop.scenario;

import interop.Await;
import interop.Expect;
import interop.Numbered;
import interop.Received;
import interop.Run;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.trace.TraceContext;
import org.apache.rocketmq.client.trace.TraceDataEncoder;
import org.apache.rocketmq.client.trace.TraceType;

/** Clients that trace: what became of each message is found in the trace topic by the message's id and by its key. */
public final class Traced {
    private static final int MESSAGES = 40;
    private static final String TRACES = "RMQ_SYS_TRACE_TOPIC";

    private Traced() {
    }

    public static String run(Run run) throws Exception {
        run.createTopic(2);
        long begin = System.currentTimeMillis();
        Received received = new Received();
        DefaultMQPushConsumer consumer = run.tracedConsumer(run.group);
        consumer.subscribe(run.topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            messages.forEach(message -> received.add("traced", message));
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        DefaultMQProducer producer = run.tracedProducer();
        List<String> ids = new ArrayList<>();
        for (int number = 0; number < MESSAGES; number++) {
            ids.add(producer.send(Numbered.message(run.topic, number)).getMsgId());
        }
        received.awaitDistinct(MESSAGES, Received.DELIVERED_WITHIN_SECONDS);
        for (int number = 0; number < MESSAGES; number++) {
            String id = ids.get(number);
            Await.until("all traces of " + id, 30, () -> traced(run, id, begin).equals("[Pub, SubAfter, SubBefore]"), () -> traced(run, id, begin));
            String key = Numbered.key(number);
            Expect.equal("traces by the message's key", "[Pub, SubAfter, SubBefore]", traced(run, key, begin));
        }
        return "first id " + ids.get(0);
    }

    /** Kinds of trace that there are under this key, of which each must speak of this topic. */
    private static String traced(Run run, String key, long begin) throws Exception {
        TreeSet<String> kinds = new TreeSet<>();
        List<TraceContext> contexts = new ArrayList<>();
        try {
            for (var message : run.admin().queryMessage(TRACES, key, 64, begin, System.currentTimeMillis() + 1000).getMessageList()) {
                contexts.addAll(TraceDataEncoder.decoderFromTraceDataString(new String(message.getBody(), StandardCharsets.UTF_8)));
            }
        } catch (MQClientException nothingYet) {
            return "[]";
        }
        for (TraceContext context : contexts) {
            for (var bean : context.getTraceBeans()) {
                if (bean.getMsgId().equals(key) || key.equals(bean.getKeys())) {
                    kinds.add(context.getTraceType().name());
                    if (context.getTraceType() != TraceType.SubAfter) {
                        String expected = context.getTraceType() == TraceType.Pub ? run.group + "-traced" : run.group;
                        Expect.equal("group in the trace of " + key, expected, context.getGroupName());
                        Expect.equal("topic in the trace of " + key, context.getTraceType() == TraceType.Pub ? run.topic : bean.getTopic(), bean.getTopic());
                    }
                }
            }
        }
        return kinds.toString();
    }
}
