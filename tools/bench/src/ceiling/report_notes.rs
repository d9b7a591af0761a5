//! What a reader should know before believing a search's figures.

use super::ceiling_report::CeilingSettings;
use super::limits::LimitKind;
use super::search::Outcome;
use super::step_report::StepReport;

/// From here on the load machines may be what limits.
const BENCH_BUSY_MAX: f64 = 0.9;

/// More than this of the CPU for others changes the result. The kernel's own work for disk and network is in it.
const FOREIGN_CPU_MAX: f64 = 0.15;

/// What a reader should know before believing the figures.
pub(super) fn notes(settings: &CeilingSettings, steps: &[StepReport], outcome: &Outcome) -> Vec<String> {
    let mut notes: Vec<String> = steps.iter().flat_map(|step| step.load.notes.iter().cloned()).collect();
    if settings.sources.is_empty() {
        notes.push(
            "nobody looked at the brokers' machines: the load is safe only by latency, errors and backlog".into(),
        );
    }
    if steps.iter().flat_map(|step| &step.hosts).any(|host| host.is_here) {
        notes.push(
            "brokers and load share a machine: each takes processors from the other, the memory is that of both, and their \
             network is the loopback, for which there is no limit"
                .into(),
        );
    }
    // A load whose threads are busy and which keeps its rate has reached nothing: between sends close to each other it does not sleep.
    let fell_short = |step: &&StepReport| step.load.achieved < settings.limits.achieved * step.offered;
    if let Some(step) = steps.iter().filter(fell_short).find(|step| step.load.bench_busy > BENCH_BUSY_MAX) {
        notes.push(format!(
            "at {} messages/s the load itself was at its end ({:.0} % of what its threads can use): what was achieved may \
             be its limit and not the cluster's; give it more threads (--threads) or more machines (--lead, --join)",
            step.offered,
            step.load.bench_busy * 100.0
        ));
    }
    notes.extend(foreign(steps));
    notes.extend(unknown(settings, steps));
    if let Some(safe) = outcome.safe
        && safe.offered >= settings.search.rate_max
    {
        notes.push("the highest load that was allowed (--max-rate) held: the limit lies above it".into());
    }
    let mut seen = Vec::new();
    notes.retain(|note| {
        !seen.contains(note) && {
            seen.push(note.clone());
            true
        }
    });
    notes
}

/// Whether others used the brokers' machines meanwhile.
fn foreign(steps: &[StepReport]) -> Option<String> {
    let of = |step: &StepReport| {
        let shares = step.hosts.iter().filter_map(|host| {
            let cores = host.rates.cores.len().max(1) as f64;
            Some(host.foreign_cores(step.load.bench_cores)? / cores)
        });
        shares.max_by(f64::total_cmp)
    };
    let most = steps.iter().filter_map(of).max_by(f64::total_cmp)?;
    (most > FOREIGN_CPU_MAX).then(|| {
        format!(
            "up to {:.0} % of a broker machine's CPU went to something that is neither the broker nor the load: on a quiet \
             machine the result would be another",
            most * 100.0
        )
    })
}

/// Limits that could not be looked at in any step.
fn unknown(settings: &CeilingSettings, steps: &[StepReport]) -> Vec<String> {
    let Some(last) = steps.last() else { return Vec::new() };
    let never = |kind| {
        let of_kind = || steps.iter().flat_map(|step| &step.checks).filter(move |check| check.limit == kind);
        of_kind().all(|check| check.value.is_none())
    };
    let absent = last.checks.iter().filter(|check| never(check.limit) && !settings.sources.is_empty());
    let note = |kind: LimitKind| {
        let why = match kind {
            LimitKind::Network => "no link says its speed; give it with --link-mbit",
            LimitKind::DiskBusy => "no such disk was seen; name it with --disk",
            LimitKind::BrokerQueues => "only a broker's own endpoint shows its queues; give it with --sample",
            _ => "the brokers' machines do not show it",
        };
        format!("not checked: {} ({why})", kind.name())
    };
    absent.map(|check| note(check.limit)).collect()
}
