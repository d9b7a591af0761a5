//! What is due goes where it was sent to: its record and that it is done are one log entry, so a crash neither loses it nor
//! delivers it twice.

use std::rc::Rc;

use protocol::properties;
use protocol::properties::{REAL_TOPIC, UNIQ_KEY};
use protocol::record::{RecordFields, RecordView, decode_record};
use protocol::topic_name::TIMER_TOPIC;
use storage::consume_queue::QueueIndex;
use storage::timer_index::{TimerEntry, TimerKey, TimerPlace};
use storage::{AppendError, StorageError};

use super::task::Keeper;
use super::{feed, timer_properties};
use crate::control_record::{ControlRecord, TimerDone};
use crate::env::Env;
use crate::send_properties::{SendProperties, delivery_target};
use crate::shard::Shard;

/// Delivered in one turn, then others go on.
pub(super) const TURN_MESSAGES_MAX: usize = 512;

/// How a turn ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Delivered {
    /// Nothing that is known is due.
    All,
    /// There is more, or the index has to be fed.
    Some,
    /// The log takes nothing now.
    LogIsFull,
    /// The next one's record is damaged here, and another replica may have it.
    Unreadable,
    /// It takes nothing until it is another, or this shard leads again.
    Failed,
}

/// Delivers what is due.
pub(super) async fn due<E: Env>(
    shard: &Rc<Shard<E>>,
    queue: QueueIndex,
    keeper: &mut Keeper<E>,
) -> Result<Delivered, StorageError> {
    let mut appended = false;
    let ended = loop_due(shard, queue, keeper, &mut appended).await;
    if appended {
        shard.sweep_end();
    }
    ended
}

async fn loop_due<E: Env>(
    shard: &Rc<Shard<E>>,
    queue: QueueIndex,
    keeper: &mut Keeper<E>,
    appended: &mut bool,
) -> Result<Delivered, StorageError> {
    for _ in 0..TURN_MESSAGES_MAX {
        // A timer that was stored meanwhile may come first: nothing is done before it is known.
        if !shard.may_change() || !feed::is_whole(shard, queue, keeper) {
            return Ok(Delivered::Some);
        }
        let Some(entry) = keeper.index.first() else { return Ok(Delivered::All) };
        if entry.key.due_ms > shard.env.now_ms() {
            return Ok(Delivered::All);
        }
        if is_passed(shard, entry.key) {
            keeper.index.remove(entry.key);
            continue;
        }
        let times_gone_back = shard.store.queues().borrow().times_gone_back();
        let record = match next_record(shard, queue, keeper, &entry).await {
            Err(error @ StorageError::DamagedRecord { .. }) => {
                tracing::warn!(%error, shard = shard.identity.broker_name, "timers wait: the next one cannot be read now");
                return Ok(Delivered::Unreadable);
            }
            read => read?,
        };
        let is_the_same = shard.may_change() && times_gone_back == shard.store.queues().borrow().times_gone_back();
        if !is_the_same || !feed::is_whole(shard, queue, keeper) {
            return Ok(Delivered::Some);
        }
        let Some(record) = record else {
            // The log has lost it, and with it whoever waited for an answer.
            keeper.index.remove(entry.key);
            continue;
        };
        match finish(shard, keeper, entry, &record) {
            Ok(()) => *appended = true,
            Err(AppendError::Backlog { .. } | AppendError::SegmentPending) => {
                keeper.look_ahead.put_back(entry.key, record);
                return Ok(Delivered::LogIsFull);
            }
            Err(error) => {
                tracing::debug!(%error, shard = shard.identity.broker_name, "timers wait: the log takes no messages");
                return Ok(Delivered::Failed);
            }
        }
        keeper.index.remove(entry.key);
    }
    Ok(Delivered::Some)
}

/// The record of `entry`, the first of those that are due. One that has to be read from disk is read beside the next ones.
async fn next_record<E: Env>(
    shard: &Rc<Shard<E>>,
    queue: QueueIndex,
    keeper: &mut Keeper<E>,
    entry: &TimerEntry,
) -> Result<Option<Read>, StorageError> {
    let TimerPlace { position, bytes } = entry.place;
    if shard.store.log().with_newest(position, bytes as usize, |_| ()).is_some() {
        return read(shard, queue, entry).await;
    }
    let times_gone_back = shard.store.queues().borrow().times_gone_back();
    if let Some(record) = keeper.look_ahead.take(entry.key, times_gone_back) {
        return Ok(record);
    }
    let now_ms = shard.env.now_ms();
    let due = keeper.index.upcoming().take_while(|next| next.key.due_ms <= now_ms);
    let others = due.filter(|next| !is_passed(shard, next.key));
    match keeper.look_ahead.read(shard, queue, others).await {
        // It need not be the first that cannot be read now.
        Err(StorageError::DamagedRecord { .. }) => return read(shard, queue, entry).await,
        looked => looked?,
    }
    match keeper.look_ahead.take(entry.key, times_gone_back) {
        Some(record) => Ok(record),
        // The clock was set back meanwhile.
        None => read(shard, queue, entry).await,
    }
}

/// Recalls of the due time that is being delivered are read again after a restart.
fn is_passed<E: Env>(shard: &Shard<E>, key: TimerKey) -> bool {
    let tables = shard.tables.borrow();
    match key.is_recall() {
        true => key.due_ms < tables.timers.done().due_ms || key.queue_offset() < tables.timers.rolled(),
        false => !tables.timers.is_pending(key),
    }
}

/// A record of the timer topic, or why it cannot be read.
pub(super) type Read = Result<Vec<u8>, String>;

/// `None`: this message is not in the queue, the index has it from a time that the log has lost.
pub(super) async fn read<E: Env>(
    shard: &Rc<Shard<E>>,
    queue: QueueIndex,
    entry: &TimerEntry,
) -> Result<Option<Read>, StorageError> {
    let place = entry.place;
    let read = shard.read_record(place.position, place.bytes as usize, <[u8]>::to_vec).await;
    if let Ok(bytes) = &read
        && is_record_of(bytes, entry.key)
    {
        return Ok(Some(read.map_err(|error| error.to_string())));
    }
    // The queue knows better.
    let unit = match shard.store.read_unit(queue, entry.key.queue_offset()).await {
        Ok(unit) => unit,
        Err(StorageError::OutOfRange { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let known = feed::entry_of(&unit, entry.key.queue_offset());
    if known.key != entry.key {
        return Ok(None);
    }
    match shard.read_record(known.place.position, known.place.bytes as usize, <[u8]>::to_vec).await {
        Ok(bytes) => Ok(Some(Ok(bytes))),
        Err(error @ StorageError::DamagedRecord { .. }) if shard.is_beyond_mending(known.place.position) => {
            Ok(Some(Err(error.to_string())))
        }
        Err(StorageError::OutOfRange { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_record_of(bytes: &[u8], key: TimerKey) -> bool {
    decode_record(bytes).is_ok_and(|(record, _)| {
        let code = timer_properties::unit_code(record.properties);
        record.topic == TIMER_TOPIC && timer_properties::key_of_unit(code, record.queue_offset as u64) == key
    })
}

/// Nothing else runs in here: what is decided is done.
fn finish<E: Env>(
    shard: &Rc<Shard<E>>,
    keeper: &mut Keeper<E>,
    entry: TimerEntry,
    record: &Read,
) -> Result<(), AppendError> {
    let key = entry.key;
    let now_ms = shard.env.now_ms();
    let bytes = record.as_deref().unwrap_or_default();
    let decoded = record.as_ref().map_err(Clone::clone);
    let decoded = decoded.and_then(|bytes| decode_record(bytes).map_err(|error| error.to_string()));
    let (topic, unique_key) = match &decoded {
        Ok((record, _)) => (property(record, REAL_TOPIC), property(record, UNIQ_KEY)),
        Err(_) => (&[][..], &[][..]),
    };
    let is_counted = key > shard.tables.borrow().timers.done();
    let counted_topic = std::str::from_utf8(topic).ok().filter(|topic| !topic.is_empty() && !key.is_recall());
    let done = TimerDone {
        due_ms: key.due_ms,
        order: key.order,
        topic: counted_topic.map(str::to_owned),
        bytes: bytes.len() as u32,
        at_ms: now_ms,
    };
    let mut control = Vec::new();
    ControlRecord::TimerDone(done.clone()).encode(&mut control);
    match decoded {
        Ok((record, _)) if key.is_recall() => {
            if is_counted {
                shard.append_control(&control)?;
            }
            let recalled = timer_properties::recalled_key(record.properties).unwrap_or_default();
            keeper.recalled.note(key.due_ms, topic, recalled);
        }
        Ok(_) if keeper.recalled.contains(key.due_ms, topic, unique_key) => shard.append_control(&control)?,
        Ok((record, _)) => {
            put(shard, &record, now_ms, &control)?;
            if let Some(topic) = counted_topic {
                shard.metrics.later.borrow_mut().timer_delivered(topic);
            }
        }
        Err(why) => {
            let (at, shard_name) = (entry.place.position, &shard.identity.broker_name);
            tracing::error!(why, at, shard = shard_name, "a timer message cannot be read and is skipped");
            shard.append_control(&control)?;
        }
    }
    if is_counted {
        shard.tables.borrow_mut().timers.apply_done(&done);
    }
    Ok(())
}

fn property<'a>(record: &RecordView<'a>, name: &str) -> &'a [u8] {
    properties::get(record.properties, name).unwrap_or_default()
}

fn put<E: Env>(shard: &Rc<Shard<E>>, record: &RecordView<'_>, now_ms: i64, control: &[u8]) -> Result<(), AppendError> {
    let target = delivery_target(record.properties).map_err(|error| error.to_string());
    let target = target.and_then(|(topic, queue_id)| match shard.tables.borrow().topics.get(topic) {
        Some(_) => Ok((topic, queue_id)),
        None => Err(format!("topic {topic} was deleted")),
    });
    let (topic, queue_id) = match target {
        Ok(target) => target,
        Err(why) => {
            let (at, shard_name) = (record.physical_offset, &shard.identity.broker_name);
            tracing::error!(why, at, shard = shard_name, "a timer message cannot be delivered and is skipped");
            return shard.append_control(control);
        }
    };
    let delivered = timer_properties::delivered(record.properties, record.store_timestamp, now_ms);
    let tags_code = SendProperties::scan(&delivered, 0).map_or(0, |seen| seen.tags_code);
    let fields = record.to_fields();
    let mut fields = [RecordFields {
        topic,
        queue_id,
        store_timestamp: now_ms,
        store_host: shard.store_host,
        properties: &delivered,
        ..fields
    }];
    shard.append(topic, queue_id, &mut fields, |_| tags_code, control).map(drop)
}
