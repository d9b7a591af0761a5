//! Clusters that do not do what they should.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bench::BenchError;
use bench::observer::Unobserved;
use bench::plan::{SendMode, Work};
use bench::report::RunReport;
use bench::run;
use client::Reply;
use protocol::code::{RequestCode, ResponseCode};

use super::test_broker::TestBroker;
use super::{after_messages, after_ms, plan, producers};

fn produce(broker: &TestBroker, messages: u64) -> Result<RunReport, BenchError> {
    let mut plan = plan(&broker.address, Work::Produce { producers: producers(SendMode::Async) });
    plan.end = after_messages(messages);
    run(&plan, &mut Unobserved)
}

fn is_send(code: i32) -> bool {
    code == RequestCode::SEND_MESSAGE_V2.0
}

#[test]
fn refused_sends_are_errors_with_code_and_remark() {
    let turn = AtomicU32::new(0);
    let broker = TestBroker::start_with(move |request, _| {
        let is_refused = is_send(request.code) && turn.fetch_add(1, Ordering::Relaxed).is_multiple_of(4);
        is_refused.then(|| Reply::code(ResponseCode::SYSTEM_BUSY, "[TIMEOUT_CLEAN_QUEUE]too busy"))
    });
    let report = produce(&broker, 400).unwrap();
    let sends = report.sends.unwrap();
    assert_eq!((sends.messages, sends.latency.percentiles.count), (300, 300));
    let [error] = sends.errors.as_slice() else { panic!("{:?}", sends.errors) };
    assert_eq!((error.code, error.name.as_str(), error.count), (Some(2), "SYSTEM_BUSY", 100));
    assert_eq!(error.example, "[TIMEOUT_CLEAN_QUEUE]too busy");
}

#[test]
fn a_run_where_everything_is_refused_fails_with_the_broker_s_words() {
    let broker = TestBroker::start_with(|request, _| {
        is_send(request.code).then(|| Reply::code(ResponseCode::NO_PERMISSION, "not for you"))
    });
    let error = produce(&broker, 50).unwrap_err().to_string();
    assert!(error.starts_with("nothing succeeded: no message was sent in"), "{error}");
    assert!(error.ends_with("50 requests failed with NO_PERMISSION (16): not for you"), "{error}");
}

#[test]
fn a_lost_connection_counts_what_was_in_flight_and_is_made_again() {
    let is_closed = AtomicBool::new(false);
    let broker = TestBroker::start_with(move |request, state| {
        let closes = is_send(request.code) && state.sends == 100 && !is_closed.swap(true, Ordering::Relaxed);
        closes.then_some(Reply::Close)
    });
    let report = produce(&broker, 1_000).unwrap();
    let sends = report.sends.unwrap();
    let lost: u64 = sends.errors.iter().map(|error| error.count).sum();
    assert!(sends.errors.iter().all(|error| error.name == "connection lost"), "{:?}", sends.errors);
    assert!((1..=8).contains(&lost), "at most a window is lost: {:?}", sends.errors);
    assert_eq!(sends.messages + lost, 1_000);
}

#[test]
fn silence_is_an_error_when_the_run_is_over() {
    let broker =
        TestBroker::start_with(|request, state| (is_send(request.code) && state.sends >= 20).then_some(Reply::Silence));
    let mut plan = plan(&broker.address, Work::Produce { producers: producers(SendMode::Sync) });
    plan.end = after_ms(300);
    let began = Instant::now();
    let report = run(&plan, &mut Unobserved).unwrap();
    assert!(began.elapsed() < Duration::from_secs(20), "it does not wait forever");
    let sends = report.sends.unwrap();
    assert_eq!(sends.messages, 20);
    let [error] = sends.errors.as_slice() else { panic!("{:?}", sends.errors) };
    assert_eq!((error.name.as_str(), error.code, error.count), ("unanswered at the end", None, 16));
}

#[test]
fn a_broker_that_talks_nonsense_is_a_lost_connection() {
    let broker = TestBroker::start_with(|request, state| {
        (is_send(request.code) && state.sends == 50).then(|| Reply::Bytes(vec![0xFF; 64]))
    });
    let mut plan = plan(&broker.address, Work::Produce { producers: producers(SendMode::Async) });
    plan.end = after_ms(300);
    let report = run(&plan, &mut Unobserved).unwrap();
    let errors = report.sends.unwrap().errors;
    assert_eq!(errors[0].name, "connection lost");
    assert!(errors[0].example.contains("is over the limit of"), "{}", errors[0].example);
}

#[test]
fn a_name_server_that_is_not_there_is_named() {
    let address = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let mut plan = plan(&address, Work::Produce { producers: producers(SendMode::Async) });
    plan.end = after_messages(1);
    let error = run(&plan, &mut Unobserved).unwrap_err().to_string();
    assert!(error.contains(&format!("cannot connect to {address}")), "{error}");
}

#[test]
fn a_topic_without_a_route_says_how_to_get_one() {
    let broker = TestBroker::start();
    let mut plan = plan(&broker.address, Work::Produce { producers: producers(SendMode::Async) });
    (plan.topics, plan.end) = (vec!["unknown".to_owned()], after_messages(1));
    let error = run(&plan, &mut Unobserved).unwrap_err();
    assert_eq!(
        error.to_string(),
        "topic unknown has no route at the name server; create it first, or give --create-topics"
    );
}
