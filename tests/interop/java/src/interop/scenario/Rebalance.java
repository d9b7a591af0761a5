package interop.scenario;

import interop.Received;
import interop.Run;

/**
 * Three consumers share eight queues, a fourth joins, one leaves: each message exactly once for the group.
 * The producer is held, and all is committed, at the moment a queue changes hands: the stock client starts a queue from
 * the committed offset while its old owner may still be handling the next message, so with traffic at that moment
 * the client itself repeats messages. {@link RebalanceLive} is the case with traffic.
 */
public final class Rebalance {
    private static final int PHASE_MESSAGES = 600;

    private Rebalance() {
    }

    public interface Look {
        void look() throws Exception;
    }

    public static String run(Run run) throws Exception {
        Received received = new Received();
        return run(run, received, new Members(run, received), () -> { });
    }

    /** {@code balanced} looks at the members each time that they have shared out the queues anew. */
    public static String run(Run run, Received received, Members members, Look balanced) throws Exception {
        int queues = run.options.number("queues", 8);
        run.createTopic(queues / run.brokers());
        members.join();
        members.join();
        members.join();
        long startMs = members.awaitBalanced(queues);
        balanced.look();

        Sender sender = new Sender(run);
        sender.awaitMore(PHASE_MESSAGES, received);
        hold(run, sender, members, received);
        members.join();
        long joinMs = members.awaitBalanced(queues);
        balanced.look();
        sender.resume();

        sender.awaitMore(PHASE_MESSAGES, received);
        hold(run, sender, members, received);
        members.leave();
        long leaveMs = members.awaitBalanced(queues);
        balanced.look();
        sender.resume();

        sender.awaitMore(PHASE_MESSAGES, received);
        sender.stop();
        received.awaitDistinct(sender.sent(), Received.DELIVERED_WITHIN_SECONDS);
        run.awaitAllCommitted(run.group, 30, members::commit);
        received.expectExactlyOnce("consumed messages", 0, sender.sent());
        return "consumed " + received.total() + " exactly once; balanced after start " + startMs + " ms, join " + joinMs + " ms, leave " + leaveMs + " ms";
    }

    private static void hold(Run run, Sender sender, Members members, Received received) throws Exception {
        sender.pause();
        received.awaitDistinct(sender.sent(), Received.DELIVERED_WITHIN_SECONDS);
        run.awaitAllCommitted(run.group, 30, members::commit);
    }
}
