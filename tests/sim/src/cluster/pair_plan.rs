//! Runs of a master and its slaves.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use storage::commit_log::FlushMode;
use storage::file::sim::salted;

use super::cluster_summary::ClusterSummary;
use super::fault_plan::ClusterFault;
use super::pair::Pair;
use super::run::run_plan;
use super::run_plan::RunPlan;
use crate::Violation;

/// Runs the plan of a seed for a master and its slaves.
/// # Errors
/// The first thing that was wrong.
pub fn run_pair_seed(seed: u64) -> Result<ClusterSummary, Violation> {
    run_plan(RunPlan::draw_pair(seed))
}

impl RunPlan {
    /// Nothing goes wrong with a master and its slaves, so many together.
    pub fn calm_pair(seed: u64, machines: u16, is_sync: bool, flush: FlushMode) -> Self {
        Self { replicas: machines, founders: machines, pair: Some(is_sync), ..Self::calm(seed, flush) }
    }

    /// Draws a master and one or two slaves.
    pub fn draw_pair(seed: u64) -> Self {
        let rng = &mut StdRng::seed_from_u64(salted(seed, "run of a pair"));
        let replicas = if rng.random_bool(0.6) { 2 } else { 3 };
        let is_sync = rng.random_bool(0.6);
        let (pair, founders) = (Some(is_sync), replicas);
        let plan = Self { groups: 1, replicas, founders, pair, pays: false, pops: false, ..Self::draw(seed) };
        let lasts = Duration::from_secs_f64(rng.random_range(4.0..16.0));
        let targets = plan.targets();
        let count = if rng.random_bool(0.5) { rng.random_range(1..6) } else { rng.random_range(6..18) };
        let mut faults = Vec::new();
        for _ in 0..count {
            let (at, fault) = (lasts.mul_f64(rng.random_range(0.0..1.0)), targets.draw_pair(rng));
            // An operator who finds a machine dead promotes the other, as soon as it can be sure.
            if let ClusterFault::Crash { node, .. } = &fault
                && rng.random_bool(0.5)
            {
                let node = (node + 1) % usize::from(replicas);
                let after = Duration::from_secs_f64(rng.random_range(0.1..3.0));
                faults.push((at + after, ClusterFault::Promote { node, is_forced: rng.random_bool(0.3) }));
            }
            faults.push((at, fault));
        }
        Self { lasts, faults, ..plan }
    }

    /// Where a machine stands, if that is what there is.
    pub(super) fn pair_of(&self, machine: u16) -> Option<Pair> {
        self.pair.map(|is_sync| Pair { number: machine, hosts: self.route(0), is_sync })
    }
}
