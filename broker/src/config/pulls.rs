//! Limits of pulls.

use std::time::Duration;

use super::values::Values;

/// Limits of pulls.
#[derive(Debug, Clone)]
pub struct Pulls {
    /// A pull that finds nothing waits for its own time-out; else for `short_polling`. Default true.
    /// RocketMQ: `longPollingEnable`.
    pub long_polling: bool,
    /// Wait of a pull without long polling. Default 1 s. RocketMQ: `shortPollingTimeMills`.
    pub short_polling: Duration,
    /// Pulls that may wait at a time, a shard; another is answered at once. Default 100,000: bounds memory.
    /// Own: `parkedPullsMax`.
    pub parked_max: u32,
    /// Limits of one answer from the log cache. Default 32 messages, 256 KiB.
    pub from_memory: TransferLimits,
    /// Limits of one answer from the disk. Default 8 messages, 64 KiB: cold readers take turns.
    pub from_disk: TransferLimits,
}

/// An answer ends at whichever comes first, but holds at least one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferLimits {
    /// Messages. RocketMQ: `maxTransferCountOnMessageInMemory`, `…InDisk`.
    pub messages_max: u32,
    /// Bytes of records. RocketMQ: `maxTransferBytesOnMessageInMemory`, `…InDisk`.
    pub bytes_max: u32,
}

impl Pulls {
    pub(super) fn from_values(values: &Values) -> Self {
        Self {
            long_polling: values.bool("longPollingEnable"),
            short_polling: values.millis("shortPollingTimeMills"),
            parked_max: values.number("parkedPullsMax"),
            from_memory: TransferLimits {
                messages_max: values.number("maxTransferCountOnMessageInMemory"),
                bytes_max: values.number("maxTransferBytesOnMessageInMemory"),
            },
            from_disk: TransferLimits {
                messages_max: values.number("maxTransferCountOnMessageInDisk"),
                bytes_max: values.number("maxTransferBytesOnMessageInDisk"),
            },
        }
    }
}
