//! One node of three dies by `kill -9`, and comes back.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use interop::clients::JavaClient;
use interop::java;
use interop::log_copies::expect_identical;
use interop::replica_group::{GroupSettings, ReplicaGroup};
use interop::run_lock::RunLock;
use interop::scenario::Running;
use interop::scratch::Scratch;
use interop::send_ledger::SendLedger;
use interop::target::Target;
use interop::until::until;

use crate::{LIMIT, NEW_LEADER_WITHIN};

/// How often the leader is killed; `INTEROP_KILLS=n` changes it.
const KILLS: u64 = 3;
/// The clients ask for routes this often, so that what is measured is the group and not their patience.
const POLL_MS: &str = "100";
/// Acknowledgements after a start or a failover before the next step.
const ACKNOWLEDGED_MIN: usize = 200;

#[test]
fn the_death_of_the_leader_loses_nothing_and_another_leads_at_once() {
    let _turn = RunLock::take();
    let kills = std::env::var("INTEROP_KILLS").map_or(KILLS, |kills| kills.parse().expect("INTEROP_KILLS is a number"));
    let scratch = Scratch::new("replicas-leader");
    let mut group = ReplicaGroup::start(&GroupSettings::new("trio"), &scratch);
    let mut clients = Clients::start(&group, &scratch);
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
        let silence_ms = clients.longest_silence_ms(killed_ms);
        println!(
            "kill {kill}: {old_address} to {leader}: registered after {elected:?}, no send acknowledged for {silence_ms} ms"
        );
        assert!(elected < NEW_LEADER_WITHIN, "registered after {elected:?}\n{}", group.outputs());
        let promised_ms = NEW_LEADER_WITHIN.as_millis() as u64;
        assert!(silence_ms < promised_ms, "no send acknowledged for {silence_ms} ms\n{}", group.outputs());
        group.node(old).start();
        group.wait_until_complete();
    }
    clients.finish(&scratch);
    let compared = expect_identical(&mut group, 0);
    println!("{compared:?}");
    group.expect_sound();
}

#[test]
fn the_death_of_a_follower_fails_no_send() {
    let _turn = RunLock::take();
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

/// Each node hands its lead over before it ends, and stays for clients that have not heard of it.
#[test]
fn a_rolling_restart_of_all_nodes_fails_no_send_of_a_stock_producer() {
    let _turn = RunLock::take();
    let scratch = Scratch::new("replicas-rolling");
    let mut group = ReplicaGroup::start(&GroupSettings::new("trio"), &scratch);
    let mut clients = Clients::start(&group, &scratch);
    let leader = group.leader(0);
    // The leader first: another one leads then, and is restarted too.
    for number in [vec![leader], group.others(leader)].concat() {
        clients.expect_acknowledged(ACKNOWLEDGED_MIN);
        let stopped = Instant::now();
        group.node(number).terminate();
        println!("n{number} ended after {:?}", stopped.elapsed());
        group.node(number).start();
        group.wait_until_complete();
    }
    clients.expect_acknowledged(ACKNOWLEDGED_MIN);
    let facts = clients.finish(&scratch);
    assert!(facts.ends_with(" failed 0"), "{facts}\n{}", group.outputs());
    expect_identical(&mut group, 0);
    group.expect_sound();
}

/// A stock producer and a stock consumer at work, through everything.
struct Clients {
    producer: Running,
    consumer: Running,
    acks: PathBuf,
    target: Target,
}

impl Clients {
    fn start(group: &ReplicaGroup, scratch: &Scratch) -> Self {
        let acks = scratch.path().join("acks.txt");
        let options = [("ack-file", acks.to_str().expect("made from text")), ("run-s", "300"), ("poll-ms", POLL_MS)];
        let target = group.target();
        let start =
            |scenario| java::start(JavaClient::V5, scenario, &target, "failover", &options, java::LIMIT, scratch);
        let (producer, consumer) = (start("crash-producer"), start("crash-consumer"));
        Self { producer, consumer, acks, target: target.clone() }
    }

    /// Waits for so many further acknowledgements.
    fn expect_acknowledged(&mut self, count: usize) {
        let lines = |path: &Path| fs::read(path).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count();
        let wanted = lines(&self.acks) + count;
        until("the producer to get acknowledgements", LIMIT, || {
            self.producer.expect_running();
            self.consumer.expect_running();
            let now = lines(&self.acks);
            if now >= wanted { Ok(()) } else { Err(format!("{now} of {wanted} acknowledgements")) }
        });
    }

    /// The longest time since a moment, by this machine's clock, without an acknowledged send.
    fn longest_silence_ms(&self, since_ms: u64) -> u64 {
        let text = fs::read_to_string(&self.acks).expect("the producer's file");
        let whole_lines = text.rsplit_once('\n').map_or("", |(lines, _)| lines);
        let time =
            |line: &str| line.rsplit(' ').next().and_then(|ms| ms.parse::<u64>().ok()).expect("ends with a time");
        let mut times: Vec<u64> = whole_lines.lines().map(time).filter(|ms| *ms >= since_ms).collect();
        times.push(since_ms);
        times.sort_unstable();
        times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(u64::MAX)
    }

    /// Ends both and holds what is stored against what was acknowledged; returns what the producer says of its sends.
    fn finish(self, scratch: &Scratch) -> String {
        let Self { mut producer, mut consumer, acks, target, .. } = self;
        producer.ask_to_stop();
        let facts = producer.expect_pass();
        consumer.ask_to_stop();
        consumer.expect_pass();
        let options = [("ack-file", acks.to_str().expect("made from text"))];
        java::start(JavaClient::V5, "crash-consumer-verify", &target, "failover", &options, java::LIMIT, scratch)
            .expect_pass();
        facts
    }
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right");
    u64::try_from(now.as_millis()).expect("a time of this age")
}
