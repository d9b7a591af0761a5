//! What is to be reached, and whether it was.

use crate::figure::Figure;
use crate::number::significant;
use crate::side::Side;

/// One thing to reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// Of this figure of ours.
    pub figure: Figure,
    /// Against this.
    pub goal: Goal,
}

/// What a figure of ours is held against. All medians of their rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// At least so many times the peer's.
    TimesPeer(f64),
    /// At most this share of the peer's.
    ShareOfPeer(f64),
    /// Below another figure of the peer's.
    BelowPeers(Figure),
    /// At most so much, in the figure's unit.
    AtMost(f64),
    /// At most so many times the same figure of another case of ours.
    TimesCase(&'static str, f64),
    /// Messages a processor second, at least this share of the bare ceiling's. The figure is [`Figure::BrokerCpuUs`],
    /// of which it is the inverse.
    ShareOfCeiling(f64),
    /// At most so many times the same figure of ours without replicas.
    TimesAlone(f64),
    /// At least this share of another figure of ours.
    ShareOfOwn(Figure, f64),
}

/// Whether a target was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was.
    Reached,
    /// It was not.
    Missed,
    /// One of the figures it takes is not there.
    NotMeasured,
}

/// Finds a value, a median or that of one round: of this case (`None`: the target's own), side and figure.
pub type Values<'a> = &'a dyn Fn(Option<&'static str>, Side, Figure) -> Option<f64>;

impl Target {
    /// Ours is at least so many times the peer's.
    #[must_use]
    pub const fn times_peer(figure: Figure, times: f64) -> Self {
        Self { figure, goal: Goal::TimesPeer(times) }
    }

    /// Ours is at most this share of the peer's.
    #[must_use]
    pub const fn share_of_peer(figure: Figure, share: f64) -> Self {
        Self { figure, goal: Goal::ShareOfPeer(share) }
    }

    /// Ours is at most so much.
    #[must_use]
    pub const fn at_most(figure: Figure, limit: f64) -> Self {
        Self { figure, goal: Goal::AtMost(limit) }
    }

    /// Messages a processor second are at least this share of the bare ceiling's.
    #[must_use]
    pub const fn share_of_ceiling(share: f64) -> Self {
        Self { figure: Figure::BrokerCpuUs, goal: Goal::ShareOfCeiling(share) }
    }

    /// Ours with replicas is at most so many times ours without.
    #[must_use]
    pub const fn times_alone(figure: Figure, times: f64) -> Self {
        Self { figure, goal: Goal::TimesAlone(times) }
    }

    /// What came out, in the measure of the goal: a ratio, or the figure itself. `None` if something it takes is missing.
    #[must_use]
    pub fn result(&self, values: Values<'_>) -> Option<f64> {
        let ours = values(None, Side::Turbopump, self.figure);
        let (value, by) = match self.goal {
            Goal::AtMost(_) => return ours,
            Goal::TimesPeer(_) | Goal::ShareOfPeer(_) => (ours, values(None, Side::Apache, self.figure)),
            Goal::BelowPeers(other) => (ours, values(None, Side::Apache, other)),
            Goal::TimesCase(case, _) => (ours, values(Some(case), Side::Turbopump, self.figure)),
            // Messages a second are the inverse of seconds a message.
            Goal::ShareOfCeiling(_) => (values(None, Side::Ceiling, self.figure), ours),
            Goal::TimesAlone(_) => (ours, values(None, Side::Alone, self.figure)),
            Goal::ShareOfOwn(other, _) => (ours, values(None, Side::Turbopump, other)),
        };
        Some(value? / by.filter(|by| *by > 0.0)?)
    }

    /// Whether such a result is what was to be reached.
    #[must_use]
    pub fn verdict(&self, result: Option<f64>) -> Verdict {
        let Some(result) = result else { return Verdict::NotMeasured };
        let is_reached = match self.goal {
            Goal::TimesPeer(least) | Goal::ShareOfCeiling(least) | Goal::ShareOfOwn(_, least) => result >= least,
            Goal::ShareOfPeer(most) | Goal::AtMost(most) | Goal::TimesCase(_, most) | Goal::TimesAlone(most) => {
                result <= most
            }
            Goal::BelowPeers(_) => result < 1.0,
        };
        if is_reached { Verdict::Reached } else { Verdict::Missed }
    }

    /// A result with its unit.
    #[must_use]
    pub fn format(&self, result: f64) -> String {
        match self.goal {
            Goal::TimesPeer(_) | Goal::TimesCase(..) | Goal::TimesAlone(_) => format!("{} ×", significant(result)),
            Goal::ShareOfPeer(_) | Goal::BelowPeers(_) | Goal::ShareOfCeiling(_) | Goal::ShareOfOwn(..) => {
                format!("{} %", significant(result * 100.0))
            }
            Goal::AtMost(_) => self.figure.format(result),
        }
    }

    /// What is to be reached, in words.
    #[must_use]
    pub fn wanted(&self) -> String {
        match self.goal {
            Goal::TimesPeer(times) => format!("at least {} × Apache's", significant(times)),
            Goal::ShareOfPeer(share) => format!("at most {} of Apache's", as_fraction(share)),
            Goal::BelowPeers(other) => format!("below Apache's {}", other.name()),
            Goal::AtMost(limit) => format!("at most {}", self.figure.format(limit)),
            Goal::TimesCase(case, times) => format!("at most {} × that of {case}", significant(times)),
            Goal::ShareOfCeiling(share) => {
                format!("messages a CPU second: at least {} of the ceiling's", as_fraction(share))
            }
            Goal::TimesAlone(times) => format!("at most {} × ours without replicas", significant(times)),
            Goal::ShareOfOwn(other, share) => format!("at least {} of {}", as_fraction(share), other.name()),
        }
    }
}

/// As a fraction where it is one over a whole number, as targets are said, else in percent.
fn as_fraction(share: f64) -> String {
    let inverse = 1.0 / share;
    if inverse >= 1.5 && (inverse - inverse.round()).abs() < 1e-9 {
        return format!("1/{}", inverse.round());
    }
    format!("{} %", significant(share * 100.0))
}

impl Verdict {
    /// As the table has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reached => "reached",
            Self::Missed => "**missed**",
            Self::NotMeasured => "not measured",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ours 300, the peer's 60, the ceiling's 150, ours in another case 200, without replicas 100; p99 of the peer 310.
    fn values(case: Option<&'static str>, side: Side, figure: Figure) -> Option<f64> {
        match (case, side, figure) {
            (Some("alone"), Side::Turbopump, _) => Some(200.0),
            (None, Side::Apache, Figure::P99Us) => Some(310.0),
            (None, Side::Turbopump, _) => Some(300.0),
            (None, Side::Apache, _) => Some(60.0),
            (None, Side::Ceiling, _) => Some(150.0),
            (None, Side::Alone, _) => Some(100.0),
            _ => None,
        }
    }

    fn verdict(goal: Goal, values: Values<'_>) -> Verdict {
        let target = Target { figure: Figure::BrokerCpuUs, goal };
        target.verdict(target.result(values))
    }

    #[test]
    fn every_goal_is_reached_up_to_its_limit_and_not_beyond() {
        let pairs = [
            (Goal::TimesPeer(5.0), Goal::TimesPeer(5.01)),
            (Goal::ShareOfPeer(5.0), Goal::ShareOfPeer(4.99)),
            (Goal::BelowPeers(Figure::P99Us), Goal::BelowPeers(Figure::P50Us)),
            (Goal::AtMost(300.0), Goal::AtMost(299.0)),
            (Goal::TimesCase("alone", 1.5), Goal::TimesCase("alone", 1.49)),
            (Goal::ShareOfCeiling(0.5), Goal::ShareOfCeiling(0.51)),
            (Goal::TimesAlone(3.0), Goal::TimesAlone(2.99)),
            (Goal::ShareOfOwn(Figure::P50Us, 1.0), Goal::ShareOfOwn(Figure::P50Us, 1.01)),
        ];
        for (reached, missed) in pairs {
            assert_eq!(verdict(reached, &values), Verdict::Reached, "{reached:?}");
            assert_eq!(verdict(missed, &values), Verdict::Missed, "{missed:?}");
        }
    }

    #[test]
    fn a_figure_that_is_missing_or_nought_is_no_success() {
        assert_eq!(verdict(Goal::TimesCase("elsewhere", 9.0), &values), Verdict::NotMeasured);
        let none = |_: Option<&'static str>, _: Side, _: Figure| None;
        assert_eq!(verdict(Goal::AtMost(1.0), &none), Verdict::NotMeasured);
        let nought = |_: Option<&'static str>, _: Side, _: Figure| Some(0.0);
        assert_eq!(verdict(Goal::ShareOfPeer(0.1), &nought), Verdict::NotMeasured);
        assert_eq!(verdict(Goal::ShareOfCeiling(0.45), &nought), Verdict::NotMeasured);
    }

    #[test]
    fn wanted_and_seen_are_said_in_the_same_measure() {
        let said = |target: Target| (target.wanted(), target.format(target.result(&values).unwrap()));
        let pair = |wanted: &str, seen: &str| (wanted.to_owned(), seen.to_owned());
        let times = Target::times_peer(Figure::MessagesPerSecond, 6.0);
        assert_eq!(said(times), pair("at least 6 × Apache's", "5 ×"));
        let share = Target::share_of_peer(Figure::P999Us, 1.0 / 7.0);
        assert_eq!(said(share), pair("at most 1/7 of Apache's", "500 %"));
        assert_eq!(said(Target::share_of_peer(Figure::P50Us, 0.6)).0, "at most 60 % of Apache's");
        assert_eq!(said(Target::at_most(Figure::ReadyMs, 200.0)), pair("at most 0.2 s", "0.3 s"));
        let alone = Target::times_alone(Figure::BrokerCpuUs, 4.0);
        assert_eq!(said(alone), pair("at most 4 × ours without replicas", "3 ×"));
        let own = Target {
            figure: Figure::ReplicationBytesPerSecond,
            goal: Goal::ShareOfOwn(Figure::DiskCopyBytesPerSecond, 0.8),
        };
        assert_eq!(said(own), pair("at least 80 % of disk, copying a file", "100 %"));
        let ceiling = Target::share_of_ceiling(0.45);
        assert_eq!(said(ceiling), pair("messages a CPU second: at least 45 % of the ceiling's", "50 %"));
    }
}
