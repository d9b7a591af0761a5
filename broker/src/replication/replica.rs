//! One replica of a shard: Raft's state, the connections to the others, and how far tables and queues follow the log.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use raft_driver::{EntryInfo, Group};
use storage::commit_log::LogPosition;
use storage::commit_log::entry::EntryHeader;

use super::catch_up::CatchingUp;
use super::change_members::ChangingMembers;
use super::forward::Forwarding;
use super::hand_over::HandingOver;
use super::links::Links;
use super::members::GroupMembers;
use super::mendings::Mendings;
use super::pull_rounds::PullRounds;
use super::read_ahead::ReadAhead;
use super::state_file::ReplicaState;
use super::status::Watch;

/// What a replica does at present.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Phase {
    /// It follows a leader, looks for one, or was elected just now; what is committed is applied from the log.
    Follows,
    /// It leads and serves. What it appends is in queues and tables at once.
    Leads,
    /// It leads until another one does, and appends no more.
    HandsOver,
    /// It led, and takes back what it appended and nobody else may have.
    TakesBack,
    /// It followed, and puts a store that it has fetched in the place of its own.
    Installs,
    /// It can no longer keep its word, or its log is not what it should be: it takes no part.
    Stopped,
}

/// See the module's text.
pub struct Replica {
    pub(crate) node: u64,
    pub(crate) group: RefCell<Group>,
    pub(crate) links: RefCell<Links>,
    phase: Cell<Phase>,
    /// Behind the last entry that queues and tables reflect. While it leads: index and term of the last committed one.
    pub(crate) applied: Cell<LogPosition>,
    /// Where that entry begins, while `applied` does not say what header comes before the next.
    pub(crate) applied_start: Cell<Option<u64>>,
    /// Entries of the log that this machine may still forget, oldest first: index, end.
    unkept: RefCell<VecDeque<(u64, u64)>>,
    /// The same of entries that Raft does not take for written yet.
    untold: RefCell<Vec<(u64, u64)>>,
    /// A task reads entries that are to be applied from the files.
    pub(crate) is_reading: Cell<bool>,
    pub(crate) catching_up: Cell<Option<CatchingUp>>,
    /// Entries that were pulled are being written and applied.
    pub(crate) is_applying_pulled: Cell<bool>,
    /// What others that catch up are being given.
    pub(crate) rounds: RefCell<PullRounds>,
    pub(crate) read_ahead: RefCell<ReadAhead>,
    pub(crate) mendings: RefCell<Mendings>,
    pub(crate) forwarding: Forwarding,
    pub(crate) handing_over: HandingOver,
    /// Ticks of its clock so far.
    pub(crate) ticks: Cell<u64>,
    pub(crate) watch: Watch,
    /// The state file is being replaced.
    pub(crate) is_saving: Cell<bool>,
    /// What the state file says.
    pub(crate) saved: RefCell<ReplicaState>,
    /// The newest members that the log or another replica told. Raft's own may be older, never newer.
    pub(crate) members: RefCell<GroupMembers>,
    is_outside: Cell<bool>,
    pub(crate) changing: ChangingMembers,
    /// First index whose entry is in memory.
    pub(crate) cached_from: Cell<u64>,
    /// Nodes that have not heard of this process yet.
    owed_reports: RefCell<Vec<u64>>,
    /// Emptied list of headers for the next sweep.
    pub(crate) made: RefCell<Vec<EntryHeader>>,
}

impl Replica {
    pub(crate) fn new(
        node: u64,
        mut group: Group,
        links: Links,
        applied: LogPosition,
        saved: ReplicaState,
        members: GroupMembers,
    ) -> Self {
        let watch = Watch::new(node, group.role().term);
        if members.index > 0 {
            group.note_changed_members(members.index, &members.roles.conf_state());
        }
        Self {
            node,
            group: RefCell::new(group),
            links: RefCell::new(links),
            phase: Cell::new(Phase::Follows),
            applied: Cell::new(applied),
            applied_start: Cell::new(None),
            unkept: RefCell::default(),
            untold: RefCell::default(),
            is_reading: Cell::new(false),
            catching_up: Cell::new(None),
            is_applying_pulled: Cell::new(false),
            rounds: RefCell::default(),
            read_ahead: RefCell::default(),
            mendings: RefCell::default(),
            is_saving: Cell::new(false),
            forwarding: Forwarding::default(),
            handing_over: HandingOver::default(),
            ticks: Cell::new(0),
            watch,
            saved: RefCell::new(saved),
            is_outside: Cell::new(!members.contains(node)),
            members: RefCell::new(members),
            changing: ChangingMembers::default(),
            cached_from: Cell::new(applied.index + 1),
            owed_reports: RefCell::default(),
            made: RefCell::default(),
        }
    }

    /// A node is to be told of this replica.
    pub(crate) fn owes_report(&self, node: u64) {
        let mut owed = self.owed_reports.borrow_mut();
        if !owed.contains(&node) {
            owed.push(node);
        }
    }

    /// Those nodes; they are told now.
    pub(crate) fn take_owed_reports(&self) -> Vec<u64> {
        self.owed_reports.take()
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase.get()
    }

    pub(crate) fn enter(&self, phase: Phase) {
        // Whoever has stopped stays so until it is started again.
        if self.phase.get() != Phase::Stopped {
            self.phase.set(phase);
        }
    }

    /// Whether it is no member of its group: not yet, or no more.
    pub(crate) fn is_outside(&self) -> bool {
        self.is_outside.get()
    }

    /// From here on these are the members.
    pub(crate) fn set_members(&self, members: GroupMembers) {
        if members.index > 0 {
            self.group.borrow_mut().note_changed_members(members.index, &members.roles.conf_state());
        }
        self.is_outside.set(!members.contains(self.node));
        self.members.replace(members);
    }

    /// Whether the state file has the members that hold for what is applied. Before that there is no checkpoint of it: the
    /// next start would take older members for those that hold then.
    pub(crate) fn members_are_saved(&self) -> bool {
        let (group, saved) = (self.group.borrow(), self.saved.borrow());
        !group.has_unsaved_members() || saved.members_index > group.members_up_to()
    }

    /// Whether what is appended here is in queues and tables at once.
    pub(crate) fn is_ahead_of_commit(&self) -> bool {
        matches!(self.phase.get(), Phase::Leads | Phase::HandsOver)
    }

    /// Whether the log takes entries that are made here.
    pub(crate) fn takes_appends(&self) -> bool {
        self.leads() && !self.group.borrow().is_writing()
    }

    /// Whether clients may change anything here.
    pub(crate) fn leads(&self) -> bool {
        self.phase.get() == Phase::Leads
    }

    /// Whether it leads and a follower that answers has something to confirm yet.
    pub(crate) fn awaits_followers(&self) -> bool {
        self.group.borrow().awaits_followers()
    }

    /// The leader that this replica follows.
    pub(crate) fn leader(&self) -> Option<u64> {
        let leader = self.group.borrow().role().leader;
        (leader != 0 && leader != self.node).then_some(leader)
    }

    pub(crate) fn term(&self) -> u64 {
        self.group.borrow().role().term
    }

    /// An entry is in the log of this replica, which may still forget it.
    pub(crate) fn appended(&self, entry: &EntryInfo) {
        self.untold.borrow_mut().push((entry.index, entry.position + u64::from(entry.bytes)));
    }

    /// Raft knows that what was appended is in the log.
    pub(crate) fn appends_are_told(&self) {
        self.unkept.borrow_mut().extend(self.untold.borrow_mut().drain(..));
    }

    /// Nothing behind `index` is in the log any more.
    pub(crate) fn cut(&self, index: u64) {
        self.unkept.borrow_mut().retain(|(at, _)| *at <= index);
        self.cached_from.set(self.cached_from.get().min(index + 1));
    }

    /// All of the log up to `index` is applied and kept; Raft knows nothing else of it.
    pub(crate) fn start_log_at(&self, index: u64) {
        assert!(self.untold.borrow().is_empty(), "Raft waits for no writes");
        self.unkept.borrow_mut().clear();
        self.cached_from.set(index + 1);
    }

    /// The last entry that is kept now that the log is kept up to `position`; `None`: no further one.
    pub(crate) fn kept(&self, position: u64) -> Option<u64> {
        let mut unkept = self.unkept.borrow_mut();
        let mut last = None;
        while let Some((index, _)) = unkept.front().copied().filter(|(_, end)| *end <= position) {
            last = Some(index);
            unkept.pop_front();
        }
        last
    }
}
