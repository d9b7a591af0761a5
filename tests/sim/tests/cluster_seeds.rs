//! Random clusters: brokers, clients and a network on which everything goes wrong, then is well again.

use sim::cluster::run::{run_group_seed, run_seed};
use sim::seeds::{CLUSTER_SEEDS, LONE_SEEDS, run_seeds};

#[test]
fn brokers_keep_their_promises_whatever_goes_wrong() {
    run_seeds("brokers_keep_their_promises_whatever_goes_wrong", LONE_SEEDS, run_seed);
}

#[test]
fn a_cluster_replays_exactly() {
    for seed in 0..10 {
        let run = || run_seed(seed).map(|summary| format!("{summary:?}"));
        assert_eq!(run(), run(), "seed={seed}");
    }
}

#[test]
fn groups_of_replicas_keep_their_promises_whatever_goes_wrong() {
    run_seeds("groups_of_replicas_keep_their_promises_whatever_goes_wrong", CLUSTER_SEEDS, run_group_seed);
}

#[test]
fn a_group_of_replicas_replays_exactly() {
    for seed in 0..10 {
        let run = || run_group_seed(seed).map(|summary| format!("{summary:?}"));
        assert_eq!(run(), run(), "seed={seed}");
    }
}
