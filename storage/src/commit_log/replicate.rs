//! What a log adds that is kept by several replicas: entries come from another one, the end may be taken back, and what
//! may be acknowledged is for all of them to say.
//!
//! The logs of all replicas are the same byte for byte up to what is committed: entries are taken over as they are, and
//! the fillers between them follow from the entries alone.

use std::io;
use std::rc::Rc;

use super::append::LogPosition;
use super::entry::{EntryHeader, EntryKind, HEADER_BYTES, crc_of};
use super::recover::{continues, read_carry};
use super::roll::Segment;
use super::{Cache, CommitLog};
use crate::error::{AdoptError, AppendError, DamageReason, StorageError};
use crate::file::{AlignedBuffer, BLOCK_BYTES, Disk, LogFile, align_down};

/// What of a replicated log may be in doubt at once, bytes; appends wait beyond it for a majority.
pub const UNCOMMITTED_BYTES_MAX: u64 = 64 << 20;

impl<D: Disk> CommitLog<D> {
    /// A majority of the replicas has the log up to `position`: from here on it may be acknowledged and read.
    pub fn set_committed(&self, position: u64) {
        assert!(self.options.is_replicated && position <= self.end().position, "what is committed is here");
        self.committed.set(self.committed.get().max(position));
    }

    /// Appends an entry without messages and control records: the first of a term (`payload` empty) or a change of members.
    /// # Errors
    /// Nothing was appended.
    pub fn append_marker(&self, kind: EntryKind, payload: &[u8]) -> Result<EntryHeader, AppendError> {
        assert!(matches!(kind, EntryKind::Control | EntryKind::Membership));
        self.admit(payload.len(), 0)?;
        let mut tail = self.tail.borrow_mut();
        let allocate = |bytes| self.disk.buffer(bytes);
        tail.seal();
        if tail.needs_roll(payload.len(), 0) {
            let next_end = self.segments.start_next()?;
            tail.roll(next_end, allocate);
        }
        Ok(tail.append_marker(kind, payload, allocate))
    }

    /// Moves the headers of the entries that were made here since the last call, markers included, to the end of `headers`.
    pub fn take_made(&self, headers: &mut Vec<EntryHeader>) {
        self.tail.borrow_mut().take_made(headers);
    }

    /// Whether `bytes` bytes of entries that another replica made would be taken over now, if they come one by one.
    /// # Errors
    /// What [`Self::adopt`] would answer.
    pub fn admit_adoption(&self, bytes: usize) -> Result<(), AppendError> {
        if let Some(cause) = self.failure() {
            return Err(AppendError::Failed { cause });
        }
        self.admit_bytes(bytes.min(self.unit_bytes_max()))?;
        let rolls = self.end().position + (bytes + HEADER_BYTES) as u64 > self.segments.end();
        if rolls { self.segments.check_next() } else { Ok(()) }
    }

    /// Takes over the entry in `bytes`, header and payload, that another replica made. It has to continue this log exactly;
    /// whoever received it has checked its payload.
    /// # Errors
    /// [`AdoptError`]; nothing was taken over.
    pub fn adopt(&self, bytes: &[u8]) -> Result<EntryHeader, AdoptError> {
        if let Some(cause) = self.failure() {
            return Err(AppendError::Failed { cause }.into());
        }
        let (header, rolls) = self.check_continues(bytes)?;
        self.admit_bytes(bytes.len())?;
        let allocate = |bytes| self.disk.buffer(bytes);
        let mut tail = self.tail.borrow_mut();
        if rolls {
            let next_end = self.segments.start_next()?;
            tail.roll(next_end, allocate);
        }
        tail.adopt(&header, bytes, allocate);
        Ok(header)
    }

    /// The header of an entry that would come next, and whether a new segment begins with it.
    fn check_continues(&self, bytes: &[u8]) -> Result<(EntryHeader, bool), DamageReason> {
        let tail = self.tail.borrow();
        let at = tail.sealed();
        let (header, at, segment_end) = match EntryHeader::decode(self.id.get(), at.position, bytes) {
            Ok(header) => (header, at, tail.segment_end()),
            Err(DamageReason::Misplaced { claims }) if claims == tail.segment_end() => {
                let header = EntryHeader::decode(self.id.get(), claims, bytes)?;
                let previous = tail.filler_crc();
                (header, LogPosition { position: claims, previous, ..at }, claims + self.options.segment_bytes)
            }
            Err(reason) => return Err(reason),
        };
        let fits = header.end() + HEADER_BYTES as u64 <= segment_end;
        if header.kind == EntryKind::Filler || !fits || bytes.len() as u64 != header.end() - header.position {
            return Err(DamageReason::Lengths);
        }
        continues(&header, at)?;
        Ok((header, at.position != tail.sealed().position))
    }

    /// Takes everything behind `at` back, the end of an entry that this log holds. What lies below `at` is in the files
    /// afterwards.
    /// # Errors
    /// As for [`CommitLog::flush`]; or the files cannot be changed, then the log takes no more writes.
    pub async fn truncate(&self, at: LogPosition) -> Result<(), StorageError> {
        assert!(at.position >= self.committed.get() || !self.options.is_replicated, "what is committed stays");
        self.turns.begin().await;
        let result = match self.refuse_after_failure() {
            Ok(()) => self.flush_and_cut(at).await,
            Err(error) => Err(error),
        };
        self.end_turn(result)
    }

    async fn flush_and_cut(&self, at: LogPosition) -> Result<(), StorageError> {
        self.flush_sealed().await?;
        // Appends come from the same task as truncations: nothing was added meanwhile.
        assert_eq!(self.written.get(), self.end().position, "all of it was just written");
        self.segments.remove_behind(&self.disk, at.position).await?;
        let carry = self.carry_at(at.position).await?;
        self.erase_next(at.position, &carry).await?;
        let mut tail = self.tail.borrow_mut();
        tail.go_back(at, self.segments.end_of(at.position), carry);
        self.written.set(at.position);
        self.cut.set(Some(self.cut.get().map_or(at.position, |cut| cut.min(at.position))));
        self.stable.set(self.stable.get().min(at.position));
        // Of a replicated log it lies below anyway; in another it means nothing.
        self.committed.set(self.committed.get().min(at.position));
        self.cache.borrow_mut().cut(at.position);
        self.read_ahead.forget();
        Ok(())
    }

    /// Erases what begins at `position` and is to go; `carry` is what its block holds before. What comes instead may be
    /// confirmed while only the ring has it: a process that is killed then must not find the old continuation in the file.
    async fn erase_next(&self, position: u64, carry: &[u8]) -> Result<(), StorageError> {
        let (file, first) = self.segments.file_of(position);
        let mut block = self.disk.buffer(BLOCK_BYTES);
        block.as_mut().fill(0);
        block.as_mut()[..carry.len()].copy_from_slice(carry);
        let failed = |source| StorageError::Flush { op: "write", from: position, up_to: position, source };
        let written = file.write_at(align_down(position) - first, Rc::new(block)).await.map_err(failed)?;
        if written != BLOCK_BYTES {
            return Err(failed(io::Error::new(io::ErrorKind::WriteZero, "the write stayed short")));
        }
        Ok(())
    }

    async fn carry_at(&self, position: u64) -> Result<Vec<u8>, StorageError> {
        let (file, first) = self.segments.file_of(position);
        let segment = Segment { file, bytes: self.segments.end_of(position) - first };
        read_carry(first, &segment, position).await
    }

    /// Where this log goes on behind `at`, which is where another replica's log stands; `None` unless this log has been at
    /// the very same place.
    /// # Errors
    /// I/O.
    pub async fn continuation(&self, at: LogPosition) -> Result<Option<u64>, StorageError> {
        let end = self.end();
        if at == end || (at == LogPosition::default() && self.first() == 0) {
            return Ok(Some(at.position));
        }
        let is_within = at.position >= self.first() && at.position + HEADER_BYTES as u64 <= end.position;
        if !is_within || at.position + HEADER_BYTES as u64 > self.segments.end_of(at.position) {
            return Ok(None);
        }
        let head = self.copy(at.position, HEADER_BYTES).await?;
        let Ok(header) = EntryHeader::decode(self.id.get(), at.position, &head) else { return Ok(None) };
        let follows = continues(&header, at).is_ok();
        let next = if header.kind == EntryKind::Filler { header.end() } else { at.position };
        Ok(follows.then_some(next))
    }

    /// Where this log stood before its oldest entry that is kept; of the term no more is known than that it was no later one
    /// than this.
    /// # Errors
    /// Damage, or I/O.
    pub async fn beginning(&self) -> Result<LogPosition, StorageError> {
        let first = self.first();
        if first == 0 || first == self.end().position {
            return Ok(if first == 0 { LogPosition::default() } else { self.end() });
        }
        let head = self.copy(first, HEADER_BYTES).await?;
        let header = EntryHeader::decode(self.id.get(), first, &head).map_err(|reason| self.damaged(first, reason))?;
        let index = if header.kind == EntryKind::Filler { header.index } else { header.index - 1 };
        Ok(LogPosition { position: first, index, term: header.term, previous: header.previous })
    }

    /// Whether a committed entry lies at `position`, or a filler.
    pub fn holds(&self, position: u64) -> bool {
        position >= self.first() && position < self.acknowledgeable()
    }

    /// Waits until nobody writes and keeps everybody from writing, to put another log in this one's place. False: a segment
    /// is being made; try again.
    pub async fn begin_replacement(&self) -> bool {
        self.turns.begin().await;
        let is_held = self.segments.hold();
        if !is_held {
            self.turns.end();
        }
        is_held
    }

    /// Nothing is put in this one's place.
    pub fn call_replacement_off(&self) {
        self.segments.release();
        self.turns.end();
    }

    /// Goes on as `other` does, which was opened in this one's place; with an error it takes no more writes.
    pub(crate) fn end_replacement(&self, other: Result<Self, &StorageError>) {
        match other {
            Ok(other) => {
                let Self { tail, segments, written, stable, committed, prewritten, .. } = other;
                self.tail.borrow_mut().become_like(tail.into_inner());
                self.segments.become_like(segments);
                self.cache.replace(Cache::new());
                self.read_ahead.forget();
                self.written.set(written.get());
                self.stable.set(stable.get());
                self.committed.set(committed.get());
                self.prewritten.set(prewritten.get());
                self.cut.set(Some(0));
            }
            Err(error) => {
                self.segments.release();
                self.failure.borrow_mut().get_or_insert_with(|| error.to_string());
            }
        }
        self.turns.end();
    }

    pub(super) fn damaged(&self, position: u64, reason: DamageReason) -> StorageError {
        let (file, stable) = (self.file_name(position), self.stable.get());
        StorageError::Damaged { file, at: position - self.segments.start_of(position), reason, stable }
    }

    /// Where the log stands behind the entry that begins at `position`.
    /// # Errors
    /// No entry begins there, or I/O.
    pub async fn position_behind(&self, position: u64) -> Result<LogPosition, StorageError> {
        let head = self.copy(position, HEADER_BYTES).await?;
        let header =
            EntryHeader::decode(self.id.get(), position, &head).map_err(|reason| self.damaged(position, reason))?;
        let (index, term, previous) = (header.index, header.term, crc_of(&head));
        Ok(LogPosition { position: header.end(), index, term, previous })
    }
}

impl<B: AlignedBuffer> Cache<B> {
    /// Forgets what lies behind `position`.
    fn cut(&mut self, position: u64) {
        while let Some(last) = self.buffers.pop_back() {
            self.bytes -= last.allocated();
            if last.first() < position {
                self.push(Rc::new(last.cut(position)));
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
