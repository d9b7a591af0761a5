//! Requests that a consumer answers, passed on by the broker.

use std::time::{Duration, Instant};

use protocol::body::ConsumerStatus;
use protocol::record::decode_record;
use protocol::{RemotingCommand, RequestCode, ResponseCode, VERSION};

use crate::stand::{Stand, TOPIC, answer_to, asked, binary_operator, request};

const RUNNING: [(&str, &str); 3] = [("consumerGroup", "readers"), ("clientId", "c1"), ("jstackEnable", "false")];

#[test]
fn a_consumer_s_running_info_goes_back_as_the_consumer_says_it() {
    let mut stand = Stand::start("running-info");
    let mut consumer = stand.join("readers", "c1", VERSION);
    let opaque = stand.operator.start(request(RequestCode::GET_CONSUMER_RUNNING_INFO, &RUNNING));
    let passed = asked(&mut consumer, RequestCode::GET_CONSUMER_RUNNING_INFO);
    assert!(!passed.is_oneway());
    for (key, value) in RUNNING {
        assert_eq!(passed.get(key), Some(value), "{passed:?}");
    }
    let said = RemotingCommand { version: 409, ..RemotingCommand::response(0, passed.opaque, None) };
    consumer.send(&said.with_field("k", "v").with_body(*br#"{"mqTable":{{"topic":"t"}:1}}"#));
    let answer = answer_to(&mut stand.operator, opaque);
    assert_eq!((answer.code, answer.version, answer.get("k")), (0, 409, Some("v")), "{answer:?}");
    assert_eq!(answer.body, br#"{"mqTable":{{"topic":"t"}:1}}"#, "not one byte of it is changed");

    let mut binary = binary_operator(&stand);
    let opaque = binary.start(request(RequestCode::GET_CONSUMER_RUNNING_INFO, &RUNNING));
    let passed = asked(&mut consumer, RequestCode::GET_CONSUMER_RUNNING_INFO);
    consumer.send(&RemotingCommand::response(1, passed.opaque, Some("cannot")));
    let answer = answer_to(&mut binary, opaque);
    assert_eq!((answer.code, answer.remark.as_deref()), (1, Some("cannot")), "a refusal is an answer too");
}

#[test]
fn consumers_that_cannot_be_asked_are_named() {
    let mut stand = Stand::start("cannot-be-asked");
    let (code, remark) = stand.refused(RequestCode::GET_CONSUMER_RUNNING_INFO, &RUNNING, &[]);
    assert_eq!((code, remark.as_str()), (ResponseCode::SYSTEM_ERROR, "The Consumer <readers> <c1> not online"));
    let _old = stand.join("readers", "c1", 61);
    let (code, remark) = stand.refused(RequestCode::GET_CONSUMER_RUNNING_INFO, &RUNNING, &[]);
    assert_eq!(code, ResponseCode::SYSTEM_ERROR);
    assert!(remark.contains("too low to finish, please upgrade it to V3_1_8_SNAPSHOT"), "{remark}");
    drop(stand.join("leavers", "c2", VERSION));
    let mut leaver = stand.join("others", "c3", VERSION);
    let fields = [("consumerGroup", "others"), ("clientId", "c3")];
    let opaque = stand.operator.start(request(RequestCode::GET_CONSUMER_RUNNING_INFO, &fields));
    asked(&mut leaver, RequestCode::GET_CONSUMER_RUNNING_INFO);
    drop(leaver);
    let answer = answer_to(&mut stand.operator, opaque);
    assert_eq!(answer.code, ResponseCode::SYSTEM_ERROR.0);
    assert!(answer.remark.as_ref().is_some_and(|remark| remark.contains("its connection was closed")), "{answer:?}");
}

/// Nobody waits for the consumer that is silent: others are served meanwhile, and each is told after 10 s.
#[test]
fn a_consumer_that_does_not_answer_is_a_timeout_and_holds_nobody_up() {
    let mut stand = Stand::start("silent");
    let mut consumer = stand.join("readers", "c1", VERSION);
    let began = Instant::now();
    let opaque = stand.operator.start(request(RequestCode::GET_CONSUMER_RUNNING_INFO, &RUNNING));
    let passed = asked(&mut consumer, RequestCode::GET_CONSUMER_RUNNING_INFO);
    stand.send(0, 20);
    assert!(began.elapsed() < Duration::from_secs(5), "sends went on: {:?}", began.elapsed());
    let answer = answer_to(&mut stand.operator, opaque);
    let waited = began.elapsed();
    assert_eq!(answer.code, ResponseCode::CONSUME_MSG_TIMEOUT.0, "{answer:?}");
    assert!(answer.remark.as_ref().is_some_and(|remark| remark.starts_with("consumer <readers> <c1> Timeout")));
    assert!((10_000..13_000).contains(&waited.as_millis()), "after {waited:?}");
    // What comes too late concerns nobody.
    consumer.send(&RemotingCommand::response(0, passed.opaque, None));
    stand.send(0, 1);
}

#[test]
fn more_calls_to_one_client_than_it_can_have_are_refused_at_once() {
    let mut stand = Stand::start("too-many");
    let mut consumer = stand.join("readers", "c1", VERSION);
    let opaques: Vec<i32> =
        (0..65).map(|_| stand.operator.start(request(RequestCode::GET_CONSUMER_RUNNING_INFO, &RUNNING))).collect();
    let refused = answer_to(&mut stand.operator, opaques[64]);
    assert_eq!(refused.code, ResponseCode::SYSTEM_BUSY.0, "{refused:?}");
    assert!(refused.remark.as_ref().is_some_and(|remark| remark.contains("64 requests to this client")));
    let first = asked(&mut consumer, RequestCode::GET_CONSUMER_RUNNING_INFO);
    consumer.send(&RemotingCommand::response(0, first.opaque, None));
    assert_eq!(answer_to(&mut stand.operator, opaques[0]).code, 0);
    drop(consumer);
    for opaque in &opaques[1..64] {
        assert_eq!(answer_to(&mut stand.operator, *opaque).code, ResponseCode::SYSTEM_ERROR.0);
    }
}

#[test]
fn a_message_is_handed_to_a_consumer_directly() {
    let mut stand = Stand::start("directly");
    let mut consumer = stand.join("readers", "c1", VERSION);
    let sent = stand.operator.ask(interop::requests::send(TOPIC, 1, b"once more"));
    let id = sent.get("msgId").expect("an id").to_owned();
    let fields = [
        ("consumerGroup", "readers"),
        ("clientId", "c1"),
        ("msgId", id.as_str()),
        ("brokerName", "x"),
        ("topic", TOPIC),
    ];
    let opaque = stand.operator.start(request(RequestCode::CONSUME_MESSAGE_DIRECTLY, &fields));
    let passed = asked(&mut consumer, RequestCode::CONSUME_MESSAGE_DIRECTLY);
    let (record, _) = decode_record(&passed.body).expect("the record as it is stored");
    assert_eq!((record.topic, record.body), (TOPIC, &b"once more"[..]));
    assert_eq!(passed.get("brokerName"), Some(stand.name()));
    assert_eq!((passed.get("topicSysFlag"), passed.get("groupSysFlag")), (Some("0"), Some("0")));
    assert_eq!(passed.get("msgId"), Some(id.as_str()));
    consumer.send(&RemotingCommand::response(0, passed.opaque, None).with_body(*br#"{"consumeResult":"CR_SUCCESS"}"#));
    assert_eq!(answer_to(&mut stand.operator, opaque).body, br#"{"consumeResult":"CR_SUCCESS"}"#);

    let absent = format!("{}{:016X}", &id[..16], 1_i64 << 40);
    for (id, what) in [("nonsense", "msgId"), (absent.as_str(), "can not find message by the offset")] {
        let fields = [("consumerGroup", "readers"), ("clientId", "c1"), ("msgId", id)];
        let (code, remark) = stand.refused(RequestCode::CONSUME_MESSAGE_DIRECTLY, &fields, &[]);
        assert_eq!(code, ResponseCode::SYSTEM_ERROR);
        assert!(remark.contains(what), "{remark}");
    }
}

#[test]
fn where_the_members_of_a_group_are_is_gathered_from_all_that_answer() {
    let mut stand = Stand::start("status");
    let fields = [("topic", TOPIC), ("group", "readers")];
    let (code, remark) = stand.refused(RequestCode::INVOKE_BROKER_TO_GET_CONSUMER_STATUS, &fields, &[]);
    assert_eq!(code, ResponseCode::SYSTEM_ERROR);
    assert_eq!(remark, "No Any Consumer online in the consumer group: [readers]");

    let mut members: Vec<_> = ["c1", "c2", "c3"].map(|id| stand.join("readers", id, VERSION)).into();
    let opaque = stand.operator.start(request(RequestCode::INVOKE_BROKER_TO_GET_CONSUMER_STATUS, &fields));
    let positions =
        format!(r#"{{"messageQueueTable":{{{{"brokerName":"{}","queueId":1,"topic":"{TOPIC}"}}:12}}}}"#, stand.name());
    let calls: Vec<_> =
        members.iter_mut().map(|member| asked(member, RequestCode::GET_CONSUMER_STATUS_FROM_CLIENT)).collect();
    assert_eq!((calls[0].get("topic"), calls[0].get("group")), (Some(TOPIC), Some("readers")));
    members[0].send(&RemotingCommand::response(0, calls[0].opaque, None).with_body(positions.into_bytes()));
    members[1].send(&RemotingCommand::response(1, calls[1].opaque, Some("no")));
    members[2].send(&RemotingCommand::response(0, calls[2].opaque, None).with_body(*b"no table"));
    let answer = answer_to(&mut stand.operator, opaque);
    let status = ConsumerStatus::decode(&answer.body).expect("a table");
    assert_eq!(status.consumer_table.keys().collect::<Vec<_>>(), ["c1"], "{answer:?}");
    assert_eq!(status.consumer_table["c1"].offsets[&stand.queue(1)], 12);

    let nobody = [("topic", TOPIC), ("group", "readers"), ("clientAddr", "c9")];
    let answer = stand.done(RequestCode::INVOKE_BROKER_TO_GET_CONSUMER_STATUS, &nobody, &[]);
    assert!(ConsumerStatus::decode(&answer.body).expect("a table").consumer_table.is_empty());
}
