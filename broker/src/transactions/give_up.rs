//! Half messages whose end nobody says: they are copied to `TRANS_CHECK_MAX_TIME_TOPIC`, where people find them.

use std::rc::Rc;

use protocol::record::{RecordFields, decode_record};
use protocol::topic_name::{TRANS_CHECK_MAX_TIME_TOPIC, TRANS_HALF_TOPIC};
use storage::StorageError;

use super::HALF_QUEUE_ID;
use crate::control_record::{ControlRecord, TransactionEnd, TransactionEnded};
use crate::env::Env;
use crate::processor::admission::offer_patiently;
use crate::processor::send_back::ensure_topic;
use crate::request::Halt;
use crate::send_properties::append_check_properties;
use crate::shard::Shard;

/// The record of a half message.
/// # Errors
/// It cannot be read now. `Ok(Err)`: it never will be, with the cause.
pub(crate) async fn read_half<E: Env>(
    shard: &Rc<Shard<E>>,
    queue_offset: u64,
) -> Result<Result<Vec<u8>, String>, StorageError> {
    let queue = shard.store.queues().borrow().find(TRANS_HALF_TOPIC, HALF_QUEUE_ID as u32);
    let Some(queue) = queue else { return Ok(Err("the half topic is empty".to_owned())) };
    let unit = match shard.store.read_unit(queue, queue_offset).await {
        Ok(unit) => unit,
        // The log is cut by each node for itself: a former leader may have been longer of breath.
        Err(error @ StorageError::OutOfRange { .. }) => return Ok(Err(error.to_string())),
        Err(error) => return Err(error),
    };
    match shard.read_record(unit.physical_offset, unit.bytes as usize, <[u8]>::to_vec).await {
        Ok(bytes) => Ok(Ok(bytes)),
        Err(error @ StorageError::OutOfRange { .. }) => Ok(Err(error.to_string())),
        Err(error @ StorageError::DamagedRecord { .. }) if shard.is_beyond_mending(unit.physical_offset) => {
            Ok(Err(error.to_string()))
        }
        Err(error) => Err(error),
    }
}

/// Ends a half message so. False: not now; its row stays.
pub(crate) async fn give_up<E: Env>(shard: &Rc<Shard<E>>, queue_offset: u64, why: &'static str) -> bool {
    let broker = &shard.identity.broker_name;
    let read = match read_half(shard, queue_offset).await {
        Ok(read) => read,
        Err(error) => {
            tracing::error!(%error, queue_offset, shard = broker, "a half message cannot be read; tried again later");
            return false;
        }
    };
    let given_up = offer_patiently(shard, || match &read {
        Ok(bytes) => copy_away(shard, queue_offset, bytes),
        Err(_) => end(shard, queue_offset, TransactionEnd::Lost, |control| Ok(shard.append_control(control)?)),
    });
    match (given_up.await, read) {
        (Err(refusal), _) => {
            tracing::error!(
                remark = refusal.remark,
                queue_offset,
                shard = broker,
                "a half message cannot be given up yet"
            );
            return false;
        }
        (Ok(()), Ok(_)) => {
            tracing::warn!(
                queue_offset,
                why,
                shard = broker,
                "a half message is given up: it is in TRANS_CHECK_MAX_TIME_TOPIC"
            );
        }
        (Ok(()), Err(cause)) => {
            tracing::error!(
                queue_offset,
                cause,
                shard = broker,
                "a half message is lost: its record is not there any more"
            );
        }
    }
    true
}

/// Gives up all half messages whose records lie below `position`, which the log is about to lose.
pub(crate) async fn give_up_below<E: Env>(shard: &Rc<Shard<E>>, position: u64) {
    let Some(queue) = shard.store.queues().borrow().find(TRANS_HALF_TOPIC, HALF_QUEUE_ID as u32) else { return };
    while shard.may_change() {
        let Some(first) = shard.tables.borrow().half_messages.first() else { return };
        let lies_below = match shard.store.read_unit(queue, first).await {
            Ok(unit) => unit.physical_offset < position,
            Err(StorageError::OutOfRange { .. }) => true,
            Err(_) => false,
        };
        if !lies_below || !give_up(shard, first, "the log no longer has room for it").await {
            return;
        }
        shard.sweep_end();
    }
}

fn copy_away<E: Env>(shard: &Rc<Shard<E>>, queue_offset: u64, bytes: &[u8]) -> Result<(), Halt> {
    ensure_topic(shard, TRANS_CHECK_MAX_TIME_TOPIC, 1)?;
    let Ok((record, _)) = decode_record(bytes) else { unreachable!("it was checked when it was read") };
    let checks = shard.tables.borrow().half_messages.get(queue_offset).map_or(0, |half| half.checks);
    let mut properties = Vec::new();
    append_check_properties(record.properties, checks, &mut properties);
    let mut fields = [RecordFields {
        queue_id: 0,
        topic: TRANS_CHECK_MAX_TIME_TOPIC,
        store_timestamp: shard.env.now_ms(),
        store_host: shard.store_host,
        properties: &properties,
        ..record.to_fields()
    }];
    let tags_code = crate::send_properties::SendProperties::scan(&properties, 0).map_or(0, |seen| seen.tags_code);
    end(shard, queue_offset, TransactionEnd::GivenUp, |control| {
        shard.append(TRANS_CHECK_MAX_TIME_TOPIC, 0, &mut fields, |_| tags_code, control)?;
        Ok(())
    })
}

/// In one turn of the shard: does nothing for what has ended meanwhile.
fn end<E: Env>(
    shard: &Shard<E>,
    queue_offset: u64,
    how: TransactionEnd,
    append: impl FnOnce(&[u8]) -> Result<(), Halt>,
) -> Result<(), Halt> {
    if shard.tables.borrow().half_messages.get(queue_offset).is_none() {
        return Ok(());
    }
    let ended = TransactionEnded { queue_offset, how };
    let mut control = Vec::new();
    ControlRecord::TransactionEnded(ended).encode(&mut control);
    append(&control)?;
    shard.tables.borrow_mut().half_messages.apply_ended(ended);
    Ok(())
}
