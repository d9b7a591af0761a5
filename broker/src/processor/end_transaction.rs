//! END_TRANSACTION (37): a producer says whether its half message becomes a message.
//!
//! The message of a commit and the record that ends its half message are one unit of the log. What has ended has no row in
//! [`HalfMessages`](crate::transactions::HalfMessages) any more, so that it is never ended twice.

use std::rc::Rc;

use protocol::code::ResponseCode;
use protocol::record::{RecordFields, RecordView, decode_record};
use protocol::sys_flag::MessageSysFlag;
use protocol::topic_name::{SCHEDULE_TOPIC, TRANS_HALF_TOPIC};

use super::admission::offer_patiently;
use crate::control_record::{ControlRecord, TransactionEnd, TransactionEnded};
use crate::delay_levels::queue_id_of_level;
use crate::env::Env;
use crate::request::{Halt, Refusal, Request};
use crate::send_properties::{append_end_properties, delivery_target, make_delayed, producer_group};
use crate::shard::Shard;
use crate::transactions::HALF_QUEUE_ID;

/// `commitOrRollback` is the transaction part of a message's flags; 0: the producer does not know yet.
const UNKNOWN: i32 = 0;

/// What a producer says, and of which half message.
struct Ending {
    group: String,
    queue_offset: i64,
    physical_offset: i64,
    how: TransactionEnd,
    /// It was asked.
    is_checked: bool,
}

pub(crate) fn run<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    // Nobody waits for an answer to "unknown", and the reference gives none.
    let Some(ending) = ending_of(request)? else { return Ok(()) };
    let ticket = request.ticket();
    if let Some(record) = half_in_memory(shard, &ending) {
        end(shard, &ending, &record)?;
        shard.succeed_when_copied(ticket);
        return Ok(());
    }
    let task_shard = shard.clone();
    let bytes = shard.config.sends.body_bytes_max as usize;
    shard.spawn_read(ticket, bytes, async move {
        let at = ending.physical_offset;
        let read = match u64::try_from(at) {
            Ok(position) => task_shard.read_record_at(position).await.map_err(|error| error.to_string()),
            Err(_) => Err("no physical offset".to_owned()),
        };
        let ended = match read {
            Ok(record) => offer_patiently(&task_shard, || end(&task_shard, &ending, &record)).await,
            Err(why) => Err(not_found(&format!("nothing can be read at commitLogOffset {at}: {why}"))),
        };
        match ended {
            Ok(()) => task_shard.succeed_when_copied(ticket),
            Err(refusal) => {
                tracing::debug!(at, remark = refusal.remark, "the end of a transaction is refused");
                ticket.refuse(&task_shard, &refusal);
            }
        }
        task_shard.sweep_end();
    })
}

fn ending_of(request: &Request<'_>) -> Result<Option<Ending>, Halt> {
    let header = request.header;
    let group = header.require_str("producerGroup")?;
    let queue_offset: i64 = header.require("tranStateTableOffset")?;
    let physical_offset: i64 = header.require("commitLogOffset")?;
    let said: i32 = header.require("commitOrRollback")?;
    let is_checked = header.optional("fromTransactionCheck")?.unwrap_or(false);
    let how = match said {
        UNKNOWN => return Ok(None),
        MessageSysFlag::TRANSACTION_COMMIT => TransactionEnd::Commit,
        MessageSysFlag::TRANSACTION_ROLLBACK => TransactionEnd::Rollback,
        _ => {
            let remark = format!("header field `commitOrRollback` is {said}; wanted 8 (commit), 12 (rollback) or 0");
            return Err(Halt::refuse(ResponseCode::SYSTEM_ERROR, remark));
        }
    };
    Ok(Some(Ending { group: group.to_owned(), queue_offset, physical_offset, how, is_checked }))
}

/// The record, if both offsets name the same one and it is in memory: as a rule it was stored a moment ago.
fn half_in_memory<E: Env>(shard: &Shard<E>, ending: &Ending) -> Option<Vec<u8>> {
    let queue = shard.store.queues().borrow().find(TRANS_HALF_TOPIC, HALF_QUEUE_ID as u32)?;
    let unit = shard.store.unit(queue, u64::try_from(ending.queue_offset).ok()?)?;
    let (at, bytes) = (unit.physical_offset, unit.bytes as usize);
    let is_meant = at as i64 == ending.physical_offset && shard.store.is_cached(at, bytes);
    is_meant.then(|| shard.store.log().with_cached(at, bytes, <[u8]>::to_vec))?
}

/// In one turn of the shard: checks, appends, and takes the row out.
fn end<E: Env>(shard: &Rc<Shard<E>>, ending: &Ending, bytes: &[u8]) -> Result<(), Halt> {
    let failed = |remark: String| Halt::refuse(ResponseCode::SYSTEM_ERROR, remark);
    let (record, _) = decode_record(bytes).map_err(|error| failed(error.to_string()))?;
    let checks = check(shard, ending, &record)?;
    let ended = TransactionEnded { queue_offset: record.queue_offset as u64, how: ending.how };
    let mut control = Vec::new();
    ControlRecord::TransactionEnded(ended).encode(&mut control);
    match ending.how {
        TransactionEnd::Commit => commit(shard, &record, checks, &control)?,
        _ => shard.append_control(&control)?,
    }
    shard.tables.borrow_mut().half_messages.apply_ended(ended);
    if let Ok((topic, _)) = delivery_target(record.properties) {
        shard.metrics.later.borrow_mut().half_ended(topic, ending.how == TransactionEnd::Commit);
    }
    Ok(())
}

/// How often its producer was asked.
fn check<E: Env>(shard: &Shard<E>, ending: &Ending, record: &RecordView<'_>) -> Result<u32, Halt> {
    let failed = |remark: &str| Err(Halt::refuse(ResponseCode::SYSTEM_ERROR, remark));
    if record.topic != TRANS_HALF_TOPIC {
        let at = ending.physical_offset;
        return Err(Halt::Refuse(not_found(&format!("the message at commitLogOffset {at} is no half message"))));
    }
    if producer_group(record.properties) != Some(ending.group.as_str()) {
        return failed("The producer group wrong");
    }
    if record.queue_offset != ending.queue_offset {
        return failed("The transaction state table offset wrong");
    }
    let tables = shard.tables.borrow();
    let Some(half) = tables.half_messages.get(record.queue_offset as u64) else {
        let why = "its transaction has ended, by its producer or because nobody said how";
        return Err(Halt::Refuse(not_found(why)));
    };
    if !ending.is_checked && half.immunity_is_over(shard.env.now_ms()) {
        let seconds = half.immunity_s;
        let remark = format!(
            "the half message is older than its CHECK_IMMUNITY_TIME_IN_SECONDS of {seconds}: its producer will be asked"
        );
        return Err(Halt::refuse(ResponseCode::ILLEGAL_OPERATION, remark));
    }
    Ok(half.checks)
}

fn commit<E: Env>(shard: &Shard<E>, half: &RecordView<'_>, checks: u32, control: &[u8]) -> Result<(), Halt> {
    let illegal = |error: &dyn std::fmt::Display| Halt::refuse(ResponseCode::SYSTEM_ERROR, error.to_string());
    let (real_topic, real_queue_id) = delivery_target(half.properties).map_err(|error| illegal(&error))?;
    if shard.tables.borrow().topics.get(real_topic).is_none() {
        let remark = format!("topic {real_topic} was deleted after the half message was sent");
        return Err(Halt::refuse(ResponseCode::TOPIC_NOT_EXIST, remark));
    }
    let mut properties = Vec::new();
    let mut seen = append_end_properties(half.properties, checks, &mut properties).map_err(|error| illegal(&error))?;
    let (mut topic, mut queue_id) = (real_topic, real_queue_id);
    let now_ms = shard.env.now_ms();
    let mut tags_code = seen.tags_code;
    let levels = &shard.config.topics.delay_levels;
    if let Some(level) = levels.clamp(seen.delay_level) {
        seen = make_delayed(&mut properties, 0, level, real_topic, real_queue_id).map_err(|error| illegal(&error))?;
        (topic, queue_id) = (SCHEDULE_TOPIC, queue_id_of_level(level));
        tags_code = now_ms + levels.delay_ms(seen.delay_level);
    }
    let mut fields = [RecordFields {
        queue_id,
        topic,
        sys_flag: MessageSysFlag(half.sys_flag).with_transaction(MessageSysFlag::TRANSACTION_COMMIT).0,
        store_timestamp: now_ms,
        store_host: shard.store_host,
        prepared_transaction_offset: half.physical_offset,
        properties: &properties,
        ..half.to_fields()
    }];
    shard.append(topic, queue_id, &mut fields, |_| tags_code, control)?;
    Ok(())
}

/// The reference's remark, and what it does not say.
fn not_found(why: &str) -> Refusal {
    Refusal::new(ResponseCode::SYSTEM_ERROR, format!("Find prepared transaction message failed: {why}"))
}
