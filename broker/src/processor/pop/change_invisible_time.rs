//! CHANGE_MESSAGE_INVISIBLETIME (200053): a popped message is visible again at another time. Its handle is another one then.

use std::rc::Rc;

use protocol::code::ResponseCode;
use protocol::command::CommandEncoder;

use super::{INVISIBLE_MS_MAX, dead, invalid, named};
use crate::env::Env;
use crate::pop::{HandleUse, Invisible, PopKey};
use crate::request::{Halt, Request};
use crate::shard::Shard;

/// The reference leaves this remark in an answer without an error.
const REMARK: &str = "not set any response code";

pub(crate) fn run<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let invisible_ms: i64 = request.header.require("invisibleTime")?;
    if !(0..=INVISIBLE_MS_MAX).contains(&invisible_ms) {
        return Err(invalid(format!(
            "header field `invisibleTime` is {invisible_ms}; wanted 0 to {INVISIBLE_MS_MAX} ms"
        )));
    }
    let is_suspended = request.header.optional("suspend")?.unwrap_or(false);
    let named = named(shard, request)?;
    shard.admit_pop()?;
    let key = PopKey { group: named.group, topic: named.topic, queue_id: named.queue_id };
    let (now_ms, handle) = (shard.env.now_ms(), &named.handle);
    let (pop_ms, invisible_ms) = if handle.is_ordered() {
        let visible_ms = now_ms + invisible_ms;
        let change = |held: &mut crate::pop::OrderedPop| held.change(named.offset, handle.pop_ms, visible_ms);
        let used = shard.tables.borrow_mut().pops.use_ordered(key, change);
        check_use(handle, used.map_or(HandleUse::Gone, |(used, _)| used))?;
        // The others of its pop keep their handles, and so does it.
        (handle.pop_ms, visible_ms.saturating_sub(handle.pop_ms))
    } else {
        let pops = &mut shard.tables.borrow_mut().pops;
        let row = pops.get(key, named.offset).ok_or(HandleUse::Gone);
        let row = row.and_then(|row| if row.pop_ms == handle.pop_ms { Ok(row) } else { Err(HandleUse::Replaced) });
        match row {
            Err(used) => return check_use(handle, used),
            Ok(row) => {
                // Never the same as before, or the old handle would live on.
                let pop_ms = now_ms.max(row.pop_ms.saturating_add(1));
                let due_ms = pop_ms.saturating_add(invisible_ms);
                pops.put(key, named.offset, Invisible { pop_ms, due_ms, is_suspended });
                (pop_ms, invisible_ms)
            }
        }
    };
    let (ticket, revive_queue_id) = (request.ticket(), handle.revive_queue_id);
    shard.answer_when_safe(ticket, |buffer| {
        let code = ResponseCode::SUCCESS.0;
        let mut encoder = CommandEncoder::response(buffer, ticket.encoding, code, ticket.opaque, Some(REMARK));
        encoder.field("popTime", pop_ms).field("invisibleTime", invisible_ms).field("reviveQid", revive_queue_id);
        encoder.finish();
    });
    Ok(())
}

fn check_use(handle: &protocol::pop_handle::PopHandle<'_>, used: HandleUse) -> Result<(), Halt> {
    match used {
        HandleUse::Done => Ok(()),
        HandleUse::Replaced => Err(dead(handle, "the message has another handle by now")),
        HandleUse::Gone => Err(dead(handle, "the message is not invisible: it was acknowledged, or its time is over")),
    }
}
