//! Storing a timer message, or a recall of one, in the timer topic.

use protocol::code::ResponseCode;
use protocol::properties::{self, REAL_TOPIC, TIMER_DEL_UNIQKEY};
use protocol::record::RecordFields;
use protocol::topic_name::TIMER_TOPIC;
use storage::store::Appended;

use crate::control_record::{ControlRecord, TimerStored};
use crate::env::Env;
use crate::request::Halt;
use crate::send_properties::TimerProperty;
use crate::shard::Shard;
use crate::timers::{RECALLS_MAX, due_time, timer_properties};

/// When a message with this property is due; `None` if it is already, and goes where it was sent to.
pub(super) fn due_ms<E: Env>(
    shard: &Shard<E>,
    timer: &TimerProperty,
    properties: &[u8],
    now_ms: i64,
) -> Result<Option<i64>, Halt> {
    let config = &shard.config.timers;
    if !config.enabled {
        return Err(Halt::refuse(ResponseCode::SYSTEM_ERROR, "timerWheelEnable is false: use a delay level instead"));
    }
    let illegal = |remark: String| Halt::refuse(ResponseCode::MESSAGE_ILLEGAL, remark);
    let due_ms = due_time::due_ms(timer, properties, now_ms, config.delay_ms_max);
    match due_ms.map_err(|error| illegal(error.to_string()))? {
        None if properties::get(properties, TIMER_DEL_UNIQKEY).is_some() => {
            Err(illegal(format!("property {TIMER_DEL_UNIQKEY} recalls a message that is due already")))
        }
        None => Ok(None),
        Some(due_ms) => Ok(Some(shard.tables.borrow().timers.due_ms(due_ms))),
    }
}

/// Appends the record, and that one more timer waits. Its properties say when it is due.
pub(super) fn append<E: Env>(shard: &Shard<E>, record: &mut [RecordFields<'_>; 1]) -> Result<Appended, Halt> {
    let unit_code = timer_properties::unit_code(record[0].properties);
    let is_recall = unit_code < 0;
    let recalls = shard.tables.borrow().timers.recalls();
    if is_recall && recalls >= RECALLS_MAX {
        let remark = format!("{recalls} recalls wait for their messages to be due, that is the limit; try again later");
        return Err(Halt::refuse(ResponseCode::SYSTEM_BUSY, remark));
    }
    let topic = properties::get_text(record[0].properties, REAL_TOPIC).filter(|_| !is_recall).map(str::to_owned);
    let bytes = record[0].encoded_bytes() as u32;
    let stored = TimerStored { topic, bytes, at_ms: record[0].store_timestamp };
    let mut control = Vec::new();
    ControlRecord::TimerStored(stored.clone()).encode(&mut control);
    let appended = shard.append(TIMER_TOPIC, 0, record, |_| unit_code, &control)?;
    if let Some(topic) = &stored.topic {
        shard.metrics.later.borrow_mut().timer_stored(topic, unit_code - stored.at_ms);
    }
    shard.tables.borrow_mut().timers.apply_stored(&stored);
    shard.timers.stored(unit_code.abs());
    Ok(appended)
}
