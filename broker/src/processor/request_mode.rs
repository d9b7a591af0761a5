//! SET_MESSAGE_REQUEST_MODE (401) and GET_ALL_MESSAGE_REQUEST_MODE (402): whether a group pulls a topic or pops it.

use std::rc::Rc;

use protocol::body::MessageRequestMode;
use protocol::code::ResponseCode;
use protocol::topic_name::is_retry_topic;

use crate::assignment::{ModeError, StoredRequestMode};
use crate::env::Env;
use crate::request::{Halt, Request};
use crate::shard::Shard;

fn refused(error: &ModeError) -> Halt {
    Halt::refuse(error.response_code(), error.to_string())
}

pub(crate) fn set<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let body = MessageRequestMode::decode(request.body)
        .map_err(|error| Halt::refuse(ResponseCode::SYSTEM_ERROR, error.to_string()))?;
    let mode = StoredRequestMode::of_body(&body).map_err(|error| refused(&error))?;
    if is_retry_topic(&mode.topic) {
        let remark = "retry topic is not allowed to set mode";
        return Err(Halt::refuse(ResponseCode::NO_PERMISSION, remark));
    }
    shard.admit_change()?;
    {
        let mut tables = shard.tables.borrow_mut();
        if tables.topics.get(&mode.topic).is_none() {
            let remark = format!("topic[{}] not exist", mode.topic);
            return Err(Halt::refuse(ResponseCode::TOPIC_NOT_EXIST, remark));
        }
        let group = tables.groups.auto_create(&mode.group, shard.env.now_ms());
        group.map_err(|error| Halt::refuse(error.response_code(), error.to_string()))?;
        tables.request_modes.set(mode).map_err(|error| refused(&error))?;
    }
    shard.log_changes();
    shard.succeed_when_safe(request.ticket());
    Ok(())
}

pub(crate) fn all<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let table = shard.tables.borrow().request_modes.table();
    request.ticket().succeed_with_body(shard, &table.encode());
    Ok(())
}
