//! Who a node is within its Raft group.

use std::fmt;

/// Largest number in a node's id; larger ones are typing errors.
pub const NODE_NUMBER_MAX: u32 = 9_999;

/// The id of a node: `n0`, `n1`, …
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

impl NodeId {
    /// Reads `n` and a number up to [`NODE_NUMBER_MAX`]; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let number = text.strip_prefix('n').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        number.parse().ok().filter(|number| *number <= NODE_NUMBER_MAX).map(Self)
    }

    /// The id in Raft, where 0 is nobody: the number and 1. A node that follows registers as the slave of this id.
    /// Source: Apache RocketMQ, `DLedgerRoleChangeHandler`, which numbers slaves like this.
    pub fn raft_id(self) -> u64 {
        u64::from(self.0) + 1
    }

    /// The node with this id in Raft; `None` for 0 and for what no node has.
    pub fn from_raft_id(raft_id: u64) -> Option<Self> {
        u32::try_from(raft_id.checked_sub(1)?).ok().filter(|number| *number <= NODE_NUMBER_MAX).map(Self)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_letter_n_and_a_number() {
        assert_eq!(NodeId::parse("n0").unwrap().to_string(), "n0");
        assert_eq!(NodeId::parse("n9999").unwrap().to_string(), "n9999");
        assert_eq!(NodeId::parse("n007"), NodeId::parse("n7"));
        for text in ["", "n", "0", "N0", "n-1", "n+1", "n1a", "n 1", "n10000", "n99999999999"] {
            assert_eq!(NodeId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_id_in_raft_is_one_more_for_0_is_nobody_there() {
        assert_eq!(NodeId::parse("n0").unwrap().raft_id(), 1);
        for id in ["n0", "n41", "n9999"].map(|text| NodeId::parse(text).unwrap()) {
            assert_eq!(NodeId::from_raft_id(id.raft_id()), Some(id));
        }
        assert_eq!(
            (NodeId::from_raft_id(0), NodeId::from_raft_id(10_001), NodeId::from_raft_id(u64::MAX)),
            (None, None, None)
        );
    }
}
