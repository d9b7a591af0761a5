//! The newest part of the log, record after record: whoever reads many looks for the buffer of one and finds the next ones
//! beside it.

use std::ops::Range;

use super::CommitLog;
use crate::file::Disk;

/// A part of the log that lies in one piece of memory.
pub(super) struct Stretch<'a> {
    /// Physical offset of its first byte.
    pub(super) first: u64,
    pub(super) bytes: &'a [u8],
}

impl<'a> Stretch<'a> {
    fn range(&self) -> Range<u64> {
        self.first..self.first + self.bytes.len() as u64
    }

    /// The bytes from `position` on, if all of them are here.
    fn record(&self, position: u64, bytes: usize) -> Option<&'a [u8]> {
        let from = usize::try_from(position.checked_sub(self.first)?).ok()?;
        self.bytes.get(from..from.checked_add(bytes)?)
    }
}

impl<D: Disk> CommitLog<D> {
    /// Physical offsets around `position` whose bytes [`Self::with_newest`] gives, as far as they lie in one piece of memory.
    pub fn newest_around(&self, position: u64) -> Option<Range<u64>> {
        let around = |stretch: Stretch<'_>| Some(stretch.range()).filter(|range| range.contains(&position));
        if let Some(range) = self.tail.borrow().stretch(position).and_then(around) {
            return Some(range);
        }
        let cache = self.cache.borrow();
        let at = cache.buffers.partition_point(|buffer| buffer.end() <= position);
        cache.buffers.get(at).and_then(|buffer| around(buffer.stretch()))
    }

    /// Appends these records, physical offset and bytes each, to `out` up to the first one that [`Self::with_cached`] would
    /// not give. How many they were.
    pub fn gather_cached(&self, records: &[(u64, u32)], out: &mut Vec<u8>) -> usize {
        let mut copied = 0;
        while copied < records.len() {
            copied += self.gather_newest(&records[copied..], out);
            let Some((position, bytes)) = records.get(copied) else { break };
            if self.with_cached(*position, *bytes as usize, |record| out.extend_from_slice(record)).is_none() {
                break;
            }
            copied += 1;
        }
        copied
    }

    fn gather_newest(&self, records: &[(u64, u32)], out: &mut Vec<u8>) -> usize {
        let (tail, cache) = (self.tail.borrow(), self.cache.borrow());
        let mut stretch = Stretch { first: 0, bytes: &[] };
        for (number, &(position, bytes)) in records.iter().enumerate() {
            if let Some(record) = stretch.record(position, bytes as usize) {
                out.extend_from_slice(record);
                continue;
            }
            let of_tail = tail.stretch(position).filter(|stretch| stretch.range().contains(&position));
            let of_cache = || {
                let at = cache.buffers.partition_point(|buffer| buffer.end() <= position);
                cache.buffers.get(at).map(|buffer| buffer.stretch())
            };
            let Some(found) = of_tail.or_else(of_cache) else { return number };
            let Some(record) = found.record(position, bytes as usize) else { return number };
            out.extend_from_slice(record);
            stretch = found;
        }
        records.len()
    }
}

#[cfg(test)]
mod tests;
