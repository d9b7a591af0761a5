//! What a disk has done.

use std::path::Path;

use procfs::{DiskStat, DiskStats};
use serde::{Deserialize, Serialize};

use crate::HostError;
use crate::roots::HostRoots;

/// What one block device has done since it appeared. Loop, RAM and optical devices are not listed.
///
/// Source: Linux `Documentation/admin-guide/iostats.rst`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DiskCounters {
    /// As in `/proc/diskstats`: `nvme0n1`, `nvme0n1p2`, `dm-0`.
    pub name: String,
    /// The whole disk, if this is a part of one. What a part does, its disk does too: never add both.
    pub partition_of: Option<String>,
    /// Whether it lies on other devices of the list (LVM, RAID, encryption). The same: never add both.
    pub stacked: bool,
    /// Reads that were finished.
    pub reads: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Time that all reads took together.
    pub read_ms: u64,
    /// Writes that were finished.
    pub writes: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Time that all writes took together.
    pub write_ms: u64,
    /// Flushes (cache to medium) that were finished; 0 before Linux 5.5.
    pub flushes: u64,
    /// Time that all flushes took together.
    pub flush_ms: u64,
    /// Requests under way right now.
    pub in_flight: u64,
    /// Time during which at least one request was under way.
    pub busy_ms: u64,
    /// Time times requests under way: how long everything waited, together.
    pub weighted_ms: u64,
}

/// `/proc/diskstats` counts in these, whatever the device's own sectors are.
const SECTOR_BYTES: u64 = 512;

/// Devices that no data of a store is on: in memory, on files that are counted where they lie, or read only.
const LEFT_OUT: &[&str] = &["loop", "ram", "zram", "sr", "fd"];

impl DiskCounters {
    /// Whether it is a disk of its own: no part of one, and not made of others.
    pub fn is_whole(&self) -> bool {
        self.partition_of.is_none() && !self.stacked
    }

    fn new(stat: &DiskStat, sys: &Path) -> Self {
        Self {
            partition_of: partition_of(&stat.name, sys),
            stacked: is_stacked(&stat.name, sys),
            name: stat.name.clone(),
            reads: stat.reads,
            read_bytes: stat.sectors_read.saturating_mul(SECTOR_BYTES),
            read_ms: stat.time_reading,
            writes: stat.writes,
            written_bytes: stat.sectors_written.saturating_mul(SECTOR_BYTES),
            write_ms: stat.time_writing,
            flushes: stat.flushes.unwrap_or(0),
            flush_ms: stat.time_flushing.unwrap_or(0),
            in_flight: stat.in_progress,
            busy_ms: stat.time_in_progress,
            weighted_ms: stat.weighted_time_in_progress,
        }
    }

    pub(crate) fn read(roots: &HostRoots) -> Result<Vec<Self>, HostError> {
        let stats: DiskStats = roots.read("disks", "diskstats")?;
        Ok(stats.0.iter().filter(|stat| !is_left_out(&stat.name)).map(|stat| Self::new(stat, &roots.sys)).collect())
    }
}

/// The name without its number is what decides: `ram0`, but not `rambus`.
fn is_left_out(name: &str) -> bool {
    LEFT_OUT.contains(&name.trim_end_matches(|c: char| c.is_ascii_digit()))
}

/// The disk of a part: in `/sys`, a part's folder lies in its disk's folder and holds a file `partition`.
pub(crate) fn partition_of(name: &str, sys: &Path) -> Option<String> {
    let folder = sys.join("class/block").join(name);
    if !folder.join("partition").exists() {
        return None;
    }
    let folder = std::fs::canonicalize(folder).ok()?;
    Some(folder.parent()?.file_name()?.to_str()?.to_owned())
}

fn is_stacked(name: &str, sys: &Path) -> bool {
    let slaves = std::fs::read_dir(sys.join("class/block").join(name).join("slaves"));
    slaves.is_ok_and(|mut slaves| slaves.next().is_some())
}
