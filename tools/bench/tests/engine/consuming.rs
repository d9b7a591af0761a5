//! Receiving.

use bench::BenchError;
use bench::observer::Unobserved;
use bench::plan::{End, ReceiveMode, SendMode, StartAt, Work};
use bench::report::{EndedBy, LatencyOf};
use bench::run;

use super::test_broker::TestBroker;
use super::{after_messages, consumers, plan, producers};

fn filled(messages: u64) -> TestBroker {
    let broker = TestBroker::start();
    let mut plan = plan(&broker.address, Work::Produce { producers: producers(SendMode::Async) });
    plan.end = after_messages(messages);
    run(&plan, &mut Unobserved).unwrap();
    broker
}

#[test]
fn a_drain_receives_everything_once_and_commits_it() {
    let broker = filled(1_000);
    for (mode, threads, connections) in [(ReceiveMode::Pull, 1, 1), (ReceiveMode::Push, 2, 3)] {
        let mut consumers = consumers(mode);
        consumers.connections = connections;
        let mut plan = plan(&broker.address, Work::Consume { consumers });
        (plan.threads, plan.end) = (threads, End { drained: true, ..End::default() });
        let report = run(&plan, &mut Unobserved).unwrap();
        let receives = report.receives.unwrap();
        assert_eq!((receives.messages, receives.error_count()), (1_000, 0));
        assert_eq!((report.ended_by, receives.latency_of), (EndedBy::Drained, LatencyOf::Pull));
        assert_eq!(receives.latency.percentiles.count, receives.requests);
        assert!(receives.requests >= 1_000 / 32 && report.undelivered.is_none());
    }
    broker
        .wait_until(|state| state.queues.iter().all(|(queue, records)| state.committed[queue] == records.len() as i64));
}

#[test]
fn a_consumer_begins_at_the_offset_it_is_given() {
    let broker = filled(1_000);
    let mut consumers = consumers(ReceiveMode::Pull);
    consumers.from = StartAt::Offset(100);
    let mut plan = plan(&broker.address, Work::Consume { consumers });
    plan.end = End { drained: true, ..End::default() };
    let expected: usize = broker.state.lock().unwrap().queues.values().map(|records| records.len() - 100).sum();
    assert_eq!(run(&plan, &mut Unobserved).unwrap().messages(), expected as u64);
}

#[test]
fn a_consumer_ends_after_so_many_messages() {
    let broker = filled(1_000);
    let mut plan = plan(&broker.address, Work::Consume { consumers: consumers(ReceiveMode::Pull) });
    plan.end = after_messages(300);
    let report = run(&plan, &mut Unobserved).unwrap();
    assert_eq!(report.ended_by, EndedBy::Messages);
    // Pulls that were under way bring some more.
    assert!((300..=300 + 4 * 32).contains(&report.messages()), "{}", report.messages());
}

#[test]
fn an_empty_queue_is_an_error_that_says_so() {
    let broker = TestBroker::start();
    let mut plan = plan(&broker.address, Work::Consume { consumers: consumers(ReceiveMode::Pull) });
    plan.end = End { drained: true, ..End::default() };
    let error = run(&plan, &mut Unobserved).unwrap_err();
    assert!(matches!(error, BenchError::NothingSucceeded { .. }), "{error}");
    assert!(error.to_string().contains("the queues had nothing for this group"), "{error}");
}
