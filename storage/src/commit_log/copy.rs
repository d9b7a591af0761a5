//! What a log does that a slave copies from a master's: whole entries as they lie there, fillers too, and where two logs
//! part.
//!
//! A master's entries say how far *its* log was on stable storage, so nothing of them can be made here again, not even a
//! filler: all of it is taken over as it is.

use super::CommitLog;
use super::append::LogPosition;
use super::entry::{EntryHeader, EntryKind, HEADER_BYTES, LogId, crc_of};
use super::recover::continues;
use crate::error::{AdoptError, AppendError, DamageReason, StorageError};
use crate::file::Disk;

/// Places of one answer of [`CommitLog::places_between`].
const PLACES_MAX: usize = 4096;

/// What a copied piece begins with.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct CopiedEntry {
    /// Its header.
    pub header: EntryHeader,
    /// Bytes that it takes in a piece: of a filler, its header alone.
    pub bytes: usize,
}

impl CopiedEntry {
    /// The entry that begins `piece`, which lies at `position`; its payload is sound.
    /// # Errors
    /// It is not whole, or not sound.
    pub fn first_of(id: LogId, position: u64, piece: &[u8]) -> Result<Self, DamageReason> {
        let header = EntryHeader::decode(id, position, piece)?;
        if header.kind == EntryKind::Filler {
            return Ok(Self { header, bytes: HEADER_BYTES });
        }
        let bytes = HEADER_BYTES + header.payload_bytes as usize;
        let payload = piece.get(HEADER_BYTES..bytes).ok_or(DamageReason::CutShort)?;
        header.check_payload(payload)?;
        Ok(Self { header, bytes })
    }

    /// Where the log stands behind it; `piece` begins with it.
    pub fn position_behind(&self, piece: &[u8]) -> LogPosition {
        let EntryHeader { index, term, .. } = self.header;
        LogPosition { position: self.header.end(), index, term, previous: crc_of(piece) }
    }
}

impl<D: Disk> CommitLog<D> {
    /// Makes this log, which is empty, one whose entries carry `id`.
    pub fn become_copy_of(&self, id: LogId) {
        assert_eq!(self.end(), LogPosition::default(), "a log that holds entries keeps its id");
        self.id.set(id);
        self.tail.borrow_mut().set_id(id);
    }

    /// Whether this log has stood at `at`: an entry of it ended there, and the next one comes after that very entry.
    /// # Errors
    /// I/O.
    pub async fn has_stood_at(&self, at: LogPosition) -> Result<bool, StorageError> {
        let end = self.end();
        if at == end || at == (LogPosition { position: 0, index: 0, term: 0, previous: 0 }) && self.first() == 0 {
            return Ok(true);
        }
        let reaches_to = at.position.saturating_add(HEADER_BYTES as u64);
        if at.position < self.first() || reaches_to > end.position || reaches_to > self.segments.end_of(at.position) {
            return Ok(false);
        }
        let head = self.copy(at.position, HEADER_BYTES).await?;
        let header = EntryHeader::decode(self.id.get(), at.position, &head);
        Ok(header.is_ok_and(|header| continues(&header, at).is_ok()))
    }

    /// Whole entries from `from` on, at most about `bytes` bytes and at least one, and where the log stands behind them.
    /// `None`: not all of them are in memory.
    pub fn copy_cached(&self, from: LogPosition, bytes: usize) -> Option<(Vec<u8>, LogPosition)> {
        let (mut at, mut piece) = (from, Vec::new());
        let end = self.end().position;
        while at.position < end {
            let head = self.with_newest(at.position, HEADER_BYTES, |head| {
                EntryHeader::decode(self.id.get(), at.position, head).ok().map(|header| (header, crc_of(head)))
            });
            let (header, crc) = head??;
            let entry_bytes = bytes_in_piece(&header);
            if !piece.is_empty() && piece.len() + entry_bytes > bytes {
                break;
            }
            self.with_newest(at.position, entry_bytes, |entry| piece.extend_from_slice(entry))?;
            at = LogPosition { position: header.end(), index: header.index, term: header.term, previous: crc };
        }
        Some((piece, at))
    }

    /// As [`Self::copy_cached`], from the files if need be.
    /// # Errors
    /// Damage, or I/O.
    pub async fn copy_from_files(
        &self,
        from: LogPosition,
        bytes: usize,
    ) -> Result<(Vec<u8>, LogPosition), StorageError> {
        let (mut at, mut piece) = (from, Vec::new());
        let end = self.end().position;
        while at.position < end {
            let head = self.copy(at.position, HEADER_BYTES).await?;
            let header = EntryHeader::decode(self.id.get(), at.position, &head);
            let header = header.map_err(|reason| self.damaged(at.position, reason))?;
            let entry_bytes = bytes_in_piece(&header);
            if !piece.is_empty() && piece.len() + entry_bytes > bytes {
                break;
            }
            piece.extend_from_slice(&self.copy(at.position, entry_bytes).await?);
            let (index, term, previous) = (header.index, header.term, crc_of(&head));
            at = LogPosition { position: header.end(), index, term, previous };
        }
        Ok((piece, at))
    }

    /// Takes over the entry or filler that `piece` begins with, which was checked by [`CopiedEntry::first_of`].
    /// # Errors
    /// [`AdoptError`]; nothing was taken over.
    pub fn adopt_copied(&self, entry: &CopiedEntry, piece: &[u8]) -> Result<(), AdoptError> {
        if entry.header.kind != EntryKind::Filler {
            return self.adopt(&piece[..entry.bytes]).map(drop);
        }
        if let Some(cause) = self.failure() {
            return Err(AppendError::Failed { cause }.into());
        }
        let at = self.end();
        continues(&entry.header, at)?;
        let mut tail = self.tail.borrow_mut();
        if entry.header.position != at.position || entry.header.end() != tail.segment_end() {
            return Err(DamageReason::Lengths.into());
        }
        let next_end = self.segments.start_next()?;
        tail.adopt_filler(&entry.header, next_end, |bytes| self.disk.buffer(bytes));
        Ok(())
    }

    /// Places where this log stood after `low` and before `high`, in order: all of them, or, where they are too many, some
    /// at about the same distance.
    /// # Errors
    /// Damage, or I/O.
    pub async fn places_between(&self, low: LogPosition, high: LogPosition) -> Result<Vec<LogPosition>, StorageError> {
        let (mut places, mut at, mut every, mut skipped) = (Vec::new(), low, 1, 0);
        while at.position < high.position {
            let head = self.copy(at.position, HEADER_BYTES).await?;
            let header = EntryHeader::decode(self.id.get(), at.position, &head);
            let header = header.map_err(|reason| self.damaged(at.position, reason))?;
            let (index, term, previous) = (header.index, header.term, crc_of(&head));
            at = LogPosition { position: header.end(), index, term, previous };
            skipped += 1;
            if at.position >= high.position || header.kind == EntryKind::Filler || skipped < every {
                continue;
            }
            skipped = 0;
            places.push(at);
            if places.len() == PLACES_MAX {
                let mut number = 0;
                places.retain(|_| {
                    number += 1;
                    number % 2 == 0
                });
                every *= 2;
            }
        }
        Ok(places)
    }
}

/// What is sent of an entry: of a filler, whose bytes mean nothing, the header alone.
fn bytes_in_piece(header: &EntryHeader) -> usize {
    if header.kind == EntryKind::Filler { HEADER_BYTES } else { HEADER_BYTES + header.payload_bytes as usize }
}

#[cfg(test)]
mod tests;
