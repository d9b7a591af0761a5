//! What seeds of groups of replicas have found, each as its shortest story.

use std::time::Duration;

use sim::cluster::cluster_summary::ClusterSummary;
use sim::cluster::fault_plan::ClusterFault;
use sim::cluster::message_faults::{MessageChances, MessageCounts};
use sim::cluster::network::HostId;
use sim::cluster::run::run_plan;
use sim::cluster::run_plan::RunPlan;
use sim::plan::Crash;
use sim::seeds::Total;
use storage::commit_log::FlushMode;

const REPLICAS: u16 = 3;
/// Each story is told so often: who leads when is drawn.
const SEEDS: u64 = 10;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Links between a node and the others of its group, both ways. Hosts are numbered from 1.
fn links_around(node: u16) -> Vec<(HostId, HostId)> {
    let others = (0..REPLICAS).filter(|other| *other != node);
    others.flat_map(|other| [(HostId(node + 1), HostId(other + 1)), (HostId(other + 1), HostId(node + 1))]).collect()
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

fn flush_of(seed: u64) -> FlushMode {
    if seed.is_multiple_of(2) { FlushMode::Sync } else { FlushMode::Async }
}

fn crash_all(at: Duration, crash: Crash) -> Vec<(Duration, ClusterFault)> {
    (0..usize::from(REPLICAS)).map(|node| (at, ClusterFault::Crash { node, crash, down: ms(300) })).collect()
}

#[test]
fn a_leader_that_stood_still_tells_no_consumer_offset_of_before() {
    // Whoever leads stands still, is replaced, and goes on before it hears of that.
    let in_turn = |number: u16| {
        let at = ms(1_500 + 4_000 * u64::from(number));
        let cut_off = ClusterFault::Silence { links: links_around(number), lasts: ms(2_500), breaks: 0.0 };
        let pause = ClusterFault::Pause { node: usize::from(number), lasts: ms(2_000) };
        [(at, cut_off), (at, pause)]
    };
    is_well(|seed| RunPlan {
        faults: (0..REPLICAS).flat_map(in_turn).collect(),
        lasts: ms(14_000),
        ..RunPlan::calm_group(seed, REPLICAS, FlushMode::Sync)
    });
}

#[test]
fn a_group_whose_machines_all_lost_power_is_whole_again_though_nobody_sends() {
    // In ASYNC_FLUSH all of them may have forgotten something; nothing is written that would bring a commit along.
    is_well(|seed| RunPlan {
        last_crash: Some(Crash::PowerLoss),
        ..RunPlan::calm_group(seed, REPLICAS, FlushMode::Async)
    });
}

#[test]
fn what_only_the_files_hold_reaches_everybody_after_all_were_killed_at_once() {
    // Nobody has in memory what was under way then, and it is not committed, so that nobody can pull it either.
    is_well(|seed| RunPlan {
        faults: crash_all(ms(2_500), Crash::Kill),
        ..RunPlan::calm_group(seed, REPLICAS, flush_of(seed))
    });
}

#[test]
fn a_disk_is_lost_while_another_replica_is_down() {
    is_well(|seed| {
        let down = ClusterFault::Crash { node: (seed as usize + 1) % 3, crash: Crash::Kill, down: ms(4_000) };
        let lost = ClusterFault::LoseDisk { node: seed as usize % 3, down: ms(500) };
        let faults = vec![(ms(2_000), down), (ms(2_500), lost)];
        RunPlan { faults, lasts: ms(8_000), ..RunPlan::calm_group(seed, REPLICAS, flush_of(seed)) }
    });
}

#[test]
fn replicas_whose_disks_rot_or_confuse_addresses_in_turn_get_everything_back() {
    let in_turn = |node: usize| {
        let at = |within| ms(2_000 + 3_000 * node as u64 + within);
        let damage = [ClusterFault::BitRot { node, bits: 8 }, ClusterFault::MisdirectWrite { node }];
        let crash = ClusterFault::Crash { node, crash: Crash::Kill, down: ms(300) };
        let [rot, misdirect] = damage;
        [(at(0), rot), (at(10), misdirect), (at(500), crash)]
    };
    let total = is_well(|seed| RunPlan {
        faults: (0..usize::from(REPLICAS)).flat_map(in_turn).collect(),
        lasts: ms(12_000),
        ..RunPlan::calm_group(seed, REPLICAS, flush_of(seed))
    });
    assert!(total.rotten_disks >= SEEDS, "{total}");
    assert!(total.repaired_disks + total.replaced_disks >= total.rotten_disks, "{total}");
    assert!(total.repaired_disks > SEEDS, "{total}");
}

#[test]
fn messages_that_are_lost_twice_and_late_cost_time_alone() {
    let chances = MessageChances { lost: 0.2, twice: 0.2, late: 0.2 };
    let on = |node| (ms(500), ClusterFault::LoseMessages { node, chances, lasts: ms(4_000) });
    let total = is_well(|seed| RunPlan {
        faults: (0..usize::from(REPLICAS)).map(on).collect(),
        ..RunPlan::calm_group(seed, REPLICAS, flush_of(seed))
    });
    let MessageCounts { lost, twice, late } = total.messages;
    assert!(lost > 100 && twice > 100 && late > 100, "{total}");
}

#[test]
fn a_leader_whose_disk_is_full_leaves_the_lead_to_one_that_has_room() {
    // The lead is where it should be when the disk fills up, and sends have somewhere to go soon after.
    let told = |lasts_full: u64| {
        is_well(|seed| {
            let full = ClusterFault::FullDisk { node: 0, room: 16 << 10, lasts: ms(lasts_full) };
            let faults = vec![(ms(14_000), full)];
            RunPlan { faults, lasts: ms(34_000), ..RunPlan::calm_group(seed, REPLICAS, flush_of(seed)) }
        })
    };
    let (calm, full) = (told(1), told(18_000));
    assert!(
        full.acknowledged * 10 > calm.acknowledged * 8,
        "{} sends were acknowledged with a full disk, {} without",
        full.acknowledged,
        calm.acknowledged
    );
}

/// The lead comes back once there is room, though the node had given it away itself: also where its disk was full for less
/// time than lies between two reports, so that nobody heard of it.
#[test]
fn a_leader_whose_disk_was_full_leads_again_when_there_is_room() {
    let told = |lasts_full: u64| {
        is_well(|seed| {
            let full = ClusterFault::FullDisk { node: 0, room: 16 << 10, lasts: ms(lasts_full) };
            let faults = vec![(ms(14_000), full)];
            RunPlan { faults, lasts: ms(44_000), ..RunPlan::calm_group(seed, REPLICAS, flush_of(seed)) }
        })
    };
    let calm = told(1);
    assert_eq!(calm.led_by_first, SEEDS, "{calm}");
    // A segment fills up, and somebody asks for the next one, only so often.
    for (lasts_full, moves_at_least) in [(2_300, 3), (8_000, SEEDS)] {
        let full = told(lasts_full);
        let leaders = (full.leaders, calm.leaders);
        assert!(
            leaders.0 >= leaders.1 + 2 * moves_at_least,
            "{lasts_full} ms full: {leaders:?} leaders with and without, one more and back {moves_at_least} times"
        );
        assert_eq!(full.led_by_first, SEEDS, "{lasts_full} ms full: all leads are back: {full}");
    }
}
