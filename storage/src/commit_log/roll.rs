//! Segment files: which there are, the next one made ahead of need, the oldest removed or kept for reuse.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use super::DIRECTORY;
use crate::error::{AppendError, StorageError};
use crate::file::{Disk, LogFile};

/// A removed segment waits under this name to become the next one: its blocks are allocated and written, so that
/// neither a data sync nor a stable write of the new content waits for the file system's journal.
const SPARE: &str = "commitlog/spare";

/// Bytes of one write that makes a segment ready ahead of need.
pub(super) const PREWRITE_BYTES: usize = 1 << 20;

/// Path of the segment that begins at physical offset `first`.
pub(crate) fn segment_path(first: u64) -> String {
    format!("{DIRECTORY}/{first:020}")
}

pub(super) struct Segment<F> {
    pub(super) file: Rc<F>,
    pub(super) bytes: u64,
}

enum Next<F> {
    Missing,
    Making,
    Ready(Segment<F>),
    Failed { cause: String },
}

/// The spare file has one owner at a time: between opening and renaming it, another must not take its name.
#[derive(Copy, Clone, Eq, PartialEq)]
enum Spare {
    None,
    Ready,
    InUse,
}

/// The segments of a log, keyed by the physical offset of their first byte; contiguous, never empty.
pub(super) struct Segments<D: Disk> {
    segments: RefCell<BTreeMap<u64, Segment<D::LogFile>>>,
    next: RefCell<Next<D::LogFile>>,
    /// An append found no next segment.
    is_next_wanted: Cell<bool>,
    spare: Cell<Spare>,
}

impl<D: Disk> Segments<D> {
    pub(super) fn new(segments: BTreeMap<u64, Segment<D::LogFile>>, next: Option<Segment<D::LogFile>>) -> Self {
        assert!(!segments.is_empty());
        let next = next.map_or(Next::Missing, Next::Ready);
        Self {
            segments: RefCell::new(segments),
            next: RefCell::new(next),
            is_next_wanted: Cell::new(false),
            spare: Cell::new(Spare::None),
        }
    }

    pub(super) fn first(&self) -> u64 {
        self.segments.borrow().first_key_value().map_or(0, |(first, _)| *first)
    }

    /// End of the last segment, where the next one begins.
    pub(super) fn end(&self) -> u64 {
        self.segments.borrow().last_key_value().map_or(0, |(first, segment)| first + segment.bytes)
    }

    /// Bytes of the smallest segment that an append may still go to.
    pub(super) fn smallest_ahead(&self) -> u64 {
        let last = self.segments.borrow().last_key_value().map_or(0, |(_, segment)| segment.bytes);
        if let Next::Ready(next) = &*self.next.borrow() { last.min(next.bytes) } else { last }
    }

    pub(super) fn table(&self) -> Vec<(u64, u64)> {
        self.segments.borrow().iter().map(|(first, segment)| (*first, segment.bytes)).collect()
    }

    /// Physical offset of the first byte of the segment that holds `position`.
    pub(super) fn start_of(&self, position: u64) -> u64 {
        self.segments.borrow().range(..=position).next_back().map_or(0, |(first, _)| *first)
    }

    /// The file that holds `position`, and the physical offset of its first byte.
    pub(super) fn file_of(&self, position: u64) -> (Rc<D::LogFile>, u64) {
        self.find(position).unwrap_or_else(|| panic!("no segment holds {position}, which is in the log"))
    }

    /// As [`Self::file_of`]; `None` for what was removed or is not there yet.
    pub(super) fn find(&self, position: u64) -> Option<(Rc<D::LogFile>, u64)> {
        let segments = self.segments.borrow();
        let (first, segment) = segments.range(..=position).next_back()?;
        (position < first + segment.bytes).then(|| (segment.file.clone(), *first))
    }

    pub(super) fn end_of(&self, position: u64) -> u64 {
        let segments = self.segments.borrow();
        segments.range(..=position).next_back().map_or(0, |(first, segment)| first + segment.bytes)
    }

    pub(super) fn files_between(&self, from: u64, to: u64) -> Vec<Rc<D::LogFile>> {
        let segments = self.segments.borrow();
        let held = segments.iter().filter(|(first, segment)| **first < to && *first + segment.bytes > from);
        held.map(|(_, segment)| segment.file.clone()).collect()
    }

    /// Whether the next segment should be made now: the last one, filled up to `end`, is half full.
    pub(super) fn needs_next(&self, end: u64) -> bool {
        let is_due = || {
            let segments = self.segments.borrow();
            segments.last_key_value().is_some_and(|(first, segment)| end >= first + segment.bytes / 2)
        };
        matches!(&*self.next.borrow(), Next::Missing) && (self.is_next_wanted.get() || is_due())
    }

    pub(super) fn failed_next(&self) -> bool {
        matches!(&*self.next.borrow(), Next::Failed { .. })
    }

    /// Whether the next segment is there.
    pub(super) fn check_next(&self) -> Result<(), AppendError> {
        match &*self.next.borrow() {
            Next::Ready(_) => Ok(()),
            Next::Missing | Next::Making => {
                self.is_next_wanted.set(true);
                Err(AppendError::SegmentPending)
            }
            Next::Failed { cause } => Err(AppendError::DiskFull { cause: cause.clone() }),
        }
    }

    /// Makes the prepared segment the last one and returns its end.
    pub(super) fn start_next(&self) -> Result<u64, AppendError> {
        self.check_next()?;
        let first = self.end();
        let Next::Ready(segment) = self.next.replace(Next::Missing) else { unreachable!("checked above") };
        let end = first + segment.bytes;
        self.segments.borrow_mut().insert(first, segment);
        Ok(end)
    }

    /// Makes the next segment: from the spare file if there is one of the right size, else a new one.
    pub(super) async fn prepare_next(&self, disk: &D, bytes: u64, prewrite: bool) -> Result<(), StorageError> {
        if matches!(&*self.next.borrow(), Next::Ready(_) | Next::Making) {
            return Ok(());
        }
        self.next.replace(Next::Making);
        self.is_next_wanted.set(false);
        let end = self.end();
        let path = segment_path(end);
        match self.make_segment(disk, &path, bytes, prewrite).await {
            Ok(segment) if self.end() != end => {
                // The log went back meanwhile: nothing follows there.
                drop(segment);
                self.next.replace(Next::Missing);
                disk.remove(&path).await.map_err(StorageError::io("remove", path))
            }
            Ok(segment) => {
                self.next.replace(Next::Ready(segment));
                Ok(())
            }
            Err(error) => {
                // Half a file would be found by the next recovery, which removes it; here the room matters.
                let _ = disk.remove(&path).await;
                self.next.replace(Next::Failed { cause: error.to_string() });
                Err(error)
            }
        }
    }

    async fn make_segment(
        &self,
        disk: &D,
        path: &str,
        bytes: u64,
        prewrite: bool,
    ) -> Result<Segment<D::LogFile>, StorageError> {
        if self.spare.get() == Spare::Ready {
            self.spare.set(Spare::InUse);
            let reused = reuse_spare(disk, path, bytes).await;
            self.spare.set(Spare::None);
            if let Some(segment) = reused? {
                return Ok(segment);
            }
        }
        create_segment(disk, path, bytes, prewrite).await
    }

    /// Keeps everybody from making a segment until [`Self::become_like`] or [`Self::release`]. False: one is being made.
    pub(super) fn hold(&self) -> bool {
        if matches!(&*self.next.borrow(), Next::Making) {
            return false;
        }
        self.next.replace(Next::Making);
        true
    }

    /// Ends a hold that led to nothing.
    pub(super) fn release(&self) {
        self.next.replace(Next::Missing);
    }

    /// The segments are those of `other` from here on; the files of those before are gone.
    pub(super) fn become_like(&self, other: Self) {
        self.segments.replace(other.segments.into_inner());
        self.next.replace(other.next.into_inner());
        self.is_next_wanted.set(false);
        self.spare.set(Spare::None);
    }

    /// Removes the segments that begin behind `position`, but the first of them is the next one again.
    pub(super) async fn remove_behind(&self, disk: &D, position: u64) -> Result<(), StorageError> {
        let mut behind = self.segments.borrow_mut().split_off(&(position + 1));
        if behind.is_empty() {
            return Ok(());
        }
        let mut paths: Vec<String> = behind.keys().skip(1).map(|first| segment_path(*first)).collect();
        let (last, segment) = behind.last_key_value().map_or((0, 0), |(first, segment)| (*first, segment.bytes));
        let first = behind.pop_first().map(|(_, segment)| segment);
        let is_being_made = matches!(&*self.next.borrow(), Next::Making);
        if is_being_made {
            // Whoever makes it removes it: see `prepare_next`. The first one behind goes too, its place is taken.
            paths.insert(0, segment_path(self.end()));
        } else if let Next::Ready(_) = self.next.replace(first.map_or(Next::Missing, Next::Ready)) {
            paths.push(segment_path(last + segment));
        }
        // The last one goes first: a crash in between must leave no hole.
        for path in paths.iter().rev() {
            disk.remove(path).await.map_err(StorageError::io("remove", path))?;
        }
        disk.sync_directory(DIRECTORY).await.map_err(StorageError::io("sync", DIRECTORY))
    }

    /// Removes the oldest segment if it ends at or below `position` and is not the last.
    pub(super) async fn remove_oldest_below(&self, disk: &D, position: u64) -> Result<Option<u64>, StorageError> {
        let oldest = {
            let segments = self.segments.borrow();
            let Some((first, segment)) = segments.first_key_value().filter(|_| segments.len() > 1) else {
                return Ok(None);
            };
            if first + segment.bytes > position {
                return Ok(None);
            }
            *first
        };
        // Out of the table first: a reader that comes now is told that it is gone, never given half of it.
        let Some(segment) = self.segments.borrow_mut().remove(&oldest) else { return Ok(None) };
        let path = segment_path(oldest);
        if let Err(error) = self.remove_file(disk, &path).await {
            // The oldest one goes first, or a restart would find a hole.
            self.segments.borrow_mut().insert(oldest, segment);
            return Err(error);
        }
        disk.sync_directory(DIRECTORY).await.map_err(StorageError::io("sync", DIRECTORY))?;
        Ok(Some(self.first()))
    }

    async fn remove_file(&self, disk: &D, path: &str) -> Result<(), StorageError> {
        if self.spare.get() == Spare::None {
            self.spare.set(Spare::InUse);
            let renamed = disk.rename(path, SPARE).await;
            self.spare.set(if renamed.is_ok() { Spare::Ready } else { Spare::None });
            if renamed.is_ok() {
                return Ok(());
            }
        }
        disk.remove(path).await.map_err(StorageError::io("remove", path))
    }
}

async fn reuse_spare<D: Disk>(disk: &D, path: &str, bytes: u64) -> Result<Option<Segment<D::LogFile>>, StorageError> {
    let spare = match disk.open_log(SPARE).await {
        Ok(spare) => spare,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StorageError::io("open", SPARE)(error)),
    };
    if spare.length().await.map_err(StorageError::io("measure", SPARE))? != bytes {
        drop(spare);
        disk.remove(SPARE).await.map_err(StorageError::io("remove", SPARE))?;
        return Ok(None);
    }
    disk.rename(SPARE, path).await.map_err(StorageError::io("rename to", path))?;
    disk.sync_directory(DIRECTORY).await.map_err(StorageError::io("sync", DIRECTORY))?;
    Ok(Some(Segment { file: Rc::new(spare), bytes }))
}

/// Makes a segment file whose blocks are reserved, durably, before anything is appended to it. With `prewrite` they are
/// written too: a data sync or stable write of what is appended later then has no file system journal to wait for.
pub(super) async fn create_segment<D: Disk>(
    disk: &D,
    path: &str,
    bytes: u64,
    prewrite: bool,
) -> Result<Segment<D::LogFile>, StorageError> {
    let file = disk.create_log(path).await.map_err(StorageError::io("create", path))?;
    file.allocate(bytes).await.map_err(StorageError::io("reserve the blocks of", path))?;
    if prewrite {
        write_zeros(disk, &file, bytes).await.map_err(StorageError::io("write to", path))?;
    }
    file.sync_data().await.map_err(StorageError::io("sync", path))?;
    disk.sync_directory(DIRECTORY).await.map_err(StorageError::io("sync", DIRECTORY))?;
    Ok(Segment { file: Rc::new(file), bytes })
}

async fn write_zeros<D: Disk>(disk: &D, file: &D::LogFile, bytes: u64) -> io::Result<()> {
    let mut at = 0;
    while at < bytes {
        at += write_zeros_piece(disk, file, at, bytes).await?;
    }
    Ok(())
}

/// Writes the zeros of one piece from `at` on, none at or behind `end`; how many.
pub(super) async fn write_zeros_piece<D: Disk>(disk: &D, file: &D::LogFile, at: u64, end: u64) -> io::Result<u64> {
    let piece = PREWRITE_BYTES.min((end - at) as usize);
    let mut zeros = disk.buffer(piece);
    zeros.as_mut().fill(0);
    if file.write_at(at, Rc::new(zeros)).await? != piece {
        return Err(io::ErrorKind::WriteZero.into());
    }
    Ok(piece as u64)
}
