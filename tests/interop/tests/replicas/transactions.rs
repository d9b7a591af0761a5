//! Half messages and their ends across the death of the leader: each is in or out once, whoever leads, and the next leader asks
//! about what is open.

use std::time::{Duration, Instant};

use interop::log_copies::expect_identical;
use interop::raw_client::RawClient;
use interop::replica_group::{GroupSettings, ReplicaGroup};
use interop::requests;
use interop::run_lock::RunLock;
use interop::scratch::Scratch;
use interop::transactions::{COMMIT, Half, Question, ROLLBACK, bodies, half, producer, property};
use interop::until::until;

use crate::LIMIT;

const TOPIC: &str = "halved";
const GROUP: &str = "payers";
const PER_ROUND: usize = 60;
const ROUNDS: usize = 3;
/// Some rounds of questions.
const ASKED_WITHIN: Duration = Duration::from_secs(3);

fn to_leader(group: &mut ReplicaGroup) -> RawClient {
    let leader = group.leader(0);
    RawClient::connect(group.node(leader).address(0))
}

#[test]
fn transactions_survive_the_death_of_the_leader_and_the_next_one_asks() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("replicas-transactions");
    let settings = GroupSettings::new("trio")
        .set("transactionTimeOut", "15000")
        .set("transactionCheckInterval", "500")
        .set("transactionCheckMax", "100");
    let mut group = ReplicaGroup::start(&settings, &scratch);
    let mut client = to_leader(&mut group);
    assert_eq!(client.ask(requests::create_topic(TOPIC, 1)).code, 0);
    let (mut expected, mut ended, mut open) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        for number in 0..PER_ROUND {
            let body = format!("{round}-{number}");
            let half = Half::of(&client.ask(half(TOPIC, GROUP, body.as_bytes(), &[])));
            let how = match number % 3 {
                0 => COMMIT,
                1 => ROLLBACK,
                _ => {
                    open.push((half, body));
                    continue;
                }
            };
            assert_eq!(client.ask(half.end(GROUP, how)).code, 0);
            if how == COMMIT {
                expected.push(body);
            }
            ended.push(half);
        }
        let old = group.leader(0);
        group.node(old).kill_nine();
        let leader = group.leader_but(old, 0);
        client = RawClient::connect(group.node(leader).address(0));
        // What an earlier leader ended stays so, what was open can be ended at this one.
        for half in &ended {
            assert_eq!(client.ask(half.end(GROUP, COMMIT)).code, 1, "{half:?} ended twice");
        }
        let (half, body) = open.swap_remove(0);
        assert_eq!(client.ask(half.end(GROUP, COMMIT)).code, 0);
        expected.push(body);
        ended.push(half);
        assert_eq!(bodies(&mut client, TOPIC, 0), expected);
        group.node(old).start();
        group.wait_until_complete();
        client = to_leader(&mut group);
    }
    let join = |group: &mut ReplicaGroup| {
        let leader = group.leader(0);
        producer(group.node(leader).address(0), GROUP, "payer-1")
    };
    let mut payer = join(&mut group);
    let deadline = Instant::now() + LIMIT;
    let mut answered = Vec::new();
    while answered.len() < open.len() {
        assert!(Instant::now() < deadline, "{answered:?} of {open:?}\n{}", group.outputs());
        // The lead may go to the node that should have it; stock producers are known to all.
        let Some(question) = Question::next(&mut payer, Instant::now() + ASKED_WITHIN) else {
            payer = join(&mut group);
            continue;
        };
        let half = question.half();
        let (_, body) = open
            .iter()
            .find(|(known, _)| (known.queue_offset, known.physical_offset) == (half.queue_offset, half.physical_offset))
            .unwrap_or_else(|| panic!("{half:?} is not open"));
        assert!(property(&question.record(), "TRANSACTION_CHECK_TIMES").is_some());
        if !answered.contains(body) {
            payer.send(&question.answer(GROUP, COMMIT));
            answered.push(body.clone());
        }
    }
    expected.extend(answered);
    expected.sort();
    until("all that is committed", Duration::from_secs(20), || {
        let mut seen = bodies(&mut client, TOPIC, 0);
        seen.sort();
        if seen == expected { Ok(()) } else { Err(format!("{} of {}", seen.len(), expected.len())) }
    });
    expect_identical(&mut group, 0);
    group.expect_sound();
}
