//! The delay levels of `messageDelayLevel`: level n (from 1) of `1s 5s 10s …` waits that long.

use thiserror::Error;

/// The levels of a broker that configures none: 1 to 18.
pub const DELAY_LEVELS_DEFAULT: &str = "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h";

/// A list with more levels is refused at start: each level is a queue of the schedule topic.
pub const DELAY_LEVELS_MAX: usize = 64;

/// No level may wait longer, so that a due time never overflows.
pub const DELAY_MS_MAX: i64 = 10 * 365 * 24 * 3_600_000;

/// Why a `messageDelayLevel` text is not a list of levels.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DelayLevelsError {
    /// A piece is not a number with a unit.
    #[error("delay level {level} is `{piece}`; wanted a whole number and one of s, m, h, d, like `10s`")]
    NotADelay {
        /// Counted from 1.
        level: usize,
        /// As it stands in the text.
        piece: String,
    },
    /// A piece is zero, negative or above [`DELAY_MS_MAX`].
    #[error("delay level {level} is `{piece}`; a delay is more than nothing and at most ten years")]
    OutOfRange {
        /// Counted from 1.
        level: usize,
        /// As it stands in the text.
        piece: String,
    },
    /// None, or more than [`DELAY_LEVELS_MAX`].
    #[error("{count} delay levels; wanted 1 to {DELAY_LEVELS_MAX}")]
    Count {
        /// How many pieces the text has.
        count: usize,
    },
}

/// The delays, level 1 first. A level is what stands in a message's `DELAY` property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelayLevels {
    delays_ms: Vec<i64>,
}

impl DelayLevels {
    /// Reads the text of `messageDelayLevel`: delays separated by blanks.
    ///
    /// # Errors
    /// [`DelayLevelsError`] names the first level that is not a delay.
    pub fn parse(text: &str) -> Result<Self, DelayLevelsError> {
        let count = text.split_ascii_whitespace().count();
        if count == 0 || count > DELAY_LEVELS_MAX {
            return Err(DelayLevelsError::Count { count });
        }
        let pieces = text.split_ascii_whitespace().enumerate();
        let delays_ms = pieces.map(|(index, piece)| parse_delay_ms(index + 1, piece)).collect::<Result<_, _>>()?;
        Ok(Self { delays_ms })
    }

    /// The largest level, which is how many queues the schedule topic needs.
    pub fn level_max(&self) -> i32 {
        self.delays_ms.len() as i32
    }

    /// The level a message gets that asks for `asked`: none for 0 and below, the last one for more than there are.
    pub fn clamp(&self, asked: i32) -> Option<i32> {
        (asked > 0).then(|| asked.min(self.level_max()))
    }

    /// How long messages of this level wait; levels beyond the last wait as long as the last, 0 and below not at all.
    pub fn delay_ms(&self, level: i32) -> i64 {
        self.clamp(level).map_or(0, |level| self.delays_ms[level as usize - 1])
    }

    /// All levels with their delay in ms, level 1 first.
    pub fn iter(&self) -> impl Iterator<Item = (i32, i64)> {
        (1..).zip(self.delays_ms.iter().copied())
    }
}

impl Default for DelayLevels {
    fn default() -> Self {
        const SECOND: i64 = 1_000;
        const MINUTE: i64 = 60 * SECOND;
        const HOUR: i64 = 60 * MINUTE;
        let seconds = [1, 5, 10, 30].map(|n| n * SECOND);
        let minutes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30].map(|n| n * MINUTE);
        let hours = [1, 2].map(|n| n * HOUR);
        Self { delays_ms: [&seconds[..], &minutes[..], &hours[..]].concat() }
    }
}

/// The queue of the schedule topic that holds the messages of a level, from 1.
pub fn queue_id_of_level(level: i32) -> i32 {
    assert!(level > 0, "levels count from 1, got {level}");
    level - 1
}

/// The level whose messages a queue of the schedule topic holds.
pub fn level_of_queue_id(queue_id: i32) -> i32 {
    assert!(queue_id >= 0, "queue ids count from 0, got {queue_id}");
    queue_id + 1
}

fn parse_delay_ms(level: usize, piece: &str) -> Result<i64, DelayLevelsError> {
    let not_a_delay = || DelayLevelsError::NotADelay { level, piece: piece.to_owned() };
    let out_of_range = || DelayLevelsError::OutOfRange { level, piece: piece.to_owned() };
    let unit = piece.chars().next_back().ok_or_else(not_a_delay)?;
    let unit_ms = match unit {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 24 * 3_600_000,
        _ => return Err(not_a_delay()),
    };
    let number: i64 = piece[..piece.len() - unit.len_utf8()].parse().map_err(|_| not_a_delay())?;
    let delay_ms = number.checked_mul(unit_ms).ok_or_else(out_of_range)?;
    if !(1..=DELAY_MS_MAX).contains(&delay_ms) {
        return Err(out_of_range());
    }
    Ok(delay_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_text_and_the_default_levels_are_the_same() {
        let levels = DelayLevels::parse(DELAY_LEVELS_DEFAULT).unwrap();
        assert_eq!(levels, DelayLevels::default());
        assert_eq!(levels.level_max(), 18);
        assert_eq!(levels.delay_ms(1), 1_000);
        assert_eq!(levels.delay_ms(3), 10_000);
        assert_eq!(levels.delay_ms(18), 7_200_000);
    }

    #[test]
    fn levels_beyond_the_last_are_the_last_and_none_below_one() {
        let levels = DelayLevels::default();
        assert_eq!(levels.clamp(19), Some(18));
        assert_eq!(levels.clamp(i32::MAX), Some(18));
        assert_eq!(levels.clamp(0), None);
        assert_eq!(levels.clamp(-1), None);
        assert_eq!(levels.delay_ms(99), 7_200_000);
        assert_eq!(levels.delay_ms(0), 0);
    }

    #[test]
    fn every_unit_counts() {
        let levels = DelayLevels::parse(" 2s  3m 4h\t5d ").unwrap();
        let delays: Vec<_> = levels.iter().collect();
        assert_eq!(delays, [(1, 2_000), (2, 180_000), (3, 14_400_000), (4, 432_000_000)]);
    }

    #[test]
    fn what_is_not_a_delay_is_an_error_that_names_the_level() {
        for piece in ["5", "s", "5x", "1.5s", "5ü", "five"] {
            let error = DelayLevels::parse(&format!("1s {piece}")).unwrap_err();
            assert_eq!(error, DelayLevelsError::NotADelay { level: 2, piece: piece.to_owned() });
        }
        for piece in ["0s", "-1s", "999999999999999999d", "9223372036854775807s"] {
            let error = DelayLevels::parse(piece).unwrap_err();
            assert_eq!(error, DelayLevelsError::OutOfRange { level: 1, piece: piece.to_owned() });
        }
        assert_eq!(DelayLevels::parse("  "), Err(DelayLevelsError::Count { count: 0 }));
        let many = "1s ".repeat(DELAY_LEVELS_MAX + 1);
        assert_eq!(DelayLevels::parse(&many), Err(DelayLevelsError::Count { count: DELAY_LEVELS_MAX + 1 }));
    }

    #[test]
    fn queue_ids_are_levels_less_one() {
        assert_eq!(queue_id_of_level(1), 0);
        assert_eq!(level_of_queue_id(17), 18);
    }
}
