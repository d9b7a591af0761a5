//! POP of a group of replicas, whose leader dies while messages are out.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use interop::log_copies::expect_identical;
use interop::pops::{ack, messages, pop};
use interop::raw_client::RawClient;
use interop::replica_group::{GroupSettings, ReplicaGroup};
use interop::requests;
use interop::run_lock::RunLock;
use interop::scratch::Scratch;
use protocol::code::ResponseCode;

use crate::LIMIT;

const TOPIC: &str = "popped";
const GROUP: &str = "poppers";
const BROKER: &str = "trio";
const MESSAGES: usize = 300;

#[test]
fn popped_messages_are_out_done_and_back_whoever_leads() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("replicas-pops");
    let mut group = ReplicaGroup::start(&GroupSettings::new(BROKER), &scratch);
    let leader = group.leader(0);
    let mut client = RawClient::connect(group.node(leader).address(0));
    assert_eq!(client.ask(requests::create_topic(TOPIC, 2)).code, ResponseCode::SUCCESS.0);
    for number in 0..MESSAGES {
        let sent = client.ask(requests::send(TOPIC, number as i32 % 2, format!("m{number}").as_bytes()));
        assert_eq!(sent.code, ResponseCode::SUCCESS.0, "{:?}", sent.remark);
    }
    // What is out with a long time stays out at the next leader.
    let long = client.ask(requests::with(pop("others", TOPIC, 600_000, 0), "maxMsgNums", "20"));
    let long = messages(&long, BROKER);
    assert_eq!(long.len(), 20);
    let (mut done, mut rounds, mut kills) = (BTreeSet::new(), 0, 0);
    let began = Instant::now();
    while done.len() < MESSAGES {
        assert!(began.elapsed() < 2 * LIMIT, "{} of {MESSAGES} are done", done.len());
        let popped = client.ask(pop(GROUP, TOPIC, 1_000, 200));
        assert!([0, 210].contains(&popped.code), "{popped:?}");
        for message in messages(&popped, BROKER) {
            assert!(!done.contains(&message.body), "{} was done and came again", message.body);
            // One in five is not acknowledged when it first comes.
            if message.reconsume_times > 0 || message.offset % 5 != 0 {
                let answer = client.ask(ack(GROUP, &message));
                if answer.code == ResponseCode::SUCCESS.0 {
                    done.insert(message.body);
                } else {
                    assert_eq!(answer.code, ResponseCode::NO_MESSAGE.0, "{answer:?}");
                }
            }
        }
        rounds += 1;
        if rounds % 4 == 0 && kills < 2 {
            kills += 1;
            let old = group.leader(0);
            group.node(old).kill_nine();
            let _ = group.leader_but(old, 0);
            group.node(old).start();
            group.wait_until_complete();
            let leader = group.leader(0);
            client = RawClient::connect(group.node(leader).address(0));
        }
    }
    assert_eq!(kills, 2, "leaders died while there was something to do");
    let mut others = BTreeSet::new();
    while others.len() < MESSAGES - long.len() {
        let more = messages(&client.ask(pop("others", TOPIC, 600_000, 5_000)), BROKER);
        assert!(!more.is_empty(), "only {} came", others.len());
        others.extend(more.into_iter().map(|message| message.body));
    }
    assert!(long.iter().all(|message| !others.contains(&message.body)), "what was out came again");
    for message in &long {
        assert_eq!(client.ask(ack("others", message)).code, ResponseCode::SUCCESS.0, "handles live on");
    }
    expect_identical(&mut group, 0);
    group.expect_sound();
}
