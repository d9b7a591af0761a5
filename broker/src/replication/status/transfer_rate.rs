//! How fast a log grows, from looks at its end now and then.

/// A rate is that of so long at least.
const PERIOD_MS: i64 = 1_000;

/// Bytes a second of late.
#[derive(Copy, Clone, Debug, Default)]
pub(crate) struct TransferRate {
    /// When the period under way began, and where the log ended then.
    from: Option<(i64, u64)>,
    bytes_per_second: u64,
}

impl TransferRate {
    /// The log ends at `offset` now.
    pub(crate) fn note(&mut self, now_ms: i64, offset: u64) {
        let Some((from_ms, from)) = self.from else {
            self.from = Some((now_ms, offset));
            return;
        };
        let elapsed_ms = now_ms - from_ms;
        if (0..PERIOD_MS).contains(&elapsed_ms) {
            return;
        }
        self.from = Some((now_ms, offset));
        // A clock that went back, or an end that was taken back: from here on anew.
        let grown = offset.saturating_sub(from);
        self.bytes_per_second = u64::try_from(elapsed_ms).map_or(0, |elapsed_ms| grown * 1_000 / elapsed_ms.max(1));
    }

    pub(crate) fn bytes_per_second(&self) -> u64 {
        self.bytes_per_second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_whole_second() {
        let mut rate = TransferRate::default();
        rate.note(0, 500);
        rate.note(999, 5_000);
        assert_eq!(rate.bytes_per_second(), 0);
        rate.note(2_000, 8_500);
        assert_eq!(rate.bytes_per_second(), 4_000);
        rate.note(2_500, 9_999_999);
        assert_eq!(rate.bytes_per_second(), 4_000);
        rate.note(3_000, 8_500);
        assert_eq!(rate.bytes_per_second(), 0);
    }

    #[test]
    fn neither_clock_nor_log_going_back_gives_nonsense() {
        let mut rate = TransferRate::default();
        rate.note(5_000, 500);
        rate.note(1_000, 900);
        assert_eq!(rate.bytes_per_second(), 0);
        rate.note(2_000, 100);
        assert_eq!(rate.bytes_per_second(), 0);
        rate.note(3_000, 600);
        assert_eq!(rate.bytes_per_second(), 500);
    }
}
