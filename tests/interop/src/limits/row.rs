//! What was measured, beside what is promised.

use std::fmt::{Display, Write as _};

/// What buffers of connections and an allocator may take beside what is measured.
const SLACK_BYTES: u64 = 8 << 20;

/// A line of the table.
#[derive(Debug, Clone)]
pub struct Row {
    what: String,
    measured: String,
    bound: String,
    holds: bool,
}

impl Row {
    /// A figure that may be at most `most`.
    #[must_use]
    pub fn at_most(what: impl Into<String>, measured: f64, most: f64, unit: &str) -> Self {
        let holds = measured <= most;
        Self { what: what.into(), measured: with_unit(measured, unit), bound: with_unit(most, unit), holds }
    }

    /// Memory that `count` of something took together.
    #[must_use]
    pub fn memory(what: &str, count: usize, grown_bytes: u64, each_bytes_max: u64) -> Self {
        let (each, most) = (grown_bytes / count as u64, count as u64 * each_bytes_max + SLACK_BYTES);
        Self {
            what: format!("memory for {count} {what}"),
            measured: format!("{} KiB, {each} bytes each", grown_bytes / 1024),
            bound: format!("{each_bytes_max} bytes each and {} MiB in all", SLACK_BYTES >> 20),
            holds: grown_bytes <= most,
        }
    }

    /// What is only told.
    #[must_use]
    pub fn told(what: impl Into<String>, measured: impl Display) -> Self {
        Self { what: what.into(), measured: measured.to_string(), bound: "–".to_owned(), holds: true }
    }

    /// Whether it is within its bound.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.holds
    }
}

fn with_unit(value: f64, unit: &str) -> String {
    let digits = if value.fract() == 0.0 || value >= 100.0 { 0 } else { 2 };
    format!("{value:.digits$} {unit}").trim_end().to_owned()
}

/// The table, in Markdown.
#[must_use]
pub fn render(rows: &[Row]) -> String {
    let mut text = "| what | measured | at most | |\n|---|---|---|---|\n".to_owned();
    for Row { what, measured, bound, holds } in rows {
        let verdict = if *holds { "" } else { "**exceeded**" };
        writeln!(text, "| {what} | {measured} | {bound} | {verdict} |").expect("a string takes all");
    }
    text
}
