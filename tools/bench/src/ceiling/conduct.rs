//! Carries a search out: asks the search machine for a step, has the load machines run it, looks at the brokers' machines
//! meanwhile, holds everything against the limits, and answers with the verdict.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::ceiling_report::{CEILING_SCHEMA, CeilingReport, CeilingSettings, FirstLimit, JoinedMachine, ReportKind};
use super::engine::Engine;
use super::error::CeilingError;
use super::load_figures::LoadFigures;
use super::report_notes::notes;
use super::sampler::Sampler;
use super::search::{Purpose, Search, Step, Verdict};
use super::source::{Source, SourceChoice, choose};
use super::step_report::StepReport;
use super::stop_flag::StopFlag;
use super::team::Team;
use crate::observer::{Observer, Snapshot, Start};
use crate::plan::{End, Plan};
use crate::report::{Broker, RunReport};

/// Before the search, so long a load shows whether the cluster can be loaded at all, and creates the topics.
const FIRST_LOOK_MS: u64 = 1_000;
/// Most messages a second of this first load.
const FIRST_LOOK_RATE: f64 = 1_000.0;

/// Who looks on while a search goes.
pub trait SearchObserver {
    /// The cluster can be loaded; the search begins.
    fn began(&mut self, brokers: &[Broker], sources: &[String], machines: usize) {
        let _ = (brokers, sources, machines);
    }

    /// A step begins.
    fn step(&mut self, number: u32, step: &Step, seconds: f64) {
        let _ = (number, step, seconds);
    }

    /// Another second of its load is over, on this machine.
    fn second(&mut self, snapshot: &Snapshot) {
        let _ = snapshot;
    }

    /// It is over.
    fn stepped(&mut self, report: &StepReport) {
        let _ = report;
    }
}

impl SearchObserver for () {}

/// What a search is carried out with.
pub struct Conductor<'a> {
    /// Everything that was set. `sources` is filled in.
    pub settings: CeilingSettings,
    /// How the bench was called.
    pub command_line: Vec<String>,
    /// How to look at the brokers' machines.
    pub sources: SourceChoice,
    /// The load machines.
    pub team: Team,
    /// What runs this machine's load.
    pub engine: &'a dyn Engine,
    /// Set to end the search; what is known so far is reported.
    pub stop: StopFlag,
    /// Who looks on.
    pub observer: &'a mut dyn SearchObserver,
}

impl Conductor<'_> {
    /// Searches.
    ///
    /// # Errors
    /// [`CeilingError`]. The other load machines are told.
    pub fn run(mut self) -> Result<CeilingReport, CeilingError> {
        let result = self.search();
        self.team.end(result.as_ref().err().map(ToString::to_string));
        result
    }

    fn search(&mut self) -> Result<CeilingReport, CeilingError> {
        self.settings.check(self.team.machines())?;
        let began = Instant::now();
        let first = self.first_look()?;
        self.settings.plan.create_topics = None;
        let sources = choose(&self.sources, &first.brokers)?;
        let sampler = self.sampler(sources)?;
        self.settings.sources = sampler.names().map(str::to_owned).collect();
        self.observer.began(&first.brokers, &self.settings.sources, self.team.machines());
        let mut search = Search::new(self.settings.search);
        let mut steps: Vec<StepReport> = Vec::new();
        while let Some(step) = search.next() {
            self.team.keep_together(Duration::from_millis(self.settings.settle_ms))?;
            if self.stop.is_set() {
                break;
            }
            let report = self.step(steps.len() as u32 + 1, &step, &sampler)?;
            // What was cut short says nothing.
            if self.stop.is_set() {
                break;
            }
            self.observer.stepped(&report);
            let saturated = report.load.achieved < step.rate * self.settings.limits.achieved;
            search.record(Verdict { achieved: report.load.achieved, held: report.held(), saturated });
            steps.push(report);
        }
        let outcome = search.outcome();
        let joined = self.team.joined();
        let joined =
            joined.map(|(address, machine)| JoinedMachine { address: address.to_string(), machine: machine.cloned() });
        Ok(CeilingReport {
            report: ReportKind::Ceiling,
            schema: CEILING_SCHEMA,
            bench_version: first.bench_version,
            commit: first.commit,
            command_line: std::mem::take(&mut self.command_line),
            settings: self.settings.clone(),
            brokers: first.brokers,
            machine: first.machine,
            joined: joined.collect(),
            started_at: first.started_at,
            took_s: began.elapsed().as_secs_f64(),
            first_limit: FirstLimit::of(&steps, &outcome),
            notes: notes(&self.settings, &steps, &outcome),
            steps,
            extreme: outcome.extreme,
            safe: outcome.safe,
            stopped: self.stop.is_set(),
        })
    }

    /// A light load on this machine alone.
    fn first_look(&mut self) -> Result<RunReport, CeilingError> {
        let rate = self.settings.search.start.min(FIRST_LOOK_RATE);
        let plan = Plan { warm_up_ms: 0, ..step_plan(&self.settings.plan, rate, FIRST_LOOK_MS) };
        let mut watch = Watch { observer: &mut (), started: Instant::now() };
        let first = self.engine.run(&plan, &mut watch)?;
        self.team.keep_together(Duration::ZERO)?;
        Ok(first)
    }

    fn sampler(&self, sources: Vec<Box<dyn Source>>) -> Result<Sampler, CeilingError> {
        Sampler::start(sources, Duration::from_millis(self.settings.sample_ms))
    }

    fn step(&mut self, number: u32, step: &Step, sampler: &Sampler) -> Result<StepReport, CeilingError> {
        let CeilingSettings { step_ms, soak_ms, .. } = self.settings;
        let measured_ms = if step.purpose == Purpose::Soak { soak_ms } else { step_ms };
        let plan = step_plan(&self.settings.plan, step.rate, measured_ms);
        self.observer.step(number, step, measured_ms as f64 / 1e3);
        let mut watch = Watch { observer: &mut *self.observer, started: Instant::now() };
        let run = self.team.run(number, &plan, self.engine, &mut watch, &self.stop)?;
        let from = watch.started + Duration::from_millis(plan.warm_up_ms);
        let machines = self.team.machines();
        let (load, measured_s) = match run.nothing_succeeded.into_iter().next() {
            // Where one machine got nothing through, the sum of the others is not what was offered.
            Some(why) => (LoadFigures::nothing(machines, measured_ms as f64 / 1e3, why), measured_ms as f64 / 1e3),
            None => {
                let load = LoadFigures::sum(&run.own_plan, &run.reports)?;
                let measured_s = load.measured_s;
                (load, measured_s)
            }
        };
        let to = from + Duration::from_secs_f64(measured_s.clamp(0.0, MEASURED_S_MAX));
        let hosts = if self.stop.is_set() {
            Vec::new()
        } else {
            sampler.figures(from, to, self.settings.disk.as_deref(), self.settings.link_mbit)?
        };
        let checks = self.settings.limits.check(step.rate, &load, &hosts);
        Ok(StepReport {
            number,
            purpose: step.purpose,
            is_repeat: step.is_repeat,
            offered: step.rate,
            load,
            hosts,
            checks,
        })
    }
}

/// No step is longer; a figure of another machine that says so is not believed.
const MEASURED_S_MAX: f64 = 1e6;

/// The load of a step: `plan` at `rate`, measured for `measured_ms`.
fn step_plan(plan: &Plan, rate: f64, measured_ms: u64) -> Plan {
    let mut plan = plan.clone();
    if let Some(producers) = plan.work.producers_mut() {
        producers.rate = Some(rate);
    }
    plan.end = End { after_ms: Some(measured_ms), ..End::default() };
    plan
}

/// Passes seconds on and keeps when the load began.
struct Watch<'a> {
    observer: &'a mut dyn SearchObserver,
    started: Instant,
}

impl Observer for Watch<'_> {
    fn started(&mut self, _: &Start<'_>) {
        self.started = Instant::now();
    }

    fn second(&mut self, snapshot: &Snapshot) -> ControlFlow<()> {
        self.observer.second(snapshot);
        ControlFlow::Continue(())
    }
}
