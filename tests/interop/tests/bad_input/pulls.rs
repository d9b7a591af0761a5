//! Pulls with numbers that no client would send.

use std::time::{Duration, Instant};

use interop::broker_start::BrokerStart;
use interop::raw_client::{RawClient, Received};
use interop::requests::{self, PULL_MAY_WAIT, PULL_WITH_SUBSCRIPTION, pull, send, with};
use interop::scratch::Scratch;
use interop::witness::Witness;
use protocol::code::RequestCode;
use protocol::command::RemotingCommand;
use protocol::record::decode_record;

const TOPIC: &str = "pulled";
const MESSAGES: i64 = 40;
const EMPTY_QUEUE: i32 = 1;

const FOUND: i32 = 0;
const NOT_FOUND: i32 = 19;
const OFFSET_MOVED: i32 = 21;

fn records(body: &[u8]) -> usize {
    let mut rest = body;
    let mut count = 0;
    while !rest.is_empty() {
        let (_, used) = decode_record(rest).unwrap_or_else(|error| panic!("record {count}: {error}"));
        rest = &rest[used..];
        count += 1;
    }
    count
}

fn filled(broker: &interop::live_broker::LiveBroker) -> RawClient {
    let mut client = RawClient::connect(broker.main());
    for number in 0..MESSAGES {
        assert_eq!(client.ask(send(TOPIC, 0, format!("message {number}").as_bytes())).code, 0);
    }
    client
}

fn next_offset(answer: &RemotingCommand) -> i64 {
    for key in ["suggestWhichBrokerId", "minOffset", "maxOffset"] {
        assert!(answer.get(key).is_some(), "stock clients fail without {key}: {answer:?}");
    }
    let text = answer.get("nextBeginOffset");
    text.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no nextBeginOffset: {answer:?}"))
}

#[test]
fn offsets_outside_the_queue_are_told_where_to_go_on() {
    let scratch = Scratch::new("offsets");
    let broker = BrokerStart::new("offsets", &scratch).ready();
    let mut witness = Witness::new(broker.main(), "witness");
    let mut client = filled(&broker);
    for (queue_id, offset, code, next) in [
        (0, -1, OFFSET_MOVED, 0),
        (0, i64::MIN, OFFSET_MOVED, 0),
        (0, MESSAGES, NOT_FOUND, MESSAGES),
        (0, MESSAGES + 1, OFFSET_MOVED, MESSAGES),
        (0, i64::MAX, OFFSET_MOVED, MESSAGES),
        (EMPTY_QUEUE, 0, NOT_FOUND, 0),
        (EMPTY_QUEUE, 1, OFFSET_MOVED, 0),
        (EMPTY_QUEUE, -1, OFFSET_MOVED, 0),
        (EMPTY_QUEUE, i64::MAX, OFFSET_MOVED, 0),
        (0, MESSAGES - 1, FOUND, MESSAGES),
    ] {
        for sys_flag in [PULL_WITH_SUBSCRIPTION, PULL_WITH_SUBSCRIPTION | PULL_MAY_WAIT] {
            let answer = client.ask(with(pull(TOPIC, queue_id, offset), "sysFlag", &sys_flag.to_string()));
            assert_eq!((answer.code, next_offset(&answer)), (code, next), "queue {queue_id} at {offset}: {answer:?}");
        }
    }
    witness.exchanges(5);
    broker.terminate();
}

#[test]
fn however_many_messages_are_asked_for_one_to_32_come() {
    let scratch = Scratch::new("counts");
    let broker = BrokerStart::new("counts", &scratch).ready();
    let mut client = filled(&broker);
    for (asked, expected) in [(1, 1), (0, 1), (-1, 1), (i32::MIN, 1), (7, 7), (33, 32), (100_000, 32), (i32::MAX, 32)] {
        let answer = client.ask(with(pull(TOPIC, 0, 0), "maxMsgNums", &asked.to_string()));
        assert_eq!((answer.code, records(&answer.body)), (FOUND, expected), "maxMsgNums {asked}");
        assert_eq!(next_offset(&answer), expected as i64);
    }
    broker.terminate();
}

#[test]
fn pulls_that_cannot_be_served_get_their_code() {
    let scratch = Scratch::new("refused-pulls");
    let broker = BrokerStart::new("refused-pulls", &scratch).ready();
    let mut witness = Witness::new(broker.main(), "witness");
    let mut client = filled(&broker);
    let mut cases: Vec<(RemotingCommand, i32)> = Vec::new();
    for queue_id in [-1, i32::MIN, requests::QUEUES, i32::MAX] {
        cases.push((pull(TOPIC, queue_id, 0), 29));
    }
    cases.push((pull("nowhere", 0, 0), 17));
    cases.push((pull(&"t".repeat(100_000), 0, 0), 17));
    cases.push((with(pull(TOPIC, 0, 0), "subscription", "||"), 23));
    cases.push((with(pull(TOPIC, 0, 0), "consumerGroup", &"g".repeat(121)), 26));
    // Without an expression of its own, and without a heartbeat.
    cases.push((with(with(pull(TOPIC, 0, 0), "sysFlag", "0"), "consumerGroup", "never-seen"), 24));
    let sql = with(with(pull(TOPIC, 0, 0), "expressionType", "SQL92"), "subscription", "a > 1");
    cases.push((sql, 1));
    for (request, code) in cases {
        let answer = client.ask(request);
        assert_eq!(answer.code, code, "{answer:?}");
        assert!(answer.remark.is_some_and(|remark| !remark.is_empty()));
        assert!(answer.body.is_empty());
    }
    witness.exchanges(5);
    broker.terminate();
}

/// Bits that mean nothing, and numbers at their ends, in every combination: there is always an answer.
#[test]
fn pulls_of_absurd_numbers_are_all_answered() {
    let scratch = Scratch::new("absurd");
    let broker = BrokerStart::new("absurd", &scratch).ready();
    let mut witness = Witness::new(broker.main(), "witness");
    let mut client = filled(&broker);
    for sys_flag in [0, 4, -1, i32::MIN, 0x7fff_fff0, 0b1_1101] {
        for offset in [i64::MIN, -1, 0, MESSAGES / 2, i64::MAX] {
            for count in [i32::MIN, 0, i32::MAX] {
                let request = with(pull(TOPIC, 0, offset), "sysFlag", &sys_flag.to_string());
                let request = with(request, "maxMsgNums", &count.to_string());
                let request = with(request, "subVersion", &offset.to_string());
                let request = with(request, "commitOffset", &offset.to_string());
                let request = with(request, "suspendTimeoutMillis", &offset.to_string());
                let answer = client.ask(request);
                assert!([FOUND, OFFSET_MOVED, 24].contains(&answer.code), "{sys_flag} {offset} {count}: {answer:?}");
            }
        }
    }
    witness.exchanges(5);
    broker.terminate();
}

#[test]
fn a_pull_held_for_ever_wakes_with_the_next_message_and_one_held_for_less_than_nothing_is_not() {
    let scratch = Scratch::new("held");
    let broker = BrokerStart::new("held", &scratch).ready();
    let mut client = filled(&broker);
    let held = |suspend_ms: i64| {
        let flags = (PULL_WITH_SUBSCRIPTION | PULL_MAY_WAIT).to_string();
        with(with(pull(TOPIC, 0, MESSAGES), "sysFlag", &flags), "suspendTimeoutMillis", &suspend_ms.to_string())
    };
    for suspend_ms in [0, -1, i64::MIN] {
        let answer = client.ask(held(suspend_ms));
        assert_eq!(answer.code, NOT_FOUND, "{answer:?}");
    }
    let mut waiting = RawClient::connect(broker.main());
    waiting.start(held(i64::MAX));
    let early = waiting.receive_before(Instant::now() + Duration::from_millis(300));
    assert_eq!(early, None, "there is nothing to answer yet");
    assert_eq!(client.ask(send(TOPIC, 0, b"at last")).code, 0);
    match waiting.receive() {
        Received::Command(answer) => assert_eq!((answer.code, records(&answer.body)), (FOUND, 1)),
        Received::Closed => panic!("closed instead of answered"),
    }
    // One that is held goes with its connection, and its place is free again.
    let mut leaving = RawClient::connect(broker.main());
    leaving.start(with(held(i64::MAX), "queueOffset", &(MESSAGES + 1).to_string()));
    drop(leaving);
    assert_eq!(client.ask(send(TOPIC, 0, b"for nobody")).code, 0);
    let end = client.ask(requests::of_queue(RequestCode::GET_MAX_OFFSET, TOPIC, 0));
    assert_eq!(end.get("offset"), Some((MESSAGES + 2).to_string().as_str()));
    broker.terminate();
}
