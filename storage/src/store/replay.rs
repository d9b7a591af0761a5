//! What a log's entries do to queues, and to the tables of whoever keeps them: at start, and as they come from elsewhere.

use protocol::record::{RecordView, decode_record};
use protocol::sys_flag::MessageSysFlag;

use crate::commit_log::entry::{EntryHeader, EntryKind};
use crate::consume_queue::{ConsumeQueues, QueueIndex, Unit};
use crate::error::DamageReason;

/// What the broker does with the log at start. Called in log order.
pub trait Replay {
    /// The state of the checkpoint; never called when there is none.
    /// # Errors
    /// It does not decode.
    fn restore(&mut self, state: &[u8]) -> Result<(), String>;
    /// A control record.
    /// # Errors
    /// It does not decode.
    fn control(&mut self, record: &[u8], queues: &mut ConsumeQueues) -> Result<(), String>;
    /// A message that is in its queue now.
    fn message(&mut self, _record: &RecordView<'_>) {}
    /// The tags code of a message's unit.
    fn tags_code(&self, record: &RecordView<'_>) -> i64;
    /// How far opening is, for whoever waits for it. Called often.
    fn progress(&mut self, _progress: OpenProgress) {}
}

/// How far opening a store is.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum OpenProgress {
    /// The newest checkpoint is looked for and read.
    Checkpoint,
    /// The log behind it is read. Where it ends shows only then: at the end of its last file or before.
    Log {
        /// Physical offset of the first byte read.
        first: u64,
        /// Physical offset up to which it is read.
        position: u64,
    },
    /// ConsumeQueue files are written again.
    Queues {
        /// How many are missing or short.
        damaged: usize,
    },
}

/// Prepared and rolled-back transaction records are no queue's messages.
pub(super) fn has_unit(record: &RecordView<'_>) -> bool {
    let transaction = record.sys_flag & MessageSysFlag::TRANSACTION_MASK;
    transaction != MessageSysFlag::TRANSACTION_PREPARED && transaction != MessageSysFlag::TRANSACTION_ROLLBACK
}

/// Hands every message record of an entry to `each`: the record, its physical offset, its bytes; false stops.
pub(super) fn for_each_record(
    header: &EntryHeader,
    payload: &[u8],
    mut each: impl FnMut(&RecordView<'_>, u64, u32) -> bool,
) -> Result<(), DamageReason> {
    let messages = &payload[..header.message_bytes as usize];
    let mut at = 0;
    for _ in 0..header.message_count {
        let (record, bytes) = decode_record(&messages[at..]).map_err(|_| DamageReason::Record)?;
        let position = header.payload_position() + at as u64;
        if record.physical_offset as u64 != position || !each(&record, position, bytes as u32) {
            return Err(DamageReason::Record);
        }
        at += bytes;
    }
    if at == messages.len() { Ok(()) } else { Err(DamageReason::Record) }
}

pub(super) fn replay_entry(
    header: &EntryHeader,
    payload: &[u8],
    queues: &mut ConsumeQueues,
    replay: &mut impl Replay,
    mut grew: impl FnMut(QueueIndex, u64),
) -> Result<(), DamageReason> {
    if header.kind == EntryKind::Membership {
        return Ok(());
    }
    for_each_record(header, payload, |record, physical_offset, bytes| {
        if !has_unit(record) {
            return true;
        }
        let queue = queues.find_or_add(record.topic, record.queue_id as u32);
        let unit = Unit { physical_offset, bytes, tags_code: replay.tags_code(record) };
        let queue_offset = record.queue_offset as u64;
        let continues = queues.replay(queue, queue_offset, unit);
        if continues {
            replay.message(record);
            grew(queue, queue_offset);
        }
        continues
    })?;
    let mut control = &payload[header.message_bytes as usize..];
    while !control.is_empty() {
        let (length, rest) = control.split_first_chunk::<4>().ok_or(DamageReason::Record)?;
        let (record, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or(DamageReason::Record)?;
        replay.control(record, queues).map_err(|_| DamageReason::Record)?;
        control = rest;
    }
    Ok(())
}
