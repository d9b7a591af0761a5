//! Two nodes of three are dead, or all three.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use interop::log_copies::expect_identical;
use interop::replica_group::{GroupSettings, ReplicaGroup};
use interop::run_lock::RunLock;
use interop::scratch::Scratch;
use interop::send_ledger::SendLedger;

/// How long sends are tried without a majority: more than it takes to elect somebody.
const ALONE: Duration = Duration::from_millis(2500);
const ANSWER_WITHIN: Duration = Duration::from_millis(300);
const BETWEEN: Duration = Duration::from_millis(10);
const UNDER_WAY: usize = 32;

#[test]
fn without_a_majority_nothing_is_acknowledged_and_with_it_all_goes_on() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("replicas-minority");
    let mut group = ReplicaGroup::start(&GroupSettings::new("trio"), &scratch);
    let mut ledger = SendLedger::new("alone");
    for survivor_leads in [true, false] {
        let leader = group.leader(0);
        ledger.send(group.node(leader).address(0), 100);
        let survivor = if survivor_leads { leader } else { group.others(leader)[0] };
        let dead = group.others(survivor);
        let address = group.node(survivor).address(0);
        dead.iter().for_each(|number| group.node(*number).kill_nine());
        // What the leader sent out before it noticed is neither acknowledged nor lost for sure.
        let (before, start) = (ledger.acknowledged(), Instant::now());
        while start.elapsed() < ALONE {
            assert!(!ledger.try_send(address, ANSWER_WITHIN), "acknowledged by one of three");
            thread::sleep(BETWEEN);
        }
        assert_eq!(ledger.acknowledged(), before);
        println!("survivor leads: {survivor_leads}; answers {:?}", ledger.errors());
        dead.iter().for_each(|number| group.node(*number).start());
        group.wait_until_complete();
        let leader = group.leader(0);
        ledger.send_when_led(group.node(leader).address(0));
    }
    expect_all_there(&mut group, &ledger);
}

/// A process crash: the rings in shared memory outlive it.
#[test]
fn the_death_of_all_nodes_at_once_loses_nothing() {
    let _turn = RunLock::alone();
    for flush in ["ASYNC_FLUSH", "SYNC_FLUSH"] {
        let scratch = Scratch::new(&format!("replicas-all-{flush}"));
        let settings = GroupSettings::new("trio").shards(2).set("flushDiskType", flush);
        let mut group = ReplicaGroup::start(&settings, &scratch);
        let mut ledgers = [SendLedger::new("all-dead"), SendLedger::new("all-dead-1")];
        for _ in 0..2 {
            let leaders: Vec<SocketAddr> = (0..2)
                .map(|shard| {
                    let leader = group.leader(shard);
                    group.node(leader).address(shard)
                })
                .collect();
            let goals = [ledgers[0].acknowledged() + 400, ledgers[1].acknowledged() + 400];
            thread::scope(|scope| {
                let [first, second] = &mut ledgers;
                scope.spawn(|| second.send_pipelined(leaders[1], UNDER_WAY, |_| false));
                first.send_pipelined(leaders[0], UNDER_WAY, |first| {
                    if first.acknowledged() >= goals[0] {
                        // One after the other, within a millisecond or two.
                        group.nodes().iter_mut().for_each(|node| node.kill_nine());
                    }
                    false
                });
            });
            group.nodes().iter_mut().for_each(|node| node.start());
            group.wait_until_complete();
            for (shard, ledger) in (0..).zip(&mut ledgers) {
                let leader = group.leader(shard);
                ledger.send_when_led(group.node(leader).address(shard));
            }
        }
        for (shard, ledger) in (0..).zip(&ledgers) {
            let leader = group.leader(shard);
            let stored = ledger.expect_stored(group.node(leader).address(shard));
            println!("{flush}: shard {shard}: {stored:?}, sent {}", ledger.sent());
            expect_identical(&mut group, shard);
        }
        group.expect_sound();
    }
}

fn expect_all_there(group: &mut ReplicaGroup, ledger: &SendLedger) {
    for node in group.nodes() {
        println!("{}: {:?}, sent {}", node.peer(), ledger.expect_stored_in_order(node.address(0)), ledger.sent());
    }
    expect_identical(group, 0);
    group.expect_sound();
}
