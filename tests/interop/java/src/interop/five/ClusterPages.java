package interop.five;

import interop.Await;
import interop.Expect;
import interop.Failure;
import java.util.Map;
import java.util.Properties;
import org.apache.rocketmq.remoting.protocol.body.ClusterInfo;

/** Ops, Home, Cluster. */
final class ClusterPages {
    private static final int UNKNOWN_KEY = 1;
    private static final int NOT_SUPPORTED = 3;
    /** What the page of a broker shows besides. */
    private static final String[] RUNTIME_KEYS = {
        "brokerVersionDesc", "putTps", "getTransferredTps", "msgPutTotalTodayMorning", "msgPutTotalYesterdayMorning",
        "msgGetTotalTodayMorning", "msgGetTotalYesterdayMorning", "msgGetTotalTodayNow", "commitLogDiskRatio",
        "commitLogDirCapacity", "bootTimestamp", "runtime", "sendThreadPoolQueueHeadWaitTimeMills", "pageCacheLockTimeMills",
        "earliestMessageTimeStamp", "timerReadBehind", "timerOffsetBehind", "timerCongestNum",
    };

    private final Shown shown;

    ClusterPages(Shown shown) {
        this.shown = shown;
    }

    /** rocketMqStatus, cluster/list. */
    void clusterList() throws Exception {
        ClusterInfo cluster = shown.admin.examineBrokerClusterInfo();
        Expect.equal("brokers of the cluster", shown.brokers.keySet(), new java.util.TreeSet<>(cluster.getClusterAddrTable().get(Shown.CLUSTER)));
        long put = 0;
        for (String address : shown.brokers.values()) {
            Map<String, String> runtime = shown.admin.fetchBrokerRuntimeStats(address).getTable();
            for (String key : RUNTIME_KEYS) {
                Expect.that(runtime.get(key) != null && !runtime.get(key).isEmpty(), key + " of " + address, runtime);
            }
            put += Long.parseLong(runtime.get("msgPutTotalTodayNow"));
        }
        Expect.that(put >= shown.messages() + Shown.DEAD, "at least as many messages today as were sent", put);
    }

    /** The collector of brokers, condition 1: numbers with single blanks between. */
    void homeBrokers() throws Exception {
        for (String address : shown.brokers.values()) {
            String rates = shown.admin.fetchBrokerRuntimeStats(address).getTable().get("getTotalTps");
            for (String rate : rates.trim().split(" ")) {
                Expect.that(Double.parseDouble(rate) >= 0, "rates of what was asked for", rates);
            }
        }
    }

    /** The collector of topics, condition 7: what was never counted is an error. */
    void homeTopics() throws Exception {
        Expect.that(shown.admin.fetchAllTopicList().getTopicList().contains(shown.topic), "the topic among all", shown.topic);
        Expect.equal("messages in", (long) shown.messages(), counted("TOPIC_PUT_NUMS", shown.topic));
        Expect.equal("messages out", (long) shown.messages(), counted("GROUP_GET_NUMS", shown.topic + "@" + shown.online));
        for (String address : shown.brokers.values()) {
            for (String name : new String[] {"TOPIC_PUT_NUMS", "GROUP_GET_NUMS", "NO_SUCH_NUMS"}) {
                Expect.equal("code of " + name + " of nothing", UNKNOWN_KEY,
                    Refused.code(name, () -> shown.admin.viewBrokerStatsData(address, name, "nothing@nobody")));
            }
        }
        String deadKey = shown.deadTopic + "@" + shown.dead;
        Expect.equal("what was sent back", (long) Shown.DEAD, counted("SNDBCK_PUT_NUMS", deadKey));
    }

    private long counted(String name, String key) throws Exception {
        long sum = 0;
        for (String address : shown.brokers.values()) {
            try {
                sum += shown.admin.viewBrokerStatsData(address, name, key).getStatsDay().getSum();
            } catch (org.apache.rocketmq.client.exception.MQClientException nothingThere) {
                Expect.equal("code of " + name + " of " + key, UNKNOWN_KEY, nothingThere.getResponseCode());
            }
        }
        return sum;
    }

    /** cluster/brokerConfig, condition 10: text, key by key. */
    void brokerConfig() throws Exception {
        for (var broker : shown.brokers.entrySet()) {
            Properties config = shown.admin.getBrokerConfig(broker.getValue());
            Expect.equal("name in the settings", broker.getKey(), config.getProperty("brokerName"));
            Expect.equal("cluster in the settings", Shown.CLUSTER, config.getProperty("brokerClusterName"));
        }
    }

    /** The page of users and rights: there are none, which it says. */
    void accessControl() throws Exception {
        String address = shown.brokers.firstEntry().getValue();
        Expect.equal("code of acl/users", NOT_SUPPORTED, Refused.code("acl/users", () -> shown.admin.listUser(address, "")));
        String remark = Refused.remark("acl/acls", () -> shown.admin.listAcl(address, "", ""));
        Expect.that(remark.contains("access control"), "the reason why there are none", remark);
    }

    /** proxy/…: the members of a group as one given broker knows them. */
    void proxy() throws Exception {
        String address = shown.brokers.firstEntry().getValue();
        var connections = shown.admin.examineConsumerConnectionInfo(shown.online, address).getConnectionSet();
        Expect.equal("members that a given broker knows", 1, connections.size());
    }

    /** A change of a setting holds on every broker; for pages that behave otherwise then. */
    void set(String key, String value) throws Exception {
        Properties change = new Properties();
        change.setProperty(key, value);
        for (String address : shown.brokers.values()) {
            shown.admin.updateBrokerConfig(address, change);
            Await.until(key + " to be " + value, Shown.WITHIN_SECONDS,
                () -> value.equals(shown.admin.getBrokerConfig(address).getProperty(key)), () -> new Failure(key));
        }
    }
}
