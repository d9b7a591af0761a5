//! What is counted, a file for each stretch of a message's way.

pub mod answer;
pub mod append;
pub mod decode;
pub mod pull;
pub mod send;

use crate::region::counted_region;

/// Messages of one round: what a sweep takes under load, so that what happens once a sweep is spread as it is there.
const MESSAGES: u64 = 64;
/// Memory for the newest part of the log. Warming up fills it, so that buffers come back for new ones as they do in a
/// broker that has run a while.
const CACHE_BYTES: usize = 1 << 20;

/// How often a bench is run.
#[derive(Copy, Clone, Debug)]
struct Rounds {
    /// Before anything is counted: until reused buffers have grown and the cache is full.
    warm_up: u64,
    /// Counted, so that what happens now and then is spread.
    counted: u64,
}

impl Rounds {
    /// For rounds of [`MESSAGES`].
    const OF_SWEEPS: Self = Self { warm_up: 32, counted: 16 };

    /// Runs all rounds of `messages` each; of each, only `counted` is counted. Returns the messages that were.
    fn run(self, messages: u64, mut before: impl FnMut(), mut counted: impl FnMut(), mut after: impl FnMut()) -> u64 {
        for round in 0..self.warm_up + self.counted {
            before();
            if round < self.warm_up {
                counted();
            } else {
                counted_region(&mut counted);
            }
            after();
        }
        messages * self.counted
    }

    /// As [`Self::run`], with nothing before or after.
    fn run_alone(self, messages: u64, counted: impl FnMut()) -> u64 {
        self.run(messages, || (), counted, || ())
    }
}
