//! RECALL_MESSAGE (370): a timer message that is not due yet is not to be delivered.
//!
//! The recall is a record of the timer topic with the due time of its message. Whether there is such a message shows only
//! then, so one that never was is recalled as well.

use std::rc::Rc;

use protocol::code::ResponseCode;
use protocol::command::CommandEncoder;
use protocol::properties::{
    BORN_TIMESTAMP, PGROUP, REAL_QID, REAL_TOPIC, TAGS, TIMER_DEL_UNIQKEY, TIMER_DELIVER_MS, TIMER_OUT_MS, UNIQ_KEY,
};
use protocol::recall_handle::{self, RecallHandle};
use protocol::record::RecordFields;
use protocol::topic_name::TIMER_TOPIC;

use super::timer_put;
use crate::env::Env;
use crate::request::{Halt, Request};
use crate::shard::Shard;
use crate::timers::timer_properties::append;

/// What a recall is tagged with, and its body, as in the reference.
const RECALL_TAG: &str = "_RECALL_TAG_";
const RECALL_BODY: &[u8] = b"0";

pub(crate) fn run<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let header = request.header;
    let topic = header.require_str("topic")?;
    let group = header.get("producerGroup").unwrap_or_default();
    let config = &shard.config.timers;
    if !config.recall {
        let remark = "recalling messages is off: recallMessageEnable is false on this broker";
        return Err(Halt::refuse(ResponseCode::NO_PERMISSION, remark));
    }
    if !config.enabled {
        return Err(Halt::refuse(ResponseCode::SYSTEM_ERROR, "timerWheelEnable is false: there is nothing to recall"));
    }
    super::send::check_disk(shard)?;
    if shard.tables.borrow().topics.get(topic).is_none() {
        let remark = format!("recall failed, the topic[{topic}] not exist");
        return Err(Halt::refuse(ResponseCode::TOPIC_NOT_EXIST, remark));
    }
    let now_ms = shard.env.now_ms();
    let (handle, due_ms) = checked(shard, topic, header.get("recallHandle").unwrap_or_default(), now_ms)?;
    let RecallHandle { unique_key, timestamp, .. } = &handle;
    let mut properties = Vec::new();
    append(&mut properties, TIMER_DELIVER_MS, timestamp);
    append(&mut properties, TIMER_DEL_UNIQKEY, unique_key);
    append(&mut properties, UNIQ_KEY, unique_key);
    append(&mut properties, TAGS, RECALL_TAG);
    append(&mut properties, PGROUP, group);
    append(&mut properties, BORN_TIMESTAMP, now_ms);
    append(&mut properties, TIMER_OUT_MS, due_ms);
    append(&mut properties, REAL_TOPIC, topic);
    append(&mut properties, REAL_QID, 0);
    let mut record = [RecordFields {
        queue_id: 0,
        flag: 0,
        queue_offset: 0,
        physical_offset: 0,
        sys_flag: 0,
        born_timestamp: now_ms,
        born_host: request.peer.remote,
        store_timestamp: now_ms,
        store_host: shard.store_host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body: RECALL_BODY,
        topic: TIMER_TOPIC,
        properties: &properties,
    }];
    timer_put::append(shard, &mut record)?;
    let ticket = request.ticket();
    shard.answer_stored(ticket, |code, buffer| {
        let mut encoder = CommandEncoder::response(buffer, ticket.encoding, code.0, ticket.opaque, None);
        encoder.field("msgId", unique_key.as_str());
        encoder.field("MSG_REGION", shard.config.identity.region_id.as_str());
        encoder.finish();
    });
    Ok(())
}

/// The handle, if it is one of this topic and broker and its message is not due yet, and when that is.
fn checked<E: Env>(shard: &Shard<E>, topic: &str, handle: &str, now_ms: i64) -> Result<(RecallHandle, i64), Halt> {
    let invalid = |remark: String| Halt::refuse(ResponseCode::ILLEGAL_OPERATION, remark);
    let handle = recall_handle::decode(handle);
    let handle = handle.ok_or_else(|| {
        invalid("recall handle is invalid: recallHandle is none that a send was answered with".to_owned())
    })?;
    if handle.topic != topic {
        return Err(invalid(format!("recall failed, topic not match: the handle is of topic {}", handle.topic)));
    }
    if handle.broker_name != shard.identity.broker_name {
        let (of, this) = (&handle.broker_name, &shard.identity.broker_name);
        return Err(invalid(format!(
            "recall failed, broker service not available: the handle is of broker {of}, this is {this}"
        )));
    }
    let time = |why: &str| invalid(format!("recall failed, timestamp invalid: {} {why}", handle.timestamp));
    let due_ms = handle.due_ms().ok_or_else(|| time("is no time"))?;
    if due_ms <= now_ms || due_ms <= shard.tables.borrow().timers.done().due_ms {
        return Err(time("is past: the message is delivered, or about to be"));
    }
    if due_ms - now_ms > shard.config.timers.delay_ms_max {
        return Err(time("is farther away than timerMaxDelaySec allows"));
    }
    Ok((handle, due_ms))
}
