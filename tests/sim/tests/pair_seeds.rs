//! A master and one or two slaves, with everything going wrong, then well again.

use sim::cluster::pair_plan::run_pair_seed;
use sim::seeds::{PAIR_SEEDS, run_seeds};

#[test]
fn a_master_and_its_slaves_keep_their_promises_whatever_goes_wrong() {
    run_seeds("a_master_and_its_slaves_keep_their_promises_whatever_goes_wrong", PAIR_SEEDS, run_pair_seed);
}

#[test]
fn a_master_and_its_slaves_replay_exactly() {
    for seed in 0..5 {
        let run = || run_pair_seed(seed).map(|summary| format!("{summary:?}"));
        assert_eq!(run(), run(), "seed={seed}");
    }
}
