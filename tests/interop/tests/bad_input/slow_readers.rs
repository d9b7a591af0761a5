//! Clients that ask for much and never read an answer: what waits for them is bounded, and nobody else waits.

use std::time::Duration;

use interop::broker_start::BrokerStart;
use interop::live_broker::LiveBroker;
use interop::open_files::allow_open_files;
use interop::raw_client::{RawClient, Received};
use interop::requests::{self, PULL_MAY_WAIT, PULL_WITH_SUBSCRIPTION, pull, send, view, with};
use interop::resident_memory::{peak_bytes, reset_peak, resident_bytes};
use interop::scratch::Scratch;
use interop::until::until;
use interop::witness::Witness;
use protocol::command::RemotingCommand;
use protocol::frame::HeaderEncoding;
use protocol::message_id::OffsetMessageId;

/// Answers that wait for one connection (`CONNECTION_BYTES_MAX` of the runtime's outbox), one more of the largest
/// size, and the requests that are kept until then.
const CONNECTION_BYTES_MAX: u64 = 16 << 20;
/// Answers that wait for all connections of a shard before each is held shorter (`SHARD_BYTES_MAX`).
const SHARD_BYTES_MAX: u64 = 128 << 20;
/// What serving takes besides: caches that fill up, buffers not yet given back.
const SLACK_BYTES: u64 = 48 << 20;

const TOPIC: &str = "large";
const MESSAGE_BYTES: usize = 1 << 20;
const MESSAGES: i64 = 16;
/// Much more than a broker may keep: each request asks for a message at least.
const REQUESTS: usize = 4000;

fn bytes_of(request: &RemotingCommand) -> Vec<u8> {
    let mut bytes = Vec::new();
    request.encode(&mut bytes, HeaderEncoding::Json);
    bytes
}

/// Some large messages; returns the log's place of one of them.
fn filled(broker: &LiveBroker) -> i64 {
    let mut client = RawClient::connect(broker.main());
    let body = vec![b'b'; MESSAGE_BYTES];
    let mut place = 0;
    for _ in 0..MESSAGES {
        let answer = client.ask(send(TOPIC, 0, &body));
        let id: OffsetMessageId = answer.get("msgId").and_then(|id| id.parse().ok()).expect("a message id");
        place = id.physical_offset;
    }
    place
}

/// `count` clients each send `request` until nobody takes it any more, and read nothing. Their memory counts from
/// `before` on: what is not given back is at least used again.
fn expect_bounded(
    broker: &LiveBroker,
    what: &str,
    count: usize,
    request: &RemotingCommand,
    before: u64,
    growth_max: u64,
) {
    let mut witness = Witness::new(broker.main(), what);
    witness.exchanges(20);
    reset_peak(broker.pid());
    let requests = bytes_of(request).repeat(REQUESTS);
    let mut clients: Vec<RawClient> = (0..count).map(|_| RawClient::connect(broker.main())).collect();
    // What the kernel's buffers take on both sides, and no more than a little of ours.
    let taken = RawClient::write_until_full(&mut clients, &requests, 64 << 20);
    assert!(taken.iter().all(|bytes| *bytes > requests.len() / REQUESTS), "{what}: {taken:?}");
    witness.exchanges(50);
    let growth = peak_bytes(broker.pid()).saturating_sub(before);
    println!("{what}: {growth} bytes more for {count} clients, slowest exchange {:?}", witness.slowest());
    assert!(growth < growth_max, "{what}: {growth} bytes more, at most {growth_max} were to be expected");
    drop(clients);
    witness.exchanges(10);
    witness.expect_nothing_else_stored();
}

#[test]
fn a_client_that_reads_no_answer_costs_a_bounded_amount_of_memory() {
    let scratch = Scratch::new("slow-reader");
    let start = BrokerStart::new("slow-reader", &scratch);
    let broker = start.ready();
    let place = filled(&broker);
    let growth_max = CONNECTION_BYTES_MAX + SLACK_BYTES;
    let expect_bounded = |broker: &LiveBroker, what: &str, request: &RemotingCommand| {
        expect_bounded(broker, what, 1, request, resident_bytes(broker.pid()), growth_max);
    };
    let pulled = pull(TOPIC, 0, 0);
    expect_bounded(&broker, "pulls-from-memory", &pulled);
    expect_bounded(&broker, "views-from-memory", &view(place));
    let config = requests::with_body(protocol::code::RequestCode::GET_ALL_TOPIC_CONFIG, &[]);
    expect_bounded(&broker, "lists", &config);
    let unknown = RemotingCommand::request(9_999, 0).with_field("k", "v".repeat(100));
    expect_bounded(&broker, "unknown-codes", &unknown);
    expect_bounded(&broker, "sends-refused", &send(TOPIC, 99, b"b"));
    broker.terminate();
    // Everything is read from disk now.
    let broker = start.ready();
    expect_bounded(&broker, "pulls-from-disk", &pulled);
    broker.terminate();
    let broker = start.ready();
    expect_bounded(&broker, "views-from-disk", &view(place));
    broker.terminate();
}

#[test]
fn many_clients_that_read_no_answer_share_one_bound() {
    const COUNT: usize = 60;
    let scratch = Scratch::new("slow-readers");
    let start = BrokerStart::new("slow-readers", &scratch);
    let broker = start.ready();
    let place = filled(&broker);
    // Each is over its own bound by one answer at most once the common one is reached.
    let growth_max = SHARD_BYTES_MAX + COUNT as u64 * (2 * MESSAGE_BYTES) as u64 + SLACK_BYTES;
    let before = resident_bytes(broker.pid());
    expect_bounded(&broker, "pulls-by-many", COUNT, &pull(TOPIC, 0, 0), before, growth_max);
    expect_bounded(&broker, "views-by-many", COUNT, &view(place), before, growth_max);
    broker.terminate();
}

/// They may take more for a while; then those of them go that read nothing, and nobody else.
#[test]
fn clients_that_take_too_much_together_and_read_nothing_are_closed() {
    const COUNT: usize = 150;
    allow_open_files(COUNT as u64 + 200);
    let scratch = Scratch::new("unread");
    let broker = BrokerStart::new("unread", &scratch).ready();
    filled(&broker);
    let mut witness = Witness::new(broker.main(), "witness");
    let mut idle = RawClient::connect(broker.main());
    let mark = broker.mark();
    let requests = bytes_of(&pull(TOPIC, 0, 0)).repeat(100);
    let mut clients: Vec<RawClient> = (0..COUNT).map(|_| RawClient::connect(broker.main())).collect();
    RawClient::write_until_full(&mut clients, &requests, 64 << 20);
    witness.exchanges(50);
    until("clients that read nothing to be closed", Duration::from_secs(30), || {
        witness.exchange();
        let lines = broker.lines_since(mark, "reads none of its");
        if lines.is_empty() { Err("none is".to_owned()) } else { Ok(()) }
    });
    for line in broker.lines_since(mark, "connection closed") {
        let is_one_of_them = |client: &RawClient| line.contains(&format!("remote={} ", client.local_address()));
        assert!(clients.iter().any(is_one_of_them), "{line}");
    }
    assert_eq!(idle.ask(RemotingCommand::request(9_999, 0)).code, 3, "who has nothing to read is left alone");
    witness.exchanges(20);
    broker.terminate();
}

/// One message wakes them all: each would get it, and most of them do not read.
#[test]
fn pulls_that_wake_together_share_the_bound() {
    const COUNT: usize = 20;
    const PULLS: usize = 100;
    let scratch = Scratch::new("woken");
    let broker = BrokerStart::new("woken", &scratch).ready();
    filled(&broker);
    let mut witness = Witness::new(broker.main(), "witness");
    witness.exchanges(20);
    let flags = (PULL_WITH_SUBSCRIPTION | PULL_MAY_WAIT).to_string();
    let held = with(with(pull(TOPIC, 0, MESSAGES), "sysFlag", &flags), "suspendTimeoutMillis", "600000");
    let before = resident_bytes(broker.pid());
    reset_peak(broker.pid());
    let mut clients: Vec<RawClient> = (0..COUNT).map(|_| RawClient::connect(broker.main())).collect();
    for client in &mut clients {
        client.write(&bytes_of(&held).repeat(PULLS)).unwrap_or_else(|error| panic!("{error}"));
        // Answered behind them: they are held by now.
        assert_eq!(client.ask(RemotingCommand::request(9_999, 0)).code, 3);
    }
    let body = vec![b'b'; MESSAGE_BYTES];
    let woken = witness_send(&broker, &body);
    witness.exchanges(20);
    let growth = peak_bytes(broker.pid()).saturating_sub(before);
    println!("{growth} bytes more for {COUNT} times {PULLS} woken pulls, slowest exchange {:?}", witness.slowest());
    let growth_max = SHARD_BYTES_MAX + COUNT as u64 * (2 * MESSAGE_BYTES) as u64 + SLACK_BYTES;
    assert!(growth < growth_max, "{growth} bytes more, at most {growth_max} were to be expected");
    // Every pull is answered: with the message, or with where to go on.
    for client in &mut clients {
        let mut found = 0;
        for _ in 0..PULLS {
            let Received::Command(answer) = client.receive() else { panic!("closed") };
            found += usize::from(answer.code == 0);
            let next: i64 = answer.get("nextBeginOffset").and_then(|text| text.parse().ok()).unwrap_or(-1);
            let expected = if answer.code == 0 { woken + 1 } else { woken };
            assert!([0, 19, 20].contains(&answer.code) && next == expected, "{} {next}", answer.code);
        }
        assert!(found > 0, "some get it");
    }
    broker.terminate();
}

/// Sends one message; returns its queue offset.
fn witness_send(broker: &LiveBroker, body: &[u8]) -> i64 {
    let answer = RawClient::connect(broker.main()).ask(send(TOPIC, 0, body));
    answer.get("queueOffset").and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{answer:?}"))
}

/// Slow is not never: nothing of what was asked for is lost.
#[test]
fn a_client_that_reads_late_gets_every_answer() {
    const PULLS: usize = 100;
    let scratch = Scratch::new("late-reader");
    let start = BrokerStart::new("late-reader", &scratch);
    let broker = start.ready();
    let place = filled(&broker);
    let mut client = RawClient::connect(broker.main());
    let mut writer = client.second_handle();
    let requests: Vec<u8> =
        (0..PULLS).flat_map(|_| [bytes_of(&pull(TOPIC, 0, 0)), bytes_of(&view(place))].concat()).collect();
    let writing = std::thread::spawn(move || std::io::Write::write_all(&mut writer, &requests));
    let mut bodies = 0;
    for _ in 0..2 * PULLS {
        let Received::Command(answer) = client.receive() else { panic!("closed") };
        assert_eq!(answer.code, 0, "{:?}", answer.remark);
        bodies += answer.body.len();
    }
    assert!(bodies > 2 * PULLS * MESSAGE_BYTES, "{bodies} bytes");
    writing.join().expect("no panic").unwrap_or_else(|error| panic!("{error}"));
    broker.terminate();
}
