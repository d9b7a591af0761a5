//! Limits of sends.

use super::values::Values;

/// Limits of sends.
#[derive(Debug, Clone)]
pub struct Sends {
    /// Largest message body, bytes. Default 4 MiB; at most what leaves room for a header in a frame of 16 MiB.
    /// RocketMQ: `maxMessageSize`.
    pub body_bytes_max: u32,
    /// Replies to requests are stored, besides being pushed to who waits for them. Default true. RocketMQ:
    /// `storeReplyMessageEnable`.
    pub stores_replies: bool,
}

impl Sends {
    pub(super) fn from_values(values: &Values) -> Self {
        Self { body_bytes_max: values.number("maxMessageSize"), stores_replies: values.bool("storeReplyMessageEnable") }
    }
}
