//! From [`TuningFacts`] to rows. Asks nobody.

mod memory;
mod network;
mod processors;
mod storage;

use super::requirements::Requirements;
use super::row::Row;
use super::tuning_facts::TuningFacts;

/// What of `facts` would better be otherwise for `requirements`, and what is fine. What the kernel does not tell is left out.
pub fn advise(requirements: &Requirements, facts: &TuningFacts) -> Vec<Row> {
    let mut rows = Vec::new();
    rows.extend(processors::rows(requirements, facts));
    rows.extend(memory::rows(requirements, facts));
    rows.extend(storage::rows(facts));
    rows.extend(network::rows(requirements, facts));
    rows
}

/// Sets kernel settings, now and after a restart.
const APPLY: &str = "tuning/apply.sh";

#[cfg(test)]
mod fixture;
