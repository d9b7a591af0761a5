//! A shard's answer to a scrape.

use observe::{RpcSeries, ShardSample};
use protocol::body::ReplicationStatus;

use super::later_metrics::LaterReport;
use super::shard_metrics::MessageSizes;
use super::traffic::{GroupVolume, TopicVolume};
use crate::env::Env;
use crate::shard::Shard;
use crate::statistics::Totals;

/// What one shard has counted. Bounded by the limits of [`super::traffic`] and of the route table, made in one turn of the
/// shard, sent to the control thread.
#[derive(Debug)]
pub struct ShardReport {
    pub(crate) load: ShardSample,
    pub(crate) totals: Totals,
    pub(crate) topics: Vec<TopicVolume>,
    pub(crate) groups: Vec<GroupVolume>,
    pub(crate) message_sizes: MessageSizes,
    pub(crate) later: LaterReport,
    pub(crate) latency: Vec<RpcSeries>,
    pub(crate) topic_count: usize,
    pub(crate) group_count: usize,
    pub(crate) queue_count: usize,
    pub(crate) offset_count: usize,
    pub(crate) producers: usize,
    pub(crate) consumers: usize,
    /// Answers that wait for the log.
    pub(crate) waiting_answers: usize,
    /// Reads of old messages under way.
    pub(crate) reads: usize,
    pub(crate) sweeps: u64,
    pub(crate) log_first: u64,
    pub(crate) has_ring: bool,
    pub(crate) is_failed: bool,
    pub(crate) is_disk_full: bool,
    pub(crate) pops: PopCounts,
    /// `None` for a shard that stands alone.
    pub(crate) replication: Option<ReplicationStatus>,
}

/// POP in one shard.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PopCounts {
    /// Messages that are invisible to a group.
    pub(crate) invisible: usize,
    /// Requests that wait for a message.
    pub(crate) held: usize,
    /// Messages that went to retry topics.
    pub(crate) revived: u64,
    /// Messages that became dead letters.
    pub(crate) dead: u64,
    /// How late the first message is that should be visible again, ms.
    pub(crate) late_ms: i64,
}

impl PopCounts {
    fn of<E: Env>(shard: &Shard<E>) -> Self {
        let (tables, pops) = (shard.tables.borrow(), &shard.pops);
        let due_ms = tables.pops.first_due_ms();
        Self {
            invisible: tables.pops.len(),
            held: pops.held.borrow().len(),
            revived: pops.revived.get(),
            dead: pops.dead.get(),
            late_ms: due_ms.map_or(0, |due_ms| shard.env.now_ms().saturating_sub(due_ms).max(0)),
        }
    }
}

impl ShardReport {
    pub(crate) fn of<E: Env>(shard: &Shard<E>) -> Self {
        let (log, metrics) = (shard.store.log(), &shard.metrics);
        let totals = shard.statistics.borrow().totals();
        let (tables, clients, traffic) = (shard.tables.borrow(), shard.clients.borrow(), metrics.traffic.borrow());
        let end = log.end().position;
        let load = ShardSample {
            name: shard.identity.broker_name.clone(),
            index: shard.identity.index,
            cpu: shard.identity.cpu.and_then(|cpu| u32::try_from(cpu).ok()),
            cpu_us: shard.env.cpu_time().as_micros() as u64,
            looked_us: metrics.looked.get().as_micros() as u64,
            appended: end,
            sent_messages: totals.put,
            pulled_messages: totals.transferred,
            unwritten_bytes: log.waiting_bytes(),
            unsynced_bytes: end.saturating_sub(log.stable()),
            outbox_bytes: shard.outbox.total_bytes() as u64,
            stalled_connections: metrics.stalled.get() as u64,
            parked_pulls: shard.parked.borrow().len() as u64,
            connections: metrics.connections.get(),
        };
        Self {
            load,
            totals,
            topics: traffic.topics(),
            groups: traffic.groups(),
            message_sizes: metrics.message_sizes.borrow().clone(),
            later: LaterReport::of(shard),
            latency: metrics.latency.borrow().series(),
            topic_count: tables.topics.len(),
            group_count: tables.groups.len(),
            queue_count: shard.store.queues().borrow().count(),
            offset_count: tables.offsets.len(),
            producers: clients.producers.len(),
            consumers: clients.consumers.len(),
            waiting_answers: shard.commit.borrow().len(),
            reads: shard.reads_under_way(),
            sweeps: metrics.sweeps.get(),
            log_first: log.first(),
            has_ring: log.has_ring(),
            is_failed: log.failure().is_some(),
            is_disk_full: shard.disk_is_full.get(),
            pops: PopCounts::of(shard),
            replication: shard.replication_status(),
        }
    }
}
