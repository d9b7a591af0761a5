//! Looks that take nothing: PEEK_MESSAGE (200052), NOTIFICATION (200054), POLLING_INFO (200055).

use std::rc::Rc;

use protocol::code::ResponseCode;

use super::take::{Waits, attempt_id, check, looking, messages_max};
use crate::env::Env;
use crate::pop::{PopJob, PopKind};
use crate::processor::pull::inline_filter;
use crate::request::{Halt, Request};
use crate::shard::Shard;

/// PEEK_MESSAGE: what a pop would give out now.
pub(crate) fn peek<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let header = request.header;
    let (group, topic) = (header.require_str("consumerGroup")?, header.require_str("topic")?);
    let queue_id: i32 = header.require("queueId")?;
    let messages_max = messages_max(request)?;
    check(shard, request, group, topic, queue_id)?;
    let job = looking(shard, request.ticket(), PopKind::Peek, group, topic);
    PopJob { queue_id, messages_max, ..job }.begin(shard, 0);
    Ok(())
}

/// NOTIFICATION: whether a pop would find something; held until it would.
pub(crate) fn notification<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let header = request.header;
    let (group, topic) = (header.require_str("consumerGroup")?, header.require_str("topic")?);
    let queue_id: i32 = header.require("queueId")?;
    let Waits { deadline_ms, is_late } = Waits::of(shard, request)?;
    let is_ordered = header.optional("order")?.unwrap_or(false);
    let attempt_id = attempt_id(request)?;
    check(shard, request, group, topic, queue_id)?;
    let kind = header.get("expType").unwrap_or_default();
    let filter = inline_filter(shard, kind, header.get("exp").unwrap_or("*"))?;
    let job = looking(shard, request.ticket(), PopKind::Notify, group, topic);
    let job = PopJob { queue_id, is_ordered, attempt_id, filter, ..job };
    job.begin(shard, if is_late { 0 } else { deadline_ms });
    Ok(())
}

/// POLLING_INFO: how many requests are held for exactly this group, topic and queue.
pub(crate) fn polling<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let header = request.header;
    let (group, topic) = (header.require_str("consumerGroup")?, header.require_str("topic")?);
    let queue_id: i32 = header.require("queueId")?;
    check(shard, request, group, topic, queue_id)?;
    let held = shard.pops.held.borrow().held_of(&group.into(), &topic.into(), queue_id);
    request.ticket().answer(shard, ResponseCode::SUCCESS, None, |encoder| {
        encoder.field("pollingNum", held);
    });
    Ok(())
}
