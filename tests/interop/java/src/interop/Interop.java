package interop;

import interop.scenario.AcrossFailover;
import interop.scenario.Attended;
import interop.scenario.Broadcast;
import interop.scenario.CrashConsumer;
import interop.scenario.CrashProducer;
import interop.scenario.CrashVerify;
import interop.scenario.DeadLetter;
import interop.scenario.Delayed;
import interop.scenario.GivenUp;
import interop.scenario.Latency;
import interop.scenario.LitePull;
import interop.scenario.Offsets;
import interop.scenario.PullConsumer;
import interop.scenario.PushConcurrent;
import interop.scenario.PushOrderly;
import interop.scenario.ReadAll;
import interop.scenario.QueryByKey;
import interop.scenario.Rebalance;
import interop.scenario.RebalanceLive;
import interop.scenario.RequestReply;
import interop.scenario.Resume;
import interop.scenario.Retry;
import interop.scenario.SendAsync;
import interop.scenario.SendBatch;
import interop.scenario.SendCompressed;
import interop.scenario.SendLarge;
import interop.scenario.SendOneway;
import interop.scenario.SendSelector;
import interop.scenario.SendSync;
import interop.scenario.SqlFilter;
import interop.scenario.Tags;
import interop.scenario.Timers;
import interop.scenario.Traced;
import interop.scenario.Transactions;
import interop.scenario.ViewById;
import java.util.Map;
import java.util.TreeMap;

/**
 * Runs one scenario against a live cluster: {@code Interop <scenario> --namesrv host:port --topic t --group g [--key value]}.
 * The last line on stdout is {@code PASS <scenario> <facts>} (exit 0) or {@code FAIL <scenario> <what>} (exit 1).
 */
public final class Interop {
    private static final Map<String, Scenario> SCENARIOS = new TreeMap<>(Map.ofEntries(
        Map.entry("send-sync", SendSync::run),
        Map.entry("send-async", SendAsync::run),
        Map.entry("send-oneway", SendOneway::run),
        Map.entry("send-batch", SendBatch::run),
        Map.entry("send-selector", SendSelector::run),
        Map.entry("send-compressed", SendCompressed::run),
        Map.entry("send-large", SendLarge::run),
        Map.entry("push-concurrent", PushConcurrent::run),
        Map.entry("push-orderly", PushOrderly::run),
        Map.entry("broadcast", Broadcast::run),
        Map.entry("lite-pull-assign", LitePull::assign),
        Map.entry("lite-pull-subscribe", LitePull::subscribe),
        Map.entry("pull-consumer", PullConsumer::run),
        Map.entry("read-all", ReadAll::run),
        Map.entry("tags", Tags::run),
        Map.entry("sql-filter", SqlFilter::run),
        Map.entry("rebalance", Rebalance::run),
        Map.entry("rebalance-live", RebalanceLive::run),
        Map.entry("resume", Resume::run),
        Map.entry("retry", Retry::run),
        Map.entry("dead-letter", DeadLetter::run),
        Map.entry("latency", Latency::run),
        Map.entry("offsets", Offsets::run),
        Map.entry("view-by-id", ViewById::run),
        Map.entry("delayed", Delayed::run),
        Map.entry("transactions", Transactions::run),
        Map.entry("transactions-given-up", GivenUp::run),
        Map.entry("request-reply", RequestReply::run),
        Map.entry("traced", Traced::run),
        Map.entry("query-by-key", QueryByKey::run),
        Map.entry("timers", Timers::run),
        Map.entry("across-failover", AcrossFailover::run),
        Map.entry("attended", Attended::run),
        Map.entry("crash-producer", CrashProducer::run),
        Map.entry("crash-consumer", CrashConsumer::run),
        Map.entry("crash-consumer-verify", CrashVerify::run)));

    static {
        SCENARIOS.putAll(ofNewestClient());
    }

    private Interop() {
    }

    /** Those that need the client or the tools of 5.x; compiled against 4.9 there are none. */
    @SuppressWarnings("unchecked")
    private static Map<String, Scenario> ofNewestClient() {
        try {
            return (Map<String, Scenario>) Class.forName("interop.five.Scenarios").getField("ALL").get(null);
        } catch (ClassNotFoundException olderClient) {
            return Map.of();
        } catch (ReflectiveOperationException broken) {
            throw new IllegalStateException(broken);
        }
    }

    public static void main(String[] arguments) {
        if (arguments.length == 0 || !SCENARIOS.containsKey(arguments[0])) {
            System.out.println("FAIL usage expected one of " + String.join(" ", SCENARIOS.keySet()));
            System.exit(1);
        }
        String name = arguments[0];
        String verdict;
        try {
            Options options = Options.parse(arguments);
            Deadline.start(name, options.number("deadline-s", 120));
            verdict = "PASS " + name + " " + runAndClose(SCENARIOS.get(name), options);
        } catch (Failure failure) {
            verdict = "FAIL " + name + " " + failure.getMessage();
        } catch (Throwable error) {
            error.printStackTrace();
            verdict = "FAIL " + name + " unexpected " + error;
        }
        verdict = verdict.replaceAll("\\s*[\\r\\n]+\\s*", " ");
        System.out.println(verdict);
        System.out.flush();
        // halt: the clients' threads that are not daemons must not keep a finished scenario alive.
        Runtime.getRuntime().halt(verdict.startsWith("PASS ") ? 0 : 1);
    }

    /** A shutdown that fails is a failed scenario too, but never hides the first failure. */
    private static String runAndClose(Scenario scenario, Options options) throws Exception {
        try (Run run = new Run(options)) {
            String facts = scenario.run(run);
            Failure.throwReported();
            return facts;
        }
    }
}
