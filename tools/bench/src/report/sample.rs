//! One second of a run.

use host::HostRates;
use serde::{Deserialize, Serialize};

use super::latency::Percentiles;

/// One second of the measured time; the last may be shorter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Number of the second, from 0.
    pub second: u32,
    /// Its length in milliseconds.
    pub length_ms: u32,
    /// The senders' side.
    pub sends: Option<SideSample>,
    /// The receivers' side.
    pub receives: Option<SideSample>,
    /// Open loop: messages that were due and could not be sent yet at the end of this second.
    pub owed: u64,
    /// `e2e` and `mixed`: messages acknowledged and not received yet at the end of this second.
    pub undelivered: i64,
    /// CPU microseconds that the load itself used.
    pub bench_cpu_us: u64,
    /// The broker processes that were named, in their order.
    pub brokers: Vec<BrokerPoint>,
    /// The machine of the load in this second; `None` if it could not be looked at.
    pub host: Option<HostRates>,
}

/// One side in one second.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct SideSample {
    /// Messages sent and acknowledged, or received.
    pub messages: u64,
    /// Requests answered with success.
    pub requests: u64,
    /// Failed requests.
    pub errors: u64,
    /// Bytes of frames.
    pub bytes: u64,
    /// Latency of what was answered in this second.
    pub latency: Percentiles,
}

/// A broker process in one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerPoint {
    /// Process id.
    pub pid: u32,
    /// CPU microseconds used in this second, user and system.
    pub cpu_us: u64,
    /// Resident memory at its end, in bytes.
    pub rss_bytes: u64,
}
