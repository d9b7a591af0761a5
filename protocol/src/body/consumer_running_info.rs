//! What a running consumer says about itself (307).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::fastjson::object_keys;
use super::heartbeat::SubscriptionData;
use super::message_queue::MessageQueue;

/// A consumer's settings, queues and rates. Read only: what brokers pass on is the client's own text.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumerRunningInfo {
    /// The stacks of its threads, if they were asked for.
    pub jstack: Option<String>,
    /// Its queues while it pulls.
    #[serde(deserialize_with = "object_keys::deserialize")]
    pub mq_table: BTreeMap<MessageQueue, ProcessQueueInfo>,
    /// Its queues while it pops.
    #[serde(deserialize_with = "object_keys::deserialize")]
    pub mq_pop_table: BTreeMap<MessageQueue, PopProcessQueueInfo>,
    /// Its settings by name, `PROP_…` among them.
    pub properties: BTreeMap<String, String>,
    /// Rates by topic.
    pub status_table: BTreeMap<String, ConsumeStatus>,
    /// What it listens to.
    pub subscription_set: Vec<SubscriptionData>,
}

/// One queue of a consumer that pulls. Times are ms since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProcessQueueInfo {
    /// Next queue offset to be committed.
    pub commit_offset: i64,
    /// First queue offset in memory.
    pub cached_msg_min_offset: i64,
    /// Last queue offset in memory.
    pub cached_msg_max_offset: i64,
    /// Messages in memory.
    pub cached_msg_count: i32,
    /// Their size.
    #[serde(rename = "cachedMsgSizeInMiB")]
    pub cached_msg_size_in_mib: i32,
    /// Messages that the application has at present, of an ordered consumer.
    pub transaction_msg_count: i32,
    /// Whether an ordered consumer has the queue to itself.
    pub locked: bool,
    /// How often that could not be had.
    pub try_unlock_times: i64,
    /// When it was had last.
    pub last_lock_timestamp: i64,
    /// Whether the queue was given up.
    pub droped: bool,
    /// When it was pulled last.
    pub last_pull_timestamp: i64,
    /// When a message of it was consumed last.
    pub last_consume_timestamp: i64,
}

/// One queue of a consumer that pops.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PopProcessQueueInfo {
    /// Messages that wait for an ack.
    pub wait_ack_count: i32,
    /// Whether the queue was given up.
    pub droped: bool,
    /// When it was popped last, ms since 1970.
    pub last_pop_timestamp: i64,
}

/// Rates of one topic.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ConsumeStatus {
    /// How long a pull takes, ms.
    #[serde(rename = "pullRT")]
    pub pull_rt: f64,
    /// Messages pulled a second.
    #[serde(rename = "pullTPS")]
    pub pull_tps: f64,
    /// How long the application takes for a message, ms.
    #[serde(rename = "consumeRT")]
    pub consume_rt: f64,
    /// Messages consumed a second.
    #[serde(rename = "consumeOKTPS")]
    pub consume_ok_tps: f64,
    /// Messages refused a second.
    #[serde(rename = "consumeFailedTPS")]
    pub consume_failed_tps: f64,
    /// Messages refused within the hour.
    #[serde(rename = "consumeFailedMsgs")]
    pub consume_failed_msgs: i64,
}

impl ConsumerRunningInfo {
    /// Reads the JSON text of a body.
    ///
    /// # Errors
    /// [`super::BodyError`].
    pub fn decode(body: &[u8]) -> Result<Self, super::BodyError> {
        super::fastjson::decode("ConsumerRunningInfo", body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_are_read_from_object_keys() {
        let text = br#"{"jstack":null,"mqPopTable":{},"mqTable":{{"brokerName":"b","queueId":3,"topic":"t"}:{"cachedMsgCount":2,"cachedMsgSizeInMiB":1,"commitOffset":7,"droped":false}},"properties":{"PROP_CLIENT_VERSION":"V5_5_0"},"statusTable":{"t":{"consumeOKTPS":1.5,"pullRT":0.0}},"subscriptionSet":[{"subString":"*","topic":"t"}],"userConsumerInfo":{}}"#;
        let info = ConsumerRunningInfo::decode(text).unwrap();
        let queue = &info.mq_table[&MessageQueue::new("t", "b", 3)];
        assert_eq!((queue.commit_offset, queue.cached_msg_count, queue.cached_msg_size_in_mib), (7, 2, 1));
        assert_eq!(info.properties["PROP_CLIENT_VERSION"], "V5_5_0");
        assert!((info.status_table["t"].consume_ok_tps - 1.5).abs() < f64::EPSILON);
        assert_eq!((info.subscription_set[0].topic.as_str(), info.jstack), ("t", None));
    }
}
