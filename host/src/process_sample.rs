//! One look at a process.

use procfs::process::Process;
use serde::{Deserialize, Serialize};

use crate::HostError;
use crate::host_sample::boot_clock_us;

/// What the kernel has counted for one process. Two of them make [`crate::ProcessRates`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessSample {
    /// When, in microseconds since the machine started; as [`crate::HostSample::at_us`].
    pub at_us: u64,
    /// The process id.
    pub pid: u32,
    /// When it was started, in clock ticks since the machine started: with the id, what tells it from any other process.
    pub started_ticks: u64,
    /// The command's name, at most 15 bytes.
    pub command: String,
    /// CPU time of all its threads, also ended ones, user and system, in microseconds. Precise to a clock tick, usually 10 ms.
    pub cpu_us: u64,
    /// The system's part of it.
    pub system_cpu_us: u64,
    /// Memory that is in RAM, shared pages and mapped files too.
    pub rss_bytes: u64,
    /// The part of it that is its own: heap, stacks, buffers.
    pub anonymous_bytes: u64,
    /// The part of it in shared memory (`/dev/shm`).
    pub shared_memory_bytes: u64,
    /// Threads.
    pub threads: u64,
    /// Open files and sockets; `None` if this user may not look.
    pub open_files: Option<u64>,
}

impl ProcessSample {
    /// Looks at process `pid`.
    ///
    /// # Errors
    /// [`HostError::Process`] if there is none or it may not be looked at.
    pub fn gather(pid: u32) -> Result<Self, HostError> {
        let failed = |what| move |source| HostError::Process { pid, what, source };
        // No process has an id above i32::MAX (PID_MAX_LIMIT is 2²²), so such a one is not found.
        let process = Process::new(i32::try_from(pid).unwrap_or(i32::MAX)).map_err(failed("the existence"))?;
        let stat = process.stat().map_err(failed("the CPU time"))?;
        let at_us = boot_clock_us();
        let status = process.status().map_err(failed("the memory"))?;
        let bytes = |kib: Option<u64>| kib.unwrap_or(0) * 1_024;
        let tick_us = 1_000_000 / procfs::ticks_per_second().max(1);
        Ok(Self {
            at_us,
            pid,
            started_ticks: stat.starttime,
            command: stat.comm,
            cpu_us: (stat.utime + stat.stime) * tick_us,
            system_cpu_us: stat.stime * tick_us,
            rss_bytes: bytes(status.vmrss),
            anonymous_bytes: bytes(status.rssanon),
            shared_memory_bytes: bytes(status.rssshmem),
            threads: status.threads,
            open_files: process.fd_count().ok().map(|count| count as u64),
        })
    }

    /// Looks at the process that asks.
    ///
    /// # Errors
    /// [`HostError::Process`] if `/proc` is missing.
    pub fn gather_own() -> Result<Self, HostError> {
        Self::gather(std::process::id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_found_and_uses_memory() {
        let own = ProcessSample::gather_own().unwrap();
        assert_eq!(own.pid, std::process::id());
        assert!(own.rss_bytes > 0);
        assert!(own.anonymous_bytes <= own.rss_bytes);
        assert!(own.threads >= 1);
        assert!(own.open_files.unwrap() > 0);
    }

    #[test]
    fn cpu_time_goes_on_with_work() {
        let before = ProcessSample::gather_own().unwrap();
        let mut sum = 0u64;
        let limit = std::time::Instant::now() + std::time::Duration::from_secs(30);
        let after = loop {
            sum = (0..1_000_000u64).fold(sum, |sum, n| std::hint::black_box(sum.wrapping_mul(31).wrapping_add(n)));
            let after = ProcessSample::gather_own().unwrap();
            if after.cpu_us > before.cpu_us || std::time::Instant::now() > limit {
                break after;
            }
        };
        assert!(after.cpu_us > before.cpu_us, "a busy loop used no CPU time in 30 s (sum {sum})");
        assert!(after.at_us > before.at_us);
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error_with_its_id() {
        let error = ProcessSample::gather(u32::MAX).unwrap_err().to_string();
        assert!(error.contains("process 4294967295"), "{error}");
    }
}
