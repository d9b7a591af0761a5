//! Groups whose members change all the time, while everything goes wrong.

use std::time::Duration;

use sim::cluster::fault_plan::ClusterFault;
use sim::cluster::network::HostId;
use sim::cluster::operator::Wish;
use sim::cluster::run::{run_members_seed, run_plan};
use sim::cluster::run_plan::RunPlan;
use sim::plan::Crash;
use sim::seeds::{MEMBER_SEEDS, run_seeds};
use storage::commit_log::FlushMode;

#[test]
fn groups_keep_their_promises_while_members_come_and_go() {
    run_seeds("groups_keep_their_promises_while_members_come_and_go", MEMBER_SEEDS, run_members_seed);
}

#[test]
fn a_group_whose_members_change_replays_exactly() {
    for seed in 0..10 {
        let run = || run_members_seed(seed).map(|summary| format!("{summary:?}"));
        assert_eq!(run(), run(), "seed={seed}");
    }
}

/// Runs a group of five machines, of which some found it, through what an operator wants; all of it has to come true.
fn comes_true(founders: u16, wishes: &[Wish]) {
    for seed in 0..10 {
        let flush = if seed % 2 == 0 { FlushMode::Sync } else { FlushMode::Async };
        let wishes = Some(wishes.to_vec());
        let calm = RunPlan::calm_group(seed, 5, flush);
        let plan = RunPlan { founders, wishes: wishes.clone(), lasts: Duration::from_secs(12), ..calm };
        match run_plan(plan) {
            Ok(summary) => {
                assert_eq!(Some(summary.member_changes), wishes.map(|wishes| wishes.len() as u64), "seed={seed}")
            }
            Err(violation) => panic!("seed={seed}: {violation}"),
        }
    }
}

/// Its leader tried to hand its lead over, to nobody, and served no client meanwhile.
#[test]
fn the_only_node_of_a_group_is_replaced() {
    comes_true(1, &[Wish::Add { node: 4, replaces: Some(0) }]);
}

#[test]
fn a_group_grows_from_one_to_five_and_shrinks_to_those_that_came_last() {
    let add = |node| Wish::Add { node, replaces: None };
    let remove = |node| Wish::Remove { node };
    comes_true(1, &[add(1), add(2), add(3), add(4), remove(0), remove(1)]);
}

/// One of two nodes that had been removed had lost its disk. The other had not heard in its log that it was removed, and said
/// that the two of them are the voters: they elected it in a term that had a leader already, and took sends.
#[test]
fn nodes_that_were_removed_do_not_found_a_group_again_with_a_lost_disk() {
    let wishes = vec![Wish::Remove { node: 1 }, Wish::Add { node: 2, replaces: None }, Wish::Remove { node: 0 }];
    let between = |removed| {
        (3..=5).flat_map(move |present| [(HostId(removed), HostId(present)), (HostId(present), HostId(removed))])
    };
    let links = (1..=2).flat_map(between);
    let apart = ClusterFault::Silence { links: links.collect(), lasts: Duration::from_secs(8), breaks: 1.0 };
    let lost = ClusterFault::LoseDisk { node: 0, down: Duration::from_millis(500) };
    let killed = ClusterFault::Crash { node: 1, crash: Crash::Kill, down: Duration::from_millis(500) };
    for seed in 0..10 {
        let flush = if seed % 2 == 0 { FlushMode::Sync } else { FlushMode::Async };
        let faults =
            [apart.clone(), lost.clone(), killed.clone()].map(|fault| (Duration::from_secs(12), fault)).to_vec();
        let calm = RunPlan::calm_group(seed, 5, flush);
        let plan =
            RunPlan { founders: 2, wishes: Some(wishes.clone()), faults, lasts: Duration::from_secs(20), ..calm };
        match run_plan(plan) {
            Ok(summary) => assert_eq!((summary.member_changes, summary.lost_disks), (3, 1), "seed={seed}"),
            Err(violation) => panic!("seed={seed}: {violation}"),
        }
    }
}

/// It waited to be told who the members are, and nobody told it as long as they were never changed.
#[test]
fn a_founder_that_lost_its_disk_and_is_to_found_nothing_again_learns_who_the_members_are() {
    for seed in 0..10 {
        let flush = if seed % 2 == 0 { FlushMode::Sync } else { FlushMode::Async };
        let lost = ClusterFault::LoseDisk { node: seed as usize % 3, down: Duration::from_millis(500) };
        let calm = RunPlan::calm_group(seed, 5, flush);
        let faults = vec![(Duration::from_secs(2), lost)];
        let plan = RunPlan { founders: 3, wishes: Some(Vec::new()), faults, ..calm };
        if let Err(violation) = run_plan(plan) {
            panic!("seed={seed}: {violation}");
        }
    }
}
