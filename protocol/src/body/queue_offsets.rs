//! Offsets by queue: reset tables (220, 222) and a consumer's positions (221, 223).

use serde::Deserialize;
use std::collections::BTreeMap;

use super::error::BodyError;
use super::fastjson::{self, object_keys, push_json, push_object_keyed};
use super::message_queue::MessageQueue;

/// `{"offsetTable":{queue:offset}}`: what 222 answers and 220 carries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueueOffsets {
    /// By queue.
    #[serde(deserialize_with = "object_keys::deserialize")]
    pub offset_table: BTreeMap<MessageQueue, i64>,
}

impl QueueOffsets {
    /// Reads the JSON text of a body.
    ///
    /// # Errors
    /// [`BodyError`].
    pub fn decode(body: &[u8]) -> Result<Self, BodyError> {
        fastjson::decode("QueueOffsets", body)
    }

    /// The JSON text, in the reference's form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = b"{\"offsetTable\":".to_vec();
        push_object_keyed(&mut out, &self.offset_table);
        out.push(b'}');
        out
    }

    /// What 220 carries to clients that say they are written in C++.
    pub fn encode_for_cpp(&self) -> Vec<u8> {
        let mut out = b"{\"offsetTable\":[".to_vec();
        for (index, (queue, offset)) in self.offset_table.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(b"{\"brokerName\":");
            push_json(&mut out, &queue.broker_name);
            out.extend_from_slice(b",\"offset\":");
            push_json(&mut out, offset);
            out.extend_from_slice(b",\"queueId\":");
            push_json(&mut out, &queue.queue_id);
            out.extend_from_slice(b",\"topic\":");
            push_json(&mut out, &queue.topic);
            out.push(b'}');
        }
        out.extend_from_slice(b"]}");
        out
    }
}

/// A consumer's positions: a client answers 221 with `messageQueueTable`, the broker answers 223 with one table a
/// client.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumerStatus {
    /// By client and queue.
    pub consumer_table: BTreeMap<String, ClientOffsets>,
    /// By queue.
    #[serde(deserialize_with = "object_keys::deserialize")]
    pub message_queue_table: BTreeMap<MessageQueue, i64>,
}

/// One client's positions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(transparent)]
pub struct ClientOffsets {
    /// By queue.
    #[serde(deserialize_with = "object_keys::deserialize")]
    pub offsets: BTreeMap<MessageQueue, i64>,
}

impl ConsumerStatus {
    /// Reads the JSON text of a body.
    ///
    /// # Errors
    /// [`BodyError`].
    pub fn decode(body: &[u8]) -> Result<Self, BodyError> {
        fastjson::decode("ConsumerStatus", body)
    }

    /// The JSON text, in the reference's form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = b"{\"consumerTable\":{".to_vec();
        for (index, (client, table)) in self.consumer_table.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            push_json(&mut out, client);
            out.push(b':');
            push_object_keyed(&mut out, &table.offsets);
        }
        out.extend_from_slice(b"},\"messageQueueTable\":");
        push_object_keyed(&mut out, &self.message_queue_table);
        out.push(b'}');
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets() -> BTreeMap<MessageQueue, i64> {
        BTreeMap::from([(MessageQueue::new("t", "b", 0), 12), (MessageQueue::new("t", "b", 1), -1)])
    }

    #[test]
    fn tables_with_object_keys_read_back() {
        let table = QueueOffsets { offset_table: offsets() };
        assert_eq!(QueueOffsets::decode(&table.encode()).unwrap(), table);
        let status = ConsumerStatus {
            consumer_table: BTreeMap::from([("c@1".to_owned(), ClientOffsets { offsets: offsets() })]),
            message_queue_table: offsets(),
        };
        assert_eq!(ConsumerStatus::decode(&status.encode()).unwrap(), status);
    }

    #[test]
    fn cpp_clients_get_a_list() {
        let table = QueueOffsets { offset_table: offsets().into_iter().take(1).collect() };
        let expected = br#"{"offsetTable":[{"brokerName":"b","offset":12,"queueId":0,"topic":"t"}]}"#;
        assert_eq!(table.encode_for_cpp(), expected);
    }
}
