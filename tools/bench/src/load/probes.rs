//! Looks at processes and machine at the beginning and end of each second.

use host::{HostRates, HostSample, ProcessSample};

use crate::clock::own_cpu_us;
use crate::report::{BrokerPoint, ProcessUse};

/// One look.
#[derive(Debug, Clone)]
pub(crate) struct Probe {
    own_cpu_us: u64,
    own_rss_bytes: u64,
    /// One for each named process; `None` for one that is gone.
    brokers: Vec<Option<ProcessSample>>,
    host: Option<HostSample>,
}

impl Probe {
    pub(crate) fn take(broker_pids: &[u32]) -> Self {
        Self {
            own_cpu_us: own_cpu_us(),
            own_rss_bytes: ProcessSample::gather_own().map_or(0, |own| own.rss_bytes),
            brokers: broker_pids.iter().map(|pid| ProcessSample::gather(*pid).ok()).collect(),
            host: HostSample::gather().ok(),
        }
    }

    /// CPU time that the load itself used since `earlier`.
    pub(crate) fn own_cpu_us_since(&self, earlier: &Self) -> u64 {
        self.own_cpu_us - earlier.own_cpu_us
    }

    /// What the brokers used since `earlier`. A process that is gone, or another one of the same number, used nothing.
    pub(crate) fn brokers_since(&self, earlier: &Self, pids: &[u32]) -> Vec<BrokerPoint> {
        let looks = pids.iter().zip(earlier.brokers.iter().zip(&self.brokers));
        looks
            .map(|(pid, (before, after))| {
                let cpu_us = match (before, after) {
                    (Some(before), Some(after)) if before.started_ticks == after.started_ticks => {
                        after.cpu_us.saturating_sub(before.cpu_us)
                    }
                    _ => 0,
                };
                BrokerPoint { pid: *pid, cpu_us, rss_bytes: after.as_ref().map_or(0, |after| after.rss_bytes) }
            })
            .collect()
    }

    /// The machine's rates since `earlier`.
    pub(crate) fn host_since(&self, earlier: &Self) -> Option<HostRates> {
        HostRates::between(earlier.host.as_ref()?, self.host.as_ref()?)
    }
}

/// CPU time and memory over the measured time, added up from its seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct UseSum {
    cpu_us: u64,
    rss_bytes: u64,
    rss_bytes_max: u64,
}

impl UseSum {
    pub(crate) fn add(&mut self, cpu_us: u64, rss_bytes: u64) {
        self.cpu_us += cpu_us;
        self.rss_bytes = rss_bytes;
        self.rss_bytes_max = self.rss_bytes_max.max(rss_bytes);
    }

    pub(crate) fn of_process(self, pid: u32, messages: u64) -> ProcessUse {
        let cpu_us_per_message = if messages == 0 { 0.0 } else { self.cpu_us as f64 / messages as f64 };
        ProcessUse {
            pid,
            cpu_s: self.cpu_us as f64 / 1e6,
            cpu_us_per_message,
            rss_bytes: self.rss_bytes,
            rss_bytes_max: self.rss_bytes_max,
        }
    }
}

impl Probe {
    pub(crate) fn own_rss_bytes(&self) -> u64 {
        self.own_rss_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_working_process_is_seen_working() {
        let pids = [std::process::id(), u32::MAX];
        let before = Probe::take(&pids);
        let until = own_cpu_us() + 60_000;
        while own_cpu_us() < until {
            std::hint::black_box(0);
        }
        let after = Probe::take(&pids);
        assert!(after.own_cpu_us_since(&before) >= 60_000);
        let points = after.brokers_since(&before, &pids);
        assert!(points[0].cpu_us >= 40_000, "its clock ticks every 10 ms: {points:?}");
        assert!(points[0].rss_bytes > 0);
        assert_eq!((points[1].cpu_us, points[1].rss_bytes), (0, 0), "no such process");
    }

    #[test]
    fn use_adds_up_and_is_shared_out_over_messages() {
        let mut sum = UseSum::default();
        sum.add(300, 5_000);
        sum.add(700, 4_000);
        let used = sum.of_process(7, 500);
        assert_eq!((used.pid, used.rss_bytes, used.rss_bytes_max), (7, 4_000, 5_000));
        assert!((used.cpu_s - 0.001).abs() < 1e-9 && (used.cpu_us_per_message - 2.0).abs() < 1e-9, "{used:?}");
        assert_eq!(sum.of_process(7, 0).cpu_us_per_message, 0.0);
    }
}
