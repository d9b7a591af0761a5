//! Delayed messages: when one in the schedule topic is due, a copy goes to where it was sent to.
//!
//! The copy and the progress of its delay level are one log entry, so a crash neither loses a message nor delivers it
//! twice.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use protocol::record::{RecordFields, decode_record};
use protocol::topic_name::SCHEDULE_TOPIC;
use storage::consume_queue::QueueIndex;
use storage::{AppendError, StorageError};

use crate::control_record::{ControlRecord, ScheduleProgressed};
use crate::delay_levels::queue_id_of_level;
use crate::env::Env;
use crate::processor::send_back::append_patiently;
use crate::send_properties::{SendProperties, delivery_target};
use crate::shard::Shard;

#[derive(Debug, thiserror::Error)]
enum DeliveryError {
    #[error(transparent)]
    Read(#[from] StorageError),
    #[error(transparent)]
    Append(AppendError),
}

/// Messages of one level delivered before the other levels get their turn.
const TURN_MESSAGES_MAX: u64 = 512;
/// The clock is looked at this often, should it be set, and queues for messages that came since: no level waits a shorter time
/// than a second.
const TICK_MS: i64 = 250;
/// A log that is full is asked again after this.
const FULL_LOG_MS: i64 = 5;
/// What failed is tried again after this, so that a failure that stays does not fill the log.
const RETRY_MS: i64 = 10_000;

/// Delivers delayed messages as long as the shard runs.
pub(crate) async fn run<E: Env>(shard: Rc<Shard<E>>) {
    // When levels that are stuck are tried again.
    let mut stuck_until_ms = BTreeMap::new();
    loop {
        let now_ms = shard.env.now_ms();
        let next_ms = if shard.may_change() { deliver_due(&shard, &mut stuck_until_ms).await } else { i64::MAX };
        let wait_ms = next_ms.min(now_ms + TICK_MS).saturating_sub(shard.env.now_ms());
        // Where many are due at once, others get their turn too.
        shard.env.sleep(Duration::from_millis(wait_ms.max(1) as u64)).await;
    }
}

/// Delivers what is due on all levels, and tells when there is more, ms since 1970.
async fn deliver_due<E: Env>(shard: &Rc<Shard<E>>, stuck_until_ms: &mut BTreeMap<i32, i64>) -> i64 {
    let mut next_ms = i64::MAX;
    for (level, _) in shard.config.topics.delay_levels.iter() {
        if stuck_until_ms.get(&level).is_some_and(|until_ms| *until_ms > shard.env.now_ms()) {
            continue;
        }
        stuck_until_ms.remove(&level);
        match deliver_level(shard, level).await {
            Ok(level_ms) => next_ms = next_ms.min(level_ms),
            Err(error) => {
                stuck_until_ms.insert(level, shard.env.now_ms() + RETRY_MS);
                let shard = &shard.identity.broker_name;
                tracing::error!(%error, level, shard, "delayed messages wait: the next one cannot be delivered");
            }
        }
    }
    next_ms
}

/// What there is to do on a level after a look at its next message.
enum Next {
    Delivered,
    /// ms since 1970.
    At(i64),
}

async fn deliver_level<E: Env>(shard: &Rc<Shard<E>>, level: i32) -> Result<i64, DeliveryError> {
    let queue = shard.store.queues().borrow().find(SCHEDULE_TOPIC, queue_id_of_level(level) as u32);
    let Some(queue) = queue else { return Ok(i64::MAX) };
    let mut delivered = 0;
    let next_ms = loop {
        let (first, end) = {
            let queues = shard.store.queues().borrow();
            queues.get(queue).map_or((0, 0), |queue| (queue.first(), queue.readable()))
        };
        let next = (shard.tables.borrow().schedule.next_offset(level) as u64).max(first);
        if next >= end {
            break i64::MAX;
        }
        if delivered == TURN_MESSAGES_MAX {
            break 0;
        }
        match deliver_next(shard, level, queue, next).await? {
            Next::Delivered => delivered += 1,
            Next::At(at_ms) => break at_ms,
        }
    };
    if delivered > 0 {
        shard.sweep_end();
    }
    Ok(next_ms)
}

async fn deliver_next<E: Env>(
    shard: &Rc<Shard<E>>,
    level: i32,
    queue: QueueIndex,
    at: u64,
) -> Result<Next, DeliveryError> {
    let unit = shard.store.read_unit(queue, at).await?;
    let now_ms = shard.env.now_ms();
    if unit.tags_code > now_ms {
        return Ok(Next::At(unit.tags_code));
    }
    let read = shard.read_record(unit.physical_offset, unit.bytes as usize, <[u8]>::to_vec).await;
    if !shard.may_change() {
        // It lost its lead while it read.
        return Ok(Next::At(i64::MAX));
    }
    let bytes = match read {
        Err(error @ StorageError::DamagedRecord { .. }) if shard.is_beyond_mending(unit.physical_offset) => {
            Err(error.to_string())
        }
        read => Ok(read?),
    };
    let progressed = ScheduleProgressed { level, queue_offset: at as i64 + 1 };
    let mut control = Vec::new();
    ControlRecord::ScheduleProgressed(progressed).encode(&mut control);
    let is_stored = match bytes.as_ref().map_err(Clone::clone).and_then(|bytes| target(shard, bytes)) {
        Ok((fields, tags_code)) => {
            let fields = RecordFields { store_timestamp: now_ms, store_host: shard.store_host, ..fields };
            append_patiently(shard, fields, tags_code, &control).await.map(|_| ())
        }
        Err(why) => {
            tracing::error!(
                why,
                at = unit.physical_offset,
                level,
                "a delayed message cannot be delivered and is skipped"
            );
            shard.append_control(&control)
        }
    };
    match is_stored {
        Ok(()) => {}
        Err(AppendError::Backlog { .. } | AppendError::SegmentPending) => return Ok(Next::At(now_ms + FULL_LOG_MS)),
        Err(error) => return Err(DeliveryError::Append(error)),
    }
    shard.tables.borrow_mut().schedule.apply(progressed);
    Ok(Next::Delivered)
}

fn target<'a, E: Env>(shard: &Shard<E>, bytes: &'a [u8]) -> Result<(RecordFields<'a>, i64), String> {
    let (record, _) = decode_record(bytes).map_err(|error| error.to_string())?;
    let (topic, queue_id) = delivery_target(record.properties).map_err(|error| error.to_string())?;
    if shard.tables.borrow().topics.get(topic).is_none() {
        return Err(format!("topic {topic} was deleted"));
    }
    let tags_code = SendProperties::scan(record.properties, 0).map_or(0, |seen| seen.tags_code);
    Ok((RecordFields { topic, queue_id, ..record.to_fields() }, tags_code))
}
