//! Entries as they arrive from another replica: whole, one after the other, and sound.

use raft_driver::EntryInfo;
use storage::commit_log::LogId;
use storage::commit_log::entry::{EntryHeader, EntryKind, HEADER_BYTES, crc_of};
use storage::error::DamageReason;

/// Where a header has its physical offset.
const POSITION_AT: usize = 24;

/// The entries of one message.
#[derive(Default)]
pub(crate) struct RawEntries<'a> {
    infos: Vec<EntryInfo>,
    bytes: Vec<&'a [u8]>,
}

impl<'a> RawEntries<'a> {
    /// Checks entries: each sound by itself, and each the continuation of the one before.
    /// # Errors
    /// What is wrong with the first that is not.
    pub(crate) fn check(id: LogId, entries: impl Iterator<Item = &'a [u8]>) -> Result<Self, DamageReason> {
        let mut checked = Self::default();
        let mut previous = None;
        for bytes in entries {
            let position = bytes.get(POSITION_AT..).and_then(<[u8]>::first_chunk).ok_or(DamageReason::CutShort)?;
            let header = EntryHeader::decode(id, u64::from_be_bytes(*position), bytes)?;
            if header.kind == EntryKind::Filler || header.end() - header.position != bytes.len() as u64 {
                return Err(DamageReason::Lengths);
            }
            // Behind a filler, which is not sent, the next one names that.
            let (end, crc) = previous.unwrap_or((header.position, header.previous));
            if header.position < end || (header.position == end && header.previous != crc) {
                return Err(DamageReason::Previous);
            }
            header.check_payload(&bytes[HEADER_BYTES..])?;
            previous = Some((header.end(), crc_of(bytes)));
            checked.infos.push(info_of(&header, || bytes[HEADER_BYTES..].to_vec()));
            checked.bytes.push(bytes);
        }
        Ok(checked)
    }

    /// What Raft gets to see of them.
    pub(crate) fn infos(&self) -> &[EntryInfo] {
        &self.infos
    }

    /// The bytes of the entry with this index.
    pub(crate) fn bytes(&self, index: u64) -> Option<&'a [u8]> {
        let first = self.infos.first()?.index;
        self.bytes.get(usize::try_from(index.checked_sub(first)?).ok()?).copied()
    }
}

/// What Raft gets to see of an entry; `payload` is asked for where it has to see all.
pub(crate) fn info_of(header: &EntryHeader, payload: impl FnOnce() -> Vec<u8>) -> EntryInfo {
    EntryInfo {
        index: header.index,
        term: header.term,
        position: header.position,
        bytes: HEADER_BYTES as u32 + header.payload_bytes,
        membership: (header.kind == EntryKind::Membership).then(payload),
    }
}
