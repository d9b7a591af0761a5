//! How far a counter of the kernel went between two looks.

/// Counts from `earlier` to `later`.
///
/// A counter can go back for two reasons. Times of disks are kept in 32 bits of milliseconds (they wrap after 49.7
/// days), and some network drivers count bytes in 32 bits: a step from the upper half of 32 bits into the lower is such a
/// wrap. Anything else is a device that was taken away and came back under the same name: it counted from zero.
///
/// Source: `part_stat_show` and `diskstats_show` in Linux `block/genhd.c`, which print the times as `%u`.
pub(crate) fn advance(earlier: u64, later: u64) -> u64 {
    const WRAP: u64 = 1 << 32;
    const HALF: u64 = WRAP / 2;
    match later.checked_sub(earlier) {
        Some(forward) => forward,
        None if (HALF..WRAP).contains(&earlier) && later < HALF => later + WRAP - earlier,
        None => later,
    }
}

/// `count` a second; 0 over no time.
pub(crate) fn per_second(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

/// `part` of `whole` within 0..=1; 0 of nothing. Clocks of different resolution meet here, so that a part can seem to be
/// larger than its whole.
pub(crate) fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { (part / whole).clamp(0.0, 1.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_goes_forward() {
        assert_eq!(advance(10, 10), 0);
        assert_eq!(advance(10, 17), 7);
        assert_eq!(advance(u64::MAX - 1, u64::MAX), 1);
    }

    #[test]
    fn a_counter_of_32_bits_wraps() {
        assert_eq!(advance(u64::from(u32::MAX), 4), 5);
        assert_eq!(advance(1 << 31, 0), 1 << 31);
    }

    #[test]
    fn a_counter_that_was_reset_counts_from_zero() {
        assert_eq!(advance(1_000, 3), 3);
        assert_eq!(advance(1 << 40, 5), 5);
    }

    #[test]
    fn nothing_is_divided_by_zero() {
        assert_eq!(per_second(10, 0.0), 0.0);
        assert_eq!(share(1.0, 0.0), 0.0);
        assert_eq!(share(3.0, 2.0), 1.0);
    }
}
