//! Everything that was measured, case by case.

use crate::case::{Action, Case};
use crate::figure::Figure;
use crate::number::significant;
use crate::record::Record;
use crate::render::{cell, measured, table};
use crate::side::Side;

const LOAD_FIGURES: &[Figure] = &[
    Figure::MessagesPerSecond,
    Figure::P50Us,
    Figure::P99Us,
    Figure::P999Us,
    Figure::P9999Us,
    Figure::BrokerCpuUs,
    Figure::LoadCpuUs,
];
/// Those that only some cases have.
const OTHER_FIGURES: &[Figure] = &[
    Figure::SendP50Us,
    Figure::SendP999Us,
    Figure::ReaderMessagesPerSecond,
    Figure::ReadyMs,
    Figure::IdleCpuPercent,
    Figure::ResidentBytes,
    Figure::AnonymousBytes,
    Figure::LeaderCpuUs,
    Figure::FollowersCpuUs,
    Figure::FollowersNetworkBytes,
    Figure::LoopbackBytes,
    Figure::ServesAgainMs,
    Figure::OutageMs,
    Figure::FailedSends,
    Figure::ReplicationBytesPerSecond,
    Figure::DiskWriteBytesPerSecond,
    Figure::DiskCopyBytesPerSecond,
    Figure::LoopbackBytesPerSecond,
];

/// Two tables: what happens under load, and the rest.
pub(super) fn section(record: &Record) -> String {
    let (loads, others) = (load_rows(record), other_rows(record));
    let mut text = String::from("## All figures\n");
    if !loads.is_empty() {
        let mut heading = vec!["case", ""];
        heading.extend(LOAD_FIGURES.iter().map(|figure| figure.name()));
        text.push_str(&format!(
            "\nMedians, and in parentheses the least and the greatest round. CPU is processor time, user and system, of \
             the whole process for a message; it is also CPU seconds for a million messages.\n\n{}",
            table(&heading, &loads)
        ));
    }
    if !others.is_empty() {
        let heading = ["case", "figure", "Apache RocketMQ", "Turbopump", "ratio"];
        text.push_str(&format!("\n{}", table(&heading, &others)));
    }
    text
}

fn load_rows(record: &Record) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for case in measured(record).filter(|case| is_load(case)) {
        for side in Side::ALL {
            if record.rounds(case.id, side).next().is_none() {
                continue;
            }
            let mut row = vec![case.title.to_owned(), side.name().to_owned()];
            row.extend(LOAD_FIGURES.iter().map(|figure| cell(record, case.id, side, *figure)));
            rows.push(row);
        }
        let mut row = vec![String::new(), "ratio".to_owned()];
        row.extend(LOAD_FIGURES.iter().map(|figure| ratio(record, case, *figure)));
        rows.push(row);
    }
    rows
}

fn other_rows(record: &Record) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for case in measured(record) {
        for figure in OTHER_FIGURES {
            // A broker's memory under load is its configuration: how large a heap, how large a cache.
            let is_shown = *figure != Figure::ResidentBytes || !is_load(case);
            let is_there = |side| record.spread(case.id, side, *figure).is_some();
            if is_shown && (is_there(Side::Apache) || is_there(Side::Turbopump)) {
                rows.push(vec![
                    case.title.to_owned(),
                    figure.name().to_owned(),
                    cell(record, case.id, Side::Apache, *figure),
                    cell(record, case.id, Side::Turbopump, *figure),
                    ratio(record, case, *figure),
                ]);
            }
        }
    }
    rows
}

fn is_load(case: &Case) -> bool {
    !matches!(case.action, Action::StartEmpty | Action::StartAfterKill | Action::Idle | Action::Failover)
}

/// Ours over theirs, of the medians.
fn ratio(record: &Record, case: &Case, figure: Figure) -> String {
    let median = |side| record.spread(case.id, side, figure).map(|spread| spread.median);
    match (median(Side::Turbopump), median(Side::Apache)) {
        (Some(ours), Some(theirs)) if theirs > 0.0 => significant(ours / theirs),
        _ => "–".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::record;

    #[test]
    fn each_side_has_a_row_and_their_ratio_one() {
        let text = section(&record("1x64", Figure::BrokerCpuUs, [23.0, 22.0, 25.0], [4.6; 3]));
        assert!(
            text.contains("| send, 1 × 64, 1 KiB | Apache RocketMQ | – | – | – | – | – | 23 us (22 us .. 25 us) | – |"),
            "{text}"
        );
        assert!(text.contains("| send, 1 × 64, 1 KiB | Turbopump | – | – | – | – | – | 4.6 us | – |"), "{text}");
        assert!(text.contains("|  | ratio | – | – | – | – | – | 0.2 | – |"), "{text}");
        assert!(!text.contains("bare ceiling"), "it was not measured: {text}");
    }

    #[test]
    fn memory_is_shown_of_the_idle_broker_only() {
        let idle = section(&record("idle", Figure::ResidentBytes, [430e6; 3], [10e6; 3]));
        assert!(idle.contains("| resident memory | 430 MB | 10 MB | 0.0233 |"), "{idle}");
        let loaded = section(&record("1x64", Figure::ResidentBytes, [430e6; 3], [10e6; 3]));
        assert!(!loaded.contains("resident memory"), "{loaded}");
    }
}
