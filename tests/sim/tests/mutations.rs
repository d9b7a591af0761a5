//! The oracle on machines that break a promise: each lie must be found out, or the other tests prove nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};

use sim::machine::{Liar, Lie};
use sim::plan::Plan;
use sim::scenario::run_plan;

/// Runs tried before a lie counts as undetected.
const RUNS: u64 = 400;

fn is_found_out(lie: Lie, every: u64) -> bool {
    (0..RUNS).any(|seed| {
        // A store that trips over its own asserts has noticed too.
        let ran = catch_unwind(AssertUnwindSafe(|| run_plan(Plan::draw(seed), Liar::new(lie, every))));
        !matches!(ran, Ok(Ok(_)))
    })
}

#[test]
fn a_skipped_data_sync_is_found_out() {
    assert!(is_found_out(Lie::SkippedSync, 1) && is_found_out(Lie::SkippedSync, 10));
}

#[test]
fn a_stable_write_that_is_not_is_found_out() {
    assert!(is_found_out(Lie::UnstableWrite, 1) && is_found_out(Lie::UnstableWrite, 10));
}

#[test]
fn a_lost_write_is_found_out() {
    assert!(is_found_out(Lie::LostWrite, 1) && is_found_out(Lie::LostWrite, 25));
}

#[test]
fn a_write_that_stops_half_way_is_found_out() {
    assert!(is_found_out(Lie::HalfWrite, 10));
}

#[test]
fn a_read_that_gives_zeros_is_found_out() {
    assert!(is_found_out(Lie::ZeroRead, 25));
}

#[test]
fn a_skipped_sync_of_a_plain_file_is_found_out() {
    assert!(is_found_out(Lie::SkippedPlainSync, 1));
}

#[test]
fn a_lost_write_to_a_plain_file_is_found_out() {
    assert!(is_found_out(Lie::LostPlainWrite, 3));
}

#[test]
fn a_skipped_directory_sync_is_found_out() {
    assert!(is_found_out(Lie::SkippedDirectorySync, 1));
}

#[test]
fn a_lost_rename_is_found_out() {
    assert!(is_found_out(Lie::LostRename, 4));
}

#[test]
fn a_lost_ring_write_is_found_out() {
    assert!(is_found_out(Lie::LostRingWrite, 10));
}
