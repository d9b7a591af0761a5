//! The version of a table that brokers, slaves and name servers compare.

use serde::{Deserialize, Serialize};

/// Equal when all three are equal; a change has to change the counter or the timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DataVersion {
    /// Changes since the timestamp.
    pub counter: i64,
    /// Epoch of a controller; 0 without one.
    pub state_version: i64,
    /// Time of the last change, ms.
    pub timestamp: i64,
}

impl DataVersion {
    /// Notes a change at `now_ms`.
    pub fn advance(&mut self, now_ms: i64) {
        self.counter += 1;
        self.timestamp = now_ms;
    }
}

json_body!(DataVersion);
