//! How much memory another process has in use, as the kernel counts it.

use std::time::{Duration, Instant};
use std::{fs, thread};

/// A broker gives back what it freed every 5 s; a checkpoint, which needs memory for a moment, is made every minute at most.
const GIVEN_BACK: Duration = Duration::from_secs(8);

/// Bytes in memory now.
///
/// # Panics
/// When there is no such process.
#[must_use]
pub fn resident_bytes(pid: u32) -> u64 {
    status_bytes(pid, "VmRSS:")
}

/// Bytes that it has to itself now: files and memory that it shares, as the log's ring, are not among them.
///
/// # Panics
/// When there is no such process.
#[must_use]
pub fn anonymous_bytes(pid: u32) -> u64 {
    status_bytes(pid, "RssAnon:")
}

/// The least of [`anonymous_bytes`] within 8 s: what a broker keeps, without what it needed for a moment.
///
/// # Panics
/// When there is no such process.
#[must_use]
pub fn lasting_bytes(pid: u32) -> u64 {
    let began = Instant::now();
    let mut least = anonymous_bytes(pid);
    while began.elapsed() < GIVEN_BACK {
        thread::sleep(Duration::from_millis(100));
        least = least.min(anonymous_bytes(pid));
    }
    least
}

/// The most bytes it had in memory since its start or the last [`reset_peak`].
///
/// # Panics
/// When there is no such process.
#[must_use]
pub fn peak_bytes(pid: u32) -> u64 {
    status_bytes(pid, "VmHWM:")
}

/// Lets the peak begin at what is in memory now.
///
/// # Panics
/// When there is no such process, or it is somebody else's.
pub fn reset_peak(pid: u32) {
    let path = format!("/proc/{pid}/clear_refs");
    fs::write(&path, "5").unwrap_or_else(|error| panic!("cannot write {path}: {error}"));
}

fn status_bytes(pid: u32, field: &str) -> u64 {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).unwrap_or_else(|error| panic!("cannot read {path}: {error}"));
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kibibytes = line.and_then(|rest| rest.trim().strip_suffix(" kB")).and_then(|number| number.trim().parse().ok());
    let kibibytes: u64 = kibibytes.unwrap_or_else(|| panic!("no {field} in {path}:\n{status}"));
    kibibytes * 1024
}
