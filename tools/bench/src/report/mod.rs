//! What a run found out: the JSON report, and the table that is printed.
//!
//! Times are microseconds in whole numbers, `_us`; counts are of the measured time only, without the warm-up.

pub mod html;
pub mod latency;
pub mod sample;
pub mod table;
pub mod units;

use host::Machine;
use serde::{Deserialize, Serialize};

use crate::plan::Plan;

pub use latency::{Latency, LatencyPoint, Percentiles};
pub use sample::{BrokerPoint, Sample, SideSample};

/// Version of the JSON form. It goes up when a member changes its meaning or goes away, not when one is added.
pub const SCHEMA: u32 = 1;

/// Everything about one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// [`SCHEMA`] of the bench that wrote it.
    pub schema: u32,
    /// Version of the bench.
    pub bench_version: String,
    /// Commit the bench was built from, with `-dirty` if it was changed; `None` if it was built outside a repository.
    pub commit: Option<String>,
    /// How it was called; empty if by a program.
    pub command_line: Vec<String>,
    /// The machine of the load.
    pub machine: Option<Machine>,
    /// What was run, with all defaults filled in.
    pub plan: Plan,
    /// The brokers that were loaded.
    pub brokers: Vec<Broker>,
    /// When the load began, UTC, as 2026-05-04T12:00:00Z.
    pub started_at: String,
    /// Why it ended.
    pub ended_by: EndedBy,
    /// Length of the measured time, in seconds. For runs that end by a count: until the last message.
    pub measured_s: f64,
    /// The senders' side.
    pub sends: Option<Side>,
    /// The receivers' side.
    pub receives: Option<Side>,
    /// `e2e` and `mixed`: messages acknowledged but not received when the run ended, warm-up included.
    pub undelivered: Option<i64>,
    /// One entry a second.
    pub samples: Vec<Sample>,
    /// CPU time and memory of the load itself.
    pub bench: ProcessUse,
    /// CPU time and memory of the broker processes that were named, in their order.
    pub broker_processes: Vec<ProcessUse>,
    /// What a reader should know before believing the figures.
    pub notes: Vec<String>,
}

impl RunReport {
    /// Messages that the CPU figures are divided by: those sent, or received if nobody sends.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.sends.as_ref().or(self.receives.as_ref()).map_or(0, |side| side.messages)
    }

    /// Failed requests of both sides.
    #[must_use]
    pub fn errors(&self) -> u64 {
        [&self.sends, &self.receives].into_iter().flatten().map(Side::error_count).sum()
    }
}

/// A broker that was loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broker {
    /// Its name in the route.
    pub name: String,
    /// Its master's address.
    pub address: String,
    /// Queues of all topics there.
    pub queues: usize,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// Its time was over.
    Time,
    /// The messages were sent or received.
    Messages,
    /// The backlog was received.
    Drained,
    /// Somebody stopped it.
    Stopped,
}

/// Senders or receivers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// Messages sent and acknowledged (one-way: handed to the kernel), or received.
    pub messages: u64,
    /// Requests answered with success. A batch is one request.
    pub requests: u64,
    /// Bytes of these requests' frames (senders) or answers' frames (receivers), headers included.
    pub bytes: u64,
    /// Messages by the measured time.
    pub messages_per_second: f64,
    /// What the latency is.
    pub latency_of: LatencyOf,
    /// Latency of all that was measured.
    pub latency: Latency,
    /// Failed requests by kind, the most frequent first.
    pub errors: Vec<ErrorCount>,
    /// Senders: requests that were in flight when the measured time was over and were answered after it. They are in
    /// the latency, not in the counts.
    pub answered_after_end: u64,
    /// Receivers: pulls that were answered without a message.
    pub empty_pulls: u64,
    /// Receivers of `e2e` and `mixed`: messages that are not from this run. They are in no other count.
    pub foreign_messages: u64,
}

impl Side {
    /// Failed requests.
    #[must_use]
    pub fn error_count(&self) -> u64 {
        self.errors.iter().map(|error| error.count).sum()
    }
}

/// What a latency is measured of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LatencyOf {
    /// From when the request was put into the connection's buffer until its answer was read (closed loop).
    SendFromStart,
    /// From when the send was due until its answer was read (open loop): a stall counts for all it delayed.
    SendFromDue,
    /// From when the send was started, or due in an open loop, until the kernel had taken all of it (one-way).
    HandOver,
    /// From a pull to its answer. Of pulls that brought messages only; time held by the broker counts.
    Pull,
    /// From when a message was due to be sent until a consumer had it.
    EndToEnd,
}

/// Requests that failed in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorCount {
    /// Code of the answer, if there was one.
    pub code: Option<i32>,
    /// Name of the code, or what happened.
    pub name: String,
    /// Requests; a batch is one. Of connections: attempts that failed.
    pub count: u64,
    /// Remark of the first one, or what the system said.
    pub example: String,
}

/// CPU time and memory of a process over the measured time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessUse {
    /// Process id.
    pub pid: u32,
    /// CPU seconds, user and system.
    pub cpu_s: f64,
    /// CPU microseconds a message, which is CPU seconds for a million messages.
    pub cpu_us_per_message: f64,
    /// Resident memory at the end, in bytes.
    pub rss_bytes: u64,
    /// The most resident memory of all samples, in bytes.
    pub rss_bytes_max: u64,
}
