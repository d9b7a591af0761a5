//! What the simulated log holds.

use raft_driver::{EntryId, EntryInfo};

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Payload {
    Message(u64),
    Empty,
    Membership(Vec<u8>),
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct LogEntry {
    pub(crate) index: u64,
    pub(crate) term: u64,
    pub(crate) position: u64,
    pub(crate) payload: Payload,
}

impl LogEntry {
    /// The entry that follows `log`: its place is a function of the entries alone.
    pub(crate) fn next(log: &[LogEntry], term: u64, payload: Payload) -> Self {
        let position = log.last().map_or(0, |last| last.position + u64::from(last.bytes()));
        Self { index: log.len() as u64 + 1, term, position, payload }
    }

    pub(crate) fn bytes(&self) -> u32 {
        match &self.payload {
            Payload::Message(number) => 40 + (number % 7) as u32 * 50,
            Payload::Empty => 40,
            Payload::Membership(change) => 40 + change.len() as u32,
        }
    }

    pub(crate) fn id(&self) -> EntryId {
        EntryId { term: self.term, index: self.index }
    }

    pub(crate) fn info(&self) -> EntryInfo {
        let membership = match &self.payload {
            Payload::Membership(change) => Some(change.clone()),
            Payload::Message(_) | Payload::Empty => None,
        };
        EntryInfo { index: self.index, term: self.term, position: self.position, bytes: self.bytes(), membership }
    }
}

/// Name of the entry at `index`; of the one before the first at 0.
pub(crate) fn id_at(log: &[LogEntry], index: u64) -> EntryId {
    index.checked_sub(1).and_then(|at| log.get(at as usize)).map_or(EntryId::default(), LogEntry::id)
}
