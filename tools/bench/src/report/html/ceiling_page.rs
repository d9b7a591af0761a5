//! The page of a search for the ceiling.

use maud::{Markup, html};

use super::axis::{Axis, Scale};
use super::chart::{At, Chart, MarkKind};
use super::facts::{facts_of, table};
use super::page::{notes, page, verdict};
use super::percentiles::{by_percentile, latency_axis};
use super::quantity::Quantity;
use super::resources::{Look, charts, over_time, share};
use crate::ceiling::CeilingReport;
use crate::ceiling::host_figures::{HostFigures, QueueDepth};
use crate::ceiling::limits::{LimitCheck, LimitKind, Unit};
use crate::ceiling::search::Purpose;
use crate::ceiling::step_report::StepReport;

/// The whole page of a search.
pub(super) fn ceiling_page(report: &CeilingReport) -> String {
    let soak = report.steps.iter().rfind(|step| step.purpose == Purpose::Soak);
    let body = html! {
        h1 { "mqbench ceiling" }
        p.soft { (report.started_at) ", " (report.steps.len()) " steps in " (Quantity::Seconds.format(report.took_s)) ", mqbench "
            (report.bench_version) ", commit " (report.commit.as_deref().unwrap_or("unknown")) }
        @if report.stopped { p { strong { "The search was stopped before it was over." } } }
        (verdict(&boxes(report)))
        (notes(&report.notes))
        h2 { "The curve" }
        p.soft { "Every step by what was offered: a load that is offered at a fixed rate, whatever the answers. Limits are dashed." }
        div.charts { (curve(report)) }
        h2 { "Latency by percentile" }
        div.charts { (percentile_charts(report, soak)) }
        @if let Some(soak) = soak { (soak_charts(soak)) }
        (steps(report))
        (limits(report, soak))
        div.columns {
            (table("Settings", &settings(report)))
            (table("Machine that leads the load", &facts_of(&report.machine)))
            @for joined in &report.joined { (table(&format!("Load machine {}", joined.address), &facts_of(&joined.machine))) }
        }
    };
    page(&format!("mqbench ceiling {}", report.started_at), &body)
}

fn boxes(report: &CeilingReport) -> Vec<(&'static str, &'static str, String, String)> {
    let none = || "none".to_owned();
    let rate = Quantity::PerSecond;
    let safe_words = |safe: f64| {
        format!(
            "every limit held for {} at {} offered",
            Quantity::Seconds.format(report.settings.soak_ms as f64 / 1e3),
            rate.format(safe)
        )
    };
    let first = report.first_limit.as_ref();
    vec![
        (
            "is-safe",
            "safe",
            report.safe.map_or_else(none, |safe| rate.format(safe.achieved)),
            report
                .safe
                .map_or_else(|| "no load held through the soak window".to_owned(), |safe| safe_words(safe.offered)),
        ),
        (
            "is-extreme",
            "extreme",
            report.extreme.map_or_else(none, |extreme| rate.format(extreme.achieved)),
            report.extreme.map_or_else(String::new, |extreme| {
                format!("the most at any step, at {} offered", rate.format(extreme.offered))
            }),
        ),
        (
            "",
            "first limit hit",
            first.map_or_else(none, |first| first.check.limit.name().to_owned()),
            first.map_or_else(
                || "every limit held up to the highest load".to_owned(),
                |first| {
                    format!("{} at {} offered (step {})", words(&first.check), rate.format(first.offered), first.step)
                },
            ),
        ),
    ]
}

fn figure(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Share => Quantity::Share.format(value),
        Unit::Milliseconds => Quantity::Milliseconds.format(value),
        Unit::Count => Quantity::Count.format(value),
    }
}

/// `12.3 ms of 10 ms`.
fn words(check: &LimitCheck) -> String {
    let unit = check.limit.unit();
    let value = check.value.map_or_else(|| "unknown".to_owned(), |value| figure(unit, value));
    let of = check.of.as_deref().map(|of| format!(" ({of})")).unwrap_or_default();
    let bound = if check.limit.is_minimum() { "at least" } else { "limit" };
    format!("{value}{of}, {bound} {}", figure(unit, check.bound))
}

/// The steps of the curve by what was offered. Of a load that was measured twice, what counted: the later. Soaks are
/// other measurements and have a section of their own.
fn by_load(report: &CeilingReport) -> Vec<&StepReport> {
    let mut steps: Vec<&StepReport> = report.steps.iter().filter(|step| step.purpose != Purpose::Soak).collect();
    steps.sort_by(|left, right| left.offered.total_cmp(&right.offered).then(left.number.cmp(&right.number)));
    steps.dedup_by(|later, kept| {
        let same = later.offered == kept.offered;
        if same {
            std::mem::swap(later, kept);
        }
        same
    });
    steps
}

fn curve(report: &CeilingReport) -> Markup {
    let steps = by_load(report);
    let of = |of: &dyn Fn(&StepReport) -> Option<f64>| {
        steps.iter().filter_map(|step| Some((step.offered, of(step)?))).collect::<Vec<_>>()
    };
    let value = |kind| move |step: &StepReport| step.checks.iter().find(|check| check.limit == kind)?.value;
    let worst = |of: fn(&HostFigures) -> Option<f64>| {
        move |step: &StepReport| step.hosts.iter().filter_map(of).max_by(f64::total_cmp)
    };
    let of_disk = |of: fn(&host::DiskRates) -> f64| {
        move |step: &StepReport| {
            step.hosts.iter().filter_map(|host| host.disk_of(&host.rates).map(of)).max_by(f64::total_cmp)
        }
    };
    let queue = |of: fn(&QueueDepth) -> u64| {
        move |step: &StepReport| {
            let depths = step.hosts.iter().filter_map(|host| host.queues.as_ref());
            depths.map(|queues| of(queues) as f64).reduce(|sum, one| sum + one)
        }
    };
    let limits = &report.settings.limits;
    let limit = |at, words: &str| (At::Y(at), words.to_owned());
    let with_limit = |chart: Chart, (at, words): (At, String)| chart.mark(at, words, MarkKind::Limit);
    let percentile = |us: fn(&StepReport) -> u64| {
        move |step: &StepReport| (step.load.latency.percentiles.count > 0).then(|| us(step) as f64 / 1e3)
    };
    let throughput = by_offered(report, "Achieved", Axis::new("messages a second", Quantity::PerSecond, Scale::Linear))
        .line("offered", of(&|step| Some(step.offered)))
        .line("achieved", of(&|step| Some(step.load.achieved)))
        .line("received", of(&|step| step.load.received));
    let latency = by_offered(report, "Latency of a send, from when it was due", latency_axis())
        .line("p50", of(&percentile(|step| step.load.latency.percentiles.p50_us)))
        .line("p99", of(&percentile(|step| step.load.latency.percentiles.p99_us)))
        .line("p99.9", of(&percentile(|step| step.load.latency.percentiles.p99_9_us)));
    let latency = with_limit(latency, limit(limits.p99_ms, "limit of p99"));
    let latency = with_limit(latency, limit(limits.p99_9_ms, "limit of p99.9"));
    let cpu = by_offered(report, "CPU of the busiest broker machine", share("busy share"))
        .line("all processors", of(&StepReport::cpu))
        .line("busiest core", of(&StepReport::busiest_core))
        .line("waiting for a disk (iowait)", of(&worst(|host| Some(host.rates.iowait))))
        .line("threads of the load", of(&|step| Some(step.load.bench_busy)));
    let cpu = with_limit(cpu, limit(limits.cpu, "limit, all processors"));
    let cpu = with_limit(cpu, limit(limits.core, "limit, busiest core"));
    let disk = by_offered(report, "Disk busy", share("busy share")).line("busy", of(&value(LimitKind::DiskBusy)));
    let network = by_offered(report, "Network, share of link", share("share of link speed"))
        .line("busier direction", of(&value(LimitKind::Network)));
    let bytes = |label| Axis::new(label, Quantity::Bytes, Scale::Linear);
    html! {
        (throughput.render())
        (latency.render())
        (cpu.render())
        (with_limit(disk, limit(limits.disk_busy, "limit")).render())
        (by_offered(report, "Disk: time of a request", Axis::new("time of a request", Quantity::Milliseconds, Scale::Linear))
            .line("reads and writes", of(&of_disk(|disk| disk.await_ms)))
            .line("writes", of(&of_disk(|disk| disk.write_await_ms)))
            .render())
        (by_offered(report, "Disk: written", Axis::new("bytes", Quantity::BytesPerSecond, Scale::Linear))
            .line("written", of(&of_disk(|disk| disk.written_bytes)))
            .render())
        (with_limit(network, limit(limits.network, "limit")).render())
        (by_offered(report, "Network, all links", Axis::new("bytes", Quantity::BytesPerSecond, Scale::Linear))
            .line("received", of(&worst(|host| Some(host.rates.links().map(|link| link.received_bytes).sum()))))
            .line("sent", of(&worst(|host| Some(host.rates.links().map(|link| link.sent_bytes).sum()))))
            .render())
        (by_offered(report, "Memory", bytes("bytes"))
            .line("broker, in RAM", of(&worst(|host| host.process.as_ref().map(|process| process.rss_bytes as f64))))
            .line("broker, its own", of(&worst(|host| host.process.as_ref().map(|process| process.anonymous_bytes as f64))))
            .render())
        (by_offered(report, "Queues in the brokers, at most", bytes("bytes"))
            .line("not written yet", of(&queue(|queues| queues.unwritten_bytes_max)))
            .line("not synced yet", of(&queue(|queues| queues.unsynced_bytes_max)))
            .line("answers not sent yet", of(&queue(|queues| queues.outbox_bytes_max)))
            .render())
    }
}

/// A chart over what was offered, with the safe and the extreme load.
fn by_offered(report: &CeilingReport, title: &str, y: Axis) -> Chart {
    let mut chart = Chart::new(title, Axis::new("messages a second offered", Quantity::PerSecond, Scale::Linear), y);
    if let Some(extreme) = report.extreme {
        let words = format!("extreme {}", Quantity::PerSecond.format(extreme.achieved));
        chart = chart.mark(At::X(extreme.offered), words, MarkKind::Extreme);
    }
    if let Some(safe) = report.safe {
        chart = chart.mark(
            At::X(safe.offered),
            format!("safe {}", Quantity::PerSecond.format(safe.achieved)),
            MarkKind::Safe,
        );
    }
    chart
}

fn percentile_charts(report: &CeilingReport, soak: Option<&StepReport>) -> Markup {
    let at = |step: &StepReport, what: &str| format!("{what}, {} offered", Quantity::PerSecond.format(step.offered));
    let mut lines = Vec::new();
    if let Some(soak) = soak {
        lines.push((at(soak, "soak"), &soak.load.latency));
        lines.extend(soak.load.receive_latency.as_ref().map(|latency| (at(soak, "soak, received"), latency)));
    }
    let of_number = |number| report.steps.iter().find(|step| Some(step.number) == number);
    let first =
        of_number(report.first_limit.as_ref().map(|first| first.step)).filter(|step| step.purpose != Purpose::Soak);
    lines.extend(first.map(|step| (at(step, "first limit"), &step.load.latency)));
    let is_extreme = |step: &&StepReport| report.extreme.is_some_and(|extreme| extreme.achieved == step.load.achieved);
    let extreme = report.steps.iter().find(is_extreme).filter(|step| step.purpose != Purpose::Soak);
    lines.extend(extreme.map(|step| (at(step, "extreme"), &step.load.latency)));
    by_percentile("Latency of a send by percentile", &lines)
}

fn soak_charts(soak: &StepReport) -> Markup {
    html! {
        @for host in &soak.hosts {
            h2 { "The last soak window: " (host.source) }
            div.charts {
                (charts(&host.points.iter().map(|point| Look { second: point.second, rates: &point.rates }).collect::<Vec<_>>(), host.disk.as_deref()))
                (over_time("Memory of the broker", Axis::new("bytes in RAM", Quantity::Bytes, Scale::Linear))
                    .line("in RAM", host.points.iter().filter_map(|point| Some((point.second, point.rss_bytes? as f64))))
                    .render())
                @if host.queues.is_some() {
                    (over_time("Queues of the broker", Axis::new("bytes", Quantity::Bytes, Scale::Linear))
                        .line("not written yet", host.points.iter().map(|point| (point.second, point.unwritten_bytes as f64)))
                        .line("answers not sent yet", host.points.iter().map(|point| (point.second, point.outbox_bytes as f64)))
                        .render())
                    (over_time("Connections that were not read", Axis::new("connections", Quantity::Count, Scale::Linear))
                        .line("stalled", host.points.iter().map(|point| (point.second, point.stalled_connections as f64)))
                        .render())
                }
            }
        }
    }
}

fn steps(report: &CeilingReport) -> Markup {
    let share = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| Quantity::Share.format(value));
    let ms = |us: u64| Quantity::Milliseconds.format(us as f64 / 1e3);
    let columns = [
        "for",
        "offered",
        "achieved",
        "p50",
        "p99",
        "p99.9",
        "greatest",
        "failed",
        "CPU",
        "core",
        "disk busy",
        "await",
        "written",
        "link",
        "broker RAM",
    ];
    html! {
        h2 { "Steps" }
        div.wide { table {
            tr { th { "" } @for column in columns { th { (column) } } th.words { "limits that did not hold" } }
            @for step in &report.steps {
                @let latency = &step.load.latency.percentiles;
                @let disk = step.hosts.iter().filter_map(|host| host.disk_of(&host.rates)).max_by(|left, right| left.busy.total_cmp(&right.busy));
                @let value = |kind| step.checks.iter().find(|check| check.limit == kind).and_then(|check| check.value);
                @let rss = step.hosts.iter().filter_map(|host| host.process.as_ref()).map(|process| process.rss_bytes).max();
                tr class=(format!("{} {}", if step.held() { "held" } else { "broke" }, step.purpose.name())) {
                    td { (step.number) }
                    td { (step.purpose.name()) @if step.is_repeat { " again" } }
                    td { (Quantity::PerSecond.format(step.offered)) }
                    td { (Quantity::PerSecond.format(step.load.achieved)) }
                    @for us in [latency.p50_us, latency.p99_us, latency.p99_9_us, latency.max_us] { td { (ms(us)) } }
                    td { (Quantity::Count.format(step.load.errors as f64)) }
                    td { (share(step.cpu())) }
                    td { (share(step.busiest_core())) }
                    td { (share(value(LimitKind::DiskBusy))) }
                    td { (disk.map_or_else(|| "–".to_owned(), |disk| Quantity::Milliseconds.format(disk.await_ms))) }
                    td { (disk.map_or_else(|| "–".to_owned(), |disk| Quantity::BytesPerSecond.format(disk.written_bytes))) }
                    td { (share(value(LimitKind::Network))) }
                    td { (rss.map_or_else(|| "–".to_owned(), |rss| Quantity::Bytes.format(rss as f64))) }
                    td.words { (step.broken().iter().map(|check| format!("{}: {}", check.limit.name(), words(check))).collect::<Vec<_>>().join("; ")) }
                }
            }
        } }
    }
}

fn limits(report: &CeilingReport, soak: Option<&StepReport>) -> Markup {
    let shown = soak.or(report.steps.last());
    html! {
        @if let Some(step) = shown {
            h2 { "Limits, at " (Quantity::PerSecond.format(step.offered)) " offered (step " (step.number) ", " (step.purpose.name()) ")" }
            div.wide { table {
                tr { th { "limit" } th { "measured" } th { "limit" } th { "used up" } th.words { "flag" } }
                @for check in &step.checks {
                    tr class=(if check.held() { "held" } else { "broke" }) {
                        td { (check.limit.name()) @if let Some(of) = &check.of { " (" (of) ")" } }
                        td { (check.value.map_or_else(|| "not checked".to_owned(), |value| figure(check.limit.unit(), value))) }
                        td { (figure(check.limit.unit(), check.bound)) }
                        td { @if check.value.is_some() && check.used().is_finite() { (Quantity::Share.format(check.used())) } @else { "–" } }
                        td.words { (check.limit.flag()) }
                    }
                }
            } }
        }
    }
}

fn settings(report: &CeilingReport) -> Vec<(String, String)> {
    let mut facts = vec![("command line".to_owned(), report.command_line.join(" "))];
    facts.extend(facts_of(&report.settings));
    facts.extend(
        report
            .brokers
            .iter()
            .map(|broker| (format!("broker {}", broker.name), format!("{}, {} queues", broker.address, broker.queues))),
    );
    facts
}
