//! Pops of messages that lie on disk: they are read in the background first, and taken in one turn then.

use std::rc::Rc;

use storage::StorageError;

use super::attempt::ColdRecords;
use super::{PopJob, PopKey};
use crate::env::Env;
use crate::request::Halt;
use crate::shard::Shard;

/// ConsumeQueue units that one read goes through at most.
const UNITS_MAX: u64 = 800;
/// What one read from disk brings into memory at least, however little of it is asked for.
const READ_BYTES: usize = 256 << 10;

impl<E: Env> Shard<E> {
    /// Reads what the job may take from a queue, from `offset` on, and runs it again. Others pass the queue over meanwhile.
    pub(super) fn read_and_run(
        self: &Rc<Self>,
        job: PopJob,
        deadline_ms: i64,
        tries: u32,
        (topic, queue_id, offset): (Rc<str>, i32, u64),
    ) {
        let (shard, ticket) = (self.clone(), job.ticket);
        let mark = (job.group.clone(), topic.clone(), queue_id);
        self.pops.reading.borrow_mut().insert(mark.clone());
        let bytes = READ_BYTES.max(self.config.pulls.from_disk.bytes_max as usize);
        let unmark = mark.clone();
        let spawned = self.spawn_read(ticket, bytes, async move {
            let read = shard.read_for_pop(&job, &topic, queue_id, offset).await;
            shard.pops.reading.borrow_mut().remove(&mark);
            match read {
                Ok(records) => job.run(&shard, deadline_ms, &records, tries),
                // Removed while it was read: the queue begins later now.
                Err(StorageError::OutOfRange { .. }) => job.run(&shard, deadline_ms, &ColdRecords::new(), tries),
                Err(error) => {
                    let broker = &shard.identity.broker_name;
                    tracing::error!(%error, shard = broker, "reading messages for a pop failed");
                    let code = protocol::code::ResponseCode::SYSTEM_ERROR;
                    ticket.answer(&shard, code, Some(&error.to_string()), |_| ());
                }
            }
            // Whoever passed it over meanwhile.
            shard.pops.note_arrival(&topic, queue_id);
            shard.wake_pops();
            shard.sweep_end();
        });
        if let Err(Halt::Refuse(busy)) = spawned {
            self.pops.reading.borrow_mut().remove(&unmark);
            ticket.refuse(self, &busy);
        }
    }

    async fn read_for_pop(
        &self,
        job: &PopJob,
        topic: &str,
        queue_id: i32,
        from: u64,
    ) -> Result<ColdRecords, StorageError> {
        let mut records = ColdRecords::new();
        let Some((queue, range)) = self.queue_range(topic, queue_id) else { return Ok(records) };
        let limits = &self.config.pulls.from_disk;
        let messages_max = job.messages_max.min(limits.messages_max as usize);
        let is_filtered = *topic == *job.topic;
        let mut bytes = 0;
        for offset in from.max(range.start)..range.end.min(from + UNITS_MAX) {
            if records.len() >= messages_max || bytes >= limits.bytes_max as usize {
                break;
            }
            let key = PopKey { group: &job.group, topic, queue_id };
            if self.tables.borrow().pops.get(key, offset).is_some() {
                continue;
            }
            let unit = self.store.read_unit(queue, offset).await?;
            if is_filtered && !job.filter.may_match(unit.tags_code) {
                continue;
            }
            let record = self.read_record(unit.physical_offset, unit.bytes as usize, <[u8]>::to_vec).await?;
            bytes += record.len();
            records.insert(unit.physical_offset, record);
        }
        Ok(records)
    }
}
