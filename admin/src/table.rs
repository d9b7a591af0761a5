//! Aligned columns: text to the left, numbers to the right, two blanks between.

use std::fmt;

/// How a column is aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// A table with a header line. A row has as many cells as there are columns.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

/// Stands for a value that is not there, so that columns can still be split at blanks.
const ABSENT: &str = "-";

impl Table {
    pub(crate) fn new(columns: &[(&'static str, Align)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [&dyn fmt::Display; N]) {
        assert_eq!(N, self.columns.len(), "a cell a column");
        self.rows.push(cells.iter().map(|cell| one_line(&cell.to_string())).collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize, (title, _): &(&str, Align)| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.chain([title.chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<_> = self.columns.iter().enumerate().map(|(column, title)| width(column, title)).collect();
        let titles: Vec<_> = self.columns.iter().map(|(title, _)| (*title).to_owned()).collect();
        for row in std::iter::once(&titles).chain(&self.rows) {
            let mut line = String::new();
            for ((cell, width), (_, align)) in row.iter().zip(&widths).zip(&self.columns) {
                let padding = " ".repeat(width - cell.chars().count());
                match align {
                    Align::Left => line.extend([cell, padding.as_str()]),
                    Align::Right => line.extend([padding.as_str(), cell]),
                }
                line.push_str("  ");
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// What a cluster sends must neither break the lines nor reach the terminal as control characters.
fn one_line(text: &str) -> String {
    if text.is_empty() {
        return ABSENT.to_owned();
    }
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_aligned_to_the_left_and_numbers_to_the_right() {
        let mut table = Table::new(&[("BROKER", Align::Left), ("QID", Align::Right), ("TOPIC", Align::Left)]);
        table.row([&"broker-long-name", &7, &"T"]);
        table.row([&"b", &1234, &""]);
        let expected = "\
BROKER             QID  TOPIC
broker-long-name     7  T
b                 1234  -
";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn a_table_without_rows_is_its_header() {
        assert_eq!(Table::new(&[("A", Align::Left), ("B", Align::Right)]).to_string(), "A  B\n");
    }

    #[test]
    fn control_characters_are_shown_and_not_sent_to_the_terminal() {
        let mut table = Table::new(&[("BODY", Align::Left)]);
        table.row([&"a\nb\u{1b}[31m\u{e9}"]);
        assert_eq!(table.to_string(), "BODY\na\\nb\\u{1b}[31m\u{e9}\n");
    }
}
