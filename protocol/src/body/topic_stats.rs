//! Offsets of a topic's queues (202).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::error::BodyError;
use super::fastjson::{self, object_keys, push_json, push_object_keyed};
use super::message_queue::MessageQueue;

/// Offsets of one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicOffsets {
    /// Store time of the last message, ms; 0 = none.
    pub last_update_timestamp: i64,
    /// Next queue offset to be written.
    pub max_offset: i64,
    /// First queue offset that can be read.
    pub min_offset: i64,
}

/// Offsets of all queues of a topic on a broker.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicStatsTable {
    /// By queue.
    #[serde(deserialize_with = "object_keys::deserialize")]
    pub offset_table: BTreeMap<MessageQueue, TopicOffsets>,
    /// Messages a second.
    pub topic_put_tps: f64,
}

impl TopicStatsTable {
    /// Reads the JSON text of a body.
    ///
    /// # Errors
    /// [`BodyError`].
    pub fn decode(body: &[u8]) -> Result<Self, BodyError> {
        fastjson::decode("TopicStatsTable", body)
    }

    /// The JSON text, in the reference's form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = b"{\"offsetTable\":".to_vec();
        push_object_keyed(&mut out, &self.offset_table);
        out.extend_from_slice(b",\"topicPutTps\":");
        push_json(&mut out, &self.topic_put_tps);
        out.push(b'}');
        out
    }
}
