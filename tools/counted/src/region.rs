//! What is counted, and what is not.

use std::hint::black_box;

/// As callgrind is told, which sees names as they are after demangling.
pub const PATTERN: &str = "*counted_region*";

/// Runs `work`; callgrind collects in here and nowhere else. A function of its own, never inlined, and its last step
/// is not the call, so that entering and leaving it can be seen in the machine code.
#[inline(never)]
pub fn counted_region(work: &mut dyn FnMut()) {
    work();
    black_box(());
}
