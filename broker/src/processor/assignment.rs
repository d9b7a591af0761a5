//! QUERY_ASSIGNMENT (400): which queues of a topic are a member's.

use std::rc::Rc;

use protocol::body::{AssignmentQuery, Assignments, MessageModel, MessageQueue, QueueAssignment};
use protocol::code::ResponseCode;
use protocol::topic_name::is_retry_topic;

use crate::assignment::allocate::{self, Strategy};
use crate::assignment::{Asked, RequestMode, RouteNews};
use crate::env::Env;
use crate::request::{Halt, Request, Ticket};
use crate::shard::Shard;

/// Longest name of a topic or group that is looked up.
const NAME_BYTES_MAX: usize = 255;

/// A member that waits until its topic's queues are known.
pub(crate) struct WaitingMember {
    ticket: Ticket,
    query: AssignmentQuery,
}

pub(crate) fn query<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let failed = |remark: String| Halt::refuse(ResponseCode::SYSTEM_ERROR, remark);
    let query = AssignmentQuery::decode(request.body).map_err(|error| failed(error.to_string()))?;
    for (field, name) in [("topic", &query.topic), ("consumerGroup", &query.consumer_group)] {
        match name.len() {
            0 => return Err(failed(format!("field `{field}` of the body is missing or empty"))),
            1..=NAME_BYTES_MAX => {}
            bytes => return Err(failed(format!("field `{field}` of the body has {bytes} bytes"))),
        }
    }
    let member = WaitingMember { ticket: request.ticket(), query };
    if !shard.registration.looks_up_routes() {
        let queues = own_queues(shard, &member.query.topic);
        answer(shard, &member, queues.as_deref());
        return Ok(());
    }
    let topic = member.query.topic.clone();
    let asked = shard.routes.borrow_mut().ask(&topic, member, shard.env.now_ms());
    match asked {
        Asked::Known { queues, waiter, looks_up } => {
            if looks_up {
                shard.registration.look_up_route(topic);
            }
            answer(shard, &waiter, Some(&queues));
        }
        Asked::Waits { looks_up: true } => shard.registration.look_up_route(topic),
        Asked::Waits { looks_up: false } => {}
        // It keeps what it has, and asks again.
        Asked::Full { waiter } => answer(shard, &waiter, None),
    }
    Ok(())
}

/// A look-up of a topic is done.
pub(crate) fn learned<E: Env>(shard: &Rc<Shard<E>>, topic: &str, news: RouteNews) {
    let (queues, waited) = shard.routes.borrow_mut().learn(topic, news, shard.env.now_ms());
    for mut member in waited {
        member.ticket.is_held = true;
        answer(shard, &member, queues.as_deref());
    }
}

/// This broker's own, where there is no name server to ask.
fn own_queues<E: Env>(shard: &Shard<E>, topic: &str) -> Option<Vec<MessageQueue>> {
    let tables = shard.tables.borrow();
    let config = tables.topics.get(topic)?;
    let name = shard.identity.broker_name.as_str();
    Some((0..config.read_queue_nums).map(|id| MessageQueue::new(topic, name, id)).collect())
}

/// Without queues the member is told nothing, upon which it keeps what it has.
fn answer<E: Env>(shard: &Shard<E>, member: &WaitingMember, queues: Option<&[MessageQueue]>) {
    let body = Assignments { message_queue_assignments: queues.and_then(|queues| share(shard, &member.query, queues)) };
    member.ticket.succeed_with_body(shard, &body.encode());
}

fn share<E: Env>(shard: &Shard<E>, query: &AssignmentQuery, queues: &[MessageQueue]) -> Option<Vec<QueueAssignment>> {
    let config = &shard.config.assignment;
    let (mode, share_queues) = {
        let tables = shard.tables.borrow();
        match tables.request_modes.get(&query.topic, &query.consumer_group) {
            Some(set) => (set.mode, set.share_queues),
            None if is_retry_topic(&query.topic) => (RequestMode::Pull, 0),
            None => (config.default_mode, config.default_share_queues),
        }
    };
    let assigned = if query.message_model == MessageModel::Broadcasting || !config.shares_out {
        queues.to_vec()
    } else {
        let clients = shard.clients.borrow();
        let mut members: Vec<&str> =
            clients.consumers.members(&query.consumer_group).map(|(_, member)| &*member.client_id).collect();
        members.sort_unstable();
        // One that has connected anew is two for a moment.
        members.dedup();
        if members.is_empty() || queues.is_empty() || query.client_id.is_empty() {
            return None;
        }
        let strategy = Strategy::from_name(&query.strategy_name)?;
        match mode {
            RequestMode::Pull => allocate::pulled(strategy, queues, &query.client_id, &members),
            RequestMode::Pop => allocate::popped(strategy, queues, &query.client_id, &members, share_queues),
        }
    };
    let mode = mode.name();
    let assignment = |message_queue| QueueAssignment { attachments: None, message_queue, mode: mode.to_owned() };
    Some(assigned.into_iter().map(assignment).collect())
}
