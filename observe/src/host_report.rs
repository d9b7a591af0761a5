//! The answer to `/host`.

use host::{HostSample, ProcessSample};
use serde::{Deserialize, Serialize};

/// One look at the host, the process and its shards, for a load generator on another machine. Rates are differences of two.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostReport {
    /// The machine.
    pub host: HostSample,
    /// The process that answers.
    pub process: ProcessSample,
    /// Its shards, in order; one that did not answer is missing.
    pub shards: Vec<ShardLoad>,
}

/// What one shard has done, and what waits in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ShardLoad {
    /// Its broker name.
    pub name: String,
    /// From 0.
    pub index: u32,
    /// The processor it is pinned to, if any.
    pub cpu: Option<u32>,
    /// Physical offset where its log ends, bytes.
    pub appended: u64,
    /// Messages stored since it started.
    pub sent_messages: u64,
    /// Messages handed to consumers since it started.
    pub pulled_messages: u64,
    /// Bytes of the log that are not written to its file yet.
    pub unwritten_bytes: u64,
    /// Bytes of the log that are not known to be on stable storage.
    pub unsynced_bytes: u64,
    /// Bytes of answers that clients have not read yet.
    pub outbox_bytes: u64,
    /// Connections that are not read, because the log or their own answers are full.
    pub stalled_connections: u64,
    /// Pulls that wait for a message.
    pub parked_pulls: u64,
    /// Open connections.
    pub connections: u64,
}
