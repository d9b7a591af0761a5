//! Pending timers that lie long in the log are stored again at its end, so that its oldest segments can go.
//!
//! Timers are looked at in the order they were stored. What is done is passed; what waits is stored again, with how far this
//! came in the same log entry. This happens when a timer is older than `timerRollWindowSlot`, and earlier where retention
//! wants a segment to go: on a group of replicas, where the leader's does. If pending timers are more than half of all the
//! log, this would make room for nothing but themselves: then segments stay, and when the disk is full, sends are refused.

use std::rc::Rc;
use std::time::{Duration, Instant};

use protocol::properties::TIMER_ROLL_TIMES;
use protocol::properties::{self, PropertiesBuilder};
use protocol::record::{PROPERTIES_BYTES_MAX, RecordFields, decode_record};
use protocol::topic_name::TIMER_TOPIC;
use storage::consume_queue::QueueIndex;
use storage::{AppendError, StorageError};

use super::task::{Keeper, timer_queue};
use super::{feed, timer_properties};
use crate::control_record::{ControlRecord, TimersRolled};
use crate::env::Env;
use crate::shard::Shard;

/// Looked at this often.
const LOOK: Duration = Duration::from_secs(10);
/// Units of one turn.
const TURN_UNITS_MAX: usize = 256;

/// When it is to be looked at again.
#[derive(Debug, Default)]
pub(super) struct Roll {
    looked_at: Option<Instant>,
    looked_for: u64,
    has_said_full: bool,
}

/// Why the oldest timer is not stored again.
#[derive(Debug, PartialEq, Eq)]
enum Stop {
    /// It need not be.
    NotYet,
    /// Others are to go on meanwhile.
    More,
}

/// Does a bounded part. True: there is more to do.
pub(super) async fn some<E: Env>(
    shard: &Rc<Shard<E>>,
    queue: QueueIndex,
    keeper: &mut Keeper<E>,
) -> Result<bool, StorageError> {
    let (now, wanted) = (shard.env.instant(), shard.timers.wanted_free_below());
    let is_wanted = wanted > keeper.roll.looked_for;
    if !is_wanted && keeper.roll.looked_at.is_some_and(|looked_at| now - looked_at < LOOK) {
        return Ok(false);
    }
    let before = shard.tables.borrow().timers.rolled();
    let mut rolled = before;
    let stopped = roll(shard, queue, keeper, wanted, &mut rolled).await;
    if rolled > shard.tables.borrow().timers.rolled() && shard.may_change() {
        // What was passed since the last one that was stored again.
        note(shard, rolled, |control| shard.append_control(control));
    }
    if rolled > before {
        shard.sweep_end();
    }
    keeper.index.supersede_below(shard.tables.borrow().timers.rolled());
    if stopped? == Stop::More {
        return Ok(true);
    }
    (keeper.roll.looked_at, keeper.roll.looked_for) = (Some(now), wanted);
    Ok(false)
}

async fn roll<E: Env>(
    shard: &Rc<Shard<E>>,
    queue: QueueIndex,
    keeper: &mut Keeper<E>,
    wanted: u64,
    rolled: &mut u64,
) -> Result<Stop, StorageError> {
    *rolled = (*rolled).max(feed::first(shard, queue));
    for _ in 0..TURN_UNITS_MAX {
        if !shard.may_change() {
            return Ok(Stop::NotYet);
        }
        if !feed::is_whole(shard, queue, keeper) {
            return Ok(Stop::More);
        }
        if *rolled >= keeper.index.fed().queue_offset {
            return Ok(Stop::NotYet);
        }
        let unit = match shard.store.read_unit(queue, *rolled).await {
            Err(StorageError::OutOfRange { .. }) => return Ok(Stop::NotYet),
            read => read?,
        };
        let key = feed::entry_of(&unit, *rolled).key;
        let is_done = {
            let done = shard.tables.borrow().timers.done();
            // Recalls of the due time that is being delivered are needed until it is over.
            key <= done && !(key.is_recall() && key.due_ms == done.due_ms)
        };
        if is_done {
            *rolled += 1;
            continue;
        }
        let is_wanted = unit.physical_offset < wanted;
        let times_gone_back = shard.store.queues().borrow().times_gone_back();
        let read = shard.read_record(unit.physical_offset, unit.bytes as usize, <[u8]>::to_vec).await;
        let is_the_same = times_gone_back == shard.store.queues().borrow().times_gone_back();
        if !shard.may_change() || !is_the_same {
            return Ok(Stop::NotYet);
        }
        if !feed::is_whole(shard, queue, keeper) {
            return Ok(Stop::More);
        }
        let bytes = match read {
            // Another replica may have it.
            Err(StorageError::DamagedRecord { .. }) if !shard.is_beyond_mending(unit.physical_offset) => {
                return Ok(Stop::NotYet);
            }
            Err(error @ StorageError::DamagedRecord { .. }) => {
                // Its delivery would find the same.
                tracing::error!(%error, shard = shard.identity.broker_name, "a timer message cannot be read and is lost");
                *rolled += 1;
                continue;
            }
            read => read?,
        };
        let Ok((record, _)) = decode_record(&bytes) else {
            *rolled += 1;
            continue;
        };
        let age_ms = shard.env.now_ms() - record.store_timestamp;
        if !is_wanted && age_ms < shard.config.timers.roll_after.as_millis() as i64 {
            return Ok(Stop::NotYet);
        }
        if !may_roll(shard, keeper) {
            return Ok(Stop::NotYet);
        }
        let again = with_one_more_roll(record.properties);
        let fields = RecordFields { store_timestamp: shard.env.now_ms(), properties: &again, ..record.to_fields() };
        let code = timer_properties::unit_code(fields.properties);
        let stored = note(shard, *rolled + 1, |control| {
            shard.append(TIMER_TOPIC, 0, &mut [fields], |_| code, control).map(drop)
        });
        if !stored {
            return Ok(Stop::NotYet);
        }
        *rolled += 1;
        // Whatever is due is found by the index alone.
        feed::some(shard, queue, keeper).await?;
    }
    Ok(Stop::More)
}

fn note<E: Env>(
    shard: &Rc<Shard<E>>,
    queue_offset: u64,
    append: impl FnOnce(&[u8]) -> Result<(), AppendError>,
) -> bool {
    let record = TimersRolled { queue_offset };
    let mut control = Vec::new();
    ControlRecord::TimersRolled(record).encode(&mut control);
    if let Err(error) = append(&control) {
        tracing::debug!(%error, shard = shard.identity.broker_name, "timers are stored again later");
        return false;
    }
    shard.tables.borrow_mut().timers.apply_rolled(record);
    true
}

/// Stored again, they must not be most of the log.
fn may_roll<E: Env>(shard: &Shard<E>, keeper: &mut Keeper<E>) -> bool {
    let pending_bytes = shard.tables.borrow().timers.bytes();
    let log_bytes = shard.store.log().end().position - shard.store.log().first();
    let may_roll = pending_bytes <= log_bytes / 2;
    if may_roll == keeper.roll.has_said_full {
        keeper.roll.has_said_full = !may_roll;
        if !may_roll {
            let shard = &shard.identity.broker_name;
            tracing::warn!(
                pending_bytes,
                log_bytes,
                shard,
                "old log segments stay: more than half of the log is timers that wait in it"
            );
        }
    }
    may_roll
}

fn with_one_more_roll(stored: &[u8]) -> Vec<u8> {
    let times: u32 = properties::get_number(stored, TIMER_ROLL_TIMES).unwrap_or(0);
    let mut builder = PropertiesBuilder::from_text(stored);
    builder.set(TIMER_ROLL_TIMES, times.saturating_add(1).to_string());
    let again = builder.into_bytes();
    // How often does not matter enough to lose the message.
    if again.len() + 64 > PROPERTIES_BYTES_MAX { stored.to_vec() } else { again }
}

impl<E: Env> Shard<E> {
    /// Whether the log below `position` holds no timer that is needed. If it does, a shard that leads stores them again, and
    /// it may be asked again.
    /// # Errors
    /// I/O.
    pub(crate) async fn is_free_of_timers_below(&self, position: u64) -> Result<bool, StorageError> {
        let Some(queue) = timer_queue(self) else { return Ok(true) };
        let at = self.tables.borrow().timers.rolled().max(feed::first(self, queue));
        match self.store.read_unit(queue, at).await {
            Ok(unit) if unit.physical_offset < position => {
                self.timers.want_free_below(position);
                Ok(false)
            }
            Ok(_) | Err(StorageError::OutOfRange { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }
}
