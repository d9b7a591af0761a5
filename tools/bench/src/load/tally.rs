//! What a worker has counted since it was last asked.

use hdrhistogram::Histogram;
use protocol::ResponseCode;

use crate::report::latency::histogram;

/// Characters of an example's text that are kept.
const EXAMPLE_CHARS_MAX: usize = 300;

/// Counts of one side.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    pub(crate) messages: u64,
    pub(crate) requests: u64,
    pub(crate) bytes: u64,
    pub(crate) empty_pulls: u64,
    pub(crate) foreign_messages: u64,
    pub(crate) latency: Histogram<u64>,
    pub(crate) failures: Failures,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            messages: 0,
            requests: 0,
            bytes: 0,
            empty_pulls: 0,
            foreign_messages: 0,
            latency: histogram(),
            failures: Failures::default(),
        }
    }

    /// Records a latency. Anything over the histogram's limit counts as the limit.
    pub(crate) fn record_ns(&mut self, latency_ns: u64) {
        self.latency.saturating_record(latency_ns / 1_000);
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.requests += other.requests;
        self.bytes += other.bytes;
        self.empty_pulls += other.empty_pulls;
        self.foreign_messages += other.foreign_messages;
        self.latency.add(&other.latency).expect("all histograms have the same bounds");
        self.failures.add(&other.failures);
    }
}

/// How a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Failure {
    /// The broker answered with this code.
    Answer(i32),
    /// The connection ended before the answer came.
    ConnectionLost,
    /// A new connection could not be made.
    ConnectFailed,
    /// No answer within the limit.
    NoAnswer,
    /// No answer before the run was over, nor in the time after it.
    Unanswered,
    /// The answer's header or body is not what the protocol promises.
    BadAnswer,
}

impl Failure {
    pub(crate) fn code(self) -> Option<i32> {
        match self {
            Self::Answer(code) => Some(code),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> String {
        match self {
            Self::Answer(code) => ResponseCode(code).name().unwrap_or("UNKNOWN").to_owned(),
            Self::ConnectionLost => "connection lost".to_owned(),
            Self::ConnectFailed => "cannot connect".to_owned(),
            Self::NoAnswer => "no answer in time".to_owned(),
            Self::Unanswered => "unanswered at the end".to_owned(),
            Self::BadAnswer => "bad answer".to_owned(),
        }
    }
}

/// Failed requests by kind, with the first one's words. There are few kinds, so a list does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Failures {
    kinds: Vec<(Failure, u64, String)>,
}

impl Failures {
    /// Counts `count` requests; `example` is asked for only if it is the first of its kind.
    pub(crate) fn count(&mut self, failure: Failure, count: u64, example: impl FnOnce() -> String) {
        if count == 0 {
            return;
        }
        match self.kinds.iter_mut().find(|(known, ..)| *known == failure) {
            Some((_, known, _)) => *known += count,
            None => {
                let example = example().chars().take(EXAMPLE_CHARS_MAX).collect();
                self.kinds.push((failure, count, example));
            }
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (failure, count, example) in &other.kinds {
            self.count(*failure, *count, || example.clone());
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.kinds.iter().map(|(_, count, _)| count).sum()
    }

    /// The most frequent first.
    pub(crate) fn by_count(&self) -> Vec<(Failure, u64, &str)> {
        let mut kinds: Vec<_> =
            self.kinds.iter().map(|(failure, count, example)| (*failure, *count, example.as_str())).collect();
        kinds.sort_by_key(|(failure, count, _)| (u64::MAX - count, *failure));
        kinds
    }
}

/// What one worker counted on both sides.
#[derive(Debug, Clone)]
pub(crate) struct Tallies {
    pub(crate) sends: Tally,
    pub(crate) receives: Tally,
}

impl Tallies {
    pub(crate) fn new() -> Self {
        Self { sends: Tally::new(), receives: Tally::new() }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.sends.add(&other.sends);
        self.receives.add(&other.receives);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_of_a_kind_is_its_example() {
        let mut failures = Failures::default();
        failures.count(Failure::Answer(2), 1, || "first".to_owned());
        failures.count(Failure::ConnectionLost, 3, || "reset".to_owned());
        failures.count(Failure::Answer(2), 1, || unreachable!("an example is there"));
        failures.count(Failure::NoAnswer, 0, || unreachable!("nothing to count"));
        let mut sum = Failures::default();
        sum.add(&failures);
        sum.add(&failures);
        let kinds = [(Failure::ConnectionLost, 6, "reset"), (Failure::Answer(2), 4, "first")];
        assert_eq!(sum.by_count(), kinds);
        assert_eq!(sum.total(), 10);
    }

    #[test]
    fn tallies_add_up() {
        let mut tally = Tally::new();
        tally.record_ns(5_000_000);
        (0..3).for_each(|_| tally.record_ns(7_000_000));
        (tally.messages, tally.requests) = (4, 2);
        let mut sum = Tally::new();
        sum.add(&tally);
        sum.add(&tally);
        assert_eq!((sum.messages, sum.requests, sum.latency.len()), (8, 4, 8));
        assert_eq!(sum.latency.count_at(5_000), 2);
        assert_eq!(sum.latency.count_at(7_000), 6);
    }
}
