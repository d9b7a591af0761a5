//! Making queues anew: the units of ConsumeQueues whose files are missing or damaged follow from the log.

use std::collections::{BTreeMap, BTreeSet};

use super::MessageStore;
use super::replay::{Replay, for_each_record, has_unit};
use crate::consume_queue::{QueueIndex, Unit, write_out};
use crate::error::StorageError;
use crate::file::Disk;

/// Units collected before a rebuild writes them out.
const REBUILD_UNITS_MAX: usize = 1 << 20;

/// First queue offset and the one behind the last, of what a rebuild has found of each queue.
type Found = BTreeMap<QueueIndex, (u64, u64)>;

impl<D: Disk> MessageStore<D> {
    /// Writes the files of `damaged` queues again, up to the checkpoint at `position`, from the log.
    pub(super) async fn rebuild(
        &self,
        damaged: &[QueueIndex],
        position: u64,
        replay: &impl Replay,
    ) -> Result<(), StorageError> {
        if damaged.is_empty() {
            return Ok(());
        }
        let mut found = Found::default();
        let wanted = damaged.iter().copied().collect();
        let mut from = self.log.first();
        while from < position {
            let (until, pieces) = self.collect_units(&wanted, from, position, replay, &mut found).await?;
            for (queue, start, units) in pieces {
                let piece = self.queues.borrow().rebuilt(queue, start, units);
                if let Some(piece) = piece {
                    // One by one: a later piece may be of the same queue and place.
                    write_out(self.log.disk(), &[piece]).await?;
                }
            }
            from = until;
        }
        for queue in damaged {
            let first = found.get(queue).map(|(first, _)| *first);
            self.queues.borrow_mut().set_first_found(*queue, first);
        }
        Ok(())
    }

    async fn collect_units(
        &self,
        damaged: &BTreeSet<QueueIndex>,
        from: u64,
        to: u64,
        replay: &impl Replay,
        found: &mut Found,
    ) -> Result<(u64, Vec<(QueueIndex, u64, Vec<Unit>)>), StorageError> {
        let mut pieces: Vec<(QueueIndex, u64, Vec<Unit>)> = Vec::new();
        let mut open: BTreeMap<QueueIndex, usize> = BTreeMap::new();
        let mut until = from;
        // A segment at a time bounds the memory; REBUILD_UNITS_MAX bounds what one segment of tiny messages takes.
        let segments = self.log.segments();
        for (first, bytes) in segments.iter().filter(|(first, bytes)| first + bytes > from && *first < to) {
            let end = to.min(first + bytes);
            self.log
                .read_entries(until, end, |header, payload| {
                    for_each_record(header, payload, |record, unit_position, record_bytes| {
                        let queue = self.queues.borrow().find(record.topic, record.queue_id as u32);
                        let Some(queue) = queue.filter(|queue| damaged.contains(queue) && has_unit(record)) else {
                            return true;
                        };
                        let offset = record.queue_offset as u64;
                        let known = found.entry(queue).or_insert((offset, offset));
                        if known.1 != offset {
                            // The topic was deleted and made again: what came before is not of this queue.
                            *known = (offset, offset);
                            open.remove(&queue);
                        }
                        known.1 = offset + 1;
                        let at = *open.entry(queue).or_insert_with(|| {
                            pieces.push((queue, offset, Vec::new()));
                            pieces.len() - 1
                        });
                        let units = &mut pieces[at].2;
                        let (physical_offset, tags_code) = (unit_position, replay.tags_code(record));
                        units.push(Unit { physical_offset, bytes: record_bytes, tags_code });
                        true
                    })
                })
                .await?;
            until = end;
            if pieces.iter().map(|piece| piece.2.len()).sum::<usize>() > REBUILD_UNITS_MAX {
                break;
            }
        }
        Ok((until, pieces))
    }
}
