//! Runs many seeds, and names one that fails.

use std::fmt;
use std::io::Write;
use std::num::NonZero;
use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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
    /// The test runs one for so many of that number.
    pub one_in: u64,
}

/// Of the tests of one store. A build without optimization takes some twenty times as long.
pub const STORE_SEEDS: SeedCount =
    SeedCount { variable: "SIM_SEEDS", default: if cfg!(debug_assertions) { 1_000 } else { 20_000 }, one_in: 1 };
/// Of groups of replicas.
pub const CLUSTER_SEEDS: SeedCount = SeedCount { variable: "CLUSTER_SEEDS", default: 1_000, one_in: 1 };
/// Of clusters of brokers that stand alone.
pub const LONE_SEEDS: SeedCount = SeedCount { one_in: 4, ..CLUSTER_SEEDS };
/// Of groups whose members change, which take longer.
pub const MEMBER_SEEDS: SeedCount = SeedCount { one_in: 5, ..CLUSTER_SEEDS };
/// Of masters with their slaves.
pub const PAIR_SEEDS: SeedCount = SeedCount { one_in: 5, ..CLUSTER_SEEDS };

fn number_from_env(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}

/// What is run, and how it is told.
struct Job<'a, R> {
    test: &'a str,
    run: R,
    seeds: Range<u64>,
    time_max: Duration,
    start: Instant,
    next: AtomicU64,
    is_over: AtomicBool,
}

/// Runs `SEED=n` alone; else as many seeds as the variable of `seeds` says, or as `SIM_SECONDS` leave time for, on as many
/// threads as there are cores, or `SIM_THREADS`. The seeds are fresh each time, or go on from `FIRST_SEED`; a failing one is
/// printed with the command that runs it again.
/// # Panics
/// If a seed fails.
pub fn run_seeds<T: Total + Send>(test: &str, seeds: SeedCount, run: impl Fn(u64) -> Result<T, Violation> + Sync) {
    let start = Instant::now();
    if let Some(seed) = number_from_env("SEED") {
        let job = Job::of(test, &run, seed..seed.saturating_add(1), Duration::MAX);
        return report(test, &job.work(), start.elapsed());
    }
    let seconds = number_from_env("SIM_SECONDS");
    let count =
        number_from_env(seeds.variable).unwrap_or(if seconds.is_some() { u64::MAX >> 16 } else { seeds.default });
    let count = count.div_ceil(seeds.one_in);
    let first = number_from_env("FIRST_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        now.as_nanos() as u64 & 0xFFFF_FFFF_FFFF
    });
    let time_max = seconds.map_or(Duration::MAX, Duration::from_secs);
    let job = Job::of(test, &run, first..first.saturating_add(count), time_max);
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get) as u64;
    let threads = number_from_env("SIM_THREADS").unwrap_or(cores).clamp(1, count.max(1));
    let mut total = T::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| job.work())).collect();
        for worker in workers {
            match worker.join() {
                Ok(done) => total.add(&done),
                Err(panic) => resume_unwind(panic),
            }
        }
    });
    report(test, &total, start.elapsed());
}

impl<'a, T: Total, R: Fn(u64) -> Result<T, Violation>> Job<'a, &'a R> {
    fn of(test: &'a str, run: &'a R, seeds: Range<u64>, time_max: Duration) -> Self {
        let next = AtomicU64::new(seeds.start);
        Self { test, run, seeds, time_max, start: Instant::now(), next, is_over: AtomicBool::new(false) }
    }

    /// Seeds, one after the other, until none is left, the time is over or one has failed.
    fn work(&self) -> T {
        let mut total = T::default();
        while !self.is_over.load(Ordering::Relaxed) {
            let seed = self.next.fetch_add(1, Ordering::Relaxed);
            if seed >= self.seeds.end {
                break;
            }
            total.add(&self.run_one(seed));
            if self.start.elapsed() > self.time_max {
                break;
            }
        }
        total
    }

    fn run_one(&self, seed: u64) -> T {
        let _named = NamedOnPanic { test: self.test, seed, is_over: &self.is_over };
        match (self.run)(seed) {
            Ok(summary) => summary,
            Err(violation) => panic!("{violation}"),
        }
    }
}

/// Prints past the capture of test output, so that a passing run shows what it did.
pub fn report(test: &str, total: &impl fmt::Display, took: Duration) {
    let _ = writeln!(std::io::stderr(), "{test}, {:.1} s: {total}", took.as_secs_f64());
}

/// Names the seed whatever the run panics on, and has the other threads end.
struct NamedOnPanic<'a> {
    test: &'a str,
    seed: u64,
    is_over: &'a AtomicBool,
}

impl Drop for NamedOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { test, seed, is_over } = self;
            is_over.store(true, Ordering::Relaxed);
            let _ = writeln!(
                std::io::stderr(),
                "seed {seed} failed; again: SEED={seed} cargo test --locked --profile sim -p sim {test} -- --exact --nocapture"
            );
        }
    }
}
