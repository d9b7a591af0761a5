//! The result of a search as text.

use super::ceiling_report::CeilingReport;
use super::limits::{LimitCheck, Unit};
use super::step_report::StepReport;
use crate::report::units::{duration, grouped};

/// The steps and the result, for people; ends with a line break.
#[must_use]
pub fn text(report: &CeilingReport) -> String {
    let mut lines = vec![format!(
        "{:>4} {:<13}{:>12}{:>12}{:>9}{:>9}{:>9}{:>6}{:>6}{:>6}  {}",
        "step",
        "for",
        "offered/s",
        "achieved/s",
        "p50",
        "p99",
        "p99.9",
        "CPU",
        "core",
        "disk",
        "limits that did not hold"
    )];
    lines.extend(report.steps.iter().map(row));
    lines.push(String::new());
    lines.extend(report.notes.iter().map(|note| format!("note: {note}")));
    let soak_s = report.settings.soak_ms as f64 / 1e3;
    lines.push(match report.extreme {
        Some(load) => format!("extreme  {} messages/s, at {} offered", rate(load.achieved), rate(load.offered)),
        None => "extreme  nothing was achieved at any load".to_owned(),
    });
    lines.push(match report.safe {
        Some(load) => format!("safe     {} messages/s: every limit held for {soak_s} s", rate(load.achieved)),
        None if report.stopped => "safe     unknown: the search was stopped".to_owned(),
        None => format!("safe     none: no load held for {soak_s} s"),
    });
    lines.push(match &report.first_limit {
        Some(first) => {
            let words = words(&first.check);
            format!(
                "limit    {} was hit first: {words} at {} offered (step {})",
                first.check.limit.name(),
                rate(first.offered),
                first.step
            )
        }
        None => "limit    none was hit".to_owned(),
    });
    if let Some(nearest) = report.steps.last().filter(|_| report.safe.is_some()).and_then(StepReport::nearest) {
        lines.push(format!("         nearest at the safe load: {} {}", nearest.limit.name(), words(nearest)));
    }
    lines.into_iter().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// `12.30 ms of core 1 (limit 10.00 ms)`.
#[must_use]
pub fn words(check: &LimitCheck) -> String {
    let unit = check.limit.unit();
    let value = check.value.map_or_else(|| "unknown".to_owned(), |value| figure(unit, value));
    let of = check.of.as_deref().map(|of| format!(" of {of}")).unwrap_or_default();
    let bound = if check.limit.is_minimum() { "at least" } else { "limit" };
    format!("{value}{of} ({bound} {})", figure(unit, check.bound))
}

fn figure(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Share => format!("{:.1} %", value * 100.0),
        Unit::Milliseconds => duration((value * 1e3).round() as u64),
        Unit::Count => grouped(value.round() as u64),
    }
}

fn rate(rate: f64) -> String {
    grouped(rate.round() as u64)
}

fn row(step: &StepReport) -> String {
    let latency = &step.load.latency.percentiles;
    let share = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{:.0}%", value * 100.0));
    let disk = step.hosts.iter().filter_map(|host| host.disk_busy()).map(|disk| disk.0).max_by(f64::total_cmp);
    let again = if step.is_repeat { " again" } else { "" };
    let broken: Vec<&str> = step.broken().iter().map(|check| check.limit.name()).collect();
    format!(
        "{:>4} {:<13}{:>12}{:>12}{:>9}{:>9}{:>9}{:>6}{:>6}{:>6}  {}",
        step.number,
        format!("{}{again}", step.purpose.name()),
        rate(step.offered),
        rate(step.load.achieved),
        duration(latency.p50_us),
        duration(latency.p99_us),
        duration(latency.p99_9_us),
        share(step.cpu()),
        share(step.busiest_core()),
        share(disk),
        broken.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ceiling::fixture::ceiling_report;

    #[test]
    fn the_result_says_extreme_safe_and_the_limit_that_was_hit_first() {
        let text = text(&ceiling_report());
        for part in [
            "extreme  100,000 messages/s",
            "safe     5",
            "every limit held for 3 s",
            "limit    p99 latency was hit first: 20.0 ms (limit 10.0 ms)",
            "climb again",
            "soak",
        ] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
    }

    #[test]
    fn without_a_safe_load_the_result_says_so() {
        let mut report = ceiling_report();
        (report.safe, report.extreme, report.first_limit) = (None, None, None);
        assert!(text(&report).contains("safe     none: no load held for 3 s"), "{}", text(&report));
        report.stopped = true;
        assert!(text(&report).contains("the search was stopped"));
    }
}
