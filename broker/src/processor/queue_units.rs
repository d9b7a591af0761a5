//! QUERY_CONSUME_QUEUE (321): the units of a queue, as an operator looks at them.

use std::rc::Rc;

use protocol::body::{QueueUnit, QueueUnits};
use protocol::code::ResponseCode;

use crate::env::Env;
use crate::queue_turns::QueueTurns;
use crate::request::{Halt, Request};
use crate::shard::{SMALL_READ_BYTES, Shard};

/// Units that one answer lists; each takes about 100 bytes of it.
const UNITS_MAX: i32 = 16_384;

pub(crate) fn run<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let header = request.header;
    let topic = header.require_str("topic")?;
    let queue_id: i32 = header.require("queueId")?;
    let index: i64 = header.require("index")?;
    let count: i32 = header.require("count")?;
    if count > UNITS_MAX {
        let remark = format!("header field `count` is {count}, at most {UNITS_MAX} units are listed");
        return Err(Halt::refuse(ResponseCode::INVALID_PARAMETER, remark));
    }
    let Some((queue, range)) = shard.queue_range(topic, queue_id) else {
        return Err(Halt::refuse(ResponseCode::SYSTEM_ERROR, format!("{queue_id}@{topic} is not exist!")));
    };
    let mut units =
        QueueUnits { max_queue_index: range.end as i64, min_queue_index: range.start as i64, ..QueueUnits::default() };
    if let Some(group) = header.get("consumerGroup") {
        let subscription = shard.clients.borrow().consumers.subscription(group, topic).subscription_data;
        units.filter_data = Some(match &subscription {
            // As the reference writes that there is no filter by properties.
            Some(_) => "null".to_owned(),
            None => format!("{group}@{topic} is not online!"),
        });
        units.subscription_data = subscription;
    }
    let first = u64::try_from(index).ok().filter(|first| range.contains(first));
    let missing = first.is_none().then(|| format!("Index {index} of {queue_id}@{topic} is not exist!"));
    let wanted = first.map_or(0..0, |first| first..range.end.min(first + u64::try_from(count).unwrap_or(0)));
    let (task_shard, ticket) = (shard.clone(), request.ticket());
    shard.spawn_read(ticket, SMALL_READ_BYTES, async move {
        let mut turns = QueueTurns::default();
        for at in wanted {
            turns.next(&task_shard).await;
            match task_shard.store.read_unit(queue, at).await {
                Ok(unit) => units.queue_data.push(QueueUnit {
                    eval: false,
                    physic_offset: unit.physical_offset as i64,
                    physic_size: i32::try_from(unit.bytes).unwrap_or(i32::MAX),
                    tags_code: unit.tags_code,
                }),
                Err(error) => {
                    let remark = error.to_string();
                    return ticket.answer(&task_shard, ResponseCode::SYSTEM_ERROR, Some(&remark), |_| ());
                }
            }
        }
        let body = units.encode();
        ticket.answer_with_body(&task_shard, ResponseCode::SUCCESS, missing.as_deref(), |_| (), &body);
    })
}
