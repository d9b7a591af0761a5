//! Glue that breaks a rule: each must be found out, or the other tests prove nothing.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use crate::faults::{self, Flavour};
use crate::replica::Mutation;

thread_local! {
    /// Whether a panic of this thread is what the test wants to see, and no news.
    static IS_EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Runs until the mutation is noticed, by the oracle, by an assert of the driver or because nothing goes on; whether that
/// was within `seeds_max`.
fn is_found_out(mutation: Mutation, flavour: Flavour, seeds_max: u64) -> bool {
    silence_expected_panics();
    let run = |seed| catch_unwind(AssertUnwindSafe(|| faults::run(seed, flavour, mutation)));
    IS_EXPECTED.set(true);
    let found = (0..seeds_max).find(|seed| run(*seed).is_err());
    IS_EXPECTED.set(false);
    println!("{mutation:?}: {found:?} of {seeds_max} seeds");
    found.is_some()
}

/// Else whoever looks for the cause of a failed run finds these first.
fn silence_expected_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = take_hook();
        set_hook(Box::new(move |info| {
            if !IS_EXPECTED.get() {
                print(info);
            }
        }));
    });
}

#[test]
fn entries_that_are_said_to_be_persisted_too_early_are_found_out() {
    assert!(is_found_out(Mutation::PersistedTooEarly, Flavour::Plain, 100));
}

#[test]
fn a_forgetful_replica_that_votes_is_found_out() {
    assert!(is_found_out(Mutation::TrustsItselfBlindly, Flavour::Forgetful, 100));
}

#[test]
fn an_ignored_truncation_is_found_out() {
    assert!(is_found_out(Mutation::TruncationIgnored, Flavour::Plain, 100));
}

#[test]
fn a_vote_that_is_not_saved_is_found_out() {
    assert!(is_found_out(Mutation::StateNotSaved, Flavour::Plain, 1_000));
}

#[test]
fn members_that_are_not_saved_are_found_out() {
    assert!(is_found_out(Mutation::MembersNotSaved, Flavour::Members, 200));
}
