//! Sending and receiving in one run.

use bench::observer::Unobserved;
use bench::plan::{ReceiveMode, SendMode, StartAt, Work};
use bench::report::{EndedBy, LatencyOf};
use bench::run;

use super::test_broker::TestBroker;
use super::{after_messages, after_ms, consumers, plan, producers};

#[test]
fn e2e_measures_every_message_on_both_sides() {
    let broker = TestBroker::start();
    let mut producers = producers(SendMode::Async);
    producers.rate = Some(500.0);
    let mut plan = plan(&broker.address, Work::E2e { producers, consumers: consumers(ReceiveMode::Push) });
    plan.end = after_messages(600);
    let report = run(&plan, &mut Unobserved).unwrap();
    let (sends, receives) = (report.sends.unwrap(), report.receives.unwrap());
    assert_eq!((sends.messages, receives.messages), (600, 600));
    assert_eq!((report.ended_by, report.undelivered), (EndedBy::Messages, Some(0)));
    assert_eq!((sends.latency_of, receives.latency_of), (LatencyOf::SendFromDue, LatencyOf::EndToEnd));
    assert_eq!((sends.latency.percentiles.count, receives.latency.percentiles.count), (600, 600));
}

#[test]
fn messages_of_others_do_not_count() {
    let broker = TestBroker::start();
    let mut others = plan(&broker.address, Work::Produce { producers: producers(SendMode::Async) });
    others.end = after_messages(200);
    run(&others, &mut Unobserved).unwrap();
    let mut consumers = consumers(ReceiveMode::Push);
    consumers.from = StartAt::First;
    let mut plan = plan(&broker.address, Work::Mixed { producers: producers(SendMode::Async), consumers });
    plan.end = after_messages(300);
    let report = run(&plan, &mut Unobserved).unwrap();
    let receives = report.receives.unwrap();
    assert_eq!((receives.messages, receives.foreign_messages, report.undelivered), (300, 200, Some(0)));
}

#[test]
fn workers_with_different_roles_end_together() {
    let broker = TestBroker::start();
    let mut producers = producers(SendMode::Batch);
    (producers.batch, producers.connections) = (5, 1);
    let work = Work::Mixed { producers, consumers: consumers(ReceiveMode::Push) };
    let mut plan = plan(&broker.address, work);
    // One thread sends, the other receives.
    (plan.threads, plan.warm_up_ms, plan.end) = (2, 200, after_ms(500));
    let report = run(&plan, &mut Unobserved).unwrap();
    assert_eq!((report.ended_by, report.undelivered), (EndedBy::Time, Some(0)));
    assert!(report.receives.unwrap().messages > 0);
    assert_eq!(report.samples.len(), 1);
}
