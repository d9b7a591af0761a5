package interop.five;

import interop.Scenario;
import java.util.Map;

/** What only the client and the tools of 5.x have; found by name, so that the rest compiles without. */
public final class Scenarios {
    public static final Map<String, Scenario> ALL = Map.of(
        "assigned-rebalance", AssignedRebalance::run,
        "push-pop", PushPop::run,
        "dashboard", Dashboard::run);

    private Scenarios() {
    }
}
