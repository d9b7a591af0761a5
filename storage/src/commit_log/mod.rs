//! The CommitLog: entries in segment files, written in whole blocks behind a tail in memory.
//!
//! `entry` is the layout, `append` the tail in memory, `roll` the segment files, `read` cache and cold reads, `recover`
//! what happens at start. This file joins them: appending is synchronous, [`CommitLog::flush`] is the one place that
//! writes messages.

mod append;
pub mod copy;
pub mod entry;
mod mend;
mod newest;
mod piece;
mod read;
pub mod recover;
mod replicate;
mod roll;
#[cfg(test)]
mod tests;
mod turns;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

pub use append::{ENTRY_BYTES_MAX, LogBuffer, LogPosition, frame_control};
use entry::HEADER_BYTES;
pub use entry::LogId;
pub use piece::LogPiece;
use read::ReadAhead;
pub use read::{LogSlice, OwnWindow};
pub(crate) use recover::segment_first;
pub use replicate::UNCOMMITTED_BYTES_MAX;
use roll::Segments;
pub(crate) use roll::segment_path;
use turns::Turns;

use self::append::{Tail, unframed_bytes};
use crate::error::{AppendError, StorageError};
use crate::file::{AlignedBuffer, BLOCK_BYTES, Disk, LogFile, align_up};
use crate::ring::Ring;

/// Without a ring, this many bytes may wait for their write; more makes the shard stop reading.
pub const PENDING_BYTES_MAX: u64 = 64 << 20;
/// A write of this size costs the device little more time a byte than a larger one.
const WRITE_BYTES_WORTHWHILE: u64 = 512 << 10;
/// In ASYNC_FLUSH the log is synced at the latest when this much is not on stable storage. Bounds what recovery has to
/// look through behind a torn write.
pub const UNSYNCED_BYTES_MAX: u64 = 64 << 20;
/// A short write is tried again from its start this many times before it counts as failed.
const SHORT_WRITE_TRIES: u32 = 3;
/// Segment files lie here, below the shard's folder.
pub const DIRECTORY: &str = "commitlog";

/// What an acknowledgement promises.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum FlushMode {
    /// The process may die: in the ring, or written where there is no ring.
    Async,
    /// The machine may die: on stable storage, by a sync or by a write that is stable itself.
    Sync,
}

/// Settings of a log.
#[derive(Copy, Clone, Debug)]
pub struct LogOptions {
    /// Bytes of a new segment file, a multiple of the block size. RocketMQ: `mappedFileSizeCommitLog`.
    pub segment_bytes: u64,
    /// What an acknowledgement promises. RocketMQ: `flushDiskType`.
    pub flush: FlushMode,
    /// Memory for the newest part of the log, bytes.
    pub cache_bytes: usize,
    /// Whether other replicas keep the same log: then it is for them to say what is committed.
    pub is_replicated: bool,
    /// Whether its entries are copied from a master's log: what they say of stable storage is true of the master's then.
    pub is_copied: bool,
}

impl LogOptions {
    /// The same for a store that is to be as its checkpoint has it: what lies behind in the log is left to be applied, as of
    /// a replicated log, of which it is not known at start what is committed.
    pub(crate) fn unapplied(self) -> Self {
        Self { is_replicated: true, is_copied: false, ..self }
    }
}

/// The log of one shard.
pub struct CommitLog<D: Disk> {
    disk: D,
    id: Cell<LogId>,
    options: LogOptions,
    tail: RefCell<Tail<D::Buffer>>,
    segments: Segments<D>,
    cache: RefCell<Cache<D::Buffer>>,
    read_ahead: ReadAhead<D::Buffer>,
    /// End of what the segment files hold.
    written: Cell<u64>,
    /// End of what is known to be on stable storage.
    stable: Cell<u64>,
    /// Of a replicated log: up to where a majority has it.
    committed: Cell<u64>,
    /// The lowest position that it was cut at since somebody asked.
    cut: Cell<Option<u64>>,
    turns: Turns,
    failure: RefCell<Option<String>>,
    /// Where the zeros end that are written ahead into a segment that was made at start; `None`: no such segment.
    prewritten: Cell<Option<u64>>,
    /// Zeros are being written from here on: appends keep away from them.
    zeroing_from: Cell<u64>,
}

/// The newest buffers of the log, oldest first, bounded by bytes; what is not written yet is never dropped.
struct Cache<B> {
    buffers: VecDeque<Rc<LogBuffer<B>>>,
    bytes: usize,
}

impl<D: Disk> CommitLog<D> {
    /// Appends a unit of `bytes` bytes that holds `count` message records, with the control record that must become
    /// durable with it (may be empty). `encode` gets the physical offset of the unit's first byte and its place.
    ///
    /// The unit joins the open entry; [`Self::seal`] ends it.
    /// # Errors
    /// Nothing was appended; see [`AppendError`] for what to wait for.
    pub fn append<R>(
        &self,
        bytes: usize,
        count: u32,
        control: &[u8],
        encode: impl FnOnce(u64, &mut [u8]) -> R,
    ) -> Result<R, AppendError> {
        self.roll_for(bytes, control.len())?;
        let allocate = |bytes| self.disk.buffer(bytes);
        Ok(self.tail.borrow_mut().append(bytes, count, control, allocate, encode))
    }

    /// Appends control records, which are in the log all together or not at all. `framed` is what [`frame_control`] made of them.
    /// # Errors
    /// Nothing was appended.
    pub fn append_framed(&self, framed: &[u8]) -> Result<(), AppendError> {
        self.roll_for(0, unframed_bytes(framed))?;
        self.tail.borrow_mut().append_framed(framed, |bytes| self.disk.buffer(bytes));
        Ok(())
    }

    /// Sees to it that a unit of this size can be appended, in the next segment if need be.
    fn roll_for(&self, bytes: usize, control_bytes: usize) -> Result<(), AppendError> {
        self.admit(bytes, control_bytes)?;
        let mut tail = self.tail.borrow_mut();
        if tail.needs_roll(bytes, control_bytes) {
            let next_end = self.segments.start_next()?;
            tail.roll(next_end, |bytes| self.disk.buffer(bytes));
        }
        Ok(())
    }

    /// Whether [`Self::append`] would take a unit of this size now.
    /// # Errors
    /// What it would answer.
    pub fn admit(&self, bytes: usize, control_bytes: usize) -> Result<(), AppendError> {
        if let Some(cause) = self.failure.borrow().clone() {
            return Err(AppendError::Failed { cause });
        }
        let unit = Tail::<D::Buffer>::unit_bytes(bytes, control_bytes);
        self.admit_bytes(unit)?;
        if self.tail.borrow().needs_roll(bytes, control_bytes) { self.segments.check_next() } else { Ok(()) }
    }

    /// Whether there is room for a unit of `unit` bytes, its header included.
    fn admit_bytes(&self, unit: usize) -> Result<(), AppendError> {
        let limit_bytes = self.unit_bytes_max();
        if unit > limit_bytes {
            return Err(AppendError::TooLong { bytes: unit, limit_bytes });
        }
        let tail = self.tail.borrow();
        // Under SYNC_FLUSH what is written and not synced waits too: nothing of it is acknowledged.
        let done = if self.options.flush == FlushMode::Sync { self.stable.get() } else { self.written.get() };
        let waiting_bytes = tail.appended_end() - done;
        let limit_bytes = tail.ring_capacity().map_or(PENDING_BYTES_MAX, |ring| ring.min(PENDING_BYTES_MAX));
        // With a filler before it, or the rest of its last block behind it.
        let reach = tail.appended_end() + (2 * (unit + HEADER_BYTES) + 2 * BLOCK_BYTES) as u64;
        if reach > self.zeroing_from.get() {
            return Err(AppendError::Backlog { waiting_bytes, limit_bytes });
        }
        // A roll skips less than what the unit itself needs, so twice its size always covers it.
        if waiting_bytes > 0 && waiting_bytes + 2 * (unit + HEADER_BYTES) as u64 > limit_bytes {
            return Err(AppendError::Backlog { waiting_bytes, limit_bytes });
        }
        let uncommitted_bytes = tail.appended_end() - self.committed.get();
        if self.options.is_replicated && uncommitted_bytes > UNCOMMITTED_BYTES_MAX {
            return Err(AppendError::Backlog { waiting_bytes: uncommitted_bytes, limit_bytes: UNCOMMITTED_BYTES_MAX });
        }
        Ok(())
    }

    /// Longest unit with its header that fits an entry of this log.
    pub fn unit_bytes_max(&self) -> usize {
        let segment = self.segments.smallest_ahead() as usize - HEADER_BYTES;
        let ring = self.tail.borrow().ring_capacity().map_or(usize::MAX, |bytes| bytes as usize / 2 - 2 * HEADER_BYTES);
        ENTRY_BYTES_MAX.min(segment).min(ring)
    }

    /// Ends the open entry and returns where the log now stands. In ASYNC_FLUSH with a ring, all of it may be
    /// acknowledged from here on.
    pub fn seal(&self) -> LogPosition {
        let mut tail = self.tail.borrow_mut();
        tail.seal();
        tail.sealed()
    }

    /// Where the last sealed entry ends.
    pub fn end(&self) -> LogPosition {
        self.tail.borrow().sealed()
    }

    /// Up to where a record appended now may be acknowledged and read.
    pub fn acknowledgeable(&self) -> u64 {
        if self.options.is_replicated { self.committed.get() } else { self.kept() }
    }

    /// Up to where this log keeps its word by itself, whatever other replicas have: in the ring, or written, or on stable
    /// storage, as the flush mode wants it.
    pub fn kept(&self) -> u64 {
        match self.options.flush {
            FlushMode::Sync => self.stable.get(),
            FlushMode::Async if self.has_ring() => self.end().position,
            FlushMode::Async => self.written.get(),
        }
    }

    /// Whether acknowledgements come from the shared-memory ring.
    pub fn has_ring(&self) -> bool {
        self.tail.borrow().ring_capacity().is_some()
    }

    /// From here on, acknowledgements come from `ring`, or with `None` wait for the write. Everything in the ring so far
    /// has to be written.
    pub fn replace_ring(&self, ring: Option<Box<dyn Ring>>) {
        assert_eq!(self.waiting_bytes(), 0, "only the ring may hold what is not written");
        self.tail.borrow_mut().set_ring(ring);
    }

    /// Gives the ring up if a later process would not find it: acknowledgements wait for the write from here on. What was
    /// acknowledged from it and is not written yet is as safe as private memory, until the next [`Self::flush`].
    /// Returns whether it did.
    pub fn give_up_lost_ring(&self) -> bool {
        let mut tail = self.tail.borrow_mut();
        let is_lost = tail.has_lost_ring();
        if is_lost {
            tail.seal();
            tail.set_ring(None);
        }
        is_lost
    }

    /// Whether sealed entries wait for [`Self::flush`].
    pub fn has_unwritten(&self) -> bool {
        self.failure.borrow().is_none() && self.written.get() < self.end().position && !self.tail.borrow().is_taken()
    }

    /// With a ring: how many bytes make a write worth its cost. `None` where acknowledgements wait for the write.
    pub fn worthwhile_write_bytes(&self) -> Option<u64> {
        let ring = self.tail.borrow().ring_capacity()?;
        (self.options.flush == FlushMode::Async).then_some(WRITE_BYTES_WORTHWHILE.min(ring / 8))
    }

    /// Bytes appended and not yet written.
    pub fn waiting_bytes(&self) -> u64 {
        self.tail.borrow().appended_end() - self.written.get()
    }

    /// End of what is known to be on stable storage.
    pub fn stable(&self) -> u64 {
        self.stable.get()
    }

    /// First physical offset that is still there.
    pub fn first(&self) -> u64 {
        self.segments.first()
    }

    /// The lowest position behind which something was taken back, or put in the place of what was there, since the last call.
    pub fn take_cut(&self) -> Option<u64> {
        self.cut.take()
    }

    /// Why the log takes no more writes, once it does not.
    pub fn failure(&self) -> Option<String> {
        self.failure.borrow().clone()
    }

    /// Writes everything sealed, oldest first, and in SYNC_FLUSH puts it on stable storage. One flush runs at a time,
    /// another waits for it: what is sealed while one runs is taken by it too, or by the next.
    /// # Errors
    /// [`StorageError::Flush`]; the log takes no more writes then, because nobody can tell what a failed write or
    /// sync has left behind.
    pub async fn flush(&self) -> Result<(), StorageError> {
        self.turns.begin().await;
        let result = match self.refuse_after_failure() {
            Ok(()) => self.flush_sealed().await,
            Err(error) => Err(error),
        };
        self.end_turn(result)
    }

    /// Keeps the first failure and lets the next turn begin.
    fn end_turn(&self, result: Result<(), StorageError>) -> Result<(), StorageError> {
        if let Err(error) = &result {
            self.failure.borrow_mut().get_or_insert_with(|| error.to_string());
        }
        self.turns.end();
        result
    }

    async fn flush_sealed(&self) -> Result<(), StorageError> {
        let mut last_file: Option<Rc<D::LogFile>> = None;
        // Where nothing written waits for a sync, a write that is stable itself leaves nothing to wait for one either:
        // what lies below the written mark is on stable storage again as soon as it has returned. A write says nothing
        // of those before it, so once something waits (after a crash, or behind a write that was not stable), only a
        // sync of all of it moves the stable mark.
        let mut is_stable = self.stable.get() == self.written.get();
        // A turn ends where the log ended when it began: what arrives meanwhile has a turn of its own, else a steady
        // stream would keep everybody waiting for the end of this one.
        let up_to = self.seal().position;
        while self.written.get() < up_to {
            let Some(buffer) = self.take_for_writing() else { break };
            let (file, base) = self.segments.file_of(buffer.start());
            let before = last_file.replace(file.clone()).filter(|before| !Rc::ptr_eq(before, &file));
            if let Some(before) = before.filter(|_| !is_stable) {
                self.sync_file(&before, self.written.get()).await?;
            }
            write_whole(&*file, &buffer, buffer.start() - base).await?;
            is_stable &= file.writes_are_stable();
            self.written.set(buffer.covers());
            self.cache.borrow_mut().evict(self.options.cache_bytes, self.written.get());
        }
        if last_file.is_none() {
            return Ok(());
        }
        if is_stable {
            self.set_stable(self.written.get());
            return Ok(());
        }
        if self.options.flush == FlushMode::Sync || self.written.get() - self.stable.get() > UNSYNCED_BYTES_MAX {
            self.sync_written().await?;
        }
        Ok(())
    }

    fn take_for_writing(&self) -> Option<Rc<LogBuffer<D::Buffer>>> {
        let mut tail = self.tail.borrow_mut();
        if let Some(buffer) = tail.take_frozen() {
            self.cache.borrow_mut().push(buffer.clone());
            return Some(buffer);
        }
        tail.seal();
        tail.freeze_sealed();
        let buffer = tail.take_frozen()?;
        self.cache.borrow_mut().push(buffer.clone());
        Some(buffer)
    }

    /// Puts everything written so far on stable storage; for ASYNC_FLUSH, now and then.
    /// # Errors
    /// [`StorageError::Flush`], as for [`Self::flush`].
    pub async fn sync(&self) -> Result<(), StorageError> {
        self.turns.begin().await;
        let result = match self.refuse_after_failure() {
            Ok(()) => self.sync_written().await,
            Err(error) => Err(error),
        };
        self.end_turn(result)
    }

    async fn sync_written(&self) -> Result<(), StorageError> {
        let written = self.written.get();
        if written == self.stable.get() {
            return Ok(());
        }
        for file in self.segments.files_between(self.stable.get(), written) {
            self.sync_file(&file, written).await?;
        }
        self.set_stable(written);
        Ok(())
    }

    fn set_stable(&self, stable: u64) {
        if stable > self.stable.get() {
            self.stable.set(stable);
            if !self.options.is_replicated {
                self.tail.borrow_mut().set_stable(stable);
            }
        }
    }

    fn refuse_after_failure(&self) -> Result<(), StorageError> {
        let Some(cause) = self.failure.borrow().clone() else { return Ok(()) };
        let (from, up_to) = (self.stable.get(), self.written.get());
        Err(StorageError::Flush { op: "data sync", from, up_to, source: std::io::Error::other(cause) })
    }

    async fn sync_file(&self, file: &D::LogFile, up_to: u64) -> Result<(), StorageError> {
        let from = self.stable.get();
        file.sync_data().await.map_err(|source| StorageError::Flush { op: "data sync", from, up_to, source })
    }

    /// Whether it is time to make the next segment.
    pub fn needs_next_segment(&self) -> bool {
        self.segments.needs_next(self.tail.borrow().end())
    }

    /// Whether the next segment could not be made, and should be tried again.
    pub fn failed_next_segment(&self) -> bool {
        self.segments.failed_next()
    }

    /// Makes the next segment ready; cheap when it is.
    /// # Errors
    /// The file cannot be made. Appends go on in the present segment.
    pub async fn prepare_next_segment(&self) -> Result<(), StorageError> {
        let prewrite = self.options.flush == FlushMode::Sync;
        self.segments.prepare_next(&self.disk, self.options.segment_bytes, prewrite).await
    }

    /// In SYNC_FLUSH, writes zeros into the next piece of the segment that was made at start without them, at least
    /// `margin_bytes` ahead of what is appended; for later segments [`Self::prepare_next_segment`] does it. Returns whether
    /// there is more to do. Appends that come too near are refused meanwhile as by a full log.
    /// # Errors
    /// The file cannot be written. The log goes on without.
    pub async fn prewrite_piece(&self, margin_bytes: u64) -> Result<bool, StorageError> {
        let Some(prewritten) = self.prewritten.take() else { return Ok(false) };
        let end = self.tail.borrow().appended_end();
        let Some((file, base)) = self.segments.find(prewritten) else { return Ok(false) };
        let segment_end = self.segments.end_of(prewritten);
        let from = prewritten.max(align_up(end + margin_bytes) + BLOCK_BYTES as u64);
        if self.options.flush != FlushMode::Sync || self.failure.borrow().is_some() || from >= segment_end {
            return Ok(false);
        }
        self.zeroing_from.set(from);
        let written = roll::write_zeros_piece(&self.disk, &*file, from - base, segment_end - base).await;
        self.zeroing_from.set(u64::MAX);
        let written = written.map_err(StorageError::io("write zeros to", &self.file_name(from)))?;
        let has_more = from + written < segment_end;
        self.prewritten.set(has_more.then_some(from + written));
        Ok(has_more)
    }

    /// Removes the oldest segment if all of it lies below `position`, or keeps its file for reuse.
    /// Returns the new first physical offset if one was removed.
    /// # Errors
    /// The file cannot be removed.
    pub async fn remove_oldest_below(&self, position: u64) -> Result<Option<u64>, StorageError> {
        self.segments.remove_oldest_below(&self.disk, position.min(self.stable.get())).await
    }

    /// The segments there are: first physical offset and bytes, oldest first.
    pub fn segments(&self) -> Vec<(u64, u64)> {
        self.segments.table()
    }

    /// The files of this log.
    pub fn disk(&self) -> &D {
        &self.disk
    }

    /// The id its entries carry.
    pub fn id(&self) -> LogId {
        self.id.get()
    }

    /// Settings it was opened with.
    pub fn options(&self) -> &LogOptions {
        &self.options
    }
}

/// Makes the first segment file of a log that is to begin at `first`.
/// # Errors
/// The file cannot be made.
pub(crate) async fn create_first_segment<D: Disk>(disk: &D, first: u64, bytes: u64) -> Result<(), StorageError> {
    roll::create_segment(disk, &segment_path(first), bytes, false).await.map(drop)
}

async fn write_whole<F: LogFile>(file: &F, buffer: &LogBuffer<F::Buffer>, at: u64) -> Result<(), StorageError> {
    let flush_error = |source| StorageError::Flush { op: "write", from: buffer.start(), up_to: buffer.end(), source };
    let bytes = (**buffer.memory()).as_ref().len();
    for _ in 0..SHORT_WRITE_TRIES {
        if file.write_at(at, buffer.memory().clone()).await.map_err(flush_error)? == bytes {
            return Ok(());
        }
    }
    Err(flush_error(std::io::Error::new(std::io::ErrorKind::WriteZero, "the write stayed short")))
}

impl<B: AlignedBuffer> Cache<B> {
    fn new() -> Self {
        Self { buffers: VecDeque::new(), bytes: 0 }
    }

    fn push(&mut self, buffer: Rc<LogBuffer<B>>) {
        self.bytes += buffer.allocated();
        self.buffers.push_back(buffer);
    }

    fn evict(&mut self, bytes_max: usize, written: u64) {
        while self.bytes > bytes_max {
            let Some(oldest) = self.buffers.front().filter(|oldest| oldest.end() <= written) else { return };
            self.bytes -= oldest.allocated();
            self.buffers.pop_front();
        }
    }
}
