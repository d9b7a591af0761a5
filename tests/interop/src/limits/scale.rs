//! How much of everything.

use std::time::Duration;

/// What is made, and how long is measured.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// Pending timers.
    pub timers: usize,
    /// Timers whose lateness is measured, while the others are pending.
    pub watched: usize,
    /// Half messages without an end.
    pub halves: usize,
    /// Topics, of [`QUEUES`] queues each.
    pub topics: usize,
    /// Consumer groups, ...
    pub groups: usize,
    /// ... which have committed offsets in all queues of so many topics each.
    pub topics_per_group: usize,
    /// Rounds of the produce load; their median counts.
    pub rounds: usize,
    /// A round of two brokers.
    pub round: Duration,
    /// Sends a second to each of them.
    pub rate: u32,
    /// Whether there are enough rounds, and long enough ones, to judge latencies.
    pub judges_latency: bool,
}

/// Queues of a topic.
pub const QUEUES: usize = 8;

impl Scale {
    /// What is promised: a million timers, 100,000 half messages, 10,000 groups and 20,000 queues.
    pub const FULL: Self = Self {
        timers: 1_000_000,
        watched: 1_000,
        halves: 100_000,
        topics: 2_500,
        groups: 10_000,
        topics_per_group: 12,
        rounds: 21,
        round: Duration::from_secs(4),
        rate: 2_500,
        judges_latency: true,
    };
    /// A fiftieth of it: shows that everything works; its latencies mean nothing.
    pub const QUICK: Self = Self {
        timers: 20_000,
        watched: 200,
        halves: 2_000,
        topics: 50,
        groups: 200,
        topics_per_group: 12,
        rounds: 2,
        round: Duration::from_secs(2),
        rate: 1_000,
        judges_latency: false,
    };

    /// Of all topics.
    #[must_use]
    pub fn queues(&self) -> usize {
        self.topics * QUEUES
    }

    /// Of all groups.
    #[must_use]
    pub fn offsets(&self) -> usize {
        self.groups * self.topics_per_group * QUEUES
    }
}
