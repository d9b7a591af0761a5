//! Runs many seeds, and names one that fails.

use std::fmt;
use std::io::Write;
use std::time::{Duration, Instant, SystemTime};

use crate::Violation;

/// What runs did, to be added up.
pub trait Total: Default + fmt::Display {
    /// Adds the totals of another run.
    fn add(&mut self, other: &Self);
}

/// How many seeds a test runs, if nothing else is said.
#[derive(Copy, Clone, Debug)]
pub struct SeedCount {
    /// The variable that says otherwise.
    pub variable: &'static str,
    /// The number for a default run.
    pub default: u64,
}

/// Of the tests of one store. A build without optimization takes some twenty times as long.
pub const STORE_SEEDS: SeedCount =
    SeedCount { variable: "SIM_SEEDS", default: if cfg!(debug_assertions) { 1_000 } else { 20_000 } };
/// Of the tests of whole clusters.
pub const CLUSTER_SEEDS: SeedCount = SeedCount { variable: "CLUSTER_SEEDS", default: 1_000 };

fn number_from_env(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}

/// Runs `SEED=n` alone; else as many seeds as the variable of `seeds` says, or as `SIM_SECONDS` leave time for. The seeds
/// are fresh each time; a failing one is printed with the command that runs it again.
/// # Panics
/// If a seed fails.
pub fn run_seeds<T: Total>(test: &str, seeds: SeedCount, run: impl Fn(u64) -> Result<T, Violation>) {
    let mut total = T::default();
    if let Some(seed) = number_from_env("SEED") {
        total.add(&run_one(test, seed, &run));
        return report(test, &total, Duration::ZERO);
    }
    let seconds = number_from_env("SIM_SECONDS");
    let count =
        number_from_env(seeds.variable).unwrap_or(if seconds.is_some() { u64::MAX >> 16 } else { seeds.default });
    let time_max = seconds.map_or(Duration::MAX, Duration::from_secs);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let base = now.as_nanos() as u64 & 0xFFFF_FFFF_FFFF;
    let start = Instant::now();
    for seed in base..base + count {
        total.add(&run_one(test, seed, &run));
        if start.elapsed() > time_max {
            break;
        }
    }
    report(test, &total, start.elapsed());
}

fn run_one<T>(test: &str, seed: u64, run: &impl Fn(u64) -> Result<T, Violation>) -> T {
    let _named = NamedOnPanic { test, seed };
    match run(seed) {
        Ok(summary) => summary,
        Err(violation) => panic!("{violation}"),
    }
}

/// Prints past the capture of test output, so that a passing run shows what it did.
pub fn report(test: &str, total: &impl fmt::Display, took: Duration) {
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
            eprintln!("seed {seed} failed; again: SEED={seed} cargo test --release -p sim {test} -- --nocapture");
        }
    }
}
