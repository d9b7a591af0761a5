//! The tail of the log in memory: where entries are made, before and while they are written.
//!
//! Nothing here does I/O. A unit (one message record, or the records of one batch) is encoded straight into a
//! block-aligned buffer; [`Tail::seal`] closes the entry that collects units and mirrors it to the ring;
//! [`Tail::freeze`] hands the buffer over for writing. The partly filled last block of a frozen buffer is carried into
//! the next one, so every write is whole blocks and rewrites the same leading bytes.

use std::collections::VecDeque;
use std::rc::Rc;

use super::entry::{EntryHeader, EntryKind, HEADER_BYTES, LogId, crc_of};
use super::newest::Stretch;
use crate::file::{AlignedBuffer, BLOCK_BYTES, align_down};
use crate::ring::Ring;

/// An entry is closed when it has grown to this; only a single longer unit makes it longer.
const ENTRY_BYTES_TARGET: usize = 256 << 10;
/// Longest entry, bytes with header: a whole frame of the protocol and what the broker adds to it.
pub const ENTRY_BYTES_MAX: usize = 20 << 20;
/// A buffer that collects many units grows to at most this, so that one write is neither tiny nor a stall.
pub(super) const BUFFER_BYTES_MAX: usize = 1 << 20;
const BUFFER_BYTES_MIN: usize = 2 * BLOCK_BYTES;
/// Of the place for the next unit, no more than this is fetched ahead.
const PREFETCH_BYTES_MAX: usize = 2 << 10;
/// A control record inside an entry: length u32, then its bytes.
const CONTROL_LENGTH_BYTES: usize = 4;

/// Appends to `framed` a control record as it stands in an entry; `encode` appends its bytes, which are not none.
pub fn frame_control(framed: &mut Vec<u8>, encode: impl FnOnce(&mut Vec<u8>)) {
    let at = framed.len();
    framed.extend_from_slice(&[0; CONTROL_LENGTH_BYTES]);
    encode(framed);
    let bytes = framed.len() - at - CONTROL_LENGTH_BYTES;
    assert!(bytes > 0);
    framed[at..at + CONTROL_LENGTH_BYTES].copy_from_slice(&(bytes as u32).to_be_bytes());
}

/// Bytes of one control record that takes as much of an entry as all those in `framed`.
pub(super) fn unframed_bytes(framed: &[u8]) -> usize {
    assert!(framed.len() > CONTROL_LENGTH_BYTES);
    framed.len() - CONTROL_LENGTH_BYTES
}

const _: () = assert!(ENTRY_BYTES_TARGET < BUFFER_BYTES_MAX && BUFFER_BYTES_MAX.is_multiple_of(BLOCK_BYTES));

/// A piece of the log in memory that no longer changes.
pub struct LogBuffer<B> {
    /// Physical offset of its first byte, block-aligned.
    start: u64,
    /// Physical offset of the first byte that the buffer before it does not hold.
    first: u64,
    /// Physical offset behind its last byte.
    end: u64,
    /// Physical offset up to which the log is complete once this is written: behind `end` where a filler ends it.
    covers: u64,
    /// Bytes of memory behind it, filled or not.
    allocated: usize,
    memory: Rc<B>,
}

impl<B: AlignedBuffer> LogBuffer<B> {
    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    pub(crate) fn covers(&self) -> u64 {
        self.covers
    }

    pub(crate) fn allocated(&self) -> usize {
        self.allocated
    }

    pub(crate) fn memory(&self) -> &Rc<B> {
        &self.memory
    }

    /// The same without what lies behind `position`.
    pub(crate) fn cut(&self, position: u64) -> Self {
        let (end, covers) = (self.end.min(position), self.covers.min(position));
        let &Self { start, first, allocated, .. } = self;
        Self { start, first, end, covers, allocated, memory: self.memory.clone() }
    }

    /// All that it holds and the buffer before it does not.
    pub(super) fn stretch(&self) -> Stretch<'_> {
        let held = (self.first - self.start) as usize..(self.end - self.start) as usize;
        Stretch { first: self.first, bytes: &(*self.memory).as_ref()[held] }
    }

    /// The bytes from `position` on, if all of them lie in this buffer.
    pub(crate) fn slice(&self, position: u64, bytes: usize) -> Option<&[u8]> {
        if position < self.first || position + bytes as u64 > self.end {
            return None;
        }
        let from = (position - self.start) as usize;
        (*self.memory).as_ref().get(from..from + bytes)
    }
}

struct OpenBuffer<B> {
    start: u64,
    first: u64,
    filled: usize,
    memory: B,
}

impl<B: AlignedBuffer> OpenBuffer<B> {
    /// Bytes that it still takes; its last block is for the zeros behind them.
    fn room(&self) -> usize {
        (self.memory.as_ref().len() - BLOCK_BYTES).saturating_sub(self.filled)
    }
}

struct OpenEntry {
    /// `None`: what it holds says it.
    kind: Option<EntryKind>,
    position: u64,
    message_bytes: usize,
    message_count: u32,
    control: Vec<u8>,
}

impl OpenEntry {
    fn bytes(&self) -> usize {
        HEADER_BYTES + self.message_bytes + self.control.len()
    }
}

/// Has the processor fetch what the next unit will be written to, which is likely to be as long as the last: the memory is
/// cold, and the next request would wait for the stores to it.
#[cfg(target_arch = "x86_64")]
fn prefetch(memory: &[u8], from: usize, bytes: usize) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    const LINE_BYTES: usize = 64;
    let to = memory.len().min(from + bytes.min(PREFETCH_BYTES_MAX));
    for at in (from..to).step_by(LINE_BYTES) {
        // SAFETY: the address lies in `memory`, and nothing is read that the program would see.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(memory.as_ptr().add(at).cast()) };
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn prefetch(_memory: &[u8], _from: usize, _bytes: usize) {}

/// Where the log stands: what an entry made next will say.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct LogPosition {
    /// Physical offset of the next entry.
    pub position: u64,
    /// Index of the last entry; 0 for an empty log.
    pub index: u64,
    /// Term of the last entry.
    pub term: u64,
    /// CRC of the last header, a filler's included; 0 for an empty log.
    pub previous: u32,
}

/// The growing end of the log. See the module's text.
pub(crate) struct Tail<B> {
    id: LogId,
    /// Term of entries made here from now on.
    term: u64,
    /// Index and term of the last entry, and the CRC of the last header.
    index: u64,
    last_term: u64,
    previous: u32,
    /// End of everything appended, the open entry included.
    end: u64,
    /// End of the last sealed entry.
    sealed: u64,
    /// Stamped into headers: the log below it is on stable storage.
    stable: u64,
    /// End of the segment that `end` lies in.
    segment_end: u64,
    entry: Option<OpenEntry>,
    spare_control: Vec<u8>,
    open: Option<OpenBuffer<B>>,
    frozen: VecDeque<Rc<LogBuffer<B>>>,
    /// The bytes before `end` in its block, while no buffer is open.
    carry: Vec<u8>,
    /// Bytes of the last frozen buffer: how large the next one should be.
    frozen_bytes: usize,
    /// Headers of entries made here, if somebody takes them: see [`Self::keep_made`].
    made: Option<Vec<EntryHeader>>,
    ring: Option<Box<dyn Ring>>,
}

impl<B: AlignedBuffer> Tail<B> {
    /// A tail that continues a log at `at`; `carry` is what its last block holds before that.
    pub(crate) fn new(id: LogId, at: LogPosition, segment_end: u64, carry: Vec<u8>) -> Self {
        assert_eq!(carry.len() as u64, at.position - align_down(at.position));
        Self {
            id,
            term: at.term,
            index: at.index,
            last_term: at.term,
            previous: at.previous,
            end: at.position,
            sealed: at.position,
            stable: 0,
            segment_end,
            entry: None,
            spare_control: Vec::new(),
            open: None,
            frozen: VecDeque::new(),
            carry,
            frozen_bytes: 0,
            made: None,
            ring: None,
        }
    }

    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Entries made or taken over from here on carry `id`; there are none yet.
    pub(crate) fn set_id(&mut self, id: LogId) {
        assert!(self.end == 0 && self.entry.is_none());
        self.id = id;
    }

    pub(crate) fn sealed(&self) -> LogPosition {
        LogPosition { position: self.sealed, index: self.index, term: self.last_term, previous: self.previous }
    }

    pub(crate) fn set_term(&mut self, term: u64) {
        assert!(term >= self.last_term && self.entry.is_none());
        self.term = term;
    }

    /// Continues at `at`, behind an entry that was in the log; `carry` as for [`Self::new`]. Everything is written.
    pub(crate) fn go_back(&mut self, at: LogPosition, segment_end: u64, carry: Vec<u8>) {
        let back = Self::new(self.id, at, segment_end, carry);
        let before = std::mem::replace(self, back);
        assert!(before.made.as_ref().is_none_or(Vec::is_empty), "what was made here is taken before");
        (self.term, self.ring, self.made) = (before.term, before.ring, before.made);
    }

    /// Continues as `other` does, whose log takes the place of this one's. Everything is written.
    pub(crate) fn become_like(&mut self, other: Self) {
        let before = std::mem::replace(self, other);
        assert!(before.made.as_ref().is_none_or(Vec::is_empty), "what was made here is taken before");
        self.term = self.term.max(before.term);
        (self.ring, self.made) = (before.ring, before.made);
    }

    /// From here on, the headers of sealed entries wait to be taken by [`Self::take_made`].
    pub(crate) fn keep_made(&mut self) {
        self.made = Some(Vec::new());
    }

    /// Moves the headers of the entries that were made here since the last call to the end of `headers`.
    pub(crate) fn take_made(&mut self, headers: &mut Vec<EntryHeader>) {
        if let Some(made) = &mut self.made {
            headers.append(made);
        }
    }

    pub(crate) fn segment_end(&self) -> u64 {
        self.segment_end
    }

    /// From here on, sealed entries are mirrored to `ring`.
    pub(crate) fn set_ring(&mut self, ring: Option<Box<dyn Ring>>) {
        assert!(self.entry.is_none());
        self.ring = ring;
    }

    pub(crate) fn set_stable(&mut self, stable: u64) {
        assert!(stable >= self.stable);
        self.stable = stable;
    }

    pub(crate) fn has_lost_ring(&self) -> bool {
        self.ring.as_ref().is_some_and(|ring| !ring.outlives_process())
    }

    pub(crate) fn ring_capacity(&self) -> Option<u64> {
        self.ring.as_ref().map(|ring| ring.capacity())
    }

    /// Bytes of log that a unit takes at most, its own header included.
    pub(crate) fn unit_bytes(unit: usize, control: usize) -> usize {
        let control = if control == 0 { 0 } else { CONTROL_LENGTH_BYTES + control };
        HEADER_BYTES + unit + control
    }

    /// Whether the next unit has to go to the next segment. The entry before it is sealed first in that case.
    pub(crate) fn needs_roll(&self, unit: usize, control: usize) -> bool {
        self.appended_end() + Self::unit_bytes(unit, control) as u64 + HEADER_BYTES as u64 > self.segment_end
            && !self.fits_open_entry(unit, control)
    }

    /// End of everything appended, with the control records that the open entry has yet to take in.
    pub(crate) fn appended_end(&self) -> u64 {
        self.end + self.entry.as_ref().map_or(0, |entry| entry.control.len() as u64)
    }

    fn fits_open_entry(&self, unit: usize, control: usize) -> bool {
        let (Some(entry), Some(open)) = (&self.entry, &self.open) else { return false };
        let more = Self::unit_bytes(unit, control) - HEADER_BYTES;
        let buffer_left = open.room();
        entry.bytes() + more <= ENTRY_BYTES_TARGET
            && entry.control.len() + more <= buffer_left
            && entry.position + (entry.bytes() + more + HEADER_BYTES) as u64 <= self.segment_end
    }

    /// Adds a unit of `bytes` bytes holding `count` records, and the control record that belongs to it, to the open
    /// entry; `encode` gets the physical offset of the unit's first byte and the place for it.
    /// The caller has rolled where [`Self::needs_roll`] says so.
    pub(crate) fn append<R>(
        &mut self,
        bytes: usize,
        count: u32,
        control: &[u8],
        allocate: impl FnMut(usize) -> B,
        encode: impl FnOnce(u64, &mut [u8]) -> R,
    ) -> R {
        self.open_entry_for(bytes, control.len(), allocate);
        let position = self.end;
        let (Some(entry), Some(open)) = (&mut self.entry, &mut self.open) else { unreachable!("just opened") };
        let result = encode(position, &mut open.memory.as_mut()[open.filled..open.filled + bytes]);
        open.filled += bytes;
        prefetch(open.memory.as_ref(), open.filled, bytes);
        self.end += bytes as u64;
        entry.message_bytes += bytes;
        entry.message_count += count;
        if !control.is_empty() {
            entry.control.extend_from_slice(&(control.len() as u32).to_be_bytes());
            entry.control.extend_from_slice(control);
        }
        result
    }

    /// Adds control records to the open entry, all of them to the same; `framed` is what [`frame_control`] made of them.
    /// The caller has rolled where [`Self::needs_roll`] says so of a single one of [`unframed_bytes`].
    pub(crate) fn append_framed(&mut self, framed: &[u8], allocate: impl FnMut(usize) -> B) {
        self.open_entry_for(0, unframed_bytes(framed), allocate);
        let Some(entry) = &mut self.entry else { unreachable!("just opened") };
        entry.control.extend_from_slice(framed);
    }

    /// Has the open entry take such a unit: another one, where this one does not.
    fn open_entry_for(&mut self, bytes: usize, control: usize, allocate: impl FnMut(usize) -> B) {
        assert!(Self::unit_bytes(bytes, control) <= ENTRY_BYTES_MAX);
        if !self.fits_open_entry(bytes, control) {
            self.seal();
            assert!(!self.needs_roll(bytes, control), "the caller rolls first");
            self.open_entry(Self::unit_bytes(bytes, control), allocate);
        }
    }

    fn open_entry(&mut self, bytes: usize, allocate: impl FnMut(usize) -> B) {
        self.make_room(bytes, allocate);
        let Some(open) = &mut self.open else { unreachable!("room was made") };
        open.filled += HEADER_BYTES;
        let control = std::mem::take(&mut self.spare_control);
        self.entry = Some(OpenEntry { kind: None, position: self.end, message_bytes: 0, message_count: 0, control });
        self.end += HEADER_BYTES as u64;
    }

    /// Makes the open buffer hold `bytes` more bytes, freezing it for a new one if it cannot.
    fn make_room(&mut self, bytes: usize, mut allocate: impl FnMut(usize) -> B) {
        if self.open.as_ref().is_some_and(|open| open.room() >= bytes) {
            return;
        }
        self.freeze();
        let carried = self.carry.len();
        let wanted = (2 * self.frozen_bytes).next_power_of_two().clamp(BUFFER_BYTES_MIN, BUFFER_BYTES_MAX);
        let capacity = wanted.max((carried + bytes).next_multiple_of(BLOCK_BYTES) + BLOCK_BYTES);
        let mut memory = allocate(capacity);
        memory.as_mut()[..carried].copy_from_slice(&self.carry);
        let start = self.end - carried as u64;
        self.open = Some(OpenBuffer { start, first: self.end, filled: carried, memory });
    }

    /// Adds an entry of `kind` that holds `payload` alone. The caller has sealed, and rolled where that is needed.
    pub(crate) fn append_marker(
        &mut self,
        kind: EntryKind,
        payload: &[u8],
        allocate: impl FnMut(usize) -> B,
    ) -> EntryHeader {
        self.open_entry(HEADER_BYTES + payload.len(), allocate);
        let Some(entry) = &mut self.entry else { unreachable!("just opened") };
        entry.kind = Some(kind);
        entry.control.extend_from_slice(payload);
        match self.seal() {
            Some(header) => header,
            None => unreachable!("just opened"),
        }
    }

    /// Closes the open entry: from here on it is part of the log, and in the ring.
    pub(crate) fn seal(&mut self) -> Option<EntryHeader> {
        let mut entry = self.entry.take()?;
        let Some(open) = &mut self.open else { unreachable!("an entry lies in the open buffer") };
        let control = entry.control.len();
        open.memory.as_mut()[open.filled..open.filled + control].copy_from_slice(&entry.control);
        open.filled += control;
        self.end += control as u64;
        let from = (entry.position - open.start) as usize;
        let (head, payload) = open.memory.as_mut()[from..open.filled].split_at_mut(HEADER_BYTES);
        self.index += 1;
        let header = EntryHeader {
            kind: entry.kind.unwrap_or(if entry.message_count == 0 { EntryKind::Control } else { EntryKind::Messages }),
            term: self.term,
            index: self.index,
            position: entry.position,
            stable: self.stable,
            payload_bytes: payload.len() as u32,
            message_bytes: entry.message_bytes as u32,
            message_count: entry.message_count,
            payload_crc: crc32fast::hash(payload),
            previous: self.previous,
        };
        self.previous = header.encode(self.id, head);
        self.last_term = self.term;
        if let Some(ring) = &mut self.ring {
            ring.write(entry.position, &open.memory.as_ref()[from..open.filled]);
        }
        self.sealed = self.end;
        assert_eq!(self.sealed, header.end());
        entry.control.clear();
        self.spare_control = entry.control;
        if let Some(made) = &mut self.made {
            made.push(header);
        }
        Some(header)
    }

    /// Fills the segment up and continues at its end, where the segment `next_end` ends begins.
    pub(crate) fn roll(&mut self, next_end: u64, allocate: impl FnMut(usize) -> B) {
        self.seal();
        let header = self.filler();
        self.adopt_filler(&header, next_end, allocate);
    }

    /// What fills the segment up behind the last entry.
    fn filler(&self) -> EntryHeader {
        EntryHeader {
            kind: EntryKind::Filler,
            term: self.last_term,
            index: self.index,
            position: self.end,
            stable: self.stable,
            payload_bytes: (self.segment_end - self.end) as u32 - HEADER_BYTES as u32,
            message_bytes: 0,
            message_count: 0,
            payload_crc: 0,
            previous: self.previous,
        }
    }

    /// What an entry at the start of the next segment names as the header before it.
    pub(crate) fn filler_crc(&self) -> u32 {
        self.filler().encode(self.id, &mut [0; HEADER_BYTES])
    }

    /// Takes over a filler that is already made; the log continues in the segment that `next_end` ends.
    pub(crate) fn adopt_filler(&mut self, header: &EntryHeader, next_end: u64, allocate: impl FnMut(usize) -> B) {
        assert!(self.end + HEADER_BYTES as u64 <= self.segment_end, "every entry leaves room for a filler");
        assert!(self.entry.is_none() && header.position == self.end && header.end() == self.segment_end);
        self.make_room(HEADER_BYTES, allocate);
        let Some(open) = &mut self.open else { unreachable!("room was made") };
        let place = &mut open.memory.as_mut()[open.filled..open.filled + HEADER_BYTES];
        self.previous = header.encode(self.id, place);
        if let Some(ring) = &mut self.ring {
            ring.write(self.end, place);
        }
        open.filled += HEADER_BYTES;
        self.end += HEADER_BYTES as u64;
        self.freeze_covering(Some(self.segment_end));
        self.continue_at_segment(self.segment_end, next_end);
    }

    fn continue_at_segment(&mut self, start: u64, end: u64) {
        assert!(self.open.is_none() && start < end && start.is_multiple_of(BLOCK_BYTES as u64));
        self.carry.clear();
        self.segment_end = end;
        self.end = start;
        self.sealed = start;
    }

    /// Takes over an entry that is already made, bytes and all; it continues the log exactly.
    pub(crate) fn adopt(&mut self, header: &EntryHeader, bytes: &[u8], allocate: impl FnMut(usize) -> B) {
        assert!(self.entry.is_none() && header.position == self.end && header.kind != EntryKind::Filler);
        assert!(header.end() + HEADER_BYTES as u64 <= self.segment_end);
        self.make_room(bytes.len(), allocate);
        let Some(open) = &mut self.open else { unreachable!("room was made") };
        open.memory.as_mut()[open.filled..open.filled + bytes.len()].copy_from_slice(bytes);
        open.filled += bytes.len();
        self.end += bytes.len() as u64;
        self.sealed = self.end;
        assert_eq!(self.sealed, header.end());
        (self.index, self.last_term, self.previous) = (header.index, header.term, crc_of(bytes));
        self.term = self.term.max(header.term);
        if let Some(ring) = &mut self.ring {
            ring.write(header.position, bytes);
        }
    }

    /// Hands the open buffer over for writing. Nothing may be half made in it.
    pub(crate) fn freeze(&mut self) {
        self.freeze_covering(None);
    }

    fn freeze_covering(&mut self, covers: Option<u64>) {
        let Some(mut open) = self.open.take() else { return };
        assert!(self.entry.is_none(), "seal first");
        if open.start + open.filled as u64 == open.first {
            self.carry.clear();
            self.carry.extend_from_slice(&open.memory.as_ref()[..open.filled]);
            return;
        }
        // At least one zero byte behind the end: what a recycled segment holds there must not pass for anything.
        let whole = (open.filled + 1).next_multiple_of(BLOCK_BYTES);
        let room = (self.segment_end - open.start).min(open.memory.as_ref().len() as u64) as usize;
        let whole = whole.min(room);
        open.memory.as_mut()[open.filled..whole].fill(0);
        let last_block = open.filled - open.filled % BLOCK_BYTES;
        self.carry.clear();
        self.carry.extend_from_slice(&open.memory.as_ref()[last_block..open.filled]);
        let allocated = open.memory.as_ref().len();
        open.memory.trim(whole);
        self.frozen_bytes = open.filled;
        let end = open.start + open.filled as u64;
        let memory = Rc::new(open.memory);
        let covers = covers.unwrap_or(end);
        self.frozen.push_back(Rc::new(LogBuffer {
            start: open.start,
            first: open.first,
            end,
            covers,
            allocated,
            memory,
        }));
    }

    /// Freezes the open buffer if no entry is half made in it.
    pub(crate) fn freeze_sealed(&mut self) {
        if self.entry.is_none() {
            self.freeze();
        }
    }

    /// The oldest frozen buffer that nobody has taken for writing yet.
    pub(crate) fn take_frozen(&mut self) -> Option<Rc<LogBuffer<B>>> {
        self.frozen.pop_front()
    }

    /// Whether everything sealed has been taken for writing.
    pub(crate) fn is_taken(&self) -> bool {
        self.frozen.is_empty() && self.open.as_ref().is_none_or(|open| open.start + open.filled as u64 == open.first)
    }

    /// The buffer that `position` lies in, if it lies in one that was not taken yet.
    pub(super) fn stretch(&self, position: u64) -> Option<Stretch<'_>> {
        if let Some(open) = self.open.as_ref().filter(|open| position >= open.first) {
            let from = (open.first - open.start) as usize;
            return Some(Stretch { first: open.first, bytes: &open.memory.as_ref()[from..open.filled] });
        }
        let at = self.frozen.partition_point(|buffer| buffer.end <= position);
        Some(self.frozen.get(at)?.stretch())
    }

    /// The bytes from `position` on, if they are in memory here and not yet taken.
    pub(crate) fn slice(&self, position: u64, bytes: usize) -> Option<&[u8]> {
        if let Some(open) = self.open.as_ref().filter(|open| position >= open.first) {
            let from = (position - open.start) as usize;
            return open.memory.as_ref()[..open.filled].get(from..from + bytes);
        }
        let at = self.frozen.partition_point(|buffer| buffer.end <= position);
        self.frozen.get(at)?.slice(position, bytes)
    }
}
