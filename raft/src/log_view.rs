//! The log as raft reads it: descriptors in memory, so no read can fail.

use raft::eraftpb::{ConfState, Entry, HardState, Snapshot};
use raft::{Error, GetEntriesContext, RaftState, Result, Storage, StorageError};

use crate::entry;
use crate::window::Window;

/// The memory behind one raft node.
pub(crate) struct LogView {
    pub(crate) window: Window,
    /// The members as far as membership changes are applied.
    pub(crate) conf_state: ConfState,
    /// Last index the caller has applied.
    pub(crate) applied: u64,
    /// Entries below are not in the caller's memory, so no follower gets them by append messages.
    pub(crate) available_from: u64,
    /// Term, vote and commit index that the node starts with.
    pub(crate) hard_state: HardState,
}

impl LogView {
    /// First index a follower can be sent. What is not applied is always there, else a snapshot's target would lie
    /// below the first entry that can follow it, and catching up would never end.
    pub(crate) fn first_available(&self) -> u64 {
        self.window.first().max(self.available_from.min(self.applied + 1))
    }
}

impl Storage for LogView {
    fn initial_state(&self) -> Result<RaftState> {
        Ok(RaftState::new(self.hard_state.clone(), self.conf_state.clone()))
    }

    /// Entries without payload: raft needs their names, and which of them change the membership. `max_size` counts log
    /// bytes. Only reads for followers can find an entry gone; raft would not survive that in any other.
    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        context: GetEntriesContext,
    ) -> Result<Vec<Entry>> {
        let for_a_follower = context.can_async();
        if low < self.window.first() || (for_a_follower && low < self.first_available()) {
            return Err(Error::Store(StorageError::Compacted));
        }
        let bytes_max = max_size.into().filter(|_| for_a_follower).unwrap_or(u64::MAX);
        let mut bytes: u64 = 0;
        let fits = |info: &&entry::EntryInfo| {
            bytes = bytes.saturating_add(u64::from(info.bytes));
            bytes <= bytes_max || info.index == low
        };
        Ok(self.window.range(low, high).take_while(fits).map(entry::named).collect())
    }

    fn term(&self, index: u64) -> Result<u64> {
        let missing = if index < self.window.first() { StorageError::Compacted } else { StorageError::Unavailable };
        self.window.term(index).ok_or(Error::Store(missing))
    }

    fn first_index(&self) -> Result<u64> {
        Ok(self.window.first())
    }

    fn last_index(&self) -> Result<u64> {
        Ok(self.window.last())
    }

    /// The name of the last applied entry: the follower gets its bytes elsewhere. Raft would not survive one at 0.
    fn snapshot(&self, _request_index: u64, _to: u64) -> Result<Snapshot> {
        let Some(term) = self.window.term(self.applied).filter(|_| self.applied > 0) else {
            return Err(Error::Store(StorageError::SnapshotTemporarilyUnavailable));
        };
        let mut snapshot = Snapshot::default();
        let metadata = snapshot.mut_metadata();
        metadata.index = self.applied;
        metadata.term = term;
        metadata.set_conf_state(self.conf_state.clone());
        Ok(snapshot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{EntryId, EntryInfo};

    fn view() -> LogView {
        let info = |index| EntryInfo { index, term: 2, position: index * 100, bytes: 100, membership: None };
        LogView {
            window: Window::new(EntryId { term: 1, index: 4 }, (5..=9).map(info)),
            conf_state: ConfState::default(),
            applied: 7,
            available_from: 0,
            hard_state: HardState::default(),
        }
    }

    fn indexes(view: &LogView, low: u64, max_size: Option<u64>) -> Result<Vec<u64>> {
        let entries = view.entries(low, 10, max_size, GetEntriesContext::empty(true))?;
        Ok(entries.iter().map(|entry| entry.index).collect())
    }

    #[test]
    fn a_message_is_limited_by_log_bytes_but_never_empty() {
        let view = view();
        assert_eq!(indexes(&view, 5, Some(250)).unwrap(), [5, 6]);
        assert_eq!(indexes(&view, 5, Some(10)).unwrap(), [5]);
        assert_eq!(indexes(&view, 5, None).unwrap(), [5, 6, 7, 8, 9]);
    }

    #[test]
    fn followers_get_nothing_below_what_is_available_but_raft_itself_does() {
        let mut view = view();
        view.available_from = 7;
        assert_eq!(indexes(&view, 6, None).unwrap_err(), Error::Store(StorageError::Compacted));
        assert_eq!(indexes(&view, 7, None).unwrap(), [7, 8, 9]);
        let own = view.entries(6, 10, Some(10), GetEntriesContext::empty(false)).unwrap();
        assert_eq!(own.len(), 4);
    }

    #[test]
    fn what_is_not_applied_is_always_available() {
        let mut view = view();
        view.available_from = 100;
        assert_eq!(view.first_available(), 8);
    }

    #[test]
    fn a_snapshot_names_the_last_applied_entry() {
        let mut view = view();
        let metadata = view.snapshot(0, 2).unwrap().get_metadata().clone();
        assert_eq!((metadata.index, metadata.term), (7, 2));
        view.applied = 0;
        let none = Error::Store(StorageError::SnapshotTemporarilyUnavailable);
        assert_eq!(view.snapshot(0, 2).unwrap_err(), none);
    }
}
