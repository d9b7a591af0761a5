//! Sends that break a limit: each gets its code, and nothing of it is stored.

use interop::broker_start::BrokerStart;
use interop::raw_client::RawClient;
use interop::requests::{self, QUEUES, send, send_batch, send_v1, with};
use interop::scratch::Scratch;
use interop::witness::Witness;
use protocol::batch::{BatchItem, encode_batch_item};
use protocol::code::RequestCode;
use protocol::command::RemotingCommand;
use protocol::frame::HeaderEncoding;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const SYSTEM_ERROR: i32 = 1;
const MESSAGE_ILLEGAL: i32 = 13;
const NO_PERMISSION: i32 = 16;
const TOPIC_NOT_EXIST: i32 = 17;
const SUBSCRIPTION_GROUP_NOT_EXIST: i32 = 26;
const INVALID_PARAMETER: i32 = 29;

/// `maxMessageSize` unless set.
const BODY_BYTES_MAX: usize = 4 << 20;
const TOPIC: &str = "refused";

/// A text of message properties of exactly this many bytes.
fn properties(bytes: usize) -> String {
    format!("K\u{1}{}\u{2}", "v".repeat(bytes - 3))
}

fn with_topic(topic: &str) -> RemotingCommand {
    send(topic, 0, b"body")
}

/// What breaks a limit, and the code for it.
fn over_a_limit() -> Vec<(String, RemotingCommand, i32)> {
    let mut cases = Vec::new();
    let mut add = |what: &str, request, code| cases.push((what.to_owned(), request, code));
    let too_long = vec![b'b'; BODY_BYTES_MAX + 1];
    for (form, request) in [("V2", send(TOPIC, 0, b"body")), ("V1", send_v1(TOPIC, 0, b"body"))] {
        let spoilt = |body: &[u8]| request.clone().with_body(body);
        add(&format!("{form}: a body over maxMessageSize"), spoilt(&too_long), MESSAGE_ILLEGAL);
        add(&format!("{form}: an empty body"), spoilt(&[]), SYSTEM_ERROR);
    }
    add("a batch over maxMessageSize", send_batch(TOPIC, 0, &batch_of(too_long.len())), SYSTEM_ERROR);
    add("an empty batch", send_batch(TOPIC, 0, &[]), SYSTEM_ERROR);
    for bytes in [32_768, 100_000] {
        let request = with(send(TOPIC, 0, b"body"), "i", &properties(bytes));
        add(&format!("{bytes} bytes of properties"), request, MESSAGE_ILLEGAL);
    }
    for queue_id in [QUEUES, QUEUES + 1, 16_384, i32::MAX] {
        add(&format!("queue {queue_id}"), send(TOPIC, queue_id, b"body"), INVALID_PARAMETER);
        add(&format!("queue {queue_id} for a batch"), send_batch(TOPIC, queue_id, &batch_of(9)), INVALID_PARAMETER);
    }
    for topic in ["with space", "dotted.name", "a/b", "../../etc", "ümlaut", "semi;colon", " ", "a\u{0}b", "%s$"] {
        add(&format!("topic {topic:?}"), with_topic(topic), INVALID_PARAMETER);
    }
    for chars in [128, 255, 10_000, 100_000] {
        add(&format!("a topic of {chars} characters"), with_topic(&"t".repeat(chars)), INVALID_PARAMETER);
    }
    for topic in [
        "SCHEDULE_TOPIC_XXXX",
        "RMQ_SYS_TRANS_HALF_TOPIC",
        "RMQ_SYS_TRANS_OP_HALF_TOPIC",
        "TRANS_CHECK_MAX_TIME_TOPIC",
        "SELF_TEST_TOPIC",
        "OFFSET_MOVED_EVENT",
    ] {
        add(&format!("system topic {topic}"), with_topic(topic), NO_PERMISSION);
        add(&format!("a batch to system topic {topic}"), send_batch(topic, 0, &batch_of(9)), NO_PERMISSION);
    }
    for template in ["no-template", "", "SELF_TEST_TOPIC", TOPIC] {
        let request = with(with_topic("never-made"), "c", template);
        add(&format!("a new topic after {template:?}"), request, TOPIC_NOT_EXIST);
    }
    add("a retry of a group that cannot be", with_topic(&retry_of(121)), SUBSCRIPTION_GROUP_NOT_EXIST);
    add("a batch of retries", send_batch(&retry_of(5), 0, &batch_of(9)), MESSAGE_ILLEGAL);
    let half = with(send(TOPIC, 0, b"body"), "i", "TRAN_MSG\u{1}true\u{2}PGROUP\u{1}g\u{2}TIMER_DELAY_SEC\u{1}9\u{2}");
    add("a transaction with a time", half, SYSTEM_ERROR);
    cases
}

fn retry_of(group_chars: usize) -> String {
    format!("%RETRY%{}", "g".repeat(group_chars))
}

fn batch_of(body_bytes: usize) -> Vec<u8> {
    let mut batch = Vec::new();
    encode_batch_item(&mut batch, &BatchItem { flag: 0, body: &vec![b'b'; body_bytes], properties: b"" });
    batch
}

/// Ends of the topic's queues: how many messages each has.
fn ends(client: &mut RawClient, topic: &str) -> Vec<i64> {
    let mut end = |queue_id| {
        let answer = client.ask(requests::of_queue(RequestCode::GET_MAX_OFFSET, topic, queue_id));
        assert_eq!(answer.code, 0, "{answer:?}");
        answer.get("offset").and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no offset: {answer:?}"))
    };
    (0..QUEUES).map(&mut end).collect()
}

#[test]
fn what_breaks_a_limit_is_refused_with_its_code_and_not_stored() {
    let scratch = Scratch::new("limits");
    let broker = BrokerStart::new("limits", &scratch).ready();
    let mut witness = Witness::new(broker.main(), "witness");
    for (round, encoding) in [(1, HeaderEncoding::Json), (2, HeaderEncoding::RocketMq)] {
        let mut client = RawClient::connect(broker.main()).speaking(encoding);
        assert_eq!(client.ask(send(TOPIC, 3, b"good")).code, 0, "makes the topic");
        for (what, request, code) in over_a_limit() {
            let answer = client.ask(request);
            assert_eq!(answer.code, code, "{what}: {:?}", answer.remark);
            assert!(answer.remark.is_some_and(|remark| !remark.is_empty()), "{what}: a refusal says why");
            assert!(answer.body.is_empty(), "{what}");
        }
        assert_eq!(ends(&mut client, TOPIC), [0, 0, 0, round], "nothing refused was stored");
        for topic in
            ["SCHEDULE_TOPIC_XXXX", "RMQ_SYS_TRANS_HALF_TOPIC", "SELF_TEST_TOPIC", "never-made", "%RETRY%ggggg"]
        {
            assert_eq!(ends(&mut client, topic), [0; 4], "{topic}");
        }
        let made = RemotingCommand::request(RequestCode::GET_TOPIC_CONFIG.0, 0).with_field("topic", "never-made");
        assert_eq!(client.ask(made).code, TOPIC_NOT_EXIST);
    }
    witness.exchanges(5);
    witness.expect_nothing_else_stored();
    broker.terminate();
}

/// Clients read these two of every answer to a send that was checked.
#[test]
fn refusals_of_a_sends_checks_carry_region_and_trace_switch_only() {
    let scratch = Scratch::new("refusals");
    let broker = BrokerStart::new("refusals", &scratch).ready();
    let mut client = RawClient::connect(broker.main());
    let too_long = vec![b'b'; BODY_BYTES_MAX + 1];
    for request in [
        with_topic("with space"),
        with_topic("SCHEDULE_TOPIC_XXXX"),
        with(with_topic("never-made"), "c", "no-template"),
        send("refusals", 99, b"body"),
        send("refusals", 0, &too_long),
    ] {
        let mut fields = client.ask(request).fields;
        fields.sort();
        let region = ("MSG_REGION".to_owned(), "DefaultRegion".to_owned());
        assert_eq!(fields, [region, ("TRACE_ON".to_owned(), "true".to_owned())]);
    }
    assert_eq!(client.ask(send("refusals", 0, &[])).fields, []);
    broker.terminate();
}

#[test]
fn what_is_just_within_the_limits_is_stored() {
    let scratch = Scratch::new("within");
    let broker = BrokerStart::new("within", &scratch).ready();
    let mut client = RawClient::connect(broker.main());
    let longest = vec![b'b'; BODY_BYTES_MAX];
    let mut stored = 0;
    for request in [
        send(TOPIC, 0, &longest),
        send_v1(TOPIC, 0, &longest),
        send(TOPIC, 0, b"b"),
        with(send(TOPIC, 0, b"body"), "i", &properties(32_000)),
        send_batch(TOPIC, 0, &[batch_of(1), batch_of(1000)].concat()),
        // Without `m` the batch's bytes are one message.
        requests::without(send_batch(TOPIC, 0, &batch_of(1)), "m"),
    ] {
        let messages = if request.fields.iter().any(|(key, _)| key == "m") { 2 } else { 1 };
        let answer = client.ask(request);
        assert_eq!(answer.code, 0, "{:?}", answer.remark);
        assert_eq!(answer.get("queueOffset"), Some(stored.to_string().as_str()));
        stored += messages;
    }
    assert_eq!(ends(&mut client, TOPIC)[0], stored);
    let longest_name = "t".repeat(127);
    for topic in [longest_name.as_str(), &retry_of(120), "%|a-zA-Z0_9"] {
        let answer = client.ask(send(topic, 0, b"body"));
        assert_eq!(answer.code, 0, "{topic}: {:?}", answer.remark);
    }
    let picked = client.ask(send(TOPIC, -1, b"anywhere"));
    let queue_id: i32 = picked.get("queueId").and_then(|text| text.parse().ok()).unwrap_or(-1);
    assert!(picked.code == 0 && (0..QUEUES).contains(&queue_id), "{picked:?}");
    broker.terminate();
}

#[test]
fn max_message_size_is_the_configured_one() {
    let scratch = Scratch::new("configured");
    let broker = BrokerStart::new("configured", &scratch).set("maxMessageSize", 1000).ready();
    let mut client = RawClient::connect(broker.main());
    assert_eq!(client.ask(send(TOPIC, 0, &[b'b'; 1000])).code, 0);
    let refused = client.ask(send(TOPIC, 0, &[b'b'; 1001]));
    assert_eq!(refused.code, MESSAGE_ILLEGAL);
    let remark = refused.remark.unwrap_or_default();
    assert!(remark.contains("1001") && remark.contains("1000") && remark.contains("maxMessageSize"), "{remark}");
    assert_eq!(ends(&mut client, TOPIC), [1, 0, 0, 0]);
    broker.terminate();
}

/// No document names a code for these: 13 says what it is, 1 is what everything else gets.
#[test]
fn malformed_batches_are_refused_whole() {
    let scratch = Scratch::new("batches");
    let broker = BrokerStart::new("batches", &scratch).ready();
    let mut witness = Witness::new(broker.main(), "witness");
    let mut client = RawClient::connect(broker.main());
    assert_eq!(client.ask(send(TOPIC, 0, b"good")).code, 0);
    let good = batch_of(100);
    let spoilt_at = |at: usize, value: i32| {
        let mut batch = good.clone();
        batch[at..at + 4].copy_from_slice(&value.to_be_bytes());
        batch
    };
    let mut bodies = Vec::new();
    for value in [0, -1, 1, 99, 1_000_000, i32::MAX, i32::MIN] {
        // Item size, body length.
        bodies.push(spoilt_at(0, value));
        bodies.push(spoilt_at(16, value));
    }
    let mut negative_properties = good.clone();
    let last = negative_properties.len() - 2;
    negative_properties[last..].copy_from_slice(&(-1_i16).to_be_bytes());
    bodies.push(negative_properties);
    bodies.extend((1..good.len()).map(|end| good[..end].to_vec()));
    bodies.push([&good[..], &[0]].concat());
    bodies.push([&good[..], &good[..good.len() - 1]].concat());
    bodies.push(vec![0xff; 1000]);
    for (number, body) in bodies.iter().enumerate() {
        let answer = client.ask(send_batch(TOPIC, 0, body));
        assert!([SYSTEM_ERROR, MESSAGE_ILLEGAL].contains(&answer.code), "body {number} {body:?}: {answer:?}");
    }
    assert_eq!(ends(&mut client, TOPIC), [1, 0, 0, 0], "not even the sound items of a malformed batch are stored");
    witness.exchanges(5);
    broker.terminate();
}

/// Whatever stands in the properties: what was acknowledged is stored, what was refused is not.
#[test]
fn odd_properties_are_either_stored_or_refused() {
    let scratch = Scratch::new("odd");
    let broker = BrokerStart::new("odd", &scratch).ready();
    let mut witness = Witness::new(broker.main(), "witness");
    let mut client = RawClient::connect(broker.main());
    assert_eq!(client.ask(send(TOPIC, 0, b"good")).code, 0);
    let mut random = StdRng::seed_from_u64(0x6f64_6421);
    let names = ["WAIT", "TAGS", "KEYS", "UNIQ_KEY", "MSG_REGION", "TRACE_ON", "CLUSTER", "RECONSUME_TIME", "K"];
    let values = ["", "true", "abc", "-1", "\u{1}", "é😀", "99999999999999999999", "a b c"];
    let mut stored = 1;
    for number in 0..500 {
        let mut text = String::new();
        for _ in 0..random.random_range(0..6) {
            text.push_str(names[random.random_range(0..names.len())]);
            text.push_str(["\u{1}", "", "\u{1}\u{1}", "\u{2}"][random.random_range(0..4)]);
            text.push_str(values[random.random_range(0..values.len())]);
            text.push_str(["\u{2}", "", "\u{2}\u{2}"][random.random_range(0..3)]);
        }
        let answer = client.ask(with(send(TOPIC, 0, b"odd"), "i", &text));
        assert!([0, SYSTEM_ERROR, MESSAGE_ILLEGAL].contains(&answer.code), "{number} {text:?}: {answer:?}");
        if answer.code == 0 {
            assert_eq!(answer.get("queueOffset"), Some(stored.to_string().as_str()), "{number} {text:?}");
            stored += 1;
        }
    }
    assert_eq!(ends(&mut client, TOPIC), [stored, 0, 0, 0]);
    witness.exchanges(5);
    broker.terminate();
}
