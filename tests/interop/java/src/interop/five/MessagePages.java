package interop.five;

import interop.Await;
import interop.Expect;
import interop.Numbered;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.trace.TraceContext;
import org.apache.rocketmq.client.trace.TraceDataEncoder;
import org.apache.rocketmq.client.trace.TraceType;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.body.CMResult;
import org.apache.rocketmq.tools.admin.api.MessageTrack;
import org.apache.rocketmq.tools.admin.api.TrackType;

/** Message, DLQ, Trace. */
final class MessagePages {
    private static final int NO_TOPIC = 17;
    private static final int FOUND_MAX = 64;

    private final Shown shown;

    MessagePages(Shown shown) {
        this.shown = shown;
    }

    /** message/viewMessage, with who has consumed it. */
    void byId() throws Exception {
        SendResult result = shown.sent.get(Shown.IN_EACH - 1);
        MessageExt message = shown.admin.queryMessage(Shown.CLUSTER, shown.topic, result.getMsgId());
        Expect.equal("number of the message", Shown.IN_EACH - 1, Numbered.check(message));
        Expect.equal("its queue offset", result.getQueueOffset(), message.getQueueOffset());
        Map<String, TrackType> tracks = new TreeMap<>();
        for (MessageTrack track : shown.admin.messageTrackDetail(message)) {
            tracks.put(track.getConsumerGroup(), track.getTrackType());
        }
        Expect.equal("who has consumed it", new TreeMap<>(Map.of(shown.online, TrackType.CONSUMED, shown.offline, TrackType.NOT_ONLINE)), tracks);
    }

    /** message/queryMessageByTopicAndKey. */
    void byKey() throws Exception {
        for (int number : new int[] {0, shown.messages() - 1}) {
            List<MessageExt> found = query(shown.topic, Numbered.key(number));
            Expect.equal("messages with " + Numbered.key(number), 1, found.size());
            Expect.equal("message with " + Numbered.key(number), number, Numbered.check(found.get(0)));
        }
        Expect.equal("messages with a key that none has", List.of(), query(shown.topic, "no-such-key"));
    }

    private List<MessageExt> query(String topic, String key) throws Exception {
        try {
            return shown.admin.queryMessage(topic, key, FOUND_MAX, shown.begin - 1000, System.currentTimeMillis() + 1000).getMessageList();
        } catch (MQClientException nothing) {
            return List.of();
        }
    }

    /** message/queryMessagePageByTopic. */
    void byTopic() throws Exception {
        Set<Integer> numbers = new TreeSet<>();
        for (MessageExt message : pull(shown.topic)) {
            numbers.add(Numbered.check(message));
        }
        Expect.equal("messages of all pages", shown.messages(), numbers.size());
    }

    private List<MessageExt> pull(String topic) throws Exception {
        DefaultMQPullConsumer consumer = shown.run.pullConsumer("TOOLS_CONSUMER");
        consumer.start();
        List<MessageExt> messages = new ArrayList<>();
        for (MessageQueue queue : consumer.fetchSubscribeMessageQueues(topic)) {
            long next = consumer.searchOffset(queue, shown.begin);
            long end = consumer.searchOffset(queue, System.currentTimeMillis() + 1000);
            Expect.equal("end of " + queue, consumer.maxOffset(queue), end);
            while (next < end) {
                PullResult pulled = consumer.pull(queue, "*", next, 3);
                Expect.equal("a pull of " + queue + " at " + next, PullStatus.FOUND, pulled.getPullStatus());
                messages.addAll(pulled.getMsgFoundList());
                next = pulled.getNextBeginOffset();
            }
        }
        consumer.shutdown();
        return messages;
    }

    /** message/consumeMessageDirectly. */
    void consumedDirectly() throws Exception {
        int before = shown.consumed.get();
        var result = shown.admin.consumeMessageDirectly(shown.online, shown.clientId, shown.topic, shown.sent.get(0).getMsgId());
        Expect.equal("result of the direct consumption", CMResult.CR_SUCCESS, result.getConsumeResult());
        Expect.equal("messages consumed", before + 1, shown.consumed.get());
    }

    /** dlqMessage/…, condition 5: no dead letters are no error. */
    void deadLetters() throws Exception {
        Expect.equal("code of the route of no dead letters", NO_TOPIC,
            Refused.code("a route", () -> shown.admin.examineTopicRouteInfo("%DLQ%" + shown.online)));
        String topic = "%DLQ%" + shown.dead;
        List<MessageExt> dead = pull(topic);
        Set<String> ids = new TreeSet<>();
        for (MessageExt message : dead) {
            Expect.equal("where a dead letter was first", shown.deadTopic, message.getProperty(MessageConst.PROPERTY_RETRY_TOPIC));
            ids.add(message.getMsgId());
        }
        Expect.equal("dead letters", new TreeSet<>(shown.deadIds), ids);
        Expect.equal("a dead letter by its id", shown.deadIds.get(0), shown.admin.queryMessage(Shown.CLUSTER, topic, shown.deadIds.get(0)).getMsgId());
        var again = shown.admin.consumeMessageDirectly(shown.online, shown.clientId, topic, shown.deadIds.get(0));
        Expect.equal("result of a dead letter that is consumed again", CMResult.CR_SUCCESS, again.getConsumeResult());
    }

    /** messageTrace/view…: by the message's id. */
    void traces() throws Exception {
        for (String id : shown.deadIds) {
            Await.until("the trace of " + id, Shown.WITHIN_SECONDS, () -> published(id).size() == 1, () -> published(id));
            TraceContext trace = published(id).get(0);
            Expect.equal("who sent it", shown.online + "-traced", trace.getGroupName());
            Expect.equal("where", shown.deadTopic, trace.getTraceBeans().get(0).getTopic());
        }
    }

    private List<TraceContext> published(String id) throws Exception {
        List<TraceContext> traces = new ArrayList<>();
        for (MessageExt message : query(Shown.TRACES, id)) {
            String text = new String(message.getBody(), StandardCharsets.UTF_8);
            for (TraceContext trace : TraceDataEncoder.decoderFromTraceDataString(text)) {
                if (trace.getTraceType() == TraceType.Pub && trace.getTraceBeans().get(0).getMsgId().equals(id)) {
                    traces.add(trace);
                }
            }
        }
        return traces;
    }
}
