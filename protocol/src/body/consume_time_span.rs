//! From when to when a topic's messages are, and how far back a group is in time (303).

use serde::{Deserialize, Serialize};

use super::message_queue::MessageQueue;

/// One queue. Times are store times, ms; -1 = there is no such message.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueueTimeSpan {
    /// Of the last message that the group consumed; of the first one while it has consumed none.
    pub consume_time_stamp: i64,
    /// How long the group's next message has been waiting, ms; 0 if there is none.
    pub delay_time: i64,
    /// Of the last message.
    pub max_time_stamp: i64,
    /// The queue.
    pub message_queue: MessageQueue,
    /// Of the first message.
    pub min_time_stamp: i64,
}

/// All queues of a topic on a broker.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumeTimeSpan {
    /// One a queue.
    pub consume_time_span_set: Vec<QueueTimeSpan>,
}

json_body!(ConsumeTimeSpan);
