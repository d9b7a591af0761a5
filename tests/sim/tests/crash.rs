//! Random lives of a store, each ended by a crash.

use sim::scenario::run_seed;
use sim::seeds::{STORE_SEEDS, run_seeds};

#[test]
fn acknowledged_messages_survive_crashes_and_faults() {
    run_seeds("acknowledged_messages_survive_crashes_and_faults", STORE_SEEDS, run_seed);
}

#[test]
fn a_seed_replays_exactly() {
    for seed in 0..60 {
        let run = || run_seed(seed).map(|summary| format!("{summary:?}"));
        assert_eq!(run(), run(), "seed={seed}");
    }
}
