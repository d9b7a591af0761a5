//! What arrives on the port for replicas and does not come from one of the group.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use interop::log_copies::expect_identical;
use interop::port_block::PortBlock;
use interop::raw_client::RawClient;
use interop::replica_group::{GroupSettings, ReplicaGroup};
use interop::replica_node::ReplicaNode;
use interop::requests;
use interop::run_lock::RunLock;
use interop::scratch::Scratch;
use interop::send_ledger::SendLedger;
use interop::until::until;
use protocol::frame::HeaderEncoding;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::LIMIT;

/// How long a log is watched for a second line.
const QUIET: Duration = Duration::from_millis(500);
/// The length that a frame begins with, and the lengths of its header and encoding.
const PREFIX_BYTES: usize = 8;
/// Somewhere in a header, behind what says whether it is one.
const DAMAGED_AT: usize = PREFIX_BYTES + 30;

#[test]
fn strangers_on_the_replication_port_are_refused_and_logged_once_and_the_group_goes_on() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("replicas-strangers");
    let mut group = ReplicaGroup::start(&GroupSettings::new("trio"), &scratch);
    let leader = group.leader(0);
    let clients = group.node(leader).address(0);
    let mut ledger = SendLedger::new("undisturbed");
    ledger.send(clients, 50);

    let other_group = first_frame_of_a_node(&group, ("dLegerGroup", "quartet"), &scratch);
    let other_cluster = first_frame_of_a_node(&group, ("brokerClusterName", "OtherCluster"), &scratch);
    let mut damaged = other_group.clone();
    damaged[DAMAGED_AT] ^= 1;
    let cut_short = [&[0, 0, 0, 2], &other_group[4..6]].concat();
    let what = [
        ("random bytes", random_bytes()),
        ("a length of 2 GiB", vec![0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
        ("a client's frame", client_frame()),
        ("a hello of another group", other_group),
        ("a hello of another cluster", other_cluster),
        ("a damaged hello", damaged),
        ("a frame shorter than its header", cut_short),
    ];
    for node in group.nodes() {
        let strangers = what.each_ref().map(|(name, bytes)| (*name, end_of_a_stranger(node, name, bytes)));
        expect_logged_once(node, &strangers);
        ledger.send(clients, 50);
    }
    assert_eq!(group.leader(0), leader, "nobody was disturbed");
    let stored = ledger.expect_stored_in_order(clients);
    assert_eq!((stored.all, stored.unsure), (ledger.sent(), 0));
    expect_identical(&mut group, 0);
    group.expect_sound();
}

/// Sends the bytes and waits for the connection's end; returns where it came from.
fn end_of_a_stranger(node: &ReplicaNode, name: &str, bytes: &[u8]) -> String {
    let mut stranger = RawClient::connect(node.replica_address(0));
    // It may be closed before all is written.
    let _ = stranger.write(bytes);
    stranger.expect_end(name);
    stranger.local_address().to_string()
}

fn expect_logged_once(node: &ReplicaNode, strangers: &[(&str, String)]) {
    let lines_of = |address: &str| {
        let output = node.output();
        output.lines().filter(|line| line.contains(address)).map(str::to_owned).collect::<Vec<_>>()
    };
    for (name, address) in strangers {
        until(&format!("{name} to be logged"), LIMIT, || match lines_of(address).is_empty() {
            true => Err(node.output()),
            false => Ok(()),
        });
    }
    std::thread::sleep(QUIET);
    for (name, address) in strangers {
        let lines = lines_of(address);
        println!("{name}: {lines:?}");
        assert_eq!(lines.len(), 1, "{name} is logged once: {lines:?}");
    }
}

fn random_bytes() -> Vec<u8> {
    let seed = 7;
    let mut random = StdRng::seed_from_u64(seed);
    (0..4096).map(|_| random.random_range(0..=u8::MAX)).collect()
}

fn client_frame() -> Vec<u8> {
    let mut bytes = Vec::new();
    requests::send("for-clients", 0, b"not here").encode(&mut bytes, HeaderEncoding::Json);
    bytes
}

/// What a node says first to n0 that is configured as n1 of `group`, but for one property.
fn first_frame_of_a_node(group: &ReplicaGroup, other: (&str, &str), scratch: &Scratch) -> Vec<u8> {
    let (ports, (key, value)) = (PortBlock::take(), other);
    let to = SocketAddr::from(([127, 0, 0, 1], ports.port(0)));
    let listener = TcpListener::bind(to).unwrap_or_else(|error| panic!("cannot listen at {to}: {error}"));
    let mut node = ReplicaNode::new(value, 1, 1, scratch);
    let mut properties: BTreeMap<String, String> = group.properties().clone();
    properties.insert("dLegerPeers".to_owned(), format!("n0-{to};{}", node.peer()));
    properties.insert(key.to_owned(), value.to_owned());
    node.configure(&properties);
    node.start();
    listener.set_nonblocking(true).expect("a listener can wait for nothing");
    let accept = || listener.accept().map_err(|error| format!("{error}\n{}", node.output()));
    let (mut stream, _) = until("a node to dial another", LIMIT, accept);
    stream.set_nonblocking(false).expect("a connection can wait");
    stream.set_read_timeout(Some(LIMIT)).expect("a limit is allowed");
    let mut frame = vec![0; 4];
    stream.read_exact(&mut frame).expect("a hello comes");
    let length = u32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]]);
    frame.resize(4 + length as usize, 0);
    stream.read_exact(&mut frame[4..]).expect("a hello is whole");
    frame
}
