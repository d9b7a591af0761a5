//! The report of a run, from what the collector has put together.

use host::Machine;
use jiff::Timestamp;

use super::collector::Collector;
use super::tally::{Failures, Tally};
use crate::clock::SECOND_NS;
use crate::error::BenchError;
use crate::plan::{Plan, SendMode, Work};
use crate::report::{Broker, ErrorCount, Latency, LatencyOf, RunReport, SCHEMA, Side};

/// # Errors
/// [`BenchError::NothingSucceeded`]: a report of nothing but zeros would be taken for a result.
pub(crate) fn report(
    plan: &Plan,
    brokers: Vec<Broker>,
    mut notes: Vec<String>,
    started_at: Timestamp,
    collector: &Collector,
    undelivered: Option<i64>,
) -> Result<RunReport, BenchError> {
    let measured_s = collector.measured_s();
    let (measured, late) = (&collector.measured, &collector.late);
    let sends = plan.work.producers().map(|producers| {
        let latency_of = match (producers.mode, producers.rate) {
            (SendMode::Oneway, _) => LatencyOf::HandOver,
            (_, Some(_)) => LatencyOf::SendFromDue,
            (_, None) => LatencyOf::SendFromStart,
        };
        side(&measured.sends, &late.sends, latency_of, measured_s)
    });
    let receives = plan.work.consumers().map(|_| {
        let latency_of = match &plan.work {
            Work::E2e { .. } | Work::Mixed { .. } => LatencyOf::EndToEnd,
            Work::Consume { .. } | Work::Produce { .. } => LatencyOf::Pull,
        };
        side(&measured.receives, &late.receives, latency_of, measured_s)
    });
    for (side, name) in [(&sends, "sent"), (&receives, "received")] {
        if let Some(side) = side
            && side.messages == 0
        {
            return Err(BenchError::NothingSucceeded { summary: summary(side, name, measured_s) });
        }
    }
    note_what_was_missed(plan, collector, undelivered, &mut notes);
    let messages = sends.as_ref().or(receives.as_ref()).map_or(0, |side| side.messages);
    let broker_uses = plan.broker_pids.iter().zip(&collector.broker_use);
    Ok(RunReport {
        schema: SCHEMA,
        bench_version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: option_env!("BENCH_COMMIT").map(str::to_owned),
        command_line: Vec::new(),
        machine: Machine::describe(None).ok(),
        plan: plan.clone(),
        brokers,
        started_at: started_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        ended_by: collector.ended_by(),
        measured_s,
        sends,
        receives,
        undelivered,
        samples: collector.samples.clone(),
        bench: collector.own_use.of_process(std::process::id(), messages),
        broker_processes: broker_uses.map(|(pid, sum)| sum.of_process(*pid, messages)).collect(),
        notes,
    })
}

impl Collector {
    fn measured_s(&self) -> f64 {
        self.ended_ns().saturating_sub(self.measure_ns()) as f64 / SECOND_NS as f64
    }
}

fn side(measured: &Tally, late: &Tally, latency_of: LatencyOf, measured_s: f64) -> Side {
    let mut latency = measured.latency.clone();
    latency.add(&late.latency).expect("all histograms have the same bounds");
    let mut failures = measured.failures.clone();
    failures.add(&late.failures);
    let messages_per_second = if measured_s > 0.0 { measured.messages as f64 / measured_s } else { 0.0 };
    Side {
        messages: measured.messages,
        requests: measured.requests,
        bytes: measured.bytes,
        messages_per_second,
        latency_of,
        latency: Latency::of(&latency),
        errors: errors(&failures),
        answered_after_end: late.requests,
        empty_pulls: measured.empty_pulls,
        foreign_messages: measured.foreign_messages,
    }
}

fn errors(failures: &Failures) -> Vec<ErrorCount> {
    let error = |(failure, count, example): (super::tally::Failure, u64, &str)| ErrorCount {
        code: failure.code(),
        name: failure.name(),
        count,
        example: example.to_owned(),
    };
    failures.by_count().into_iter().map(error).collect()
}

fn summary(side: &Side, verb: &str, measured_s: f64) -> String {
    let nothing = format!("no message was {verb} in {measured_s:.1} s");
    match side.errors.first() {
        Some(error) => {
            let code = error.code.map(|code| format!(" ({code})")).unwrap_or_default();
            format!("{nothing}; {} requests failed with {}{code}: {}", error.count, error.name, error.example)
        }
        None if verb == "received" => format!("{nothing}: the queues had nothing for this group from where it began"),
        None => format!("{nothing}: no answer came"),
    }
}

fn note_what_was_missed(plan: &Plan, collector: &Collector, undelivered: Option<i64>, notes: &mut Vec<String>) {
    let owed = collector.samples.last().map_or(0, |sample| sample.owed);
    if let Some(rate) = plan.work.producers().and_then(|producers| producers.rate)
        && owed > 0
    {
        notes.push(format!(
            "{owed} messages were due and not sent at the end: the rate of {rate}/s was not kept, and their waiting is not in the latency"
        ));
    }
    if let Some(missing) = undelivered
        && missing > 0
    {
        notes.push(format!("{missing} acknowledged messages were not received when the run ended"));
    }
}
