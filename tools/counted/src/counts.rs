//! The table of recorded counts: a bench and its instructions a message on each line, `#` begins a comment.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What stands above the table.
const HEAD: &str = "# Instructions a message, of the release build on x86-64. Written by `make counted-update`.\n";

/// A count for each bench.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Counts(BTreeMap<String, u64>);

/// Why text is no table of counts.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub enum CountsError {
    /// A line that is not a name and a number.
    #[error("line {line} is `{text}`; wanted a bench and its count")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// The line.
        text: String,
    },
    /// A bench that stands twice.
    #[error("line {line}: {name} stands there twice")]
    Twice {
        /// Number of the second line.
        line: usize,
        /// The bench.
        name: String,
    },
}

impl Counts {
    /// Reads a table.
    /// # Errors
    /// [`CountsError`].
    pub fn parse(text: &str) -> Result<Self, CountsError> {
        let mut counts = BTreeMap::new();
        for (number, text) in text.lines().enumerate() {
            let content = text.split('#').next().unwrap_or_default().trim();
            if content.is_empty() {
                continue;
            }
            let line = number + 1;
            let pair = content.split_once(char::is_whitespace);
            let parsed = pair.and_then(|(name, count)| Some((name.to_owned(), count.trim().parse().ok()?)));
            let (name, count) = parsed.ok_or_else(|| CountsError::Line { line, text: text.to_owned() })?;
            if counts.insert(name.clone(), count).is_some() {
                return Err(CountsError::Twice { line, name });
            }
        }
        Ok(Self(counts))
    }

    /// The table as text, in this order of names.
    pub fn format(&self, order: &[&str]) -> String {
        let mut text = HEAD.to_owned();
        for name in order {
            if let Some(count) = self.get(name) {
                // Writing to a String does not fail.
                let _ = writeln!(text, "{name:<16} {count:>6}");
            }
        }
        text
    }

    /// The count of a bench.
    pub fn get(&self, name: &str) -> Option<u64> {
        self.0.get(name).copied()
    }

    /// Sets the count of a bench.
    pub fn set(&mut self, name: &str, count: u64) {
        self.0.insert(name.to_owned(), count);
    }

    /// Forgets the benches that `keep` does not want.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.0.retain(|name, _| keep(name));
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, count)| (name.as_str(), *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let mut counts = Counts::default();
        counts.set("send-java", 20_437);
        counts.set("append", 1_310);
        let text = counts.format(&["append", "send-java", "of another time"]);
        assert!(text.ends_with("append             1310\nsend-java         20437\n"), "{text}");
        assert_eq!(Counts::parse(&text), Ok(counts));
    }

    #[test]
    fn a_bad_line_is_named() {
        let error = Counts::parse("append 1310\nsend-java many # or few").unwrap_err();
        assert_eq!(error.to_string(), "line 2 is `send-java many # or few`; wanted a bench and its count");
        let error = Counts::parse("append 1310\n\nappend 1").unwrap_err();
        assert_eq!(error.to_string(), "line 3: append stands there twice");
    }
}
