//! A shard's answer to a scrape.

use observe::{RpcSeries, ShardSample};
use protocol::body::ReplicationStatus;

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
    /// `None` for a shard that stands alone.
    pub(crate) replication: Option<ReplicationStatus>,
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
            replication: shard.replication_status(),
        }
    }
}
