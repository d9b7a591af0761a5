//! Bytes that are no frame, frames without a header, and frames that take their time.

use std::net::SocketAddr;

use interop::broker_start::BrokerStart;
use interop::live_broker::LiveBroker;
use interop::raw_client::{RawClient, Received};
use interop::requests;
use interop::scratch::Scratch;
use interop::witness::Witness;
use protocol::command::RemotingCommand;
use protocol::frame::{FRAME_BYTES_MAX, HeaderEncoding};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// What is sent, what it is, and a word that the log's line about it has.
struct Case {
    what: &'static str,
    bytes: Vec<u8>,
    logged: &'static str,
}

fn case(what: &'static str, logged: &'static str, bytes: impl Into<Vec<u8>>) -> Case {
    Case { what, bytes: bytes.into(), logged }
}

/// Length, header word, header, body.
fn frame(encoding: u8, header: &[u8], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(4 + header.len() + body.len()).expect("a short frame");
    let word = u32::from(encoding) << 24 | u32::try_from(header.len()).expect("a short header");
    [&length.to_be_bytes(), &word.to_be_bytes(), header, body].concat()
}

fn json(header: &str) -> Vec<u8> {
    frame(0, header.as_bytes(), &[])
}

/// The fixed part of a binary header for code 10, then the lengths of the remark and of the fields.
fn binary(remark_bytes: i32, fields_bytes: i32, rest: &[u8]) -> Vec<u8> {
    let mut header = vec![0, 10, 0, 2, 1, 0, 0, 0, 1, 0, 0, 0, 0];
    header.extend_from_slice(&remark_bytes.to_be_bytes());
    header.extend_from_slice(&fields_bytes.to_be_bytes());
    header.extend_from_slice(rest);
    frame(1, &header, &[])
}

/// As OpenSSL begins: a handshake record of TLS with a client hello in it.
const TLS_HELLO: &[u8] =
    b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\xcb\x34\xec\xb1\xe7\x81\x63\xba\x1c\x38\xc6\xda\xcb";

fn broken_frames() -> Vec<Case> {
    let over = "over the limit";
    let mut random = StdRng::seed_from_u64(0x7075_6d70);
    // The first byte makes the length one that no frame has.
    let garbage: Vec<u8> =
        (0..4096).map(|at| if at == 0 { random.random_range(2..=255) } else { random.random() }).collect();
    vec![
        case("a length one over the limit", over, (FRAME_BYTES_MAX - 3).to_be_bytes()),
        case("the length i32::MAX", over, i32::MAX.to_be_bytes()),
        case("the length -1", over, (-1_i32).to_be_bytes()),
        case("the length i32::MIN", over, i32::MIN.to_be_bytes()),
        case("a length without room for the header word", "no header word", [0, 0, 0, 3, 0, 0, 0]),
        case("a header longer than its frame", "does not fit", [0, 0, 0, 8, 0, 0, 0, 5, b'{', b'}', 0, 0]),
        case("a header of 16 MiB in a short frame", "does not fit", [0, 0, 0, 4, 0, 255, 255, 255]),
        case("header encoding 2", "header encoding 2", frame(2, b"{}", &[])),
        case("header encoding 255", "header encoding 255", frame(255, b"{}", b"body")),
        case("garbage", over, garbage),
        case("a TLS hello", "TLS", TLS_HELLO),
        case("an HTTP request", over, *b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        case("a PROXY header", over, *b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"),
    ]
}

fn broken_headers() -> Vec<Case> {
    let nested = |open: &str| json(&format!("{{\"x\":{}", open.repeat(100_000)));
    let fields: Vec<String> = (0..1000).map(|number| format!("\"k{number}\":\"v\"")).collect();
    vec![
        case("an empty JSON header", "JSON header", json("")),
        case("a JSON header that is an array", "JSON header", json("[1,2]")),
        case("a JSON header cut short", "JSON header", json("{\"code\":310,\"extFields\":{\"a\":")),
        case("a JSON header with something behind it", "JSON header", json("{\"code\":310}}")),
        case("a JSON header nested in arrays", "JSON header", nested("[")),
        case("a JSON header nested in objects", "JSON header", nested("{\"x\":")),
        case("a code that is no number", "`code`", json("{\"code\":\"send\"}")),
        case("a code out of range", "`code`", json("{\"code\":4294967296}")),
        case("an opaque out of range", "`opaque`", json("{\"code\":30,\"opaque\":1e3}")),
        case("a header that is not UTF-8", "UTF-8", frame(0, b"{\"code\":30,\"remark\":\"\xff\xfe\"}", &[])),
        case("a thousand fields", "fields", json(&format!("{{\"code\":30,\"extFields\":{{{}}}}}", fields.join(",")))),
        case("an empty binary header", "binary header", frame(1, &[], &[])),
        case("a binary header cut short", "binary header", frame(1, &[0, 10, 0, 2, 1], &[])),
        case("a remark of negative length", "binary header", binary(-1, 0, &[])),
        case("a remark longer than the header", "binary header", binary(i32::MAX, 0, &[])),
        case("fields of negative length", "binary header", binary(0, i32::MIN, &[])),
        case("fields longer than the header", "binary header", binary(0, i32::MAX, &[0, 1, b'a'])),
        case("a key of negative length", "binary header", binary(0, 6, &[255, 255, 0, 0, 0, 0])),
        case("a value longer than the fields", "binary header", binary(0, 8, &[0, 1, b'a', 127, 255, 255, 255, b'v'])),
    ]
}

/// Sends each on a connection of its own.
fn expect_closed_and_logged_once(broker: &LiveBroker, to: SocketAddr, cases: &[Case]) {
    for Case { what, bytes, logged } in cases {
        let mark = broker.mark();
        let mut client = RawClient::connect(to);
        // The broker may have seen enough and closed before it has all.
        let _ = client.write(bytes);
        client.expect_closed(what);
        let remote = format!("remote={} ", client.local_address());
        let lines = broker.wait_for_lines(mark, &remote, 1);
        assert!(lines[0].contains("connection closed") && lines[0].contains(logged), "{what} on {to}: {lines:?}");
        drop(client);
        // A later line about it would stand before the one about the next connection.
        let mark_of_next = broker.mark();
        let mut next = RawClient::connect(to);
        let _ = next.write(&[0xff; 4]);
        next.expect_closed("a length over the limit");
        broker.wait_for_lines(mark_of_next, &format!("remote={} ", next.local_address()), 1);
        assert_eq!(broker.lines_since(mark, &remote).len(), 1, "{what} on {to}");
    }
}

/// On every port of the process: main, fast, name server.
fn on_every_port(name: &str, cases: &[Case]) {
    let scratch = Scratch::new(name);
    let broker = BrokerStart::new(name, &scratch).ready();
    let mut witness = Witness::new(broker.main(), "witness");
    for port in [broker.main(), broker.fast()] {
        expect_closed_and_logged_once(&broker, port, cases);
        witness.exchanges(5);
        Witness::new(port, &format!("witness-of-{}", port.port())).exchanges(2);
    }
    let mut bystander = RawClient::connect(broker.name_server());
    assert_eq!(bystander.ask(requests::route("witness")).code, 0);
    expect_closed_and_logged_once(&broker, broker.name_server(), cases);
    assert_eq!(bystander.ask(requests::route("witness")).code, 0);
    assert_eq!(RawClient::connect(broker.name_server()).ask(requests::route("witness")).code, 0);
    witness.exchanges(5);
    witness.expect_nothing_else_stored();
    broker.terminate();
}

#[test]
fn what_is_no_frame_closes_its_connection_and_is_logged_once() {
    on_every_port("no-frame", &broken_frames());
}

#[test]
fn what_has_no_header_closes_its_connection_and_is_logged_once() {
    on_every_port("no-header", &broken_headers());
}

/// Text from outside must not be able to write lines of its own.
#[test]
fn what_a_client_sends_never_makes_a_log_line_of_its_own() {
    let scratch = Scratch::new("log-lines");
    let broker = BrokerStart::new("log-lines", &scratch).ready();
    let mark = broker.mark();
    let forged = "2026-01-01T00:00:00Z ERROR";
    let mut client = RawClient::connect(broker.main());
    let sent = client.write(&json(&format!("{{\"code\":\"\\n{forged}\"}}")));
    sent.unwrap_or_else(|error| panic!("{error}"));
    client.expect_closed("a code that is no number");
    let lines = broker.wait_for_lines(mark, &format!("remote={} ", client.local_address()), 1);
    assert!(lines[0].contains("ERROR"), "the value stands in the line itself: {lines:?}");
    assert!(!broker.output().lines().any(|line| line.starts_with(forged)), "{}", broker.output());
    broker.terminate();
}

#[test]
fn frames_may_come_in_pieces_of_any_size() {
    let scratch = Scratch::new("pieces");
    let broker = BrokerStart::new("pieces", &scratch).ready();
    let mut witness = Witness::new(broker.main(), "witness");
    let mut request = Vec::new();
    requests::send("in-pieces", 1, b"in pieces").encode(&mut request, HeaderEncoding::Json);
    for port in [broker.main(), broker.fast()] {
        let mut client = RawClient::connect(port);
        for byte in &request {
            client.write(std::slice::from_ref(byte)).unwrap_or_else(|error| panic!("{error}"));
        }
        expect_code(client.receive(), 0);
        // Three requests, cut where no frame ends.
        let three = request.repeat(3);
        let (first, rest) = three.split_at(request.len() + 3);
        let (second, third) = rest.split_at(request.len() + 2);
        for piece in [first, second, third] {
            client.write(piece).unwrap_or_else(|error| panic!("{error}"));
        }
        (0..3).for_each(|_| expect_code(client.receive(), 0));
        // Many in one write, and an unfinished one behind them.
        let mut many = request.repeat(200);
        many.extend_from_slice(&request[..7]);
        client.write(&many).unwrap_or_else(|error| panic!("{error}"));
        (0..200).for_each(|_| expect_code(client.receive(), 0));
        client.write(&request[7..]).unwrap_or_else(|error| panic!("{error}"));
        expect_code(client.receive(), 0);
    }
    let mut name_server = RawClient::connect(broker.name_server());
    let mut route = Vec::new();
    requests::route("witness").encode(&mut route, HeaderEncoding::RocketMq);
    for byte in &route {
        name_server.write(std::slice::from_ref(byte)).unwrap_or_else(|error| panic!("{error}"));
    }
    expect_code(name_server.receive(), 0);
    witness.exchanges(5);
    broker.terminate();
}

fn expect_code(received: Received, code: i32) {
    match received {
        Received::Command(RemotingCommand { code: found, .. }) if found == code => {}
        other => panic!("code {code} was expected: {other:?}"),
    }
}
