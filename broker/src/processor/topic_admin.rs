//! Topics by an operator's hand: create or change (17), delete (215), read (21, 351), positions (202), system topics
//! (305).

use std::rc::Rc;

use protocol::body::{MessageQueue, TopicConfig, TopicFilterType, TopicOffsets, TopicStatsTable};
use protocol::code::ResponseCode;
use protocol::record::decode_record;
use protocol::topic_name::{pop_retry_topic, pop_retry_topic_v2};

use crate::attribute_changes::AttributeChanges;
use crate::control_tables::ControlTables;
use crate::env::Env;
use crate::metrics::{Span, What};
use crate::request::{Halt, Request};
use crate::shard::{SMALL_READ_BYTES, Shard};
use crate::topic_table::TopicError;

fn refused(error: &TopicError) -> Halt {
    Halt::refuse(error.response_code(), error.to_string())
}

/// UPDATE_AND_CREATE_TOPIC (17).
pub(crate) fn update<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let header = request.header;
    let invalid = |remark: String| Halt::refuse(ResponseCode::INVALID_PARAMETER, remark);
    let kind = header.get("topicFilterType").unwrap_or("SINGLE_TAG");
    let config = TopicConfig {
        topic_name: header.require_str("topic")?.to_owned(),
        read_queue_nums: header.require("readQueueNums")?,
        write_queue_nums: header.require("writeQueueNums")?,
        perm: header.require("perm")?,
        topic_filter_type: TopicFilterType::from_name(kind)
            .ok_or_else(|| invalid(format!("topicFilterType {kind} is unknown")))?,
        topic_sys_flag: header.optional("topicSysFlag")?.unwrap_or(0),
        order: header.optional("order")?.unwrap_or(false),
        ..TopicConfig::default()
    };
    let changes = AttributeChanges::parse(header.get("attributes").unwrap_or_default())
        .map_err(|error| Halt::refuse(ResponseCode::SYSTEM_ERROR, error.to_string()))?;
    shard.admit_change()?;
    let updated = shard.tables.borrow_mut().topics.update(config, &changes, shard.env.now_ms());
    updated.map_err(|error| refused(&error))?;
    shard.log_changes();
    shard.succeed_when_safe(request.ticket());
    Ok(())
}

/// DELETE_TOPIC_IN_BROKER (215). The queues, their files and the positions of consumers in them go with it; so do, unless settings
/// keep them, the topics in which groups with a position in it have retries of what they popped of it.
pub(crate) fn delete<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let topic = request.header.require_str("topic")?;
    let retries = match shard.config.topics.clears_pop_retries {
        true => pop_retries(&shard.tables.borrow(), topic),
        false => Vec::new(),
    };
    // They go first: where the log takes no more in between, the request is offered again and finds the rest of them.
    for retry in retries {
        shard.admit_change()?;
        remove(shard, &retry)?;
    }
    shard.admit_change()?;
    match remove(shard, topic)? {
        true => shard.succeed_when_safe(request.ticket()),
        false => request.ticket().succeed(shard),
    }
    Ok(())
}

/// The topics, of those that are there, in which retries of this one's messages lie that groups with a position in it popped.
fn pop_retries(tables: &ControlTables, topic: &str) -> Vec<String> {
    if tables.topics.get(topic).is_none() || tables.topics.is_system(topic) {
        return Vec::new();
    }
    let names = |group: &str| [pop_retry_topic_v2(group, topic), pop_retry_topic(group, topic)];
    let retries = tables.offsets.groups_of_topic(topic).flat_map(names);
    retries.filter(|retry| tables.topics.get(retry).is_some()).collect()
}

/// A change was admitted before. False: there is no such topic.
fn remove<E: Env>(shard: &Rc<Shard<E>>, topic: &str) -> Result<bool, Halt> {
    {
        let mut tables = shard.tables.borrow_mut();
        if !tables.topics.delete(topic, shard.env.now_ms()).map_err(|error| refused(&error))? {
            return Ok(false);
        }
        tables.pops.remove_topic(topic);
        tables.offsets.remove_topic(topic);
        tables.request_modes.drop_topic(topic);
    }
    // Admitted above, so the record is in the log before anybody can make the topic anew.
    assert!(shard.log_changes(), "an admitted change fits the log");
    shard.log_offsets();
    let queues: Vec<_> = shard.store.queues().borrow().of_topic(topic).map(|(_, queue)| queue).collect();
    // In this turn: whoever sends to the topic from now on begins a new one.
    shard.store.remove_topic(topic);
    let mut woken = Vec::new();
    queues.iter().for_each(|queue| shard.parked.borrow_mut().wake_all(*queue, &mut woken));
    woken.into_iter().for_each(|job| super::pull::run_again(shard, job));
    Ok(true)
}

/// GET_TOPIC_CONFIG (351).
pub(crate) fn get<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let topic = request.header.require_str("topic")?;
    let tables = shard.tables.borrow();
    let Some(config) = tables.topics.get(topic) else {
        return Err(Halt::refuse(ResponseCode::TOPIC_NOT_EXIST, format!("No topic in this broker. topic: {topic}")));
    };
    request.ticket().succeed_with_body(shard, &config.encode());
    Ok(())
}

/// GET_ALL_TOPIC_CONFIG (21).
pub(crate) fn get_all<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let header = request.header;
    let (first, count) = (header.optional::<i32>("topicSeq")?, header.optional::<i32>("maxTopicNum")?);
    let tables = shard.tables.borrow();
    let table = match (first, count) {
        (Some(first), Some(count)) if first >= 0 && count > 0 => {
            tables.topics.config_table_part(first as usize, count as usize)
        }
        _ => tables.topics.config_table(),
    };
    let total = tables.topics.len();
    request.ticket().answer_with_body(
        shard,
        ResponseCode::SUCCESS,
        None,
        |encoder| {
            encoder.field("totalTopicNum", total);
        },
        &table.encode(),
    );
    Ok(())
}

/// GET_SYSTEM_TOPIC_LIST_FROM_BROKER (305).
pub(crate) fn system_topics<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let list = shard.tables.borrow().topics.system_topic_list();
    request.ticket().succeed_with_body(shard, &list.encode());
    Ok(())
}

/// GET_TOPIC_STATS_INFO (202): first and end of every queue, and when its last message came.
pub(crate) fn stats<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let topic = request.header.require_str("topic")?.to_owned();
    let queue_nums = {
        let tables = shard.tables.borrow();
        let config = tables.topics.require(&topic).map_err(|error| refused(&error))?;
        config.read_queue_nums.max(config.write_queue_nums)
    };
    let (task_shard, ticket) = (shard.clone(), request.ticket());
    shard.spawn_read(ticket, SMALL_READ_BYTES, async move {
        let mut table = TopicStatsTable::default();
        for queue_id in 0..queue_nums {
            let offsets = queue_offsets(&task_shard, &topic, queue_id as u32).await;
            let queue = MessageQueue::new(topic.as_str(), task_shard.identity.broker_name.as_str(), queue_id);
            table.offset_table.insert(queue, offsets);
        }
        let now_ms = task_shard.uptime_ms();
        let rates = task_shard.metrics.traffic.borrow().topic_rates(&topic, What::Messages, Span::Minute, now_ms);
        table.topic_put_tps = rates.map_or(0.0, |rates| rates.per_second);
        ticket.succeed_with_body(&task_shard, &table.encode());
    })
}

async fn queue_offsets<E: Env>(shard: &Shard<E>, topic: &str, queue_id: u32) -> TopicOffsets {
    let found = {
        let queues = shard.store.queues().borrow();
        let queue = queues.find(topic, queue_id);
        queue.and_then(|index| queues.get(index).map(|queue| (index, queue.first(), queue.readable())))
    };
    let Some((queue, first, end)) = found else { return TopicOffsets::default() };
    let mut last_update_timestamp = 0;
    if first < end
        && let Ok(unit) = shard.store.read_unit(queue, end - 1).await
    {
        let stored = |record: &[u8]| decode_record(record).map_or(0, |(record, _)| record.store_timestamp);
        let read = shard.read_record(unit.physical_offset, unit.bytes as usize, stored).await;
        // A record that cannot be read is reported where it is asked for; here its time is unknown.
        last_update_timestamp = read.unwrap_or(0);
    }
    TopicOffsets { min_offset: first as i64, max_offset: end as i64, last_update_timestamp }
}
