//! One look at a broker and the machine it runs on: what `/host` of a broker answers and a load generator reads.

use serde::{Deserialize, Serialize};

use crate::{HostSample, ProcessSample};

/// What a broker's `/host` answers; of a broker on this machine it is put together from `/proc`, without shards.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BrokerSample {
    /// The machine.
    pub host: HostSample,
    /// The broker's process, if it is known.
    pub process: Option<ProcessSample>,
    /// Each shard's queues.
    pub shards: Vec<ShardSample>,
}

/// One shard of a broker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ShardSample {
    /// The broker name that its clients know it by.
    pub name: String,
    /// Its number in the process.
    pub index: u32,
    /// The processor it is pinned to.
    pub cpu: Option<u32>,
    /// Processor time of its thread since the start, in microseconds; 0 if it is not known.
    pub cpu_us: u64,
    /// Of that, what went into looking for work that was not there: short pauses are sat out awake.
    pub looked_us: u64,
    /// Physical offset where its log ends, in bytes.
    pub appended: u64,
    /// Messages stored since the start.
    pub sent_messages: u64,
    /// Messages handed to consumers since the start.
    pub pulled_messages: u64,
    /// Appended and not yet written to the disk.
    pub unwritten_bytes: u64,
    /// Written and not yet known to be on stable storage.
    pub unsynced_bytes: u64,
    /// Answers that the kernel has not taken yet.
    pub outbox_bytes: u64,
    /// Connections that are not read right now, because the log takes no more or their client does not read.
    pub stalled_connections: u64,
    /// Pulls that wait for messages.
    pub parked_pulls: u64,
    /// Open connections.
    pub connections: u64,
}

impl BrokerSample {
    /// What all shards hold in memory on behalf of others: unwritten and unsent.
    #[must_use]
    pub fn queued_bytes(&self) -> u64 {
        self.sum(|shard| shard.unwritten_bytes).saturating_add(self.sum(|shard| shard.outbox_bytes))
    }

    /// A figure over all shards.
    #[must_use]
    pub fn sum(&self, of: fn(&ShardSample) -> u64) -> u64 {
        self.shards.iter().map(of).fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_another_version_is_read_as_far_as_it_is_known() {
        let text = r#"{"host": {"at_us": 5, "new": {}}, "process": {"pid": 7}, "more": 1,
            "shards": [{"name": "broker-a", "unwritten_bytes": 10, "outbox_bytes": 2, "x": []}, {"index": 1, "unwritten_bytes": 5}]}"#;
        let sample: BrokerSample = serde_json::from_str(text).unwrap();
        assert_eq!(sample.process.as_ref().map(|process| process.pid), Some(7));
        assert_eq!(sample.queued_bytes(), 17);
    }

    #[test]
    fn a_broker_without_shards_has_nothing_queued() {
        let sample: BrokerSample = serde_json::from_str(r#"{"process": null}"#).unwrap();
        assert_eq!(sample.queued_bytes(), 0);
    }
}
