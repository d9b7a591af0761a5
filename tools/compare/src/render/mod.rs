//! The report: Markdown from raw data, and nothing else. No clock, no file, no machine.

mod case_tables;
mod origins;
mod setting_lists;
mod target_table;

use crate::case::Case;
use crate::figure::Figure;
use crate::record::Record;
use crate::side::Side;

/// The whole report. `raw` is the name of the raw data's file, which lies beside it.
#[must_use]
pub fn markdown(record: &Record, raw: &str) -> String {
    let parts = [
        origins::head(record),
        target_table::section(record),
        case_tables::section(record),
        origins::remarks(record),
        setting_lists::section(record, raw),
    ];
    let mut text = parts.join("\n");
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// The cases of which something was measured, in the table's order.
fn measured(record: &Record) -> impl Iterator<Item = &'static Case> {
    record.scope.cases().iter().filter(|case| record.measurements.iter().any(|measurement| measurement.case == case.id))
}

/// Median with range of one figure of one side; a dash where there is none.
fn cell(record: &Record, case: &str, side: Side, figure: Figure) -> String {
    let spread = record.spread(case, side, figure);
    spread.map_or_else(|| "–".to_owned(), |spread| spread.format(|value| figure.format(value)))
}

/// A table's lines, from its heading's and its rows' cells. A `|` inside a cell would end it.
fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let mut text = format!("| {} |\n|{}\n", heading.join(" | "), "---|".repeat(heading.len()));
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::record;

    #[test]
    fn a_table_has_as_many_columns_as_its_heading_whatever_is_in_its_cells() {
        let text = table(&["a", "b"], &[vec!["1 | 2".to_owned(), "3".to_owned()]]);
        assert_eq!(text, "| a | b |\n|---|---|\n| 1 \\| 2 | 3 |\n");
    }

    #[test]
    fn a_report_says_what_was_reached_and_what_was_not() {
        let mut record = record("1x64", Figure::MessagesPerSecond, [50_000.0; 3], [300_000.0, 240_000.0, 260_000.0]);
        let cpu = |side, us| {
            let mut measurement = crate::record::Measurement::new("1x64", side, 4);
            measurement.figures.insert(Figure::BrokerCpuUs, us);
            measurement
        };
        record.measurements.push(cpu(Side::Apache, 23.1));
        record.measurements.push(cpu(Side::Turbopump, 4.0));
        let text = markdown(&record, "raw.json.gz");
        assert!(
            text.contains("| 50 k | 260 k (240 k .. 300 k) | 5.2 × (4.8 × .. 6 ×) | at least 5 × Apache's | reached |"),
            "{text}"
        );
        assert!(text.contains("| 23.1 us | 4 us | 17.3 % | at most 1/6 of Apache's | **missed** |"), "{text}");
        assert!(text.contains("not measured"), "{text}");
        assert!(text.contains("raw.json.gz"));
        assert!(!text.contains("\n\n\n"), "{text}");
    }
}
