//! What a search found out: the JSON report.

use host::Machine;
use serde::{Deserialize, Serialize};

use super::limits::{LimitCheck, Limits};
use super::search::{Load, Outcome};
use super::search_settings::SearchSettings;
use super::step_report::StepReport;
use crate::plan::Plan;
use crate::report::Broker;

/// Version of the JSON form. It goes up when a member changes its meaning or goes away, not when one is added.
pub const CEILING_SCHEMA: u32 = 1;

/// What tells the report's file from that of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportKind {
    /// The only one.
    #[default]
    Ceiling,
}

/// Everything about one search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CeilingReport {
    /// Always `ceiling`.
    pub report: ReportKind,
    /// [`CEILING_SCHEMA`] of the bench that wrote it.
    pub schema: u32,
    /// Version of the bench.
    pub bench_version: String,
    /// Commit the bench was built from; `None` if it was built outside a repository.
    pub commit: Option<String>,
    /// How it was called.
    pub command_line: Vec<String>,
    /// Everything that was set, defaults included.
    pub settings: CeilingSettings,
    /// The brokers that were loaded.
    pub brokers: Vec<Broker>,
    /// The machine that leads the load.
    pub machine: Option<Machine>,
    /// The machines that joined it.
    pub joined: Vec<JoinedMachine>,
    /// UTC, as 2026-05-04T12:00:00Z.
    pub started_at: String,
    /// How long all of it took.
    pub took_s: f64,
    /// All steps in the order of time.
    pub steps: Vec<StepReport>,
    /// The most that was achieved at any step, whatever the limits said.
    pub extreme: Option<Load>,
    /// The most that held through the soak window.
    pub safe: Option<Load>,
    /// The limit that was hit first when the load was raised; `None` if none was up to the highest load.
    pub first_limit: Option<FirstLimit>,
    /// Somebody stopped the search before it was over.
    pub stopped: bool,
    /// What a reader should know before believing the figures.
    pub notes: Vec<String>,
}

/// Everything that was set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CeilingSettings {
    /// The load of one machine, but for the rate.
    pub plan: Plan,
    /// How the search goes about it.
    pub search: SearchSettings,
    /// What has to hold.
    pub limits: Limits,
    /// Measured time of a step, in milliseconds.
    pub step_ms: u64,
    /// Measured time of the soak window, in milliseconds.
    pub soak_ms: u64,
    /// Pause between steps, in milliseconds, for what is left over from the step before.
    pub settle_ms: u64,
    /// Time between two looks at the brokers' machines, in milliseconds.
    pub sample_ms: u64,
    /// Where the samples came from.
    pub sources: Vec<String>,
    /// The disk that the limit is held against; `None` = the busiest.
    pub disk: Option<String>,
    /// Speed of links whose driver does not say it.
    pub link_mbit: Option<u64>,
}

/// A load machine that joined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JoinedMachine {
    /// Its address, as the leader sees it.
    pub address: String,
    /// What it is.
    pub machine: Option<Machine>,
}

/// The limit that was hit first, and where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FirstLimit {
    /// The step's number.
    pub step: u32,
    /// Messages a second offered there.
    pub offered: f64,
    /// The limit that was passed furthest there.
    pub check: LimitCheck,
    /// The others that were passed there.
    pub also: Vec<LimitCheck>,
}

impl FirstLimit {
    /// Of the lowest load above the safe one (or of all, if none is safe) that did not hold. A load that held when
    /// it was repeated does not count, nor one below another that held.
    #[must_use]
    pub fn of(steps: &[StepReport], outcome: &Outcome) -> Option<Self> {
        let safe = outcome.safe.map_or(0.0, |safe| safe.offered);
        let highest_held = steps.iter().filter(|step| step.held()).map(|step| step.offered).fold(safe, f64::max);
        let soaked = steps.iter().filter(|step| step.purpose == super::search::Purpose::Soak && !step.held());
        let broke = steps.iter().filter(|step| !step.held() && step.offered > highest_held);
        // Soaks that failed lie below loads that held for a short while: they count too.
        // Of a load that was measured twice, the later decided.
        let order = |left: &&StepReport, right: &&StepReport| {
            left.offered.total_cmp(&right.offered).then(right.number.cmp(&left.number))
        };
        let lowest = broke.chain(soaked).min_by(order)?;
        let mut broken = lowest.broken().into_iter().cloned();
        let check = broken.next()?;
        Some(Self { step: lowest.number, offered: lowest.offered, check, also: broken.collect() })
    }
}
