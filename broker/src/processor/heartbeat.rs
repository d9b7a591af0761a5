//! HEART_BEAT (34), UNREGISTER_CLIENT (35), GET_CONSUMER_LIST_BY_GROUP (38), CHECK_CLIENT_CONFIG (46), and
//! NOTIFY_CONSUMER_IDS_CHANGED (40) to whom they concern.

use std::rc::Rc;

use protocol::body::{ConsumerData, HeartbeatData, MessageModel};
use protocol::code::{RequestCode, ResponseCode};
use protocol::command::CommandEncoder;
use protocol::frame::HeaderEncoding;
use protocol::header::FLAG_ONEWAY;
use protocol::topic_name::{is_retry_topic, retry_topic};
use runtime::{CloseReason, ConnectionId};
use serde::Deserialize;

use crate::client_table::Admission;
use crate::env::Env;
use crate::group_members::ClientConnection;
use crate::request::{Halt, Request};
use crate::shard::Shard;
use crate::subscription_filter::{SQL92, SubscriptionFilter, is_by_tag};

/// A client of a thousand topics stays far below this.
const HEARTBEAT_BYTES_MAX: usize = 1 << 20;
/// Groups of one client process; each new one is a record in the log.
const HEARTBEAT_GROUPS_MAX: usize = 2048;

pub(crate) fn run<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let failed = |remark: String| Halt::refuse(ResponseCode::SYSTEM_ERROR, remark);
    if request.body.len() > HEARTBEAT_BYTES_MAX {
        let bytes = request.body.len();
        return Err(failed(format!("the heartbeat has {bytes} bytes, at most {HEARTBEAT_BYTES_MAX} are taken")));
    }
    let heartbeat = HeartbeatData::decode(request.body).map_err(|error| failed(error.to_string()))?;
    let groups = heartbeat.consumer_data_set.len() + heartbeat.producer_data_set.len();
    if groups > HEARTBEAT_GROUPS_MAX {
        return Err(failed(format!("the heartbeat names {groups} groups, at most {HEARTBEAT_GROUPS_MAX} are taken")));
    }
    if !heartbeat.consumer_data_set.is_empty() && shard.may_change() {
        shard.admit_change()?;
    }
    let connection = client_connection(request);
    let now_ms = shard.env.now_ms();
    let mut clients = shard.clients.borrow_mut();
    let answer = clients.heartbeat(&heartbeat, &connection, now_ms, |data| admit(shard, data));
    drop(clients);
    notify_changes(shard);
    let answer = answer.map_err(|error| failed(error.to_string()))?;
    request.ticket().answer(shard, ResponseCode::SUCCESS, None, |encoder| {
        encoder.field("IS_SUPPORT_HEART_BEAT_V2", true).field("IS_SUB_CHANGE", answer.lists_subscriptions_next);
    });
    Ok(())
}

fn client_connection(request: &Request<'_>) -> ClientConnection {
    let (language, version) = (request.header.language, request.header.version);
    ClientConnection { id: request.peer.id.to_u64(), remote: request.peer.remote, language, version }
}

/// Makes the group and its retry topic if they are new.
fn admit<E: Env>(shard: &Shard<E>, data: &ConsumerData) -> Admission {
    let mut tables = shard.tables.borrow_mut();
    let now_ms = shard.env.now_ms();
    if !shard.may_change() {
        // Whoever leads makes the group. Here its members are known by their connections only.
        return Admission::Admitted { notifies_changes: false };
    }
    let Ok(config) = tables.groups.auto_create(&data.group_name, now_ms) else { return Admission::Refused };
    let (notifies, queues) = (config.notify_consumer_ids_changed_enable, config.retry_queue_nums);
    if queues > 0 {
        drop(tables);
        let ensured = super::send_back::ensure_topic(shard, &retry_topic(&data.group_name), queues);
        if let Err(halt) = ensured {
            tracing::warn!(
                group = data.group_name,
                ?halt,
                "the group has no retry topic yet; its next heartbeat tries again"
            );
        }
    }
    let broadcasts = data.message_model == MessageModel::Broadcasting;
    Admission::Admitted { notifies_changes: notifies && !broadcasts && shard.config.consumers.notify_ids_changed }
}

pub(crate) fn unregister<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let header = request.header;
    let (producer, consumer) = (header.get("producerGroup"), header.get("consumerGroup"));
    shard.clients.borrow_mut().unregister(producer, consumer, request.peer.id.to_u64());
    notify_changes(shard);
    request.ticket().succeed(shard);
    Ok(())
}

pub(crate) fn consumer_ids<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let group = request.header.require_str("consumerGroup")?;
    match shard.clients.borrow().consumers.ids(group) {
        Some(ids) => request.ticket().succeed_with_body(shard, &ids.encode()),
        None => {
            let remark = format!("no consumer for this group, {group}");
            return Err(Halt::refuse(ResponseCode::SYSTEM_ERROR, remark));
        }
    }
    Ok(())
}

/// What is looked at of the body of 46.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ClientConfig {
    client_id: Option<String>,
    group: Option<String>,
    subscription_data: Option<Expression>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Expression {
    expression_type: Option<String>,
    sub_string: Option<String>,
    topic: Option<String>,
}

/// A client learns at its start that its expression is wrong, or that such ones are not served.
pub(crate) fn check_client_config<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let failed = |remark: String| Halt::refuse(ResponseCode::SYSTEM_ERROR, remark);
    let body: ClientConfig = serde_json::from_slice(request.body).map_err(|error| failed(error.to_string()))?;
    let data = body.subscription_data.unwrap_or_default();
    let kind = data.expression_type.as_deref().unwrap_or_default();
    if !is_by_tag(kind) {
        check_property_filter(shard, kind)?;
        let expression = data.sub_string.as_deref().unwrap_or_default();
        if let Err(error) = SubscriptionFilter::parse(kind, expression) {
            let (client, group, topic) = (body.client_id, body.group, data.topic);
            tracing::warn!(?client, ?group, ?topic, %error, "a client's expression is wrong");
            let remark = format!("Invalid MessageSelector. {error}");
            return Err(Halt::refuse(ResponseCode::SUBSCRIPTION_PARSE_FAILED, remark));
        }
    }
    request.ticket().succeed(shard);
    Ok(())
}

/// Refuses what is not a filter by tags unless such ones are switched on.
pub(crate) fn check_property_filter<E: Env>(shard: &Shard<E>, kind: &str) -> Result<(), Halt> {
    if shard.config.consumers.property_filter {
        return Ok(());
    }
    let remark = format!("The broker does not support consumer to filter message by {kind}");
    Err(Halt::refuse(ResponseCode::SYSTEM_ERROR, remark))
}

/// The filter that a group's heartbeat gave for a topic.
pub(crate) fn subscription_filter<E: Env>(
    shard: &Shard<E>,
    request: &Request<'_>,
    group: &str,
    topic: &str,
) -> Result<Rc<SubscriptionFilter>, Halt> {
    let version: i64 = request.header.optional("subVersion")?.unwrap_or(0);
    let is_by_tag = request.header.get("expressionType").is_none_or(is_by_tag);
    let consumers = &shard.clients.borrow().consumers;
    let filter = consumers.pull_filter(group, topic, version, is_by_tag);
    let filter = filter.map_err(|error| Halt::refuse(error.response_code(), error.to_string()))?;
    if filter.is_by_tag() {
        return Ok(filter);
    }
    check_property_filter(shard, SQL92)?;
    if shard.config.consumers.filter_retries && is_retry_topic(topic) {
        return Ok(Rc::new(SubscriptionFilter::ByFirstTopic(consumers.filters_by_topic(group))));
    }
    Ok(filter)
}

pub(crate) fn connection_closed<E: Env>(shard: &Shard<E>, connection: ConnectionId) {
    shard.clients.borrow_mut().closed(connection.to_u64());
    notify_changes(shard);
}

/// Clients that have been silent for too long are gone.
pub(crate) fn expire<E: Env>(shard: &Shard<E>) {
    let silence_max = shard.config.consumers.client_expiry;
    let expired = shard.clients.borrow_mut().expire(shard.env.now_ms(), silence_max.as_millis() as i64);
    for connection in expired {
        let reason = CloseReason(format!("no heartbeat for {} s", silence_max.as_secs()).into());
        shard.outbox.close(ConnectionId::from_u64(connection), reason);
    }
    notify_changes(shard);
}

/// Tells members whose group changed, so that they rebalance at once.
fn notify_changes<E: Env>(shard: &Shard<E>) {
    let changed = shard.clients.borrow_mut().consumers.take_ids_changed();
    for change in changed {
        let to = ConnectionId::from_u64(change.connection);
        // A member that reads nothing is told by its own rebalance timer; the queue to it stays bounded.
        if shard.outbox.is_congested(to) {
            continue;
        }
        let opaque = super::client_call::next_opaque(shard);
        shard.outbox.with_buffer(to, |buffer| {
            let code = RequestCode::NOTIFY_CONSUMER_IDS_CHANGED.0;
            let mut encoder = CommandEncoder::request(buffer, HeaderEncoding::Json, code, opaque, FLAG_ONEWAY);
            encoder.field("consumerGroup", &*change.group);
            encoder.finish();
        });
    }
}
