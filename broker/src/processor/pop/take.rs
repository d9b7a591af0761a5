//! POP_MESSAGE (200050): messages of any queue of a topic, invisible to the rest of the group for a time.

use std::rc::Rc;

use protocol::code::ResponseCode;

use super::{INVISIBLE_MS_MAX, invalid};
use crate::env::Env;
use crate::pop::{ATTEMPT_ID_BYTES_MAX, Begin, PopJob, PopKind};
use crate::processor::pull::inline_filter;
use crate::queue_id_check::check_pull_queue_id;
use crate::request::{Halt, Request, Ticket};
use crate::shard::Shard;
use crate::topic_table::perm;

/// Messages of one pop or look.
const MESSAGES_MAX: i32 = 32;
/// Longest time a pop may ask to be held.
const HOLD_MS_MAX: i64 = 600_000;
/// A request that took longer than this, and its time to wait, to come here: its client waits no more. As the reference.
const LATE_MS_MAX: i64 = 500;
/// A request whose time to wait is over so soon is not held.
const HOLD_MS_MIN: i64 = 50;

pub(crate) fn run<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let header = request.header;
    let (group, topic) = (header.require_str("consumerGroup")?, header.require_str("topic")?);
    let queue_id: i32 = header.require("queueId")?;
    let messages_max = messages_max(request)?;
    let invisible_ms: i64 = header.require("invisibleTime")?;
    let begin = match header.require("initMode")? {
        0 => Begin::First,
        1 => Begin::Last,
        mode => return Err(invalid(format!("header field `initMode` is {mode}; wanted 0 (min) or 1 (max)"))),
    };
    if !(1..=INVISIBLE_MS_MAX).contains(&invisible_ms) {
        return Err(invalid(format!(
            "header field `invisibleTime` is {invisible_ms}; wanted 1 to {INVISIBLE_MS_MAX} ms"
        )));
    }
    let Waits { deadline_ms, is_late } = Waits::of(shard, request)?;
    let is_ordered = header.optional("order")?.unwrap_or(false);
    let attempt_id = attempt_id(request)?;
    check(shard, request, group, topic, queue_id)?;
    let kind = header.get("expType").unwrap_or_default();
    let filter = inline_filter(shard, kind, header.get("exp").unwrap_or("*"))?;
    shard.admit_pop()?;
    let ticket = request.ticket();
    if ticket.is_oneway {
        // Nobody would acknowledge what nobody gets.
        return Ok(());
    }
    let slot = shard.metrics.group(group);
    let job = PopJob {
        ticket,
        kind: PopKind::Take,
        group: shard.metrics.group_name(slot, group),
        topic: topic.into(),
        queue_id,
        messages_max,
        invisible_ms,
        begin,
        filter,
        is_ordered,
        attempt_id,
        retries: shard.retry_topics(group, topic),
        slot,
    };
    if is_late {
        job.answer_timeout(shard, 0);
    } else {
        job.begin(shard, deadline_ms);
    }
    Ok(())
}

/// How long a request waits.
pub(super) struct Waits {
    /// ms since 1970; past: not at all.
    pub(super) deadline_ms: i64,
    /// Its client waits no more.
    pub(super) is_late: bool,
}

impl Waits {
    pub(super) fn of<E: Env>(shard: &Shard<E>, request: &Request<'_>) -> Result<Self, Halt> {
        let poll_ms: i64 = request.header.require("pollTime")?;
        let born_ms: i64 = request.header.optional("bornTime")?.unwrap_or(0);
        let now_ms = shard.env.now_ms();
        let born_ms = if born_ms == 0 { now_ms } else { born_ms };
        let until_ms = born_ms.saturating_add(poll_ms.clamp(0, HOLD_MS_MAX));
        let is_late = now_ms.saturating_sub(until_ms) > LATE_MS_MAX;
        let waits = poll_ms > 0 && until_ms.saturating_sub(now_ms) >= HOLD_MS_MIN;
        let deadline_ms = if waits { until_ms.min(now_ms.saturating_add(HOLD_MS_MAX)) } else { 0 };
        Ok(Self { deadline_ms, is_late })
    }
}

pub(super) fn attempt_id(request: &Request<'_>) -> Result<String, Halt> {
    let text = request.header.get("attemptId").unwrap_or_default();
    if text.len() > ATTEMPT_ID_BYTES_MAX {
        let bytes = text.len();
        return Err(invalid(format!("header field `attemptId` has {bytes} bytes; at most {ATTEMPT_ID_BYTES_MAX}")));
    }
    Ok(text.to_owned())
}

/// Whether the group may pop the queue; makes a new group where those are made by themselves.
pub(super) fn check<E: Env>(
    shard: &Rc<Shard<E>>,
    request: &Request<'_>,
    group: &str,
    topic: &str,
    queue_id: i32,
) -> Result<(), Halt> {
    let forbidden = |remark: String| Halt::refuse(ResponseCode::NO_PERMISSION, remark);
    if shard.config.identity.permission & perm::READ == 0 {
        return Err(forbidden(format!("the broker[{}] pop message is forbidden", shard.store_host.ip())));
    }
    {
        let tables = shard.tables.borrow();
        let config =
            tables.topics.require(topic).map_err(|error| Halt::refuse(error.response_code(), error.to_string()))?;
        if config.perm & perm::READ == 0 {
            return Err(forbidden(format!("the topic[{topic}] pop message is forbidden")));
        }
        if queue_id != -1 {
            check_pull_queue_id(config, queue_id, request.peer.remote).map_err(|error| invalid(error.to_string()))?;
        }
    }
    if shard.tables.borrow().groups.get(group).is_none() {
        shard.admit_change()?;
    }
    let mut tables = shard.tables.borrow_mut();
    let config = tables.groups.auto_create(group, shard.env.now_ms());
    let config = config.map_err(|error| Halt::refuse(error.response_code(), error.to_string()))?;
    if !config.consume_enable {
        return Err(forbidden(format!("subscription group no permission, {group}")));
    }
    Ok(())
}

/// Of a request that looks and takes nothing.
pub(super) fn looking<E: Env>(shard: &Shard<E>, ticket: Ticket, kind: PopKind, group: &str, topic: &str) -> PopJob {
    let slot = shard.metrics.group(group);
    PopJob {
        ticket,
        kind,
        group: shard.metrics.group_name(slot, group),
        topic: topic.into(),
        queue_id: -1,
        messages_max: 1,
        invisible_ms: 0,
        begin: Begin::First,
        filter: Rc::new(crate::subscription_filter::SubscriptionFilter::all()),
        is_ordered: false,
        attempt_id: String::new(),
        retries: shard.retry_topics(group, topic),
        slot,
    }
}

/// How many messages a pop or look may give.
pub(super) fn messages_max(request: &Request<'_>) -> Result<usize, Halt> {
    let wanted: i32 = request.header.require("maxMsgNums")?;
    if !(1..=MESSAGES_MAX).contains(&wanted) {
        return Err(invalid(format!("header field `maxMsgNums` is {wanted}; wanted 1 to {MESSAGES_MAX}")));
    }
    Ok(wanted as usize)
}
