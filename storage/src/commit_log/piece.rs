//! Pieces of the log for another replica: whole entries as they lie here, of which nothing is copied on their way out.
//!
//! What is read for them is kept nowhere: whoever fetches a whole log evicts nothing that consumers read.

use std::ops::Range;
use std::rc::Rc;

use super::entry::{EntryHeader, EntryKind, HEADER_BYTES};
use super::{CommitLog, LogId, roll};
use crate::error::StorageError;
use crate::file::{Disk, LogFile, align_down, align_up};

/// See the module's text.
pub struct LogPiece {
    id: LogId,
    /// Physical offset of its first byte.
    pub position: u64,
    memory: Rc<dyn AsRef<[u8]>>,
    range: Range<usize>,
}

impl LogPiece {
    /// Of no entry, at `position`.
    fn empty(id: LogId, position: u64) -> Self {
        Self { id, position, memory: Rc::new([]), range: 0..0 }
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &(*self.memory).as_ref()[self.range.clone()]
    }

    /// Physical offset behind it.
    pub fn end(&self) -> u64 {
        self.position + self.range.len() as u64
    }

    /// Takes entries from its front: `bytes` bytes at most, but one entry at least if there is any. They lie where they lay.
    pub fn take_front(&mut self, bytes: usize) -> Self {
        let mut taken = 0;
        while taken < self.range.len() {
            let header = EntryHeader::decode(self.id, self.position + taken as u64, &self.bytes()[taken..]);
            let behind = (header.expect("an entry that was checked when it was read").end() - self.position) as usize;
            if taken > 0 && behind > bytes {
                break;
            }
            taken = behind;
        }
        let cut = self.range.start + taken;
        let front = Self { memory: self.memory.clone(), range: self.range.start..cut, ..*self };
        (self.position, self.range.start) = (front.end(), cut);
        front
    }

    /// The memory that it lies in, and where.
    pub fn into_parts(self) -> (Rc<dyn AsRef<[u8]>>, Range<usize>) {
        (self.memory, self.range)
    }
}

/// Bytes of the log from some place on.
struct Span {
    memory: Rc<dyn AsRef<[u8]>>,
    range: Range<usize>,
}

impl<D: Disk> CommitLog<D> {
    /// The entries from `position` on, a filler there left out, each sound: about `bytes` bytes, at least one entry, none
    /// that ends behind `end`, none behind the segment's last, none behind damage.
    /// # Errors
    /// Damage of the first one, or I/O.
    pub async fn piece(&self, position: u64, end: u64, bytes: usize) -> Result<LogPiece, StorageError> {
        let mut at = position;
        loop {
            if at + HEADER_BYTES as u64 > end {
                return Ok(LogPiece::empty(self.id.get(), at));
            }
            let limit = end.min(self.segments.end_of(at));
            if at + HEADER_BYTES as u64 > limit {
                return Ok(LogPiece::empty(self.id.get(), at));
            }
            let room = usize::try_from(limit - at).unwrap_or(usize::MAX);
            let mut span = self.span(at, bytes.max(HEADER_BYTES).min(room)).await?;
            let first = EntryHeader::decode(self.id.get(), at, span.bytes());
            let first = first.map_err(|reason| self.damaged(at, reason))?;
            if first.kind == EntryKind::Filler {
                at = first.end();
                continue;
            }
            if first.end() > limit {
                return Ok(LogPiece::empty(self.id.get(), at));
            }
            let first_bytes = (first.end() - at) as usize;
            if span.bytes().len() < first_bytes {
                span = self.span(at, first_bytes).await?;
            }
            let whole = self.sound_entries(at, end, span.bytes())?;
            let range = span.range.start..span.range.start + whole;
            return Ok(LogPiece { id: self.id.get(), position: at, memory: span.memory, range });
        }
    }

    /// How many of `bytes`, which lie at `position`, are whole sound entries.
    fn sound_entries(&self, position: u64, end: u64, bytes: &[u8]) -> Result<usize, StorageError> {
        let mut whole = 0;
        while bytes.len() - whole >= HEADER_BYTES {
            let at = position + whole as u64;
            let entry = EntryHeader::decode(self.id.get(), at, &bytes[whole..]).and_then(|header| {
                let behind = whole + (header.end() - at) as usize;
                let is_wanted = header.kind != EntryKind::Filler && header.end() <= end;
                let Some(entry) = bytes.get(whole..behind).filter(|_| is_wanted) else { return Ok(None) };
                // Whoever gets it would refuse it, and could not say where to mend it.
                header.check_payload(&entry[HEADER_BYTES..]).map(|()| Some(behind))
            });
            match entry {
                Ok(Some(behind)) => whole = behind,
                Err(reason) if whole == 0 => return Err(self.damaged(at, reason)),
                Ok(None) | Err(_) => break,
            }
        }
        Ok(whole)
    }

    /// Up to `bytes` bytes of one segment from `position` on, at least what begins there as far as it is asked for.
    async fn span(&self, position: u64, bytes: usize) -> Result<Span, StorageError> {
        let written = self.written.get();
        if position + HEADER_BYTES as u64 > written || position >= self.cached_from() {
            return self.span_in_memory(position, bytes).await;
        }
        let outside = || StorageError::OutOfRange { asked: position, first: self.first(), end: written };
        let (file, base) = self.segments.find(position).ok_or_else(outside)?;
        let start = align_down(position);
        let end = (position + bytes as u64).min(written);
        let read = file.read_at(start - base, (align_up(end) - start) as usize).await;
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
        let from = (position - start) as usize;
        Ok(Span { memory, range: from..(end - start) as usize })
    }

    /// As [`Self::span`], entry by entry: they lie in several buffers, and the last ones may be in no file yet.
    async fn span_in_memory(&self, position: u64, bytes: usize) -> Result<Span, StorageError> {
        let (mut at, mut span) = (position, Vec::new());
        let limit = self.end().position.min(self.segments.end_of(position));
        while at + HEADER_BYTES as u64 <= limit {
            let head = self.copy(at, HEADER_BYTES).await?;
            let Ok(header) = EntryHeader::decode(self.id.get(), at, &head) else {
                span.extend_from_slice(&head);
                break;
            };
            let entry_bytes = (header.end() - at) as usize;
            let is_too_much = !span.is_empty() && span.len() + entry_bytes > bytes;
            if header.kind == EntryKind::Filler || is_too_much {
                if span.is_empty() {
                    span = head;
                }
                break;
            }
            span.extend_from_slice(&self.copy(at, entry_bytes).await?);
            at = header.end();
        }
        let range = 0..span.len();
        Ok(Span { memory: Rc::new(span), range })
    }
}

impl Span {
    fn bytes(&self) -> &[u8] {
        &(*self.memory).as_ref()[self.range.clone()]
    }
}

#[cfg(test)]
mod tests;
