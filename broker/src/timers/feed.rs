//! From the timer topic's ConsumeQueue into the index.

use std::rc::Rc;

use storage::StorageError;
use storage::consume_queue::{QueueIndex, Unit};
use storage::timer_index::{Fed, TimerEntry, TimerPlace};

use super::task::Keeper;
use super::timer_properties::key_of_unit;
use crate::env::Env;
use crate::shard::Shard;

/// Units of one turn, so that what is due meanwhile does not wait.
const TURN_UNITS_MAX: usize = 4096;

/// First queue offset that is there.
pub(super) fn first<E: Env>(shard: &Shard<E>, queue: QueueIndex) -> u64 {
    shard.store.queues().borrow().get(queue).map_or(0, |queue| queue.first())
}

/// One past the last: consumers need not see it yet, whatever is delivered for it lies behind it in the log.
fn end<E: Env>(shard: &Shard<E>, queue: QueueIndex) -> u64 {
    shard.store.queues().borrow().get(queue).map_or(0, |queue| queue.end())
}

/// Whether the index has all of the queue.
pub(super) fn is_whole<E: Env>(shard: &Shard<E>, queue: QueueIndex, keeper: &Keeper<E>) -> bool {
    keeper.index.fed().queue_offset >= end(shard, queue)
}

/// Feeds what came since the last call, up to a bound. False: there is more.
pub(super) async fn some<E: Env>(
    shard: &Rc<Shard<E>>,
    queue: QueueIndex,
    keeper: &mut Keeper<E>,
) -> Result<bool, StorageError> {
    let first = first(shard, queue);
    if keeper.index.fed().queue_offset < first {
        keeper.index.skip_to(first);
    }
    for _ in 0..TURN_UNITS_MAX {
        let at = keeper.index.fed().queue_offset;
        let end = end(shard, queue);
        shard.timers.note_behind(end.saturating_sub(at), || shard.env.instant());
        if at >= end {
            return Ok(true);
        }
        if keeper.index.is_full() {
            keeper.index.flush().await?;
        }
        let unit = match shard.store.unit(queue, at) {
            Some(unit) => unit,
            None => match shard.store.read_unit(queue, at).await {
                Ok(unit) => unit,
                // Retention went on meanwhile, or the queue is made again: the next turn sees which.
                Err(StorageError::OutOfRange { .. }) => return Ok(false),
                Err(error) => return Err(error),
            },
        };
        let entry = entry_of(&unit, at);
        // Only where this shard leads its tables are surely not of another time than its queues.
        let is_done = shard.may_change() && {
            let tables = shard.tables.borrow();
            !tables.timers.is_pending(entry.key) && entry.key.due_ms < tables.timers.done().due_ms
        };
        match is_done {
            true => keeper.index.pass_over(&entry, unit.tags_code),
            false => keeper.index.feed(&entry, unit.tags_code, shard.env.now_ms()),
        }
    }
    Ok(is_whole(shard, queue, keeper))
}

pub(super) fn entry_of(unit: &Unit, queue_offset: u64) -> TimerEntry {
    let place = TimerPlace { position: unit.physical_offset, bytes: unit.bytes };
    TimerEntry { key: key_of_unit(unit.tags_code, queue_offset), place }
}

/// Whether an index that has so much was made from this queue. After a crash the queue may end before, or go on otherwise.
pub(super) async fn is_of_queue<E: Env>(
    shard: &Rc<Shard<E>>,
    queue: QueueIndex,
    fed: Fed,
) -> Result<bool, StorageError> {
    if fed.queue_offset > end(shard, queue) {
        return Ok(false);
    }
    if fed.last_position == 0 || fed.queue_offset <= first(shard, queue) {
        return Ok(true);
    }
    let last = shard.store.read_unit(queue, fed.queue_offset - 1).await?;
    Ok((last.physical_offset, last.tags_code) == (fed.last_position, fed.last_tags_code))
}

/// How much of what was fed the log cannot lose any more.
pub(super) async fn safe<E: Env>(shard: &Rc<Shard<E>>, queue: QueueIndex, fed: Fed) -> Result<Fed, StorageError> {
    let log = shard.store.log();
    let limit = log.acknowledgeable().min(log.stable());
    let (first, mut low, mut high) = (first(shard, queue), first(shard, queue), fed.queue_offset);
    while low < high {
        let middle = low + (high - low) / 2;
        match shard.store.read_unit(queue, middle).await?.physical_offset < limit {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    if low == fed.queue_offset {
        return Ok(fed);
    }
    if low <= first {
        return Ok(Fed { queue_offset: low.min(fed.queue_offset), ..Fed::default() });
    }
    let last = shard.store.read_unit(queue, low - 1).await?;
    Ok(Fed { queue_offset: low, last_position: last.physical_offset, last_tags_code: last.tags_code })
}
