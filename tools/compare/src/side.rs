//! Who is measured.

use serde::{Deserialize, Serialize};

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The peer: Apache RocketMQ.
    Apache,
    /// Ours.
    Turbopump,
    /// The program without protocol work: `tools/ceiling`.
    Ceiling,
    /// Ours without replicas, where it is compared with replicas.
    Alone,
}

impl Side {
    /// All, in the order of tables.
    pub const ALL: [Self; 4] = [Self::Apache, Self::Turbopump, Self::Alone, Self::Ceiling];

    /// As a heading has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Apache => "Apache RocketMQ",
            Self::Turbopump => "Turbopump",
            Self::Ceiling => "bare ceiling",
            Self::Alone => "Turbopump, not replicated",
        }
    }

    /// As a folder is called.
    #[must_use]
    pub fn folder(self) -> &'static str {
        match self {
            Self::Apache => "apache",
            Self::Turbopump => "turbopump",
            Self::Ceiling => "ceiling",
            Self::Alone => "turbopump-alone",
        }
    }
}
