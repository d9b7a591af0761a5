//! What `mqbroker --preflight` prints.

use std::fmt::Write;

use serde::Serialize;

use super::row::{Level, Row};

/// Widths of the columns that are not the last two, in characters. Longer texts go on in the next line.
const NARROW: [usize; 3] = [22, 26, 22];
/// Characters a line: what is left of them goes in equal parts to what it costs and how to mend it.
const LINE_CHARS: usize = 150;
const GAP: &str = "  ";

/// Everything that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Table {
    /// Whether the broker would start.
    pub would_start: bool,
    /// What matters most first.
    pub rows: Vec<Row>,
}

impl Table {
    /// Sorts `rows` by how much they matter.
    pub fn new(mut rows: Vec<Row>) -> Self {
        rows.sort_by_key(|row| row.level);
        Self { would_start: rows.iter().all(|row| row.level != Level::Stops), rows }
    }

    /// As JSON: `{"would_start": bool, "rows": [{"level", "what", "found", "wanted", "cost", "mend"}]}`, a level being `stops`,
    /// `warning`, `advice` or `fine`.
    pub fn to_json(&self) -> String {
        let text = serde_json::to_string_pretty(self);
        text.unwrap_or_else(|error| unreachable!("texts and a bool are JSON: {error}")) + "\n"
    }

    /// For people: what is not as it should be as a table, the rest in a line each.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let count = |level| self.rows.iter().filter(|row| row.level == level).count();
        for (level, title) in [
            (Level::Stops, "The broker does not start:"),
            (Level::Warning, "The broker starts, but:"),
            (Level::Advice, "It could be better:"),
        ] {
            if count(level) > 0 {
                let _ = writeln!(text, "{title}\n");
                write_lines(&mut text, &["what", "found", "wanted", "cost", "mend"].map(str::to_owned));
                write_lines(&mut text, &widths().map(|width| "-".repeat(width)));
                for row in self.rows.iter().filter(|row| row.level == level) {
                    let columns = [&row.what, &row.found, &row.wanted, &row.cost, &row.mend];
                    write_lines(&mut text, &columns.map(Clone::clone));
                }
                text.push('\n');
            }
        }
        if count(Level::Fine) > 0 {
            text.push_str("As it should be:\n\n");
            for row in self.rows.iter().filter(|row| row.level == Level::Fine) {
                let _ = writeln!(text, "{:<30}{GAP}{}", row.what, row.found);
            }
            text.push('\n');
        }
        let verdict = if self.would_start { "It would start" } else { "It would not start" };
        let (stops, warnings, advice) = (count(Level::Stops), count(Level::Warning), count(Level::Advice));
        let _ = writeln!(text, "{verdict}. Errors: {stops}, warnings: {warnings}, advice: {advice}.");
        text
    }
}

fn widths() -> [usize; 5] {
    let wide = (LINE_CHARS - NARROW.iter().sum::<usize>() - 4 * GAP.len()) / 2;
    [NARROW[0], NARROW[1], NARROW[2], wide, wide]
}

/// Writes one row of cells as as many lines as its longest cell needs.
fn write_lines(out: &mut String, cells: &[String; 5]) {
    let widths = widths();
    let wrapped: Vec<Vec<String>> = cells.iter().zip(widths).map(|(cell, width)| wrap(cell, width)).collect();
    let lines = wrapped.iter().map(Vec::len).max().unwrap_or(0);
    for line in 0..lines {
        let mut written = String::new();
        for (cell, width) in wrapped.iter().zip(widths) {
            let part = cell.get(line).map_or("", String::as_str);
            let _ = write!(written, "{part:<width$}{GAP}");
        }
        out.push_str(written.trim_end());
        out.push('\n');
    }
}

/// Breaks at blanks; a word that is too long for a line is cut.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        loop {
            let Some(line) = lines.last_mut() else { unreachable!("there is always a line") };
            let used = line.chars().count();
            let blank = usize::from(used > 0);
            if used + blank + word.len() <= width {
                line.extend(std::iter::repeat_n(' ', blank).chain(word));
                break;
            }
            if used == 0 {
                line.extend(word.drain(..width));
            }
            lines.push(String::new());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(level: Level, what: &str) -> Row {
        Row { level, ..Row::advice(what, "found it", "wanted that", "costs much", "mend it so") }
    }

    #[test]
    fn what_matters_most_stands_first_and_decides_about_the_start() {
        let rows = vec![row(Level::Advice, "a"), Row::fine("b", "2"), row(Level::Stops, "c"), row(Level::Warning, "d")];
        let table = Table::new(rows);
        assert_eq!(table.rows.iter().map(|row| row.what.as_str()).collect::<Vec<_>>(), ["c", "d", "a", "b"]);
        assert!(!table.would_start);
        let text = table.to_text();
        let order = [
            "does not start",
            "starts, but",
            "could be better",
            "As it should be",
            "It would not start. Errors: 1, warnings: 1, advice: 1.",
        ];
        let at: Vec<Option<usize>> = order.iter().map(|part| text.find(part)).collect();
        assert!(at.is_sorted() && at.iter().all(Option::is_some), "{text}");
        assert!(Table::new(vec![row(Level::Warning, "d")]).would_start);
    }

    #[test]
    fn columns_line_up_and_long_cells_go_on_below() {
        let long = "words ".repeat(30);
        let table = Table::new(vec![Row { mend: long.trim().to_owned(), ..row(Level::Advice, "what") }]);
        let text = table.to_text();
        let start = text.lines().find_map(|line| line.find("mend")).unwrap();
        let going_on = text.lines().filter(|line| line.starts_with(&" ".repeat(start)));
        assert!(
            going_on.clone().count() >= 3 && going_on.clone().all(|line| line[start..].starts_with("words")),
            "{text}"
        );
        assert!(text.lines().all(|line| line.chars().count() <= LINE_CHARS), "{text}");
    }

    #[test]
    fn wrapping_loses_nothing_and_cuts_words_that_are_too_long() {
        assert_eq!(wrap("a bc def", 4), ["a bc", "def"]);
        assert_eq!(wrap("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert_eq!(wrap("", 4), [""]);
    }

    #[test]
    fn json_has_every_row_with_its_level() {
        let json: serde_json::Value =
            serde_json::from_str(&Table::new(vec![row(Level::Stops, "c"), Row::fine("b", "2")]).to_json()).unwrap();
        assert_eq!(json["would_start"], false);
        assert_eq!(json["rows"][0]["level"], "stops");
        assert_eq!(json["rows"][0]["mend"], "mend it so");
        assert_eq!(json["rows"][1]["level"], "fine");
    }
}
