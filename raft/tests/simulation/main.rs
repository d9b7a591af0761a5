//! Whole groups on one thread, from one seed: drivers with logs in memory, a network that loses, doubles, delays and
//! reorders, disks that are slow and forget, replicas that crash, hang, come and go.
//!
//! [`replica`] is the glue around a driver that a broker has to write too, [`world`] plays several of them, [`faults`]
//! draws what happens, [`oracle`] knows what must hold. `SEED=n` runs one seed again, `TRACE=1` prints what
//! each replica does in it, `SIM_SEEDS=n` or `SIM_SECONDS=n` set how long, `FIRST_SEED=n` where they begin.

mod faults;
mod log;
mod mutations;
mod network;
mod oracle;
mod replica;
mod seeds;
mod stories;
mod summary;
mod world;

use faults::Flavour;
use replica::Mutation;
use seeds::run_seeds;

#[test]
fn groups_of_three_and_five_survive_crashes_and_a_bad_network() {
    run_seeds("groups_of_three_and_five_survive", 2, |seed| faults::run(seed, Flavour::Plain, Mutation::None));
}

#[test]
fn groups_survive_replicas_that_forget_what_they_confirmed() {
    run_seeds("groups_survive_replicas_that_forget", 2, |seed| faults::run(seed, Flavour::Forgetful, Mutation::None));
}

#[test]
fn groups_change_their_members_while_everything_fails() {
    run_seeds("groups_change_their_members", 1, |seed| faults::run(seed, Flavour::Members, Mutation::None));
}

#[test]
fn one_seed_plays_the_same_every_time() {
    for seed in 0..5 {
        for flavour in [Flavour::Plain, Flavour::Forgetful, Flavour::Members] {
            assert_eq!(faults::run(seed, flavour, Mutation::None), faults::run(seed, flavour, Mutation::None));
        }
    }
}
