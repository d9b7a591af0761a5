//! Positions of queues (29, 30, 31, 32) and of consumers in them (14, 15).

use std::rc::Rc;

use protocol::code::ResponseCode;
use protocol::record::decode_record;
use storage::StorageError;
use storage::consume_queue::QueueIndex;

use crate::consumer_offsets::{CommitOutcome, ConsumerOffsets};
use crate::env::Env;
use crate::request::{Halt, Request};
use crate::shard::{SMALL_READ_BYTES, Shard};

/// GET_MAX_OFFSET (30): the queue offset that the next message gets.
pub(crate) fn max<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let (_, end) = range(shard, request)?.1;
    request.ticket().answer(shard, ResponseCode::SUCCESS, None, |encoder| {
        encoder.field("offset", end);
    });
    Ok(())
}

/// GET_MIN_OFFSET (31).
pub(crate) fn min<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let (first, _) = range(shard, request)?.1;
    request.ticket().answer(shard, ResponseCode::SUCCESS, None, |encoder| {
        encoder.field("offset", first);
    });
    Ok(())
}

/// The queue a request names, if it ever held a message, and its range; an unknown one is empty, not an error.
fn range<E: Env>(shard: &Shard<E>, request: &Request<'_>) -> Result<(Option<QueueIndex>, (u64, u64)), Halt> {
    let topic = request.header.require_str("topic")?;
    let queue_id: i32 = request.header.require("queueId")?;
    let queues = shard.store.queues().borrow();
    let queue = u32::try_from(queue_id).ok().and_then(|queue_id| queues.find(topic, queue_id));
    let range = queue.and_then(|queue| queues.get(queue)).map_or((0, 0), |queue| (queue.first(), queue.readable()));
    Ok((queue, range))
}

/// SEARCH_OFFSET_BY_TIMESTAMP (29).
pub(crate) fn search<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let (queue, (first, end)) = range(shard, request)?;
    let timestamp: i64 = request.header.require("timestamp")?;
    let upper = request.header.get("boundaryType").is_some_and(|kind| kind.eq_ignore_ascii_case("UPPER"));
    let (shard, ticket) = (shard.clone(), request.ticket());
    let task_shard = shard.clone();
    shard.spawn_read(ticket, SMALL_READ_BYTES, async move {
        let found = match queue {
            Some(queue) => search_offset(&task_shard, queue, first..end, timestamp, upper).await,
            None => Ok(0),
        };
        match found {
            Ok(offset) => ticket.answer(&task_shard, ResponseCode::SUCCESS, None, |encoder| {
                encoder.field("offset", offset);
            }),
            Err(error) => fail(&task_shard, ticket, &error),
        }
    })
}

fn fail<E: Env>(shard: &Shard<E>, ticket: crate::request::Ticket, error: &StorageError) {
    tracing::error!(%error, shard = shard.identity.broker_name, "reading messages failed");
    ticket.answer(shard, ResponseCode::SYSTEM_ERROR, Some(&error.to_string()), |_| ());
}

/// First message stored at `timestamp` or later; with `upper`, the last one stored at it or before. Clamped to what
/// the queue holds.
pub(crate) async fn search_offset<E: Env>(
    shard: &Shard<E>,
    queue: QueueIndex,
    range: std::ops::Range<u64>,
    timestamp: i64,
    upper: bool,
) -> Result<u64, StorageError> {
    let (mut low, mut high) = (range.start, range.end);
    while low < high {
        let middle = low + (high - low) / 2;
        let stored = store_timestamp(shard, queue, middle).await?;
        if stored < timestamp || upper && stored == timestamp {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(if upper { low.saturating_sub(1).max(range.start) } else { low })
}

/// When the message at `at` of a queue was stored, ms.
pub(crate) async fn store_timestamp<E: Env>(shard: &Shard<E>, queue: QueueIndex, at: u64) -> Result<i64, StorageError> {
    let unit = shard.store.read_unit(queue, at).await?;
    let stored = |record: &[u8]| decode_record(record).map_or(0, |(record, _)| record.store_timestamp);
    shard.read_record(unit.physical_offset, unit.bytes as usize, stored).await
}

/// GET_EARLIEST_MSG_STORETIME (32): -1 for an empty queue.
pub(crate) fn earliest_store_time<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let (queue, (first, end)) = range(shard, request)?;
    let (task_shard, ticket) = (shard.clone(), request.ticket());
    shard.spawn_read(ticket, SMALL_READ_BYTES, async move {
        let found = match queue {
            Some(queue) if first < end => store_timestamp(&task_shard, queue, first).await,
            _ => Ok(-1),
        };
        match found {
            Ok(timestamp) => ticket.answer(&task_shard, ResponseCode::SUCCESS, None, |encoder| {
                encoder.field("timestamp", timestamp);
            }),
            Err(error) => fail(&task_shard, ticket, &error),
        }
    })
}

/// QUERY_CONSUMER_OFFSET (14). A group without an offset on a queue whose first message is still in memory begins
/// at 0: a new group on a young topic reads all of it.
pub(crate) fn query<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let header = request.header;
    let (group, topic) = (header.require_str("consumerGroup")?, header.require_str("topic")?);
    let queue_id: i32 = header.require("queueId")?;
    let zero_if_young = header.optional::<bool>("setZeroIfNotFound")?.unwrap_or(true);
    shard.confirm_lead()?;
    let committed = shard.tables.borrow().offsets.query(group, topic, queue_id);
    let offset = match committed {
        Some(offset) => offset,
        None if zero_if_young && is_young(shard, request)? => 0,
        None => {
            let remark = "Not found, V3_0_6_SNAPSHOT maybe this group consumer boot first";
            return Err(Halt::refuse(ResponseCode::QUERY_NOT_FOUND, remark));
        }
    };
    shard.answer_settled(request.ticket(), |encoder| {
        encoder.field("offset", offset);
    });
    Ok(())
}

fn is_young<E: Env>(shard: &Shard<E>, request: &Request<'_>) -> Result<bool, Halt> {
    let (queue, (first, end)) = range(shard, request)?;
    let Some(queue) = queue.filter(|_| first == 0 && end > 0) else { return Ok(false) };
    let unit = shard.store.unit(queue, 0);
    let log = shard.store.log();
    Ok(unit.is_some_and(|unit| log.with_cached(unit.physical_offset, unit.bytes as usize, |_| ()).is_some()))
}

/// UPDATE_CONSUMER_OFFSET (15).
pub(crate) fn update<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let header = request.header;
    let (group, topic) = (header.require_str("consumerGroup")?, header.require_str("topic")?);
    let invalid =
        |error: protocol::header::FieldError| Halt::refuse(ResponseCode::INVALID_PARAMETER, error.to_string());
    let queue_id: i32 = header.require("queueId").map_err(invalid)?;
    let offset: i64 = header.require("commitOffset").map_err(invalid)?;
    shard.confirm_lead()?;
    let mut tables = shard.tables.borrow_mut();
    if tables.groups.get(group).is_none() {
        return Err(Halt::refuse(ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST, format!("Group {group} not exist!")));
    }
    if tables.topics.get(topic).is_none() {
        return Err(Halt::refuse(ResponseCode::TOPIC_NOT_EXIST, format!("Topic {topic} not exist!")));
    }
    commit(shard, &mut tables.offsets, group, topic, queue_id, offset);
    drop(tables);
    shard.answer_settled(request.ticket(), |_| ());
    Ok(())
}

/// Stores what a consumer commits. While an operator's reset waits for a pull that is told of it, that is nothing; but where
/// `useServerSideResetOffset` was switched off meanwhile no pull is told any more, and the commit ends the reset.
pub(crate) fn commit<E: Env>(
    shard: &Shard<E>,
    offsets: &mut ConsumerOffsets,
    group: &str,
    topic: &str,
    queue_id: i32,
    offset: i64,
) {
    let outcome = offsets.commit(group, topic, queue_id, offset);
    if outcome == CommitOutcome::ResetPending && !shard.config.consumers.resets_offsets_itself {
        offsets.take_reset(group, topic, queue_id);
        offsets.commit(group, topic, queue_id, offset);
    }
}
