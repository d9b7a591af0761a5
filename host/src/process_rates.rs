//! What a process did between two looks at it.

use serde::{Deserialize, Serialize};

use crate::ProcessSample;
use crate::counter::per_second;

/// What a process did between two samples.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessRates {
    /// Time between the samples.
    pub seconds: f64,
    /// Processors it kept busy: 1.5 is one and a half.
    pub cores: f64,
    /// CPU time, in microseconds.
    pub cpu_us: u64,
    /// The later sample's memory in RAM.
    pub rss_bytes: u64,
    /// The later sample's own memory.
    pub anonymous_bytes: u64,
}

impl ProcessRates {
    /// From `earlier` to `later`; `None` if they are not of one and the same process or no time lies between them.
    pub fn between(earlier: &ProcessSample, later: &ProcessSample) -> Option<Self> {
        let same = (earlier.pid, earlier.started_ticks) == (later.pid, later.started_ticks);
        let span_us = later.at_us.checked_sub(earlier.at_us).filter(|span| *span > 0 && same)?;
        let cpu_us = later.cpu_us.saturating_sub(earlier.cpu_us);
        let seconds = span_us as f64 / 1e6;
        Some(Self {
            seconds,
            cores: per_second(cpu_us, seconds) / 1e6,
            cpu_us,
            rss_bytes: later.rss_bytes,
            anonymous_bytes: later.anonymous_bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at_us: u64, cpu_us: u64) -> ProcessSample {
        ProcessSample { at_us, pid: 7, started_ticks: 100, cpu_us, rss_bytes: 4_096, ..Default::default() }
    }

    #[test]
    fn three_seconds_of_cpu_in_two_are_one_and_a_half_cores() {
        let rates = ProcessRates::between(&sample(0, 1_000_000), &sample(2_000_000, 4_000_000)).unwrap();
        assert_eq!((rates.cores, rates.cpu_us, rates.rss_bytes), (1.5, 3_000_000, 4_096));
    }

    #[test]
    fn another_process_under_the_same_id_has_no_rates() {
        let reused = ProcessSample { started_ticks: 200, ..sample(2_000_000, 5) };
        assert_eq!(ProcessRates::between(&sample(0, 0), &reused), None);
    }

    #[test]
    fn no_time_has_no_rates() {
        assert_eq!(ProcessRates::between(&sample(5, 0), &sample(5, 9)), None);
        assert_eq!(ProcessRates::between(&sample(5, 0), &sample(4, 9)), None);
    }
}
