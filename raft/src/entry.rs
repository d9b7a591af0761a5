//! What the driver knows of a log entry: where it lies in the CommitLog, never its payload.

use bytes::Bytes;
use raft::eraftpb::{Entry, EntryType};

use crate::work::{NewEntry, Source};

/// Names an entry of the log. Ordered as elections compare logs: by term, then by index.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq, Ord, PartialOrd)]
pub struct EntryId {
    /// Term of the leader that made it.
    pub term: u64,
    /// Its place in the log, from 1.
    pub index: u64,
}

impl std::fmt::Display for EntryId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of term {}", self.index, self.term)
    }
}

/// An entry of the CommitLog without its payload.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EntryInfo {
    /// Its place in the log, from 1, without gaps.
    pub index: u64,
    /// Term of the leader that made it.
    pub term: u64,
    /// Physical offset of the first byte of its header.
    pub position: u64,
    /// Header and payload together; never 0.
    pub bytes: u32,
    /// The encoded `ConfChangeV2`, if it changes the membership.
    pub membership: Option<Vec<u8>>,
}

impl EntryInfo {
    /// Its name.
    pub fn id(&self) -> EntryId {
        EntryId { term: self.term, index: self.index }
    }
}

/// Whose bytes an entry on its way through raft stands for.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Origin {
    /// They lie in this replica's CommitLog already.
    Proposed,
    /// They came from the leader and wait to be adopted.
    Received,
}

/// Layout of [`Entry::context`], big-endian: origin u8 | position u64 | bytes u32. Raft carries it unread; an entry that
/// raft made itself has none.
const NOTE_BYTES: usize = 13;

/// An entry as it enters raft. `data` holds only a membership change.
pub(crate) fn to_raft(info: &EntryInfo, origin: Origin) -> Entry {
    let mut note = Vec::with_capacity(NOTE_BYTES);
    note.push(origin as u8);
    note.extend_from_slice(&info.position.to_be_bytes());
    note.extend_from_slice(&info.bytes.to_be_bytes());
    let mut entry = named(info);
    entry.context = Bytes::from(note);
    if let Some(change) = &info.membership {
        entry.data = Bytes::from(change.clone());
    }
    entry
}

/// An entry as raft reads it back from the log: nothing but its name and whether it changes the membership.
pub(crate) fn named(info: &EntryInfo) -> Entry {
    let mut entry = Entry::default();
    entry.set_entry_type(if info.membership.is_some() { EntryType::EntryConfChangeV2 } else { EntryType::EntryNormal });
    entry.index = info.index;
    entry.term = info.term;
    entry
}

/// An entry as it leaves raft for the log.
pub(crate) fn from_raft(entry: Entry) -> NewEntry {
    let (index, term) = (entry.index, entry.term);
    let change = (entry.get_entry_type() == EntryType::EntryConfChangeV2).then(|| entry.data.to_vec());
    let source = match read_note(&entry.context) {
        Some((origin, position, bytes)) => {
            let info = EntryInfo { index, term, position, bytes, membership: change };
            match origin {
                Origin::Proposed => Source::Proposed(info),
                Origin::Received => Source::Received(info),
            }
        }
        None => change.map_or(Source::Empty, Source::Membership),
    };
    NewEntry { index, term, source }
}

fn read_note(note: &[u8]) -> Option<(Origin, u64, u32)> {
    let (origin, rest) = note.split_first()?;
    let (position, bytes) = rest.split_first_chunk::<8>()?;
    let bytes: [u8; 4] = bytes.try_into().ok()?;
    let origin = if *origin == Origin::Proposed as u8 { Origin::Proposed } else { Origin::Received };
    Some((origin, u64::from_be_bytes(*position), u32::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(membership: Option<Vec<u8>>) -> EntryInfo {
        EntryInfo { index: 7, term: 3, position: 1 << 40, bytes: 4096, membership }
    }

    #[test]
    fn an_entry_comes_out_of_raft_as_it_went_in() {
        for membership in [None, Some(vec![]), Some(vec![1, 2, 3])] {
            let info = info(membership);
            let proposed = from_raft(to_raft(&info, Origin::Proposed));
            assert_eq!(proposed, NewEntry { index: 7, term: 3, source: Source::Proposed(info.clone()) });
            let received = from_raft(to_raft(&info, Origin::Received));
            assert_eq!(received.source, Source::Received(info));
        }
    }

    #[test]
    fn an_entry_without_a_note_was_made_by_raft() {
        assert_eq!(from_raft(named(&info(None))).source, Source::Empty);
        let mut change = named(&info(Some(vec![])));
        change.data = Bytes::from_static(b"change");
        assert_eq!(from_raft(change).source, Source::Membership(b"change".to_vec()));
    }

    #[test]
    fn a_later_term_outweighs_a_longer_log() {
        assert!(EntryId { term: 3, index: 1 } > EntryId { term: 2, index: 100 });
        assert!(EntryId { term: 3, index: 2 } > EntryId { term: 3, index: 1 });
    }
}
