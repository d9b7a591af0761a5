//! The clocks: monotonic nanoseconds for everything that is measured, milliseconds since 1970 for what messages carry.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Nanoseconds in a second.
pub const SECOND_NS: u64 = 1_000_000_000;
/// Nanoseconds in a millisecond.
pub const MILLISECOND_NS: u64 = 1_000_000;

/// The monotonic clock of this machine, in nanoseconds; the same for all its processes, so a stamp in a message can be
/// read by another process here, but not on another machine.
#[must_use]
pub fn now_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::Monotonic))
}

/// Milliseconds since 1970.
#[must_use]
pub fn now_ms() -> u64 {
    nanoseconds(clock_gettime(ClockId::Realtime)) / MILLISECOND_NS
}

/// CPU time of this process so far, all threads, user and system, in microseconds.
#[must_use]
pub fn own_cpu_us() -> u64 {
    nanoseconds(clock_gettime(ClockId::ProcessCPUTime)) / 1_000
}

/// Neither clock is ever before zero.
fn nanoseconds(time: Timespec) -> u64 {
    time.tv_sec as u64 * SECOND_NS + time.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clocks_go_forward() {
        let (monotonic, cpu) = (now_ns(), own_cpu_us());
        let mut sum = 0_u64;
        while own_cpu_us() < cpu + 2_000 {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(now_ns() >= monotonic + 1_000_000, "CPU time of one thread cannot pass faster than time");
        assert!(now_ms() > 1_700_000_000_000);
    }
}
