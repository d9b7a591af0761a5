//! How counters stood a while ago: samples in rings, from which sums and rates of the last minute, hour and day are told.
//!
//! The moments of the samples are the same for all counters of a shard, so they are kept once.

use super::traffic::Count;

/// What a sum or rate is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Span {
    Minute,
    Hour,
    Day,
}

struct SpanSamples {
    span: Span,
    every_ms: i64,
    /// Where its samples lie among all, and how many there are.
    first: usize,
    count: usize,
}

/// One sample more than intervals in the span.
const SPANS: [SpanSamples; 3] = [
    SpanSamples { span: Span::Minute, every_ms: 10_000, first: 0, count: 7 },
    SpanSamples { span: Span::Hour, every_ms: 600_000, first: 7, count: 7 },
    SpanSamples { span: Span::Day, every_ms: 3_600_000, first: 14, count: 25 },
];
const SAMPLES: usize = 39;
const _: () = assert!(SPANS[2].first + SPANS[2].count == SAMPLES);

/// When samples were taken, ms of a clock that never goes back and was 0 at the first.
#[derive(Debug)]
pub(crate) struct SampleTimes {
    at_ms: [i64; SAMPLES],
    /// How many were taken of each span.
    taken: [u64; SPANS.len()],
}

impl SampleTimes {
    /// Everything was 0 at 0.
    pub(crate) fn new() -> Self {
        Self { at_ms: [0; SAMPLES], taken: [1; SPANS.len()] }
    }

    /// Where samples of this moment go; nowhere most of the time.
    pub(crate) fn due(&mut self, now_ms: i64) -> [Option<SampleAt>; SPANS.len()] {
        let mut due = [None; SPANS.len()];
        for (number, span) in SPANS.iter().enumerate() {
            let newest = span.first + ((self.taken[number] - 1) % span.count as u64) as usize;
            if now_ms - self.at_ms[newest] >= span.every_ms {
                let at = span.first + (self.taken[number] % span.count as u64) as usize;
                self.taken[number] += 1;
                self.at_ms[at] = now_ms;
                due[number] = Some(SampleAt(at));
            }
        }
        due
    }

    fn oldest(&self, span: Span) -> usize {
        let number = span as usize;
        let SpanSamples { first, count, .. } = SPANS[number];
        if self.taken[number] <= count as u64 { first } else { first + (self.taken[number] % count as u64) as usize }
    }

    /// What a counter that stands at `count` has counted in a span, as far as it goes back.
    pub(crate) fn rates(&self, span: Span, history: &History, count: Count, now_ms: i64) -> Rates {
        debug_assert!(SPANS[span as usize].span == span);
        let oldest = self.oldest(span);
        let before = history.samples[oldest];
        let (sum, times) = (count.value - before.value, count.times - before.times);
        let elapsed_ms = now_ms - self.at_ms[oldest];
        Rates {
            sum,
            per_second: if elapsed_ms > 0 { sum as f64 * 1000.0 / elapsed_ms as f64 } else { 0.0 },
            average: if times > 0 { sum as f64 / times as f64 } else { 0.0 },
        }
    }
}

/// A place in every [`History`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct SampleAt(usize);

/// The samples of one counter: 624 bytes.
#[derive(Debug, Clone)]
pub(crate) struct History {
    samples: Box<[Count; SAMPLES]>,
}

impl History {
    /// Of a counter that is at 0 and was so before.
    pub(crate) fn new() -> Self {
        Self { samples: Box::new([Count::default(); SAMPLES]) }
    }

    pub(crate) fn keep(&mut self, at: SampleAt, count: Count) {
        self.samples[at.0] = count;
    }
}

/// What a counter has counted in a span.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Rates {
    pub(crate) sum: u64,
    pub(crate) per_second: f64,
    /// What came at once on average.
    pub(crate) average: f64,
}

impl Rates {
    /// What is left of these when `part` of what was counted is not to count.
    #[must_use]
    pub(crate) fn without(self, part: Self) -> Self {
        let times = |rates: Self| if rates.average > 0.0 { (rates.sum as f64 / rates.average).round() } else { 0.0 };
        let (sum, times) = (self.sum.saturating_sub(part.sum), times(self) - times(part));
        Self {
            sum,
            per_second: if sum > 0 { (self.per_second - part.per_second).max(0.0) } else { 0.0 },
            average: if times > 0.0 { sum as f64 / times } else { 0.0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A counter that goes up by 20 a second, in tens.
    fn after(seconds: i64) -> impl Fn(Span) -> Rates {
        let (mut times, mut history) = (SampleTimes::new(), History::new());
        let count_at = |second: i64| Count { value: second as u64 * 20, times: second as u64 * 2 };
        for second in 1..=seconds {
            for at in times.due(second * 1000).into_iter().flatten() {
                history.keep(at, count_at(second));
            }
        }
        move |span| times.rates(span, &history, count_at(seconds), seconds * 1000)
    }

    #[test]
    fn a_part_that_is_not_to_count_is_taken_out_of_sums_rates_and_averages() {
        let all = Rates { sum: 100, per_second: 20.0, average: 10.0 };
        let part = Rates { sum: 40, per_second: 8.0, average: 20.0 };
        assert_eq!(all.without(part), Rates { sum: 60, per_second: 12.0, average: 7.5 });
        assert_eq!(all.without(Rates::default()), all);
        assert_eq!(all.without(all), Rates::default());
    }

    #[test]
    fn a_young_counter_tells_all_it_has_and_its_rate_since_the_beginning() {
        let rates = after(5);
        let all = Rates { sum: 100, per_second: 20.0, average: 10.0 };
        assert_eq!([rates(Span::Minute), rates(Span::Hour), rates(Span::Day)], [all; 3]);
        assert_eq!(after(0)(Span::Minute), Rates::default());
    }

    #[test]
    fn an_old_counter_tells_the_last_minute_hour_and_day() {
        let rates = after(100_000);
        for (span, seconds, sample) in [(Span::Minute, 60, 10), (Span::Hour, 3600, 600), (Span::Day, 86_400, 3600)] {
            let told = rates(span);
            assert!((seconds * 20..(seconds + sample) * 20).contains(&told.sum), "{span:?} {told:?}");
            assert!((told.per_second - 20.0).abs() < 1e-9 && (told.average - 10.0).abs() < 1e-9, "{told:?}");
        }
    }
}
