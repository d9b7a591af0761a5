//! Opening a log: find its end, tell a torn write from damage, take what the ring still has.
//!
//! From the checkpoint's position on, entries are read while each continues the one before it exactly: position,
//! index, term not lower, both checksums. Where that ends, the log ends, unless something says the bytes there had
//! been on stable storage: the checkpoint, an entry before or a sound entry header found behind. Then it is damage,
//! and opening is refused. What is cut off is written over; entries made later carry a higher term, so leftovers
//! behind them never continue the log.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use super::append::{BUFFER_BYTES_MAX, LogPosition, Tail};
use super::entry::{EntryHeader, EntryKind, HEADER_BYTES, LogId, MAGIC, crc_of};
use super::read::ReadAhead;
use super::roll::{Segment, Segments, create_segment, segment_path};
use super::turns::Turns;
use super::{Cache, CommitLog, DIRECTORY, LogOptions, UNSYNCED_BYTES_MAX};
use crate::error::{DamageReason, StorageError};
use crate::file::{BLOCK_BYTES, Disk, LogFile, align_down, align_up};
use crate::ring::Ring;

/// Bytes of one sequential read.
const SCAN_BYTES: usize = 2 << 20;
/// A torn write leaves sound entries at most this far behind the first hole.
const LOOK_AHEAD_BYTES: u64 = UNSYNCED_BYTES_MAX + (32 << 20);

/// What the checkpoint knows of the log.
#[derive(Copy, Clone, Debug)]
pub struct RecoverFrom {
    /// Entries below this are reflected in the checkpoint.
    pub start: LogPosition,
    /// The log below this was on stable storage.
    pub stable: u64,
}

/// What opening found, for the start-up log and tests.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LogRecovery {
    /// Where reading began.
    pub from: u64,
    /// Where the log in the files ended.
    pub files_end: u64,
    /// Where it ends with what the ring added.
    pub end: u64,
    /// Entries read from files.
    pub entries: u64,
    /// Entries taken from the ring.
    pub ring_entries: u64,
    /// Why reading the files ended, if bytes were there.
    pub torn: Option<DamageReason>,
    /// Sound entry headers behind the end, cut off.
    pub cut_entries: u64,
    /// Highest term seen anywhere.
    pub term: u64,
    /// Of a replicated log: entries are missing that had been on stable storage, and that other replicas may rely on.
    pub may_have_forgotten: bool,
}

struct Scan {
    at: LogPosition,
    stable: u64,
    entries: u64,
    /// Why the entry at `at` could not be read.
    stopped: DamageReason,
}

impl<D: Disk> CommitLog<D> {
    /// Opens the log, handing every entry from `from` on to `visit` in order: its header and its payload.
    /// With `ring`, entries that continue the files are taken from it and written before this returns; only those of
    /// `ring_term` if it is given.
    /// A replicated log is opened in spite of damage, up to where it is sound: see [`LogRecovery::may_have_forgotten`].
    /// # Errors
    /// Damage below what was on stable storage, a missing segment, or I/O; the files are as they were.
    pub async fn open(
        disk: D,
        id: LogId,
        options: LogOptions,
        from: Option<RecoverFrom>,
        ring: Option<Box<dyn Ring>>,
        ring_term: Option<u64>,
        mut visit: impl FnMut(&EntryHeader, &[u8]) -> Result<(), DamageReason>,
    ) -> Result<(Self, LogRecovery), StorageError> {
        assert!(options.segment_bytes.is_multiple_of(BLOCK_BYTES as u64));
        disk.create_directory(DIRECTORY).await.map_err(StorageError::io("create", DIRECTORY))?;
        let mut segments = open_segments(&disk).await?;
        let from = start_of(&segments, from)?;
        let mut scan = scan_files(id, &segments, from, &mut visit).await?;
        let behind = look_behind(id, &segments, scan.at).await?;
        // Entries of a copied log say what was stable on another machine's disk. An end that was taken back may lie below
        // what the checkpoint says.
        let stable = if options.is_copied { from.stable.min(scan.at.position) } else { scan.stable.max(behind.stable) };
        if stable > scan.at.position && !options.is_replicated {
            let (file, at) = locate(&segments, scan.at.position);
            return Err(StorageError::Damaged { file, at, reason: scan.stopped, stable });
        }
        if scan.stopped == DamageReason::HeaderCrc
            && !options.is_replicated
            && scan.at.position.is_multiple_of(BLOCK_BYTES as u64)
        {
            // A header at the start of a block is written as a whole or not at all, so this one is no torn write.
            let (path, at) = locate(&segments, scan.at.position);
            let what =
                format!("the entry header at byte {at} does not match its checksum: it is damaged or another store's");
            return Err(StorageError::Malformed { path, what });
        }
        let mut report = LogRecovery {
            from: from.start.position,
            files_end: scan.at.position,
            entries: scan.entries,
            torn: behind.has_bytes.then_some(scan.stopped),
            cut_entries: behind.entries,
            term: behind.term.max(scan.at.term),
            ..LogRecovery::default()
        };
        let end_position = scan.at.position;
        let CutSegments { next, is_last_new } =
            cut_segments(&disk, &mut segments, end_position, options.segment_bytes).await?;
        // A filler ended the last segment: the log goes on at the start of the one behind it.
        scan.at.position = end_position.max(segments.first_key_value().map_or(0, |(first, _)| *first));
        let first = first_at(&segments, scan.at.position);
        let carry = read_carry(first, &segments[&first], scan.at.position).await?;
        let segments = Segments::new(segments, next);
        let mut tail = Tail::new(id, scan.at, segments.end_of(scan.at.position), carry);
        if options.is_replicated {
            tail.keep_made();
        }
        let log = Self {
            disk,
            id: Cell::new(id),
            options,
            tail: RefCell::new(tail),
            segments,
            cache: RefCell::new(Cache::new()),
            read_ahead: ReadAhead::new(),
            written: Cell::new(scan.at.position),
            stable: Cell::new(stable.min(scan.at.position)),
            committed: Cell::new(from.start.position),
            cut: Cell::default(),
            turns: Turns::default(),
            failure: RefCell::new(None),
            prewritten: Cell::new(is_last_new.then_some(scan.at.position)),
            zeroing_from: Cell::new(u64::MAX),
        };
        log.write_unsynced_again().await?;
        if let Some(ring) = &ring {
            report.ring_entries = log.adopt_from_ring(&**ring, ring_term, &mut visit).await?;
        }
        log.flush().await?;
        log.sync().await?;
        let mut tail = log.tail.borrow_mut();
        tail.set_ring(ring);
        report.end = tail.end();
        // A single write is torn at most, so what is sound further on had been written after it was stable.
        let torn_end = report.end + BUFFER_BYTES_MAX as u64;
        // Nearer, a sound entry stands behind damage, or behind a hole in the write that was torn: this replica cannot tell
        // which, and the others have what it confirmed.
        // What was taken back before the last entry came is of a lower term.
        let is_followed = behind.entries > 0 && behind.newest >= (tail.sealed().term, report.end);
        report.may_have_forgotten =
            options.is_replicated && (stable > report.end || behind.last > torn_end || is_followed);
        report.term = report.term.max(tail.sealed().term);
        drop(tail);
        Ok((log, report))
    }

    /// Writes what may not be on stable storage once more. The process before may have seen a sync of it fail; then
    /// the next sync succeeds without it, though reads still find it.
    async fn write_unsynced_again(&self) -> Result<(), StorageError> {
        let mut position = align_down(self.stable.get());
        while position < self.written.get() {
            let (file, first) = self.segments.file_of(position);
            let end = align_up(self.written.get()).min(self.segments.end_of(position));
            let bytes = (end - position).min(SCAN_BYTES as u64);
            let read = file.read_at(position - first, bytes as usize).await;
            let held = read.map_err(StorageError::io("read from", segment_path(first)))?;
            let mut buffer = self.disk.buffer(bytes as usize);
            buffer.as_mut().copy_from_slice(&(*held).as_ref()[..bytes as usize]);
            let written = file.write_at(position - first, Rc::new(buffer)).await;
            let written = written.map_err(StorageError::io("write to", segment_path(first)))?;
            if written as u64 != bytes {
                let short = std::io::Error::new(std::io::ErrorKind::WriteZero, "the write stayed short");
                return Err(StorageError::io("write to", segment_path(first))(short));
            }
            position += bytes;
        }
        Ok(())
    }

    /// Starts a term above all that entries of this log may carry. Entries left behind its end never pass for its
    /// continuation then. The caller has made the term durable.
    pub fn start_term(&self, term: u64) {
        self.tail.borrow_mut().set_term(term);
    }

    async fn adopt_from_ring(
        &self,
        ring: &dyn Ring,
        ring_term: Option<u64>,
        visit: &mut impl FnMut(&EntryHeader, &[u8]) -> Result<(), DamageReason>,
    ) -> Result<u64, StorageError> {
        let mut adopted = 0;
        let mut bytes = Vec::new();
        loop {
            let at = self.end();
            let segment_end = self.segments.end_of(at.position);
            bytes.resize(HEADER_BYTES, 0);
            ring.read(at.position, &mut bytes);
            let Ok(header) = EntryHeader::decode(self.id.get(), at.position, &bytes) else { return Ok(adopted) };
            // A filler has the term of the entry before it, which may be of the run before.
            if header.kind != EntryKind::Filler && ring_term.is_some_and(|term| header.term != term) {
                return Ok(adopted);
            }
            if header.kind == EntryKind::Filler {
                if continues(&header, at).is_err() || header.end() != segment_end {
                    return Ok(adopted);
                }
                self.prepare_next_segment().await?;
                let Ok(next_end) = self.segments.start_next() else { return Ok(adopted) };
                self.tail.borrow_mut().adopt_filler(&header, next_end, |bytes| self.disk.buffer(bytes));
                self.flush().await?;
                continue;
            }
            let whole = HEADER_BYTES + header.payload_bytes as usize;
            let fits = whole as u64 <= ring.capacity() && header.end() + HEADER_BYTES as u64 <= segment_end;
            if !fits || continues(&header, at).is_err() {
                return Ok(adopted);
            }
            bytes.resize(whole, 0);
            ring.read(at.position, &mut bytes);
            let payload = &bytes[HEADER_BYTES..];
            if header.check_payload(payload).is_err() {
                return Ok(adopted);
            }
            let (_, first) = self.segments.file_of(at.position);
            visit(&header, payload).map_err(|reason| unreadable(&header, first, reason))?;
            self.tail.borrow_mut().adopt(&header, &bytes, |bytes| self.disk.buffer(bytes));
            adopted += 1;
            if self.waiting_bytes() > SCAN_BYTES as u64 {
                self.flush().await?;
            }
        }
    }
}

/// Opens all segment files and checks that they form one log.
async fn open_segments<D: Disk>(disk: &D) -> Result<BTreeMap<u64, Segment<D::LogFile>>, StorageError> {
    let names = disk.list(DIRECTORY).await.map_err(StorageError::io("list", DIRECTORY))?;
    let mut firsts: Vec<u64> = names.iter().filter_map(|name| segment_first(name)).collect();
    firsts.sort_unstable();
    let mut segments = BTreeMap::new();
    for (at, first) in firsts.iter().enumerate() {
        let path = segment_path(*first);
        let file = disk.open_log(&path).await.map_err(StorageError::io("open", &path))?;
        let bytes = file.length().await.map_err(StorageError::io("measure", &path))?;
        let is_last = at + 1 == firsts.len();
        if is_last && (bytes == 0 || bytes % BLOCK_BYTES as u64 != 0) {
            // Its blocks were never all reserved, so nothing was ever appended to it.
            drop(file);
            disk.remove(&path).await.map_err(StorageError::io("remove", &path))?;
            break;
        }
        if let Some((before, segment)) = segments.last_key_value()
            && before + Segment::<D::LogFile>::bytes_of(segment) != *first
        {
            let missing = segment_path(before + Segment::<D::LogFile>::bytes_of(segment));
            return Err(StorageError::MissingSegment { missing, before: segment_path(*before), after: path });
        }
        segments.insert(*first, Segment { file: Rc::new(file), bytes });
    }
    // The process before may have died while it made the last one.
    if let Some((first, last)) = segments.last_key_value() {
        last.file.sync_data().await.map_err(StorageError::io("sync", segment_path(*first)))?;
    }
    disk.sync_directory(DIRECTORY).await.map_err(StorageError::io("sync", DIRECTORY))?;
    Ok(segments)
}

impl<F> Segment<F> {
    fn bytes_of(segment: &Self) -> u64 {
        segment.bytes
    }
}

pub(crate) fn segment_first(name: &str) -> Option<u64> {
    let is_segment = name.len() == 20 && name.bytes().all(|byte| byte.is_ascii_digit());
    is_segment.then(|| name.parse().ok()).flatten()
}

fn start_of<F>(segments: &BTreeMap<u64, Segment<F>>, from: Option<RecoverFrom>) -> Result<RecoverFrom, StorageError> {
    let first = segments.first_key_value().map_or(0, |(first, _)| *first);
    let end = segments.last_key_value().map_or(0, |(first, segment)| first + segment.bytes);
    let Some(from) = from else {
        if first == 0 {
            return Ok(RecoverFrom { start: LogPosition { position: 0, index: 0, term: 0, previous: 0 }, stable: 0 });
        }
        return Err(StorageError::CheckpointLost { first, why: "there is none".to_owned() });
    };
    let position = from.start.position;
    if position < first || position > end {
        let what = format!("it continues at physical offset {position}, the log's segments hold {first}..{end}");
        return Err(StorageError::Malformed { path: "checkpoint".to_owned(), what });
    }
    Ok(from)
}

async fn scan_files<F: LogFile>(
    id: LogId,
    segments: &BTreeMap<u64, Segment<F>>,
    from: RecoverFrom,
    visit: &mut impl FnMut(&EntryHeader, &[u8]) -> Result<(), DamageReason>,
) -> Result<Scan, StorageError> {
    let mut scan = Scan { at: from.start, stable: from.stable, entries: 0, stopped: DamageReason::CutShort };
    for (first, segment) in segments.range(first_at(segments, from.start.position)..) {
        let mut reader = SegmentReader::new(*first, segment, scan.at.position.max(*first));
        loop {
            match next_entry(id, &mut reader, &mut scan, visit).await? {
                Step::Entry => {}
                Step::SegmentEnd => break,
                Step::Stop(reason) => {
                    scan.stopped = reason;
                    return Ok(scan);
                }
            }
        }
    }
    Ok(scan)
}

fn first_at<F>(segments: &BTreeMap<u64, Segment<F>>, position: u64) -> u64 {
    segments.range(..=position).next_back().map_or(0, |(first, _)| *first)
}

enum Step {
    Entry,
    SegmentEnd,
    Stop(DamageReason),
}

async fn next_entry<F: LogFile>(
    id: LogId,
    reader: &mut SegmentReader<'_, F>,
    scan: &mut Scan,
    visit: &mut impl FnMut(&EntryHeader, &[u8]) -> Result<(), DamageReason>,
) -> Result<Step, StorageError> {
    let at = scan.at;
    if at.position == reader.end() {
        return Ok(Step::SegmentEnd);
    }
    let head = reader.bytes(at.position, HEADER_BYTES).await?;
    let header = match EntryHeader::decode(id, at.position, head).and_then(|header| {
        continues(&header, at)?;
        Ok(header)
    }) {
        Ok(header) => header,
        Err(reason) => return Ok(Step::Stop(reason)),
    };
    let previous = crc_of(head);
    if header.kind == EntryKind::Filler {
        if header.end() != reader.end() {
            return Ok(Step::Stop(DamageReason::Lengths));
        }
        scan.at = LogPosition { position: reader.end(), previous, ..scan.at };
        return Ok(Step::SegmentEnd);
    }
    if header.end() + HEADER_BYTES as u64 > reader.end() {
        return Ok(Step::Stop(DamageReason::Lengths));
    }
    let payload = reader.bytes(header.payload_position(), header.payload_bytes as usize).await?;
    if let Err(reason) = header.check_payload(payload) {
        return Ok(Step::Stop(reason));
    }
    visit(&header, payload).map_err(|reason| unreadable(&header, reader.first, reason))?;
    scan.at = LogPosition { position: header.end(), index: header.index, term: header.term, previous };
    scan.stable = scan.stable.max(header.stable);
    scan.entries += 1;
    Ok(Step::Entry)
}

/// An entry whose checksums match and whose content makes no sense was written so: never a torn write.
fn unreadable(header: &EntryHeader, first: u64, reason: DamageReason) -> StorageError {
    let at = header.position - first;
    StorageError::Damaged { file: segment_path(first), at, reason, stable: header.end() }
}

/// Whether an entry with `header` comes right after `at`.
pub(super) fn continues(header: &EntryHeader, at: LogPosition) -> Result<(), DamageReason> {
    let expected = if header.kind == EntryKind::Filler { at.index } else { at.index + 1 };
    if header.index != expected {
        return Err(DamageReason::Index { expected, found: header.index });
    }
    if header.term < at.term {
        return Err(DamageReason::Term { before: at.term, found: header.term });
    }
    if header.previous != at.previous {
        return Err(DamageReason::Previous);
    }
    Ok(())
}

/// What lies behind the log's end.
#[derive(Default)]
struct Behind {
    has_bytes: bool,
    entries: u64,
    stable: u64,
    term: u64,
    /// Physical offset of the last sound header.
    last: u64,
    /// Highest term, and the last sound header of it.
    newest: (u64, u64),
}

impl<D: Disk> CommitLog<D> {
    /// Reads the entries of `from..to` again, both ends of entries; `from` may be the start of the oldest segment.
    /// # Errors
    /// Damage, wherever it is: all of this is on stable storage.
    pub async fn read_entries(
        &self,
        from: u64,
        to: u64,
        mut visit: impl FnMut(&EntryHeader, &[u8]) -> Result<(), DamageReason>,
    ) -> Result<(), StorageError> {
        let mut position = from;
        while position < to {
            let (file, first) = self.segments.file_of(position);
            let segment = Segment { file, bytes: self.segments.end_of(position) - first };
            let damaged = |position: u64, reason| StorageError::Damaged {
                file: segment_path(first),
                at: position - first,
                reason,
                stable: to,
            };
            let mut reader = SegmentReader::new(first, &segment, position);
            while position < to.min(reader.end()) {
                let head = reader.bytes(position, HEADER_BYTES).await?;
                let header =
                    EntryHeader::decode(self.id.get(), position, head).map_err(|reason| damaged(position, reason))?;
                if header.kind != EntryKind::Filler {
                    let payload = reader.bytes(header.payload_position(), header.payload_bytes as usize).await?;
                    header.check_payload(payload).map_err(|reason| damaged(position, reason))?;
                    visit(&header, payload).map_err(|reason| damaged(position, reason))?;
                }
                position = header.end();
            }
        }
        Ok(())
    }
}

/// Looks for sound entry headers behind the end that would follow it: they tell how far the log had been stable.
/// Headers of a lower index are leftovers of a recycled segment and say nothing.
async fn look_behind<F: LogFile>(
    id: LogId,
    segments: &BTreeMap<u64, Segment<F>>,
    end: LogPosition,
) -> Result<Behind, StorageError> {
    let mut behind = Behind::default();
    let mut left = LOOK_AHEAD_BYTES;
    for (first, segment) in segments.range(first_at(segments, end.position)..) {
        let segment_end = first + segment.bytes;
        let mut position = end.position.max(*first);
        if position == end.position && position < segment_end {
            let mut reader = SegmentReader::new(*first, segment, position);
            let head = reader.bytes(position, HEADER_BYTES.min((segment_end - position) as usize)).await?;
            behind.has_bytes |= head.iter().any(|byte| *byte != 0);
        }
        while position < segment_end && left > 0 {
            let bytes = SCAN_BYTES.min((segment_end - position) as usize);
            // Windows overlap by a header, so that one across their border is seen whole.
            let with_overlap = (bytes + HEADER_BYTES).min((segment_end - position) as usize);
            let mut reader = SegmentReader::new(*first, segment, position);
            let window = reader.bytes(position, with_overlap).await?;
            for found in memchr::memmem::find_iter(window, &MAGIC.to_be_bytes()) {
                let at = position + found as u64;
                let Ok(header) = EntryHeader::decode(id, at, &window[found..]) else { continue };
                // Terms never go down: one of a lower term was taken back, or cut off.
                if found < bytes && header.index > end.index && header.term >= end.term {
                    behind.entries += 1;
                    behind.last = at;
                    behind.newest = behind.newest.max((header.term, at));
                    behind.stable = behind.stable.max(header.stable);
                    behind.term = behind.term.max(header.term);
                }
            }
            position += bytes as u64;
            left = left.saturating_sub(bytes as u64);
        }
    }
    behind.has_bytes |= behind.entries > 0;
    Ok(behind)
}

fn locate<F>(segments: &BTreeMap<u64, Segment<F>>, position: u64) -> (String, u64) {
    let first = first_at(segments, position);
    (segment_path(first), position - first)
}

struct CutSegments<F> {
    next: Option<Segment<F>>,
    /// The last one was made just now; nothing of it is written.
    is_last_new: bool,
}

/// Keeps the segments up to the one that holds `end`, one behind it as the prepared next one, and removes the others.
async fn cut_segments<D: Disk>(
    disk: &D,
    segments: &mut BTreeMap<u64, Segment<D::LogFile>>,
    end: u64,
    segment_bytes: u64,
) -> Result<CutSegments<D::LogFile>, StorageError> {
    let mut behind: Vec<u64> = segments.range(end + 1..).map(|(first, _)| *first).collect();
    let ends_log = segments.last_key_value().is_none_or(|(first, segment)| first + segment.bytes == end);
    if ends_log {
        // Not written ahead: the start does not wait for that. See `CommitLog::prewrite_piece`.
        let segment = create_segment(disk, &segment_path(end), segment_bytes, false).await?;
        segments.insert(end, segment);
        return Ok(CutSegments { next: None, is_last_new: true });
    }
    behind.sort_unstable();
    let next = behind.first().and_then(|first| segments.remove(first));
    // The last one goes first: a crash in between must leave no hole.
    for first in behind.iter().skip(1).rev() {
        segments.remove(first);
        let path = segment_path(*first);
        disk.remove(&path).await.map_err(StorageError::io("remove", &path))?;
    }
    disk.sync_directory(DIRECTORY).await.map_err(StorageError::io("sync", DIRECTORY))?;
    Ok(CutSegments { next, is_last_new: false })
}

/// What the segment that begins at `first` holds before `end` in its block.
pub(super) async fn read_carry<F: LogFile>(
    first: u64,
    segment: &Segment<F>,
    end: u64,
) -> Result<Vec<u8>, StorageError> {
    let bytes = (end - align_down(end)) as usize;
    if bytes == 0 {
        return Ok(Vec::new());
    }
    let mut reader = SegmentReader::new(first, segment, align_down(end));
    Ok(reader.bytes(align_down(end), bytes).await?.to_vec())
}

/// Reads one segment forward in large aligned reads.
struct SegmentReader<'a, F: LogFile> {
    first: u64,
    segment: &'a Segment<F>,
    /// Physical offset of the first byte of `window`.
    start: u64,
    window: Vec<u8>,
}

impl<'a, F: LogFile> SegmentReader<'a, F> {
    fn new(first: u64, segment: &'a Segment<F>, position: u64) -> Self {
        Self { first, segment, start: align_down(position), window: Vec::new() }
    }

    fn end(&self) -> u64 {
        self.first + self.segment.bytes
    }

    /// The bytes at `position`, not before an earlier call's.
    async fn bytes(&mut self, position: u64, bytes: usize) -> Result<&[u8], StorageError> {
        let end = position + bytes as u64;
        assert!(position >= self.start && end <= self.end(), "{position}+{bytes} is outside the window or segment");
        if end > self.start + self.window.len() as u64 {
            let keep = align_down(position);
            let drop_bytes = (keep - self.start).min(self.window.len() as u64) as usize;
            self.window.drain(..drop_bytes);
            self.start = if self.window.is_empty() { keep } else { self.start + drop_bytes as u64 };
            let from = self.start + self.window.len() as u64;
            let until = align_up(end.max(from + SCAN_BYTES as u64)).min(self.end());
            self.fill(from, (until - from) as usize).await?;
        }
        let from = (position - self.start) as usize;
        Ok(&self.window[from..from + bytes])
    }

    async fn fill(&mut self, from: u64, bytes: usize) -> Result<(), StorageError> {
        let path = || segment_path(self.first);
        let read = self.segment.file.read_at(from - self.first, bytes).await;
        let memory = read.map_err(StorageError::io("read from", path()))?;
        let held = (*memory).as_ref();
        if held.len() < bytes {
            let what = format!("it ends {} bytes early", bytes - held.len());
            return Err(StorageError::Malformed { path: path(), what });
        }
        self.window.extend_from_slice(&held[..bytes]);
        Ok(())
    }
}
