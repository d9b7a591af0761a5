//! Timers, delays, transactions, queue locks and pops through what a team goes through with its brokers, each as a short story.

use std::time::Duration;

use sim::cluster::cluster_summary::ClusterSummary;
use sim::cluster::fault_plan::ClusterFault;
use sim::cluster::network::HostId;
use sim::cluster::run::run_plan;
use sim::cluster::run_plan::RunPlan;
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

/// A replica and the others do not hear each other. Hosts are numbered from 1.
fn cut_off(node: u16, lasts: Duration, breaks: f64) -> ClusterFault {
    let others = (0..REPLICAS).filter(|other| *other != node);
    let both_ways = |other| [(HostId(node + 1), HostId(other + 1)), (HostId(other + 1), HostId(node + 1))];
    ClusterFault::Silence { links: others.flat_map(both_ways).collect(), lasts, breaks }
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
    is_well(|seed| RunPlan {
        faults: vec![jump(0, 1_500, 3_000), jump(0, 3_000, -5_000), jump(0, 4_500, 70_000)],
        lasts: ms(6_000),
        ..calm(seed, 1)
    });
    is_well(|seed| {
        // Each has another time, and leads for a while.
        let in_turn = |node: u16| (ms(3_000 + 3_000 * u64::from(node)), cut_off(node, ms(2_000), 0.0));
        let jumps = [jump(0, 1_000, 4_000), jump(1, 1_000, -4_000), jump(2, 4_500, 2_000), jump(2, 7_500, -1_500)];
        RunPlan {
            faults: jumps.into_iter().chain((0..REPLICAS).map(in_turn)).collect(),
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

/// Followers with slow disks let half messages wait on the leader until they are old enough to be asked about; then the leader is
/// cut off, and its followers lose what they had not yet written. Producers were asked about what only the leader had, and said how
/// it ends, of a place where there was another half message by then.
#[test]
fn producers_are_not_asked_about_half_messages_that_the_next_leader_may_not_have() {
    let total = is_well(|seed| {
        let leader = (seed % u64::from(REPLICAS)) as u16;
        let followers = || (0..REPLICAS).filter(|node| *node != leader).map(usize::from);
        let slow = |node| (ms(2_000), ClusterFault::SlowDisk { node, factor: 100_000, lasts: ms(3_950) });
        let loses_power = |node| (ms(6_000), ClusterFault::Crash { node, crash: Crash::PowerLoss, down: ms(200) });
        let faults = followers().map(slow).chain([(ms(5_900), cut_off(leader, ms(3_000), 0.0))]);
        let calm = RunPlan::calm_group(seed, REPLICAS, FlushMode::Sync);
        RunPlan { faults: faults.chain(followers().map(loses_power)).collect(), lasts: ms(10_000), pays: true, ..calm }
    });
    assert!(total.slow_disks >= 2 * SEEDS && total.workload.questions > 10 * SEEDS, "{total}");
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

/// Two of three disks rot while the third replica, which has all of it, cannot be asked: what was popped waits for it.
#[test]
fn popped_messages_that_rot_wait_for_the_replica_that_has_them() {
    let total = is_well(|seed| {
        let sound = (seed % u64::from(REPLICAS)) as u16;
        let rotten = (0..REPLICAS).filter(|node| *node != sound).map(usize::from);
        let rot = rotten.map(|node| (ms(5_000), ClusterFault::OldBitRot { node, bits: 60 }));
        let calm = RunPlan::calm_group(seed, REPLICAS, flush_of(seed));
        let mut settings = calm.settings.clone();
        settings.log.cache_bytes = 0;
        RunPlan {
            faults: rot.chain([(ms(4_900), cut_off(sound, ms(5_000), 1.0))]).collect(),
            lasts: ms(10_500),
            producers: 4,
            pops: true,
            settings,
            ..calm
        }
    });
    assert!(total.mended > SEEDS && total.workload.popped_again > 10 * SEEDS, "{total}");
}

/// A disk that is slow lets the log take little at a time, and a process is killed meanwhile: what was popped, what became of it, and
/// how far that brought each group are known together or not at all.
#[test]
fn what_is_popped_while_the_log_is_full_is_known_after_a_restart_or_was_never_given_out() {
    for replicas in [1, REPLICAS] {
        let round = |seed: u64, number: u64| {
            let node = (number % u64::from(replicas)) as usize;
            let at = 1_000 + 1_700 * number;
            let slow = ClusterFault::SlowDisk { node, factor: 1_200, lasts: ms(1_300) };
            let killed = ClusterFault::Crash { node, crash: Crash::Kill, down: ms(200) };
            [(ms(at), slow), (ms(at + 500 + 97 * (seed % 8)), killed)]
        };
        let total = is_well(|seed| RunPlan {
            faults: (0..6).flat_map(|number| round(seed, number)).collect(),
            lasts: ms(12_000),
            producers: 4,
            ..calm(seed, replicas)
        });
        assert!(total.slow_disks > 5 * SEEDS, "{total}");
    }
}
