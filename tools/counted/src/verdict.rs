//! What a count means next to the recorded one.

use std::fmt;

/// A count may be this much above the recorded one: another compiler or C library moves a few instructions about, and
/// a change that costs more than this is one that somebody wanted or nobody noticed.
const MARGIN_PERCENT: u64 = 15;
/// Or this much, if that is more: in a count of some dozens each instruction is a per cent or more.
const MARGIN_INSTRUCTIONS: u64 = 30;

/// See the module's text.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Verdict {
    count: u64,
    recorded: Option<u64>,
}

impl Verdict {
    /// Of instructions a message.
    pub fn of(count: u64, recorded: Option<u64>) -> Self {
        Self { count, recorded }
    }

    fn allowed(recorded: u64) -> u64 {
        recorded + (recorded * MARGIN_PERCENT / 100).max(MARGIN_INSTRUCTIONS)
    }

    /// What is wrong with it; `None` if nothing is.
    pub fn complaint(self, bench: &str) -> Option<String> {
        let Self { count, recorded } = self;
        let Some(recorded) = recorded else { return Some(format!("{bench}: {count} a message, and none recorded")) };
        let allowed = Self::allowed(recorded);
        (count > allowed).then(|| format!("{bench}: {count} a message, {allowed} allowed, {recorded} recorded"))
    }
}

impl fmt::Display for Verdict {
    /// `20437   -1.3 %`, one column each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>6}", self.count)?;
        match self.recorded {
            Some(recorded) if recorded > 0 => {
                let percent = (self.count as f64 / recorded as f64 - 1.0) * 100.0;
                write!(f, " {percent:>+7.1} %")
            }
            _ => write!(f, " {:>9}", "new"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_refused_only_above_the_margin() {
        assert_eq!(Verdict::of(1_150, Some(1_000)).complaint("append"), None);
        assert_eq!(Verdict::of(10, Some(1_000)).complaint("append"), None);
        let complaint = Verdict::of(1_151, Some(1_000)).complaint("append");
        let wanted = "append: 1151 a message, 1150 allowed, 1000 recorded";
        assert_eq!(complaint.as_deref(), Some(wanted));
    }

    #[test]
    fn a_small_count_may_grow_by_some_instructions() {
        assert_eq!(Verdict::of(70, Some(40)).complaint("confirm"), None);
        assert!(Verdict::of(71, Some(40)).complaint("confirm").is_some());
    }

    #[test]
    fn a_count_that_nobody_recorded_is_refused() {
        let complaint = Verdict::of(7, None).complaint("append");
        assert_eq!(complaint.as_deref(), Some("append: 7 a message, and none recorded"));
    }

    #[test]
    fn a_table_shows_the_change() {
        assert_eq!(Verdict::of(900, Some(1_000)).to_string(), "   900   -10.0 %");
        assert_eq!(Verdict::of(900, None).to_string(), "   900       new");
    }
}
