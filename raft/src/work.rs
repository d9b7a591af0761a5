//! What the driver hands out: writes to the log, messages to peers, and what changed.

use raft::StateRole;
use raft::eraftpb::Message;

use crate::entry::{EntryId, EntryInfo};
use crate::start::SavedState;

/// What a call has led to. See [`crate::Group::next_work`].
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    /// What must be written; until [`crate::Group::finish_work`] the group takes nothing.
    pub writes: Option<Writes>,
    /// Everything up to this index may be acknowledged and applied. It may be above what is persisted here, so a
    /// checkpoint has to wait for that too.
    pub committed: u64,
    /// Who leads, as far as this replica knows.
    pub role: RoleView,
    /// A catch-up has become due, its target has moved, or it has become void; `None`: as before.
    pub catch_up: Option<CatchUpNews>,
    /// From now on this replica votes and campaigns again.
    pub became_trusted: bool,
}

/// Writes, to be done in the order of the fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Writes {
    /// Replace the state file; it is durable before [`crate::Group::finish_work`].
    pub save_state: Option<SavedState>,
    /// Remove every entry above this index from the log. Always at or above what is committed.
    pub truncate_after: Option<u64>,
    /// Then append these, or find them appended already ([`Source::Proposed`]).
    pub entries: Vec<NewEntry>,
}

/// An entry that is new in the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewEntry {
    /// Its place in the log.
    pub index: u64,
    /// Term of the leader that made it.
    pub term: u64,
    /// Where its bytes come from.
    pub source: Source,
}

/// Where the bytes of a new entry come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Source {
    /// The log has them: they were appended before [`crate::Group::propose`].
    Proposed(EntryInfo),
    /// They came with the append message of this index and term.
    Received(EntryInfo),
    /// The first entry of a new leader, or one with which it lets another replica in: to be made, without payload.
    Empty,
    /// A membership change of this leader: to be made, with this encoded `ConfChangeV2` (which may be empty).
    Membership(Vec<u8>),
}

impl NewEntry {
    /// Whether the caller makes the entry, and tells [`crate::Group::finish_work`] where it lies.
    pub fn is_made_here(&self) -> bool {
        matches!(self.source, Source::Empty | Source::Membership(_))
    }
}

/// Who leads, as far as a replica knows.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct RoleView {
    /// What the replica is.
    pub role: StateRole,
    /// Its current term.
    pub term: u64,
    /// The leader of that term, 0 if unknown.
    pub leader: u64,
}

/// A follower needs entries that its leader no longer has in memory.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct CatchUp {
    /// Who has them.
    pub leader: u64,
    /// The term in which it leads.
    pub leader_term: u64,
    /// A committed entry of the leader; reaching it is enough.
    pub target: EntryId,
}

/// What has become of a catch-up.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum CatchUpNews {
    /// One is due, or an older one has a new target.
    Due(CatchUp),
    /// The log has joined a leader's again without it: what was pulled is to be thrown away.
    Void,
}

/// A message that may leave now.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    /// The message; `entries` in it is always empty.
    pub message: Message,
    /// The entries of an append message: their raw bytes go behind it. If the log cannot give them, the message is
    /// dropped and [`crate::Group::report_unreachable`] told.
    pub entries: Vec<EntryInfo>,
}

/// What a leader knows of another replica.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct PeerProgress {
    /// The replica.
    pub id: u64,
    /// It has confirmed everything up to this index.
    pub matched: u64,
    /// It was heard of within the last election timeout.
    pub is_active: bool,
    /// It has to catch up from outside the leader's memory.
    pub is_catching_up: bool,
    /// It does not count for a majority.
    pub is_learner: bool,
}
