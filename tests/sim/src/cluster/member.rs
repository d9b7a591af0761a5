//! A node as the cluster keeps it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::action::RESTART;
use super::node::Node;
use super::oracle::GroupNumber;
use crate::machine::Machine;
use crate::plan::Crash;

/// A commit of a consumer is logged within this while nothing goes wrong on its machine.
const COMMITS_SETTLE: Duration = Duration::from_secs(3);

/// A process that ends in order.
pub(super) struct Stopping {
    /// What is left to do: nothing, and whether all is in the files then.
    pub(super) is_done: Rc<Cell<Option<bool>>>,
    /// Until a new process begins.
    pub(super) down: Duration,
}

/// A node in its group, and what is known of how well it is.
pub(super) struct Member<M: Machine> {
    pub(super) node: Node<M>,
    pub(super) group: GroupNumber,
    /// Reasons why what it should do by the clock may be late.
    pub(super) troubles: u32,
    /// Since when there are none.
    pub(super) calm_since: Duration,
    /// Commits answered by then are logged.
    pub(super) commits_kept: Duration,
    /// How the machine dies when its disk stops, and for how long.
    pub(super) stop_as: (Crash, Duration),
    /// The disk is being made to fail.
    pub(super) is_failing: bool,
    /// The disk takes little more.
    pub(super) is_full: bool,
    /// Its process is told to end.
    pub(super) stopping: Option<Stopping>,
    /// Who voted by its account when it ran last, and whose majority was needed too: a bit for each number.
    pub(super) electorates: [u64; 2],
}

impl<M: Machine> Member<M> {
    /// All is well so far.
    pub(super) fn new(node: Node<M>, group: GroupNumber) -> Self {
        Self {
            node,
            group,
            troubles: 0,
            calm_since: Duration::ZERO,
            commits_kept: Duration::ZERO,
            stop_as: (Crash::Kill, RESTART),
            is_failing: false,
            is_full: false,
            stopping: None,
            electorates: [0; 2],
        }
    }

    /// Notes who votes by its account; nobody, if it knows that it is no member.
    pub(super) fn note_electorates(&mut self) {
        let Some(view) = self.node.process().and_then(|process| process.shard().replica_view()) else { return };
        let is_member = view.members >> (view.node - 1) & 1 == 1;
        self.electorates = if is_member { [view.voters, view.voters_before] } else { [0; 2] };
    }

    /// Notes up to when commits are logged, before that is no longer to be told.
    pub(super) fn note_kept(&mut self, now: Duration) {
        if self.troubles == 0 && now >= self.calm_since + COMMITS_SETTLE {
            self.commits_kept = self.commits_kept.max(now - COMMITS_SETTLE);
        }
    }
}
