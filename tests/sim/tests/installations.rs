//! Groups whose logs no longer reach back to where a replica of them ended, and logs that rot where nobody looks.
//!
//! Clients send and read all the time; in the end every replica has all there is, byte for byte, and can be read.

use std::time::Duration;

use sim::Violation;
use sim::cluster::cluster_summary::ClusterSummary;
use sim::cluster::fault_plan::ClusterFault;
use sim::cluster::run::run_plan;
use sim::cluster::run_plan::RunPlan;
use sim::plan::Crash;
use storage::commit_log::FlushMode;

/// Seeds that each story is told with, in both flush modes.
const SEEDS: u64 = 6;
const REPLICAS: usize = 3;

fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn crash(ms: u64, node: usize, down: u64) -> (Duration, ClusterFault) {
    (at(ms), ClusterFault::Crash { node, crash: Crash::Kill, down: at(down) })
}

/// All of them remove what they need no more, again and again in this time.
fn retention(from: u64, to: u64) -> impl Iterator<Item = (Duration, ClusterFault)> {
    (from..to).step_by(700).flat_map(|ms| (0..REPLICAS).map(move |node| (at(ms), ClusterFault::Retain { node })))
}

fn tell(seed: u64, flush: FlushMode, lasts: u64, faults: Vec<(Duration, ClusterFault)>) -> ClusterSummary {
    let plan = RunPlan { lasts: at(lasts), faults, producers: 3, ..RunPlan::calm_group(seed, 3, flush) };
    match run_plan(plan) {
        Ok(summary) => summary,
        Err(Violation(what)) => panic!("seed={seed}, {flush:?}: {what}"),
    }
}

fn tell_with_all_seeds(lasts: u64, faults: impl Fn(u64) -> Vec<(Duration, ClusterFault)>) {
    for seed in 0..SEEDS {
        for flush in [FlushMode::Async, FlushMode::Sync] {
            let summary = tell(seed, flush, lasts, faults(seed));
            assert!(summary.installations > 0, "seed={seed}, {flush:?}: nobody needed a checkpoint");
        }
    }
}

#[test]
fn a_replica_that_was_away_while_the_others_removed_their_logs_comes_back() {
    tell_with_all_seeds(14_000, |seed| {
        let away = (seed % 3) as usize;
        retention(3_000, 9_000).chain([crash(2_000, away, 7_000)]).collect()
    });
}

#[test]
fn a_lost_disk_is_filled_again_though_the_logs_begin_late() {
    tell_with_all_seeds(14_000, |seed| {
        let node = (seed % 3) as usize;
        let lost = (at(7_000), ClusterFault::LoseDisk { node, down: at(500) });
        retention(2_000, 6_500).chain([lost]).collect()
    });
}

#[test]
fn retention_goes_on_while_a_replica_fetches_the_log() {
    tell_with_all_seeds(16_000, |seed| {
        let node = (seed % 3) as usize;
        let lost = (at(6_000), ClusterFault::LoseDisk { node, down: at(200) });
        let slow = (at(6_000), ClusterFault::SlowDisk { node, factor: 8, lasts: at(4_000) });
        retention(2_000, 14_000).chain([lost, slow]).collect()
    });
}

/// Killed, or without power, at a call of its disk that lies ever later in the installation.
#[test]
fn an_installation_that_is_cut_off_anywhere_is_made_good() {
    let mut installed = 0;
    for step in 0..40 {
        let crash = if step % 2 == 0 { Crash::Kill } else { Crash::PowerLoss };
        let lost = (at(5_000), ClusterFault::LoseDisk { node: 1, down: at(300) });
        // Some hundred and fifty calls go into opening an empty store and catching up. Cut off behind them, nothing is fetched again.
        let cut = ClusterFault::CrashInCall { node: 1, crash, nth: 12 + 5 * step, down: at(100) };
        let faults = retention(2_000, 4_500).chain([lost, (at(5_310), cut)]).collect();
        installed += tell(step, FlushMode::Sync, 10_000, faults).installations;
    }
    assert!(
        (20..40).contains(&installed),
        "few were cut off before, or none behind where they were whole: {installed}"
    );
}

#[test]
fn a_leader_that_dies_while_it_gives_its_log_is_replaced_by_another() {
    tell_with_all_seeds(16_000, |seed| {
        let lost = (at(6_000), ClusterFault::LoseDisk { node: 2, down: at(200) });
        let others = (0..4).map(|round| crash(6_300 + 900 * round, ((seed + round) % 2) as usize, 600));
        retention(2_000, 5_500).chain([lost]).chain(others).collect()
    });
}

/// Nobody's disk is trusted to keep what it was given: bits of every replica's oldest segment change, each replica's on its
/// own, and all is read again in the end.
#[test]
fn old_entries_that_rot_are_mended_from_the_others() {
    let mut mended = 0;
    for seed in 0..SEEDS {
        for flush in [FlushMode::Async, FlushMode::Sync] {
            let rot = |ms, node| (at(ms), ClusterFault::OldBitRot { node, bits: 3 });
            let faults = vec![rot(7_000, (seed % 3) as usize), rot(7_500, ((seed + 1) % 3) as usize)];
            mended += tell(seed, flush, 9_000, faults).mended;
        }
    }
    assert!(mended >= SEEDS, "bits that nobody reads need not be mended, but most are read: {mended}");
}

/// The log is cut off at the damage when the process starts, and what is missing comes from the others.
#[test]
fn damage_found_at_start_is_filled_again() {
    for seed in 0..SEEDS {
        for flush in [FlushMode::Async, FlushMode::Sync] {
            let rot = (at(4_000), ClusterFault::BitRot { node: 1, bits: 40 });
            let faults = vec![rot, crash(4_001, 1, 200)];
            tell(seed, flush, 8_000, faults);
        }
    }
}
