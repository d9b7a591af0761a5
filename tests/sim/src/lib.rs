//! Seeded simulation: the storage code on a simulated disk that tears, loses and refuses, crashed at any moment.
//!
//! One seed decides everything: what is sent, how calls interleave, what fails, when the process or the machine dies
//! and what that leaves on the disk. [`scenario`] runs a store through several lives; [`history`] is what it must
//! still know after each, [`oracle`] compares; [`cluster`] runs whole brokers with their network and their clients;
//! [`seeds`] runs many seeds and names one that fails.

pub mod cluster;
pub mod history;
pub mod life;
pub mod machine;
pub mod message;
pub mod oracle;
pub mod plan;
pub mod replay;
pub mod scenario;
pub mod seeds;
pub mod summary;

use std::fmt;

/// A promise of the store that does not hold.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Violation(pub String);

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Fails with what `what` says unless `holds`.
pub(crate) fn require(holds: bool, what: impl FnOnce() -> String) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation(what())) }
}
