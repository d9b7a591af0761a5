//! Clusters whose brokers or disks break a promise: each must be found out, or the other tests prove nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use sim::Violation;
use sim::cluster::fault_plan::ClusterFault;
use sim::cluster::frame_meddler::{FrameMeddler, FrameMischief};
use sim::cluster::meddler::{Meddler, Mischief};
use sim::cluster::run::{RunPlan, run_plan};
use sim::machine::{Honest, Liar, Lie};
use sim::plan::Crash;
use storage::commit_log::FlushMode;

/// Runs tried before something counts as undetected.
const RUNS: u64 = 60;

/// The oracle has to object, in these words; a broker that trips over its own asserts does not count.
fn is_found_out(mischief: Mischief, words: &str) {
    for every in [1, 50] {
        let objections = (0..RUNS).find_map(|seed| {
            let plan = RunPlan { meddler: Meddler::new(mischief, every), ..RunPlan::draw(seed) };
            run_plan(plan, &Honest).err()
        });
        let Some(Violation(found)) = objections else { panic!("{mischief:?}, every {every}, is not found out") };
        assert!(found.contains(words), "{mischief:?}, every {every}, is taken for something else: {found}");
    }
}

fn lie_is_found_out(lie: Lie, flush: FlushMode, crash: Crash) {
    for every in [1, 10] {
        let found = (0..RUNS).any(|seed| {
            let at = |ms| Duration::from_millis(ms);
            let crashed = ClusterFault::Crash { node: 0, crash, down: at(100) };
            let faults = (1..4).map(|number| (at(1200 * number), crashed.clone())).collect();
            let plan = RunPlan { faults, ..RunPlan::calm(seed, flush) };
            let honest = run_plan(plan.clone(), &Honest);
            assert!(honest.is_ok(), "without the lie, seed {seed}: {honest:?}");
            // A store that trips over its own asserts has noticed too.
            let ran = catch_unwind(AssertUnwindSafe(|| run_plan(plan, &Liar::new(lie, every))));
            !matches!(ran, Ok(Ok(_)))
        });
        assert!(found, "{lie:?}, every {every}, is not found out");
    }
}

/// Something has to object, be it a broker that trips over its own asserts.
fn frame_mischief_is_found_out(mischief: FrameMischief) {
    for every in [1, 5] {
        let found = (0..RUNS).any(|seed| {
            let plan = RunPlan { frame_meddler: FrameMeddler::new(mischief, every), ..RunPlan::draw_group(seed) };
            !matches!(catch_unwind(AssertUnwindSafe(|| run_plan(plan, &Honest))), Ok(Ok(_)))
        });
        assert!(found, "{mischief:?}, every {every}, is not found out");
    }
}

#[test]
fn an_acknowledgement_before_a_majority_is_found_out() {
    frame_mischief_is_found_out(FrameMischief::ConfirmedUnstored);
}

#[test]
fn a_read_beyond_the_commit_index_is_found_out() {
    frame_mischief_is_found_out(FrameMischief::ReadBeyondCommit);
}

#[test]
fn an_offset_trusted_without_its_term_is_found_out() {
    frame_mischief_is_found_out(FrameMischief::OffsetTrusted);
}

#[test]
fn a_sync_skipped_on_a_majority_is_found_out() {
    let at = |ms| Duration::from_millis(ms);
    let crash = |ms, node| (at(ms), ClusterFault::Crash { node, crash: Crash::PowerLoss, down: at(100) });
    let found = (0..RUNS).find(|seed| {
        // All at once: what any of them had, and had not synced, is gone.
        let faults = (1..4).flat_map(|round| (0..3).map(move |node| crash(1200 * round, node))).collect();
        let plan = RunPlan { faults, ..RunPlan::calm_group(*seed, 3, FlushMode::Sync) };
        let honest = run_plan(plan.clone(), &Honest);
        assert!(honest.is_ok(), "without the lie, seed {seed}: {honest:?}");
        let ran = catch_unwind(AssertUnwindSafe(|| run_plan(plan, &Liar::new(Lie::SkippedSync, 1))));
        !matches!(ran, Ok(Ok(_)))
    });
    assert!(found.is_some());
}

#[test]
fn a_message_stored_twice_is_found_out() {
    is_found_out(Mischief::SentTwice, "twice, at");
}

#[test]
fn a_request_answered_twice_is_found_out() {
    is_found_out(Mischief::AnsweredTwice, "was answered twice");
}

#[test]
fn a_consumer_offset_that_goes_back_is_found_out() {
    is_found_out(Mischief::CommittedBehind, "is said to be at");
}

#[test]
fn a_refused_message_that_is_stored_is_found_out() {
    is_found_out(Mischief::RefusedAfterAll, "is stored and was refused");
}

#[test]
fn a_wrong_queue_offset_is_found_out() {
    is_found_out(Mischief::WrongOffset, "twice, at");
}

#[test]
fn an_acknowledged_message_that_is_not_stored_is_found_out() {
    is_found_out(Mischief::AcknowledgedOnly, "1000000");
}

#[test]
fn messages_stored_in_another_order_than_they_were_sent_are_found_out() {
    is_found_out(Mischief::DoneInDisorder, "sent in the other order");
}

#[test]
fn a_skipped_data_sync_is_found_out_by_clients() {
    lie_is_found_out(Lie::SkippedSync, FlushMode::Sync, Crash::PowerLoss);
}

#[test]
fn a_lost_ring_write_is_found_out_by_clients() {
    lie_is_found_out(Lie::LostRingWrite, FlushMode::Async, Crash::Kill);
}

#[test]
fn a_lost_log_write_is_found_out_by_clients() {
    lie_is_found_out(Lie::LostWrite, FlushMode::Sync, Crash::Kill);
}

#[test]
fn bit_rot_of_a_machine_alone_is_found_out() {
    let found = (0..RUNS).any(|seed| {
        let at = Duration::from_secs(4);
        let rot = (at, ClusterFault::BitRot { node: 0, bits: 200 });
        let crash = (at + Duration::from_millis(1), ClusterFault::Crash { node: 0, crash: Crash::Kill, down: at });
        let plan = RunPlan { faults: vec![rot, crash], ..RunPlan::calm(seed, FlushMode::Sync) };
        run_plan(plan, &Honest).is_err()
    });
    assert!(found);
}
