//! What is printed while a search goes.

use super::conduct::SearchObserver;
use super::limits::LimitCheck;
use super::search::Step;
use super::step_report::StepReport;
use super::summary::words;
use crate::observer::Snapshot;
use crate::progress::Progress;
use crate::report::Broker;
use crate::report::units::{duration, grouped};

/// Prints to standard error, so that standard output has the result only.
#[derive(Debug)]
pub struct SearchTerminal {
    seconds: Option<Progress>,
}

impl SearchTerminal {
    /// `quiet`: a line a step only, none a second.
    #[must_use]
    pub fn new(quiet: bool) -> Self {
        Self { seconds: (!quiet).then(Progress::default) }
    }
}

impl SearchObserver for SearchTerminal {
    fn began(&mut self, brokers: &[Broker], sources: &[String], machines: usize) {
        let brokers: Vec<_> = brokers.iter().map(|broker| format!("{} ({})", broker.name, broker.address)).collect();
        let sampled = if sources.is_empty() { "nothing".to_owned() } else { sources.join(", ") };
        eprintln!("{} under the load of {machines} machine(s); sampled: {sampled}", brokers.join(", "));
    }

    fn step(&mut self, number: u32, step: &Step, seconds: f64) {
        let again = if step.is_repeat { " again" } else { "" };
        eprintln!(
            "step {number}: {}{again} at {} messages/s for {seconds} s",
            step.purpose.name(),
            grouped(step.rate.round() as u64)
        );
    }

    fn second(&mut self, snapshot: &Snapshot) {
        if let Some(progress) = &mut self.seconds {
            progress.second(snapshot);
        }
    }

    fn stepped(&mut self, report: &StepReport) {
        let latency = &report.load.latency.percentiles;
        let broken: Vec<String> = report.broken().into_iter().map(broke).collect();
        let verdict = if broken.is_empty() { "held".to_owned() } else { broken.join("; ") };
        let achieved = grouped(report.load.achieved.round() as u64);
        eprintln!(
            "  -> {achieved}/s, p99 {}, p99.9 {}: {verdict}",
            duration(latency.p99_us),
            duration(latency.p99_9_us)
        );
    }
}

fn broke(check: &LimitCheck) -> String {
    format!("{} {}", check.limit.name(), words(check))
}
