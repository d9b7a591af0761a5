//! The page of a run.

use maud::{Markup, html};

use super::axis::{Axis, Scale};
use super::chart::{Chart, Series};
use super::facts::{facts_of, table};
use super::page::{notes, page, verdict};
use super::percentiles::{by_percentile, latency_axis};
use super::quantity::Quantity;
use super::resources::{Look, charts, over_time};
use crate::report::{LatencyOf, ProcessUse, RunReport, Sample, Side, SideSample};

/// The whole page of a run.
pub(super) fn run_page(report: &RunReport) -> String {
    let title = format!("mqbench {} {}", report.plan.work.name(), report.started_at);
    let body = html! {
        h1 { "mqbench " (report.plan.work.name()) }
        p.soft { (report.started_at) ", " (Quantity::Seconds.format(report.measured_s)) " measured, mqbench " (report.bench_version)
            ", commit " (report.commit.as_deref().unwrap_or("unknown")) }
        (verdict(&boxes(report)))
        (notes(&report.notes))
        h2 { "Throughput and latency" }
        div.charts { (load_charts(report)) }
        h2 { "Latency by percentile" }
        div.charts { (percentile_charts(report)) }
        h2 { "Resources of the machine of the load" }
        div.charts { (process_charts(report)) (host_charts(report)) }
        (summary(report))
        (errors(report))
        div.columns { (table("Settings", &settings(report))) (table("Machine", &facts_of(&report.machine))) }
    };
    page(&title, &body)
}

fn sides(report: &RunReport) -> impl Iterator<Item = (&'static str, &Side)> {
    [("sent", &report.sends), ("received", &report.receives)]
        .into_iter()
        .filter_map(|(name, side)| Some((name, side.as_ref()?)))
}

fn boxes(report: &RunReport) -> Vec<(&'static str, &'static str, String, String)> {
    let mut boxes = Vec::new();
    for (name, side) in sides(report) {
        let latency = &side.latency.percentiles;
        boxes.push((
            "",
            name,
            Quantity::PerSecond.format(side.messages_per_second),
            format!("{} messages", Quantity::Count.format(side.messages as f64)),
        ));
        boxes.push((
            "",
            latency_of(side.latency_of),
            format!("{} / {}", ms(latency.p50_us), ms(latency.p99_us)),
            format!("p50 / p99; p99.9 {}, greatest {}", ms(latency.p99_9_us), ms(latency.max_us)),
        ));
    }
    boxes.push(("", "failed requests", Quantity::Count.format(report.errors() as f64), String::new()));
    for broker in &report.broker_processes {
        let words = format!("process {}, {} in RAM", broker.pid, Quantity::Bytes.format(broker.rss_bytes_max as f64));
        boxes.push(("", "broker CPU a message", format!("{:.2} µs", broker.cpu_us_per_message), words));
    }
    let words = format!("{:.2} CPU seconds", report.bench.cpu_s);
    boxes.push(("", "the load's CPU a message", format!("{:.2} µs", report.bench.cpu_us_per_message), words));
    boxes
}

fn ms(us: u64) -> String {
    Quantity::Milliseconds.format(us as f64 / 1e3)
}

fn latency_of(kind: LatencyOf) -> &'static str {
    match kind {
        LatencyOf::SendFromStart => "latency of a send, from its start",
        LatencyOf::SendFromDue => "latency of a send, from when it was due",
        LatencyOf::HandOver => "time until the kernel had a message",
        LatencyOf::Pull => "time of a pull with messages",
        LatencyOf::EndToEnd => "latency end to end, from when the send was due",
    }
}

/// The end of a sample's second, from the beginning of the measured time.
fn end_of(sample: &Sample) -> f64 {
    f64::from(sample.second) + f64::from(sample.length_ms) / 1e3
}

fn load_charts(report: &RunReport) -> Markup {
    let length = |sample: &Sample| f64::from(sample.length_ms.max(1)) / 1e3;
    let both = [("sent", sends as fn(&Sample) -> Option<&SideSample>), ("received", receives)];
    let mut rate = over_time("Messages", Axis::new("messages a second", Quantity::PerSecond, Scale::Linear));
    let mut errors = over_time("Failed requests", Axis::new("requests a second", Quantity::PerSecond, Scale::Linear));
    let mut bytes = over_time("Bytes of frames", Axis::new("bytes", Quantity::BytesPerSecond, Scale::Linear));
    for (name, side) in both {
        let per_second = |of: fn(&SideSample) -> u64| {
            report
                .samples
                .iter()
                .filter_map(move |sample| Some((end_of(sample), of(side(sample)?) as f64 / length(sample))))
        };
        rate = rate.line(name, per_second(|side| side.messages));
        bytes = bytes.line(name, per_second(|side| side.bytes));
        errors = errors.line(name, per_second(|side| side.errors));
    }
    let waiting = over_time("Waiting", Axis::new("messages", Quantity::Count, Scale::Linear))
        .line("due and not sent yet", report.samples.iter().map(|sample| (end_of(sample), sample.owed as f64)))
        .line(
            "sent and not received yet",
            report
                .undelivered
                .iter()
                .flat_map(|_| &report.samples)
                .map(|sample| (end_of(sample), sample.undelivered as f64)),
        );
    html! {
        (rate.render())
        @for (name, side) in both { (latency_over_time(report, name, side)) }
        (bytes.render())
        @if report.errors() > 0 { (errors.render()) }
        @if report.samples.iter().any(|sample| sample.owed > 0 || sample.undelivered > 0) { (waiting.render()) }
    }
}

fn sends(sample: &Sample) -> Option<&SideSample> {
    sample.sends.as_ref()
}

fn receives(sample: &Sample) -> Option<&SideSample> {
    sample.receives.as_ref()
}

fn latency_over_time(report: &RunReport, name: &str, side: fn(&Sample) -> Option<&SideSample>) -> Markup {
    let of = |of: fn(&SideSample) -> u64| {
        // A second in which nothing was answered has no latency.
        let answered = report.samples.iter().filter_map(move |sample| Some((sample, side(sample)?)));
        let answered = answered.filter(|(_, side)| side.latency.count > 0);
        answered.map(move |(sample, side)| (end_of(sample), of(side) as f64 / 1e3))
    };
    over_time(&format!("Latency of what was {name}"), latency_axis())
        .line("p50", of(|side| side.latency.p50_us))
        .line("p99", of(|side| side.latency.p99_us))
        .line("p99.9", of(|side| side.latency.p99_9_us))
        .line("greatest", of(|side| side.latency.max_us))
        .render()
}

fn percentile_charts(report: &RunReport) -> Markup {
    let lines: Vec<_> =
        sides(report).map(|(name, side)| (format!("{name}: {}", latency_of(side.latency_of)), &side.latency)).collect();
    by_percentile("Latency by percentile", &lines)
}

fn process_charts(report: &RunReport) -> Markup {
    let cores = |us: u64, sample: &Sample| us as f64 / 1e3 / f64::from(sample.length_ms.max(1));
    let mut cpu = over_time("Processors in use by process", Axis::new("processors", Quantity::Count, Scale::Linear))
        .line("load", report.samples.iter().map(|sample| (end_of(sample), cores(sample.bench_cpu_us, sample))));
    let mut memory = over_time("Memory of the brokers", Axis::new("bytes in RAM", Quantity::Bytes, Scale::Linear));
    for (index, process) in report.broker_processes.iter().enumerate() {
        let name = format!("broker {}", process.pid);
        let points = || report.samples.iter().filter_map(move |sample| Some((sample, sample.brokers.get(index)?)));
        cpu = cpu.line(&name, points().map(|(sample, broker)| (end_of(sample), cores(broker.cpu_us, sample))));
        memory
            .series
            .push(Series::new(&name, points().map(|(sample, broker)| (end_of(sample), broker.rss_bytes as f64))));
    }
    html! { (cpu.render()) (Chart::render(&memory)) }
}

fn host_charts(report: &RunReport) -> Markup {
    let looks: Vec<Look<'_>> = report
        .samples
        .iter()
        .filter_map(|sample| Some(Look { second: end_of(sample), rates: sample.host.as_ref()? }))
        .collect();
    charts(&looks, None)
}

fn summary(report: &RunReport) -> Markup {
    let percentiles =
        ["messages", "messages/s", "bytes", "p50", "p90", "p99", "p99.9", "p99.99", "greatest", "mean", "failed"];
    html! {
        h2 { "Summary" }
        div.wide { table {
            tr { th { "" } @for name in percentiles { th { (name) } } }
            @for (name, side) in sides(report) {
                @let latency = &side.latency.percentiles;
                tr {
                    td { (name) }
                    td { (Quantity::Count.format(side.messages as f64)) }
                    td { (Quantity::PerSecond.format(side.messages_per_second)) }
                    td { (Quantity::Bytes.format(side.bytes as f64)) }
                    @for us in [latency.p50_us, latency.p90_us, latency.p99_us, latency.p99_9_us, latency.p99_99_us, latency.max_us] {
                        td { (ms(us)) }
                    }
                    td { (Quantity::Milliseconds.format(latency.mean_us / 1e3)) }
                    td { (Quantity::Count.format(side.error_count() as f64)) }
                }
            }
        } }
        div.wide { table {
            tr { th { "process" } th { "CPU seconds" } th { "CPU µs a message" } th { "in RAM at the end" } th { "in RAM at most" } }
            (process_row("load", &report.bench))
            @for broker in &report.broker_processes { (process_row(&format!("broker {}", broker.pid), broker)) }
        } }
    }
}

fn process_row(name: &str, process: &ProcessUse) -> Markup {
    html! {
        tr {
            td { (name) }
            td { (format!("{:.2}", process.cpu_s)) }
            td { (format!("{:.2}", process.cpu_us_per_message)) }
            td { (Quantity::Bytes.format(process.rss_bytes as f64)) }
            td { (Quantity::Bytes.format(process.rss_bytes_max as f64)) }
        }
    }
}

fn errors(report: &RunReport) -> Markup {
    let errors: Vec<_> =
        sides(report).flat_map(|(name, side)| side.errors.iter().map(move |error| (name, error))).collect();
    html! {
        @if !errors.is_empty() {
            h2 { "Failed requests" }
            div.wide { table {
                tr { th { "" } th.words { "what" } th { "code" } th { "requests" } th.words { "first one's words" } }
                @for (name, error) in errors {
                    tr {
                        td { (name) } td.words { (error.name) }
                        td { (error.code.map_or_else(|| "–".to_owned(), |code| code.to_string())) }
                        td { (Quantity::Count.format(error.count as f64)) } td.words { (error.example) }
                    }
                }
            } }
        }
    }
}

fn settings(report: &RunReport) -> Vec<(String, String)> {
    let mut facts = vec![("command line".to_owned(), report.command_line.join(" "))];
    facts.extend(facts_of(&report.plan));
    facts.extend(
        report
            .brokers
            .iter()
            .map(|broker| (format!("broker {}", broker.name), format!("{}, {} queues", broker.address, broker.queues))),
    );
    facts
}
