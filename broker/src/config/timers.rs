//! Timer messages.

use std::time::Duration;

use super::values::Values;

/// Timer messages.
#[derive(Debug, Clone)]
pub struct Timers {
    /// Timer messages are taken. Default true. RocketMQ: `timerWheelEnable`.
    pub enabled: bool,
    /// The farthest due time that is taken, ms from now. Default a year; 3 days in RocketMQ: `timerMaxDelaySec`.
    pub delay_ms_max: i64,
    /// Timer messages can be recalled. Default false. RocketMQ: `recallMessageEnable`.
    pub recall: bool,
    /// A pending timer that lies in the log for longer is stored again at its end, so that retention need not wait for it.
    /// Default two days. RocketMQ: `timerRollWindowSlot`, in seconds there too, of the wheel's length.
    pub roll_after: Duration,
}

impl Timers {
    pub(super) fn from_values(values: &Values) -> Self {
        Self {
            enabled: values.bool("timerWheelEnable"),
            delay_ms_max: values.int("timerMaxDelaySec") * 1000,
            recall: values.bool("recallMessageEnable"),
            roll_after: Duration::from_secs(values.number("timerRollWindowSlot")),
        }
    }
}
