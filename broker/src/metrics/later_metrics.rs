//! What a shard counts of messages that are seen later than they are stored: timers and transactions. By the topics that they go to.

use observe::Histogram;

use super::topic_counts::TopicCounts;
use super::traffic::{OTHERS, TOPIC_METRICS_MAX};
use crate::env::Env;
use crate::shard::Shard;

/// Those of the reference: a minute, ten, an hour, half a day, a day, three days; in ms.
static DELAY_BOUNDS_MS: [u64; 6] = [60_000, 600_000, 3_600_000, 43_200_000, 86_400_000, 259_200_000];

/// How far away due times are that senders ask for, ms.
pub(crate) type Delays = Histogram<6>;

const TAKEN: usize = 0;
const DELIVERED: usize = 1;
const COMMITTED: usize = 0;
const ROLLED_BACK: usize = 1;

/// Since the process began, by what this shard did itself.
#[derive(Debug, Clone)]
pub(crate) struct LaterMetrics {
    timers: TopicCounts<2>,
    ends: TopicCounts<2>,
    delays: Delays,
}

impl LaterMetrics {
    pub(crate) fn new() -> Self {
        Self { timers: TopicCounts::new(), ends: TopicCounts::new(), delays: Delays::new(&DELAY_BOUNDS_MS) }
    }

    /// A timer was stored, `delay_ms` before it is due.
    pub(crate) fn timer_stored(&mut self, topic: &str, delay_ms: i64) {
        self.timers.count(topic, TAKEN);
        self.delays.add(u64::try_from(delay_ms).unwrap_or(0), 1);
    }

    /// A timer was delivered.
    pub(crate) fn timer_delivered(&mut self, topic: &str) {
        self.timers.count(topic, DELIVERED);
    }

    /// A half message was ended by its producer.
    pub(crate) fn half_ended(&mut self, topic: &str, is_committed: bool) {
        self.ends.count(topic, if is_committed { COMMITTED } else { ROLLED_BACK });
    }

    /// Forgets topics that are there no more.
    pub(crate) fn retain(&mut self, topic_is_there: impl Fn(&str) -> bool) {
        self.timers.retain(&topic_is_there);
        self.ends.retain(&topic_is_there);
    }
}

/// What a scrape is told of it.
#[derive(Debug, Clone)]
pub(crate) struct LaterReport {
    metrics: LaterMetrics,
    /// Pending timers by topic.
    pub(crate) timing: Vec<(String, u64)>,
    /// Half messages without an end.
    pub(crate) halves: usize,
    /// Units of the timer topic that its index does not have.
    pub(crate) enqueue_lag: u64,
    /// How long it has not had all of them, ms.
    pub(crate) enqueue_latency_ms: u64,
    /// How long the next timer has been due, ms.
    pub(crate) dequeue_latency_ms: u64,
}

impl LaterReport {
    pub(crate) fn of<E: Env>(shard: &Shard<E>) -> Self {
        let tables = shard.tables.borrow();
        let mut timing = Vec::new();
        let mut others = 0;
        for (topic, count) in tables.timers.pending() {
            if timing.len() < TOPIC_METRICS_MAX {
                timing.push((topic.to_owned(), count));
            } else {
                others += count;
            }
        }
        if others > 0 {
            timing.push((OTHERS.to_owned(), others));
        }
        let late_ms = |due_ms: i64| u64::try_from(shard.env.now_ms() - due_ms).unwrap_or(0);
        let dequeue_latency_ms = shard.timers.next_due_ms().filter(|_| shard.may_change()).map_or(0, late_ms);
        Self {
            metrics: shard.metrics.later.borrow().clone(),
            timing,
            halves: tables.half_messages.len(),
            enqueue_lag: shard.timers.behind(),
            enqueue_latency_ms: shard
                .timers
                .behind_since()
                .map_or(0, |since| shard.env.instant().saturating_duration_since(since).as_millis() as u64),
            dequeue_latency_ms,
        }
    }

    /// Timers stored, by topic.
    pub(crate) fn timers_stored(&self) -> impl Iterator<Item = (&str, u64)> {
        self.metrics.timers.of(TAKEN)
    }

    /// Timers delivered, by topic.
    pub(crate) fn timers_delivered(&self) -> impl Iterator<Item = (&str, u64)> {
        self.metrics.timers.of(DELIVERED)
    }

    /// Half messages committed, by topic.
    pub(crate) fn committed(&self) -> impl Iterator<Item = (&str, u64)> {
        self.metrics.ends.of(COMMITTED)
    }

    /// Half messages rolled back, by topic.
    pub(crate) fn rolled_back(&self) -> impl Iterator<Item = (&str, u64)> {
        self.metrics.ends.of(ROLLED_BACK)
    }

    /// How far away due times were that senders asked for.
    pub(crate) fn delays(&self) -> &Delays {
        &self.metrics.delays
    }

    #[cfg(test)]
    pub(super) fn example() -> Self {
        let mut metrics = LaterMetrics::new();
        metrics.timer_stored("orders", 61_000);
        metrics.timer_delivered("orders");
        metrics.half_ended("orders", true);
        metrics.half_ended("orders", false);
        let timing = vec![("orders".to_owned(), 4)];
        Self { metrics, timing, halves: 3, enqueue_lag: 2, enqueue_latency_ms: 7, dequeue_latency_ms: 9 }
    }
}
