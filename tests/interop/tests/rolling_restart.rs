//! Nodes of a replicated broker are stopped and started in turn, and clients with an old route notice nothing.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use interop::log_copies::expect_identical;
use interop::raw_client::{RawClient, Received};
use interop::replica_group::{GroupSettings, ReplicaGroup};
use interop::requests;
use interop::run_lock::RunLock;
use interop::scratch::Scratch;
use interop::send_ledger::SendLedger;
use interop::until::until;
use interop::working_clients::WorkingClients;
use protocol::body::{LockBatchRequest, LockBatchResponse, MessageQueue};
use protocol::code::{RequestCode, ResponseCode};
use protocol::header::FLAG_ONEWAY;
use protocol::record::decode_record;

const LIMIT: Duration = Duration::from_secs(30);
/// Acknowledgements before and after the restarts.
const ACKNOWLEDGED_MIN: usize = 200;
/// How long a client keeps to its old route in these tests: longer than a node has to be fit before a lead moves back to it.
const OLD_ROUTE: Duration = Duration::from_secs(14);
/// Requests that a leader leaves unanswered when it dies, and the least that one takes on the wire.
const UNDER_WAY: usize = 20;
const MESSAGE_BYTES_MIN: usize = 300;
/// A node without such clients has ended by then.
const SOON: Duration = Duration::from_secs(10);
/// A lead comes back after ten seconds; with time for a slow machine.
const BACK_WITHIN: Duration = Duration::from_secs(40);

/// As the clients come: they ask for routes every 30 s. Each node hands its lead over before it ends, and stays for clients that
/// have not heard of it.
#[test]
fn a_stock_producer_with_default_settings_sees_no_failed_send() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("rolling-restart");
    let mut group = ReplicaGroup::start(&GroupSettings::new("rolling"), &scratch);
    let mut clients = WorkingClients::start(&group.target(), "roll", &[], &scratch);
    clients.expect_acknowledged(ACKNOWLEDGED_MIN);
    let leader = group.leader(0);
    // The leader first: another one leads then, and is restarted too.
    for number in [vec![leader], group.others(leader)].concat() {
        let stopped = Instant::now();
        group.node(number).terminate();
        println!("n{number} ended after {:?}", stopped.elapsed());
        group.node(number).start();
        group.wait_until_complete();
    }
    clients.expect_acknowledged(ACKNOWLEDGED_MIN);
    let failed = clients.failed();
    let facts = clients.finish(&scratch);
    assert!(facts.ends_with(" failed 0"), "{facts} {failed:?}\n{}", group.outputs());
    expect_identical(&mut group, 0);
    group.expect_sound();
}

#[test]
fn a_node_that_is_told_to_end_stays_for_a_client_that_has_not_heard_of_the_next_leader() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("rolling-linger");
    let mut group = ReplicaGroup::start(&GroupSettings::new("lingering"), &scratch);
    // The node that should lead, so that the next leader could think of giving the lead back.
    group.wait_until_balanced();
    let leader = group.leader(0);
    let old = group.node(leader).address(0);
    let times_given_back = |group: &ReplicaGroup| group.outputs().matches("to the node that should have it").count();
    let before = times_given_back(&group);
    let (mut ledger, told) = (SendLedger::new("old-route"), AtomicBool::new(false));
    let (sent, lasted) = thread::scope(|scope| {
        let told = &told;
        let ledger = &mut ledger;
        let client = scope.spawn(move || {
            // Sends before, during and after the lead has moved, all over one connection.
            let mut stop_at = None;
            ledger.send_pipelined(old, 4, |_| {
                if stop_at.is_none() && told.load(Ordering::Relaxed) {
                    stop_at = Some(Instant::now() + OLD_ROUTE);
                }
                stop_at.is_some_and(|at| Instant::now() >= at)
            });
            ledger.sent()
        });
        thread::sleep(Duration::from_millis(200));
        told.store(true, Ordering::Relaxed);
        let began = Instant::now();
        group.node(leader).terminate();
        (client.join().expect("the client ends by itself"), began.elapsed())
    });
    assert!(ledger.errors().is_empty(), "{:?}\n{}", ledger.errors(), group.outputs());
    assert_eq!(ledger.acknowledged() as u64, sent, "every send was answered\n{}", group.outputs());
    assert!(lasted >= OLD_ROUTE, "it ended {lasted:?} after it was told, and was needed for {OLD_ROUTE:?}");
    assert!(lasted < OLD_ROUTE + SOON, "it stayed {lasted:?} for a client that was gone after {OLD_ROUTE:?}");
    assert_eq!(times_given_back(&group), before, "a lead was offered to a node that ends\n{}", group.outputs());
    let next = group.leader(0);
    assert_ne!(next, leader);
    let stored = ledger.expect_stored_in_order(group.node(next).address(0));
    assert_eq!(stored.unsure, 0);
    group.node(leader).start();
    group.wait_until_complete();
    expect_identical(&mut group, 0);
    group.expect_sound();
}

#[test]
fn the_lead_comes_back_to_the_node_that_should_have_it() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("rolling-back");
    let mut group = ReplicaGroup::start(&GroupSettings::new("balanced").shards(2), &scratch);
    let leads_where_it_should = |group: &ReplicaGroup| {
        until("each shard to be led by the node that should", BACK_WITHIN, || {
            let leaders = [group.leader(0), group.leader(1)];
            if leaders == [0, 1] { Ok(()) } else { Err(format!("{leaders:?}")) }
        });
    };
    leads_where_it_should(&group);
    let began = Instant::now();
    group.node(0).terminate();
    assert!(began.elapsed() < SOON, "nobody was connected, and it took {:?} to end", began.elapsed());
    assert_ne!(group.leader(0), 0);
    group.node(0).start();
    group.wait_until_complete();
    leads_where_it_should(&group);
    group.expect_sound();
}

#[test]
fn a_follower_hands_on_what_only_the_leader_answers() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("rolling-forward");
    let mut group = ReplicaGroup::start(&GroupSettings::new("handing"), &scratch);
    let leader = group.leader(0);
    let leader_address = group.node(leader).address(0);
    let followers: Vec<SocketAddr> = group.others(leader).into_iter().map(|n| group.node(n).address(0)).collect();
    let mut ledger = SendLedger::new("handed-on");
    for follower in &followers {
        ledger.send(*follower, 50);
        let enough = ledger.sent() + 500;
        ledger.send_pipelined(*follower, 64, |ledger| ledger.sent() >= enough);
    }
    assert_eq!((ledger.acknowledged() as u64, ledger.errors().len()), (ledger.sent(), 0), "{:?}", ledger.errors());
    ledger.expect_stored_in_order(leader_address);

    let mut client = RawClient::connect(followers[0]);
    one_way_and_long_sends_arrive(&mut client, leader_address);
    born_host_is_the_clients_own(&mut client, leader_address);
    offsets_and_locks_are_the_leaders(&mut client, leader_address);
    let refused = client.ask(requests::create_topic("no/topic", 1));
    assert_ne!(refused.code, ResponseCode::SUCCESS.0, "a refusal of the leader is a refusal: {refused:?}");
    expect_identical(&mut group, 0);
    group.expect_sound();
}

fn one_way_and_long_sends_arrive(client: &mut RawClient, leader: SocketAddr) {
    let (one_way, long) = (b"nobody answers".to_vec(), vec![b'x'; 400 << 10]);
    let mut request = requests::send("kinds", 0, &one_way);
    request.flag |= FLAG_ONEWAY;
    client.send(&request);
    let answer = client.ask(requests::send("kinds", 0, &long));
    assert_eq!((answer.code, answer.get("queueOffset")), (ResponseCode::SUCCESS.0, Some("1")), "{answer:?}");
    let mut reader = RawClient::connect(leader);
    for (offset, sent) in [(0, &one_way), (1, &long)] {
        let pulled = reader.ask(requests::pull("kinds", 0, offset));
        let (record, _) = decode_record(&pulled.body).expect("a stored record");
        assert!(record.body == *sent, "message {offset} is as it was sent");
    }
    let silence = client.receive_before(Instant::now() + Duration::from_millis(300));
    assert!(silence.is_none(), "nothing answers a one-way request: {silence:?}");
}

fn born_host_is_the_clients_own(client: &mut RawClient, leader: SocketAddr) {
    let answer = client.ask(requests::send("born", 0, b"where from"));
    assert_eq!(answer.code, ResponseCode::SUCCESS.0, "{answer:?}");
    let pulled = RawClient::connect(leader).ask(requests::pull("born", 0, 0));
    let (record, _) = decode_record(&pulled.body).expect("a stored record");
    assert_eq!((record.born_host, record.store_host), (client.local_address(), leader));
}

fn offsets_and_locks_are_the_leaders(client: &mut RawClient, leader: SocketAddr) {
    let mut at_leader = RawClient::connect(leader);
    let made = client.ask(requests::of_queue(RequestCode::GET_MAX_OFFSET, "born", 0));
    assert_eq!(made.code, ResponseCode::SUCCESS.0, "a follower answers by itself what it can: {made:?}");
    let group = requests::with_body(RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, br#"{"groupName":"readers"}"#);
    assert_eq!(client.ask(group).code, ResponseCode::SUCCESS.0);
    assert_eq!(client.ask(requests::commit_offset("readers", "born", 0, 1)).code, ResponseCode::SUCCESS.0);
    for asked in [&mut *client, &mut at_leader] {
        let answer = asked.ask(requests::query_offset("readers", "born", 0));
        assert_eq!(answer.get("offset"), Some("1"), "{answer:?}");
    }
    let lock = |client_id: &str| {
        let queue = MessageQueue { topic: "born".to_owned(), broker_name: "handing".to_owned(), queue_id: 0 };
        let request = LockBatchRequest {
            consumer_group: "readers".to_owned(),
            client_id: client_id.to_owned(),
            mq_set: [queue].into_iter().collect(),
            ..LockBatchRequest::default()
        };
        requests::with_body(RequestCode::LOCK_BATCH_MQ, &request.encode())
    };
    let locked = |answer: Vec<u8>| LockBatchResponse::decode(&answer).expect("a list of queues").lock_ok_mq_set.len();
    assert_eq!(locked(client.ask(lock("one")).body), 1);
    assert_eq!(locked(at_leader.ask(lock("other")).body), 0, "the leader knows who has the lock");
    assert_eq!(locked(client.ask(lock("one")).body), 1);
}

/// What was in flight when the leader died is answered, be it that nobody knows what became of it.
#[test]
fn a_request_that_was_handed_to_a_leader_that_dies_is_answered() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("rolling-death");
    let mut group = ReplicaGroup::start(&GroupSettings::new("dying"), &scratch);
    let leader = group.leader(0);
    let follower = group.others(leader)[0];
    let address = group.node(follower).address(0);
    let mut ledger = SendLedger::new("in-doubt");
    ledger.send(address, 10);
    // Hung first, so that requests are under way for certain.
    group.node(leader).pause();
    let mut client = RawClient::connect(address);
    let mut under_way = std::collections::BTreeMap::new();
    for _ in 0..UNDER_WAY {
        let (number, request) = ledger.next_request();
        under_way.insert(client.start(request), number);
    }
    let sent_bytes = (UNDER_WAY * MESSAGE_BYTES_MIN) as u64;
    until("the leader to have the requests before it", LIMIT, || {
        let unread = group.node(leader).unread_bytes();
        if unread >= sent_bytes { Ok(()) } else { Err(format!("{unread} of at least {sent_bytes} bytes")) }
    });
    group.node(leader).kill_nine();
    while !under_way.is_empty() {
        assert!(ledger.note_next(&mut client, &mut under_way), "every request is answered");
    }
    assert!(!ledger.errors().is_empty(), "requests were under way");
    for remark in ledger.errors().values() {
        assert!(remark.contains("may or may not be stored"), "{remark}");
    }
    ledger.send(address, 10);
    group.node(leader).start();
    group.wait_until_complete();
    let next = group.leader(0);
    ledger.expect_stored(group.node(next).address(0));
    expect_identical(&mut group, 0);
    group.expect_sound();
    let end = client.receive_before(Instant::now() + Duration::from_millis(100));
    assert!(!matches!(end, Some(Received::Command(_))), "each is answered once: {end:?}");
}
