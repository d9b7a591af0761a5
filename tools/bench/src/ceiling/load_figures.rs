//! What came of a step's load, over all load machines.

use serde::{Deserialize, Serialize};

use super::growth::growth;
use crate::plan::Plan;
use crate::report::latency::{HistogramError, histogram};
use crate::report::{ErrorCount, Latency, RunReport, Sample, Side};

/// A backlog that swings by less than what is offered in this time is none: messages on their way.
const SWING_S: f64 = 0.1;
/// Kinds of errors that are kept, the most frequent first.
const ERROR_KINDS_MAX: usize = 20;

/// What came of a step's load, over all load machines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadFigures {
    /// Load machines.
    pub machines: usize,
    /// The longest measured time of any.
    pub measured_s: f64,
    /// Messages sent and acknowledged.
    pub messages: u64,
    /// The same a second: the sum of all machines' rates.
    pub achieved: f64,
    /// Bytes of the senders' frames.
    pub bytes: u64,
    /// Failed requests, of sends and of pulls.
    pub errors: u64,
    /// By kind, the most frequent first.
    pub error_kinds: Vec<ErrorCount>,
    /// Latency of all sends, from when they were due.
    pub latency: Latency,
    /// Messages received a second, if there were consumers.
    pub received: Option<f64>,
    /// Latency at the receivers, if there were any.
    pub receive_latency: Option<Latency>,
    /// Growth of what was due and not sent yet, messages a second.
    pub owed_growth: f64,
    /// Growth of what was acknowledged and not received yet, messages a second.
    pub undelivered_growth: f64,
    /// The busiest load machine's share of the processors that its workers may use: near 1, it is the load that is at its end.
    pub bench_busy: f64,
    /// Processors that the load kept busy on the machine that leads it.
    pub bench_cores: f64,
    /// CPU microseconds of the load a message.
    pub bench_cpu_us_per_message: f64,
    /// What a reader should know before believing the figures.
    pub notes: Vec<String>,
}

impl LoadFigures {
    /// The sum of what `reports` say, of which the last is that of the machine that leads. `plan` is what one of them ran.
    ///
    /// # Errors
    /// [`HistogramError`] if a report's histogram cannot be read: it came over the network.
    pub fn sum(plan: &Plan, reports: &[RunReport]) -> Result<Self, HistogramError> {
        let sends = || reports.iter().filter_map(|report| report.sends.as_ref());
        let receives = || reports.iter().filter_map(|report| report.receives.as_ref());
        let messages = sends().map(|side| side.messages).fold(0, u64::saturating_add);
        let cpu_s: f64 = reports.iter().map(|report| report.bench.cpu_s).sum();
        let has_receivers = receives().next().is_some();
        let mut notes: Vec<String> = reports.iter().flat_map(|report| report.notes.iter().cloned()).collect();
        notes.sort();
        notes.dedup();
        Ok(Self {
            machines: reports.len(),
            measured_s: reports.iter().map(|report| report.measured_s).fold(0.0, f64::max),
            messages,
            achieved: sends().map(|side| side.messages_per_second).sum(),
            bytes: sends().map(|side| side.bytes).fold(0, u64::saturating_add),
            errors: reports.iter().map(RunReport::errors).fold(0, u64::saturating_add),
            error_kinds: error_kinds(reports),
            latency: merged(sends())?,
            received: has_receivers.then(|| receives().map(|side| side.messages_per_second).sum()),
            receive_latency: if has_receivers { Some(merged(receives())?) } else { None },
            owed_growth: backlog_growth(reports, |sample| sample.owed as f64),
            undelivered_growth: backlog_growth(reports, |sample| sample.undelivered as f64),
            bench_busy: reports.iter().map(|report| bench_busy(plan, report)).fold(0.0, f64::max),
            bench_cores: reports.last().map_or(0.0, bench_cores),
            bench_cpu_us_per_message: if messages == 0 { 0.0 } else { cpu_s * 1e6 / messages as f64 },
            notes,
        })
    }

    /// Of a step at which not one request succeeded.
    #[must_use]
    pub fn nothing(machines: usize, measured_s: f64, why: String) -> Self {
        Self {
            machines,
            measured_s,
            messages: 0,
            achieved: 0.0,
            bytes: 0,
            errors: 1,
            error_kinds: vec![ErrorCount { code: None, name: "nothing succeeded".into(), count: 1, example: why }],
            latency: Latency::of(&histogram()),
            received: None,
            receive_latency: None,
            owed_growth: 0.0,
            undelivered_growth: 0.0,
            bench_busy: 0.0,
            bench_cores: 0.0,
            bench_cpu_us_per_message: 0.0,
            notes: Vec::new(),
        }
    }

    /// Growth of the backlog that grows most, messages a second.
    #[must_use]
    pub fn backlog_growth(&self) -> f64 {
        self.owed_growth.max(self.undelivered_growth)
    }
}

fn merged<'a>(sides: impl Iterator<Item = &'a Side>) -> Result<Latency, HistogramError> {
    let mut sum = histogram();
    for side in sides {
        let one = side.latency.histogram()?;
        sum.add(&one).map_err(|error| HistogramError::Form(error.to_string()))?;
    }
    Ok(Latency::of(&sum))
}

fn error_kinds(reports: &[RunReport]) -> Vec<ErrorCount> {
    let mut kinds: Vec<ErrorCount> = Vec::new();
    let sides = reports.iter().flat_map(|report| [&report.sends, &report.receives]).flatten();
    for error in sides.flat_map(|side| &side.errors) {
        match kinds.iter_mut().find(|kind| (kind.code, &kind.name) == (error.code, &error.name)) {
            Some(kind) => kind.count = kind.count.saturating_add(error.count),
            None => kinds.push(error.clone()),
        }
    }
    kinds.sort_by_key(|kind| std::cmp::Reverse(kind.count));
    kinds.truncate(ERROR_KINDS_MAX);
    kinds
}

/// The sum of how much each machine's backlog grows.
fn backlog_growth(reports: &[RunReport], of: fn(&Sample) -> f64) -> f64 {
    let of_one = |report: &RunReport| {
        let points: Vec<_> = report.samples.iter().map(|sample| (f64::from(sample.second), of(sample))).collect();
        let rate = report.sends.as_ref().map_or(0.0, |side| side.messages_per_second);
        growth(&points, rate * SWING_S)
    };
    reports.iter().map(of_one).sum()
}

/// CPU time of the load against that of the processors its threads can use.
fn bench_busy(plan: &Plan, report: &RunReport) -> f64 {
    let processors = report.machine.as_ref().map_or(usize::MAX, |machine| machine.processors.logical.max(1) as usize);
    let usable = if plan.cpus.is_empty() { processors } else { plan.cpus.len() };
    bench_cores(report) / plan.threads.min(usable).max(1) as f64
}

fn bench_cores(report: &RunReport) -> f64 {
    if report.measured_s > 0.0 { report.bench.cpu_s / report.measured_s } else { 0.0 }
}
