//! What the load found out, as printed and as read by the comparison.

use serde::{Deserialize, Serialize};

/// The measured window of one run of the load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadReport {
    /// Connections.
    pub connections: usize,
    /// Requests under way on each.
    pub in_flight: usize,
    /// Content of a request, bytes.
    pub body_bytes: usize,
    /// Length of the window.
    pub seconds: f64,
    /// Replies within it.
    pub messages: u64,
    /// Replies a second.
    pub messages_per_second: f64,
    /// Half of the replies took at most this long, microseconds.
    pub p50_us: u64,
    /// 99 % did.
    pub p99_us: u64,
    /// 99.9 % did.
    pub p999_us: u64,
    /// The slowest one.
    pub max_us: u64,
    /// Processor time the server took for a message, microseconds; none unless its process was named.
    pub server_cpu_us_per_message: Option<f64>,
    /// The same of the load itself.
    pub load_cpu_us_per_message: f64,
}
