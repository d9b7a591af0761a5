//! One thing that is counted.

use crate::benches;

/// A name, what it covers, and how to run it.
pub struct Bench {
    /// As on the command line and in the table of counts.
    pub name: &'static str,
    /// What is in it.
    pub covers: &'static str,
    /// Prepares, warms up, and runs what is counted in [`crate::region::counted_region`]. Returns how many messages that
    /// was.
    pub run: fn() -> u64,
}

/// All of them, in the order of a message's way.
pub fn all() -> impl Iterator<Item = &'static Bench> {
    [benches::decode::ALL, benches::answer::ALL, benches::append::ALL, benches::send::ALL, benches::pull::ALL]
        .into_iter()
        .flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Each bench checks what it makes.
    #[test]
    fn every_bench_runs_without_callgrind() {
        for bench in all() {
            assert!((bench.run)() > 0, "{} ran no message", bench.name);
        }
    }

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<_> = all().map(|bench| bench.name).collect();
        assert_eq!(names.len(), all().count());
    }
}
