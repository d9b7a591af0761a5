//! Which of the comparisons.

use serde::{Deserialize, Serialize};

use crate::case::Case;
use crate::case_table::CASES;
use crate::replica_cases::REPLICA_CASES;

/// A table of cases, with a report of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One broker against one.
    #[default]
    Broker,
    /// Three replicas against three.
    Replicas,
}

impl Scope {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Broker, Self::Replicas];

    /// Its cases.
    #[must_use]
    pub fn cases(self) -> &'static [Case] {
        match self {
            Self::Broker => CASES,
            Self::Replicas => REPLICA_CASES,
        }
    }

    /// Name of its report and its raw data.
    #[must_use]
    pub fn report(self) -> &'static str {
        match self {
            Self::Broker => "apache-rocketmq",
            Self::Replicas => "replicated",
        }
    }

    /// What `make` calls it.
    #[must_use]
    pub fn make_target(self) -> &'static str {
        match self {
            Self::Broker => "compare",
            Self::Replicas => "compare-replicated",
        }
    }

    /// Heading of its report.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Broker => "Turbopump and Apache RocketMQ",
            Self::Replicas => "Replicated: Turbopump and Apache RocketMQ with DLedger",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_different_over_all_tables_and_fit_file_names() {
        let all: Vec<&str> = Scope::ALL.iter().flat_map(|scope| scope.cases()).map(|case| case.id).collect();
        let ids: BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(ids.len(), all.len());
        let fits =
            |id: &str| id.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-');
        assert!(ids.iter().all(|id| fits(id)), "{ids:?}");
    }

    #[test]
    fn a_case_stands_behind_those_it_needs() {
        for scope in Scope::ALL {
            for (place, case) in scope.cases().iter().enumerate() {
                for needed in case.needs() {
                    let found = scope.cases().iter().position(|other| other.id == needed);
                    assert!(found.is_some_and(|found| found < place), "{} needs {needed}", case.id);
                }
            }
        }
    }

    #[test]
    fn stages_are_in_the_order_of_a_round() {
        for scope in Scope::ALL {
            assert!(scope.cases().is_sorted_by_key(|case| case.stage));
        }
    }
}
