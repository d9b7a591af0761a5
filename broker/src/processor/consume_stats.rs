//! How far groups are in their queues: one group (208), every group of this broker (317).

use std::collections::BTreeMap;
use std::rc::Rc;

use protocol::body::{ConsumeOffsets, ConsumeStats, ConsumeStatsList, MessageQueue};
use protocol::code::ResponseCode;

use super::offset::store_timestamp;
use crate::env::Env;
use crate::metrics::{Span, What};
use crate::queue_turns::{QUEUES_MAX, QueueTurns};
use crate::request::{Halt, Request};
use crate::shard::{SMALL_READ_BYTES, Shard};

/// Queues `0..queue_nums` of a topic, as one group stands in them.
struct Part {
    group: String,
    topic: String,
    queue_nums: i32,
}

/// GET_CONSUME_STATS (208). A list of topics is taken as it is; of others only those that the group subscribes to, if it
/// is online. Unknown ones are left out.
pub(crate) fn of_group<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let header = request.header;
    let group = header.require_str("consumerGroup")?;
    let listed = header.get("topicList").map(|list| list.split(';').filter(|topic| !topic.trim().is_empty()));
    let topics: Vec<String> = match (listed, header.get("topic")) {
        (Some(listed), _) => listed.map(str::to_owned).collect(),
        (None, Some(topic)) => subscribed(shard, group, std::iter::once(topic)),
        (None, None) => subscribed(shard, group, shard.tables.borrow().offsets.topics_of_group(group)),
    };
    let mut parts = Vec::new();
    for topic in topics {
        let queue_nums = shard.tables.borrow().topics.get(&topic).map(|config| config.read_queue_nums);
        parts.extend(queue_nums.map(|queue_nums| Part { group: group.to_owned(), topic, queue_nums }));
    }
    check_queues(&parts)?;
    let (task_shard, ticket) = (shard.clone(), request.ticket());
    shard.spawn_read(ticket, SMALL_READ_BYTES, async move {
        let (mut stats, mut turns) = (ConsumeStats::default(), QueueTurns::default());
        for part in &parts {
            stats.consume_tps += consume_tps(&task_shard, part);
            stats.offset_table.append(&mut offsets(&task_shard, part, &mut turns).await);
        }
        ticket.succeed_with_body(&task_shard, &stats.encode());
    })
}

/// GET_BROKER_CONSUME_STATS (317): every group, with nothing where it has nothing; with `isOrder` order topics only.
pub(crate) fn of_broker<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let only_order = request.header.optional::<bool>("isOrder")?.unwrap_or(false);
    let mut groups = Vec::new();
    let mut parts = Vec::new();
    let tables = shard.tables.borrow();
    for config in tables.groups.iter() {
        let group = &config.group_name;
        for topic in subscribed(shard, group, tables.offsets.topics_of_group(group)) {
            let Some(config) = tables.topics.get(&topic).filter(|config| config.order || !only_order) else { continue };
            parts.push(Part { group: group.clone(), topic, queue_nums: config.write_queue_nums });
        }
        groups.push(group.clone());
    }
    drop(tables);
    check_queues(&parts)?;
    let (task_shard, ticket) = (shard.clone(), request.ticket());
    shard.spawn_read(ticket, SMALL_READ_BYTES, async move {
        let mut list =
            ConsumeStatsList { broker_addr: task_shard.store_host.to_string(), ..ConsumeStatsList::default() };
        let (mut parts, mut turns) = (parts.into_iter().peekable(), QueueTurns::default());
        for group in groups {
            let mut of_group = Vec::new();
            while let Some(part) = parts.next_if(|part| part.group == group) {
                let offset_table = offsets(&task_shard, &part, &mut turns).await;
                for offsets in offset_table.values() {
                    list.total_diff += offsets.broker_offset - offsets.consumer_offset;
                    list.total_inflight_diff += offsets.pull_offset - offsets.consumer_offset;
                }
                of_group.push(ConsumeStats { consume_tps: consume_tps(&task_shard, &part), offset_table });
            }
            list.consume_stats_list.push(BTreeMap::from([(group, of_group)]));
        }
        ticket.succeed_with_body(&task_shard, &list.encode());
    })
}

/// Messages of the topic that the group gets a second, over the last minute.
fn consume_tps<E: Env>(shard: &Shard<E>, part: &Part) -> f64 {
    let (traffic, now_ms) = (shard.metrics.traffic.borrow(), shard.uptime_ms());
    let rates = traffic.group_rates(&part.topic, &part.group, What::Messages, Span::Minute, now_ms);
    rates.map_or(0.0, |rates| rates.per_second)
}

/// Without those that an online group does not subscribe to: what it has there is left over.
fn subscribed<'a, E: Env>(shard: &Shard<E>, group: &str, topics: impl Iterator<Item = &'a str>) -> Vec<String> {
    let clients = shard.clients.borrow();
    topics.filter(|topic| clients.consumers.subscribes(group, topic) != Some(false)).map(str::to_owned).collect()
}

fn check_queues(parts: &[Part]) -> Result<(), Halt> {
    let queues: usize = parts.iter().map(|part| usize::try_from(part.queue_nums).unwrap_or(0)).sum();
    if queues > QUEUES_MAX {
        let remark =
            format!("the answer would list {queues} queues, at most {QUEUES_MAX} fit one: ask by group and by topic");
        return Err(Halt::refuse(ResponseCode::SYSTEM_ERROR, remark));
    }
    Ok(())
}

async fn offsets<E: Env>(
    shard: &Shard<E>,
    part: &Part,
    turns: &mut QueueTurns,
) -> BTreeMap<MessageQueue, ConsumeOffsets> {
    let Part { group, topic, queue_nums } = part;
    let mut table = BTreeMap::new();
    for queue_id in 0..*queue_nums {
        turns.next(shard).await;
        let (committed, pulled) = {
            let tables = shard.tables.borrow();
            let committed = tables.offsets.query(group, topic, queue_id).unwrap_or(0).max(0);
            let pulled = shard.pulled_offset(group, topic, queue_id);
            (committed, tables.offsets.query_pulled(group, topic, queue_id, pulled).unwrap_or(0))
        };
        let queue = shard.queue_range(topic, queue_id);
        let mut offsets = ConsumeOffsets {
            broker_offset: queue.as_ref().map_or(0, |(_, range)| range.end as i64),
            consumer_offset: committed,
            last_timestamp: 0,
            pull_offset: pulled.max(committed),
        };
        // What cannot be read is reported where it is asked for; here its time is unknown.
        let last = committed.checked_sub(1).and_then(|last| u64::try_from(last).ok());
        if let (Some(last), Some((queue, range))) = (last, queue)
            && range.contains(&last)
            && let Ok(stored) = store_timestamp(shard, queue, last).await
        {
            offsets.last_timestamp = stored;
        }
        table.insert(MessageQueue::new(topic.as_str(), shard.identity.broker_name.as_str(), queue_id), offsets);
    }
    table
}
