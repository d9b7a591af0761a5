//! Masters and slaves that break a promise: each must be found out, or the other tests prove nothing.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use sim::cluster::fault_plan::ClusterFault;
use sim::cluster::frame_meddler::{FrameMeddler, FrameMischief};
use sim::cluster::meddler::{Meddler, Mischief};
use sim::cluster::process_mischief::ProcessMischief;
use sim::cluster::run::{run_plan, run_plan_on_liars};
use sim::cluster::run_plan::RunPlan;
use sim::machine::{Liar, Lie};
use sim::plan::Crash;
use storage::commit_log::FlushMode;

/// Seeds within which each has to be found out ...
const SEEDS_MAX: u64 = 60;
/// ... and what takes two logs that part and have entries which end at the same place.
const RARE_SEEDS_MAX: u64 = 600;

/// Says after how many seeds something was found out. Something has to object, be it a broker that trips over its own asserts.
/// # Panics
/// If nothing did, within `seeds_max`.
fn is_found_out(what: &str, seeds_max: u64, spoil: impl Fn(RunPlan) -> RunPlan) {
    found_after(what, seeds_max, |seed| {
        let plan = spoil(RunPlan::draw_pair(seed));
        !matches!(catch_unwind(AssertUnwindSafe(|| run_plan(plan))), Ok(Ok(_)))
    });
}

fn found_after(what: &str, seeds_max: u64, mut is_found: impl FnMut(u64) -> bool) {
    let found = (0..seeds_max).find(|seed| is_found(*seed));
    let Some(seed) = found else { panic!("{what} is not found out within {seeds_max} seeds") };
    // Past the capture of test output.
    let what = format!("of master and slaves, {what}");
    let _ = writeln!(std::io::stderr(), "{what}: found out after {} of at most {seeds_max} seeds", seed + 1);
}

fn frame_mischief_is_found_out(mischief: FrameMischief, seeds_max: u64) {
    for every in [1, 5] {
        let what = format!("{mischief:?}, every {every}");
        is_found_out(&what, seeds_max, |plan| RunPlan { frame_meddler: FrameMeddler::new(mischief, every), ..plan });
    }
}

#[test]
fn a_slave_that_confirms_what_it_does_not_store_is_found_out() {
    frame_mischief_is_found_out(FrameMischief::CopyUnstored, SEEDS_MAX);
}

#[test]
fn an_answer_before_a_slave_has_the_message_is_found_out() {
    for every in [1, 5] {
        let meddler = Meddler::new(Mischief::CopiesClaimed, every);
        is_found_out(&format!("CopiesClaimed, every {every}"), RARE_SEEDS_MAX, |plan| RunPlan {
            meddler: meddler.clone(),
            pair: Some(true),
            ..plan
        });
    }
}

#[test]
fn a_place_trusted_without_its_term_is_found_out() {
    // Only two logs that part and have entries which end at the same place show it: every time.
    let frame_meddler = FrameMeddler::new(FrameMischief::PlaceTrusted, 1);
    let spoil = |plan| RunPlan { frame_meddler: frame_meddler.clone(), ..plan };
    is_found_out("PlaceTrusted", RARE_SEEDS_MAX, spoil);
}

#[test]
fn a_slave_that_has_more_than_its_master_is_found_out() {
    frame_mischief_is_found_out(FrameMischief::GivenMore, SEEDS_MAX);
}

#[test]
fn a_master_that_asks_nobody_whether_a_slave_was_promoted_is_found_out() {
    let mischief = ProcessMischief::AsksNobody;
    is_found_out("AsksNobody", SEEDS_MAX, |plan| RunPlan { mischief, ..plan });
}

/// `crash` of both again and again, or of the slave alone.
fn lie_is_found_out(what: &str, lie: Lie, flush: FlushMode, crash: Crash, nodes: &[usize]) {
    found_after(what, SEEDS_MAX, |seed| {
        let at = Duration::from_millis;
        let crashed = |round: u64, node: usize| (at(1200 * round), ClusterFault::Crash { node, crash, down: at(100) });
        let faults = (1..4).flat_map(|round| nodes.iter().map(move |node| crashed(round, *node))).collect();
        let plan = RunPlan { faults, ..RunPlan::calm_pair(seed, 2, true, flush) };
        let honest = run_plan(plan.clone());
        assert!(honest.is_ok(), "without the lie, seed {seed}: {honest:?}");
        !matches!(catch_unwind(AssertUnwindSafe(|| run_plan_on_liars(plan, &Liar::new(lie, 1)))), Ok(Ok(_)))
    });
}

#[test]
fn a_sync_that_a_slave_skips_is_found_out() {
    lie_is_found_out("SkippedSync", Lie::SkippedSync, FlushMode::Sync, Crash::PowerLoss, &[1]);
}

#[test]
fn a_ring_in_which_a_slave_keeps_nothing_is_found_out() {
    lie_is_found_out("LostRingWrite", Lie::LostRingWrite, FlushMode::Async, Crash::Kill, &[1]);
}
