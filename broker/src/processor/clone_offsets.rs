//! CLONE_GROUP_OFFSET (314): a group continues where another one stands.

use std::rc::Rc;

use protocol::code::ResponseCode;
use protocol::topic_name::validate_group;

use crate::env::Env;
use crate::request::{Halt, Request};
use crate::shard::Shard;

/// In one topic, or without `topic` in all in which the source has an offset. Unless `offline`, those are left out that the
/// source, being online, does not subscribe to. The destination may be a group that does not consume yet.
pub(crate) fn run<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let header = request.header;
    let (source, destination) = (header.require_str("srcGroup")?, header.require_str("destGroup")?);
    let is_offline = header.optional::<bool>("offline")?.unwrap_or(false);
    validate_group(destination)
        .map_err(|error| Halt::refuse(ResponseCode::INVALID_PARAMETER, format!("header field `destGroup`: {error}")))?;
    shard.admit_change()?;
    let mut tables = shard.tables.borrow_mut();
    let topics: Vec<String> = match header.get("topic") {
        Some(topic) => vec![topic.to_owned()],
        None => tables.offsets.topics_of_group(source).map(str::to_owned).collect(),
    };
    for topic in topics.iter().filter(|_| source != destination) {
        let is_left_over = shard.clients.borrow().consumers.subscribes(source, topic) == Some(false);
        if tables.topics.get(topic).is_none() || (is_left_over && !is_offline) {
            continue;
        }
        let has_any = tables.offsets.committed(source, topic).next().is_some();
        if has_any && !tables.offsets.clone_offsets(source, destination, topic) {
            let remark = format!("offsets of topic {topic} were not cloned, this broker keeps no more of them");
            return Err(Halt::refuse(ResponseCode::SYSTEM_ERROR, remark));
        }
        if let Some(slot) = shard.metrics.find_group(destination) {
            let queues = shard.store.queues().borrow();
            let mut pulled = shard.pulled_offsets.borrow_mut();
            queues.of_topic(topic).for_each(|(_, queue)| pulled.forget(queue, slot));
        }
    }
    drop(tables);
    shard.log_offsets();
    shard.succeed_when_safe(request.ticket());
    Ok(())
}
