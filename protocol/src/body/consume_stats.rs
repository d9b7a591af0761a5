//! How far a group is (208, 317).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::error::BodyError;
use super::fastjson::{self, object_keys, push_json, push_object_keyed};
use super::message_queue::MessageQueue;

/// Offsets of a group in one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumeOffsets {
    /// Next queue offset to be written.
    pub broker_offset: i64,
    /// Where the group goes on.
    pub consumer_offset: i64,
    /// Store time of the last message it consumed, ms; 0 = none.
    pub last_timestamp: i64,
    /// Where its last pull ended.
    pub pull_offset: i64,
}

/// Offsets of a group in all its queues on a broker.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumeStats {
    /// Messages a second.
    pub consume_tps: f64,
    /// By queue.
    #[serde(deserialize_with = "object_keys::deserialize")]
    pub offset_table: BTreeMap<MessageQueue, ConsumeOffsets>,
}

impl ConsumeStats {
    /// Reads the JSON text of a body.
    ///
    /// # Errors
    /// [`BodyError`].
    pub fn decode(body: &[u8]) -> Result<Self, BodyError> {
        fastjson::decode("ConsumeStats", body)
    }

    /// The JSON text, in the reference's form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.push(&mut out);
        out
    }

    fn push(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"consumeTps\":");
        push_json(out, &self.consume_tps);
        out.extend_from_slice(b",\"offsetTable\":");
        push_object_keyed(out, &self.offset_table);
        out.push(b'}');
    }
}

/// Offsets of all groups on a broker; a group without offsets has an empty list.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumeStatsList {
    /// The broker.
    pub broker_addr: String,
    /// One map a group.
    pub consume_stats_list: Vec<BTreeMap<String, Vec<ConsumeStats>>>,
    /// Messages not consumed.
    pub total_diff: i64,
    /// Messages pulled and not consumed.
    pub total_inflight_diff: i64,
}

impl ConsumeStatsList {
    /// Reads the JSON text of a body.
    ///
    /// # Errors
    /// [`BodyError`].
    pub fn decode(body: &[u8]) -> Result<Self, BodyError> {
        fastjson::decode("ConsumeStatsList", body)
    }

    /// The JSON text, in the reference's form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = b"{\"brokerAddr\":".to_vec();
        push_json(&mut out, &self.broker_addr);
        out.extend_from_slice(b",\"consumeStatsList\":");
        push_separated(&mut out, b'[', b']', &self.consume_stats_list, |out, groups| {
            push_separated(out, b'{', b'}', groups, |out, (group, stats)| {
                push_json(out, group);
                out.push(b':');
                push_separated(out, b'[', b']', stats, |out, stats| stats.push(out));
            });
        });
        out.extend_from_slice(b",\"totalDiff\":");
        push_json(&mut out, &self.total_diff);
        out.extend_from_slice(b",\"totalInflightDiff\":");
        push_json(&mut out, &self.total_inflight_diff);
        out.push(b'}');
        out
    }
}

fn push_separated<T>(
    out: &mut Vec<u8>,
    open: u8,
    close: u8,
    items: impl IntoIterator<Item = T>,
    mut push: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(open);
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push(out, item);
    }
    out.push(close);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_reads_back() {
        let queue = |id| MessageQueue::new("t", "b", id);
        let offsets = ConsumeOffsets { broker_offset: 4, consumer_offset: 3, last_timestamp: 2, pull_offset: 4 };
        let stats = ConsumeStats {
            consume_tps: 0.5,
            offset_table: BTreeMap::from([(queue(0), offsets), (queue(1), ConsumeOffsets::default())]),
        };
        let list = ConsumeStatsList {
            broker_addr: "127.0.0.1:10911".to_owned(),
            consume_stats_list: vec![
                BTreeMap::from([("g".to_owned(), vec![stats.clone(), stats])]),
                BTreeMap::from([("empty".to_owned(), Vec::new())]),
            ],
            total_diff: 1,
            total_inflight_diff: -1,
        };
        assert_eq!(ConsumeStatsList::decode(&list.encode()).unwrap(), list);
    }
}
