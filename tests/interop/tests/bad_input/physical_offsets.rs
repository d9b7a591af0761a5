//! Requests that name a place in the log: only those that name a message get one.

use interop::broker_start::BrokerStart;
use interop::live_broker::LiveBroker;
use interop::raw_client::RawClient;
use interop::requests::{self, send, send_back, view};
use interop::scratch::Scratch;
use interop::witness::Witness;
use protocol::code::RequestCode;
use protocol::message_id::OffsetMessageId;
use protocol::record::decode_record;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const SYSTEM_ERROR: i32 = 1;
const TOPIC: &str = "viewed";
const MESSAGES: usize = 50;
const SCHEDULE_TOPIC: &str = "SCHEDULE_TOPIC_XXXX";

/// Stores some messages; returns where they begin, ascending.
fn filled(broker: &LiveBroker, client: &mut RawClient) -> Vec<i64> {
    let mut offsets = Vec::new();
    for number in 0..MESSAGES {
        // A record's first bytes inside of a body: no record begins there all the same.
        let body = format!("{number} \u{0}\u{0}\u{0}\u{64}\u{da}\u{a3}\u{20}\u{a7}");
        let answer = client.ask(send(TOPIC, 0, body.as_bytes()));
        let id: OffsetMessageId = answer.get("msgId").and_then(|id| id.parse().ok()).expect("a message id");
        assert_eq!(id.store_host, broker.main());
        offsets.push(id.physical_offset);
    }
    offsets
}

/// Around every message, around the log's ends, at the ends of the number, and anywhere.
fn wrong_offsets(messages: &[i64]) -> Vec<i64> {
    let end = messages[messages.len() - 1] + 10_000;
    let mut offsets = vec![-1, -2, i64::MIN, i64::MIN + 1, i64::MAX, i64::MAX - 1, i64::MAX - 4096, 1 << 40, 16 << 20];
    offsets.extend([0, 1, 2, 3, 4, end, end + 1]);
    offsets.extend(messages.iter().flat_map(|at| [at - 4, at - 1, at + 1, at + 4, at + 88]));
    let mut random = StdRng::seed_from_u64(0x6f66_6673);
    offsets.extend((0..500).map(|_| random.random_range(0..end)));
    offsets.extend((0..100).map(|_| random.random::<i64>()));
    offsets.retain(|offset| !messages.contains(offset));
    offsets
}

#[test]
fn only_the_offset_of_a_message_shows_one() {
    let scratch = Scratch::new("view");
    let start = BrokerStart::new("view", &scratch);
    let broker = start.ready();
    let mut witness = Witness::new(broker.main(), "witness");
    let mut client = RawClient::connect(broker.main());
    let messages = filled(&broker, &mut client);
    expect_views(&mut client, &messages);
    witness.exchanges(5);
    broker.terminate();
    // Now they are on disk only.
    let broker = start.ready();
    expect_views(&mut RawClient::connect(broker.main()), &messages);
    broker.terminate();
}

fn expect_views(client: &mut RawClient, messages: &[i64]) {
    for offset in wrong_offsets(messages) {
        let answer = client.ask(view(offset));
        if answer.code == 0 {
            // The witness's messages and none but them.
            let (record, _) = decode_record(&answer.body).unwrap_or_else(|error| panic!("at {offset}: {error}"));
            assert_eq!((record.physical_offset, record.topic), (offset, "witness"));
            continue;
        }
        assert_eq!((answer.code, answer.body.len()), (SYSTEM_ERROR, 0), "at {offset}: {answer:?}");
        assert!(answer.remark.is_some_and(|remark| remark.contains(&offset.to_string())));
    }
    for (number, &offset) in messages.iter().enumerate() {
        let answer = client.ask(view(offset));
        assert_eq!(answer.code, 0, "{answer:?}");
        let (record, used) = decode_record(&answer.body).unwrap_or_else(|error| panic!("at {offset}: {error}"));
        assert_eq!((record.physical_offset, record.queue_offset, used), (offset, number as i64, answer.body.len()));
    }
}

#[test]
fn only_a_message_can_be_sent_back() {
    let scratch = Scratch::new("send-back");
    let broker = BrokerStart::new("send-back", &scratch).ready();
    let mut client = RawClient::connect(broker.main());
    let messages = filled(&broker, &mut client);
    let mut witness = Witness::new(broker.main(), "witness");
    for offset in wrong_offsets(&messages).into_iter().filter(|offset| *offset < messages[MESSAGES - 1]) {
        let answer = client.ask(send_back("group", offset, 3));
        assert_eq!(answer.code, SYSTEM_ERROR, "at {offset}: {answer:?}");
    }
    assert_eq!(delayed(&mut client), 0, "nothing was stored for them");
    for (count, &offset) in messages.iter().enumerate() {
        // The longest delay there is, whatever is asked for above it.
        assert_eq!(client.ask(send_back("group", offset, i32::MAX)).code, 0);
        assert_eq!(delayed(&mut client), count as i64 + 1);
    }
    // Below zero means: no retries, to the dead letters at once.
    assert_eq!(client.ask(send_back("group", messages[0], i32::MIN)).code, 0);
    assert_eq!(end_of(&mut client, "%DLQ%group", 0), 1);
    assert_eq!(delayed(&mut client), MESSAGES as i64);
    let nameless = client.ask(send_back(&"g".repeat(121), messages[0], 3));
    assert_eq!(nameless.code, 26, "{nameless:?}");
    witness.exchanges(5);
    broker.terminate();
}

/// Messages that wait, on all delay levels together.
fn delayed(client: &mut RawClient) -> i64 {
    (0..18).map(|queue_id| end_of(client, SCHEDULE_TOPIC, queue_id)).sum()
}

fn end_of(client: &mut RawClient, topic: &str, queue_id: i32) -> i64 {
    let answer = client.ask(requests::of_queue(RequestCode::GET_MAX_OFFSET, topic, queue_id));
    answer.get("offset").and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{answer:?}"))
}
