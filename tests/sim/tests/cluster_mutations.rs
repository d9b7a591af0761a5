//! Clusters whose brokers or disks break a promise: each must be found out, or the other tests prove nothing.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use sim::Violation;
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
/// ... and what takes two leaders that do not know of each other, entries of one length, and a follower of both.
const RARE_SEEDS_MAX: u64 = 200;

/// Says after how many seeds something was found out.
/// # Panics
/// If it was not, within `seeds_max`.
fn found_after(what: &str, seeds_max: u64, is_found: impl FnMut(&u64) -> bool) {
    let found = (0..seeds_max).find(is_found);
    let Some(seed) = found else { panic!("{what} is not found out within {seeds_max} seeds") };
    // Past the capture of test output.
    let _ = writeln!(std::io::stderr(), "{what}: found out after {} of at most {seeds_max} seeds", seed + 1);
}

/// The oracle has to object, in some of these words; a broker that trips over its own asserts does not count.
fn is_found_out(mischief: Mischief, words: &[&str]) {
    for every in [1, 50] {
        let mut objection = String::new();
        found_after(&format!("{mischief:?}, every {every}"), SEEDS_MAX, |seed| {
            let plan = RunPlan { meddler: Meddler::new(mischief, every), ..RunPlan::draw(*seed) };
            let found = run_plan(plan).err();
            objection = found.as_ref().map(|Violation(found)| found.clone()).unwrap_or_default();
            found.is_some()
        });
        let is_meant = words.iter().any(|words| objection.contains(words));
        assert!(is_meant, "{mischief:?}, every {every}, is taken for something else: {objection}");
    }
}

fn lie_is_found_out(lie: Lie, flush: FlushMode, crash: Crash) {
    for every in [1, 10] {
        found_after(&format!("{lie:?}, every {every}"), SEEDS_MAX, |seed| {
            let at = |ms| Duration::from_millis(ms);
            let crashed = ClusterFault::Crash { node: 0, crash, down: at(100) };
            let faults = (1..4).map(|number| (at(1200 * number), crashed.clone())).collect();
            let plan = RunPlan { faults, ..RunPlan::calm(*seed, flush) };
            let honest = run_plan(plan.clone());
            assert!(honest.is_ok(), "without the lie, seed {seed}: {honest:?}");
            // A store that trips over its own asserts has noticed too.
            let ran = catch_unwind(AssertUnwindSafe(|| run_plan_on_liars(plan, &Liar::new(lie, every))));
            !matches!(ran, Ok(Ok(_)))
        });
    }
}

/// Something has to object, be it a broker that trips over its own asserts.
fn frame_mischief_is_found_out(mischief: FrameMischief, seeds_max: u64) {
    for every in [1, 5] {
        found_after(&format!("in a group, {mischief:?}, every {every}"), seeds_max, |seed| {
            let plan = RunPlan { frame_meddler: FrameMeddler::new(mischief, every), ..RunPlan::draw_group(*seed) };
            !matches!(catch_unwind(AssertUnwindSafe(|| run_plan(plan))), Ok(Ok(_)))
        });
    }
}

#[test]
fn an_acknowledgement_before_a_majority_is_found_out() {
    frame_mischief_is_found_out(FrameMischief::ConfirmedUnstored, SEEDS_MAX);
}

#[test]
fn a_read_beyond_the_commit_index_is_found_out() {
    frame_mischief_is_found_out(FrameMischief::ReadBeyondCommit, SEEDS_MAX);
}

#[test]
fn an_offset_trusted_without_its_term_is_found_out() {
    frame_mischief_is_found_out(FrameMischief::OffsetTrusted, RARE_SEEDS_MAX);
}

#[test]
fn a_sync_skipped_on_a_majority_is_found_out() {
    let at = |ms| Duration::from_millis(ms);
    let crash = |ms, node| (at(ms), ClusterFault::Crash { node, crash: Crash::PowerLoss, down: at(100) });
    found_after("in a group, SkippedSync on all", SEEDS_MAX, |seed| {
        // All at once: what any of them had, and had not synced, is gone.
        let faults = (1..4).flat_map(|round| (0..3).map(move |node| crash(1200 * round, node))).collect();
        let plan = RunPlan { faults, ..RunPlan::calm_group(*seed, 3, FlushMode::Sync) };
        let honest = run_plan(plan.clone());
        assert!(honest.is_ok(), "without the lie, seed {seed}: {honest:?}");
        let ran = catch_unwind(AssertUnwindSafe(|| run_plan_on_liars(plan, &Liar::new(Lie::SkippedSync, 1))));
        !matches!(ran, Ok(Ok(_)))
    });
}

#[test]
fn a_message_stored_twice_is_found_out() {
    is_found_out(Mischief::SentTwice, &["twice, at"]);
}

#[test]
fn a_request_answered_twice_is_found_out() {
    is_found_out(Mischief::AnsweredTwice, &["was answered twice"]);
}

#[test]
fn a_consumer_offset_that_goes_back_is_found_out() {
    is_found_out(Mischief::CommittedBehind, &["is said to be at"]);
}

#[test]
fn a_refused_message_that_is_stored_is_found_out() {
    is_found_out(Mischief::RefusedAfterAll, &["is stored and was refused"]);
}

#[test]
fn a_wrong_queue_offset_is_found_out() {
    is_found_out(Mischief::WrongOffset, &["twice, at", "and now holds"]);
}

#[test]
fn an_acknowledged_message_that_is_not_stored_is_found_out() {
    is_found_out(Mischief::AcknowledgedOnly, &["1000000"]);
}

#[test]
fn messages_stored_in_another_order_than_they_were_sent_are_found_out() {
    is_found_out(Mischief::DoneInDisorder, &["sent in the other order"]);
}

/// A plan in which clients plan, pay, lock and pop, and processes are killed in turn.
fn later_plan(seed: u64, replicas: u16) -> RunPlan {
    let plan = match replicas {
        1 => RunPlan::calm(seed, FlushMode::Sync),
        _ => RunPlan::calm_group(seed, replicas, FlushMode::Sync),
    };
    let crash = |number: u64| {
        let node = (number % u64::from(replicas)) as usize;
        let at = Duration::from_millis(1_500 + 1_500 * number);
        (at, ClusterFault::Crash { node, crash: Crash::Kill, down: Duration::from_millis(300) })
    };
    let lasts = Duration::from_secs(9);
    RunPlan { faults: (0..5).map(crash).collect(), lasts, plans: true, pays: true, locks: true, pops: true, ..plan }
}

/// The oracle has to object, in some of these words, and to nothing where the broker is honest.
fn is_found_out_later(what: &str, words: &[&str], honest: impl Fn(u64) -> RunPlan, spoil: impl Fn(RunPlan) -> RunPlan) {
    let mut objection = String::new();
    found_after(what, SEEDS_MAX, |seed| {
        let found = run_plan(honest(*seed));
        assert!(found.is_ok(), "without it, seed {seed}: {found:?}");
        objection = run_plan(spoil(honest(*seed))).err().map(|Violation(why)| why).unwrap_or_default();
        !objection.is_empty()
    });
    let is_meant = words.iter().any(|words| objection.contains(words));
    assert!(is_meant, "{what} is taken for something else: {objection}");
}

fn process_mischief_is_found_out(mischief: ProcessMischief, replicas: u16, words: &[&str]) {
    let spoil = |plan| RunPlan { mischief, ..plan };
    is_found_out_later(&format!("{mischief:?}, {replicas} replicas"), words, |seed| later_plan(seed, replicas), spoil);
}

/// A process that starts anew counts its occasions anew: few of them in each of its lives.
fn meddling_is_found_out_later(mischief: Mischief, words: &[&str]) {
    for every in [1, 4] {
        let spoil = |plan| RunPlan { meddler: Meddler::new(mischief, every), ..plan };
        is_found_out_later(&format!("{mischief:?}, every {every}"), words, |seed| later_plan(seed, 1), spoil);
    }
}

#[test]
fn a_timer_that_is_delivered_before_its_time_is_found_out() {
    meddling_is_found_out_later(Mischief::DelayHalved, &["came early"]);
    process_mischief_is_found_out(ProcessMischief::Hurries, 1, &["came early"]);
    process_mischief_is_found_out(ProcessMischief::Hurries, 3, &["came early"]);
}

#[test]
fn a_timer_that_is_delivered_again_after_a_restart_is_found_out() {
    process_mischief_is_found_out(ProcessMischief::ForgetsDeliveries, 1, &["came twice"]);
}

#[test]
fn a_half_message_that_is_forgotten_at_a_restart_is_found_out() {
    process_mischief_is_found_out(ProcessMischief::ForgetsHalfMessages, 1, &["nobody ended it"]);
}

#[test]
fn the_end_of_a_transaction_that_is_answered_and_not_done_is_found_out() {
    meddling_is_found_out_later(Mischief::EndAcknowledgedOnly, &["payment"]);
}

#[test]
fn a_queue_lock_that_two_clients_share_is_found_out() {
    meddling_is_found_out_later(Mischief::LockShared, &["at once"]);
}

#[test]
fn popped_messages_that_a_restart_forgets_are_found_out() {
    process_mischief_is_found_out(ProcessMischief::ForgetsPops, 1, &["parcels are not done", "that is good"]);
}

#[test]
fn popped_messages_that_a_restart_takes_for_new_are_found_out() {
    process_mischief_is_found_out(ProcessMischief::ForgetsPopsAndPositions, 1, &["done before", "while it is out"]);
    process_mischief_is_found_out(ProcessMischief::ForgetsPositions, 1, &["done before"]);
}

#[test]
fn an_invisible_time_that_is_not_kept_is_found_out() {
    meddling_is_found_out_later(Mischief::InvisibleHalved, &["while it is out", "that is good"]);
    meddling_is_found_out_later(Mischief::InvisibleForever, &["pops do not come to an end", "was expired"]);
}

#[test]
fn an_acknowledgement_of_popped_messages_that_is_not_done_is_found_out() {
    meddling_is_found_out_later(Mischief::PopAcknowledgedOnly, &["done before", "was expired", "was replaced"]);
}

#[test]
fn a_handle_that_is_taken_when_its_time_is_over_is_found_out() {
    meddling_is_found_out_later(Mischief::ExpiredTaken, &["was expired", "done before"]);
}

#[test]
fn a_queue_that_is_popped_in_order_and_shared_is_found_out() {
    meddling_is_found_out_later(Mischief::OrderIgnored, &["while it is out", "passed over"]);
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
    found_after("bit rot of a machine alone", SEEDS_MAX, |seed| {
        let at = Duration::from_secs(4);
        let rot = (at, ClusterFault::BitRot { node: 0, bits: 200 });
        let crash = (at + Duration::from_millis(1), ClusterFault::Crash { node: 0, crash: Crash::Kill, down: at });
        let plan = RunPlan { faults: vec![rot, crash], ..RunPlan::calm(*seed, FlushMode::Sync) };
        run_plan(plan).is_err()
    });
}
