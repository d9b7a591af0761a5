package interop.five;

import interop.Expect;
import interop.Failure;
import interop.Run;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Every page of the RocketMQ dashboard: the requests it sends, by the tools' own classes that it is built on, and the facts
 * it shows then. Pages are named by their endpoints. A page that needs another state than {@link Shown} makes it.
 */
public final class Dashboard {
    private interface Page {
        void show() throws Exception;
    }

    private Dashboard() {
    }

    public static String run(Run run) throws Exception {
        Shown shown = Shown.make(run);
        ClusterPages cluster = new ClusterPages(shown);
        TopicPages topics = new TopicPages(shown);
        ConsumerPages consumers = new ConsumerPages(shown, cluster);
        MessagePages messages = new MessagePages(shown);
        Map<String, Page> pages = new LinkedHashMap<>();
        pages.put("rocketMqStatus, cluster/list", cluster::clusterList);
        pages.put("dashboard/broker", cluster::homeBrokers);
        pages.put("dashboard/topic, topicCurrent", cluster::homeTopics);
        pages.put("cluster/brokerConfig", cluster::brokerConfig);
        pages.put("topic/list", topics::list);
        pages.put("topic/list.queryTopicType", topics::types);
        pages.put("topic/stats", topics::stats);
        pages.put("topic/route", topics::route);
        pages.put("topic/queryConsumerByTopic, queryTopicConsumerInfo, consumer/queryTopicByConsumer", consumers::consumersOfTopic);
        pages.put("topic/createOrUpdate, examineTopicConfig, sendTopicMessage, deleteTopic", topics::createdSentToAndDeleted);
        pages.put("consumer/groupList", consumers::groupList);
        pages.put("consumer/consumerConnection, consumerRunningInfo", consumers::online);
        pages.put("consumer/createOrUpdate, examineSubscriptionGroupConfig, deleteSubGroup", consumers::createdAndDeleted);
        pages.put("producer/producerConnection", topics::producers);
        pages.put("message/viewMessage", messages::byId);
        pages.put("message/queryMessageByTopicAndKey", messages::byKey);
        pages.put("message/queryMessagePageByTopic, queryMessageByTopic", messages::byTopic);
        pages.put("message/consumeMessageDirectly", messages::consumedDirectly);
        pages.put("dlqMessage/query, batchResendDlqMessage", messages::deadLetters);
        pages.put("messageTrace/viewMessage, viewMessageTraceDetail", messages::traces);
        // A reset by the broker waits for the group's next pull, and outlasts commits until then: it comes last.
        pages.put("consumer/resetOffset, skipAccumulate, where members reset", consumers::skippedTheOldWay);
        pages.put("consumer/resetOffset, skipAccumulate", consumers::resetAndSkipped);
        pages.put("acl/users, acls", cluster::accessControl);
        pages.put("proxy", cluster::proxy);
        // All of them, whatever the others show.
        List<String> broken = new ArrayList<>();
        for (var page : pages.entrySet()) {
            try {
                page.getValue().show();
            } catch (Failure failure) {
                broken.add("page " + page.getKey() + ": " + failure.getMessage());
            } catch (Exception error) {
                error.printStackTrace();
                broken.add("page " + page.getKey() + " breaks: " + error);
            }
        }
        Expect.equal("pages that do not show the facts", List.of(), broken);
        return "pages " + pages.size();
    }
}
