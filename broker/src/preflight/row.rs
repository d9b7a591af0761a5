//! One line of what `mqbroker --preflight` says.

use serde::Serialize;

/// How much a row matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The broker does not start.
    Stops,
    /// The broker starts and goes without something, or does something more slowly. Every start says so in the log.
    Warning,
    /// It would be faster or safer otherwise. Only `--preflight` says so.
    Advice,
    /// As it should be.
    Fine,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// How much it matters.
    pub level: Level,
    /// What was looked at.
    pub what: String,
    /// What is so.
    pub found: String,
    /// What should be so; empty if it is.
    pub wanted: String,
    /// What the difference costs.
    pub cost: String,
    /// How to change it.
    pub mend: String,
}

impl Row {
    /// `what` is as it should be.
    pub(super) fn fine(what: &str, found: impl Into<String>) -> Self {
        let none = String::new;
        Self {
            level: Level::Fine,
            what: what.to_owned(),
            found: found.into(),
            wanted: none(),
            cost: none(),
            mend: none(),
        }
    }

    /// `what` would better be otherwise. Takes the columns in their order.
    pub(super) fn advice(
        what: &str,
        found: impl Into<String>,
        wanted: impl Into<String>,
        cost: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self {
            level: Level::Advice,
            what: what.to_owned(),
            found: found.into(),
            wanted: wanted.into(),
            cost: cost.into(),
            mend: mend.into(),
        }
    }
}
