//! Sending.

use std::sync::Mutex;
use std::time::Duration;

use bench::observer::Unobserved;
use bench::plan::{BodySize, SendMode, Work};
use bench::report::{EndedBy, LatencyOf};
use bench::run;
use protocol::code::RequestCode;

use super::test_broker::{QUEUES, TestBroker};
use super::{Seconds, after_messages, after_ms, plan, producers};

#[test]
fn every_mode_stores_as_many_messages_as_it_reports() {
    for (mode, batch) in [(SendMode::Sync, 1), (SendMode::Async, 1), (SendMode::Oneway, 1), (SendMode::Batch, 10)] {
        let broker = TestBroker::start();
        let mut producers = producers(mode);
        producers.batch = batch;
        producers.keys = true;
        producers.body_size = BodySize::Uniform { min: 1, max: 300 };
        let mut plan = plan(&broker.address, Work::Produce { producers });
        plan.end = after_messages(1_000);
        let report = run(&plan, &mut Unobserved).unwrap();
        let sends = report.sends.as_ref().unwrap();
        assert_eq!((sends.messages, sends.requests, report.errors()), (1_000, 1_000 / batch as u64, 0), "{mode:?}");
        assert_eq!(sends.latency.percentiles.count, sends.requests);
        assert_eq!(report.ended_by, EndedBy::Messages);
        // A one-way message is counted when the kernel has it; it reaches the broker a little later.
        broker.wait_until(|state| state.unique_keys.len() >= 1_000);
        let state = broker.state.lock().unwrap();
        assert_eq!(state.queues.values().map(Vec::len).sum::<usize>(), 1_000, "{mode:?}");
        assert_eq!(state.queues.len() as i32, QUEUES, "all queues get their part");
    }
}

#[test]
fn threads_share_the_connections_and_the_messages() {
    let broker = TestBroker::start();
    let mut producers = producers(SendMode::Async);
    producers.connections = 5;
    let mut plan = plan(&broker.address, Work::Produce { producers });
    (plan.threads, plan.end) = (3, after_messages(1_001));
    plan.topics = vec!["A".to_owned(), "B".to_owned()];
    let report = run(&plan, &mut Unobserved).unwrap();
    assert_eq!((report.messages(), broker.stored()), (1_001, 1_001));
    let state = broker.state.lock().unwrap();
    assert_eq!(state.queues.len() as i32, 2 * QUEUES, "all queues of both topics");
}

#[test]
fn an_open_loop_keeps_its_rate_and_its_seconds_add_up() {
    let broker = TestBroker::start();
    let mut producers = producers(SendMode::Async);
    producers.rate = Some(500.0);
    let mut plan = plan(&broker.address, Work::Produce { producers });
    (plan.warm_up_ms, plan.end) = (300, after_ms(1_600));
    let mut seconds = Seconds::default();
    let report = run(&plan, &mut seconds).unwrap();
    let sends = report.sends.as_ref().unwrap();
    assert_eq!((report.ended_by, sends.latency_of), (EndedBy::Time, LatencyOf::SendFromDue));
    assert!((report.measured_s - 1.6).abs() < 1e-9);
    let warm_up: Vec<_> = seconds.seen.iter().map(|snapshot| snapshot.is_warm_up).collect();
    assert_eq!(warm_up, [true, false, false]);
    assert_eq!(report.samples.iter().map(|sample| sample.length_ms).collect::<Vec<_>>(), [1_000, 600]);
    let sum: u64 = report.samples.iter().map(|sample| sample.sends.unwrap().messages).sum();
    assert_eq!(sum, sends.messages);
    // 950 are due, 150 of them in the warm-up. A stalled machine may leave the last ones unsent, but says so.
    let owed = report.samples.last().unwrap().owed;
    assert_eq!((broker.stored() as u64, report.errors()), (950 - owed, 0));
}

#[test]
fn a_stall_counts_for_every_message_that_was_due_meanwhile() {
    const STALL: Duration = Duration::from_millis(500);
    let is_stalled = Mutex::new(false);
    let broker = TestBroker::start_with(move |request, state| {
        let mut is_stalled = is_stalled.lock().unwrap();
        if request.code == RequestCode::SEND_MESSAGE_V2.0 && state.sends == 200 && !*is_stalled {
            *is_stalled = true;
            std::thread::sleep(STALL);
        }
        None
    });
    let mut producers = producers(SendMode::Async);
    (producers.rate, producers.connections, producers.in_flight) = (Some(1_000.0), 1, 1);
    let mut plan = plan(&broker.address, Work::Produce { producers });
    plan.end = after_messages(1_000);
    let report = run(&plan, &mut Unobserved).unwrap();
    let latency = report.sends.unwrap().latency;
    assert_eq!(latency.percentiles.count, 1_000);
    assert!(latency.percentiles.max_us >= 490_000, "{:?}", latency.percentiles);
    // One request was in flight; measured from its own start only that one would be slow. Some 400 were due in the
    // first 400 ms of the stall and waited 100 ms or longer.
    let slow = latency.histogram().unwrap().count_between(100_000, 60_000_000);
    assert!(slow >= 300, "{slow} of 1000 messages were slow");
}

#[test]
fn topics_are_created_with_the_wanted_queues() {
    let broker = TestBroker::start();
    let mut plan = plan(&broker.address, Work::Produce { producers: producers(SendMode::Async) });
    (plan.create_topics, plan.end) = (Some(2), after_messages(100));
    plan.topics = vec!["unknown-1".to_owned(), "unknown-2".to_owned()];
    let report = run(&plan, &mut Unobserved).unwrap();
    assert_eq!(report.brokers[0].queues, 4);
    let state = broker.state.lock().unwrap();
    let created: Vec<_> = state.created_topics.iter().map(|(name, queues)| (name.as_str(), *queues)).collect();
    assert_eq!(created, [("unknown-1", 2), ("unknown-2", 2)]);
}

#[test]
fn an_observer_ends_the_run_and_gets_its_report() {
    let broker = TestBroker::start();
    let mut producers = producers(SendMode::Sync);
    producers.rate = Some(200.0);
    let mut plan = plan(&broker.address, Work::Produce { producers });
    plan.end = after_ms(600_000);
    let mut observer = Seconds { end_after: Some(1), ..Seconds::default() };
    let report = run(&plan, &mut observer).unwrap();
    assert_eq!(report.ended_by, EndedBy::Stopped);
    assert!((1.0..20.0).contains(&report.measured_s), "{}", report.measured_s);
    assert!(report.messages() > 0);
}
