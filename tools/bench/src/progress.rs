//! The line that is printed every second.

use crate::observer::{Snapshot, Start};
use crate::report::SideSample;
use crate::report::units::{duration, grouped};

/// Prints to standard error, so that standard output has the result only.
#[derive(Debug, Default)]
pub struct Progress;

impl Progress {
    /// Says what is loaded.
    pub fn started(&mut self, start: &Start<'_>) {
        eprintln!("{}", start_line(start));
        for note in start.notes {
            eprintln!("note: {note}");
        }
    }

    /// Says what the last second brought.
    pub fn second(&mut self, snapshot: &Snapshot) {
        eprintln!("{}", second_line(snapshot));
    }
}

fn start_line(start: &Start<'_>) -> String {
    let brokers: Vec<_> = start
        .brokers
        .iter()
        .map(|broker| format!("{} ({}, {} queues)", broker.name, broker.address, broker.queues))
        .collect();
    format!("{} connections to {}", start.connections, brokers.join(", "))
}

fn second_line(snapshot: &Snapshot) -> String {
    let sample = &snapshot.sample;
    let mut line = format!("{:6.1} s{}", snapshot.elapsed_s, if snapshot.is_warm_up { " warm-up" } else { "" });
    if let Some(side) = &sample.sends {
        line.push_str(&side_text("sent", side, sample.length_ms));
    }
    if let Some(side) = &sample.receives {
        line.push_str(&side_text("received", side, sample.length_ms));
    }
    if sample.owed > 0 {
        line.push_str(&format!("  {} due and not sent", grouped(sample.owed)));
    }
    if sample.undelivered > 0 {
        line.push_str(&format!("  {} on the way", grouped(sample.undelivered.unsigned_abs())));
    }
    line
}

fn side_text(verb: &str, side: &SideSample, length_ms: u32) -> String {
    let per_second = side.messages * 1_000 / u64::from(length_ms.max(1));
    let latency = &side.latency;
    let mut text = format!(
        "  {verb} {}/s  p50 {}  p99 {}  max {}",
        grouped(per_second),
        duration(latency.p50_us),
        duration(latency.p99_us),
        duration(latency.max_us)
    );
    if side.errors > 0 {
        text.push_str(&format!("  ERRORS {}", grouped(side.errors)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Percentiles, Sample};

    #[test]
    fn a_line_says_rate_latency_errors_and_what_waits() {
        let latency = Percentiles { p50_us: 120, p99_us: 4_500, max_us: 20_000, ..Percentiles::default() };
        let side = SideSample { messages: 26_605, errors: 3, latency, ..SideSample::default() };
        let sample = Sample {
            second: 0,
            length_ms: 500,
            sends: Some(side),
            receives: Some(SideSample { errors: 0, ..side }),
            owed: 1_200,
            undelivered: 7,
            bench_cpu_us: 0,
            brokers: Vec::new(),
            host: None,
        };
        let line = second_line(&Snapshot { elapsed_s: 3.5, is_warm_up: true, sample });
        assert_eq!(
            line,
            "   3.5 s warm-up  sent 53,210/s  p50 120 us  p99 4.50 ms  max 20.0 ms  ERRORS 3  \
             received 53,210/s  p50 120 us  p99 4.50 ms  max 20.0 ms  1,200 due and not sent  7 on the way"
        );
    }
}
