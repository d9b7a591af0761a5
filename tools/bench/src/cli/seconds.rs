//! A span of time in seconds, as `20` or `0.5`.

use std::str::FromStr;

/// Longest span: a year, so that no sum of times can overflow.
const SECONDS_MAX: f64 = 366.0 * 86_400.0;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds {
    /// The span in milliseconds.
    pub ms: u64,
}

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<f64>() {
            Ok(seconds) if (0.0..=SECONDS_MAX).contains(&seconds) => {
                Ok(Self { ms: (seconds * 1_000.0).round() as u64 })
            }
            _ => Err("expected a number of seconds, as 20 or 0.5".to_owned()),
        }
    }
}
