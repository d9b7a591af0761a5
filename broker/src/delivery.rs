//! Delayed messages: when one in the schedule topic is due, a copy goes to where it was sent to.
//!
//! The copy and the progress of its delay level are one log entry, so a crash neither loses a message nor delivers it
//! twice.

use std::rc::Rc;

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

/// Delivers what is due on all levels. False: a level is stuck, for a reason that was logged.
pub(crate) async fn deliver_due<E: Env>(shard: &Rc<Shard<E>>) -> bool {
    let mut all = true;
    for (level, _) in shard.config.topics.delay_levels.iter() {
        if let Err(error) = deliver_level(shard, level).await {
            let shard = &shard.identity.broker_name;
            tracing::error!(%error, level, shard, "delayed messages wait: the next one cannot be delivered");
            all = false;
        }
    }
    all
}

async fn deliver_level<E: Env>(shard: &Rc<Shard<E>>, level: i32) -> Result<(), DeliveryError> {
    let queue = shard.store.queues().borrow().find(SCHEDULE_TOPIC, queue_id_of_level(level) as u32);
    let Some(queue) = queue else { return Ok(()) };
    let mut delivered = 0;
    loop {
        let (first, end) = {
            let queues = shard.store.queues().borrow();
            queues.get(queue).map_or((0, 0), |queue| (queue.first(), queue.readable()))
        };
        let next = (shard.tables.borrow().schedule.next_offset(level) as u64).max(first);
        if next >= end || delivered == TURN_MESSAGES_MAX || !deliver_next(shard, level, queue, next).await? {
            break;
        }
        delivered += 1;
    }
    if delivered > 0 {
        shard.sweep_end();
    }
    Ok(())
}

/// False: it is not due yet, or the log takes nothing now.
async fn deliver_next<E: Env>(
    shard: &Rc<Shard<E>>,
    level: i32,
    queue: QueueIndex,
    at: u64,
) -> Result<bool, DeliveryError> {
    let unit = shard.store.read_unit(queue, at).await?;
    let now_ms = shard.env.now_ms();
    if unit.tags_code > now_ms {
        return Ok(false);
    }
    let read = shard.read_record(unit.physical_offset, unit.bytes as usize, <[u8]>::to_vec).await;
    if !shard.may_change() {
        // It lost its lead while it read.
        return Ok(false);
    }
    let bytes = match read {
        Err(error @ StorageError::DamagedRecord { .. }) => Err(error.to_string()),
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
        Err(AppendError::Backlog { .. } | AppendError::SegmentPending) => return Ok(false),
        Err(error) => return Err(DeliveryError::Append(error)),
    }
    shard.tables.borrow_mut().schedule.apply(progressed);
    Ok(true)
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
