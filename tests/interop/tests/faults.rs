//! Faults of real nodes under stock clients at their default settings, each node on a host of its own when root: a selection
//! that takes about two minutes. `make chaos` runs all of them, for as long as one likes.

use std::time::Duration;

use cluster::means::Means;
use interop::faults::fault::Fault;
use interop::faults::round::{Outcome, Patience, run};
use interop::faults::table::render;
use interop::log_copies::{expect_identical, wait_until_all_have_it};
use interop::replica_group::{GroupSettings, ReplicaGroup};
use interop::run_lock::RunLock;
use interop::scratch::Scratch;
use interop::send_ledger::SendLedger;
use interop::until::until;
use rand::SeedableRng;
use rand::rngs::StdRng;

/// What is promised of a new leader is measured in `tests/replicas`, with nothing else at work; a group that takes longer than
/// this hangs.
const NOT_HUNG: Duration = Duration::from_secs(6);
/// Room for everything that a test sends, many times.
const DISK_BYTES: u64 = 1 << 30;
const SMALL_DISK_BYTES: u64 = 256 << 20;
const LIMIT: Duration = Duration::from_secs(30);

/// Runs those of the faults that this machine can do, and says which it cannot.
fn survives(name: &str, shards: u16, faults: &[Fault]) -> Vec<Outcome> {
    let _turn = RunLock::alone();
    let means = Means::look();
    let scratch = Scratch::new(name);
    let mut settings = GroupSettings::new("trio").shards(shards).set("cleanFileForciblyEnable", "false");
    if means.namespaces.is_ok() {
        settings = settings.on_hosts();
    }
    if means.small_disk.is_ok() {
        settings = settings.on_disks(DISK_BYTES);
    }
    let mut group = ReplicaGroup::start(&settings, &scratch);
    let mut random = StdRng::seed_from_u64(1);
    let (mut outcomes, mut not_run) = (Vec::new(), Vec::new());
    for fault in faults {
        match fault.possible(&means) {
            Ok(()) => {
                let outcome = run(&mut group, *fault, Patience::Application, fault.name(), &[], &mut random, &scratch);
                println!("{outcome:?}");
                outcomes.push(outcome);
            }
            Err(why) => not_run.push((*fault, why)),
        }
    }
    for shard in 0..shards {
        println!("shard {shard}: {:?}", expect_identical(&mut group, shard));
    }
    println!("{}", render(&outcomes, &not_run));
    for outcome in &outcomes {
        let accepted = outcome.accepted_ms.map(Duration::from_millis);
        assert!(accepted.is_none_or(|time| time < NOT_HUNG), "{outcome:?}\n{}", group.outputs());
    }
    outcomes
}

/// With leaders spread over the nodes a client whose send fails tries another group.
#[test]
fn with_several_groups_the_application_sees_no_failed_send_when_a_node_dies() {
    for outcome in survives("faults-deaths", 3, &[Fault::KillLeader, Fault::FollowerDiskWiped]) {
        assert_eq!(outcome.failed, 0, "{outcome:?}");
    }
}

/// Its clients learn of the next leader by asking the name server only; what they saw until then is printed.
#[test]
fn a_group_goes_on_when_its_leader_or_a_follower_is_cut_off_be_it_one_way_only() {
    survives("faults-cuts", 3, &[Fault::CutLeader, Fault::LeaderDeaf, Fault::CutFollower]);
}

#[test]
fn nothing_is_lost_on_a_bad_link_or_with_a_full_disk() {
    let faults = [Fault::LossyLeader, Fault::DelayedLeader, Fault::LeaderDiskFull];
    survives("faults-links-and-disks", 3, &faults);
}

/// A vote has to be on disk before it is given. Where there is no room for it, it is given as soon as there is.
#[test]
fn a_node_whose_disk_is_full_when_it_is_asked_for_its_vote_votes_when_there_is_room() {
    let _turn = RunLock::alone();
    if let Err(why) = Fault::FollowerDiskFull.possible(&Means::look()) {
        println!("not run: {why}");
        return;
    }
    let scratch = Scratch::new("faults-full-vote");
    let mut group = ReplicaGroup::start(&GroupSettings::new("trio").on_disks(SMALL_DISK_BYTES), &scratch);
    let leader = group.leader(0);
    let [full, other] = group.others(leader)[..] else { panic!("three nodes") };
    let mut ledger = SendLedger::new("vote");
    ledger.send(group.node(leader).address(0), 100);
    wait_until_all_have_it(&mut group, 0);
    group.disk(full).fill().expect("what is free can be taken");
    group.node(leader).kill_nine();
    until("the node to be asked for its vote", LIMIT, || {
        if group.node(full).output().contains("until there is room for its vote") {
            Ok(())
        } else {
            Err(group.outputs())
        }
    });
    group.disk(full).drain().expect("a file can be removed");
    let next = group.leader_but(leader, 0);
    assert!([full, other].contains(&next));
    ledger.send_when_led(group.node(next).address(0));
    group.node(leader).start();
    group.wait_until_complete();
    let next = group.leader(0);
    ledger.expect_stored_in_order(group.node(next).address(0));
    println!("{:?}", expect_identical(&mut group, 0));
}
