//! Walks through a segment's entries and records, as far as they are in memory, and collects their keys in a run.

use protocol::record::{PHYSICAL_OFFSET_AT, SIZE_AT, SYS_FLAG_AT, body_length_at, store_timestamp_at};
use protocol::sys_flag::MessageSysFlag;

use super::record_keys::for_each_key;
use super::run::{LastEntry, Run};
use crate::commit_log::entry::{EntryHeader, EntryKind, HEADER_BYTES};
use crate::commit_log::{CommitLog, OwnWindow};
use crate::error::{DamageReason, StorageError};
use crate::file::Disk;

/// Fixed fields of a record with the longest addresses, up to and with the length of its body.
const RECORD_HEAD_BYTES_MAX: usize = 116;

/// How far a segment's records are collected.
#[derive(Debug)]
pub(super) struct Walk {
    /// The segment: its first byte, and the one behind it.
    pub(super) base: u64,
    pub(super) end: u64,
    /// Where the next entry begins: all before it is in a run.
    pub(super) next: u64,
    /// The entry that ends there.
    pub(super) last: LastEntry,
    pub(super) run: Run,
    /// Inside an entry: where it ends, its header's checksum, where its next record is, and where its records end.
    inside: Option<Inside>,
    /// Store time of the last message.
    pub(super) newest_ms: i64,
    /// Its physical offset.
    pub(super) newest: u64,
    /// What of the log had to be read from its file.
    window: Option<OwnWindow>,
}

#[derive(Copy, Clone, Debug)]
struct Inside {
    last: LastEntry,
    end: u64,
    at: u64,
    records_end: u64,
}

/// Why a stretch of the walk ended.
#[derive(Debug)]
pub(super) enum Stop {
    /// As many records as were allowed.
    Paused,
    /// These bytes are not in memory.
    Missing { position: u64, bytes: usize },
    /// Everything that is safe is collected.
    Caught,
    /// The run is to be written: it is full, or the segment ends here.
    RunEnds,
}

impl Walk {
    pub(super) fn new(base: u64, end: u64) -> Self {
        let (last, run) = (LastEntry::default(), Run::new(base, base));
        Self { base, end, next: base, last, run, inside: None, newest_ms: 0, newest: 0, window: None }
    }

    /// Goes to another segment, or back: what lies before `next` is in written runs.
    pub(super) fn begin(&mut self, base: u64, end: u64, next: u64) {
        (self.base, self.end, self.next, self.last, self.inside) = (base, end, next, LastEntry::default(), None);
        self.window = None;
        self.run.begin(base, next);
    }

    /// Goes on with what was [missing](Stop::Missing).
    pub(super) fn bring(&mut self, window: OwnWindow) {
        self.window = Some(window);
    }

    pub(super) fn is_done(&self) -> bool {
        self.next >= self.end
    }

    /// Collects up to `records` records below `limit`, the end of an entry.
    /// # Errors
    /// What cannot be read as entries.
    pub(super) fn go<D: Disk>(
        &mut self,
        log: &CommitLog<D>,
        limit: u64,
        mut records: usize,
        run_keys_max: usize,
    ) -> Result<Stop, StorageError> {
        loop {
            let Some(inside) = self.inside else {
                if self.next > self.run.from() && (self.is_done() || self.run.is_full(self.next, run_keys_max)) {
                    return Ok(Stop::RunEnds);
                }
                if self.next >= limit.min(self.end) {
                    self.window = None;
                    return Ok(Stop::Caught);
                }
                let (position, id) = (self.next, log.id());
                let header = with_bytes(log, self.window.as_ref(), position, HEADER_BYTES, |bytes| {
                    let crc = bytes[HEADER_BYTES - 4..].iter().fold(0, |value, byte| (value << 8) | u32::from(*byte));
                    EntryHeader::decode(id, position, bytes).map(|header| (header, crc))
                });
                let Some(decoded) = header else { return Ok(Stop::Missing { position, bytes: HEADER_BYTES }) };
                let damaged = |reason| {
                    let (at, file) = (position, log.file_name(position));
                    StorageError::DamagedRecord { at, file, what: format!("no entry of the log: {reason}") }
                };
                let (header, header_crc) = decoded.map_err(damaged)?;
                if header.end() > self.end {
                    return Err(damaged(DamageReason::Lengths));
                }
                self.enter(&header, header_crc);
                continue;
            };
            if inside.at >= inside.records_end {
                (self.next, self.last, self.inside) = (inside.end, inside.last, None);
                continue;
            }
            if records == 0 {
                return Ok(Stop::Paused);
            }
            records -= 1;
            match self.collect(log, inside) {
                Ok(next) => self.inside = Some(Inside { at: next, ..inside }),
                Err(missing) => return Ok(missing),
            }
        }
    }

    fn enter(&mut self, header: &EntryHeader, header_crc: u32) {
        let records_end = match header.kind {
            EntryKind::Messages => header.payload_position() + u64::from(header.message_bytes),
            EntryKind::Control | EntryKind::Filler | EntryKind::Membership => header.payload_position(),
        };
        let last = LastEntry { position: header.position, header_crc };
        self.inside = Some(Inside { last, end: header.end(), at: header.payload_position(), records_end });
    }

    /// Collects the record there, and says where the next one is: where the records end if this is none, for its bytes
    /// have changed since.
    fn collect<D: Disk>(&mut self, log: &CommitLog<D>, inside: Inside) -> Result<u64, Stop> {
        let Inside { at, records_end, .. } = inside;
        let bytes = RECORD_HEAD_BYTES_MAX.min((records_end - at) as usize);
        let head = with_bytes(log, self.window.as_ref(), at, bytes, |head| Head::parse(head, at, records_end));
        let Some(head) = head.ok_or(Stop::Missing { position: at, bytes })? else { return Ok(records_end) };
        // The body is passed over.
        let (position, bytes) = (at + head.topic_at as u64, head.size - head.topic_at);
        let (window, run) = (self.window.as_ref(), &mut self.run);
        let collected = with_bytes(log, window, position, bytes, |text| {
            let Some((topic, properties)) = topic_and_properties(text, head.is_v2) else { return };
            let transaction = head.sys_flag & MessageSysFlag::TRANSACTION_MASK;
            if transaction != MessageSysFlag::TRANSACTION_ROLLBACK {
                run.note_time(at, head.store_ms);
                for_each_key(topic, properties, |key| run.push(key, at));
            }
        });
        collected.ok_or(Stop::Missing { position, bytes })?;
        (self.newest_ms, self.newest) = (head.store_ms, at);
        Ok(at + head.size as u64)
    }
}

/// From the log's newest part, or from the window.
fn with_bytes<D: Disk, R>(
    log: &CommitLog<D>,
    window: Option<&OwnWindow>,
    position: u64,
    bytes: usize,
    read: impl FnOnce(&[u8]) -> R,
) -> Option<R> {
    let mut read = Some(read);
    let mut take = |slice: &[u8]| read.take().map(|read| read(slice));
    if let Some(result) = log.with_newest(position, bytes, &mut take) {
        return result;
    }
    take(log.in_window(window?, position, bytes)?)
}

struct Head {
    size: usize,
    sys_flag: i32,
    store_ms: i64,
    topic_at: usize,
    is_v2: bool,
}

impl Head {
    fn parse(bytes: &[u8], at: u64, records_end: u64) -> Option<Self> {
        let word = |at: usize| Some(i32::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
        let long = |at: usize| Some(i64::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
        let size = usize::try_from(word(SIZE_AT)?).ok()?;
        let sys_flag = word(SYS_FLAG_AT)?;
        let body_at = body_length_at(sys_flag);
        let topic_at = body_at.checked_add(4)?.checked_add(usize::try_from(word(body_at)?).ok()?)?;
        let is_here = long(PHYSICAL_OFFSET_AT)? as u64 == at;
        let fits = topic_at < size && at + size as u64 <= records_end;
        let is_v2 = word(protocol::record::MAGIC_AT)? == protocol::record::MAGIC_V2;
        let store_ms = long(store_timestamp_at(sys_flag))?;
        (is_here && fits).then_some(Self { size, sys_flag, store_ms, topic_at, is_v2 })
    }
}

fn topic_and_properties(text: &[u8], is_v2: bool) -> Option<(&str, &[u8])> {
    let (length, rest) = match is_v2 {
        false => text.split_first().map(|(length, rest)| (usize::from(*length), rest))?,
        true => text.split_first_chunk::<2>().map(|(length, rest)| (usize::from(u16::from_be_bytes(*length)), rest))?,
    };
    let (topic, rest) = rest.split_at_checked(length)?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let properties = rest.get(..usize::from(u16::from_be_bytes(*length)))?;
    Some((std::str::from_utf8(topic).ok()?, properties))
}
