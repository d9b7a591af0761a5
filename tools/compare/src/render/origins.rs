//! Where the figures come from, and what speaks against them.

use std::collections::BTreeMap;

use crate::figure::Figure;
use crate::record::Record;
use crate::render::measured;
use crate::side::Side;

/// Rounds that lie further apart, as a share of their median, are named.
const WIDTH_MAX: f64 = 0.25;
const NOISY_FIGURES: [Figure; 2] = [Figure::MessagesPerSecond, Figure::BrokerCpuUs];

/// Title, machine and versions.
pub(super) fn head(record: &Record) -> String {
    let machine = &record.machine;
    let processors = machine.processors;
    let mut text = format!(
        "# {}\n\nMade by `make {}`; every figure is in the raw data beside this file. [README.md](README.md) says how to \
         read it, what is fair about it and what is not.\n\n",
        record.scope.title(),
        record.scope.make_target()
    );
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            text.push_str(&format!("- {name}: {value}\n"));
        }
    };
    line("when", format!("{} to {}", record.started_at, record.ended_at));
    line("commit", record.commit.clone().unwrap_or_else(|| "built outside a repository".to_owned()));
    let virtualised =
        machine.virtualised.as_ref().map_or("no hypervisor seen".to_owned(), |kind| format!("virtual: {kind}"));
    line(
        "machine",
        format!(
            "{} × {} ({} cores, {} NUMA nodes, {virtualised}), {:.1} GiB",
            processors.logical,
            machine.cpu_model,
            processors.physical,
            processors.numa_nodes,
            machine.memory_bytes as f64 / f64::from(1 << 30)
        ),
    );
    line("system", format!("{}, Linux {} {}", machine.distribution, machine.kernel, machine.architecture));
    if let Some(store) = &machine.store {
        let scheduler = store.scheduler.as_deref().unwrap_or("unknown");
        line("store", format!("{} on {}, I/O scheduler {scheduler}, the same for all", store.file_system, store.disk));
    }
    line("huge pages", machine.huge_pages.clone().unwrap_or_default());
    for (program, version) in &record.versions {
        line(program, version.clone());
    }
    text
}

/// Failed requests, remarks of the load, and rounds that do not agree.
pub(super) fn remarks(record: &Record) -> String {
    let mut lines = noisy(record);
    lines.extend(notes(record));
    if lines.is_empty() {
        lines.push("No request failed, and no figure varied by more than a quarter between rounds.".to_owned());
    }
    let lines: String = lines.iter().map(|line| format!("- {line}\n")).collect();
    format!("## What to be careful about\n\n{lines}")
}

fn noisy(record: &Record) -> Vec<String> {
    let mut lines = Vec::new();
    for case in measured(record) {
        for side in Side::ALL {
            for figure in NOISY_FIGURES {
                let Some(spread) = record.spread(case.id, side, figure) else { continue };
                if spread.width() > WIDTH_MAX {
                    lines.push(format!(
                        "{}, {}: {} varied by {:.0} % of its median between rounds",
                        case.title,
                        side.name(),
                        figure.name(),
                        spread.width() * 100.0
                    ));
                }
            }
        }
    }
    lines
}

/// The same remark in several rounds is one.
fn notes(record: &Record) -> Vec<String> {
    let mut rounds: BTreeMap<(String, Side, String), Vec<String>> = BTreeMap::new();
    for measurement in &record.measurements {
        for note in &measurement.notes {
            let key = (measurement.case.clone(), measurement.side, note.clone());
            rounds.entry(key).or_default().push(measurement.round.to_string());
        }
    }
    let line = |((case, side, note), rounds): ((String, Side, String), Vec<String>)| {
        format!("{case}, {}, round {}: {note}", side.name(), rounds.join(", "))
    };
    rounds.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::record;

    #[test]
    fn rounds_that_disagree_are_named() {
        let text = remarks(&record("1x64", Figure::MessagesPerSecond, [50.0, 51.0, 52.0], [200.0, 300.0, 250.0]));
        assert!(text.contains("- send, 1 × 64, 1 KiB, Turbopump: messages/s varied by 40 %"), "{text}");
        assert!(!text.contains("Apache"), "{text}");
    }

    #[test]
    fn the_same_note_of_several_rounds_is_one_line() {
        let mut record = record("1x64", Figure::MessagesPerSecond, [50.0; 3], [200.0; 3]);
        assert!(remarks(&record).contains("No request failed"));
        for measurement in record.measurements.iter_mut().filter(|measurement| measurement.side == Side::Apache) {
            measurement.notes.push("7 requests failed: SYSTEM_BUSY".to_owned());
        }
        let text = remarks(&record);
        assert!(text.contains("- 1x64, Apache RocketMQ, round 1, 2, 3: 7 requests failed: SYSTEM_BUSY\n"), "{text}");
    }

    #[test]
    fn the_head_names_versions_and_commit() {
        let text = head(&record("1x64", Figure::MessagesPerSecond, [1.0; 3], [1.0; 3]));
        assert!(text.contains("- Apache RocketMQ: 5.5.0\n") && text.contains("- commit: 0123456789abcdef\n"), "{text}");
    }
}
