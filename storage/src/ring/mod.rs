//! Memory that outlives the process: where ASYNC_FLUSH may acknowledge from before the direct write has completed.
//!
//! The ring mirrors the newest bytes of the CommitLog: the byte at physical offset `p` lies at `p % capacity`. There is
//! no head or tail in it: recovery asks for the entry at the log's end and takes it only if it continues the log exactly
//! (store id, term, index, CRC), so stale, foreign or damaged content is ignored by the same test that reads the log.

pub mod shm;

/// A byte ring addressed by physical offset.
pub trait Ring: 'static {
    /// Bytes it holds.
    fn capacity(&self) -> u64;
    /// Copies `bytes`, the log's content from `position` on. `bytes` is never longer than the capacity.
    fn write(&mut self, position: u64, bytes: &[u8]);
    /// Copies out what lies at `position`; `out` is never longer than the capacity.
    fn read(&self, position: u64, out: &mut [u8]);
    /// Whether a later process would find it. Somebody may have removed it meanwhile.
    fn outlives_process(&self) -> bool {
        true
    }
}

/// The part of the ring from `position` to its end, as a range, and how many bytes wrap to its start.
pub(crate) fn split(capacity: u64, position: u64, bytes: usize) -> (std::ops::Range<usize>, usize) {
    assert!(bytes as u64 <= capacity, "{bytes} bytes do not fit a ring of {capacity}");
    let start = (position % capacity) as usize;
    let before_end = bytes.min(capacity as usize - start);
    (start..start + before_end, bytes - before_end)
}
