//! The hours in which expired segments are deleted.

use std::fmt;

/// Property `deleteWhen`: hours of the day, local time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteHours {
    hours: Vec<u8>,
    text: String,
}

impl DeleteHours {
    /// Reads `04` or `04;16`; `None` if there is none or one is no hour.
    pub fn parse(text: &str) -> Option<Self> {
        let hours = text.split(';').map(|hour| hour.trim().parse::<u8>().ok().filter(|hour| *hour < 24));
        Some(Self { hours: hours.collect::<Option<_>>()?, text: text.to_owned() })
    }

    /// Whether `hour` (0 to 23, local time) is one of them.
    pub fn contains(&self, hour: u8) -> bool {
        self.hours.contains(&hour)
    }
}

impl fmt::Display for DeleteHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_hour_or_several_can_be_named() {
        let hours = DeleteHours::parse("04;16").unwrap();
        assert!(hours.contains(4) && hours.contains(16) && !hours.contains(5));
        assert!(DeleteHours::parse("0").unwrap().contains(0));
        assert_eq!(hours.to_string(), "04;16");
    }

    #[test]
    fn what_is_no_hour_is_refused() {
        for text in ["", "24", "4am", "04;", "-1"] {
            assert_eq!(DeleteHours::parse(text), None, "{text}");
        }
    }
}
