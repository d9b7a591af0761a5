//! What a name server has counted, and the question for it.

use observe::RpcSeries;
use tokio::sync::oneshot;

/// What other threads may ask a name server.
#[derive(Debug)]
pub enum NameServerMessage {
    /// What it has counted.
    Report(oneshot::Sender<NameServerReport>),
}

/// What it has counted. Made in one turn, a few numbers.
#[derive(Debug, Default)]
pub struct NameServerReport {
    /// Brokers that are alive, each address once.
    pub brokers: usize,
    /// Groups of brokers of one name.
    pub groups: usize,
    /// Topics that are registered.
    pub topics: usize,
    /// Open connections.
    pub connections: usize,
    /// Answers that clients have not read yet.
    pub outbox_bytes: usize,
    /// Requests by code, and how long they took.
    pub latency: Vec<RpcSeries>,
}
