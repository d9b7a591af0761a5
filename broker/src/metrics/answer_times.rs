//! How long answers to some requests took, as operators read it in one line: longest, percentiles, distribution.

use std::fmt::Write as _;

use observe::RpcSeries;
use protocol::code::RequestCode;

use crate::route_table;

/// Told for what took longer than the largest bound of the histograms.
const ABOVE_ALL_US: u64 = 3_000_001;

/// Answers to several kinds of requests together, by bucket: what histograms keep, so nothing is exacter than those.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AnswerTimes {
    /// Inclusive upper bound in microseconds and how many took longer than the bound before, ascending.
    buckets: Vec<(u64, u64)>,
}

impl AnswerTimes {
    /// Of all answers to these requests that did not have to wait for something to answer.
    pub(crate) fn of(series: &[RpcSeries], codes: &[RequestCode]) -> Self {
        let numbers: Vec<u16> = codes.iter().map(|code| route_table::number(code.0)).collect();
        let mut buckets: Vec<(u64, u64)> = Vec::new();
        let asked = |seen: &&RpcSeries| numbers.contains(&seen.answer.request) && !seen.answer.is_held;
        for seen in series.iter().filter(asked) {
            let (mut below, count) = (0, seen.latency.count());
            let inner =
                seen.latency.cumulative().map(|(bound, up_to)| (bound, up_to - std::mem::replace(&mut below, up_to)));
            let mut own: Vec<(u64, u64)> = inner.collect();
            own.push((ABOVE_ALL_US, count - below));
            if buckets.is_empty() {
                buckets = own;
            } else {
                // All histograms of the kind have the same bounds.
                buckets.iter_mut().zip(own).for_each(|((_, sum), (_, more))| *sum += more);
            }
        }
        Self { buckets }
    }

    /// An upper bound of the longest time, ms, rounded down as the reference counts; 3000 stands for that and more.
    pub(crate) fn longest_ms(&self) -> u64 {
        self.buckets.iter().rev().find(|(_, count)| *count > 0).map_or(0, |(bound, _)| bound / 1_000)
    }

    /// The time that this share of the answers did not exceed, in ms with two decimals: the upper bound of its bucket.
    pub(crate) fn percentile_ms(&self, share: f64) -> String {
        let all: u64 = self.buckets.iter().map(|(_, count)| count).sum();
        let wanted = (all as f64 * share).ceil() as u64;
        let mut seen = 0;
        let reached = self.buckets.iter().find(|(_, count)| {
            seen += count;
            seen >= wanted && wanted > 0
        });
        format!("{:.2}", reached.map_or(0.0, |(bound, _)| *bound as f64 / 1_000.0))
    }

    /// `[<=0.05ms]:12 [0.05~0.1ms]:3 … `, a number for every bucket.
    pub(crate) fn distribution(&self) -> String {
        let mut text = String::new();
        let mut before = None;
        for (bound, count) in &self.buckets {
            let ms = *bound as f64 / 1_000.0;
            // Writing to a string does not fail.
            let _ = match before {
                None => write!(text, "[<={ms}ms]:{count} "),
                Some(before) if *bound == ABOVE_ALL_US => write!(text, "[{before}ms~]:{count} "),
                Some(before) => write!(text, "[{before}~{ms}ms]:{count} "),
            };
            before = Some(ms);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use observe::{RpcAnswer, RpcLatency};

    use super::*;

    fn times(took_us: &[(RequestCode, u64, u64)]) -> AnswerTimes {
        let start = Instant::now();
        let mut latency = RpcLatency::new(route_table::numbers(), start);
        for (code, us, count) in took_us {
            latency.sweep_began(start);
            let read_at = latency.read_at();
            for _ in 0..*count {
                latency.answered(RpcAnswer::new(route_table::number(code.0), 0), read_at);
            }
            latency.sweep_sent(|| start + Duration::from_micros(*us));
        }
        AnswerTimes::of(&latency.series(), &[RequestCode::SEND_MESSAGE, RequestCode::SEND_MESSAGE_V2])
    }

    #[test]
    fn nothing_took_no_time() {
        let times = times(&[(RequestCode::PULL_MESSAGE, 9_000, 1)]);
        assert_eq!(
            (times.longest_ms(), times.percentile_ms(0.99).as_str(), times.distribution().as_str()),
            (0, "0.00", "")
        );
    }

    #[test]
    fn answers_of_all_the_codes_count_together() {
        let (old, new) = (RequestCode::SEND_MESSAGE, RequestCode::SEND_MESSAGE_V2);
        let times = times(&[(new, 40, 985), (new, 90, 10), (old, 4_500, 4), (old, 8_000_000, 1)]);
        assert_eq!(times.longest_ms(), 3_000);
        assert_eq!(
            [0.5, 0.99, 0.999, 1.0].map(|share| times.percentile_ms(share)),
            ["0.05", "0.10", "5.00", "3000.00"]
        );
        let text = times.distribution();
        assert!(text.starts_with("[<=0.05ms]:985 [0.05~0.1ms]:10 [0.1~0.2ms]:0 "), "{text}");
        assert!(text.contains("[3~5ms]:4 ") && text.ends_with("[2000~3000ms]:0 [3000ms~]:1 "), "{text}");
    }
}
