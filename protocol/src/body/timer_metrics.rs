//! How many timer messages of each topic are pending: answer of GET_TIMER_METRICS (61).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::data_version::DataVersion;

/// Pending timers by topic.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TimerMetrics {
    /// Version of the table.
    pub data_version: DataVersion,
    /// By the topic that they go to when due.
    pub timing_count: BTreeMap<String, TimingCount>,
}

/// Pending timers of one topic.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TimingCount {
    /// How many.
    pub count: i64,
    /// When that changed last, ms since 1970.
    pub time_stamp: i64,
}

json_body!(TimerMetrics);
