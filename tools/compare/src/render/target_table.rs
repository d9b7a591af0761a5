//! What is to be reached, and whether it was.

use crate::case::Case;
use crate::figure::Figure;
use crate::record::Record;
use crate::render::{cell, measured, table};
use crate::side::Side;
use crate::spread::Spread;
use crate::target::{Goal, Target, Verdict};

const HEADING: &[&str] = &["case", "figure", "Apache RocketMQ", "Turbopump", "result", "target", ""];

/// Targets of all cases that were measured.
pub(super) fn section(record: &Record) -> String {
    let judged: Vec<Judged<'_>> = measured(record)
        .flat_map(|case| case.targets.iter().map(move |target| Judged::new(record, case, target)))
        .collect();
    let count = |verdict| judged.iter().filter(|judged| judged.verdict == verdict).count();
    let rows: Vec<Vec<String>> = judged.iter().map(|judged| judged.row(record)).collect();
    format!(
        "## Targets\n\n{} reached, {} missed, {} not measured. Figures are medians, a result is made of medians; in \
         parentheses the least and the greatest round.\n\n{}",
        count(Verdict::Reached),
        count(Verdict::Missed),
        count(Verdict::NotMeasured),
        table(HEADING, &rows)
    )
}

/// A target held against what was measured.
struct Judged<'a> {
    case: &'a Case,
    target: &'a Target,
    result: String,
    verdict: Verdict,
}

impl<'a> Judged<'a> {
    fn new(record: &Record, case: &'a Case, target: &'a Target) -> Self {
        let id = |other: Option<&'static str>| other.unwrap_or(case.id);
        let of_medians = target.result(&|other, side, figure| Some(record.spread(id(other), side, figure)?.median));
        let of_rounds = (1..=record.settings.rounds)
            .filter_map(|round| target.result(&|other, side, figure| record.in_round(id(other), side, round, figure)));
        let result = match (of_medians, Spread::of(of_rounds)) {
            (Some(median), Some(rounds)) => Spread { median, ..rounds }.format(|result| target.format(result)),
            (Some(median), None) => target.format(median),
            (None, _) => String::new(),
        };
        Self { case, target, result, verdict: target.verdict(of_medians) }
    }

    fn row(&self, record: &Record) -> Vec<String> {
        let Self { case, target, .. } = self;
        let (their_figure, their_side) = held_against(target);
        let theirs = cell(record, case.id, their_side, their_figure);
        let theirs = match target.goal {
            Goal::BelowPeers(other) => format!("{}: {theirs}", other.name()),
            Goal::ShareOfCeiling(_) => format!("ceiling: {theirs}"),
            Goal::TimesAlone(_) => format!("not replicated: {theirs}"),
            Goal::ShareOfOwn(other, _) => format!("{}: {theirs}", other.name()),
            _ => theirs,
        };
        vec![
            case.title.to_owned(),
            target.figure.name().to_owned(),
            theirs,
            cell(record, case.id, Side::Turbopump, target.figure),
            self.result.clone(),
            target.wanted(),
            self.verdict.name().to_owned(),
        ]
    }
}

/// What stands in the peer's column.
fn held_against(target: &Target) -> (Figure, Side) {
    match target.goal {
        Goal::BelowPeers(other) => (other, Side::Apache),
        Goal::ShareOfCeiling(_) => (target.figure, Side::Ceiling),
        Goal::TimesAlone(_) => (target.figure, Side::Alone),
        Goal::ShareOfOwn(other, _) => (other, Side::Turbopump),
        Goal::TimesPeer(_) | Goal::ShareOfPeer(_) | Goal::AtMost(_) | Goal::TimesCase(..) => {
            (target.figure, Side::Apache)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::record;

    #[test]
    fn a_target_against_another_figure_names_it() {
        let mut record = record("rate-10000", Figure::P9999Us, [30_000.0; 3], [9_000.0; 3]);
        for measurement in &mut record.measurements {
            measurement.figures.insert(Figure::P99Us, 14_100.0);
        }
        let text = section(&record);
        assert!(text.contains("| p99.99 | p99: 14.1 ms | 9 ms | 63.8 % | below Apache's p99 | reached |"), "{text}");
        assert!(text.starts_with("## Targets\n\n1 reached, 1 missed, 1 not measured."), "{text}");
    }

    #[test]
    fn a_result_is_made_of_medians_and_its_range_of_rounds() {
        let text = section(&record("1x1000", Figure::MessagesPerSecond, [50e3, 60e3, 70e3], [350e3, 300e3, 280e3]));
        assert!(
            text.contains("| 60 k (50 k .. 70 k) | 300 k (280 k .. 350 k) | 5 × (4 × .. 7 ×) | at least 5 ×"),
            "{text}"
        );
    }

    #[test]
    fn a_target_against_another_case_takes_that_cases_median() {
        let mut all = record("beside-cold-reader", Figure::P99Us, [1.0; 3], [1200.0; 3]);
        all.measurements.extend(record("without-cold-reader", Figure::P99Us, [1.0; 3], [1000.0; 3]).measurements);
        let text = section(&all);
        assert!(text.contains("| 1.2 × | at most 1.3 × that of without-cold-reader | reached |"), "{text}");
    }
}
