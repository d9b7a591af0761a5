//! SEND_MESSAGE (10), SEND_MESSAGE_V2 (310), SEND_BATCH_MESSAGE (320).

use std::fmt::Write as _;
use std::rc::Rc;

use protocol::batch;
use protocol::body::TopicConfig;
use protocol::code::{RequestCode, ResponseCode};
use protocol::command::{CommandEncoder, EncodeField};
use protocol::message_id::OffsetMessageId;
use protocol::recall_handle;
use protocol::record::{PROPERTIES_BYTES_MAX, RecordFields};
use protocol::send::SendRequest;
use protocol::sys_flag::MessageSysFlag;
use protocol::topic_name::{self, SCHEDULE_TOPIC, TIMER_TOPIC, TRANS_HALF_TOPIC};
use storage::store::Appended;

use crate::delay_levels::queue_id_of_level;
use crate::env::Env;
use crate::processor::timer_put;
use crate::queue_id_check::send_queue_id;
use crate::request::{Halt, Refusal, Request, Ticket};
use crate::send_properties::{
    SendProperties, append_send_properties, make_dead_letter, make_delayed, make_half, retry_send_is_dead,
};
use crate::shard::Shard;
use crate::timers::timer_properties;
use crate::topic_table::TopicError;
use crate::transactions::{HALF_MESSAGES_MAX, HALF_QUEUE_ID, HalfMessage};

/// Messages of one batch: what the answer can list and one entry should hold.
const BATCH_MESSAGES_MAX: usize = 32_768;
/// Clients of an older version say nothing about how often they retry.
const MAX_RECONSUME_TIMES_VERSION: i32 = 121;
/// Refusals by the checks of a send carry what every send answer carries.
const REFUSAL_FIELDS: &[(&str, &str)] = &[("MSG_REGION", "DefaultRegion"), ("TRACE_ON", "true")];

/// Where a message goes: not always where it was sent.
struct Target<'a> {
    topic: &'a str,
    queue_id: i32,
}

pub(crate) fn run<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let send = SendRequest::from_header(request.header, RequestCode(request.header.code))?;
    let result = check_disk(shard).and_then(|()| shard.check_copy_waits()).and_then(|()| match send.batch {
        true => store_batch(shard, request, &send),
        false => store_single(shard, request, &send),
    });
    match result {
        Err(Halt::Refuse(refusal)) => {
            shard.statistics.borrow_mut().put_failed();
            let has_fields = refusal.code != ResponseCode::SYSTEM_ERROR;
            let fields = if has_fields { REFUSAL_FIELDS } else { refusal.fields };
            Err(Halt::Refuse(Refusal { fields, ..refusal }))
        }
        result => result,
    }
}

fn store_single<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>, send: &SendRequest<'_>) -> Result<(), Halt> {
    let body = request.body;
    check_body(shard, send, body.len())?;
    let queue_id = queue_of(shard, request, send)?;
    let mut scratch = shard.scratch.borrow_mut();
    let stored = &mut scratch.properties;
    stored.clear();
    let now_ms = shard.env.now_ms();
    let new_id = |out: &mut Vec<u8>| {
        out.extend_from_slice(shard.unique_ids.borrow_mut().next_id(now_ms).as_str().as_bytes());
    };
    let illegal = |error: &dyn std::fmt::Display| Halt::refuse(ResponseCode::MESSAGE_ILLEGAL, error.to_string());
    let mut seen =
        append_send_properties(send.properties, &shard.broker_properties, new_id, stored).map_err(|e| illegal(&e))?;
    let is_half = seen.is_half_message(send.reconsume_times);
    if is_half {
        check_half(shard, &seen)?;
    }
    let due_ms = match &seen.timer {
        Some(timer) => timer_put::due_ms(shard, timer, stored, now_ms)?,
        None => None,
    };
    let mut reconsume_times = send.reconsume_times;
    let dead_letter_topic;
    let mut target = Target { topic: send.topic, queue_id };
    let levels = &shard.config.topics.delay_levels;
    if let Some(group) = dead_retry(shard, request, send)? {
        dead_letter_topic = topic_name::dlq_topic(group);
        super::send_back::ensure_topic(shard, &dead_letter_topic, 1)?;
        seen = make_dead_letter(stored, 0).map_err(|error| illegal(&error))?;
        target = Target { topic: &dead_letter_topic, queue_id: 0 };
    } else if is_half {
        // A delay counts from the commit.
        seen = make_half(stored, 0, send.topic, queue_id).map_err(|error| illegal(&error))?;
        target = Target { topic: TRANS_HALF_TOPIC, queue_id: HALF_QUEUE_ID };
    } else if let Some(level) = levels.clamp(seen.delay_level) {
        seen = make_delayed(stored, 0, level, send.topic, queue_id).map_err(|error| illegal(&error))?;
        target = Target { topic: SCHEDULE_TOPIC, queue_id: queue_id_of_level(level) };
    } else if let Some(due_ms) = due_ms {
        seen = timer_properties::make_timer(stored, due_ms, send.topic, queue_id).map_err(|error| illegal(&error))?;
        target = Target { topic: TIMER_TOPIC, queue_id: 0 };
    }
    if !topic_name::is_retry_topic(send.topic) {
        reconsume_times = reconsume_times.max(0);
    }
    let tags_code = match levels.clamp(seen.delay_level) {
        Some(level) if target.topic == SCHEDULE_TOPIC => now_ms + levels.delay_ms(level),
        _ => seen.tags_code,
    };
    let mut record = [RecordFields {
        queue_id: target.queue_id,
        flag: send.flag,
        queue_offset: 0,
        physical_offset: 0,
        sys_flag: send.sys_flag & !MessageSysFlag::TRANSACTION_MASK,
        born_timestamp: send.born_timestamp,
        born_host: request.peer.remote,
        store_timestamp: now_ms,
        store_host: shard.store_host,
        reconsume_times,
        prepared_transaction_offset: 0,
        body,
        topic: target.topic,
        properties: &*stored,
    }];
    let is_timer = target.topic == TIMER_TOPIC;
    let Appended { queue_offset, physical_offset, .. } = match is_timer {
        true => timer_put::append(shard, &mut record)?,
        false => shard.append(target.topic, target.queue_id, &mut record, |_| tags_code, &[])?,
    };
    if target.topic == TRANS_HALF_TOPIC {
        shard.tables.borrow_mut().half_messages.insert(queue_offset, HalfMessage::new(now_ms, stored));
    }
    let unique_key = unique_key(&seen, stored);
    let id = message_id(shard, physical_offset);
    let recall_handle = due_ms
        .filter(|_| is_timer)
        .zip(unique_key)
        .map(|(due_ms, unique_key)| recall_handle::encode(send.topic, &shard.identity.broker_name, due_ms, unique_key));
    let place = (queue_id, queue_offset);
    answer(shard, request.ticket(), &seen, place, id, unique_key, recall_handle.as_deref());
    Ok(())
}

fn answer<E: Env>(
    shard: &Shard<E>,
    ticket: Ticket,
    seen: &SendProperties,
    (queue_id, queue_offset): (i32, u64),
    ids: impl EncodeField,
    transaction_id: Option<&str>,
    recall_handle: Option<&str>,
) {
    let encode = |code: ResponseCode, buffer: &mut Vec<u8>| {
        let mut encoder = CommandEncoder::response(buffer, ticket.encoding, code.0, ticket.opaque, None);
        encoder.field("msgId", ids).field("queueId", queue_id).field("queueOffset", queue_offset);
        encoder.optional_field("transactionId", transaction_id);
        encoder.optional_field("recallHandle", recall_handle);
        encoder.field("MSG_REGION", shard.config.identity.region_id.as_str());
        encoder.field("TRACE_ON", shard.config.identity.trace_on);
        encoder.finish();
    };
    if seen.waits_until_stored {
        shard.answer_stored(ticket, encode);
    } else if !ticket.is_oneway {
        ticket.answered(shard, ResponseCode::SUCCESS);
        shard.outbox.with_buffer(ticket.connection, |buffer| encode(ResponseCode::SUCCESS, buffer));
    }
}

fn store_batch<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>, send: &SendRequest<'_>) -> Result<(), Halt> {
    check_body(shard, send, request.body.len())?;
    let illegal = |remark: String| Halt::refuse(ResponseCode::MESSAGE_ILLEGAL, remark);
    if topic_name::is_retry_topic(send.topic) {
        return Err(illegal(format!("batch request does not support retry group {}", send.topic)));
    }
    if send.topic.len() > i8::MAX as usize {
        return Err(illegal(format!("message topic length over range {}", send.topic.len())));
    }
    let queue_id = queue_of(shard, request, send)?;
    let now_ms = shard.env.now_ms();
    let mut records = Vec::new();
    let mut tags = Vec::new();
    for item in batch::iterate(request.body) {
        let item = item.map_err(|error| illegal(error.to_string()))?;
        if records.len() == BATCH_MESSAGES_MAX {
            return Err(illegal(format!("a batch holds at most {BATCH_MESSAGES_MAX} messages")));
        }
        let seen = SendProperties::scan(item.properties, 0).map_err(|error| illegal(error.to_string()))?;
        tags.push(seen.tags_code);
        records.push(RecordFields {
            queue_id,
            flag: item.flag,
            queue_offset: 0,
            physical_offset: 0,
            sys_flag: send.sys_flag & !MessageSysFlag::TRANSACTION_MASK,
            born_timestamp: send.born_timestamp,
            born_host: request.peer.remote,
            store_timestamp: now_ms,
            store_host: shard.store_host,
            reconsume_times: send.reconsume_times,
            prepared_transaction_offset: 0,
            body: item.body,
            topic: send.topic,
            properties: item.properties,
        });
    }
    if records.is_empty() {
        return Err(Halt::refuse(ResponseCode::SYSTEM_ERROR, "the batch holds no message"));
    }
    let appended = shard.append(send.topic, queue_id, &mut records, |number| tags[number], &[])?;
    let mut ids = String::with_capacity(records.len() * 33);
    for record in &records {
        if !ids.is_empty() {
            ids.push(',');
        }
        // Writing to a String does not fail.
        let _ = write!(ids, "{}", message_id(shard, record.physical_offset as u64));
    }
    let outer = SendProperties::scan(send.properties.as_bytes(), 0).map_err(|error| illegal(error.to_string()))?;
    let transaction_id = unique_key(&outer, send.properties.as_bytes());
    answer(shard, request.ticket(), &outer, (queue_id, appended.queue_offset), &ids, transaction_id, None);
    Ok(())
}

fn check_half<E: Env>(shard: &Shard<E>, seen: &SendProperties) -> Result<(), Halt> {
    if seen.timer.is_some() {
        let remark = "a transactional message cannot have a time to be delivered at: send it with a delay level, or without a transaction";
        return Err(Halt::refuse(ResponseCode::SYSTEM_ERROR, remark));
    }
    if shard.config.transactions.rejected {
        let remark = format!("the broker[{}] sending transaction message is forbidden", shard.store_host.ip());
        return Err(Halt::refuse(ResponseCode::NO_PERMISSION, remark));
    }
    if shard.tables.borrow().half_messages.is_full() {
        return Err(Halt::Refuse(too_many_halves()));
    }
    Ok(())
}

pub(crate) fn too_many_halves() -> Refusal {
    let remark = format!("[OVERLOAD]{HALF_MESSAGES_MAX} half messages wait for their end, try again later");
    Refusal::new(ResponseCode::SYSTEM_BUSY, remark)
}

pub(super) fn check_disk<E: Env>(shard: &Shard<E>) -> Result<(), Halt> {
    if !shard.disk_is_full.get() {
        return Ok(());
    }
    let limit = shard.config.store.disk_full_percent;
    let remark = format!("the store's disk is {limit} % full or more (diskSpaceWarningLevelRatio)");
    Err(Halt::refuse(ResponseCode::SERVICE_NOT_AVAILABLE, remark))
}

pub(super) fn check_body<E: Env>(shard: &Shard<E>, send: &SendRequest<'_>, bytes: usize) -> Result<(), Halt> {
    let bytes_max = shard.config.sends.body_bytes_max as usize;
    if bytes == 0 {
        return Err(Halt::refuse(ResponseCode::SYSTEM_ERROR, "the message body is empty"));
    }
    if bytes > bytes_max {
        let remark = format!("the message body has {bytes} bytes, maxMessageSize is {bytes_max}");
        let code = if send.batch { ResponseCode::SYSTEM_ERROR } else { ResponseCode::MESSAGE_ILLEGAL };
        return Err(Halt::refuse(code, remark));
    }
    if send.properties.len() > PROPERTIES_BYTES_MAX {
        let remark = format!("message properties length over range {}", send.properties.len());
        return Err(Halt::refuse(ResponseCode::MESSAGE_ILLEGAL, remark));
    }
    Ok(())
}

/// Checks topic and queue of a send, making the topic if that is how it should come to be.
pub(super) fn queue_of<E: Env>(
    shard: &Rc<Shard<E>>,
    request: &Request<'_>,
    send: &SendRequest<'_>,
) -> Result<i32, Halt> {
    let refuse = |error: &TopicError| Halt::refuse(error.response_code(), error.to_string());
    let queue_in = |config: &TopicConfig| {
        let random = if send.queue_id < 0 { shard.env.random_below(u32::MAX) } else { 0 };
        send_queue_id(config, send.queue_id, random, request.peer.remote)
            .map_err(|error| Halt::refuse(ResponseCode::INVALID_PARAMETER, error.to_string()))
    };
    let tables = shard.tables.borrow();
    match tables.topics.get(send.topic) {
        Some(config) if !topic_name::is_send_forbidden(send.topic) => return queue_in(config),
        _ => tables.topics.check_send(send.topic).map_err(|error| refuse(&error))?,
    }
    drop(tables);
    shard.admit_change()?;
    let mut tables = shard.tables.borrow_mut();
    let (default_topic, queues) = (send.default_topic, send.default_topic_queue_nums);
    let created = tables.topics.auto_create(send.topic, default_topic, queues, shard.env.now_ms());
    let config = created.map_err(|error| refuse(&error))?;
    shard.tell_siblings(config);
    drop(tables);
    // The topic is in the log before its first message.
    shard.log_changes();
    let tables = shard.tables.borrow();
    let Some(config) = tables.topics.get(send.topic) else { unreachable!("just created") };
    queue_in(config)
}

/// The group of a retry that a client sent by itself and that is not to be tried again.
fn dead_retry<'a, E: Env>(
    shard: &Shard<E>,
    request: &Request<'_>,
    send: &SendRequest<'a>,
) -> Result<Option<&'a str>, Halt> {
    let Some(group) = topic_name::retry_group(send.topic) else { return Ok(None) };
    let now_ms = shard.env.now_ms();
    let mut tables = shard.tables.borrow_mut();
    let config = tables.groups.auto_create(group, now_ms);
    let config = config.map_err(|error| Halt::refuse(error.response_code(), error.to_string()))?;
    let asked = send.max_reconsume_times.filter(|_| request.header.version >= MAX_RECONSUME_TIMES_VERSION);
    let reconsume_times_max = asked.unwrap_or(config.retry_max_times);
    let holds_locks = shard.locks.borrow().any_alive(group, now_ms);
    Ok(retry_send_is_dead(send.reconsume_times, reconsume_times_max, holds_locks).then_some(group))
}

fn unique_key<'a>(seen: &SendProperties, properties: &'a [u8]) -> Option<&'a str> {
    let range = seen.unique_key.clone()?;
    std::str::from_utf8(properties.get(range)?).ok()
}

fn message_id<E: Env>(shard: &Shard<E>, physical_offset: u64) -> OffsetMessageId {
    OffsetMessageId { store_host: shard.store_host, physical_offset: physical_offset as i64 }
}
