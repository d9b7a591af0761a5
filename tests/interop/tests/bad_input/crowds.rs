//! Many connections: idle ones, half-sent frames on each, more than are allowed, more than there are files for.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use interop::broker_start::BrokerStart;
use interop::live_broker::LiveBroker;
use interop::open_files::allow_open_files;
use interop::raw_client::{RawClient, Received};
use interop::requests;
use interop::resident_memory::{peak_bytes, reset_peak, resident_bytes};
use interop::scratch::Scratch;
use interop::until::until;
use interop::witness::Witness;
use protocol::command::RemotingCommand;
use protocol::frame::{FRAME_BYTES_MAX, HeaderEncoding};

/// Files of the test beside the connections.
const FILES_BESIDES: u64 = 200;
/// What the broker may need for an idle connection: tables of ours, not the kernel's buffers.
const IDLE_CONNECTION_BYTES_MAX: u64 = 16 << 10;
/// Half-received frames of one shard together (`HELD_BYTES_MAX` of the runtime's sweep).
const HELD_BYTES_MAX: u64 = 512 << 20;
/// What a process needs besides when it is at a limit: buffers half filled, memory not yet given back.
const SLACK_BYTES: u64 = 64 << 20;

fn connections(broker: &LiveBroker, count: usize) -> Vec<RawClient> {
    (0..count).map(|_| RawClient::connect(broker.main())).collect()
}

/// The head of a frame that announces `bytes` behind its length and never has them all.
fn head_of(bytes: u32) -> [u8; 8] {
    let [a, b, c, d] = bytes.to_be_bytes();
    [a, b, c, d, 0, 0, 0, 100]
}

#[test]
fn a_thousand_idle_connections_cost_little_and_slow_nobody_down() {
    const COUNT: usize = 1000;
    allow_open_files(COUNT as u64 + FILES_BESIDES);
    let scratch = Scratch::new("idle");
    let broker = BrokerStart::new("idle", &scratch).ready();
    let mut witness = Witness::new(broker.main(), "witness");
    witness.exchanges(50);
    let before = resident_bytes(broker.pid());
    let mut idle = connections(&broker, COUNT);
    witness.exchanges(200);
    let growth = resident_bytes(broker.pid()).saturating_sub(before);
    println!("{growth} bytes more for {COUNT} idle connections, slowest exchange {:?}", witness.slowest());
    assert!(growth < COUNT as u64 * IDLE_CONNECTION_BYTES_MAX, "{growth} bytes for {COUNT} idle connections");
    // None of them was forgotten.
    for client in &mut idle {
        assert_eq!(client.ask(RemotingCommand::request(9_999, 0)).code, 3);
    }
    let mark = broker.mark();
    drop(idle);
    witness.exchanges(20);
    assert_eq!(broker.lines_since(mark, "connection closed"), [] as [String; 0], "a client that leaves is no event");
    broker.terminate();
}

#[test]
fn connections_that_come_and_go_leave_nothing_behind() {
    const COUNT: usize = 3000;
    let scratch = Scratch::new("come-and-go");
    let broker = BrokerStart::new("come-and-go", &scratch).ready();
    let mut witness = Witness::new(broker.main(), "witness");
    let mut request = Vec::new();
    requests::send("witness", 9, b"no such queue").encode(&mut request, HeaderEncoding::Json);
    let before = resident_bytes(broker.pid());
    let mark = broker.mark();
    for number in 0..COUNT {
        let mut stream = TcpStream::connect(broker.main()).unwrap_or_else(|error| panic!("{error}"));
        // With nothing sent, with half a request, with one whose answer nobody reads.
        let sent = &request[..[0, 1, 4, request.len() / 2, request.len()][number % 5]];
        stream.write_all(sent).unwrap_or_else(|error| panic!("{error}"));
    }
    witness.exchanges(20);
    let files = || std::fs::read_dir(format!("/proc/{}/fd", broker.pid())).map_or(0, Iterator::count);
    until("the broker to close its ends", Duration::from_secs(20), || {
        let count = files();
        if count < 100 { Ok(()) } else { Err(format!("{count} open files")) }
    });
    let growth = resident_bytes(broker.pid()).saturating_sub(before);
    assert!(growth < COUNT as u64 * 1024, "{growth} bytes left of {COUNT} connections");
    assert_eq!(broker.lines_since(mark, "connection closed"), [] as [String; 0], "a client that leaves is no event");
    witness.expect_nothing_else_stored();
    broker.terminate();
}

/// Connections with less than a frame and such with nothing are closed when they have been silent for long enough.
#[test]
fn silent_connections_are_closed_in_the_end_and_busy_ones_are_not() {
    const IDLE_SECONDS: u64 = 10;
    let scratch = Scratch::new("silent");
    let start = BrokerStart::new("silent", &scratch).set("serverChannelMaxIdleTimeSeconds", IDLE_SECONDS);
    let broker = start.ready();
    let mut witness = Witness::new(broker.main(), "witness");
    let mark = broker.mark();
    let opened = Instant::now();
    let mut silent = connections(&broker, 2);
    let mut halves = connections(&broker, 20);
    for (number, client) in halves.iter_mut().enumerate() {
        let head = head_of(10_000);
        client.write(&head[..1 + number % head.len()]).unwrap_or_else(|error| panic!("{error}"));
    }
    let mut slow = RawClient::connect(broker.main());
    let mut request = Vec::new();
    requests::send("witness", 9, b"no such queue").encode(&mut request, HeaderEncoding::Json);
    let mut bytes = request.iter();
    for client in silent.iter_mut().chain(&mut halves) {
        // Meanwhile one byte after the other of the slow client's request arrives.
        let end = loop {
            if let Some(byte) = bytes.next() {
                slow.write(&[*byte]).unwrap_or_else(|error| panic!("a client that is slow is not silent: {error}"));
            }
            witness.exchange();
            if let Some(end) = client.receive_before(Instant::now() + Duration::from_millis(100)) {
                break end;
            }
            assert!(opened.elapsed() < Duration::from_secs(IDLE_SECONDS + 30), "never closed");
        };
        assert_eq!(end, Received::Closed);
        assert!(opened.elapsed() >= Duration::from_secs(IDLE_SECONDS), "closed after {:?}", opened.elapsed());
    }
    for client in silent.iter().chain(&halves) {
        let remote = format!("remote={} ", client.local_address());
        let lines = broker.wait_for_lines(mark, &remote, 1);
        assert!(lines.len() == 1 && lines[0].contains("no traffic for 10 s"), "{lines:?}");
    }
    slow.write(bytes.as_slice()).unwrap_or_else(|error| panic!("{error}"));
    assert!(matches!(slow.receive(), Received::Command(RemotingCommand { code: 29, .. })));
    witness.expect_nothing_else_stored();
    broker.terminate();
}

/// What is announced costs nothing; only what has arrived is kept.
#[test]
fn announced_bytes_take_no_memory_before_they_come() {
    const COUNT: usize = 500;
    allow_open_files(COUNT as u64 + FILES_BESIDES);
    let scratch = Scratch::new("announced");
    let broker = BrokerStart::new("announced", &scratch).ready();
    let mut witness = Witness::new(broker.main(), "witness");
    let before = resident_bytes(broker.pid());
    reset_peak(broker.pid());
    let mut clients = connections(&broker, COUNT);
    for client in &mut clients {
        client.write(&head_of(FRAME_BYTES_MAX - 4)).unwrap_or_else(|error| panic!("{error}"));
    }
    // Some more bytes for each, one at a time: 8 GB are announced.
    for _ in 0..5 {
        witness.exchanges(5);
        for client in &mut clients {
            client.write(b"{").unwrap_or_else(|error| panic!("{error}"));
        }
    }
    witness.exchanges(20);
    let growth = peak_bytes(broker.pid()).saturating_sub(before);
    println!("{growth} bytes more for {COUNT} half frames, slowest exchange {:?}", witness.slowest());
    assert!(growth < SLACK_BYTES, "{growth} bytes for {COUNT} half frames of a few bytes");
    broker.terminate();
}

/// Frames of nearly 16 MiB whose last byte never comes, on more connections than there is memory for.
#[test]
fn half_received_frames_take_a_bounded_share_of_memory() {
    const COUNT: u64 = 48;
    const FRAME_BYTES: usize = 12 << 20;
    let scratch = Scratch::new("halves");
    let broker = BrokerStart::new("halves", &scratch).ready();
    let mut witness = Witness::new(broker.main(), "witness");
    let before = resident_bytes(broker.pid());
    reset_peak(broker.pid());
    let mark = broker.mark();
    let filler = vec![b' '; FRAME_BYTES];
    let mut clients = Vec::new();
    let mut refused = 0;
    for _ in 0..COUNT {
        let mut client = RawClient::connect(broker.main());
        let sent = client.write(&head_of(FRAME_BYTES_MAX - 4)).and_then(|()| client.write(&filler));
        refused += u64::from(sent.is_err());
        clients.push(client);
        witness.exchange();
    }
    let growth = peak_bytes(broker.pid()).saturating_sub(before);
    println!("{growth} bytes more, {refused} of {COUNT} closed, slowest exchange {:?}", witness.slowest());
    assert!(growth < HELD_BYTES_MAX + SLACK_BYTES, "{growth} bytes for half-received frames");
    let held = HELD_BYTES_MAX / FRAME_BYTES as u64;
    let lines = broker.wait_for_lines(mark, "half-received frames take", (COUNT - held) as usize);
    assert_eq!(lines.len() as u64, COUNT - held, "each that was too much is logged once");
    witness.exchanges(20);
    drop(clients);
    until("the memory to be given back", Duration::from_secs(20), || {
        let kept = resident_bytes(broker.pid()).saturating_sub(before);
        if kept < SLACK_BYTES { Ok(()) } else { Err(format!("{kept} bytes more than before")) }
    });
    // And there is room again.
    let mut client = RawClient::connect(broker.main());
    let frame_rest = vec![b' '; FRAME_BYTES_MAX as usize - 8];
    let sent = client.write(&head_of(FRAME_BYTES_MAX - 4)).and_then(|()| client.write(&frame_rest));
    sent.unwrap_or_else(|error| panic!("a frame of the largest size is taken: {error}"));
    // A hundred blanks are no JSON header.
    client.expect_closed("a header of blanks");
    witness.exchanges(5);
    broker.terminate();
}

/// The last bytes of large frames one by one: each must not cost as much as the frame.
#[test]
fn large_frames_that_end_in_single_bytes_slow_nobody_down() {
    const COUNT: usize = 8;
    const SINGLES: usize = 100;
    let scratch = Scratch::new("singles");
    let broker = BrokerStart::new("singles", &scratch).ready();
    let mut witness = Witness::new(broker.main(), "witness");
    let filler = vec![b' '; FRAME_BYTES_MAX as usize - 8 - SINGLES];
    let mut clients = connections(&broker, COUNT);
    for client in &mut clients {
        let sent = client.write(&head_of(FRAME_BYTES_MAX - 4)).and_then(|()| client.write(&filler));
        sent.unwrap_or_else(|error| panic!("{error}"));
    }
    let start = Instant::now();
    for _ in 0..SINGLES - 1 {
        for client in &mut clients {
            client.write(b" ").unwrap_or_else(|error| panic!("{error}"));
        }
        witness.exchange();
    }
    println!("{:?} for {COUNT} times {SINGLES} bytes, slowest exchange {:?}", start.elapsed(), witness.slowest());
    witness.exchanges(20);
    for client in &mut clients {
        client.write(b" ").unwrap_or_else(|error| panic!("{error}"));
        client.expect_closed("a header of blanks");
    }
    broker.terminate();
}

#[test]
fn connections_over_the_limit_are_closed_and_those_within_it_work() {
    const LIMIT: usize = 20;
    let scratch = Scratch::new("limit");
    // The broker's own registration goes to the name server, not here.
    let broker = BrokerStart::new("limit", &scratch).set("connectionsMax", LIMIT).ready();
    let mut witness = Witness::new(broker.main(), "witness");
    let mark = broker.mark();
    let mut within = connections(&broker, LIMIT - 1);
    for client in &mut within {
        assert_eq!(client.ask(RemotingCommand::request(9_999, 0)).code, 3);
    }
    const FURTHER: usize = 30;
    for number in 0..FURTHER {
        let to = if number % 2 == 0 { broker.main() } else { broker.fast() };
        RawClient::connect(to).expect_closed("a connection over the limit");
        witness.exchange();
    }
    let lines = broker.lines_since(mark, "connectionsMax");
    assert!((1..=6).contains(&lines.len()), "said at once, and then ever more rarely: {lines:?}");
    for client in &mut within {
        assert_eq!(client.ask(RemotingCommand::request(9_999, 0)).code, 3);
    }
    within.pop();
    expect_served(&broker, "a place to be free again");
    witness.exchanges(5);
    broker.terminate();
}

/// Fewer files than `connectionsMax` needs: the log's share of them is kept from the connections.
#[test]
fn connections_cannot_take_the_files_that_the_log_needs() {
    const FILES: usize = 400;
    const COUNT: usize = 450;
    allow_open_files(COUNT as u64 + FILES_BESIDES);
    let scratch = Scratch::new("few-files");
    let broker = BrokerStart::new("few-files", &scratch).under(with_open_files(FILES)).ready();
    let warned = broker.output();
    assert!(warned.contains(&format!("the limit on open files is {FILES}")), "{warned}");
    let mut witness = Witness::new(broker.main(), "witness");
    let mark = broker.mark();
    let mut clients = connections(&broker, COUNT);
    for client in &mut clients[FILES..] {
        client.expect_closed("a connection for which no file is left");
    }
    let lines = broker.lines_since(mark, "connection refused").len();
    assert!((1..=12).contains(&lines), "{lines} lines about refused connections");
    // More than one segment of messages: each takes new files.
    let body = vec![b'b'; 1 << 20];
    let filling = &mut clients[0];
    for _ in 0..40 {
        assert_eq!(filling.ask(requests::send("filling", 0, &body)).code, 0);
    }
    witness.exchanges(20);
    drop(clients);
    expect_served(&broker, "a connection to be taken again");
    broker.terminate();
}

/// Nothing left to accept with: the waiting connections are closed, the log does not run full, and the shards go on.
#[test]
fn a_process_out_of_files_closes_what_it_cannot_accept() {
    const FILES: usize = 400;
    const COUNT: usize = 450;
    allow_open_files(COUNT as u64 + FILES_BESIDES);
    let scratch = Scratch::new("no-files");
    let broker = BrokerStart::new("no-files", &scratch).under(with_open_files(FILES)).ready();
    let mut witness = Witness::new(broker.main(), "witness");
    let mark = broker.mark();
    // A name server takes more connections than this process may have files.
    let mut clients: Vec<RawClient> = (0..COUNT).map(|_| RawClient::connect(broker.name_server())).collect();
    for client in &mut clients[FILES..] {
        client.expect_closed("a connection for which there is no file");
    }
    witness.exchanges(100);
    let lines = broker.lines_since(mark, "connection refused").len();
    assert!((1..=12).contains(&lines), "{lines} lines about refused connections");
    drop(clients);
    until("the name server to answer again", Duration::from_secs(20), || {
        answered(RawClient::connect(broker.name_server()), &requests::route("witness"))
    });
    expect_served(&broker, "a connection to be taken again");
    broker.terminate();
}

fn with_open_files(limit: usize) -> [String; 4] {
    ["sh", "-c", &format!("ulimit -n {limit}; exec \"$@\""), "sh"].map(str::to_owned)
}

/// Waits until a new connection is served: the end of an old one is noticed by the next sweep.
fn expect_served(broker: &LiveBroker, what: &str) {
    let request = RemotingCommand::request(9_999, 0);
    let code = until(what, Duration::from_secs(20), || answered(RawClient::connect(broker.main()), &request));
    assert_eq!(code, 3);
}

/// The answer's code; an error if the connection is closed instead, as one is that was refused.
fn answered(mut client: RawClient, request: &RemotingCommand) -> Result<i32, String> {
    let mut bytes = Vec::new();
    request.encode(&mut bytes, HeaderEncoding::Json);
    client.write(&bytes).map_err(|error| error.to_string())?;
    match client.receive() {
        Received::Command(answer) => Ok(answer.code),
        Received::Closed => Err("closed".to_owned()),
    }
}
