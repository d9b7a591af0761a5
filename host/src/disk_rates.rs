//! How busy a disk was.

use serde::{Deserialize, Serialize};

use crate::DiskCounters;
use crate::counter::{advance, per_second, share};

/// What a disk did between two samples.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DiskRates {
    /// The device.
    pub name: String,
    /// The whole disk, if this is a part of one.
    pub partition_of: Option<String>,
    /// Whether it lies on other devices of the list.
    pub stacked: bool,
    /// Share of the time during which at least one request was under way, 0..=1. A device that serves many requests at once
    /// (NVMe, most virtual disks) can take more at 1: read it together with `await_ms`.
    pub busy: f64,
    /// Mean time of a read or write from the request to its end, queueing included, in milliseconds; 0 if there was none.
    pub await_ms: f64,
    /// The same for writes alone.
    pub write_await_ms: f64,
    /// Mean number of requests under way.
    pub queue_depth: f64,
    /// Reads a second.
    pub reads: f64,
    /// Bytes read a second.
    pub read_bytes: f64,
    /// Writes a second.
    pub writes: f64,
    /// Bytes written a second.
    pub written_bytes: f64,
    /// Flushes a second.
    pub flushes: f64,
}

impl DiskRates {
    /// Between two looks at one device, `seconds` apart.
    pub(crate) fn between(earlier: &DiskCounters, later: &DiskCounters, seconds: f64) -> Self {
        let went = |count: fn(&DiskCounters) -> u64| advance(count(earlier), count(later));
        let (reads, writes) = (went(|disk| disk.reads), went(|disk| disk.writes));
        let (read_ms, write_ms) = (went(|disk| disk.read_ms), went(|disk| disk.write_ms));
        Self {
            name: later.name.clone(),
            partition_of: later.partition_of.clone(),
            stacked: later.stacked,
            busy: share(went(|disk| disk.busy_ms) as f64, seconds * 1_000.0),
            await_ms: mean(read_ms.saturating_add(write_ms), reads.saturating_add(writes)),
            write_await_ms: mean(write_ms, writes),
            queue_depth: per_second(went(|disk| disk.weighted_ms), seconds * 1_000.0),
            reads: per_second(reads, seconds),
            read_bytes: per_second(went(|disk| disk.read_bytes), seconds),
            writes: per_second(writes, seconds),
            written_bytes: per_second(went(|disk| disk.written_bytes), seconds),
            flushes: per_second(went(|disk| disk.flushes), seconds),
        }
    }

    /// Whether it is a disk of its own: no part of one, and not made of others.
    pub fn is_whole(&self) -> bool {
        self.partition_of.is_none() && !self.stacked
    }
}

fn mean(sum: u64, count: u64) -> f64 {
    if count == 0 { 0.0 } else { sum as f64 / count as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(writes: u64, written_bytes: u64, write_ms: u64, busy_ms: u64) -> DiskCounters {
        DiskCounters {
            name: "vda".into(),
            writes,
            written_bytes,
            write_ms,
            busy_ms,
            weighted_ms: write_ms,
            ..Default::default()
        }
    }

    #[test]
    fn two_seconds_of_writes_are_halved() {
        let rates = DiskRates::between(&disk(100, 1_000, 50, 10), &disk(300, 9_000, 450, 1_010), 2.0);
        assert_eq!((rates.writes, rates.written_bytes), (100.0, 4_000.0));
        assert_eq!((rates.busy, rates.await_ms, rates.write_await_ms), (0.5, 2.0, 2.0));
        assert_eq!(rates.queue_depth, 0.2);
    }

    #[test]
    fn an_idle_disk_has_no_await() {
        let rates = DiskRates::between(&disk(5, 5, 5, 5), &disk(5, 5, 5, 5), 1.0);
        assert_eq!(rates, DiskRates { name: "vda".into(), ..Default::default() });
    }

    #[test]
    fn times_that_wrapped_at_32_bits_stay_small() {
        let before = disk(10, 0, u64::from(u32::MAX) - 9, u64::from(u32::MAX) - 99);
        let rates = DiskRates::between(&before, &disk(20, 0, 10, 100), 1.0);
        assert_eq!((rates.await_ms, rates.busy), (2.0, 0.2));
    }

    #[test]
    fn a_disk_that_was_replaced_under_its_name_counts_from_zero() {
        let rates = DiskRates::between(&disk(1_000_000, 1 << 40, 90_000, 80_000), &disk(4, 4_096, 8, 5), 1.0);
        assert_eq!((rates.writes, rates.written_bytes, rates.write_await_ms), (4.0, 4_096.0, 2.0));
    }

    #[test]
    fn busy_never_passes_the_whole() {
        assert_eq!(DiskRates::between(&disk(0, 0, 0, 0), &disk(1, 1, 1, 1_004), 1.0).busy, 1.0);
    }
}
