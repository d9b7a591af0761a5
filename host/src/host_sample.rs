//! One look at a host.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use procfs::LoadAverage;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::roots::HostRoots;
use crate::{CoreTimes, DiskCounters, HostError, Memory, NetCounters, core_times};

/// What a host's kernel has counted up to one moment. Two of them make [`crate::HostRates`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostSample {
    /// When, in microseconds since the machine started (sleep included). Never goes back, means nothing on another machine.
    pub at_us: u64,
    /// When, in milliseconds since 1970: for people.
    pub taken_at_ms: u64,
    /// All processors together: their sum, not their mean.
    pub cpu: CoreTimes,
    /// Each processor that is switched on.
    pub cores: Vec<CoreTimes>,
    /// Tasks that ran, wanted to run or waited for a disk, as means of the last 1, 5 and 15 minutes.
    pub load: [f64; 3],
    /// Tasks that run or want to run right now.
    pub tasks_running: u32,
    /// Tasks that wait for a disk right now.
    pub tasks_blocked: u32,
    /// The machine's memory.
    pub memory: Memory,
    /// Disks, parts of disks, and devices made of disks.
    pub disks: Vec<DiskCounters>,
    /// Network interfaces, `lo` too.
    pub networks: Vec<NetCounters>,
}

impl HostSample {
    /// Looks at this host. Takes well below a millisecond on a small machine; reads a few files of `/proc`, and three of `/sys`
    /// for each device.
    ///
    /// # Errors
    /// [`HostError::Kernel`] if `/proc` is missing or cannot be understood.
    pub fn gather() -> Result<Self, HostError> {
        Self::gather_from(&HostRoots::default())
    }

    /// As [`Self::gather`], with `/proc` and `/sys` elsewhere.
    ///
    /// # Errors
    /// [`HostError::Kernel`].
    pub fn gather_from(roots: &HostRoots) -> Result<Self, HostError> {
        let times = core_times::read(roots)?;
        // Right behind the most important figures, so that their interval is the right one.
        let at_us = boot_clock_us();
        let load: LoadAverage = roots.read("load average", "loadavg")?;
        Ok(Self {
            at_us,
            taken_at_ms: since_1970().as_millis() as u64,
            cpu: times.total,
            cores: times.cores,
            load: [load.one, load.five, load.fifteen].map(three_decimals),
            tasks_running: times.running,
            tasks_blocked: times.blocked,
            memory: Memory::read(roots)?,
            disks: DiskCounters::read(roots)?,
            networks: NetCounters::read(roots)?,
        })
    }
}

/// The parser reads 32-bit floats; widened, 0.1 would become 0.10000000149.
fn three_decimals(value: f32) -> f64 {
    (f64::from(value) * 1_000.0).round() / 1_000.0
}

pub(crate) fn boot_clock_us() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests;
