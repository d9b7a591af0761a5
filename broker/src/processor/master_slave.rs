//! GET_MASTER_SLAVE_STATE (60001) and PROMOTE_SLAVE (60002), our own.

use std::rc::Rc;

use protocol::code::ResponseCode;

use crate::env::Env;
use crate::request::{Halt, Refusal, Request};
use crate::shard::Shard;

pub(crate) fn state<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let Some(ms) = shard.master_slave.get() else { return Err(other_mode(shard)) };
    request.ticket().succeed_with_body(shard, &shard.master_slave_state(ms).encode());
    Ok(())
}

/// Field `force`: although its master is there.
pub(crate) fn promote<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    if shard.master_slave.get().is_none() {
        return Err(other_mode(shard));
    }
    let is_forced = request.header.optional::<bool>("force")?.unwrap_or(false);
    let (shard, ticket) = (shard.clone(), request.ticket());
    let task = shard.clone();
    shard.env.spawn(async move {
        let Some(ms) = task.master_slave.get() else { return };
        match task.promote(ms, is_forced).await {
            Ok(()) => ticket.succeed_with_body(&task, &task.master_slave_state(ms).encode()),
            Err(error) => ticket.refuse(&task, &Refusal::new(ResponseCode::SYSTEM_ERROR, error.to_string())),
        }
    });
    Ok(())
}

fn other_mode<E: Env>(shard: &Shard<E>) -> Halt {
    let name = &shard.identity.broker_name;
    let remark =
        format!("{name} is neither master nor slave by brokerRole: its nodes elect who leads, or it stands alone");
    Halt::refuse(ResponseCode::REQUEST_CODE_NOT_SUPPORTED, remark)
}
