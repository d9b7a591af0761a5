//! What sends are answered, by what the slave does.

use std::time::{Duration, Instant};

use interop::master_slave_pair::MasterSlavePair;
use interop::raw_client::RawClient;
use interop::requests;
use interop::run_lock::RunLock;
use interop::scratch::Scratch;
use interop::until::until;
use protocol::code::{RequestCode, ResponseCode};

const TOPIC: &str = "answered";
/// What a sync master waits for its slave here.
const SLAVE_TIMEOUT: Duration = Duration::from_millis(700);
/// No wait for anything.
const AT_ONCE: Duration = Duration::from_millis(400);
const WITHIN: Duration = Duration::from_secs(20);

/// Sends one message; the code of the answer, and how long it took.
fn send(to: &mut RawClient, properties: &str) -> (ResponseCode, Duration) {
    let began = Instant::now();
    let request = requests::send(TOPIC, 0, b"a message");
    let request = if properties.is_empty() { request } else { requests::with(request, "i", properties) };
    let answer = to.ask(request);
    assert!(answer.get("queueOffset").is_some(), "stored whatever the code: {answer:?}");
    (ResponseCode(answer.code), began.elapsed())
}

fn stored(to: &mut RawClient) -> u64 {
    let answer = to.ask(requests::of_queue(RequestCode::GET_MAX_OFFSET, TOPIC, 0));
    answer.get("offset").and_then(|offset| offset.parse().ok()).unwrap_or_else(|| panic!("{answer:?}"))
}

#[test]
fn a_sync_master_says_whether_its_slave_has_the_message() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("sync-master");
    let timeout = SLAVE_TIMEOUT.as_millis().to_string();
    let mut pair = MasterSlavePair::start("SYNC_MASTER", &[("slaveTimeout", &timeout)], &scratch);
    let mut client = RawClient::connect(pair.address(0));
    for _ in 0..50 {
        let (code, took) = send(&mut client, "");
        assert_eq!(code, ResponseCode::SUCCESS);
        assert!(took < AT_ONCE, "{took:?}");
    }

    pair.node(1).pause();
    let (code, took) = send(&mut client, "");
    assert_eq!(code, ResponseCode::FLUSH_SLAVE_TIMEOUT);
    assert!(took >= SLAVE_TIMEOUT && took < SLAVE_TIMEOUT + Duration::from_secs(1), "{took:?}");
    let (code, took) = send(&mut client, "WAIT\u{1}false\u{2}");
    assert_eq!(code, ResponseCode::SUCCESS, "who does not wait is not made to");
    assert!(took < AT_ONCE, "{took:?}");
    pair.node(1).resume();
    until("the slave to go on", WITHIN, || match send(&mut client, "") {
        (ResponseCode::SUCCESS, _) => Ok(()),
        other => Err(format!("{other:?}")),
    });

    pair.node(1).kill_nine();
    until("its death to be seen", WITHIN, || match send(&mut client, "") {
        (ResponseCode::SLAVE_NOT_AVAILABLE, _) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let (code, took) = send(&mut client, "");
    assert_eq!(code, ResponseCode::SLAVE_NOT_AVAILABLE);
    assert!(took < AT_ONCE, "{took:?}");
    pair.node(1).start();
    pair.node(1).wait_until_ready();
    until("the slave to be back", WITHIN, || match send(&mut client, "") {
        (ResponseCode::SUCCESS, _) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let all = stored(&mut client);
    pair.wait_until_copied();
    assert_eq!(stored(&mut RawClient::connect(pair.address(1))), all, "whatever was answered is stored and copied");
    pair.expect_sound();
}

#[test]
fn a_dead_or_hung_slave_costs_an_async_master_s_writers_nothing() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("async-master");
    let mut pair = MasterSlavePair::start("ASYNC_MASTER", &[], &scratch);
    let mut client = RawClient::connect(pair.address(0));
    let mut burst = |what: &str| {
        let began = Instant::now();
        for _ in 0..200 {
            assert_eq!(send(&mut client, "").0, ResponseCode::SUCCESS, "{what}");
        }
        assert!(began.elapsed() < Duration::from_secs(2), "{what}: {:?}", began.elapsed());
    };
    burst("alive");
    pair.node(1).pause();
    burst("hung");
    pair.node(1).kill_nine();
    burst("dead");
    pair.node(1).start();
    pair.node(1).wait_until_ready();
    pair.wait_until_copied();
    let status = pair.ha_status(0);
    assert!(status.master && status.in_sync_slave_nums == 1, "{status:?}");
    pair.expect_sound();
}

#[test]
fn a_consumer_is_refused_by_a_slave_that_is_not_for_reading_and_a_writer_always() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("slave-refuses");
    let pair = MasterSlavePair::start("ASYNC_MASTER", &[], &scratch);
    let mut master = RawClient::connect(pair.address(0));
    send(&mut master, "");
    let advice = master.ask(requests::pull(TOPIC, 0, 0));
    assert_eq!(advice.get("suggestWhichBrokerId"), Some("0"), "{advice:?}");
    let mut slave = RawClient::connect(pair.address(1));
    for request in [requests::pull(TOPIC, 0, 0), requests::send(TOPIC, 0, b"x"), requests::send_back("g", 0, 1)] {
        let answer = slave.ask(request);
        assert_eq!(answer.code, ResponseCode::SYSTEM_BUSY.0, "{answer:?}");
        assert!(answer.remark.as_deref().is_some_and(|remark| remark.starts_with("[REJECTREQUEST]")), "{answer:?}");
    }
    pair.expect_sound();
}

/// A stranger on the port for slaves is turned away and changes nothing.
#[test]
fn what_is_no_slave_is_refused_at_the_slaves_port() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("slave-port");
    let pair = MasterSlavePair::start("ASYNC_MASTER", &[], &scratch);
    let slaves_port = pair.state(0).slaves_address.parse().expect("an address of this machine");
    let mut garbage = RawClient::connect(slaves_port);
    // Apache's slaves begin with where their log ends.
    garbage.write(&4096_u64.to_be_bytes()).expect("it is read");
    garbage.write(&[0xFF; 64]).ok();
    garbage.expect_closed("that is no frame");
    let mut request = RawClient::connect(slaves_port);
    request.send(&requests::send(TOPIC, 0, b"x"));
    request.expect_closed("that is no hello");
    let mut client = RawClient::connect(pair.address(0));
    assert_eq!(send(&mut client, "").0, ResponseCode::SUCCESS);
    pair.wait_until_copied();
    pair.expect_sound();
}
