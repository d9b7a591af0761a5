//! Tables of offsets by queue id: what a slave copies from its master, consumer offsets (43) and progress of the delay levels
//! (45); how far back the slowest groups are (308).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::data_version::DataVersion;

/// All consumer offsets of a broker. Readers need the offset table only.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumerOffsetTable {
    /// Version of the table.
    pub data_version: DataVersion,
    /// Topics by group.
    pub group_topic_map: BTreeMap<String, Vec<String>>,
    /// Offsets by `topic@group` and queue id.
    pub offset_table: BTreeMap<String, BTreeMap<i32, i64>>,
    /// Where the last pull ended, by `topic@group` and queue id.
    pub pull_offset_table: BTreeMap<String, BTreeMap<i32, i64>>,
}

/// How far each delay level is delivered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DelayOffsetTable {
    /// Version of the table.
    pub data_version: DataVersion,
    /// Queue offsets by level.
    pub offset_table: BTreeMap<i32, i64>,
}

/// Where the group that is farthest back in a queue continues.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CorrectionOffsets {
    /// By queue id; `i64::MAX` where the compared group is farther back itself.
    pub correction_offsets: BTreeMap<i32, i64>,
}

json_body!(ConsumerOffsetTable, CorrectionOffsets, DelayOffsetTable);
