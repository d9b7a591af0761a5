//! Single events told shortly, on a network that works otherwise.

use crate::replica::Mutation;
use crate::world::World;

/// Lets clients send for so many ticks.
fn send(world: &mut World, ticks: u64) {
    for _ in 0..ticks {
        world.propose();
        world.run(1);
    }
}

/// A group with a leader and some entries.
fn group(seed: u64, size: u64) -> World {
    let everybody: Vec<u64> = (1..=size).collect();
    let mut world = World::new(seed, size, &everybody, Mutation::None);
    world.run(60);
    send(&mut world, 20);
    assert!(world.leader().is_some() && world.oracle.committed.len() > 10);
    world
}

fn settles(world: &mut World, members: &[u64]) -> bool {
    let before = world.oracle.committed.len();
    (0..20).any(|_| {
        send(world, 1);
        world.run(10);
        world.oracle.committed.len() > before && world.has_settled(members)
    })
}

#[test]
fn a_group_whose_machines_all_forgot_comes_back_by_itself_from_the_longest_log() {
    for seed in 0..30 {
        let mut world = group(seed, 3);
        let term = world.leader_term();
        (1..=3).for_each(|id| world.crash(id));
        for id in 1..=3 {
            world.replica(id).forget(id * (seed % 4));
        }
        let longest = world.replicas.iter().map(|replica| replica.persisted).max().unwrap();
        world.oracle.lost_by_all(longest);
        (1..=3).for_each(|id| world.start(id));
        assert!(settles(&mut world, &[1, 2, 3]), "seed {seed}");
        assert!(world.leader_term() > term && world.oracle.committed.len() as u64 > longest, "seed {seed}");
        for replica in &world.replicas {
            assert_eq!(replica.log[..longest as usize], world.oracle.committed[..longest as usize], "seed {seed}");
        }
        world.finish();
    }
}

#[test]
fn forgetful_replicas_wait_for_the_one_that_may_know_more() {
    for seed in 0..30 {
        let mut world = group(seed, 3);
        let leader = world.leader().unwrap();
        world.crash(leader);
        let others: Vec<u64> = (1..=3).filter(|id| *id != leader).collect();
        for id in &others {
            world.crash(*id);
            world.replica(*id).forget(10);
            world.start(*id);
        }
        let before = world.oracle.committed.len();
        send(&mut world, 100);
        assert_eq!(world.oracle.committed.len(), before, "seed {seed}: a majority is up, but nobody remembers");
        world.start_again(leader);
        assert!(settles(&mut world, &[1, 2, 3]), "seed {seed}");
        world.finish();
    }
}

#[test]
fn a_follower_far_behind_catches_up_once_and_then_follows() {
    for seed in 0..30 {
        let mut world = group(seed, 3);
        let slow = (1..=3).find(|id| Some(*id) != world.leader()).unwrap();
        (1..=3).for_each(|id| world.replica(id).memory_entries = 10);
        world.crash(slow);
        send(&mut world, 100);
        world.start(slow);
        // With clients sending all the while.
        send(&mut world, 100);
        assert!(settles(&mut world, &[1, 2, 3]), "seed {seed}");
        assert_eq!(world.replica(slow).counts.catch_ups, 1, "seed {seed}");
        world.finish();
    }
}

#[test]
fn a_wiped_replica_comes_back_with_everything() {
    for seed in 0..30 {
        let mut world = group(seed, 5);
        let wiped = seed % 5 + 1;
        world.crash(wiped);
        let members = world.replica(wiped).checkpoint.conf_state.clone();
        world.replica(wiped).wipe(members);
        world.start(wiped);
        assert!(settles(&mut world, &[1, 2, 3, 4, 5]), "seed {seed}");
        world.finish();
    }
}

#[test]
fn a_leader_hands_over_without_losing_time() {
    for seed in 0..30 {
        let mut world = group(seed, 3);
        let leader = world.leader().unwrap();
        let to = leader % 3 + 1;
        world.turn(leader, |replica, turn| {
            replica.live.as_mut().unwrap().group.transfer_to(to).unwrap();
            replica.turn(turn);
        });
        world.run(5);
        assert_eq!(world.leader(), Some(to), "seed {seed}");
        assert!(settles(&mut world, &[1, 2, 3]));
        world.finish();
    }
}

#[test]
fn a_dead_leader_is_replaced_within_three_election_timeouts() {
    let mut ticks: Vec<u64> = Vec::new();
    for seed in 0..200 {
        let mut world = group(seed, 3);
        let leader = world.leader().unwrap();
        world.crash(leader);
        ticks.extend((1..=60).find(|_| {
            world.run(1);
            world.leader().is_some()
        }));
    }
    ticks.sort_unstable();
    assert_eq!(ticks.len(), 200);
    // All replicas tick at the same moment here, so that elections collide more often than they would.
    assert!(ticks[180] <= 24 && ticks[199] <= 40, "{ticks:?}");
}
