//! What is known of groups: producers (328), topics of a group (343), its subscription to one (345), where the slowest
//! groups of a topic are (308), and the tables that a slave copies (43, 45).

use std::collections::BTreeMap;
use std::rc::Rc;

use protocol::body::{CorrectionOffsets, DataVersion, DelayOffsetTable, TopicList};

use crate::env::Env;
use crate::request::{Halt, Request};
use crate::shard::Shard;

/// GET_ALL_PRODUCER_INFO (328).
pub(crate) fn producers<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let table = shard.clients.borrow().producers.table();
    request.ticket().succeed_with_body(shard, &table.encode());
    Ok(())
}

/// QUERY_TOPICS_BY_CONSUMER (343): those in which the group has an offset.
pub(crate) fn topics_of_group<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let group = request.header.require_str("group")?;
    let topic_list = shard.tables.borrow().offsets.topics_of_group(group).map(str::to_owned).collect();
    let list = TopicList { broker_addr: Some(shard.store_host.to_string()), topic_list };
    request.ticket().succeed_with_body(shard, &list.encode());
    Ok(())
}

/// QUERY_SUBSCRIPTION_BY_CONSUMER (345).
pub(crate) fn subscription<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let (group, topic) = (request.header.require_str("group")?, request.header.require_str("topic")?);
    let subscription = shard.clients.borrow().consumers.subscription(group, topic);
    request.ticket().succeed_with_body(shard, &subscription.encode());
    Ok(())
}

/// QUERY_CORRECTION_OFFSET (308): by queue, the offset of the group that is farthest back, `filterGroups` left out; where
/// `compareGroup` is farther back itself, the largest number.
pub(crate) fn correction<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let header = request.header;
    let (topic, compared) = (header.require_str("topic")?, header.require_str("compareGroup")?);
    let left_out: Vec<&str> = header.get("filterGroups").unwrap_or_default().split(',').collect();
    let tables = shard.tables.borrow();
    let mut slowest: BTreeMap<i32, i64> = BTreeMap::new();
    for group in tables.offsets.groups_of_topic(topic).filter(|group| !left_out.contains(group)) {
        for (queue_id, offset) in tables.offsets.committed(group, topic) {
            let first = shard.queue_range(topic, queue_id).map_or(0, |(_, range)| range.start as i64);
            if offset >= first {
                slowest.entry(queue_id).and_modify(|least| *least = offset.min(*least)).or_insert(offset);
            }
        }
    }
    for (queue_id, offset) in tables.offsets.committed(compared, topic) {
        if let Some(least) = slowest.get_mut(&queue_id).filter(|least| **least > offset) {
            *least = i64::MAX;
        }
    }
    let body = CorrectionOffsets { correction_offsets: slowest }.encode();
    request.ticket().succeed_with_body(shard, &body);
    Ok(())
}

/// GET_ALL_CONSUMER_OFFSET (43).
pub(crate) fn consumer_offsets<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let pulled = |group: &str, topic: &str, queue_id: i32| shard.pulled_offset(group, topic, queue_id);
    let table = shard.tables.borrow().offsets.table(version_of(shard), pulled);
    request.ticket().succeed_with_body(shard, &table.encode());
    Ok(())
}

/// GET_ALL_DELAY_OFFSET (45): levels of which something was delivered.
pub(crate) fn delay_offsets<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let tables = shard.tables.borrow();
    let progress =
        shard.config.topics.delay_levels.iter().map(|(level, _)| (level, tables.schedule.next_offset(level)));
    let offset_table = progress.filter(|(_, offset)| *offset > 0).collect();
    let table = DelayOffsetTable { data_version: version_of(shard), offset_table };
    request.ticket().succeed_with_body(shard, &table.encode());
    Ok(())
}

/// These tables count no changes: each answer is a version of its own, so that no reader takes it for the one it has.
fn version_of<E: Env>(shard: &Shard<E>) -> DataVersion {
    DataVersion { timestamp: shard.env.now_ms(), ..DataVersion::default() }
}
