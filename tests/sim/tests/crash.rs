//! Random lives of a store, each ended by a crash.

use sim::scenario::run_seed;
use sim::seeds::run_seeds;

#[test]
fn acknowledged_messages_survive_crashes_and_faults() {
    run_seeds("acknowledged_messages_survive_crashes_and_faults", 1, run_seed);
}
