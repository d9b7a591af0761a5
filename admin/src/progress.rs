//! How far long work is, on standard error where somebody is looking at it.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// What takes less is done before anybody asks.
const QUIET: Duration = Duration::from_millis(500);
/// Between two changes of the line.
const STEP: Duration = Duration::from_millis(100);

/// A line that is written over and over, and gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    noun: &'static str,
    total: usize,
    start: Instant,
    pace: Pace,
    is_watched: bool,
}

/// When to write the line.
#[derive(Debug, Default)]
struct Pace {
    written_at: Option<Duration>,
}

impl Pace {
    fn is_due(&mut self, elapsed: Duration) -> bool {
        let due = match self.written_at {
            None => elapsed >= QUIET,
            Some(at) => elapsed >= at + STEP,
        };
        if due {
            self.written_at = Some(elapsed);
        }
        due
    }
}

impl Progress {
    /// Of so many things.
    pub(crate) fn new(noun: &'static str, total: usize) -> Self {
        let is_watched = io::stderr().is_terminal();
        Self { noun, total, start: Instant::now(), pace: Pace::default(), is_watched }
    }

    /// So many of them are done.
    pub(crate) fn done(&mut self, count: usize) {
        if self.is_watched && self.pace.is_due(self.start.elapsed()) {
            // Nobody is worse off without the line.
            let _ = write!(io::stderr(), "\r{}", line(count, self.total, self.noun));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.pace.written_at.is_some() {
            let _ = write!(io::stderr(), "\r{:width$}\r", "", width = line(self.total, self.total, self.noun).len());
        }
    }
}

fn line(count: usize, total: usize, noun: &str) -> String {
    format!("{count} of {total} {noun} ({} %)", count * 100 / total.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_work_is_quiet_and_long_work_is_shown_at_a_bearable_pace() {
        let mut pace = Pace::default();
        let due = [100, 499, 500, 550, 599, 600, 2_000].map(|ms| pace.is_due(Duration::from_millis(ms)));
        assert_eq!(due, [false, false, true, false, false, true, true]);
    }

    #[test]
    fn the_line_says_how_much_of_what_is_done() {
        assert_eq!(line(12, 400, "groups"), "12 of 400 groups (3 %)");
        assert_eq!(line(0, 0, "groups"), "0 of 0 groups (0 %)");
    }
}
