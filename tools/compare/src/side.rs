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
}

impl Side {
    /// As a heading has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Apache => "Apache RocketMQ",
            Self::Turbopump => "Turbopump",
            Self::Ceiling => "bare ceiling",
        }
    }

    /// As a folder is called.
    #[must_use]
    pub fn folder(self) -> &'static str {
        match self {
            Self::Apache => "apache",
            Self::Turbopump => "turbopump",
            Self::Ceiling => "ceiling",
        }
    }
}
