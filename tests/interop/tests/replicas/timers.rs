//! Timer messages of a group of replicas, whose leader dies while some are due.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use interop::log_copies::expect_identical;
use interop::raw_client::RawClient;
use interop::replica_group::{GroupSettings, ReplicaGroup};
use interop::requests;
use interop::run_lock::RunLock;
use interop::scratch::Scratch;
use interop::until::until;
use interop::working_clients::now_ms;
use protocol::code::{RequestCode, ResponseCode};
use protocol::command::RemotingCommand;
use protocol::properties;
use protocol::record::decode_record;

use crate::LIMIT;

const TOPIC: &str = "later";
const MESSAGES: u64 = 800;
/// Between two due times.
const STEP_MS: u64 = 10;

#[test]
fn timers_come_once_each_in_order_and_never_early_though_leaders_die() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("replicas-timers");
    let mut group = ReplicaGroup::start(&GroupSettings::new("trio").set("recallMessageEnable", "true"), &scratch);
    let leader = group.leader(0);
    let mut client = RawClient::connect(group.node(leader).address(0));
    let made = client.ask(requests::create_topic(TOPIC, 1));
    assert_eq!(made.code, ResponseCode::SUCCESS.0, "{:?}", made.remark);
    let began_ms = now_ms() + 10_000;
    let mut recalled = 0;
    for number in 0..MESSAGES {
        let due_ms = began_ms + (number * 7919) % MESSAGES * STEP_MS;
        let text = format!("TIMER_DELIVER_MS\u{1}{due_ms}\u{2}");
        let send = requests::with(requests::send(TOPIC, 0, number.to_string().as_bytes()), "i", &text);
        let sent = client.ask(send);
        assert_eq!(sent.code, ResponseCode::SUCCESS.0, "{:?}", sent.remark);
        if number % 10 == 3 {
            let handle = sent.get("recallHandle").expect("a handle").to_owned();
            let recall = RemotingCommand::request(RequestCode::RECALL_MESSAGE.0, 0);
            let recall = recall.with_field("topic", TOPIC).with_field("recallHandle", handle);
            let answer = client.ask(recall);
            assert_eq!(answer.code, ResponseCode::SUCCESS.0, "{:?}", answer.remark);
            recalled += 1;
        }
    }
    for kill in 1..=2 {
        let at_ms = began_ms + kill * MESSAGES * STEP_MS / 3;
        thread::sleep(Duration::from_millis(at_ms.saturating_sub(now_ms())));
        let old = group.leader(0);
        group.node(old).kill_nine();
        thread::sleep(Duration::from_millis(500));
        group.node(old).start();
        group.wait_until_complete();
    }
    let leader = group.leader(0);
    let mut client = RawClient::connect(group.node(leader).address(0));
    let expected = MESSAGES - recalled;
    until("all timers", LIMIT, || {
        let answer = client.ask(requests::of_queue(RequestCode::GET_MAX_OFFSET, TOPIC, 0));
        match answer.get("offset").and_then(|offset| offset.parse::<u64>().ok()) {
            Some(count) if count >= expected => Ok(()),
            count => Err(format!("{count:?} of {expected}")),
        }
    });
    thread::sleep(Duration::from_secs(1));
    let (mut found, mut last_due_ms, mut offset) = (BTreeMap::new(), 0, 0);
    loop {
        let answer = client.ask(requests::pull(TOPIC, 0, offset));
        if answer.code != ResponseCode::SUCCESS.0 {
            break;
        }
        let mut rest = &answer.body[..];
        while !rest.is_empty() {
            let (record, bytes) = decode_record(rest).expect("a record");
            let number: u64 = std::str::from_utf8(record.body).expect("text").parse().expect("a number");
            let due_ms: i64 = properties::get_number(record.properties, properties::TIMER_OUT_MS).expect("a due time");
            assert!(record.store_timestamp >= due_ms, "message {number} came early");
            assert!(due_ms >= last_due_ms, "message {number} is out of order");
            assert_ne!(number % 10, 3, "message {number} was recalled");
            assert!(found.insert(number, due_ms).is_none(), "message {number} came twice");
            (last_due_ms, rest, offset) = (due_ms, &rest[bytes..], offset + 1);
        }
    }
    assert_eq!(found.len() as u64, expected);
    expect_identical(&mut group, 0);
    group.expect_sound();
}
