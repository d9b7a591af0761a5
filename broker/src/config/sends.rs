//! Limits of sends.

use super::values::Values;

/// Limits of sends.
#[derive(Debug, Clone)]
pub struct Sends {
    /// Largest message body, bytes. Default 4 MiB; at most what leaves room for a header in a frame of 16 MiB.
    /// RocketMQ: `maxMessageSize`.
    pub body_bytes_max: u32,
}

impl Sends {
    pub(super) fn from_values(values: &Values) -> Self {
        Self { body_bytes_max: values.number("maxMessageSize") }
    }
}
