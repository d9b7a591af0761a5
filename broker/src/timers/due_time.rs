//! When a timer message is due, from what its sender wrote.

use thiserror::Error;

use crate::send_properties::{TimerKind, TimerProperty};

/// Why a timer message is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DueTimeError {
    /// It is not a number, or none that fits 64 bits.
    #[error("property {name} is `{value}`; wanted {wanted}")]
    NotANumber {
        /// Of the property.
        name: &'static str,
        /// As received.
        value: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// Farther than `timerMaxDelaySec`.
    #[error("property {name} is `{value}`: due in {delay_ms} ms; timerMaxDelaySec allows {delay_ms_max} ms")]
    TooFar {
        /// Of the property.
        name: &'static str,
        /// As received.
        value: String,
        /// How long it would wait.
        delay_ms: i64,
        /// The limit.
        delay_ms_max: i64,
    },
}

/// When the message is due, ms since 1970; `None` if it is already. `properties` is the buffer that was scanned.
///
/// # Errors
/// [`DueTimeError`].
pub fn due_ms(
    timer: &TimerProperty,
    properties: &[u8],
    now_ms: i64,
    delay_ms_max: i64,
) -> Result<Option<i64>, DueTimeError> {
    let (name, wanted) = match timer.kind {
        TimerKind::DelaySeconds => (protocol::properties::TIMER_DELAY_SEC, "seconds from now, a whole number"),
        TimerKind::DelayMs => (protocol::properties::TIMER_DELAY_MS, "milliseconds from now, a whole number"),
        TimerKind::DeliverMs => (protocol::properties::TIMER_DELIVER_MS, "milliseconds since 1970, a whole number"),
    };
    let value = properties.get(timer.value.clone()).unwrap_or_default();
    let text = || String::from_utf8_lossy(value).into_owned();
    let number = std::str::from_utf8(value).ok().and_then(|value| value.parse::<i64>().ok());
    let number = number.ok_or_else(|| DueTimeError::NotANumber { name, value: text(), wanted })?;
    let delay_ms = match timer.kind {
        TimerKind::DelaySeconds => number.saturating_mul(1000),
        TimerKind::DelayMs => number,
        TimerKind::DeliverMs => number.saturating_sub(now_ms),
    };
    if delay_ms > delay_ms_max {
        return Err(DueTimeError::TooFar { name, value: text(), delay_ms, delay_ms_max });
    }
    Ok((delay_ms > 0).then(|| now_ms + delay_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_795_319_703_859;
    const YEAR_MS: i64 = 365 * 24 * 3_600_000;

    fn due(kind: TimerKind, value: &str) -> Result<Option<i64>, DueTimeError> {
        due_ms(&TimerProperty { kind, value: 0..value.len() }, value.as_bytes(), NOW_MS, YEAR_MS)
    }

    #[test]
    fn each_property_means_its_own_unit() {
        assert_eq!(due(TimerKind::DelaySeconds, "2"), Ok(Some(NOW_MS + 2000)));
        assert_eq!(due(TimerKind::DelayMs, "2500"), Ok(Some(NOW_MS + 2500)));
        assert_eq!(due(TimerKind::DelayMs, "+1"), Ok(Some(NOW_MS + 1)));
        assert_eq!(due(TimerKind::DeliverMs, &(NOW_MS + 3).to_string()), Ok(Some(NOW_MS + 3)));
        assert_eq!(due(TimerKind::DelaySeconds, "31536000"), Ok(Some(NOW_MS + YEAR_MS)));
    }

    #[test]
    fn what_is_due_already_is_not_kept() {
        for (kind, value) in [
            (TimerKind::DelaySeconds, "0"),
            (TimerKind::DelayMs, "-5"),
            (TimerKind::DelaySeconds, "-9223372036854775808"),
            (TimerKind::DeliverMs, "0"),
            (TimerKind::DeliverMs, "-9223372036854775808"),
            (TimerKind::DeliverMs, "1795319703859"),
        ] {
            assert_eq!(due(kind, value), Ok(None), "{value}");
        }
    }

    #[test]
    fn what_is_too_far_or_no_number_is_refused_by_its_name() {
        for value in ["", "abc", " 5", "5 ", "1.5", "99999999999999999999", "5s"] {
            let error = due(TimerKind::DelayMs, value).unwrap_err();
            assert!(matches!(error, DueTimeError::NotANumber { name: "TIMER_DELAY_MS", .. }), "{error}");
        }
        for (kind, value) in [
            (TimerKind::DelaySeconds, "31536001"),
            (TimerKind::DelaySeconds, "9223372036854775807"),
            (TimerKind::DelayMs, "9223372036854775807"),
            (TimerKind::DeliverMs, "9223372036854775807"),
        ] {
            assert!(matches!(due(kind, value), Err(DueTimeError::TooFar { .. })), "{value}");
        }
    }
}
