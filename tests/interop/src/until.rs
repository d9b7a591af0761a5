//! Waiting for a condition, with a limit.

use std::thread;
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(20);

/// Asks until the answer is `Ok`.
///
/// # Panics
/// When `limit` has passed; the message has the last `Err`.
pub fn until<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(seen) => assert!(start.elapsed() < limit, "waited {limit:?} for {what}; last seen: {seen}"),
        }
        thread::sleep(POLL);
    }
}
