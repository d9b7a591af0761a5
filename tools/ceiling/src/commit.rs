//! When a request is answered, and what is written of it.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// When a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Commit {
    /// At once; nothing is written.
    None,
    /// Once its bytes are in the log's buffer, which is written behind: the broker's `ASYNC_FLUSH`, whose buffer is
    /// mirrored in memory that outlives the process.
    Behind,
    /// Once its bytes were written.
    Write,
    /// Once its bytes were written and synced: the broker's `SYNC_FLUSH`.
    Sync,
}

impl Commit {
    /// Whether a log is kept at all.
    #[must_use]
    pub fn writes(self) -> bool {
        self != Self::None
    }

    /// Whether the reply waits for the log.
    #[must_use]
    pub fn waits(self) -> bool {
        matches!(self, Self::Write | Self::Sync)
    }
}
