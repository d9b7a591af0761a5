//! Reports as mqbench writes them, for tests.

use bench::plan::{BodySize, Consumers, End, Producers, ReceiveMode, SendMode, StartAt, Work};
use bench::report::latency::histogram;
use bench::report::{EndedBy, Latency, LatencyOf, ProcessUse, SCHEMA, Sample, Side, SideSample};
use bench::{Plan, RunReport};

/// Sends in a closed loop: latencies 0.5 ms, and one of 1 ms.
pub(crate) fn produce(messages: u64, seconds: f64) -> RunReport {
    let sends = side(messages, seconds, LatencyOf::SendFromStart, 500);
    report(Work::Produce { producers: producers(None) }, seconds, Some(sends), None)
}

/// Sends at 1,000/s and receives: 2 ms end to end.
pub(crate) fn end_to_end(messages: u64, seconds: f64) -> RunReport {
    let consumers = Consumers {
        mode: ReceiveMode::Push,
        group: "g".to_owned(),
        connections: 1,
        batch: 32,
        from: StartAt::Last,
        verify: false,
    };
    let sends = side(messages, seconds, LatencyOf::SendFromDue, 500);
    let receives = side(messages, seconds, LatencyOf::EndToEnd, 2000);
    let work = Work::E2e { producers: producers(Some(1000.0)), consumers };
    report(work, seconds, Some(sends), Some(receives))
}

fn producers(rate: Option<f64>) -> Producers {
    Producers {
        mode: SendMode::Async,
        connections: 1,
        in_flight: 64,
        batch: 1,
        body_size: BodySize::Fixed(1024),
        keys: false,
        properties: Vec::new(),
        rate,
    }
}

fn side(messages: u64, seconds: f64, latency_of: LatencyOf, latency_us: u64) -> Side {
    let mut latencies = histogram();
    latencies.record_n(latency_us, messages.saturating_sub(1)).unwrap();
    latencies.record(latency_us * 2).unwrap();
    Side {
        messages,
        requests: messages,
        bytes: messages * 1200,
        messages_per_second: messages as f64 / seconds,
        latency_of,
        latency: Latency::of(&latencies),
        errors: Vec::new(),
        answered_after_end: 0,
        empty_pulls: 0,
        foreign_messages: 0,
    }
}

fn report(work: Work, measured_s: f64, sends: Option<Side>, receives: Option<Side>) -> RunReport {
    let messages = sends.as_ref().map_or(0, |side| side.messages);
    let used = |cpu_us_per_message: f64| ProcessUse {
        pid: 4242,
        cpu_s: cpu_us_per_message * messages as f64 / 1e6,
        cpu_us_per_message,
        rss_bytes: 100_000_000,
        rss_bytes_max: 100_000_000,
    };
    let second = SideSample { messages: messages / 2, requests: messages / 2, ..SideSample::default() };
    let sample = |number| Sample {
        second: number,
        length_ms: 4000,
        sends: sends.as_ref().map(|_| second),
        receives: receives.as_ref().map(|_| second),
        owed: 0,
        undelivered: 0,
        bench_cpu_us: 0,
        host: None,
        brokers: Vec::new(),
    };
    RunReport {
        schema: SCHEMA,
        bench_version: "0.1.0".to_owned(),
        commit: None,
        machine: None,
        command_line: Vec::new(),
        plan: Plan {
            name_servers: "127.0.0.1:9876".to_owned(),
            topics: vec!["t".to_owned()],
            create_topics: Some(8),
            work,
            warm_up_ms: 3000,
            end: End { after_ms: Some(8000), ..End::default() },
            threads: 1,
            cpus: vec![1],
            spin: false,
            broker_pids: vec![4242],
        },
        brokers: Vec::new(),
        started_at: "2026-05-04T12:00:00Z".to_owned(),
        ended_by: EndedBy::Time,
        measured_s,
        undelivered: receives.as_ref().map(|_| 0),
        samples: vec![sample(0), sample(1)],
        sends,
        receives,
        bench: used(2.0),
        broker_processes: vec![used(4.0)],
        notes: Vec::new(),
    }
}
