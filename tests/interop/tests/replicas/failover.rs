//! One node of three dies by `kill -9`, and comes back.

use std::time::Instant;

use interop::log_copies::expect_identical;
use interop::replica_group::{GroupSettings, ReplicaGroup};
use interop::run_lock::RunLock;
use interop::scratch::Scratch;
use interop::send_ledger::SendLedger;
use interop::working_clients::{WorkingClients, now_ms};

use crate::{LIMIT, NEW_LEADER_WITHIN};

/// How often the leader is killed; `INTEROP_KILLS=n` changes it.
const KILLS: u64 = 3;
/// The clients ask for routes this often, so that what is measured is the group and not their patience.
const POLL: [(&str, &str); 1] = [("poll-ms", "100")];
/// Acknowledgements after a start or a failover before the next step.
const ACKNOWLEDGED_MIN: usize = 200;

#[test]
fn the_death_of_the_leader_loses_nothing_and_another_leads_at_once() {
    let _turn = RunLock::alone();
    let kills = std::env::var("INTEROP_KILLS").map_or(KILLS, |kills| kills.parse().expect("INTEROP_KILLS is a number"));
    let scratch = Scratch::new("replicas-leader");
    let mut group = ReplicaGroup::start(&GroupSettings::new("trio"), &scratch);
    let mut clients = WorkingClients::start(&group.target(), "failover", &POLL, &scratch);
    let mut view = group.view();
    for kill in 0..kills {
        clients.expect_acknowledged(ACKNOWLEDGED_MIN);
        let old = group.leader(0);
        let old_address = group.node(old).address(0);
        let (killed, killed_ms) = (Instant::now(), now_ms());
        group.node(old).kill_nine();
        let (leader, seen) = view.wait_for_other_leader("trio", old_address, LIMIT);
        let elected = seen - killed;
        clients.expect_acknowledged(ACKNOWLEDGED_MIN);
        let silence_ms = clients.longest_silence_ms("", killed_ms, now_ms());
        println!(
            "kill {kill}: {old_address} to {leader}: registered after {elected:?}, no send acknowledged for {silence_ms} ms"
        );
        assert!(elected < NEW_LEADER_WITHIN, "registered after {elected:?}\n{}", group.outputs());
        let promised_ms = NEW_LEADER_WITHIN.as_millis() as u64;
        assert!(silence_ms < promised_ms, "no send acknowledged for {silence_ms} ms\n{}", group.outputs());
        group.node(old).start();
        group.wait_until_complete();
    }
    let _ = clients.finish(&scratch);
    let compared = expect_identical(&mut group, 0);
    println!("{compared:?}");
    group.expect_sound();
}

#[test]
fn the_death_of_a_follower_fails_no_send() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("replicas-follower");
    let mut group = ReplicaGroup::start(&GroupSettings::new("trio"), &scratch);
    let leader = group.leader(0);
    let leader_address = group.node(leader).address(0);
    let mut ledger = SendLedger::new("one-follower-less");
    for follower in group.others(leader) {
        ledger.send(leader_address, 100);
        // While sends are under way, not between two.
        let mut at_half = Some(ledger.acknowledged() + 100);
        ledger.send_pipelined(leader_address, 16, |ledger| {
            if at_half.is_some_and(|half| ledger.acknowledged() >= half) {
                at_half = None;
                group.node(follower).kill_nine();
            }
            at_half.is_none() && ledger.acknowledged() >= 500
        });
        assert_eq!(at_half, None, "the follower was killed");
        ledger.send(leader_address, 300);
        assert!(ledger.errors().is_empty(), "{:?}", ledger.errors());
        group.node(follower).start();
        group.wait_until_complete();
        let now = group.leader(0);
        assert!(
            [leader, group.preferred(0)].contains(&now),
            "n{now} leads: a follower that came back has disturbed n{leader}"
        );
    }
    let stored = ledger.expect_stored_in_order(leader_address);
    assert_eq!((stored.all, stored.unsure), (ledger.sent(), 0));
    expect_identical(&mut group, 0);
    group.expect_sound();
}
