//! The table at the end of a run.

use super::units::{bytes, duration, grouped};
use super::{EndedBy, LatencyOf, ProcessUse, RunReport, Side};
use crate::plan::{Consumers, Producers, ReceiveMode, SendMode};

/// The report as text, for people; ends with a line break.
#[must_use]
pub fn table(report: &RunReport) -> String {
    let mut text = String::new();
    let mut line = |line: String| {
        text.push_str(line.trim_end());
        text.push('\n');
    };
    for head in head(report) {
        line(head);
    }
    line(String::new());
    line(format!(
        "{:<9}{:>14}{:>12}{:>11}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>9}",
        "", "messages", "a second", "a second", "p50", "p90", "p99", "p99.9", "p99.99", "max", "errors"
    ));
    let sides = [("sent", &report.sends), ("received", &report.receives)];
    for (name, side) in sides {
        if let Some(side) = side {
            line(row(name, side, report.measured_s));
        }
    }
    line(String::new());
    for (name, side) in sides {
        let Some(side) = side else { continue };
        line(format!("latency of {name}: {}", latency_of(side.latency_of)));
        for error in &side.errors {
            let code = error.code.map(|code| format!(" ({code})")).unwrap_or_default();
            line(format!(
                "errors of {name}: {} x {}{code}, first: {}",
                grouped(error.count),
                error.name,
                error.example
            ));
        }
        if side.foreign_messages > 0 {
            line(format!("{} messages of others were received and not counted", grouped(side.foreign_messages)));
        }
    }
    line(process("bench", &report.bench));
    for broker in &report.broker_processes {
        line(process("broker", broker));
    }
    for note in &report.notes {
        line(format!("note: {note}"));
    }
    text
}

fn head(report: &RunReport) -> Vec<String> {
    let plan = &report.plan;
    let commit = report.commit.as_deref().map(|commit| format!(" ({commit})")).unwrap_or_default();
    let mut lines =
        vec![format!("mqbench {}{commit}: {} on {}", report.bench_version, plan.work.name(), report.started_at)];
    let brokers: Vec<_> = report.brokers.iter().map(|broker| format!("{} ({})", broker.name, broker.address)).collect();
    let queues: usize = report.brokers.iter().map(|broker| broker.queues).sum();
    let topics = plan.topics.len();
    lines.push(format!("  cluster  {topics} topics, {queues} queues on {}", brokers.join(", ")));
    lines.extend(plan.work.producers().map(|producers| format!("  send     {}", producers_text(producers))));
    lines.extend(plan.work.consumers().map(|consumers| format!("  receive  {}", consumers_text(consumers))));
    let ended_by = match report.ended_by {
        EndedBy::Time => "ended by time",
        EndedBy::Messages => "ended by the number of messages",
        EndedBy::Drained => "ended when all was received",
        EndedBy::Stopped => "stopped early",
    };
    let warm_up_s = plan.warm_up_ms as f64 / 1e3;
    lines.push(format!("  time     {:.3} s measured after {warm_up_s} s of warm-up; {ended_by}", report.measured_s));
    lines
}

fn producers_text(producers: &Producers) -> String {
    let mode = match producers.mode {
        SendMode::Sync => "sync".to_owned(),
        SendMode::Async => "async".to_owned(),
        SendMode::Oneway => "one-way".to_owned(),
        SendMode::Batch => format!("batches of {}", producers.batch),
    };
    let rate = producers.rate.map_or("closed loop".to_owned(), |rate| format!("open loop at {rate}/s"));
    let keys = if producers.keys { ", keys" } else { "" };
    format!(
        "{mode}, {} connections x {} in flight, {rate}, bodies of {} bytes{keys}",
        producers.connections, producers.in_flight, producers.body_size
    )
}

fn consumers_text(consumers: &Consumers) -> String {
    let mode = match consumers.mode {
        ReceiveMode::Pull => "pull",
        ReceiveMode::Push => "long polling",
    };
    format!("{mode} of {}, {} connections, group {}", consumers.batch, consumers.connections, consumers.group)
}

fn row(name: &str, side: &Side, measured_s: f64) -> String {
    let latency = &side.latency.percentiles;
    let values = [latency.p50_us, latency.p90_us, latency.p99_us, latency.p99_9_us, latency.p99_99_us, latency.max_us];
    let per_second = if measured_s > 0.0 { (side.bytes as f64 / measured_s) as u64 } else { 0 };
    let mut text = format!(
        "{name:<9}{:>14}{:>12}{:>11}",
        grouped(side.messages),
        grouped(side.messages_per_second.round() as u64),
        bytes(per_second)
    );
    for value in values {
        text.push_str(&format!("{:>10}", duration(value)));
    }
    text.push_str(&format!("{:>9}", grouped(side.error_count())));
    text
}

fn latency_of(latency_of: LatencyOf) -> &'static str {
    match latency_of {
        LatencyOf::SendFromStart => "from the start of a send until its answer was read",
        LatencyOf::SendFromDue => "from when a send was due until its answer was read",
        LatencyOf::HandOver => "from when a send was started or due until the kernel had taken it (one-way)",
        LatencyOf::Pull => "from a pull to its answer, of those that brought messages",
        LatencyOf::EndToEnd => "from when a message was due to be sent until a consumer had it",
    }
}

fn process(name: &str, used: &ProcessUse) -> String {
    format!(
        "{name} process {}: {:.2} CPU s, {:.2} us a message (CPU s for a million), memory {} (at most {})",
        used.pid,
        used.cpu_s,
        used.cpu_us_per_message,
        bytes(used.rss_bytes),
        bytes(used.rss_bytes_max)
    )
}
