//! What POP's clients ask for.

pub(crate) mod ack;
pub(crate) mod batch_ack;
pub(crate) mod change_invisible_time;
pub(crate) mod look;
pub(crate) mod take;

use protocol::code::ResponseCode;
use protocol::pop_handle::{PopHandle, PopSource};

use crate::env::Env;
use crate::queue_id_check::check_pull_queue_id;
use crate::request::{Halt, Request};
use crate::shard::Shard;

/// Longest invisible time, and longest time from a pop time to now, that is taken, ms: a year.
pub(crate) const INVISIBLE_MS_MAX: i64 = 365 * 24 * 3_600_000;

fn invalid(remark: String) -> Halt {
    Halt::refuse(ResponseCode::INVALID_PARAMETER, remark)
}

/// What a handle is of that a request names.
struct Named<'a> {
    group: &'a str,
    topic: &'a str,
    queue_id: i32,
    offset: u64,
    handle: PopHandle<'a>,
}

/// Reads and checks the fields that acknowledgements and changes of the invisible time have in common.
fn named<'a, E: Env>(shard: &Shard<E>, request: &Request<'a>) -> Result<Named<'a>, Halt> {
    let header = request.header;
    let (group, topic) = (header.require_str("consumerGroup")?, header.require_str("topic")?);
    let queue_id: i32 = header.require("queueId")?;
    let offset: i64 = header.require("offset")?;
    let text = header.require_str("extraInfo")?;
    let wrong = |what: &dyn std::fmt::Display| {
        Halt::refuse(
            ResponseCode::SYSTEM_ERROR,
            format!("header field `extraInfo` is no handle of this message: {what}"),
        )
    };
    let handle = PopHandle::parse(text).map_err(|error| wrong(&error))?;
    let offset = checked_offset(shard, request, group, topic, queue_id, offset)?;
    if handle.queue_id != queue_id {
        return Err(wrong(&format_args!("its queue id is {}, `queueId` is {queue_id}", handle.queue_id)));
    }
    if let Some(named) = handle.offset.filter(|named| *named != offset as i64) {
        return Err(wrong(&format_args!("its queue offset is {named}, `offset` is {offset}")));
    }
    Ok(Named { group, topic, queue_id, offset, handle })
}

/// A queue offset that a request names, if there is such a group, topic and queue and the offset is one of its own.
fn checked_offset<E: Env>(
    shard: &Shard<E>,
    request: &Request<'_>,
    group: &str,
    topic: &str,
    queue_id: i32,
    offset: i64,
) -> Result<u64, Halt> {
    check_queue(shard, request, group, topic, queue_id)?;
    let (first, end) = shard.queue_range(topic, queue_id).map_or((0, 0), |(_, range)| (range.start, range.end));
    match u64::try_from(offset) {
        // The reference takes the end too; nothing can be acknowledged there.
        Ok(offset) if (first..=end).contains(&offset) => Ok(offset),
        _ => {
            let remark = format!("offset is illegal, key:{topic}@{queue_id}, commit:{offset}, store:{first}~{end}");
            Err(Halt::refuse(ResponseCode::NO_MESSAGE, remark))
        }
    }
}

fn check_queue<E: Env>(
    shard: &Shard<E>,
    request: &Request<'_>,
    group: &str,
    topic: &str,
    queue_id: i32,
) -> Result<(), Halt> {
    let tables = shard.tables.borrow();
    let config =
        tables.topics.require(topic).map_err(|error| Halt::refuse(error.response_code(), error.to_string()))?;
    check_pull_queue_id(config, queue_id, request.peer.remote)
        .map_err(|error| Halt::refuse(ResponseCode::MESSAGE_ILLEGAL, error.to_string()))?;
    tables.groups.require(group).map_err(|error| Halt::refuse(error.response_code(), error.to_string()))?;
    Ok(())
}

/// Why a handle does nothing any more.
fn dead(handle: &PopHandle<'_>, why: &str) -> Halt {
    Halt::refuse(ResponseCode::NO_MESSAGE, format!("header field `extraInfo` is `{handle}`: {why}"))
}

/// The topic that a request of a batch means.
fn source_of(text: &str) -> Option<PopSource> {
    PopSource::parse(text)
}
