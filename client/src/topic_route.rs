//! Where a topic's queues are: what a name server says, read the way producers and consumers need it.

use protocol::body::{BrokerData, MessageQueue, TopicRouteData};

/// Broker id of a master.
pub const MASTER_ID: i64 = 0;

/// Bit of a queue's permission: consumers may read.
pub const PERM_READ: i32 = 4;
/// Bit of a queue's permission: producers may write.
pub const PERM_WRITE: i32 = 2;

/// The route of one topic.
#[derive(Clone, Debug)]
pub struct TopicRoute {
    topic: String,
    data: TopicRouteData,
    is_lent: bool,
    writable: Vec<MessageQueue>,
    readable: Vec<MessageQueue>,
}

impl TopicRoute {
    /// The route of `topic` as a name server gave it.
    #[must_use]
    pub fn new(topic: &str, data: TopicRouteData) -> Self {
        Self {
            writable: writable_queues(topic, &data, i32::MAX),
            readable: readable_queues(topic, &data),
            topic: topic.to_owned(),
            data,
            is_lent: false,
        }
    }

    /// The default topic's route, lent to `topic` which the first send will create. A broker creates at most the
    /// asked number of queues, so no higher queue may be addressed. There is nothing to read yet.
    #[must_use]
    pub fn lent(topic: &str, data: TopicRouteData, queues_per_broker_max: i32) -> Self {
        Self {
            writable: writable_queues(topic, &data, queues_per_broker_max),
            readable: Vec::new(),
            topic: topic.to_owned(),
            data,
            is_lent: true,
        }
    }

    /// What the name server said.
    #[must_use]
    pub fn data(&self) -> &TopicRouteData {
        &self.data
    }

    /// The topic whose queues these are.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Whether this is the default topic's route.
    #[must_use]
    pub fn is_lent(&self) -> bool {
        self.is_lent
    }

    /// The queues a producer may send to, by broker name and queue id: writable, on brokers that have a master. An
    /// order configuration replaces the list, as it names the queues that keep their place when a broker is away.
    #[must_use]
    pub fn writable_queues(&self) -> &[MessageQueue] {
        &self.writable
    }

    /// The queues a consumer may read, by broker name and queue id.
    #[must_use]
    pub fn readable_queues(&self) -> &[MessageQueue] {
        &self.readable
    }

    /// The address of a broker's master.
    #[must_use]
    pub fn master_address(&self, broker_name: &str) -> Option<&str> {
        self.broker(broker_name)?.broker_addrs.get(&MASTER_ID).map(String::as_str)
    }

    /// The address of the replica with this id, else the master's, else the lowest id's.
    #[must_use]
    pub fn replica_address(&self, broker_name: &str, broker_id: i64) -> Option<&str> {
        let addresses = &self.broker(broker_name)?.broker_addrs;
        // The map is in order of id, so its first value is the master's, or the lowest id's.
        addresses.get(&broker_id).or_else(|| addresses.values().next()).map(String::as_str)
    }

    fn broker(&self, broker_name: &str) -> Option<&BrokerData> {
        broker(&self.data, broker_name)
    }
}

fn broker<'a>(data: &'a TopicRouteData, broker_name: &str) -> Option<&'a BrokerData> {
    data.broker_datas.iter().find(|broker| broker.broker_name == broker_name)
}

fn writable_queues(topic: &str, data: &TopicRouteData, queues_per_broker_max: i32) -> Vec<MessageQueue> {
    let ordered = data.order_topic_conf.as_deref().unwrap_or_default();
    if !ordered.is_empty() {
        return sorted(topic, order_configuration(ordered));
    }
    let has_master = |name: &str| broker(data, name).is_some_and(|broker| broker.broker_addrs.contains_key(&MASTER_ID));
    let writable = data.queue_datas.iter().filter(|queue| queue.perm & PERM_WRITE != 0);
    let with_master = writable.filter(|queue| has_master(&queue.broker_name));
    let capped =
        with_master.map(|queue| (queue.broker_name.as_str(), queue.write_queue_nums.min(queues_per_broker_max)));
    sorted(topic, capped)
}

fn readable_queues(topic: &str, data: &TopicRouteData) -> Vec<MessageQueue> {
    let readable = data.queue_datas.iter().filter(|queue| queue.perm & PERM_READ != 0);
    sorted(topic, readable.map(|queue| (queue.broker_name.as_str(), queue.read_queue_nums)))
}

fn sorted<'a>(topic: &str, queue_counts: impl Iterator<Item = (&'a str, i32)>) -> Vec<MessageQueue> {
    let queue = |broker_name: &str, queue_id| MessageQueue {
        topic: topic.to_owned(),
        broker_name: broker_name.to_owned(),
        queue_id,
    };
    let mut queues = Vec::new();
    for (broker_name, count) in queue_counts {
        queues.extend((0..count).map(|queue_id| queue(broker_name, queue_id)));
    }
    queues.sort_unstable();
    queues
}

/// `broker:count;broker:count`; a part that is not of this form names no queue.
fn order_configuration(text: &str) -> impl Iterator<Item = (&str, i32)> {
    text.split(';').filter_map(|part| {
        let (broker_name, count) = part.split_once(':')?;
        Some((broker_name, count.trim().parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(json: &str) -> TopicRoute {
        TopicRoute::new("T", TopicRouteData::decode(json.as_bytes()).unwrap())
    }

    fn ids(queues: &[MessageQueue]) -> Vec<(&str, i32)> {
        queues.iter().map(|queue| (queue.broker_name.as_str(), queue.queue_id)).collect()
    }

    const TWO_BROKERS: &str = r#"{"brokerDatas":[
        {"brokerAddrs":{"0":"h:10921","1":"h:10922"},"brokerName":"b","cluster":"C"},
        {"brokerAddrs":{"0":"h:10911"},"brokerName":"a","cluster":"C"},
        {"brokerAddrs":{"1":"h:10932"},"brokerName":"slave-only","cluster":"C"}],
        "filterServerTable":{},"queueDatas":[
        {"brokerName":"b","perm":6,"readQueueNums":1,"topicSysFlag":0,"writeQueueNums":2},
        {"brokerName":"a","perm":4,"readQueueNums":2,"topicSysFlag":0,"writeQueueNums":2},
        {"brokerName":"slave-only","perm":6,"readQueueNums":1,"topicSysFlag":0,"writeQueueNums":1}]}"#;

    #[test]
    fn producers_get_writable_queues_of_brokers_with_a_master() {
        assert_eq!(ids(route(TWO_BROKERS).writable_queues()), [("b", 0), ("b", 1)]);
    }

    #[test]
    fn consumers_get_all_readable_queues_in_order() {
        assert_eq!(ids(route(TWO_BROKERS).readable_queues()), [("a", 0), ("a", 1), ("b", 0), ("slave-only", 0)]);
    }

    #[test]
    fn a_lent_route_is_capped_at_the_queues_that_will_be_created() {
        let data = route(TWO_BROKERS).data;
        assert_eq!(ids(TopicRoute::lent("New", data, 1).writable_queues()), [("b", 0)]);
    }

    #[test]
    fn an_order_configuration_replaces_the_writable_queues() {
        let mut data = route(TWO_BROKERS).data;
        data.order_topic_conf = Some("b:1;gone:1;nonsense".to_owned());
        assert_eq!(ids(TopicRoute::new("T", data).writable_queues()), [("b", 0), ("gone", 0)]);
    }

    #[test]
    fn a_replica_that_is_gone_is_replaced_by_the_master_and_that_by_the_lowest_id() {
        let route = route(TWO_BROKERS);
        assert_eq!(route.replica_address("b", 1), Some("h:10922"));
        assert_eq!(route.replica_address("b", 7), Some("h:10921"));
        assert_eq!(route.replica_address("slave-only", MASTER_ID), Some("h:10932"));
        assert_eq!(route.replica_address("nobody", MASTER_ID), None);
        assert_eq!(route.master_address("slave-only"), None);
    }
}
