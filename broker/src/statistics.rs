//! Counters of a shard and their rates, as operators know them.

use std::collections::VecDeque;

use crate::local_time;

/// Distance of samples.
const SAMPLE_MS: i64 = 1_000;
/// Averages over ten seconds, a minute and ten minutes.
const WINDOWS_MS: [i64; 3] = [10_000, 60_000, 600_000];
const SAMPLES_MAX: usize = (WINDOWS_MS[2] / SAMPLE_MS) as usize + 1;

/// Totals since start.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Totals {
    /// Messages stored.
    pub(crate) put: u64,
    /// Their bodies, bytes.
    pub(crate) put_bytes: u64,
    /// Sends that were refused or failed.
    pub(crate) put_failed: u64,
    /// Pulls that found something.
    pub(crate) get_found: u64,
    /// Pulls that found nothing.
    pub(crate) get_miss: u64,
    /// Messages handed to consumers.
    pub(crate) transferred: u64,
}

struct Sample {
    at_ms: i64,
    totals: Totals,
}

/// See the module's text.
pub(crate) struct Statistics {
    started_ms: i64,
    totals: Totals,
    samples: VecDeque<Sample>,
    /// The day of the last sample, and how the totals stood when it began and when the day before it began.
    day: i64,
    mornings: Mornings,
}

/// Totals at two midnights.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Mornings {
    /// The last one; zeros where the shard began later.
    pub(crate) today: Totals,
    /// The one before.
    pub(crate) yesterday: Totals,
}

impl Statistics {
    pub(crate) fn new(now_ms: i64) -> Self {
        let samples = VecDeque::from([Sample { at_ms: now_ms, totals: Totals::default() }]);
        let (totals, mornings) = Default::default();
        Self { started_ms: now_ms, totals, samples, day: local_time::day(now_ms), mornings }
    }

    pub(crate) fn started_ms(&self) -> i64 {
        self.started_ms
    }

    pub(crate) fn totals(&self) -> Totals {
        self.totals
    }

    /// How they stood this morning and yesterday.
    pub(crate) fn mornings(&self) -> Mornings {
        self.mornings
    }

    pub(crate) fn put(&mut self, messages: u64, bytes: u64) {
        self.totals.put += messages;
        self.totals.put_bytes += bytes;
    }

    pub(crate) fn put_failed(&mut self) {
        self.totals.put_failed += 1;
    }

    pub(crate) fn get_found(&mut self, messages: u64) {
        self.totals.get_found += 1;
        self.totals.transferred += messages;
    }

    pub(crate) fn get_miss(&mut self) {
        self.totals.get_miss += 1;
    }

    /// Takes a sample if one is due.
    pub(crate) fn tick(&mut self, now_ms: i64) {
        let is_due = self.samples.back().is_none_or(|last| now_ms - last.at_ms >= SAMPLE_MS);
        if !is_due {
            return;
        }
        let day = local_time::day(now_ms);
        if day > self.day {
            self.day = day;
            self.mornings = Mornings { today: self.totals, yesterday: self.mornings.today };
        }
        if self.samples.len() == SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample { at_ms: now_ms, totals: self.totals });
    }

    /// Averages a second over ten seconds, one minute and ten minutes, joined by blanks, of what `counter` picks. A
    /// window longer than the shard has run is left out, as the reference does.
    pub(crate) fn rates(&self, now_ms: i64, counter: impl Fn(&Totals) -> u64) -> String {
        let mut text = String::new();
        for window_ms in WINDOWS_MS {
            if !text.is_empty() && now_ms - self.started_ms < window_ms {
                text.push(' ');
                break;
            }
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&self.rate(now_ms, window_ms, &counter).to_string());
        }
        text
    }

    fn rate(&self, now_ms: i64, window_ms: i64, counter: impl Fn(&Totals) -> u64) -> f64 {
        let inside = self.samples.iter().find(|sample| now_ms - sample.at_ms <= window_ms);
        let Some(from) = inside.or(self.samples.back()) else { return 0.0 };
        let elapsed_ms = now_ms - from.at_ms;
        if elapsed_ms <= 0 {
            return 0.0;
        }
        (counter(&self.totals) - counter(&from.totals)) as f64 * 1000.0 / elapsed_ms as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_today_and_yesterday_is_told_by_the_mornings() {
        const DAY_MS: i64 = 86_400_000;
        let mut statistics = Statistics::new(10 * DAY_MS);
        statistics.put(100, 0);
        statistics.tick(10 * DAY_MS + 5000);
        assert_eq!(statistics.mornings(), Mornings::default());
        statistics.tick(11 * DAY_MS + 5000);
        statistics.put(30, 0);
        statistics.tick(11 * DAY_MS + 10_000);
        let Mornings { today, yesterday } = statistics.mornings();
        assert_eq!((yesterday.put, today.put, statistics.totals().put), (0, 100, 130));
        statistics.tick(12 * DAY_MS + 5000);
        let Mornings { today, yesterday } = statistics.mornings();
        assert_eq!((yesterday.put, today.put, statistics.totals().put), (100, 130, 130));
    }

    #[test]
    fn rates_cover_the_window_and_longer_windows_wait_until_the_shard_is_that_old() {
        let mut statistics = Statistics::new(0);
        for second in 1..=30 {
            statistics.put(100, 0);
            statistics.tick(second * 1000);
        }
        assert_eq!(statistics.rates(30_000, |totals| totals.put), "100 ");
        for second in 31..=90 {
            statistics.put(200, 0);
            statistics.tick(second * 1000);
        }
        assert_eq!(statistics.rates(90_000, |totals| totals.put), "200 200 ");
    }
}
