//! What a processor spent its time on.

use procfs::{CpuTime, KernelStats};
use serde::{Deserialize, Serialize};

use crate::roots::HostRoots;
use crate::{HostError, sys_file};

/// What one logical processor, or all of them together, spent its time on since the machine started, in microseconds. The
/// kernel counts in ticks, usually of 10 ms: differences over less than some tenths of a second are coarse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CoreTimes {
    /// The processor's number; of the sum of all it is 0 and means nothing.
    pub core: u32,
    /// Programs, also those of low priority and guests.
    pub user_us: u64,
    /// The kernel on their behalf.
    pub system_us: u64,
    /// Interrupts and what they put off (softirq: most of the network).
    pub interrupt_us: u64,
    /// The hypervisor gave it to somebody else.
    pub steal_us: u64,
    /// Nothing to do.
    pub idle_us: u64,
    /// Nothing to do, while a task of this processor waited for a disk. Can go back by a little.
    pub iowait_us: u64,
}

/// Times of the whole machine and of each processor.
pub(crate) struct AllTimes {
    pub(crate) total: CoreTimes,
    pub(crate) cores: Vec<CoreTimes>,
    pub(crate) running: u32,
    pub(crate) blocked: u32,
}

impl CoreTimes {
    fn new(core: u32, time: &CpuTime) -> Self {
        Self {
            core,
            user_us: time.user_ms() * 1_000 + time.nice_ms() * 1_000,
            system_us: time.system_ms() * 1_000,
            interrupt_us: (time.irq_ms().unwrap_or(0) + time.softirq_ms().unwrap_or(0)) * 1_000,
            steal_us: time.steal_ms().unwrap_or(0) * 1_000,
            idle_us: time.idle_ms() * 1_000,
            iowait_us: time.iowait_ms().unwrap_or(0) * 1_000,
        }
    }

    /// Time that was not there for more work: stolen time counts, waiting for a disk does not.
    pub fn busy_us(&self) -> u64 {
        // Saturating, because samples come from other machines.
        let kinds = [self.user_us, self.system_us, self.interrupt_us, self.steal_us];
        kinds.into_iter().fold(0, u64::saturating_add)
    }

    /// What was spent since `earlier`, kind by kind. What went back (iowait can, and a processor that was switched
    /// off and on) did not pass.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self {
            core: self.core,
            user_us: self.user_us.saturating_sub(earlier.user_us),
            system_us: self.system_us.saturating_sub(earlier.system_us),
            interrupt_us: self.interrupt_us.saturating_sub(earlier.interrupt_us),
            steal_us: self.steal_us.saturating_sub(earlier.steal_us),
            idle_us: self.idle_us.saturating_sub(earlier.idle_us),
            iowait_us: self.iowait_us.saturating_sub(earlier.iowait_us),
        }
    }

    /// All kinds together.
    pub(crate) fn all_us(&self) -> u64 {
        self.busy_us().saturating_add(self.idle_us).saturating_add(self.iowait_us)
    }
}

/// Reads `/proc/stat`. It lists the processors that are switched on, in order; their numbers are in `/sys`.
pub(crate) fn read(roots: &HostRoots) -> Result<AllTimes, HostError> {
    use procfs::FromBufReadSI;
    let stats = roots.read_with("CPU times", "stat", |file| {
        KernelStats::from_buf_read(std::io::BufReader::new(file), procfs::current_system_info())
    })?;
    let online = sys_file::text(&roots.sys.join("devices/system/cpu/online"));
    let mut numbers = online.map(|list| sys_file::number_list(&list)).unwrap_or_default();
    if numbers.len() != stats.cpu_time.len() {
        numbers = (0..).take(stats.cpu_time.len()).collect();
    }
    Ok(AllTimes {
        total: CoreTimes::new(0, &stats.total),
        cores: numbers.iter().zip(&stats.cpu_time).map(|(number, time)| CoreTimes::new(*number, time)).collect(),
        running: stats.procs_running.unwrap_or(0),
        blocked: stats.procs_blocked.unwrap_or(0),
    })
}
