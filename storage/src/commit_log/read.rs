//! Reading the log: from the buffers of its newest part, else from the files with read-ahead.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;

use super::append::LogPosition;
use super::entry::{EntryHeader, EntryKind, HEADER_BYTES};
use super::{CommitLog, roll};
use crate::error::StorageError;
use crate::file::{AlignedBuffer, BLOCK_BYTES, Disk, LogFile, align_down, align_up};

/// Bytes of one cold read; a pull of old messages mostly finds its next ones in the same window.
const WINDOW_BYTES: u64 = 256 << 10;
/// Windows kept a shard; more readers of old messages than this read some blocks twice.
const WINDOWS_MAX: usize = 32;

/// Entries remembered as sound, the last ones: several readers work through one each.
const SOUND_MAX: usize = 64;

/// Bytes of the log that stay valid however long they are held.
pub struct LogSlice<B> {
    memory: Rc<B>,
    range: Range<usize>,
}

impl<B: AlignedBuffer> AsRef<[u8]> for LogSlice<B> {
    fn as_ref(&self) -> &[u8] {
        &(*self.memory).as_ref()[self.range.clone()]
    }
}

/// The last windows read from files, most recently used last. It is apart from the cache of the log's newest part, so
/// that a consumer of old messages evicts nothing there.
pub(super) struct ReadAhead<B> {
    windows: RefCell<VecDeque<Window<B>>>,
    /// How often all of it was forgotten: what a read brings that began before is not kept.
    times_forgotten: Cell<u64>,
    /// Entries whose checksums were compared since the last window was read.
    sound: RefCell<VecDeque<Range<u64>>>,
}

struct Window<B> {
    start: u64,
    /// End of what had been written to the file when the window was read.
    end: u64,
    memory: Rc<B>,
}

/// A stretch of a segment's file that one reader has for itself.
pub struct OwnWindow {
    start: u64,
    end: u64,
    memory: Rc<dyn AsRef<[u8]>>,
    /// As it was when the reading began.
    times_forgotten: u64,
}

impl std::fmt::Debug for OwnWindow {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "OwnWindow({}..{})", self.start, self.end)
    }
}

impl<B: AlignedBuffer> ReadAhead<B> {
    pub(super) fn new() -> Self {
        Self { windows: RefCell::new(VecDeque::new()), times_forgotten: Cell::new(0), sound: RefCell::default() }
    }

    fn find(&self, position: u64, bytes: usize) -> Option<LogSlice<B>> {
        let mut windows = self.windows.borrow_mut();
        let end = position + bytes as u64;
        let at = windows.iter().position(|window| window.start <= position && end <= window.end)?;
        let window = windows.remove(at)?;
        let from = (position - window.start) as usize;
        let slice = LogSlice { memory: window.memory.clone(), range: from..from + bytes };
        windows.push_back(window);
        Some(slice)
    }

    /// Nothing read so far is right any more.
    pub(super) fn forget(&self) {
        self.windows.borrow_mut().clear();
        self.sound.borrow_mut().clear();
        self.times_forgotten.set(self.times_forgotten.get() + 1);
    }

    /// Whether the entry around `position` is one of those that were found sound.
    pub(super) fn is_sound(&self, position: u64) -> bool {
        self.sound.borrow().iter().any(|entry| entry.contains(&position))
    }

    pub(super) fn note_sound(&self, entry: Range<u64>) {
        let mut sound = self.sound.borrow_mut();
        if sound.len() == SOUND_MAX {
            sound.pop_front();
        }
        sound.push_back(entry);
    }

    fn keep(&self, window: Window<B>) {
        // What is read again may not be what it was.
        self.sound.borrow_mut().clear();
        if (*window.memory).as_ref().len() as u64 > 2 * WINDOW_BYTES {
            return;
        }
        let mut windows = self.windows.borrow_mut();
        windows.retain(|kept| kept.start != window.start);
        if windows.len() == WINDOWS_MAX {
            windows.pop_front();
        }
        windows.push_back(window);
    }
}

impl<D: Disk> CommitLog<D> {
    /// Hands the `bytes` bytes at `position` to `read` if they are in memory: the newest part of the log, or what a
    /// recent cold read brought. The latter came from a file and may be damaged.
    pub fn with_cached<R>(&self, position: u64, bytes: usize, read: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let mut read = Some(read);
        let mut take = |slice: &[u8]| read.take().map(|read| read(slice));
        if let Some(result) = self.with_newest(position, bytes, &mut take) {
            return result;
        }
        take(self.read_ahead.find(position, bytes)?.as_ref())
    }

    /// As [`Self::with_cached`] for the newest part of the log alone, as it was made here.
    pub fn with_newest<R>(&self, position: u64, bytes: usize, read: impl FnOnce(&[u8]) -> R) -> Option<R> {
        if let Some(slice) = self.tail.borrow().slice(position, bytes) {
            return Some(read(slice));
        }
        let cache = self.cache.borrow();
        let at = cache.buffers.partition_point(|buffer| buffer.end() <= position);
        cache.buffers.get(at).and_then(|buffer| buffer.slice(position, bytes)).map(read)
    }

    /// Hands the entry behind `at`, where this log has stood, and where it begins to `read`, if it is in the newest part of the
    /// log: what is there was made or checked by this process.
    pub fn with_newest_entry<R>(&self, at: LogPosition, read: impl FnOnce(&[u8], u64) -> R) -> Option<R> {
        let header_at = |position| {
            let decode = |head: &[u8]| EntryHeader::decode(self.id.get(), position, head).ok();
            self.with_newest(position, HEADER_BYTES, decode).flatten()
        };
        let mut header = header_at(at.position)?;
        if header.kind == EntryKind::Filler {
            header = header_at(header.end())?;
        }
        let bytes = (header.end() - header.position) as usize;
        self.with_newest(header.position, bytes, |bytes| read(bytes, header.position))
    }

    /// First physical offset of the part that is in memory for sure.
    pub fn cached_from(&self) -> u64 {
        let oldest = self.cache.borrow().buffers.front().map(|buffer| buffer.first());
        oldest.unwrap_or_else(|| self.written.get())
    }

    /// The `bytes` bytes at `position`, from memory or file.
    /// # Errors
    /// As [`Self::read_cold`].
    pub async fn copy(&self, position: u64, bytes: usize) -> Result<Vec<u8>, StorageError> {
        if let Some(copied) = self.with_cached(position, bytes, <[u8]>::to_vec) {
            return Ok(copied);
        }
        Ok(self.read_cold(position, bytes).await?.as_ref().to_vec())
    }

    /// Reads `bytes` bytes at `position` from the segment file, or from what a recent read brought.
    /// # Errors
    /// [`StorageError::OutOfRange`] where the log does not hold them, [`StorageError::Io`] where the file does not.
    pub async fn read_cold(&self, position: u64, bytes: usize) -> Result<LogSlice<D::Buffer>, StorageError> {
        if let Some(slice) = self.read_ahead.find(position, bytes) {
            return Ok(slice);
        }
        let times_forgotten = self.read_ahead.times_forgotten.get();
        let window = self.read_window(position, bytes).await?;
        let from = (position - window.start) as usize;
        let slice = LogSlice { memory: window.memory.clone(), range: from..from + bytes };
        if self.read_ahead.times_forgotten.get() == times_forgotten {
            self.read_ahead.keep(window);
        }
        Ok(slice)
    }

    /// As [`Self::read_cold`], for one reader alone: whoever goes through a whole log evicts nothing that consumers read. What
    /// is there was read once, and may be damaged.
    /// # Errors
    /// As [`Self::read_cold`].
    pub async fn read_own(&self, position: u64, bytes: usize) -> Result<OwnWindow, StorageError> {
        let times_forgotten = self.read_ahead.times_forgotten.get();
        let Window { start, end, memory } = self.read_window(position, bytes).await?;
        Ok(OwnWindow { start, end, memory, times_forgotten })
    }

    /// The `bytes` bytes at `position`, if all of them are in the window and what was read then still holds.
    pub fn in_window<'a>(&self, window: &'a OwnWindow, position: u64, bytes: usize) -> Option<&'a [u8]> {
        let end = position.checked_add(bytes as u64)?;
        let from = position.checked_sub(window.start)? as usize;
        let holds = end <= window.end && window.times_forgotten == self.read_ahead.times_forgotten.get();
        holds.then(|| &(*window.memory).as_ref()[from..from + bytes])
    }

    async fn read_window(&self, position: u64, bytes: usize) -> Result<Window<D::Buffer>, StorageError> {
        let written = self.written.get();
        let end = position + bytes as u64;
        let outside = || StorageError::OutOfRange { asked: position, first: self.first(), end: written };
        let (file, base) = self.segments.find(position).ok_or_else(outside)?;
        let segment_end = self.segments.end_of(position);
        if end > written || end > segment_end {
            return Err(outside());
        }
        let start = base + (position - base) / WINDOW_BYTES * WINDOW_BYTES;
        let start = if end <= start + WINDOW_BYTES { start } else { align_down(position) };
        let wanted = align_up(end.max(start + WINDOW_BYTES)).min(segment_end) - start;
        assert!(wanted.is_multiple_of(BLOCK_BYTES as u64));
        let read = file.read_at(start - base, wanted as usize).await;
        if self.segments.find(position).is_none() {
            // Removed meanwhile, so what was read may be anything.
            return Err(outside());
        }
        let memory = read.map_err(StorageError::io("read from", roll::segment_path(base)))?;
        let held = (*memory).as_ref().len() as u64;
        if start + held < end {
            let what = format!("the file ends {} bytes early", end - start - held);
            return Err(StorageError::DamagedRecord { at: position, file: roll::segment_path(base), what });
        }
        Ok(Window { start, end: written.min(start + held), memory })
    }

    /// What is read next comes from the files, unless it is in the log's newest part.
    pub fn forget_read_ahead(&self) {
        self.read_ahead.forget();
    }

    /// Path of the segment that holds `position`, for messages.
    pub fn file_name(&self, position: u64) -> String {
        self.segments
            .find(position)
            .map_or_else(|| "a removed segment".to_owned(), |(_, base)| roll::segment_path(base))
    }
}
