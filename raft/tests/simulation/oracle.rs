//! What must hold whatever fails.

use std::collections::BTreeMap;

use raft_driver::EntryId;

use crate::log::{LogEntry, Payload};

#[derive(Default)]
pub(crate) struct Oracle {
    /// Every entry that any replica ever saw committed, from index 1.
    pub(crate) committed: Vec<LogEntry>,
    /// Their commitment was first seen in this term, so a leader of it or of an earlier one has committed them.
    committed_in: Vec<u64>,
    /// Who led each term.
    leaders: BTreeMap<u64, u64>,
    /// Every entry that was ever in a log, and the term before it.
    entries: BTreeMap<EntryId, (LogEntry, u64)>,
    /// What clients were told is stored.
    acknowledged: BTreeMap<u64, u64>,
    pub(crate) acknowledged_count: u64,
    pub(crate) truncations: u64,
}

impl Oracle {
    /// An entry was appended to a log: the same index and term always mean the same entry and the same one before it.
    pub(crate) fn appended(&mut self, replica: u64, entry: &LogEntry, term_before: u64) {
        let (known, known_before) =
            self.entries.entry(entry.id()).or_insert_with(|| (entry.clone(), term_before)).clone();
        assert_eq!(&known, entry, "replica {replica}: two entries with one index and term");
        assert_eq!(known_before, term_before, "replica {replica}: logs differ before entry {}", entry.id());
    }

    /// A replica leads: alone in its term, and with everything that leaders before it have committed. It may be late:
    /// a replica that hung can find that it was elected when others lead since long.
    pub(crate) fn leads(&mut self, replica: u64, term: u64, log: &[LogEntry]) {
        if let Some(leader) = self.leaders.insert(term, replica) {
            return assert_eq!(leader, replica, "term {term} has two leaders");
        }
        for committed in self.committed_before(term) {
            let own = log.get(committed.index as usize - 1);
            assert!(own == Some(committed), "leader {replica} of term {term} has {own:?} instead of {committed:?}");
        }
    }

    pub(crate) fn elections(&self) -> u64 {
        self.leaders.len() as u64
    }

    fn committed_before(&self, term: u64) -> impl Iterator<Item = &LogEntry> {
        self.committed
            .iter()
            .zip(&self.committed_in)
            .filter(move |(_, seen_in)| **seen_in < term)
            .map(|(entry, _)| entry)
    }

    /// A replica that is in `term` takes an entry for committed.
    pub(crate) fn committed(&mut self, replica: u64, term: u64, entry: &LogEntry) {
        let at = entry.index as usize - 1;
        match self.committed.get(at) {
            Some(known) => {
                assert_eq!(known, entry, "replica {replica}: a committed entry has changed");
                self.committed_in[at] = self.committed_in[at].min(term);
            }
            None => {
                assert_eq!(at, self.committed.len(), "commits are dense");
                self.committed.push(entry.clone());
                self.committed_in.push(term);
            }
        }
    }

    /// A client was told that its message is stored.
    pub(crate) fn acknowledged(&mut self, entry: &LogEntry) {
        if let Payload::Message(number) = entry.payload {
            self.acknowledged.insert(number, entry.index);
            self.acknowledged_count += 1;
        }
    }

    /// A replica removes an entry from its log.
    pub(crate) fn truncated(&mut self, replica: u64, entry: &LogEntry) {
        self.truncations += 1;
        let committed = self.committed.get(entry.index as usize - 1);
        assert!(committed != Some(entry), "replica {replica} truncates the committed entry {}", entry.id());
    }

    /// A replica that may have forgotten what it confirmed votes for a candidate.
    pub(crate) fn voted_without_trust(&self, replica: u64, term: u64, candidate: u64, end: EntryId) {
        let committed = self.committed_before(term).last().map_or(EntryId::default(), LogEntry::id);
        assert!(
            end >= committed,
            "forgetful replica {replica} votes for {candidate} with {end}, {committed} is committed"
        );
    }

    /// Every replica has forgotten what lies above `index`: nobody can know of it any more.
    pub(crate) fn lost_by_all(&mut self, index: u64) {
        self.committed.truncate(index as usize);
        self.committed_in.truncate(index as usize);
        self.acknowledged.retain(|_, at| *at <= index);
    }

    /// At the end: nothing that was acknowledged is missing.
    pub(crate) fn check_acknowledged(&self) {
        for (number, index) in &self.acknowledged {
            let stored = self.committed.get(*index as usize - 1).map(|entry| &entry.payload);
            assert_eq!(stored, Some(&Payload::Message(*number)), "acknowledged message {number} is lost");
        }
    }
}
