package interop.scenario;

import interop.Expect;
import interop.Received;
import interop.Run;
import java.util.HashSet;
import java.util.Set;

/**
 * As {@link Rebalance}, but the producer never stops: nothing is lost, and no single consumer sees a message twice. The group as a
 * whole may: the stock client hands queues over from the last committed offset.
 */
public final class RebalanceLive {
    private static final int PHASE_MESSAGES = 600;

    private RebalanceLive() {
    }

    public static String run(Run run) throws Exception {
        int queues = run.options.number("queues", 8);
        run.createTopic(queues / run.brokers());
        Received received = new Received();
        Sender sender = new Sender(run);
        Members members = new Members(run, received);
        members.join();
        members.join();
        members.join();
        members.awaitBalanced(queues);
        sender.awaitMore(PHASE_MESSAGES, received);
        members.join();
        members.awaitBalanced(queues);
        sender.awaitMore(PHASE_MESSAGES, received);
        members.leave();
        members.awaitBalanced(queues);
        sender.awaitMore(PHASE_MESSAGES, received);
        sender.stop();
        received.awaitDistinct(sender.sent(), Received.DELIVERED_WITHIN_SECONDS);
        run.awaitAllCommitted(run.group, 30, members::commit);

        received.expectAll("consumed messages", 0, sender.sent());
        Set<String> seen = new HashSet<>();
        for (Received.Arrival arrival : received.arrivals()) {
            String delivery = arrival.consumer() + " " + arrival.number();
            Expect.that(seen.add(delivery), "each consumer to see a message once", delivery);
        }
        return "sent " + sender.sent() + ", none lost, repeated while queues moved " + (received.total() - sender.sent());
    }
}
