//! A cluster and reports that are only made up, for tests.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use host::{Machine, ProcessorTopology};

use crate::ceiling::engine::Engine;
use crate::ceiling::limits::Limits;
use crate::ceiling::search_settings::SearchSettings;
use crate::ceiling::source::SourceChoice;
use crate::ceiling::stop_flag::StopFlag;
use crate::ceiling::team::Team;
use crate::ceiling::{CeilingReport, CeilingSettings, Conductor};
use crate::error::BenchError;
use crate::observer::{Observer, Start};
use crate::plan::{BodySize, Consumers, End, Plan, Producers, ReceiveMode, SendMode, StartAt, Work};
use crate::report::latency::histogram;
use crate::report::{
    Broker, EndedBy, ErrorCount, Latency, LatencyOf, ProcessUse, RunReport, SCHEMA, Sample, Side, SideSample,
};

/// An address of TEST-NET-1, which no machine has.
pub(crate) const ELSEWHERE: &str = "192.0.2.1:10911";

/// A cluster that follows up to `capacity` and answers within `fast_us` up to `knee`, above it in ten times that.
pub(crate) struct FakeEngine {
    pub(crate) capacity: f64,
    pub(crate) knee: f64,
    pub(crate) fast_us: u64,
    pub(crate) broker: &'static str,
    /// Takes as long as the plan says, instead of no time.
    pub(crate) takes_time: bool,
    /// Fails in this way, from this run on.
    pub(crate) fails: Option<(usize, fn() -> BenchError)>,
    pub(crate) ran: Mutex<Vec<Plan>>,
}

impl Default for FakeEngine {
    fn default() -> Self {
        let (capacity, knee, fast_us) = (100_000.0, 60_000.0, 2_000);
        Self { capacity, knee, fast_us, broker: ELSEWHERE, takes_time: false, fails: None, ran: Mutex::default() }
    }
}

impl Engine for FakeEngine {
    fn run(&self, plan: &Plan, observer: &mut dyn Observer) -> Result<RunReport, BenchError> {
        plan.check()?;
        let count = {
            let mut ran = self.ran.lock().unwrap();
            ran.push(plan.clone());
            ran.len()
        };
        if let Some((from, error)) = self.fails
            && count >= from
        {
            return Err(error());
        }
        let brokers = [Broker { name: "broker-a".into(), address: self.broker.into(), queues: 4 }];
        observer.started(&Start { brokers: &brokers, connections: 8, notes: &[] });
        let time = Duration::from_millis(plan.warm_up_ms + plan.end.after_ms.unwrap());
        let end = Instant::now() + if self.takes_time { time } else { Duration::ZERO };
        while Instant::now() < end && !observer.wants_end() {
            std::thread::sleep(Duration::from_millis(5));
        }
        let rate = plan.work.producers().unwrap().rate.unwrap();
        let us = if rate <= self.knee { self.fast_us } else { self.fast_us * 10 };
        let brokers = brokers.to_vec();
        Ok(RunReport { brokers, ..run_report(plan, rate.min(self.capacity), us) })
    }
}

/// A run that achieved `achieved` messages a second, each in `us`.
pub(crate) fn run_report(plan: &Plan, achieved: f64, us: u64) -> RunReport {
    let measured_s = plan.end.after_ms.unwrap_or(1_000) as f64 / 1e3;
    let messages = (achieved * measured_s) as u64;
    let bench = ProcessUse { pid: 1, cpu_s: 0.2 * measured_s, cpu_us_per_message: 1.0, rss_bytes: 1, rss_bytes_max: 1 };
    RunReport {
        schema: SCHEMA,
        bench_version: "0.0.0".into(),
        commit: Some("abc".into()),
        command_line: Vec::new(),
        machine: Some(Machine {
            processors: ProcessorTopology { logical: 2, physical: 2, sockets: 1, numa_nodes: 1 },
            ..Machine::default()
        }),
        plan: plan.clone(),
        brokers: vec![Broker { name: "broker-a".into(), address: ELSEWHERE.into(), queues: 4 }],
        started_at: "2026-05-04T12:00:00Z".into(),
        ended_by: EndedBy::Time,
        measured_s,
        sends: Some(side(messages, achieved, us)),
        receives: plan.work.consumers().map(|_| side(messages, achieved, us)),
        undelivered: None,
        samples: (0..measured_s.ceil() as u32).map(|second| sample(second, achieved)).collect(),
        bench,
        broker_processes: Vec::new(),
        notes: Vec::new(),
    }
}

fn side(messages: u64, messages_per_second: f64, us: u64) -> Side {
    let mut latencies = histogram();
    latencies.record_n(us, messages).unwrap();
    Side {
        messages,
        requests: messages,
        bytes: messages * 1_200,
        messages_per_second,
        latency_of: LatencyOf::SendFromDue,
        latency: Latency::of(&latencies),
        errors: Vec::new(),
        answered_after_end: 0,
        empty_pulls: 0,
        foreign_messages: 0,
    }
}

pub(crate) fn sample(second: u32, achieved: f64) -> Sample {
    Sample {
        second,
        length_ms: 1_000,
        sends: Some(SideSample { messages: achieved as u64, ..SideSample::default() }),
        receives: None,
        owed: 0,
        undelivered: 0,
        bench_cpu_us: 200_000,
        brokers: Vec::new(),
        host: None,
    }
}

pub(crate) fn error(name: &str, count: u64) -> ErrorCount {
    ErrorCount { code: Some(2), name: name.into(), count, example: "busy".into() }
}

pub(crate) fn producers() -> Producers {
    Producers {
        mode: SendMode::Async,
        connections: 8,
        in_flight: 1_000,
        batch: 1,
        body_size: BodySize::Fixed(1_024),
        keys: false,
        properties: Vec::new(),
        rate: None,
    }
}

pub(crate) fn consumers() -> Consumers {
    Consumers {
        mode: ReceiveMode::Push,
        group: "readers".into(),
        connections: 1,
        batch: 32,
        from: StartAt::Last,
        verify: false,
    }
}

pub(crate) fn plan(work: Work) -> Plan {
    Plan {
        name_servers: "127.0.0.1:9876".into(),
        topics: vec!["load".into()],
        create_topics: None,
        work,
        warm_up_ms: 0,
        end: End::default(),
        threads: 1,
        cpus: Vec::new(),
        spin: false,
        broker_pids: Vec::new(),
    }
}

pub(crate) fn settings() -> CeilingSettings {
    CeilingSettings {
        plan: plan(Work::Produce { producers: producers() }),
        search: SearchSettings::default(),
        limits: Limits::default(),
        step_ms: 1_000,
        soak_ms: 3_000,
        settle_ms: 0,
        sample_ms: 50,
        sources: Vec::new(),
        disk: None,
        link_mbit: None,
    }
}

/// Of a search against the made-up cluster, which nobody looked at.
pub(crate) fn ceiling_report() -> CeilingReport {
    let sources = SourceChoice { may_be_unsampled: true, ..Default::default() };
    let (engine, stop) = (FakeEngine::default(), StopFlag::default());
    let (settings, team, command_line) = (settings(), Team::alone(), Vec::new());
    Conductor { settings, command_line, sources, team, engine: &engine, stop, observer: &mut () }.run().unwrap()
}
