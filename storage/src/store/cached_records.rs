//! Which records are in memory, for whoever looks at many in one turn.

use std::ops::Range;

use super::MessageStore;
use crate::consume_queue::Unit;
use crate::file::Disk;

/// Remembers where the last record was found, beside which the next ones mostly are. For one turn: what is in memory
/// changes between.
pub struct CachedRecords<'a, D: Disk> {
    store: &'a MessageStore<D>,
    /// All in here is.
    known: Range<u64>,
}

impl<D: Disk> MessageStore<D> {
    /// For the records of one turn.
    pub fn cached_records(&self) -> CachedRecords<'_, D> {
        CachedRecords { store: self, known: 0..0 }
    }
}

impl<D: Disk> CachedRecords<'_, D> {
    /// As [`MessageStore::is_cached`].
    pub fn contains(&mut self, unit: Unit) -> bool {
        let (first, end) = (unit.physical_offset, unit.physical_offset + u64::from(unit.bytes));
        let is_in = |known: &Range<u64>| known.start <= first && end <= known.end;
        if is_in(&self.known) {
            return true;
        }
        self.known = self.store.log.newest_around(first).unwrap_or_default();
        is_in(&self.known) || self.store.is_cached(first, unit.bytes as usize)
    }
}
