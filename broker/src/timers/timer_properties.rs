//! The properties of records in the timer topic, and of what is delivered from there.

use std::io::Write as _;

use protocol::properties::{
    self, NAME_END, REAL_QID, REAL_TOPIC, TIMER_DEL_UNIQKEY, TIMER_DEQUEUE_MS, TIMER_ENQUEUE_MS, TIMER_OUT_MS,
    VALUE_END,
};
use protocol::record::PROPERTIES_BYTES_MAX;
use storage::timer_index::TimerKey;

use crate::send_properties::{SendProperties, SendPropertiesError};

/// Room that a delivery needs for what it adds.
const DELIVERY_BYTES: usize = TIMER_ENQUEUE_MS.len() + TIMER_DEQUEUE_MS.len() + 2 * (2 + 20);

/// Turns stored properties into those of a message of the timer topic: when it is due, and where it goes then.
///
/// # Errors
/// [`SendPropertiesError::TooLong`]: what would be delivered does not fit a record.
pub fn make_timer(
    stored: &mut Vec<u8>,
    due_ms: i64,
    real_topic: &str,
    real_queue_id: i32,
) -> Result<SendProperties, SendPropertiesError> {
    crate::send_properties::remove_real_target(stored);
    append(stored, TIMER_OUT_MS, due_ms);
    append(stored, REAL_TOPIC, real_topic);
    append(stored, REAL_QID, real_queue_id);
    let bytes = stored.len() + DELIVERY_BYTES;
    if bytes > PROPERTIES_BYTES_MAX {
        return Err(SendPropertiesError::TooLong { bytes });
    }
    SendProperties::scan(stored, 0)
}

/// The unique key that these properties recall; `None` for a message.
pub fn recalled_key(stored: &[u8]) -> Option<&[u8]> {
    properties::get(stored, TIMER_DEL_UNIQKEY)
}

/// What the unit of a record of the timer topic holds: its due time, negative for a recall; 0 if it has none.
pub fn unit_code(stored: &[u8]) -> i64 {
    let due_ms: i64 = properties::get_number(stored, TIMER_OUT_MS).unwrap_or(0);
    if recalled_key(stored).is_some() { -due_ms } else { due_ms }
}

/// The reverse of [`unit_code`].
pub fn key_of_unit(unit_code: i64, queue_offset: u64) -> TimerKey {
    match unit_code < 0 {
        true => TimerKey::recall(-unit_code, queue_offset),
        false => TimerKey::message(unit_code, queue_offset),
    }
}

/// The properties that a due message is delivered with: those of its record and when it was taken in and let out.
pub fn delivered(stored: &[u8], stored_ms: i64, now_ms: i64) -> Vec<u8> {
    let mut out = Vec::with_capacity(stored.len() + 1 + DELIVERY_BYTES);
    out.extend_from_slice(stored);
    if out.last().is_some_and(|last| *last != VALUE_END) {
        out.push(VALUE_END);
    }
    append(&mut out, TIMER_ENQUEUE_MS, stored_ms);
    append(&mut out, TIMER_DEQUEUE_MS, now_ms);
    out
}

pub(crate) fn append(out: &mut Vec<u8>, name: &str, value: impl std::fmt::Display) {
    out.extend_from_slice(name.as_bytes());
    out.push(NAME_END);
    write!(out, "{value}").expect("writing to a Vec does not fail");
    out.push(VALUE_END);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(pairs: &[(&str, &str)]) -> Vec<u8> {
        let mut out = Vec::new();
        pairs.iter().for_each(|(name, value)| append(&mut out, name, value));
        out
    }

    #[test]
    fn a_timer_says_when_and_where_and_keeps_what_its_sender_wrote() {
        let mut stored = text(&[("REAL_TOPIC", "forged"), ("TIMER_DELAY_MS", "5"), ("UNIQ_KEY", "U"), ("TAGS", "a")]);
        let seen = make_timer(&mut stored, 77, "T", 3).unwrap();
        let expected = [
            ("TIMER_DELAY_MS", "5"),
            ("UNIQ_KEY", "U"),
            ("TAGS", "a"),
            ("TIMER_OUT_MS", "77"),
            ("REAL_TOPIC", "T"),
            ("REAL_QID", "3"),
        ];
        assert_eq!(stored, text(&expected));
        assert_eq!(seen.timer, None, "what has a due time is no new timer");
        assert_eq!((unit_code(&stored), recalled_key(&stored)), (77, None));
        let delivered = delivered(&stored, 70, 78);
        let added = [("TIMER_ENQUEUE_MS", "70"), ("TIMER_DEQUEUE_MS", "78")];
        assert_eq!(delivered, [text(&expected), text(&added)].concat());
    }

    #[test]
    fn a_recall_is_told_by_its_key_and_units_go_both_ways() {
        let stored = text(&[("TIMER_OUT_MS", "99"), ("TIMER_DEL_UNIQKEY", "U")]);
        assert_eq!((unit_code(&stored), recalled_key(&stored)), (-99, Some(&b"U"[..])));
        assert_eq!(key_of_unit(-99, 4), TimerKey::recall(99, 4));
        assert_eq!(key_of_unit(99, 4), TimerKey::message(99, 4));
        assert_eq!(unit_code(b"nonsense"), 0);
    }

    #[test]
    fn what_would_be_too_long_when_delivered_is_refused_when_sent() {
        let long = "x".repeat(PROPERTIES_BYTES_MAX - 100);
        let mut stored = text(&[("A", &long)]);
        assert!(matches!(make_timer(&mut stored, 1, "T", 0), Err(SendPropertiesError::TooLong { .. })));
        let fits = "x".repeat(PROPERTIES_BYTES_MAX - 200);
        let mut stored = text(&[("A", &fits)]);
        make_timer(&mut stored, 1, "T", 0).unwrap();
        assert!(super::delivered(&stored, i64::MAX, i64::MAX).len() <= PROPERTIES_BYTES_MAX);
    }
}
