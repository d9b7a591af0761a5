//! One thing's properties, a line each, values aligned.

use std::fmt;

/// Lines of `name  value`.
#[derive(Debug, Default)]
pub(crate) struct FactList {
    facts: Vec<(String, String)>,
}

impl FactList {
    pub(crate) fn fact(&mut self, name: impl Into<String>, value: impl fmt::Display) -> &mut Self {
        self.facts.push((name.into(), value.to_string()));
        self
    }
}

impl fmt::Display for FactList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (name, value) in &self.facts {
            writeln!(f, "{name:width$}  {}", Shown(value))?;
        }
        Ok(())
    }
}

/// A value keeps its line breaks; other control characters do not reach the terminal.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("-");
        }
        for character in self.0.chars() {
            if character.is_control() && !matches!(character, '\n' | '\t') {
                write!(f, "{}", character.escape_default())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_aligned_and_absent_ones_marked() {
        let mut list = FactList::default();
        list.fact("Topic", "T").fact("Queue offset", 7).fact("Keys", "").fact("Body", "two\nlines\u{7}");
        let expected = "Topic         T\nQueue offset  7\nKeys          -\nBody          two\nlines\\u{7}\n";
        assert_eq!(list.to_string(), expected);
    }
}
