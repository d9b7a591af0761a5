//! The leader stands still for seconds, as in a pause of its virtual machine, and goes on as if nothing had happened.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use interop::log_copies::expect_identical;
use interop::raw_client::{RawClient, Received};
use interop::replica_group::{GroupSettings, ReplicaGroup};
use interop::requests;
use interop::run_lock::RunLock;
use interop::scratch::Scratch;
use interop::send_ledger::SendLedger;

use crate::{LIMIT, NEW_LEADER_WITHIN};

const PAUSE: Duration = Duration::from_secs(3);
const UNDER_WAY: usize = 50;
/// The group that [`SendLedger`] reads as.
const GROUP: &str = "pullers";

#[test]
fn a_leader_that_stands_still_is_replaced_and_follows_when_it_goes_on() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("replicas-hung");
    let mut group = ReplicaGroup::start(&GroupSettings::new("trio"), &scratch);
    let mut view = group.view();
    let mut ledger = SendLedger::new("hung");
    for round in 0..2 {
        let old = group.leader(0);
        let old_address = group.node(old).address(0);
        ledger.send(old_address, 100);
        let mut client = RawClient::connect(old_address);
        let mut under_way = BTreeMap::new();
        // Some are with the leader when it stops, the others arrive while it stands.
        let mut send_more = |ledger: &mut SendLedger, client: &mut RawClient, count| {
            for _ in 0..count {
                let (number, request) = ledger.next_request();
                under_way.insert(client.start(request), number);
            }
        };
        send_more(&mut ledger, &mut client, UNDER_WAY);
        group.node(old).pause();
        let paused = Instant::now();
        send_more(&mut ledger, &mut client, UNDER_WAY);

        let (leader, seen) = view.wait_for_other_leader("trio", old_address, LIMIT);
        let elected = seen - paused;
        println!("round {round}: {old_address} to {leader}: registered after {elected:?}");
        assert!(elected < NEW_LEADER_WITHIN, "registered after {elected:?}\n{}", group.outputs());
        ledger.send(leader, 100);
        thread::sleep(PAUSE.saturating_sub(paused.elapsed()));

        group.node(old).resume();
        while !under_way.is_empty() && ledger.note_next(&mut client, &mut under_way) {}
        group.wait_until_complete();
        assert_ne!(group.leader(0), old, "it follows");
        println!("round {round}: answers {:?}, unanswered {}", ledger.errors(), under_way.len());
    }
    for node in group.nodes() {
        println!("{}: {:?}, sent {}", node.peer(), ledger.expect_stored(node.address(0)), ledger.sent());
    }
    expect_identical(&mut group, 0);
    group.expect_sound();
}

/// Else a group would begin again where it was before another node led. Whether the old leader hears of the new one first
/// is chance.
#[test]
fn a_leader_that_stood_still_tells_no_offset_that_is_out_of_date() {
    const BEFORE: i64 = 10;
    const SINCE: i64 = 90;
    let _turn = RunLock::alone();
    let scratch = Scratch::new("replicas-hung-offsets");
    let mut group = ReplicaGroup::start(&GroupSettings::new("trio"), &scratch);
    let mut ledger = SendLedger::new("hung-offsets");
    let old = group.leader(0);
    let old_address = group.node(old).address(0);
    ledger.send(old_address, 100);
    commit_offset(old_address, ledger.topic(), BEFORE);
    group.node(old).pause();
    // It is the first that the leader finds when it goes on.
    let mut reader = RawClient::connect(old_address);
    let asked = reader.start(requests::query_offset(GROUP, ledger.topic(), 0));
    let (leader, _) = group.view().wait_for_other_leader("trio", old_address, LIMIT);
    commit_offset(leader, ledger.topic(), SINCE);
    group.node(old).resume();
    match reader.receive() {
        Received::Closed => {}
        Received::Command(answer) if answer.code == 0 => {
            assert_eq!(answer.opaque, asked);
            assert_eq!(answer.get("offset"), Some(SINCE.to_string().as_str()), "{answer:?}\n{}", group.outputs());
        }
        Received::Command(refused) => println!("{refused:?}"),
    }
    group.expect_sound();
}

fn commit_offset(leader: SocketAddr, topic: &str, offset: i64) {
    let mut client = RawClient::connect(leader);
    let answer = client.ask(requests::commit_offset(GROUP, topic, 0, offset));
    assert_eq!(answer.code, 0, "{answer:?}");
    let answer = client.ask(requests::query_offset(GROUP, topic, 0));
    assert_eq!(answer.get("offset"), Some(offset.to_string().as_str()), "{answer:?}");
}
