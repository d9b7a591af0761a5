//! What went from queues to groups, and how far.

use storage::consume_queue::QueueIndex;

use super::Shard;
use crate::env::Env;
use crate::metrics::GroupSlot;

impl<E: Env> Shard<E> {
    /// Counts messages that went from a queue to a group.
    pub(crate) fn pulled(&self, queue: QueueIndex, group: GroupSlot, messages: u64, bytes: u64) {
        let queues = self.store.queues().borrow();
        let topic = || queues.name(queue).map(|(topic, _)| &**topic);
        self.metrics.traffic.borrow_mut().pulled(queue, topic, group, messages, bytes);
    }

    /// Where the group's last pull of the queue went on to, if there was one since the start.
    pub(crate) fn pulled_offset(&self, group: &str, topic: &str, queue_id: i32) -> Option<i64> {
        let queue = self.store.queues().borrow().find(topic, u32::try_from(queue_id).ok()?)?;
        self.pulled_offsets.borrow().get(queue, self.metrics.find_group(group)?)
    }

    /// By the clock: keeps how counters stand, and forgets those of topics and groups that are there no more.
    pub(crate) fn sample_traffic(&self) {
        let mut traffic = self.metrics.traffic.borrow_mut();
        if !traffic.tick(self.uptime_ms()) {
            return;
        }
        let tables = self.tables.borrow();
        let changes = (tables.topics.version().counter, tables.groups.version().counter);
        if self.metrics.retained_at.get() != changes {
            let is_there = |topic: &str| tables.topics.get(topic).is_some();
            let gone = traffic.retain(is_there, |group| tables.groups.get(group).is_some());
            self.metrics.later.borrow_mut().retain(is_there);
            let queues = self.store.queues().borrow();
            let mut pulled_offsets = self.pulled_offsets.borrow_mut();
            pulled_offsets.retain(|number| queues.is_there(number));
            if !gone.freed.is_empty() {
                pulled_offsets.forget_groups(|slot| gone.freed.contains(&slot));
            }
            if !gone.are_some_in_use {
                self.metrics.retained_at.set(changes);
            }
        }
    }
}
