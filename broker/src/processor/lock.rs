//! LOCK_BATCH_MQ (41) and UNLOCK_BATCH_MQ (42): one consumer of a group at a time works a queue in order.

use std::rc::Rc;

use protocol::body::{LockBatchRequest, LockBatchResponse};
use protocol::code::ResponseCode;

use crate::env::Env;
use crate::request::{Halt, Request};
use crate::shard::Shard;

pub(crate) fn lock<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let body = decode(request)?;
    let mut locks = shard.locks.borrow_mut();
    let now_ms = shard.env.now_ms();
    let locked = locks.lock(&body.consumer_group, &body.client_id, body.mq_set.iter(), now_ms);
    let response = LockBatchResponse { lock_ok_mq_set: locked.into_iter().collect() };
    request.ticket().succeed_with_body(shard, &response.encode());
    Ok(())
}

pub(crate) fn unlock<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let body = decode(request)?;
    shard.locks.borrow_mut().unlock(&body.consumer_group, &body.client_id, body.mq_set.iter());
    request.ticket().succeed(shard);
    Ok(())
}

/// Longest name of a group, client, topic or broker in a lock: all of them are kept.
const NAME_BYTES_MAX: usize = 255;

fn decode(request: &Request<'_>) -> Result<LockBatchRequest, Halt> {
    let failed = |remark: String| Halt::refuse(ResponseCode::SYSTEM_ERROR, remark);
    let body = LockBatchRequest::decode(request.body).map_err(|error| failed(error.to_string()))?;
    let of_queues = body.mq_set.iter().flat_map(|queue| [&queue.topic, &queue.broker_name]);
    let longest = [&body.consumer_group, &body.client_id].into_iter().chain(of_queues).map(String::len).max();
    match longest {
        Some(bytes) if bytes > NAME_BYTES_MAX => {
            Err(failed(format!("a name in it has {bytes} bytes, at most {NAME_BYTES_MAX} are kept")))
        }
        _ => Ok(body),
    }
}
