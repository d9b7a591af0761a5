//! What a replica knows when it starts.

use raft::eraftpb::ConfState;

use crate::NUMBER_MAX;
use crate::entry::{EntryId, EntryInfo};
use crate::membership;

/// What a replica must never forget beside its log: the content of the state file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SavedState {
    /// The latest term it has taken part in.
    pub term: u64,
    /// Whom it voted for in that term, 0 for nobody.
    pub vote: u64,
    /// The last membership change it has applied, 0 for none. A replica that went back to earlier members after a crash
    /// could be elected by a majority of theirs, beside a leader that the present members elected.
    pub members_index: u64,
    /// The members since then.
    pub members: ConfState,
}

/// What a replica still knows of what it told others before it stopped.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Memory {
    /// Everything; or it has never told anybody anything.
    Whole,
    /// Term and vote, but the end of its log may be gone: it neither votes nor campaigns until that does no harm.
    ShortLog,
    /// Nothing: its disk is empty or another one. It takes no part until it knows how far terms have gone, then as
    /// [`Memory::ShortLog`].
    Nothing,
}

/// What a replica knows when it starts.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// The state file.
    pub saved: SavedState,
    /// Whether state file and log are all that this replica ever confirmed.
    pub memory: Memory,
    /// A number that this replica has never had before (not even before it lost its disk); never 0. It tells its peers
    /// that what it said earlier may no longer hold.
    pub life: u64,
    /// The members when everything up to `applied` is applied; those in `saved` are preferred if they are later. Empty:
    /// not a member yet.
    pub conf_state: ConfState,
    /// Everything up to here is committed and applied; its entries need not be there. Of term 0 if it was written before
    /// the group began: then other replicas get it by catching up only.
    pub applied: EntryId,
    /// Every entry after `applied`, persisted.
    pub entries: Vec<EntryInfo>,
}

/// Why a replica cannot start, or go on, with what it was given.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum StartError {
    /// A setting makes no sense.
    #[error("setting {setting} of the replica makes no sense: {reason}")]
    Setting {
        /// Which one.
        setting: &'static str,
        /// Why.
        reason: String,
    },
    /// A number from a file is beyond every possible one.
    #[error("{what} is {value}, beyond {NUMBER_MAX}: the file it comes from is damaged")]
    Number {
        /// Which one.
        what: &'static str,
        /// The number.
        value: u64,
    },
    /// The entries have a gap.
    #[error("entry {expected} is followed by entry {found}: the log has a gap")]
    Gap {
        /// The index that had to be next.
        expected: u64,
        /// The index that is.
        found: u64,
    },
    /// Terms go back.
    #[error("entry {index} has term {found} after term {before}: the log is not one of a single group")]
    TermGoesBack {
        /// Where.
        index: u64,
        /// The term before.
        before: u64,
        /// The term there.
        found: u64,
    },
    /// An entry was made without a leader.
    #[error("entry {index} has no term: what was written before the group began must be applied before it begins")]
    NoTerm {
        /// Which entry.
        index: u64,
    },
    /// The members contradict each other.
    #[error("the membership is impossible: {reason}")]
    Membership {
        /// In what.
        reason: String,
    },
    /// The log would lose what is committed.
    #[error("the log ends at entry {last}, but entry {committed} is committed: it must not be cut there")]
    BelowCommit {
        /// Last index of the log.
        last: u64,
        /// Last index known to be committed.
        committed: u64,
    },
    /// The log is not what it has to be there.
    #[error("entry {index} has term {found:?} here and is given as of term {expected}: {reason}")]
    Other {
        /// Where.
        index: u64,
        /// The term it has, if it is known at all.
        found: Option<u64>,
        /// The term given.
        expected: u64,
        /// Why that matters.
        reason: &'static str,
    },
    /// The log has joined a leader's in the meantime.
    #[error("no catch-up is under way, or it has become void: what was pulled must be thrown away")]
    CatchUpVoid,
}

pub(crate) fn check_number(what: &'static str, value: u64) -> Result<(), StartError> {
    if value > NUMBER_MAX { Err(StartError::Number { what, value }) } else { Ok(()) }
}

impl Start {
    /// # Errors
    /// What raft would not survive.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        check_number("the saved term", self.saved.term)?;
        check_number("the saved vote", self.saved.vote)?;
        if self.life == 0 {
            return Err(StartError::Setting { setting: "life", reason: "0 stands for unknown".into() });
        }
        check_number("the index of the saved members", self.saved.members_index)?;
        check_log(self.applied, &self.entries)?;
        membership::check_conf_state(&self.saved.members)?;
        membership::check_conf_state(&self.conf_state)
    }
}

/// # Errors
/// Unless the entries follow `applied` without a gap.
pub(crate) fn check_log(applied: EntryId, entries: &[EntryInfo]) -> Result<(), StartError> {
    check_number("the applied index", applied.index)?;
    check_number("the applied term", applied.term)?;
    let mut before = applied;
    for entry in entries {
        check_number("an entry's index", entry.index)?;
        check_number("an entry's term", entry.term)?;
        if entry.index != before.index + 1 {
            return Err(StartError::Gap { expected: before.index + 1, found: entry.index });
        }
        if entry.term == 0 {
            return Err(StartError::NoTerm { index: entry.index });
        }
        if entry.term < before.term {
            return Err(StartError::TermGoesBack { index: entry.index, before: before.term, found: entry.term });
        }
        before = entry.id();
    }
    Ok(())
}
