package interop.scenario;

import interop.Await;
import interop.Received;
import interop.Run;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.common.message.MessageQueue;

/** The push consumers of one group, which join and leave while the scenario looks at who owns which queue. */
public final class Members {
    /** Half of the client's own rebalance interval: a change has to be notified by the broker to be seen in time. */
    private static final long NOTIFIED_WITHIN_SECONDS = 10;

    private final Run run;
    private final Received received;
    private final Consumer<DefaultMQPushConsumer> configure;
    private final List<DefaultMQPushConsumer> members = new ArrayList<>();
    private int joined;

    Members(Run run, Received received) {
        this(run, received, member -> { });
    }

    /** Each member passes {@code configure} before it starts. */
    public Members(Run run, Received received, Consumer<DefaultMQPushConsumer> configure) {
        this.run = run;
        this.received = received;
        this.configure = configure;
    }

    /** Those that are there, in the order they joined. */
    public List<DefaultMQPushConsumer> present() {
        return List.copyOf(members);
    }

    public void join() throws Exception {
        String name = "member-" + ++joined;
        DefaultMQPushConsumer consumer = run.pushConsumer(run.group);
        consumer.subscribe(run.topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            messages.forEach(message -> received.add(name, message));
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        configure.accept(consumer);
        consumer.start();
        members.add(consumer);
    }

    public void leave() {
        members.remove(0).shutdown();
    }

    /** Commits now what is consumed; a client of its own accord does so 10 s after its start, then every 5 s. */
    public void commit() {
        members.forEach(member -> member.getDefaultMQPushConsumerImpl().persistConsumerOffset());
    }

    /** Waits until every queue has one owner and the shares differ by one at most; returns the ms it took. */
    long awaitBalanced(int queues) throws Exception {
        return Await.until(queues + " queues spread over " + members.size() + " consumers", NOTIFIED_WITHIN_SECONDS,
            () -> balanced(queues), () -> members.stream().map(this::share).toList());
    }

    private boolean balanced(int queues) {
        Set<MessageQueue> owned = new HashSet<>();
        int sum = 0;
        for (DefaultMQPushConsumer member : members) {
            int share = share(member).size();
            if (share < queues / members.size() || share > (queues + members.size() - 1) / members.size()) {
                return false;
            }
            owned.addAll(share(member));
            sum += share;
        }
        return owned.size() == queues && sum == queues;
    }

    /** The queues of the topic that a member has. */
    public List<MessageQueue> share(DefaultMQPushConsumer member) {
        return member.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().keySet().stream()
            .filter(queue -> queue.getTopic().equals(run.topic)).toList();
    }
}
