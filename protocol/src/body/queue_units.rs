//! What a ConsumeQueue holds (321).

use serde::{Deserialize, Serialize};

use super::heartbeat::SubscriptionData;

/// Where one message lies.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueueUnit {
    /// Whether a filter by properties lets it through, where one was worked out in advance.
    pub eval: bool,
    /// Physical offset of the record.
    pub physic_offset: i64,
    /// Bytes of the record.
    pub physic_size: i32,
    /// Hash of the tags; in a delay queue the delivery time, ms.
    pub tags_code: i64,
}

/// Part of a queue, as an operator looks at it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueueUnits {
    /// What there is to say about the group's filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter_data: Option<String>,
    /// Next queue offset to be written.
    pub max_queue_index: i64,
    /// First queue offset.
    pub min_queue_index: i64,
    /// The units, from the index that was asked for.
    pub queue_data: Vec<QueueUnit>,
    /// What the group subscribes to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription_data: Option<SubscriptionData>,
}

json_body!(QueueUnits);
