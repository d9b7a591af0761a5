//! Runs many seeds, and names one that fails.

use std::io::Write;
use std::time::{Duration, Instant, SystemTime};

use crate::summary::Summary;

/// Seeds of a default run, times the weight of the test: some seconds in a build without optimization.
const SEEDS: u64 = 60;

fn number_from_env(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}

/// Runs `SEED=n` alone; else `SIM_SEEDS` seeds, or as many as `SIM_SECONDS` leave time for: fresh ones each time, or those from
/// `FIRST_SEED` on.
pub(crate) fn run_seeds(test: &str, weight: u64, run: impl Fn(u64) -> Summary) {
    let mut total = Summary::default();
    let start = Instant::now();
    if let Some(seed) = number_from_env("SEED") {
        total.add(&run_one(test, seed, &run));
        return report(test, &total, start.elapsed());
    }
    let seconds = number_from_env("SIM_SECONDS");
    let default = if seconds.is_some() { u64::MAX >> 16 } else { SEEDS * weight };
    let count = number_from_env("SIM_SEEDS").unwrap_or(default);
    let time_max = seconds.map_or(Duration::MAX, Duration::from_secs);
    let first = number_from_env("FIRST_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        now.as_nanos() as u64 & 0xFFFF_FFFF_FFFF
    });
    for seed in first..first.saturating_add(count) {
        total.add(&run_one(test, seed, &run));
        if start.elapsed() > time_max {
            break;
        }
    }
    report(test, &total, start.elapsed());
}

fn run_one(test: &str, seed: u64, run: &impl Fn(u64) -> Summary) -> Summary {
    let _named = NamedOnPanic { test, seed };
    run(seed)
}

/// Prints past the capture of test output, so that a passing run shows what it did.
pub(crate) fn report(test: &str, total: &Summary, took: Duration) {
    let _ = writeln!(std::io::stderr(), "{test}, {:.1} s: {total}", took.as_secs_f64());
}

/// Names the seed whatever the run panics on.
struct NamedOnPanic<'a> {
    test: &'a str,
    seed: u64,
}

impl Drop for NamedOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { test, seed } = self;
            eprintln!("seed {seed} failed; again: SEED={seed} cargo test -p raft-driver --test simulation {test}");
        }
    }
}
