//! When the entries at the end of a leader's log were appended, as far as its followers may lack them.

use std::collections::VecDeque;

use protocol::body::Extent;

/// Moments that are kept. When there are more, old ones are joined.
const SAMPLES_MAX: usize = 1024;
/// They are joined as long as that makes none seem older by more than this part of its age: days fit in half of the
/// moments then.
const AGE_PARTS: i64 = 32;

/// The entries since the sample before, up to `last`, were appended within these times.
#[derive(Copy, Clone, Debug, Default)]
struct Sample {
    first_ms: i64,
    last_ms: i64,
    last: u64,
}

impl Sample {
    fn at(ms: i64, last: u64) -> Self {
        Self { first_ms: ms, last_ms: ms, last }
    }
}

/// See the module's text. Times are ms since 1970.
#[derive(Debug, Default)]
pub(crate) struct AppendTimes {
    samples: VecDeque<Sample>,
    /// Of entries up to here it is known only that they were there then; they may be older.
    before: Sample,
}

impl AppendTimes {
    /// A leader begins, with entries up to `end` that others appended.
    pub(crate) fn restart(&mut self, now_ms: i64, end: u64) {
        self.samples.clear();
        self.before = Sample::at(now_ms, end);
    }

    /// The log goes up to `end` now.
    pub(crate) fn note(&mut self, now_ms: i64, end: u64) {
        let newest = self.samples.back().map_or(self.before.last, |sample| sample.last);
        if end <= newest {
            return;
        }
        self.samples.push_back(Sample::at(now_ms, end));
        if self.samples.len() > SAMPLES_MAX {
            self.thin(now_ms);
        }
    }

    /// Every follower has all up to `index`.
    pub(crate) fn forget(&mut self, index: u64) {
        while let Some(sample) = self.samples.pop_front_if(|sample| sample.last <= index) {
            self.before = sample;
        }
    }

    /// How long ago the entry `index` was appended, ms.
    pub(crate) fn age(&self, index: u64, now_ms: i64) -> Extent {
        let since = |ms: i64| now_ms.saturating_sub(ms).max(0).unsigned_abs();
        if index <= self.before.last {
            return Extent::AtLeast(since(self.before.last_ms));
        }
        let at = self.samples.partition_point(|sample| sample.last < index);
        // What was appended since the last sample is new.
        Extent::Exactly(self.samples.get(at).map_or(0, |sample| since(sample.first_ms)))
    }

    /// Those that become one count from the first: a lag is shown too long rather than too short.
    fn thin(&mut self, now_ms: i64) {
        let mut joined: VecDeque<Sample> = VecDeque::new();
        for sample in self.samples.drain(..) {
            let error_ms_max = now_ms.saturating_sub(sample.last_ms) / AGE_PARTS;
            match joined.back_mut() {
                Some(group) if sample.last_ms.saturating_sub(group.first_ms) <= error_ms_max => {
                    (group.last_ms, group.last) = (sample.last_ms, sample.last);
                }
                _ => joined.push_back(sample),
            }
        }
        // A clock that goes back can keep them apart.
        while joined.len() > SAMPLES_MAX {
            self.before = joined.pop_front().unwrap_or(self.before);
        }
        self.samples = joined;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An entry every 10 ms from 1000 ms on, the first of them 5.
    fn every_10_ms(count: u64) -> AppendTimes {
        let mut times = AppendTimes::default();
        times.restart(1_000, 4);
        for number in 0..count {
            times.note(1_000 + 10 * number as i64, 5 + number);
        }
        times
    }

    #[test]
    fn an_entry_is_as_old_as_the_sample_that_first_had_it() {
        let times = every_10_ms(3);
        assert_eq!(times.age(5, 1_100), Extent::Exactly(100));
        assert_eq!(times.age(7, 1_100), Extent::Exactly(80));
        assert_eq!(times.age(8, 1_100), Extent::Exactly(0), "appended after the last sample");
    }

    #[test]
    fn an_idle_leader_does_not_make_new_entries_old() {
        let mut times = every_10_ms(1);
        for tick in 0..100 {
            times.note(2_000 + 50 * tick, 5);
        }
        times.note(9_000, 6);
        assert_eq!(times.age(6, 9_050), Extent::Exactly(50));
    }

    #[test]
    fn what_an_earlier_leader_appended_is_at_least_as_old_as_this_lead() {
        assert_eq!(every_10_ms(3).age(4, 1_100), Extent::AtLeast(100));
    }

    #[test]
    fn what_all_have_is_forgotten_and_the_rest_keeps_its_age() {
        let mut times = every_10_ms(10);
        times.forget(9);
        assert_eq!(times.samples.len(), 5);
        assert_eq!(times.age(10, 1_100), Extent::Exactly(50));
        assert_eq!(times.age(7, 1_100), Extent::AtLeast(60), "a follower that went back");
    }

    #[test]
    fn a_follower_that_is_away_for_long_is_still_timed_and_never_too_short() {
        let count = 200_000;
        let times = every_10_ms(count);
        assert!(times.samples.len() <= SAMPLES_MAX);
        let now_ms = 1_000 + 10 * count as i64;
        for index in [5, 100, 150_000, 199_000] {
            let real = 10 * (count - (index - 5));
            let shown = times.age(index, now_ms).known();
            assert!((real..=real + real / 32).contains(&shown), "entry {index}: {shown} ms for {real}");
        }
    }

    #[test]
    fn days_fit() {
        let mut times = AppendTimes::default();
        for tick in 0..3_000_000 {
            times.note(50 * tick, tick as u64);
            assert!(times.samples.len() <= SAMPLES_MAX);
        }
        assert_eq!(times.age(1, 50 * 3_000_000), Extent::Exactly(50 * 2_999_999));
    }

    #[test]
    fn a_clock_that_runs_backwards_fills_no_memory() {
        let mut times = AppendTimes::default();
        for tick in 0..5_000 {
            times.note(-50 * tick, tick as u64);
        }
        assert!(times.samples.len() <= SAMPLES_MAX);
    }

    #[test]
    fn a_clock_that_goes_back_gives_no_nonsense() {
        assert_eq!(every_10_ms(3).age(5, 0), Extent::Exactly(0));
    }
}
