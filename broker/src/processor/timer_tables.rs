//! What a slave copies of timers: how far they are (60), and how many wait by topic (61).

use std::rc::Rc;

use protocol::topic_name::TIMER_TOPIC;

use crate::env::Env;
use crate::request::{Halt, Request};
use crate::shard::Shard;

/// GET_TIMER_CHECK_POINT (60): seven numbers i64: when timers were last delivered, ms since 1970; bytes of a timer log, which
/// is not there; the timer queue's offset that is in the index, twice; the version of the counts.
pub(crate) fn check_point<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let end = shard.queue_range(TIMER_TOPIC, 0).map_or(0, |(_, range)| range.end as i64);
    let (done, version) = {
        let timers = &shard.tables.borrow().timers;
        (timers.done(), timers.version())
    };
    let offset = (end - shard.timers.behind() as i64).max(0);
    let numbers = [done.due_ms, 0, offset, offset, version.state_version, version.timestamp, version.counter];
    request.ticket().succeed_with_body(shard, numbers.map(i64::to_be_bytes).as_flattened());
    Ok(())
}

/// GET_TIMER_METRICS (61).
pub(crate) fn metrics<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let metrics = shard.tables.borrow().timers.metrics();
    request.ticket().succeed_with_body(shard, &metrics.encode());
    Ok(())
}
