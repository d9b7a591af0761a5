//! QUERY_CONSUME_TIME_SPAN (303): from when to when a topic's messages are, and how far back a group is in time.

use std::rc::Rc;

use protocol::body::{ConsumeTimeSpan, MessageQueue, QueueTimeSpan};
use protocol::code::ResponseCode;

use super::offset::store_timestamp;
use crate::env::Env;
use crate::queue_turns::QueueTurns;
use crate::request::{Halt, Request};
use crate::shard::{SMALL_READ_BYTES, Shard};

/// There is no such message.
const NO_TIME: i64 = -1;

pub(crate) fn run<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let header = request.header;
    let (topic, group) = (header.require_str("topic")?.to_owned(), header.require_str("group")?.to_owned());
    let Some(queue_nums) = shard.tables.borrow().topics.get(&topic).map(|config| config.write_queue_nums) else {
        return Err(Halt::refuse(ResponseCode::TOPIC_NOT_EXIST, format!("topic[{topic}] not exist")));
    };
    let (task_shard, ticket) = (shard.clone(), request.ticket());
    shard.spawn_read(ticket, SMALL_READ_BYTES, async move {
        let (mut spans, mut turns) = (ConsumeTimeSpan::default(), QueueTurns::default());
        for queue_id in 0..queue_nums {
            turns.next(&task_shard).await;
            spans.consume_time_span_set.push(span(&task_shard, &group, &topic, queue_id).await);
        }
        ticket.succeed_with_body(&task_shard, &spans.encode());
    })
}

async fn span<E: Env>(shard: &Shard<E>, group: &str, topic: &str, queue_id: i32) -> QueueTimeSpan {
    let message_queue = MessageQueue::new(topic, shard.identity.broker_name.as_str(), queue_id);
    let mut span = QueueTimeSpan {
        consume_time_stamp: NO_TIME,
        delay_time: 0,
        max_time_stamp: NO_TIME,
        message_queue,
        min_time_stamp: NO_TIME,
    };
    let Some((queue, range)) = shard.queue_range(topic, queue_id).filter(|(_, range)| !range.is_empty()) else {
        return span;
    };
    // What cannot be read is reported where it is asked for; here its time is unknown.
    let time_at = async |at: u64| match range.contains(&at) {
        true => store_timestamp(shard, queue, at).await.unwrap_or(NO_TIME),
        false => NO_TIME,
    };
    let consumed = shard.tables.borrow().offsets.query(group, topic, queue_id).unwrap_or(0);
    let consumed = u64::try_from(consumed).unwrap_or(0);
    span.min_time_stamp = time_at(range.start).await;
    span.max_time_stamp = time_at(range.end - 1).await;
    span.consume_time_stamp = if consumed > 0 { time_at(consumed - 1).await } else { span.min_time_stamp };
    let next = time_at(consumed.max(range.start)).await;
    if next != NO_TIME {
        span.delay_time = (shard.env.now_ms() - next).max(0);
    }
    span
}
