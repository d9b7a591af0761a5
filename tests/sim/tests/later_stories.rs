//! Timers, delays, transactions, queue locks and pops through what a team goes through with its brokers, each as a short story.

use std::time::Duration;

use sim::cluster::cluster_summary::ClusterSummary;
use sim::cluster::fault_plan::ClusterFault;
use sim::cluster::network::HostId;
use sim::cluster::run::{RunPlan, run_plan};
use sim::plan::Crash;
use sim::seeds::Total;
use storage::commit_log::FlushMode;

const REPLICAS: u16 = 3;
/// Each story is told so often.
const SEEDS: u64 = 10;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn flush_of(seed: u64) -> FlushMode {
    if seed.is_multiple_of(2) { FlushMode::Sync } else { FlushMode::Async }
}

/// A broker alone, or a group, with clients that plan, pay, lock and pop.
fn calm(seed: u64, replicas: u16) -> RunPlan {
    let plan = match replicas {
        1 => RunPlan::calm(seed, flush_of(seed)),
        _ => RunPlan::calm_group(seed, replicas, flush_of(seed)),
    };
    RunPlan { plans: true, pays: true, locks: true, pops: true, ..plan }
}

/// Runs the story with every seed; returns what all of them did.
fn is_well(plan: impl Fn(u64) -> RunPlan) -> ClusterSummary {
    let mut total = ClusterSummary::default();
    for seed in 0..SEEDS {
        match run_plan(plan(seed)) {
            Ok(summary) => total.add(&summary),
            Err(violation) => panic!("seed={seed}: {violation}"),
        }
    }
    total
}

fn crash_all(at: Duration, replicas: u16, crash: Crash, down: Duration) -> Vec<(Duration, ClusterFault)> {
    (0..usize::from(replicas)).map(|node| (at, ClusterFault::Crash { node, crash, down })).collect()
}

#[test]
fn clients_do_all_of_it_when_nothing_goes_wrong() {
    for replicas in [1, REPLICAS] {
        let did = is_well(|seed| calm(seed, replicas)).workload;
        for count in [did.appointments, did.came, did.recalled, did.halves, did.ended, did.questions] {
            assert!(count > 2 * SEEDS, "{did}");
        }
        assert!(did.locks_granted > 10 * SEEDS && did.locks_denied > 10 * SEEDS, "{did}");
        assert_eq!(did.given_up, 0, "{did}");
        for count in [did.parcels, did.popped_again, did.done, did.times_changed] {
            assert!(count > 10 * SEEDS, "{did}");
        }
        assert!(did.dead > 2 * SEEDS && did.handles_refused > 2 * SEEDS, "{did}");
    }
}

#[test]
fn half_messages_that_nobody_ends_are_given_up_after_as_many_questions_as_are_set() {
    for replicas in [1, REPLICAS] {
        let did = is_well(|seed| RunPlan { checks_max: 1 + seed as u32 % 3, ..calm(seed, replicas) }).workload;
        assert!(did.given_up > 10 * SEEDS, "{did}");
    }
}

#[test]
fn what_was_due_while_everything_was_down_comes_afterwards_once() {
    // Ten minutes: whatever was pending is due.
    for replicas in [1, REPLICAS] {
        let told = |crash| {
            move |seed: u64| RunPlan {
                faults: crash_all(ms(2_000), replicas, crash, ms(600_000)),
                lasts: ms(604_000),
                ..calm(seed, replicas)
            }
        };
        is_well(told(Crash::Kill));
        // Without power, ASYNC_FLUSH may forget.
        is_well(|seed| told(Crash::PowerLoss)(2 * seed));
    }
}

#[test]
fn leaders_that_die_one_after_the_other_lose_nothing_that_waits() {
    let faults = |seed: u64| {
        let fault = move |number: u64| {
            let node = ((seed + number) % u64::from(REPLICAS)) as usize;
            let crash = if number.is_multiple_of(2) { Crash::Kill } else { Crash::PowerLoss };
            (ms(1_500 + 1_800 * number), ClusterFault::Crash { node, crash, down: ms(900) })
        };
        (0..6).map(fault).collect()
    };
    let total = is_well(|seed| RunPlan { faults: faults(seed), lasts: ms(14_000), ..calm(seed, REPLICAS) });
    assert!(total.leaders > 2 * SEEDS, "{total}");
}

#[test]
fn clocks_that_are_set_make_nothing_come_early_or_twice() {
    let jump = |node: u16, at, by_ms| (ms(at), ClusterFault::ClockJump { node: usize::from(node), by_ms });
    let apart = |node: u16| {
        let others = (0..REPLICAS).filter(move |other| *other != node);
        others.flat_map(move |other| [(HostId(node + 1), HostId(other + 1)), (HostId(other + 1), HostId(node + 1))])
    };
    is_well(|seed| RunPlan {
        faults: vec![jump(0, 1_500, 3_000), jump(0, 3_000, -5_000), jump(0, 4_500, 70_000)],
        lasts: ms(6_000),
        ..calm(seed, 1)
    });
    is_well(|seed| {
        // Each has another time, and leads for a while.
        let cut_off = |node: u16| {
            let links = apart(node).collect();
            (ms(3_000 + 3_000 * u64::from(node)), ClusterFault::Silence { links, lasts: ms(2_000), breaks: 0.0 })
        };
        let jumps = [jump(0, 1_000, 4_000), jump(1, 1_000, -4_000), jump(2, 4_500, 2_000), jump(2, 7_500, -1_500)];
        RunPlan {
            faults: jumps.into_iter().chain((0..REPLICAS).map(cut_off)).collect(),
            lasts: ms(13_000),
            ..calm(seed, REPLICAS)
        }
    });
}

#[test]
fn segments_that_go_take_no_timer_and_no_half_message_with_them() {
    let retain = |replicas: u16| {
        let at = move |number: u64| {
            let node = (number % u64::from(replicas)) as usize;
            (ms(1_000 + 400 * number), ClusterFault::Retain { node })
        };
        (0..20).map(at).collect()
    };
    for replicas in [1, REPLICAS] {
        is_well(|seed| RunPlan { faults: retain(replicas), producers: 3, lasts: ms(10_000), ..calm(seed, replicas) });
    }
}

#[test]
fn a_stopped_broker_goes_on_where_it_was() {
    for replicas in [1, REPLICAS] {
        let stop = |number: u64| {
            let node = (number % u64::from(replicas)) as usize;
            (ms(1_500 + 2_500 * number), ClusterFault::Stop { node, down: ms(700) })
        };
        is_well(|seed| RunPlan {
            faults: (0..4).map(stop).collect(),
            lasts: ms(12_000),
            last_crash: Some(Crash::Kill),
            ..calm(seed, replicas)
        });
    }
}
