//! What happens to a group, drawn from a seed: a phase of faults, then healing that must become live.

use raft_driver::eraftpb::{ConfChangeSingle, ConfChangeType, ConfChangeV2, ConfState};
use rand::RngExt;

use crate::replica::Mutation;
use crate::summary::Summary;
use crate::world::{TICK, World};

const FAULT_TICKS: u64 = 400;
/// Healing has to be done by then: some elections, and catching up.
const HEAL_TICKS_MAX: u64 = 300;

#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Flavour {
    /// Groups of three or five; a crash loses what was not persisted.
    Plain,
    /// As before, and a crash may lose what was persisted, or all of it; never as much as a majority could have known.
    Forgetful,
    /// From one replica to three, to five, to three.
    Members,
}

pub(crate) fn run(seed: u64, flavour: Flavour, mutation: Mutation) -> Summary {
    let size = if seed.is_multiple_of(3) || flavour == Flavour::Members { 5 } else { 3 };
    let everybody: Vec<u64> = (1..=size).collect();
    let voters = if flavour == Flavour::Members { vec![1] } else { everybody.clone() };
    let mut world = World::new(seed, size, &voters, mutation);
    for id in &everybody {
        world.replica(*id).memory_entries = if seed.is_multiple_of(2) { 10 } else { 1_000 };
    }
    let mut steps = if flavour == Flavour::Members { membership_plan(&mut world) } else { Vec::new() };
    for _ in 0..FAULT_TICKS {
        if world.random.random_bool(0.5) {
            world.propose();
        }
        if world.random.random_range(0..12) == 0 {
            fault(&mut world, flavour, &everybody);
        }
        if world.has_candidate() && world.random.random_range(0..10) == 0 {
            // The moment at which it matters what a crash leaves of a vote.
            let id = everybody[world.random.random_range(0..everybody.len())];
            crash(&mut world, flavour, id, &everybody);
        }
        change_members(&mut world, &mut steps);
        world.run(1);
    }
    heal(&mut world, &everybody, &mut steps);
    world.finish()
}

/// One fault, or the end of one.
fn fault(world: &mut World, flavour: Flavour, everybody: &[u64]) {
    let id = everybody[world.random.random_range(0..everybody.len())];
    let other = everybody[world.random.random_range(0..everybody.len())];
    match world.random.random_range(0..14) {
        0..=2 => crash(world, flavour, id, everybody),
        3..=4 => restart_one(world, everybody),
        5 => {
            // Two sides that do not hear each other.
            world.summary.partitions += 1;
            let sides: Vec<bool> = everybody.iter().map(|_| world.random.random_bool(0.5)).collect();
            for from in everybody {
                for to in everybody.iter().filter(|to| sides[*from as usize - 1] != sides[**to as usize - 1]) {
                    world.network.cut.insert((*from, *to));
                }
            }
        }
        6 => {
            // One way only, or all ways to one replica.
            world.summary.partitions += 1;
            let all = world.random.random_bool(0.3);
            for to in everybody.iter().filter(|to| all || **to == other) {
                world.network.cut.insert((id, *to));
            }
        }
        7..=8 => world.network.cut.clear(),
        9 => {
            world.network.loss = world.random.random_range(0..30);
            world.network.doubles = world.random.random_range(0..20);
            world.network.delay_max = world.random.random_range(1..20);
        }
        10 => world.network.heal(),
        11 => world.replica(id).disk_delay = [1, 3, 30, 150][(other % 4) as usize],
        12 => {
            world.summary.pauses += 1;
            let until = world.now + world.random.random_range(5..60) * TICK;
            world.paused.insert(id, until);
        }
        _ => {
            let to = other;
            let leader = world.leader();
            if let Some(leader) = leader.filter(|leader| *leader != to) {
                transfer(world, leader, to);
            }
        }
    }
}

fn transfer(world: &mut World, leader: u64, to: u64) {
    let is_begun = world.turn(leader, |replica, turn| {
        let Some(live) = replica.live.as_mut().filter(|live| !live.group.is_writing()) else { return false };
        let is_begun = live.group.transfer_to(to).is_ok();
        replica.turn(turn);
        is_begun
    });
    world.summary.transfers += u64::from(is_begun);
}

fn crash(world: &mut World, flavour: Flavour, id: u64, everybody: &[u64]) {
    if world.replica(id).live.is_none() {
        return;
    }
    // Of every majority one has to remember.
    let forgetful = world.untrusted() + usize::from(world.replica(id).remembers());
    world.crash(id);
    if flavour == Flavour::Forgetful && forgetful < everybody.len() / 2 + 1 && world.random.random_bool(0.5) {
        if world.random.random_range(0..4) == 0 {
            world.summary.wiped += 1;
            world.replica(id).wipe(ConfState::from((everybody.to_vec(), vec![])));
        } else {
            world.summary.forgotten += 1;
            let count = world.random.random_range(0..20);
            world.replica(id).forget(count);
        }
    }
    // Somebody who starts it again at once, in most cases.
    if world.random.random_bool(0.6) {
        restart(world, id);
    }
}

fn restart_one(world: &mut World, everybody: &[u64]) {
    let down = everybody.iter().find(|id| world.replicas[**id as usize - 1].live.is_none());
    if let Some(id) = down.copied() {
        restart(world, id);
    }
}

fn restart(world: &mut World, id: u64) {
    if world.replica(id).remembers() && world.random.random_bool(0.5) {
        world.start_again(id);
    } else {
        world.start(id);
    }
}

/// Everything works again: the group has to have one leader, take messages, and agree.
fn heal(world: &mut World, everybody: &[u64], steps: &mut Vec<Vec<u64>>) {
    world.network.heal();
    world.paused.clear();
    for id in everybody {
        world.replica(*id).disk_delay = 3;
        if world.replica(*id).live.is_none() {
            restart(world, *id);
        }
    }
    let start = world.now;
    let mut before = None;
    for _ in 0..HEAL_TICKS_MAX / 10 {
        let leader = world.leader();
        for _ in 0..10 {
            change_members(world, steps);
            world.run(1);
        }
        if before.is_some() && steps.is_empty() {
            let members = members_of(world);
            let committed = world.oracle.committed.len();
            if world.leader() == leader && leader.is_some() && before < Some(committed) && world.has_settled(&members) {
                world.summary.heal_ticks_max = (world.now - start) / TICK;
                return;
            }
        }
        before = before.or(Some(world.oracle.committed.len()));
        world.propose();
        world.run(5);
    }
    let roles: Vec<_> = world
        .replicas
        .iter()
        .map(|replica| {
            let group = replica.live.as_ref().map(|live| &live.group);
            group.map(|group| {
                let (end, committed, members) = (group.end(), group.committed(), group.conf_state().clone());
                (group.role(), end, committed, group.is_trusted(), group.catch_up(), members, group.progress())
            })
        })
        .collect();
    panic!("not live {HEAL_TICKS_MAX} ticks after everything works again; steps {steps:?}; {roles:#?}");
}

/// The members that the leader knows.
fn members_of(world: &World) -> Vec<u64> {
    let leader = world.leader().and_then(|id| world.replicas[id as usize - 1].live.as_ref());
    leader.map(|live| live.group.conf_state().voters.clone()).unwrap_or_default()
}

/// The members to go through, the last one first.
fn membership_plan(world: &mut World) -> Vec<Vec<u64>> {
    let last = match world.random.random_range(0..3) {
        0 => vec![1, 2, 3],
        1 => vec![3, 4, 5],
        _ => vec![2, 3, 5],
    };
    vec![last, vec![1, 2, 3, 4, 5], vec![1, 2, 3]]
}

/// Proposes the next step towards the next members, or hands leadership to one that stays.
fn change_members(world: &mut World, steps: &mut Vec<Vec<u64>>) {
    let Some(wanted) = steps.last().cloned() else { return };
    let Some(leader) = world.leader() else { return };
    let Some(live) = world.replicas[leader as usize - 1].live.as_ref() else { return };
    if live.group.is_writing() {
        return;
    }
    let now = live.group.conf_state().clone();
    let mut voters = now.voters.clone();
    voters.sort_unstable();
    if voters == wanted && now.voters_outgoing.is_empty() {
        steps.pop();
        return;
    }
    if world.random.random_range(0..10) != 0 {
        return;
    }
    if !wanted.contains(&leader) {
        return transfer(world, leader, wanted[0]);
    }
    let single = |id: u64, kind: ConfChangeType| {
        let mut single = ConfChangeSingle { node_id: id, ..ConfChangeSingle::default() };
        single.set_change_type(kind);
        single
    };
    let added = wanted.iter().filter(|id| !voters.contains(id)).map(|id| single(*id, ConfChangeType::AddNode));
    let removed = voters.iter().filter(|id| !wanted.contains(id)).map(|id| single(*id, ConfChangeType::RemoveNode));
    let mut changes: Vec<_> = added.chain(removed).collect();
    if world.random.random_bool(0.5) {
        changes.truncate(1); // one at a time, instead of through a joint membership
    }
    let mut change = ConfChangeV2::default();
    change.set_changes(changes.into());
    world.turn(leader, |replica, turn| {
        if let Some(live) = &mut replica.live {
            let _ = live.group.propose_membership(&change); // refused while an earlier one is under way
        }
        replica.turn(turn);
    });
}
