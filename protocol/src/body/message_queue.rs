//! The address of a queue.

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use super::fastjson::lenient_number;

/// One queue of a topic on one broker. The order is that of the reference (topic, broker, queue id): every member of
/// a consumer group sorts its queues before it takes its share.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MessageQueue {
    /// The topic.
    pub topic: String,
    /// The broker group.
    pub broker_name: String,
    /// Number of the queue there.
    #[serde(deserialize_with = "lenient_number::deserialize")]
    pub queue_id: i32,
}

impl MessageQueue {
    /// The queue of these three.
    pub fn new(topic: impl Into<String>, broker_name: impl Into<String>, queue_id: i32) -> Self {
        Self { topic: topic.into(), broker_name: broker_name.into(), queue_id }
    }
}

/// By hand, since the keys are written in another order than the fields compare.
impl Serialize for MessageQueue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("MessageQueue", 3)?;
        object.serialize_field("brokerName", &self.broker_name)?;
        object.serialize_field("queueId", &self.queue_id)?;
        object.serialize_field("topic", &self.topic)?;
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_sort_by_topic_then_broker_then_id() {
        let mut queues = [
            MessageQueue::new("b", "a", 0),
            MessageQueue::new("a", "b", 0),
            MessageQueue::new("a", "a", 10),
            MessageQueue::new("a", "a", 9),
        ];
        queues.sort();
        let ids: Vec<_> = queues.iter().map(|queue| (queue.topic.as_str(), queue.queue_id)).collect();
        assert_eq!(ids, [("a", 9), ("a", 10), ("a", 0), ("b", 0)]);
    }

    #[test]
    fn keys_are_written_in_alphabetical_order() {
        let json = serde_json::to_string(&MessageQueue::new("t", "b", 3)).unwrap();
        assert_eq!(json, r#"{"brokerName":"b","queueId":3,"topic":"t"}"#);
    }
}
