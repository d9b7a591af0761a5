//! Of VIEW_BROKER_STATS_DATA (315), what came in lately for one queue: told by the queue itself, whose messages know when
//! they were stored, so that sends count nothing for it.

use std::rc::Rc;

use protocol::body::{BrokerStatsData, BrokerStatsItem};
use protocol::code::ResponseCode;

use super::offset::search_offset;
use crate::env::Env;
use crate::request::{Halt, Request};
use crate::shard::{SMALL_READ_BYTES, Shard};

pub(crate) const QUEUE_PUT_NUMS: &str = "QUEUE_PUT_NUMS";

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// `key` is `topic@queueId`. What retention has removed meanwhile is not counted any more.
pub(crate) fn run<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>, key: &str) -> Result<(), Halt> {
    let queue = key.rsplit_once('@').and_then(|(topic, id)| shard.queue_range(topic, id.parse().ok()?));
    let Some((queue, range)) = queue.filter(|(_, range)| !range.is_empty()) else {
        let remark = format!("The stats <{QUEUE_PUT_NUMS}> <{key}> not exist");
        return Err(Halt::refuse(ResponseCode::SYSTEM_ERROR, remark));
    };
    let (task_shard, ticket, now_ms) = (shard.clone(), request.ticket(), shard.env.now_ms());
    shard.spawn_read(ticket, SMALL_READ_BYTES, async move {
        let mut items = [BrokerStatsItem::default(), BrokerStatsItem::default(), BrokerStatsItem::default()];
        for (item, span_ms) in items.iter_mut().zip([MINUTE_MS, HOUR_MS, DAY_MS]) {
            let first = search_offset(&task_shard, queue, range.clone(), now_ms - span_ms, false).await;
            match first {
                Ok(first) => *item = lately(range.end - first, span_ms),
                Err(error) => {
                    return ticket.answer(&task_shard, ResponseCode::SYSTEM_ERROR, Some(&error.to_string()), |_| ());
                }
            }
        }
        let [stats_minute, stats_hour, stats_day] = items;
        let data = BrokerStatsData { stats_day, stats_hour, stats_minute };
        ticket.succeed_with_body(&task_shard, &data.encode());
    })
}

/// Batches are not told apart from messages that came alone: each counts as one that did.
fn lately(messages: u64, span_ms: i64) -> BrokerStatsItem {
    let tps = messages as f64 * 1_000.0 / span_ms as f64;
    BrokerStatsItem { avgpt: if messages > 0 { 1.0 } else { 0.0 }, sum: messages as i64, tps }
}
