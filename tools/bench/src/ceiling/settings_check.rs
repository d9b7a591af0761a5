//! What a search's settings have to hold before anything is loaded.

use super::ceiling_report::CeilingSettings;
use super::error::CeilingError;
use super::share::share;
use crate::error::BenchError;

/// Shortest measured time: two looks at the machines have to fit in, and enough messages for a p99.9.
pub(super) const STEP_MS_MIN: u64 = 500;

impl CeilingSettings {
    /// Checks everything that can be checked without a cluster.
    ///
    /// # Errors
    /// The first thing that cannot be.
    pub fn check(&self, machines: usize) -> Result<(), CeilingError> {
        self.search.check()?;
        self.check_limits()?;
        let times = [
            ("--step", self.step_ms, STEP_MS_MIN),
            ("--soak", self.soak_ms, STEP_MS_MIN),
            ("--sample-every", self.sample_ms, 10),
        ];
        if let Some((flag, given_ms, least_ms)) = times.into_iter().find(|(_, given, least)| given < least) {
            return Err(CeilingError::TooShort { flag, given_ms, least_ms });
        }
        let mut plan = share(&self.plan, 0, machines)?;
        plan.end.after_ms = Some(self.step_ms);
        if let Some(producers) = plan.work.producers_mut() {
            producers.rate = Some(self.search.start);
        }
        plan.check().map_err(|error| CeilingError::Bench(BenchError::Plan(error)))
    }

    fn check_limits(&self) -> Result<(), CeilingError> {
        let limits = &self.limits;
        let share = "a share above 0 % and up to 100 %";
        let time = "a number of milliseconds above 0";
        let rows = [
            ("--max-cpu", limits.cpu, 1.0, share),
            ("--max-core", limits.core, 1.0, share),
            ("--max-memory", limits.memory, 1.0, share),
            ("--max-disk-busy", limits.disk_busy, 1.0, share),
            ("--max-network", limits.network, 1.0, share),
            ("--min-achieved", limits.achieved, 1.0, share),
            ("--max-backlog-growth", limits.backlog_growth, 1.0, share),
            ("--max-p99-ms", limits.p99_ms, f64::MAX, time),
            ("--max-p99-9-ms", limits.p99_9_ms, f64::MAX, time),
        ];
        match rows.into_iter().find(|(_, given, most, _)| !(*given > 0.0 && given <= most)) {
            Some((flag, given, _, possible)) => Err(CeilingError::Limit { flag, given, possible }),
            None => Ok(()),
        }
    }
}
