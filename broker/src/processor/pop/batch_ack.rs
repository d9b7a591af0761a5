//! BATCH_ACK_MESSAGE (200151): popped messages are done, of any queues.

use std::rc::Rc;

use protocol::body::{BatchAck, QueueAcks};
use protocol::code::ResponseCode;
use protocol::pop_handle::ORDERED_REVIVE_QUEUE;

use super::ack::ack_ordered;
use super::{check_queue, source_of};
use crate::env::Env;
use crate::pop::PopKey;
use crate::request::{Halt, Request};
use crate::shard::Shard;

/// Queues of one request.
const QUEUES_MAX: usize = 4_096;

/// Messages of one queue that are done.
struct Acks {
    group: String,
    topic: String,
    queue_id: i32,
    start: u64,
    bits: Vec<u8>,
    pop_ms: i64,
    is_ordered: bool,
}

pub(crate) fn run<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let wrong = |remark: String| Halt::refuse(ResponseCode::SYSTEM_ERROR, remark);
    if request.body.is_empty() {
        return Err(Halt::refuse(ResponseCode::NO_MESSAGE, "the body is empty: nothing is acknowledged"));
    }
    let batch = BatchAck::decode(request.body).map_err(|error| wrong(error.to_string()))?;
    if batch.acks.is_empty() {
        return Err(Halt::refuse(ResponseCode::NO_MESSAGE, "`acks` of the body is empty: nothing is acknowledged"));
    }
    if batch.acks.len() > QUEUES_MAX {
        return Err(wrong(format!(
            "`acks` of the body has {} entries, at most {QUEUES_MAX} are taken",
            batch.acks.len()
        )));
    }
    // All of it is looked at before any of it is done.
    let acks: Vec<Acks> = batch.acks.iter().map(|ack| read(shard, request, ack)).collect::<Result<_, _>>()?;
    shard.admit_pop()?;
    for ack in &acks {
        do_all(shard, ack);
    }
    shard.succeed_when_safe(request.ticket());
    Ok(())
}

fn read<E: Env>(shard: &Shard<E>, request: &Request<'_>, ack: &QueueAcks) -> Result<Acks, Halt> {
    let wrong = |field: &str, value: &dyn std::fmt::Display, wanted: &str| {
        let remark = format!("`{field}` of an entry of `acks` is `{value}`; wanted {wanted}");
        Halt::refuse(ResponseCode::SYSTEM_ERROR, remark)
    };
    let source = source_of(&ack.source).ok_or_else(|| wrong("r", &ack.source, "0, 1 or 2"))?;
    let topic = source.topic(&ack.group, &ack.topic);
    check_queue(shard, request, &ack.group, &topic, ack.queue_id)?;
    let start = u64::try_from(ack.start).map_err(|_| wrong("so", &ack.start, "a queue offset"))?;
    let bits = ack.bit_set().ok_or_else(|| wrong("b", &ack.bits, "base64"))?;
    Ok(Acks {
        group: ack.group.clone(),
        topic,
        queue_id: ack.queue_id,
        start,
        bits,
        pop_ms: ack.pop_ms,
        is_ordered: ack.revive_queue_id == ORDERED_REVIVE_QUEUE,
    })
}

/// What is not invisible any more is passed over.
fn do_all<E: Env>(shard: &Rc<Shard<E>>, acks: &Acks) {
    let key = PopKey { group: &acks.group, topic: &acks.topic, queue_id: acks.queue_id };
    let end = acks.start.saturating_add(8 * acks.bits.len() as u64);
    let is_set = |offset: &u64| {
        let bit = (offset - acks.start) as usize;
        acks.bits[bit / 8] & (1 << (bit % 8)) != 0
    };
    if acks.is_ordered {
        let held: Vec<u64> = {
            let tables = shard.tables.borrow();
            let messages = tables.pops.ordered(key).into_iter().flat_map(|held| held.open());
            messages.map(|message| message.offset).filter(|offset| (acks.start..end).contains(offset)).collect()
        };
        for offset in held.iter().filter(|offset| is_set(offset)) {
            ack_ordered(shard, key, *offset, acks.pop_ms);
        }
        return;
    }
    let pops = &mut shard.tables.borrow_mut().pops;
    for offset in pops.popped_at(key, acks.start..end, acks.pop_ms).iter().filter(|offset| is_set(offset)) {
        pops.end(key, *offset);
    }
}
