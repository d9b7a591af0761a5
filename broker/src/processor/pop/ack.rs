//! ACK_MESSAGE (200051): a popped message is done.

use std::rc::Rc;

use protocol::pop_handle::PopHandle;

use super::{dead, named};
use crate::env::Env;
use crate::pop::{HandleUse, PopKey};
use crate::request::{Halt, Request};
use crate::shard::Shard;

pub(crate) fn run<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let named = named(shard, request)?;
    shard.admit_pop()?;
    let key = PopKey { group: named.group, topic: named.topic, queue_id: named.queue_id };
    let used = match named.handle.is_ordered() {
        true => ack_ordered(shard, key, named.offset, named.handle.pop_ms),
        false => shard.tables.borrow_mut().pops.ack(key, named.offset, named.handle.pop_ms),
    };
    check_use(shard, &named.handle, used)?;
    shard.succeed_when_safe(request.ticket());
    Ok(())
}

/// Acknowledges a message of an ordered pop, and moves the group's position.
pub(super) fn ack_ordered<E: Env>(shard: &Rc<Shard<E>>, key: PopKey<'_>, offset: u64, pop_ms: i64) -> HandleUse {
    let is_free = {
        let tables = &mut *shard.tables.borrow_mut();
        let before = tables.pops.ordered(key).map(|held| held.position() as i64);
        let Some((used, position)) = tables.pops.use_ordered(key, |held| held.ack(offset, pop_ms)) else {
            return HandleUse::Gone;
        };
        if used != HandleUse::Done {
            return used;
        }
        // Unless somebody has moved it by hand.
        if tables.offsets.query(key.group, key.topic, key.queue_id) == before {
            tables.offsets.commit(key.group, key.topic, key.queue_id, position as i64);
        }
        tables.pops.ordered(key).is_none_or(|held| !held.is_locked(shard.env.now_ms(), ""))
    };
    if is_free {
        shard.pops.note_arrival(key.topic, key.queue_id);
        shard.wake_pops();
    }
    HandleUse::Done
}

/// A message that is acknowledged twice is done; a handle that is too old or was replaced does nothing, which its client is told.
fn check_use<E: Env>(shard: &Shard<E>, handle: &PopHandle<'_>, used: HandleUse) -> Result<(), Halt> {
    match used {
        HandleUse::Done => Ok(()),
        HandleUse::Replaced => Err(dead(handle, "the message has another handle by now")),
        HandleUse::Gone => {
            let due_ms = handle.pop_ms.saturating_add(handle.invisible_ms);
            if due_ms <= shard.env.now_ms() {
                return Err(dead(handle, "its time is over, the message comes again unless it was acknowledged"));
            }
            Ok(())
        }
    }
}
