//! What load machines tell each other.

use host::Machine;
use serde::{Deserialize, Serialize};

use crate::plan::Plan;
use crate::report::RunReport;

/// Version of these messages. Machines of different versions do not work together.
pub const TEAM_VERSION: u32 = 1;

/// One line of JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Message {
    /// The first word of a machine that joins.
    Hello {
        /// [`TEAM_VERSION`].
        version: u32,
        /// Version of its bench: different ones may load differently.
        bench_version: String,
        /// What it is.
        machine: Option<Box<Machine>>,
    },
    /// The leader's answer: wait for the first step.
    Welcome {
        /// Its number among those that joined, from 1.
        number: usize,
        /// How many are expected.
        expected: usize,
    },
    /// The leader's answer if it cannot take it.
    Refused {
        /// Why.
        reason: String,
    },
    /// The leader: run this.
    Run {
        /// Number of the step.
        step: u32,
        /// The machine's share of the load.
        plan: Box<Plan>,
        /// When to begin, from now. Not a time of day: clocks of different machines differ.
        start_in_ms: u64,
    },
    /// A joined machine: what came of it.
    Report {
        /// Number of the step.
        step: u32,
        /// All of it.
        report: Box<RunReport>,
    },
    /// A joined machine: not one request succeeded. That is a result.
    NothingSucceeded {
        /// Number of the step.
        step: u32,
        /// The most frequent failure.
        summary: String,
    },
    /// A joined machine: the load could not be started.
    Failed {
        /// Number of the step.
        step: u32,
        /// Why.
        reason: String,
    },
    /// Either side, every few seconds: still there.
    Alive,
    /// The leader: the search is over.
    End {
        /// Why, if not because all is done.
        reason: Option<String>,
    },
}

impl Message {
    /// For errors: what kind it is.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Hello { .. } => "hello",
            Self::Welcome { .. } => "welcome",
            Self::Refused { .. } => "refused",
            Self::Run { .. } => "run",
            Self::Report { .. } => "report",
            Self::NothingSucceeded { .. } => "nothing_succeeded",
            Self::Failed { .. } => "failed",
            Self::Alive => "alive",
            Self::End { .. } => "end",
        }
    }
}
