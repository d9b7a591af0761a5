//! Damage that shows when an old part of a replicated log is read: another replica has the same bytes, and what is not what
//! it was is written again in its place.

use std::rc::Rc;

use super::entry::{EntryHeader, EntryKind, HEADER_BYTES, MAGIC, crc_of};
use super::{CommitLog, ENTRY_BYTES_MAX, roll};
use crate::error::{DamageReason, StorageError};
use crate::file::{BLOCK_BYTES, Disk, LogFile, align_down, align_up};

/// Bytes looked through first for the header of an entry; then each time twice as many, ...
const SEARCHED_BYTES_MIN: u64 = 4 << 10;
/// ... up to this.
const SEARCHED_BYTES_MAX: u64 = 256 << 10;
/// Where a header has its physical offset.
const POSITION_AT: usize = 24;

impl<D: Disk> CommitLog<D> {
    /// The committed entry that the byte at `position` is part of, whole and sound; `None` if this log has none there, or none
    /// that is sound.
    /// # Errors
    /// I/O.
    pub async fn entry_around(&self, position: u64) -> Result<Option<Vec<u8>>, StorageError> {
        if position < self.first() || position >= self.acknowledgeable() {
            return Ok(None);
        }
        let header = self.header_around(position).await?.filter(|header| header.kind != EntryKind::Filler);
        let Some(header) = header else { return Ok(None) };
        let entry = self.copy(header.position, (header.end() - header.position) as usize).await?;
        let is_sound = header.check_payload(&entry[HEADER_BYTES..]).is_ok();
        Ok((is_sound && header.end() <= self.acknowledgeable()).then_some(entry))
    }

    /// Whether what lies at `position` is as it was written, be it a filler.
    /// # Errors
    /// I/O.
    pub async fn is_sound_around(&self, position: u64) -> Result<bool, StorageError> {
        match self.header_around(position).await? {
            Some(header) if header.kind == EntryKind::Filler => Ok(true),
            _ => Ok(self.entry_around(position).await?.is_some()),
        }
    }

    /// Whether the entry around `position` is what was written, so far as that is for a replicated log to say: records have
    /// checksums of their bodies alone. Cheap if it was looked at just now.
    /// # Errors
    /// I/O.
    pub async fn verify(&self, position: u64) -> Result<bool, StorageError> {
        if self.is_verified(position) {
            return Ok(true);
        }
        let Some(entry) = self.entry_around(position).await? else { return Ok(false) };
        let Some(start) = entry.get(POSITION_AT..).and_then(<[u8]>::first_chunk) else { return Ok(false) };
        let start = u64::from_be_bytes(*start);
        self.read_ahead.note_sound(start..start + entry.len() as u64);
        Ok(true)
    }

    /// As [`Self::verify`] without a look at it: false if that is needed.
    pub fn is_verified(&self, position: u64) -> bool {
        !self.options.is_replicated || position >= self.acknowledgeable() || self.read_ahead.is_sound(position)
    }

    /// Headers say where they lie, so that bytes of a message never pass for one: the nearest before `position` is looked for.
    async fn header_around(&self, position: u64) -> Result<Option<EntryHeader>, StorageError> {
        if position < self.first() || position >= self.end().position {
            return Ok(None);
        }
        let base = self.segments.start_of(position);
        let lowest = base.max(position.saturating_sub(ENTRY_BYTES_MAX as u64));
        let log_end = self.end().position.min(self.segments.end_of(position));
        let mut end = (position + HEADER_BYTES as u64).min(log_end);
        let mut searched = SEARCHED_BYTES_MIN;
        while end >= lowest + HEADER_BYTES as u64 {
            let start = lowest.max(end.saturating_sub(searched));
            searched = (2 * searched).min(SEARCHED_BYTES_MAX);
            let window = self.copy_across(start, (end - start) as usize).await?;
            for found in memchr::memmem::rfind_iter(&window, &MAGIC.to_be_bytes()) {
                let at = start + found as u64;
                let Ok(header) = EntryHeader::decode(self.id.get(), at, &window[found..]) else { continue };
                let is_around = at <= position && position < header.end();
                return Ok(is_around.then_some(header));
            }
            if start == lowest {
                break;
            }
            // So that a header across the border is seen whole.
            end = start + HEADER_BYTES as u64 - 1;
        }
        Ok(None)
    }

    /// As [`CommitLog::copy`] of what may lie partly in memory and partly in the file.
    async fn copy_across(&self, position: u64, bytes: usize) -> Result<Vec<u8>, StorageError> {
        let border = self.cached_from();
        let end = position + bytes as u64;
        if position >= border || end <= border {
            return self.copy(position, bytes).await;
        }
        let mut copied = self.copy(position, (border - position) as usize).await?;
        copied.extend(self.copy(border, (end - border) as usize).await?);
        Ok(copied)
    }

    /// Writes a committed entry, header and payload as another replica has it, in its place once more, durably.
    /// # Errors
    /// It is not what has been there, or this log holds nothing there; I/O.
    pub async fn mend(&self, entry: &[u8]) -> Result<(), StorageError> {
        let position = entry.get(POSITION_AT..).and_then(<[u8]>::first_chunk).map(|bytes| u64::from_be_bytes(*bytes));
        let position = position.unwrap_or_default();
        let refused = |reason| self.damaged(position, reason);
        let header = EntryHeader::decode(self.id.get(), position, entry).map_err(refused)?;
        if header.kind == EntryKind::Filler || header.end() - position != entry.len() as u64 {
            return Err(refused(DamageReason::Lengths));
        }
        header.check_payload(&entry[HEADER_BYTES..]).map_err(refused)?;
        self.turns.begin().await;
        let mended = self.mend_in_turn(&header, entry).await;
        self.turns.end();
        // What was read before is what was damaged.
        self.read_ahead.forget();
        mended
    }

    async fn mend_in_turn(&self, header: &EntryHeader, entry: &[u8]) -> Result<(), StorageError> {
        let (position, end) = (header.position, header.end());
        let limit = self.written.get().min(self.acknowledgeable());
        let outside = || StorageError::OutOfRange { asked: position, first: self.first(), end: limit };
        let (file, base) = self.segments.find(position).ok_or_else(outside)?;
        let segment_end = self.segments.end_of(position);
        if end > limit || end + HEADER_BYTES as u64 > segment_end {
            return Err(outside());
        }
        // With the header behind it, which tells what came before.
        let (from, to) = (align_down(position), align_up(end + HEADER_BYTES as u64).min(segment_end));
        let path = || roll::segment_path(base);
        let read =
            file.read_at(from - base, (to - from) as usize).await.map_err(StorageError::io("read from", path()))?;
        let held = (*read).as_ref();
        if (held.len() as u64) < to - from {
            let what = format!("it ends {} bytes early", to - from - held.len() as u64);
            return Err(StorageError::Malformed { path: path(), what });
        }
        let (start, behind) = ((position - from) as usize, (end - from) as usize);
        self.check_is_same(header, entry, &held[start..], &held[behind..])?;
        let bytes = align_up(end) - from;
        assert!(bytes.is_multiple_of(BLOCK_BYTES as u64) && bytes <= to - from);
        let mut buffer = self.disk.buffer(bytes as usize);
        buffer.as_mut().copy_from_slice(&held[..bytes as usize]);
        buffer.as_mut()[start..behind].copy_from_slice(entry);
        let written =
            file.write_at(from - base, Rc::new(buffer)).await.map_err(StorageError::io("write to", path()))?;
        if written as u64 != bytes {
            let short = std::io::Error::new(std::io::ErrorKind::WriteZero, "the write stayed short");
            return Err(StorageError::io("write to", path())(short));
        }
        file.sync_data().await.map_err(StorageError::io("sync", path()))
    }

    /// Where the header in this file is sound, it is that of the entry; where the one behind is, it came after the entry.
    fn check_is_same(&self, header: &EntryHeader, entry: &[u8], own: &[u8], behind: &[u8]) -> Result<(), StorageError> {
        let crc = crc_of(entry);
        if EntryHeader::decode(self.id.get(), header.position, own).is_ok() && crc_of(own) != crc {
            return Err(self.damaged(header.position, DamageReason::HeaderCrc));
        }
        match EntryHeader::decode(self.id.get(), header.end(), behind) {
            // Behind what is committed, another entry may have lain before.
            Ok(next) if next.previous != crc && next.end() <= self.acknowledgeable() => {
                Err(self.damaged(header.position, DamageReason::Previous))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
