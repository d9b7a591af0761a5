//! All rounds: step after step, every result saved at once.

use std::path::PathBuf;
use std::time::Instant;

use jiff::Timestamp;

use crate::case::{Action, Case, Rate};
use crate::error::CompareError;
use crate::figure::Figure;
use crate::load::bare_ceiling::CeilingServer;
use crate::record::{Measurement, Record};
use crate::schedule::Step;
use crate::side::Side;
use crate::subject::Subject;
use crate::tools::Tools;

/// A comparison under way.
pub struct Comparison {
    tools: Tools,
    record: Record,
    /// Saved after each measurement, so that nothing measured is lost.
    path: PathBuf,
    failures: u32,
    began: Instant,
}

impl Comparison {
    /// Nothing measured yet. `path` is where raw data go while it runs.
    #[must_use]
    pub fn new(tools: Tools, record: Record, path: PathBuf) -> Self {
        Self { tools, record, path, failures: 0, began: Instant::now() }
    }

    /// Runs all steps. A case that fails is noted, and the next one gets a new broker.
    /// # Errors
    /// Raw data cannot be saved, or somebody wants the end.
    pub fn run(&mut self, steps: &[Step]) -> Result<(), CompareError> {
        for (number, step) in steps.iter().enumerate() {
            self.say(&format!(
                "step {} of {}: round {}, {}, {}",
                number + 1,
                steps.len(),
                step.round,
                step.stage.name(),
                step.side.name()
            ));
            match step.side {
                Side::Ceiling => self.measure_ceiling(step)?,
                Side::Apache | Side::Turbopump | Side::Alone => self.measure_broker(step)?,
            }
        }
        Ok(())
    }

    /// What was measured.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Cases that could not be measured.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    fn measure_broker(&mut self, step: &Step) -> Result<(), CompareError> {
        let tools = self.tools.clone();
        let mut subject: Option<Subject<'_>> = None;
        for case in &step.cases {
            let mut measurement = Measurement::new(case.id, step.side, step.round);
            let result = self.rate(case).and_then(|rate| {
                subject = subject.take().map_or(Ok(None), Subject::unless_full)?;
                let subject = match &mut subject {
                    Some(subject) => subject,
                    none => none.insert(Subject::start(&tools, step.side, step.stage)?),
                };
                self.record.add_setup(subject.setup());
                subject.measure(case, rate, step.round, &mut measurement)
            });
            if result.is_err() {
                // Whatever state it is in, nobody should be measured on it.
                subject = None;
            }
            self.keep(measurement, result)?;
        }
        subject.map_or(Ok(()), Subject::finish)
    }

    fn measure_ceiling(&mut self, step: &Step) -> Result<(), CompareError> {
        let folder = self.tools.work.join(Side::Ceiling.folder());
        let Tools { programs, settings, interrupt, .. } = self.tools.clone();
        let mut server = None;
        for case in &step.cases {
            let mut measurement = Measurement::new(case.id, step.side, step.round);
            let Action::Send(send) = &case.action else { continue };
            let result = match server.take() {
                Some(server) => Ok(server),
                None => CeilingServer::start(&programs.bare_ceiling, &folder, &settings, &interrupt),
            };
            let result = result.and_then(|mut started| {
                started.measure(send, &settings, &mut measurement)?;
                server = Some(started);
                Ok(())
            });
            self.keep(measurement, result)?;
        }
        server.map_or(Ok(()), CeilingServer::finish)
    }

    /// The rate of a case; `None` where it has none.
    fn rate(&self, case: &Case) -> Result<Option<f64>, CompareError> {
        let rate = match case.action {
            Action::Send(send) | Action::SendBesideColdReader(send) | Action::SendBesideEmptyReplica(send) => send.rate,
            Action::EndToEnd(rate) => Some(rate),
            _ => None,
        };
        let Some(rate) = rate else { return Ok(None) };
        match rate {
            Rate::Fixed(rate) => Ok(Some(rate.into())),
            Rate::OfPeerMaximum { case: needed, share } => {
                let first = self.record.in_round(needed, Side::Apache, 1, Figure::MessagesPerSecond);
                let first = first.ok_or(CompareError::NoPeerMaximum { case: case.id, needed })?;
                // A round number, so that the report reads well.
                Ok(Some((first * share / 100.0).round() * 100.0))
            }
        }
    }

    fn keep(&mut self, mut measurement: Measurement, result: Result<(), CompareError>) -> Result<(), CompareError> {
        match result {
            Ok(()) => {}
            Err(CompareError::Interrupted) => return Err(CompareError::Interrupted),
            Err(error) => {
                self.failures += 1;
                let text = crate::error::with_causes(&error);
                self.say(&format!("{} of {} failed: {text}", measurement.case, measurement.side.name()));
                let first_line = text.lines().next().unwrap_or_default();
                measurement.notes.push(format!("not measured: {first_line}"));
                measurement.figures.clear();
            }
        }
        self.say(&line(&measurement));
        self.record.ended_at = now();
        self.record.measurements.push(measurement);
        self.record.save(&self.path)
    }

    fn say(&self, text: &str) {
        let seconds = self.began.elapsed().as_secs();
        eprintln!("[{:>3}:{:02}] {text}", seconds / 60, seconds % 60);
    }
}

/// Now, UTC, in whole seconds.
#[must_use]
pub fn now() -> String {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}

/// What is worth seeing while it runs.
fn line(measurement: &Measurement) -> String {
    const SHOWN: [Figure; 14] = [
        Figure::MessagesPerSecond,
        Figure::P50Us,
        Figure::P99Us,
        Figure::P999Us,
        Figure::BrokerCpuUs,
        Figure::ReadyMs,
        Figure::AnonymousBytes,
        Figure::IdleCpuPercent,
        Figure::LeaderCpuUs,
        Figure::FollowersNetworkBytes,
        Figure::ServesAgainMs,
        Figure::OutageMs,
        Figure::ReplicationBytesPerSecond,
        Figure::DiskCopyBytesPerSecond,
    ];
    let mut line = format!("  {:<20} {:<16}", measurement.case, measurement.side.name());
    for figure in SHOWN {
        if let Some(value) = measurement.figures.get(&figure) {
            line.push_str(&format!(" {} {}", figure.name(), figure.format(*value)));
        }
    }
    if measurement.failed_requests > 0 {
        line.push_str(&format!(" FAILED REQUESTS {}", measurement.failed_requests));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_progress_has_the_figures_that_are_there() {
        let mut measurement = Measurement::new("1x64", Side::Turbopump, 1);
        measurement.figures.insert(Figure::MessagesPerSecond, 227_000.0);
        measurement.figures.insert(Figure::P999Us, 1600.0);
        measurement.failed_requests = 2;
        let line = line(&measurement);
        assert!(line.contains("messages/s 227 k p99.9 1.6 ms FAILED REQUESTS 2"), "{line}");
    }

    #[test]
    fn times_are_utc_in_whole_seconds() {
        let now = now();
        assert!(now.ends_with('Z') && !now.contains('.') && now.len() == 20, "{now}");
    }
}
