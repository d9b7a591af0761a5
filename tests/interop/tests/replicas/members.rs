//! Nodes are added, removed and replaced while clients are at work.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use interop::cluster_view::ClusterView;
use interop::log_copies::expect_identical;
use interop::raw_client::{RawClient, Received};
use interop::replica_group::{GroupSettings, ReplicaGroup};
use interop::requests;
use interop::run_lock::RunLock;
use interop::scratch::Scratch;
use interop::send_ledger::SendLedger;
use interop::until::until;
use protocol::record::decode_record;

use crate::LIMIT;

const UNDER_WAY: usize = 4;
/// Between two looks whether to go on, so that what has to be read at the end stays little.
const BREATH: Duration = Duration::from_millis(4);
/// As long as stock clients wait for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

#[test]
fn a_group_grows_from_one_to_five_and_shrinks_to_three_under_load_and_starts_again_with_its_old_configuration() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("replicas-members");
    let mut group = ReplicaGroup::start(&GroupSettings::new("trio").nodes(1).shards(2), &scratch);
    let ledger = under_load(&mut group, "grows", |group| {
        for _ in 0..4 {
            group.grow(&scratch);
        }
        let last = group_peer(group, 4);
        let again = group.mqadmin_succeeds(&["addReplica", "-b", "trio", "-r", &last]);
        assert_eq!(again.matches("done: n4 is a voter").count(), 2, "a shard each: {again}");
        let status = group.mqadmin_succeeds(&["replicationStatus", "-b", "trio"]);
        assert!(status.contains("trio has the voters n0, n1, n2, n3, n4\n"), "{status}");
        // n0 leads shard 0, n1 shard 1.
        group.wait_until_balanced();
        for number in [0, 1] {
            group.shrink(number);
            let output = group.node(number).output();
            assert!(output.contains("this node is no member of its group any more"), "{output}");
        }
    });
    let three = [2, 3, 4];
    assert_eq!(group.member_numbers(), three);
    for number in three {
        println!("n{number}: {:?}", ledger.expect_stored_in_order(group.node(number).address(0)));
    }
    expect_identical(&mut group, 0);
    expect_identical(&mut group, 1);
    // Every node as it was configured first: n0 for a group of itself, the others for a group with n0.
    for node in group.nodes() {
        node.terminate();
    }
    group.nodes().iter_mut().for_each(|node| node.start());
    group.wait_until_complete();
    for number in [0, 1] {
        let output = group.node(number).output();
        let last = output.rfind("replica opened").expect("it was started again");
        assert!(!output[last..].contains("this replica leads"), "{output}");
    }
    let warning = "dLegerPeers is not what the group's log says";
    assert!(group.node(4).output().contains(warning), "{}", group.node(4).output());
    let mut ledger = ledger;
    let leader = group.leader(0);
    ledger.send_when_led(group.node(leader).address(0));
    for number in three {
        ledger.expect_stored_in_order(group.node(number).address(0));
    }
    group.expect_sound();
}

#[test]
fn a_node_whose_disk_is_gone_is_replaced_by_another() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("replicas-replaced");
    let mut group = ReplicaGroup::start(&GroupSettings::new("trio"), &scratch);
    let ledger = under_load(&mut group, "replaced", |group| {
        let leader = group.leader(0);
        for gone in [group.others(leader)[0], leader] {
            group.node(gone).kill_nine();
            group.node(gone).lose_memory();
            group.node(gone).lose_disk();
            let other = format!("n{}", group.others(gone)[0]);
            let lone = group.mqadmin(&["removeReplica", "-b", "trio", "-r", &other]);
            let why = String::from_utf8_lossy(&lone.stderr).into_owned();
            assert!(!lone.status.success() && why.contains("the group could not go on"), "{why}");
            let number = group.add_node(&scratch);
            let (peer, old) = (group_peer(group, number), format!("n{gone}"));
            println!("{}", group.mqadmin_succeeds(&["replaceReplica", "-b", "trio", "-o", &old, "-r", &peer]));
            group.note_left(gone);
            group.note_joined(number);
            until_forgotten(group, gone);
            group.wait_until_complete();
        }
    });
    for node in group.member_nodes() {
        println!("{}: {:?}", node.peer(), ledger.expect_stored_in_order(node.address(0)));
    }
    expect_identical(&mut group, 0);
    group.expect_sound();
}

#[test]
fn one_change_at_a_time_and_none_that_makes_no_sense() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("replicas-refused");
    let mut group = ReplicaGroup::start(&GroupSettings::new("trio"), &scratch);
    let nobody = "n7-127.0.0.1:9";
    let waits = group.mqadmin(&["addReplica", "-b", "trio", "-r", nobody, "-w", "1"]);
    let why = String::from_utf8_lossy(&waits.stderr).into_owned();
    assert!(!waits.status.success() && why.contains("n7 is not there"), "{why}");
    for (line, reason) in [
        (vec!["addReplica", "-b", "trio", "-r", "n8-127.0.0.1:10"], "n7 is being added: one change at a time"),
        (vec!["removeReplica", "-b", "trio", "-r", "n1"], "n7 is being added: one change at a time"),
        (vec!["addReplica", "-b", "quartet", "-r", nobody], "broker quartet is not registered"),
        (vec!["removeReplica", "-b", "trio", "-r", "1"], "no node's name"),
    ] {
        let output = group.mqadmin(&line);
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && why.contains(reason), "{line:?}: {why}");
    }
    let status = group.mqadmin_succeeds(&["replicationStatus", "-b", "trio"]);
    assert!(status.contains("trio has the voters n0, n1, n2; n7 without a vote; n7 is being added"), "{status}");
    group.mqadmin_succeeds(&["removeReplica", "-b", "trio", "-r", "n7"]);
    let leader = group.leader(0);
    let mut ledger = SendLedger::new("refused");
    ledger.send_when_led(group.node(leader).address(0));
    expect_identical(&mut group, 0);
    group.expect_sound();
}

fn group_peer(group: &mut ReplicaGroup, number: usize) -> String {
    group.node(number).peer()
}

/// A name server notices that a node was killed by its connection.
fn until_forgotten(group: &mut ReplicaGroup, number: usize) {
    let address = group.node(number).address(0).to_string();
    let mut view = group.view();
    until("a killed node to be forgotten", LIMIT, || {
        let replicas = view.replicas("trio");
        if replicas.values().all(|other| *other != address) { Ok(()) } else { Err(format!("{replicas:?}")) }
    });
}

/// Does something with the group while one sends to its first shard and another reads what was sent, in its order. Returns
/// what became of the sends, when all that is stored was read.
fn under_load(group: &mut ReplicaGroup, topic: &str, work: impl FnOnce(&mut ReplicaGroup)) -> SendLedger {
    let (is_sent, is_over) = (AtomicBool::new(false), AtomicBool::new(false));
    let (mut sender_view, mut reader_view) = (group.view(), group.view());
    let mut ledger = SendLedger::new(topic);
    let read = thread::scope(|scope| {
        let guard = [Over(&is_sent), Over(&is_over)];
        let sender = scope.spawn(|| {
            while !is_sent.load(Ordering::Relaxed) {
                thread::sleep(BREATH);
                let Some(leader) = sender_view.leader("trio") else { continue };
                ledger.send_pipelined(leader, UNDER_WAY, |_| {
                    thread::sleep(BREATH);
                    // Who hands on is as good, but leaves one day.
                    is_sent.load(Ordering::Relaxed) || sender_view.leader("trio") != Some(leader)
                });
            }
        });
        let reader = scope.spawn(|| read_until(&is_over, &mut reader_view, topic));
        work(group);
        drop(Over(&is_sent));
        sender.join().expect("the sender failed");
        // What is stored by now is read to its end.
        thread::sleep(Duration::from_secs(1));
        drop(guard);
        reader.join().expect("the reader failed")
    });
    let leader = group.leader(0);
    let stored = ledger.expect_stored_in_order(group.node(leader).address(0));
    println!("{topic}: {stored:?}, sent {}, errors {:?}", ledger.sent(), ledger.errors());
    assert!(ledger.acknowledged() > 100, "there was load");
    assert_eq!(read, stored.all, "all that is stored was read");
    ledger
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Reads the topic's queue from its beginning, message by message without a gap, from whoever leads. Returns how many there
/// were when nothing more came after the end.
fn read_until(is_over: &AtomicBool, view: &mut ClusterView, topic: &str) -> u64 {
    let mut next = 0;
    loop {
        let ends = is_over.load(Ordering::Relaxed);
        let found = view.leader("trio").and_then(|leader| pull(leader, topic, next));
        match found {
            Some(offsets) if !offsets.is_empty() => {
                for offset in offsets {
                    assert_eq!(offset, next, "a message is missing, or comes twice");
                    next += 1;
                }
            }
            Some(_) if ends => return next,
            _ => thread::sleep(BREATH),
        }
    }
}

/// Queue offsets of the messages that a broker has from here on; `None` where it does not answer.
fn pull(from: SocketAddr, topic: &str, offset: u64) -> Option<Vec<u64>> {
    let mut client = RawClient::try_connect(from).ok()?;
    client.try_start(requests::pull(topic, 0, i64::try_from(offset).ok()?)).ok()?;
    let answer = client.receive_before(Instant::now() + ANSWER_WITHIN)?;
    let Received::Command(answer) = answer else { return None };
    let mut offsets = Vec::new();
    let mut rest = &answer.body[..];
    while answer.code == 0 && !rest.is_empty() {
        let (record, used) = decode_record(rest).expect("a record");
        offsets.push(u64::try_from(record.queue_offset).expect("offsets begin at 0"));
        rest = &rest[used..];
    }
    Some(offsets)
}
