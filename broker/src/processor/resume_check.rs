//! RESUME_CHECK_HALF_MESSAGE (323): an operator wants producers to be asked again about a half message that was given up, or is
//! about to be.

use std::rc::Rc;

use protocol::code::ResponseCode;
use protocol::message_id::OffsetMessageId;
use protocol::record::{RecordFields, RecordView, decode_record};
use protocol::topic_name::{TRANS_CHECK_MAX_TIME_TOPIC, TRANS_HALF_TOPIC};

use super::admission::offer_patiently;
use crate::control_record::{ControlRecord, TransactionsChecked};
use crate::env::Env;
use crate::request::{Halt, Refusal, Request};
use crate::send_properties::{SendProperties, append_put_back_properties};
use crate::shard::Shard;
use crate::transactions::{HALF_QUEUE_ID, HalfMessage};

pub(crate) fn run<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let id = request.header.require_str("msgId")?;
    let id: OffsetMessageId = id
        .parse()
        .map_err(|error| Halt::Refuse(failed(&format!("header field `msgId` is no offset message id: {error}"))))?;
    let (task_shard, ticket) = (shard.clone(), request.ticket());
    let bytes = shard.config.sends.body_bytes_max as usize;
    shard.spawn_read(ticket, bytes, async move {
        let at = id.physical_offset;
        let read = match u64::try_from(at) {
            Ok(position) => task_shard.read_record_at(position).await.map_err(|error| error.to_string()),
            Err(_) => Err("no physical offset".to_owned()),
        };
        let resumed = match read {
            Ok(bytes) => offer_patiently(&task_shard, || resume(&task_shard, &bytes)).await,
            Err(why) => Err(failed(&format!("nothing can be read at {at}: {why}"))),
        };
        match resumed {
            Ok(()) => task_shard.succeed_when_copied(ticket),
            Err(refusal) => ticket.refuse(&task_shard, &refusal),
        }
        task_shard.sweep_end();
    })
}

fn resume<E: Env>(shard: &Shard<E>, bytes: &[u8]) -> Result<(), Halt> {
    let (record, _) = decode_record(bytes).map_err(|error| Halt::Refuse(failed(&error.to_string())))?;
    match record.topic {
        TRANS_HALF_TOPIC => count_anew(shard, record.queue_offset as u64),
        TRANS_CHECK_MAX_TIME_TOPIC => put_back(shard, &record),
        topic => Err(Halt::Refuse(failed(&format!("the message is of topic {topic}, and no half message")))),
    }
}

fn count_anew<E: Env>(shard: &Shard<E>, queue_offset: u64) -> Result<(), Halt> {
    if shard.tables.borrow().half_messages.get(queue_offset).is_none() {
        let why =
            "its transaction has ended; one that was given up is put back by its id in TRANS_CHECK_MAX_TIME_TOPIC";
        return Err(Halt::Refuse(failed(why)));
    }
    let checked = TransactionsChecked { halves: vec![(queue_offset, 0)] };
    let mut control = Vec::new();
    ControlRecord::TransactionsChecked(checked.clone()).encode(&mut control);
    shard.append_control(&control)?;
    shard.tables.borrow_mut().half_messages.apply_checked(&checked);
    Ok(())
}

fn put_back<E: Env>(shard: &Shard<E>, given_up: &RecordView<'_>) -> Result<(), Halt> {
    if shard.tables.borrow().half_messages.is_full() {
        return Err(Halt::Refuse(super::send::too_many_halves()));
    }
    let mut properties = Vec::new();
    append_put_back_properties(given_up.properties, &mut properties);
    let tags_code = SendProperties::scan(&properties, 0).map_or(0, |seen| seen.tags_code);
    let now_ms = shard.env.now_ms();
    let mut fields = [RecordFields {
        queue_id: HALF_QUEUE_ID,
        topic: TRANS_HALF_TOPIC,
        store_timestamp: now_ms,
        store_host: shard.store_host,
        properties: &properties,
        ..given_up.to_fields()
    }];
    let appended = shard.append(TRANS_HALF_TOPIC, HALF_QUEUE_ID, &mut fields, |_| tags_code, &[])?;
    let half = HalfMessage::new(now_ms, &properties);
    shard.tables.borrow_mut().half_messages.insert(appended.queue_offset, half);
    Ok(())
}

fn failed(why: &str) -> Refusal {
    let remark = format!("Put message back to RMQ_SYS_TRANS_HALF_TOPIC failed. {why}");
    Refusal::new(ResponseCode::SYSTEM_ERROR, remark)
}
