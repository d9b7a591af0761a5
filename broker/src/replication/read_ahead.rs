//! What a leader has read of its log for replicas that catch up and has not given yet. A disk takes about as long for one long
//! read as for a short one, and what a short one cuts off in the middle of an entry is read again.

use std::collections::BTreeMap;

use storage::commit_log::LogPiece;

/// See the module's text. Of each node it holds what one read gave.
#[derive(Default)]
pub(crate) struct ReadAhead {
    of_nodes: BTreeMap<u64, LogPiece>,
}

impl ReadAhead {
    /// What was read for a node from `position` on. What was read for it elsewhere is let go.
    pub(crate) fn take(&mut self, node: u64, position: u64) -> Option<LogPiece> {
        self.of_nodes.remove(&node).filter(|piece| piece.position == position)
    }

    /// Holds what is not given to a node yet.
    pub(crate) fn keep(&mut self, node: u64, rest: LogPiece) {
        if !rest.bytes().is_empty() {
            self.of_nodes.insert(node, rest);
        }
    }
}
