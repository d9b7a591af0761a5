//! A node was away for long, or comes back without its disk or without what its machine's memory held.

use interop::kept_messages::KeptMessages;
use interop::log_copies::expect_identical;
use interop::replica_group::{GroupSettings, ReplicaGroup};
use interop::run_lock::RunLock;
use interop::scratch::Scratch;
use interop::send_ledger::SendLedger;

/// The smallest, so that little has to be sent until a leader no longer has in memory what a follower lacks.
const CACHE_BYTES: &str = "16777216";
const BODY_BYTES: usize = 400 << 10;
/// More than the cache holds.
const BODIES: usize = 60;

#[test]
fn a_follower_that_was_away_for_long_catches_up_and_counts_again() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("replicas-away");
    let mut group = ReplicaGroup::start(&GroupSettings::new("trio").set("logCacheBytes", CACHE_BYTES), &scratch);
    let mut bulk = KeptMessages::new("bulk").of_bytes(BODY_BYTES);
    let mut ledger = SendLedger::new("away");
    for leader_dies in [false, true] {
        let leader = group.leader(0);
        let leader_address = group.node(leader).address(0);
        let [away, other] = group.others(leader)[..] else { panic!("three nodes") };
        ledger.send(leader_address, 50);
        group.node(away).kill_nine();
        bulk.send(leader_address, BODIES);
        ledger.send(leader_address, 50);
        group.node(away).start();
        // Whoever dies now, the one that was away is needed for a majority.
        let (dead, leads) = if leader_dies { (leader, other) } else { (other, leader) };
        group.node(dead).kill_nine();
        let address = group.node(leads).address(0);
        ledger.send_when_led(address);
        ledger.send(address, 50);
        assert_eq!(group.leader(0), leads, "it alone has everything that was acknowledged");
        group.node(dead).start();
        group.wait_until_complete();
    }
    for node in group.nodes() {
        println!("{}: {:?}, sent {}", node.peer(), ledger.expect_stored_in_order(node.address(0)), ledger.sent());
        bulk.expect(node.address(0));
    }
    expect_identical(&mut group, 0);
    group.expect_sound();
}

#[test]
fn a_node_that_lost_its_disk_gets_everything_from_the_others() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("replicas-wiped");
    let mut group = ReplicaGroup::start(&GroupSettings::new("trio"), &scratch);
    let mut ledger = SendLedger::new("wiped");
    let leader = group.leader(0);
    let leader_address = group.node(leader).address(0);
    ledger.send(leader_address, 200);
    for wiped in [group.others(leader)[0], leader] {
        let others = group.others(wiped);
        group.node(wiped).kill_nine();
        group.node(wiped).lose_memory();
        group.node(wiped).lose_disk();
        group.node(wiped).start();
        group.wait_until_complete();
        let leader = group.leader(0);
        ledger.send_when_led(group.node(leader).address(0));
        // Without one of the others it is needed for a majority, with all it ever confirmed.
        group.node(others[0]).kill_nine();
        let leader = group.leader_but(others[0], 0);
        ledger.send_when_led(group.node(leader).address(0));
        ledger.send(group.node(leader).address(0), 50);
        group.node(others[0]).start();
        group.wait_until_complete();
    }
    for node in group.nodes() {
        println!("{}: {:?}, sent {}", node.peer(), ledger.expect_stored_in_order(node.address(0)), ledger.sent());
    }
    expect_identical(&mut group, 0);
    group.expect_sound();
}

/// With ASYNC_FLUSH each may have forgotten what it had confirmed, so none may lead unless all have said what they have.
#[test]
fn a_group_whose_machines_all_crashed_comes_back_by_itself() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("replicas-crashed");
    let mut group = ReplicaGroup::start(&GroupSettings::new("trio").shards(2), &scratch);
    let mut ledgers = [SendLedger::new("crashed"), SendLedger::new("crashed-1")];
    for _ in 0..2 {
        for (shard, ledger) in (0..).zip(&mut ledgers) {
            let leader = group.leader(shard);
            ledger.send(group.node(leader).address(shard), 200);
            // And written: only what is not would be lost with the machines.
            expect_identical(&mut group, shard);
        }
        for node in group.nodes() {
            node.kill_nine();
            node.lose_memory();
        }
        group.nodes().iter_mut().for_each(|node| node.start());
        group.wait_until_complete();
    }
    for (shard, ledger) in (0..).zip(&mut ledgers) {
        let leader = group.leader(shard);
        ledger.send_when_led(group.node(leader).address(shard));
        let stored = ledger.expect_stored_in_order(group.node(leader).address(shard));
        println!("shard {shard}: {stored:?}, sent {}", ledger.sent());
        expect_identical(&mut group, shard);
    }
    group.expect_sound();
}
