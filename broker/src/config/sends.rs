//! Limits of sends.

use std::time::Duration;

use super::values::Values;

/// Limits of sends.
#[derive(Debug, Clone)]
pub struct Sends {
    /// Largest message body, bytes. Default 4 MiB; at most what leaves room for a header in a frame of 16 MiB.
    /// RocketMQ: `maxMessageSize`.
    pub body_bytes_max: u32,
    /// Whether a send that waited too long is refused as busy. Default true. RocketMQ: `brokerFastFailureEnable`.
    pub fast_failure: bool,
    /// What is too long. Default 200 ms: clients then turn to another queue. RocketMQ: `waitTimeMillsInSendQueue`.
    pub wait_max: Duration,
}

impl Sends {
    pub(super) fn from_values(values: &Values) -> Self {
        Self {
            body_bytes_max: values.number("maxMessageSize"),
            fast_failure: values.bool("brokerFastFailureEnable"),
            wait_max: values.millis("waitTimeMillsInSendQueue"),
        }
    }
}
