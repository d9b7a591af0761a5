//! Consumer groups by an operator's hand: create or change (200), delete (207), read (201, 352), who is connected
//! (203, 204), who consumes a topic (300).

use std::rc::Rc;

use protocol::body::{GroupList, SubscriptionGroupConfig};
use protocol::code::ResponseCode;

use crate::env::Env;
use crate::request::{Halt, Request};
use crate::shard::Shard;

/// UPDATE_AND_CREATE_SUBSCRIPTIONGROUP (200).
pub(crate) fn update<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let config = SubscriptionGroupConfig::decode(request.body)
        .map_err(|error| Halt::refuse(ResponseCode::SYSTEM_ERROR, error.to_string()))?;
    shard.admit_change()?;
    let updated = shard.tables.borrow_mut().groups.update(config, shard.env.now_ms());
    updated.map_err(|error| Halt::refuse(error.response_code(), error.to_string()))?;
    shard.log_changes();
    shard.succeed_when_safe(request.ticket());
    Ok(())
}

/// DELETE_SUBSCRIPTIONGROUP (207).
pub(crate) fn delete<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let group = request.header.require_str("groupName")?;
    let clean_offset = request.header.optional::<bool>("cleanOffset")?.unwrap_or(false);
    shard.admit_change()?;
    {
        let mut tables = shard.tables.borrow_mut();
        if tables.groups.delete(group, shard.env.now_ms()) {
            tables.request_modes.drop_group(group);
        }
        tables.pops.remove_group(group);
        if clean_offset {
            tables.offsets.remove_group(group);
            if let Some(slot) = shard.metrics.find_group(group) {
                shard.pulled_offsets.borrow_mut().forget_group(slot);
            }
        }
    }
    shard.log_changes();
    shard.log_offsets();
    shard.succeed_when_safe(request.ticket());
    Ok(())
}

/// GET_ALL_SUBSCRIPTIONGROUP_CONFIG (201).
pub(crate) fn get_all<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let header = request.header;
    let (first, count) = (header.optional::<i32>("groupSeq")?, header.optional::<i32>("maxGroupNum")?);
    let tables = shard.tables.borrow();
    let table = match (first, count) {
        (Some(first), Some(count)) if first >= 0 && count > 0 => {
            tables.groups.config_table_part(first as usize, count as usize)
        }
        _ => tables.groups.config_table(),
    };
    let total = tables.groups.len();
    let fields = |encoder: &mut protocol::command::CommandEncoder<'_>| {
        encoder.field("totalGroupNum", total);
    };
    let ticket = request.ticket();
    ticket.answer_with_body(shard, ResponseCode::SUCCESS, None, fields, &table.encode());
    Ok(())
}

/// GET_SUBSCRIPTIONGROUP_CONFIG (352). A group that is not there is made, where groups are made by themselves; only a leader
/// makes one.
pub(crate) fn get<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let group = request.header.require_str("group")?;
    if let Some(config) = shard.tables.borrow().groups.get(group) {
        request.ticket().succeed_with_body(shard, &config.encode());
        return Ok(());
    }
    shard.admit_change()?;
    let mut tables = shard.tables.borrow_mut();
    let config = tables.groups.auto_create(group, shard.env.now_ms());
    let config = config.map_err(|error| Halt::refuse(error.response_code(), error.to_string()))?;
    request.ticket().succeed_with_body(shard, &config.encode());
    Ok(())
}

/// GET_CONSUMER_CONNECTION_LIST (203).
pub(crate) fn consumer_connections<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let group = request.header.require_str("consumerGroup")?;
    let Some(connections) = shard.clients.borrow().consumers.connections(group) else {
        let remark = format!("the consumer group[{group}] not online");
        return Err(Halt::refuse(ResponseCode::CONSUMER_NOT_ONLINE, remark));
    };
    request.ticket().succeed_with_body(shard, &connections.encode());
    Ok(())
}

/// GET_PRODUCER_CONNECTION_LIST (204).
pub(crate) fn producer_connections<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let group = request.header.require_str("producerGroup")?;
    let Some(connections) = shard.clients.borrow().producers.connections(group) else {
        let remark = format!("the producer group[{group}] not exist");
        return Err(Halt::refuse(ResponseCode::SYSTEM_ERROR, remark));
    };
    request.ticket().succeed_with_body(shard, &connections.encode());
    Ok(())
}

/// QUERY_TOPIC_CONSUME_BY_WHO (300).
pub(crate) fn groups_of_topic<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let topic = request.header.require_str("topic")?;
    let mut group_list: std::collections::BTreeSet<String> =
        shard.clients.borrow().consumers.groups_of_topic(topic).map(str::to_owned).collect();
    group_list.extend(shard.tables.borrow().offsets.groups_of_topic(topic).map(str::to_owned));
    let list = GroupList { group_list: group_list.into_iter().collect() };
    request.ticket().succeed_with_body(shard, &list.encode());
    Ok(())
}
