//! Who takes a lead, as nodes say in their reports: not one whose disk is full, nor one whose process is about to end. The clock
//! is the replica's, in ticks.

use std::collections::BTreeMap;

/// What a node said counts so long: 6 s. It says so every 2.5 s. That is less than the time for which a node has to be fit
/// before the lead moves back to it, so one that gave its lead because it ends is known not to take it.
const SAID_TICKS: u64 = 120;

/// What the other nodes said.
#[derive(Debug, Default)]
pub(crate) struct LeadTakers {
    /// By node: whether it takes a lead, and when it said so.
    said: BTreeMap<u64, (bool, u64)>,
}

impl LeadTakers {
    pub(crate) fn said(&mut self, node: u64, takes_lead: bool, now: u64) {
        self.said.insert(node, (takes_lead, now));
    }

    /// Whether a node takes a lead, as it said a moment ago.
    pub(crate) fn has(&self, node: u64, now: u64) -> bool {
        self.said.get(&node).is_some_and(|(takes_lead, at)| *takes_lead && now - at <= SAID_TICKS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_node_that_said_so_a_moment_ago_takes_a_lead() {
        let mut takers = LeadTakers::default();
        assert!(!takers.has(2, 1000), "it has said nothing");
        takers.said(2, true, 1000);
        takers.said(3, false, 1000);
        assert!(takers.has(2, 1000 + SAID_TICKS));
        assert!(!takers.has(2, 1001 + SAID_TICKS));
        assert!(!takers.has(3, 1000));
        takers.said(2, false, 1100);
        assert!(!takers.has(2, 1100));
    }
}
