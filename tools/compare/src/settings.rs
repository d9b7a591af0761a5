//! Everything that a comparison can be told, kept with its results.

use serde::{Deserialize, Serialize};

use crate::scope::Scope;

/// Where the shards of three replicas run on one machine with two processors: the one that leads after a while, n0, has the
/// first to itself as a single broker has, and its followers share the other.
const GROUP_CPUS: [&str; 3] = ["0", "1", "1"];

/// Checked settings. The same for all sides unless a field says otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Times that everything is measured.
    pub rounds: u32,
    /// Load before each window, seconds.
    pub warmup_s: u32,
    /// Length of each window, seconds.
    pub window_s: u32,
    /// Load on Apache after each start, seconds: a cold JVM needs more than 12.
    pub warm_apache_s: u32,
    /// Load on Turbopump after each start, seconds.
    pub warm_turbopump_s: u32,
    /// Load of the stock Java client before its window, seconds: it is cold too.
    pub warm_java_client_s: u32,
    /// Load on a group of either side after each start, seconds: until ours has touched the memory of its log cache, too.
    #[serde(default)]
    pub warm_group_s: u32,
    /// Messages of the backlog that is drained.
    pub drain_messages: u64,
    /// Size of the long log, GiB of message bodies.
    pub long_log_gib: u32,
    /// Rest before an idle broker is measured, seconds.
    pub settle_s: u32,
    /// Length of the idle window, seconds.
    pub idle_s: u32,
    /// A store larger than this is thrown away between two cases, and its broker started and warmed again, GiB.
    pub store_gib: u32,
    /// Processors that the load's threads are pinned to; empty: none.
    pub load_cpus: Vec<usize>,
    /// Processors that Turbopump's shards are pinned to, as its `--cpus` takes it.
    pub turbopump_cpus: String,
    /// Turbopump's shards, but for the idle case.
    pub shards: u16,
    /// Heap of Apache's broker, GiB, touched at the start. The idle stage has 1 GiB, not touched.
    pub apache_heap_gib: u32,
    /// Heap of each of Apache's replicas, GiB, touched at the start.
    #[serde(default)]
    pub apache_group_heap_gib: u32,
    /// Processors of each of Turbopump's replicas, as its `--cpus` takes them.
    #[serde(default)]
    pub turbopump_group_cpus: Vec<String>,
    /// Seconds between the start of the stock client, which is when it asks for the route, and `kill -9` of the leader: of
    /// the first round, the second, and so on, round again.
    #[serde(default)]
    pub kill_after_s: Vec<u32>,
    /// For how long the stock client goes on afterwards: longer than its route poll, seconds.
    #[serde(default)]
    pub after_kill_s: u32,
    /// File with which the disk's own rates are measured, GiB.
    #[serde(default)]
    pub disk_probe_gib: u32,
    /// Further lines of Apache's configuration.
    pub apache_set: Vec<String>,
    /// Further lines of Turbopump's.
    pub turbopump_set: Vec<String>,
}

impl Settings {
    /// The usual ones for a machine with so much memory.
    #[must_use]
    pub fn usual(memory_bytes: u64) -> Self {
        /// From here on the peer gets its larger heap.
        const LARGE_MEMORY_BYTES: u64 = 15 << 30;
        Self {
            rounds: 3,
            warmup_s: 3,
            window_s: 8,
            warm_apache_s: 16,
            warm_turbopump_s: 4,
            warm_java_client_s: 12,
            warm_group_s: 16,
            drain_messages: 1_000_000,
            long_log_gib: 10,
            settle_s: 20,
            idle_s: 20,
            store_gib: 16,
            load_cpus: Vec::new(),
            turbopump_cpus: "0".to_owned(),
            shards: 1,
            apache_group_heap_gib: if memory_bytes >= LARGE_MEMORY_BYTES { 2 } else { 1 },
            turbopump_group_cpus: GROUP_CPUS.map(str::to_owned).to_vec(),
            kill_after_s: vec![5, 15, 25],
            after_kill_s: 45,
            disk_probe_gib: 4,
            apache_heap_gib: if memory_bytes >= LARGE_MEMORY_BYTES { 4 } else { 2 },
            apache_set: Vec::new(),
            turbopump_set: Vec::new(),
        }
    }

    /// Shortened to see whether everything runs. Its figures mean nothing.
    #[must_use]
    pub fn quick(self) -> Self {
        Self {
            rounds: 1,
            warmup_s: 1,
            window_s: 3,
            warm_apache_s: 3,
            warm_turbopump_s: 2,
            warm_java_client_s: 2,
            warm_group_s: 3,
            drain_messages: 100_000,
            long_log_gib: 1,
            settle_s: 1,
            idle_s: 3,
            store_gib: 4,
            disk_probe_gib: 1,
            ..self
        }
    }

    /// Disk that a comparison may take at its worst, GiB: a store that has just passed its limit and one case more, or
    /// the long log with its overhead and what is sent on top of it; once for each replica.
    #[must_use]
    pub fn disk_gib(&self, scope: Scope) -> u64 {
        /// More than any side writes in a second.
        const GIB_EACH_SECOND: u64 = 1;
        let case = u64::from(self.warmup_s + self.window_s) * GIB_EACH_SECOND;
        let long_log = u64::from(self.long_log_gib);
        let (store, long_log) = (u64::from(self.store_gib), long_log + long_log / 3);
        match scope {
            Scope::Broker => (store + case).max(long_log) + 4,
            // The limit of a store is for all replicas together.
            Scope::Replicas => {
                let copies = self.replicas();
                (store + copies * case).max(copies * long_log + 2 * u64::from(self.disk_probe_gib)) + 4
            }
        }
    }

    /// Brokers of a group.
    #[must_use]
    pub fn replicas(&self) -> u64 {
        self.turbopump_group_cpus.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peer_gets_four_gigabytes_where_there_is_room() {
        assert_eq!(Settings::usual(23 << 30).apache_heap_gib, 4);
        assert_eq!(Settings::usual(8 << 30).apache_heap_gib, 2);
    }

    #[test]
    fn the_disk_is_asked_for_the_worst_moment() {
        let usual = Settings::usual(1 << 34);
        assert_eq!(usual.disk_gib(Scope::Broker), 16 + 11 + 4);
        assert_eq!(usual.disk_gib(Scope::Replicas), 16 + 3 * 11 + 4);
        let long = Settings { long_log_gib: 30, ..usual };
        assert_eq!(long.disk_gib(Scope::Broker), 40 + 4);
        assert_eq!(long.disk_gib(Scope::Replicas), 3 * 40 + 2 * 4 + 4);
    }
}
