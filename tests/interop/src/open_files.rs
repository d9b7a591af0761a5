//! How many files this process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit of this process to at least `count`.
///
/// # Panics
/// When the hard limit is lower.
pub fn allow_open_files(count: u64) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= count) {
        return;
    }
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(count), maximum: limit.maximum });
    raised.unwrap_or_else(|error| panic!("this test opens {count} files, {limit:?} allows fewer: {error}"));
}
