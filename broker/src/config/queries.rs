//! Finding messages by key.

use super::values::Values;

/// Finding messages by key.
#[derive(Debug, Clone)]
pub struct Queries {
    /// Messages are found by key. Default true. RocketMQ: `messageIndexEnable`.
    pub by_key: bool,
    /// Messages that one answer holds at most. Default 64. RocketMQ: `maxMsgsNumBatch`.
    pub messages_max: u32,
    /// The same for a unique key, whatever was asked for. Default 32. RocketMQ: `defaultQueryMaxNum`.
    pub unique_messages_max: u32,
}

impl Queries {
    pub(super) fn from_values(values: &Values) -> Self {
        Self {
            by_key: values.bool("messageIndexEnable"),
            messages_max: values.number("maxMsgsNumBatch"),
            unique_messages_max: values.number("defaultQueryMaxNum"),
        }
    }
}
