//! What to run: the checked form of a command line, and the part of a report that lets somebody run it again.

mod body_size;
mod check;

use serde::{Deserialize, Serialize};

pub use body_size::{BODY_BYTES_MAX, BodySize, BodySizeError};
pub use check::{PlanError, STAMP_BYTES};

/// Requests in flight on a connection of an open loop, unless the plan says otherwise. Behind a full window messages
/// wait, and their waiting counts as latency.
pub const OPEN_LOOP_IN_FLIGHT: usize = 1_000;
/// Most requests in flight on one connection: each takes a slot of memory, and its number has to fit the opaque.
pub const IN_FLIGHT_MAX: usize = 65_536;
/// Most connections of one run.
pub const CONNECTIONS_MAX: usize = 65_536;
/// Most messages of one batch.
pub const BATCH_MAX: usize = 4_096;
/// Most worker threads.
pub const THREADS_MAX: usize = 1_024;
/// Messages that one pull asks for, unless the plan says otherwise; RocketMQ's default.
pub const PULL_BATCH: usize = 32;

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Name servers, as `host:port;host:port`.
    pub name_servers: String,
    /// Topics to spread the load over.
    pub topics: Vec<String>,
    /// Create the topics on every broker before the run, with so many queues each.
    pub create_topics: Option<u16>,
    /// Who sends and who receives.
    pub work: Work,
    /// Milliseconds of load before the measurement begins; they are in no figure.
    pub warm_up_ms: u64,
    /// When the measurement ends.
    pub end: End,
    /// Worker threads of the load.
    pub threads: usize,
    /// Processors that the worker threads are pinned to, in order and again from the start; empty = not pinned.
    pub cpus: Vec<usize>,
    /// Workers never sleep but look again and again. For machines where the load has cores of its own.
    pub spin: bool,
    /// Broker processes on this machine whose CPU time and memory are measured along.
    pub broker_pids: Vec<u32>,
}

/// Who sends and who receives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Work {
    /// Send only; latency is that of a send.
    Produce {
        /// The senders.
        producers: Producers,
    },
    /// Receive only; latency is that of a pull.
    Consume {
        /// The receivers.
        consumers: Consumers,
    },
    /// Send at a fixed rate and receive; latency is from when a send was due until a consumer has the message.
    E2e {
        /// The senders; they have a rate.
        producers: Producers,
        /// The receivers.
        consumers: Consumers,
    },
    /// Send and receive at the same time, the senders at a rate or as fast as they can.
    Mixed {
        /// The senders.
        producers: Producers,
        /// The receivers.
        consumers: Consumers,
    },
}

impl Work {
    /// The senders, if there are any.
    #[must_use]
    pub fn producers(&self) -> Option<&Producers> {
        match self {
            Self::Produce { producers } | Self::E2e { producers, .. } | Self::Mixed { producers, .. } => {
                Some(producers)
            }
            Self::Consume { .. } => None,
        }
    }

    /// The same, to change them.
    pub fn producers_mut(&mut self) -> Option<&mut Producers> {
        match self {
            Self::Produce { producers } | Self::E2e { producers, .. } | Self::Mixed { producers, .. } => {
                Some(producers)
            }
            Self::Consume { .. } => None,
        }
    }

    /// The receivers, if there are any.
    #[must_use]
    pub fn consumers(&self) -> Option<&Consumers> {
        match self {
            Self::Consume { consumers } | Self::E2e { consumers, .. } | Self::Mixed { consumers, .. } => {
                Some(consumers)
            }
            Self::Produce { .. } => None,
        }
    }

    /// `produce`, `consume`, `e2e` or `mixed`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Produce { .. } => "produce",
            Self::Consume { .. } => "consume",
            Self::E2e { .. } => "e2e",
            Self::Mixed { .. } => "mixed",
        }
    }
}

/// The senders.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Producers {
    /// How they send.
    pub mode: SendMode,
    /// Connections over all brokers.
    pub connections: usize,
    /// Requests without answer on one connection, at most.
    pub in_flight: usize,
    /// Messages of one request: 1, but for batches.
    pub batch: usize,
    /// Sizes of bodies.
    pub body_size: BodySize,
    /// Give each message a key of its own, which the broker indexes.
    pub keys: bool,
    /// More properties of each message.
    pub properties: Vec<(String, String)>,
    /// Messages a second over all connections (open loop); `None` = as fast as the answers come (closed loop).
    pub rate: Option<f64>,
}

/// How a producer sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SendMode {
    /// One request in flight a connection.
    Sync,
    /// A window of requests in flight a connection.
    Async,
    /// No answers: a message counts when the kernel has taken it.
    Oneway,
    /// Several messages a request.
    Batch,
}

/// The receivers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Consumers {
    /// How they receive.
    pub mode: ReceiveMode,
    /// Consumer group; offsets are committed for it.
    pub group: String,
    /// Connections over all brokers; at least one a broker is made.
    pub connections: usize,
    /// Messages that one pull asks for.
    pub batch: usize,
    /// Where they begin.
    pub from: StartAt,
    /// Decode every record and check its checksum, instead of only counting.
    pub verify: bool,
}

/// How a consumer receives: one pull outstanding a queue, the next as soon as it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiveMode {
    /// Pulls are answered at once, even with nothing.
    Pull,
    /// The broker holds pulls until there is something (long polling, what push consumers do).
    Push,
}

/// Where in its queues a consumer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartAt {
    /// At the first message that is still there.
    First,
    /// Behind the last message.
    Last,
    /// Where the group has committed; where it has not, at the first message.
    Group,
    /// At this queue offset in every queue.
    Offset(i64),
}

/// When the measurement ends: whatever comes first. With nothing set it goes on until somebody stops it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct End {
    /// After so many milliseconds.
    pub after_ms: Option<u64>,
    /// After so many messages: sent, or received if nobody sends.
    pub after_messages: Option<u64>,
    /// When the consumers have received what was in their queues at the start.
    pub drained: bool,
}
