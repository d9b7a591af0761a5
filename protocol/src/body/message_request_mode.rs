//! How a group gets the messages of a topic (401, 402).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One group and topic.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MessageRequestMode {
    /// The group.
    pub consumer_group: String,
    /// `PULL` or `POP`.
    pub mode: String,
    /// Of how many members each queue is, in POP mode; 0 is the broker's choice, -1 all.
    pub pop_share_queue_num: i32,
    /// The topic.
    pub topic: String,
}

/// All that were set, by topic and group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MessageRequestModes {
    /// By topic, then by group.
    pub message_request_mode_map: BTreeMap<String, BTreeMap<String, MessageRequestMode>>,
}

json_body!(MessageRequestMode, MessageRequestModes);
