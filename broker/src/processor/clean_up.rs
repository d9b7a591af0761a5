//! Cleaning up by an operator's hand: 306, 316, 329. Each replica cleans up what it has on its own disk.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::env::Env;
use crate::request::{Halt, Request};
use crate::shard::Shard;

/// CLEAN_EXPIRED_CONSUMEQUEUE (306). There is never anything left to clean: when a segment of the log goes, the queues'
/// first offsets follow in the same moment, and their files with the next checkpoint.
pub(crate) fn expired_queues<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    request.ticket().succeed(shard);
    Ok(())
}

/// CLEAN_UNUSED_TOPIC (316): queues of topics that are not there. A topic's queues go with it, so there are none but where a
/// delayed message was on its way to it in that moment.
pub(crate) fn unused_topics<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let unused: BTreeSet<Rc<str>> = {
        let tables = shard.tables.borrow();
        let queues = shard.store.queues().borrow();
        queues.topics().filter(|topic| tables.topics.get(topic).is_none()).cloned().collect()
    };
    for topic in &unused {
        tracing::info!(%topic, shard = shard.identity.broker_name, "queues of a topic that is not there are removed");
        shard.store.remove_topic(topic);
    }
    request.ticket().succeed(shard);
    Ok(())
}

/// DELETE_EXPIRED_COMMITLOG (329): expired segments go now, not in the hours of `deleteWhen`. It is answered when that
/// has been asked for, as by the reference.
pub(crate) fn expired_segments<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    shard.retention_asked.set(true);
    request.ticket().succeed(shard);
    Ok(())
}
