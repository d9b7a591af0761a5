//! One step of the search, as the report keeps it.

use serde::{Deserialize, Serialize};

use super::host_figures::HostFigures;
use super::limits::LimitCheck;
use super::load_figures::LoadFigures;
use super::search::Purpose;

/// One step of the search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// From 1, in the order of time.
    pub number: u32,
    /// What it was for.
    pub purpose: Purpose,
    /// The same load was measured right before and did not hold.
    pub is_repeat: bool,
    /// Messages a second offered.
    pub offered: f64,
    /// What came of it.
    pub load: LoadFigures,
    /// The brokers' machines.
    pub hosts: Vec<HostFigures>,
    /// Every limit.
    pub checks: Vec<LimitCheck>,
}

impl StepReport {
    /// Whether every limit held.
    #[must_use]
    pub fn held(&self) -> bool {
        self.checks.iter().all(LimitCheck::held)
    }

    /// The limits that did not hold, the one that was passed furthest first.
    #[must_use]
    pub fn broken(&self) -> Vec<&LimitCheck> {
        let mut broken: Vec<_> = self.checks.iter().filter(|check| !check.held()).collect();
        broken.sort_by(|left, right| right.used().total_cmp(&left.used()));
        broken
    }

    /// Of the limits that held, the one that is used up most.
    #[must_use]
    pub fn nearest(&self) -> Option<&LimitCheck> {
        let held = self.checks.iter().filter(|check| check.held() && !check.limit.is_minimum());
        held.max_by(|left, right| left.used().total_cmp(&right.used()))
    }

    /// The busiest broker machine's processors as a whole, 0..=1; see [`HostFigures::cpu`].
    #[must_use]
    pub fn cpu(&self) -> Option<f64> {
        self.hosts.iter().map(|host| host.cpu(self.load.bench_cores)).max_by(f64::total_cmp)
    }

    /// What is busiest on a single processor of all brokers' machines, 0..=1; see [`HostFigures::busiest_core`].
    #[must_use]
    pub fn busiest_core(&self) -> Option<f64> {
        self.hosts.iter().filter_map(HostFigures::busiest_core).map(|core| core.0).max_by(f64::total_cmp)
    }
}
