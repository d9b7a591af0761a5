//! Properties of transactional messages on their way from the half topic to where they were sent.

use std::fmt::Display;

use super::{
    PROPERTIES_BYTES_MAX, SendProperties, SendPropertiesError, append_pair, append_real_target, check_length,
    end_last_pair, is_real_target, name, pairs, remove_pairs,
};
use protocol::properties::{NAME_END, VALUE_END};

/// Room that a half message leaves for `TRANSACTION_CHECK_TIMES`, which it gets when its producer is asked.
const CHECK_TIMES_BYTES: usize = 23 + 1 + 10 + 1;

/// Turns stored properties at `start..` of `out` into those of a half message: `REAL_TOPIC` and `REAL_QID` say where it
/// goes when it is committed, `__transactionId__` is its unique key. What a sender wrote in their place is dropped.
///
/// # Errors
/// [`SendPropertiesError::TooLong`]; `out` then holds what would have been too long.
pub fn make_half(
    out: &mut Vec<u8>,
    start: usize,
    real_topic: &str,
    real_queue_id: i32,
) -> Result<SendProperties, SendPropertiesError> {
    remove_pairs(out, start, |name| {
        is_real_target(name) || matches!(name, name::TRANSACTION_ID | name::TRANSACTION_CHECK_TIMES)
    });
    let unique_key = SendProperties::scan(out, start)?.unique_key;
    if let Some(key) = unique_key {
        let key = out[key].to_vec();
        append_pair(out, name::TRANSACTION_ID, &key);
    }
    append_real_target(out, real_topic, real_queue_id);
    check_length(out, start)?;
    let bytes = out.len() - start + CHECK_TIMES_BYTES;
    if bytes > PROPERTIES_BYTES_MAX {
        return Err(SendPropertiesError::TooLong { bytes });
    }
    SendProperties::scan(out, start)
}

/// Appends to `out` the properties of a committed message: those of its half message, without `REAL_TOPIC` and `REAL_QID`, and how
/// often its producer was asked.
///
/// # Errors
/// As [`SendProperties::scan`].
pub fn append_end_properties(
    half: &[u8],
    checks: u32,
    out: &mut Vec<u8>,
) -> Result<SendProperties, SendPropertiesError> {
    append_without(half, |name| is_real_target(name) || name == name::TRANSACTION_CHECK_TIMES, out);
    append_checks(out, checks);
    SendProperties::scan(out, 0)
}

/// Appends to `out` the properties of a half message as its producer is shown them when it is asked for the `checks`-th time,
/// and as they are kept when it is given up.
pub fn append_check_properties(half: &[u8], checks: u32, out: &mut Vec<u8>) {
    append_without(half, |name| name == name::TRANSACTION_CHECK_TIMES, out);
    append_checks(out, checks);
}

/// Appends to `out` the properties of a half message that was given up and is taken up again: as if nobody had been asked.
pub fn append_put_back_properties(given_up: &[u8], out: &mut Vec<u8>) {
    append_without(given_up, |name| name == name::TRANSACTION_CHECK_TIMES, out);
}

/// The producer group that a half message belongs to.
pub fn producer_group(half: &[u8]) -> Option<&str> {
    let group = pairs(half).filter(|pair| pair.name == name::PGROUP).last()?;
    std::str::from_utf8(group.value).ok()
}

/// `CHECK_IMMUNITY_TIME_IN_SECONDS`; 0 for a half message that names no time, or none that could be meant.
pub fn check_immunity_s(half: &[u8]) -> u32 {
    let named = pairs(half).filter(|pair| pair.name == name::CHECK_IMMUNITY_TIME_IN_SECONDS).last();
    let seconds = named.and_then(|pair| std::str::from_utf8(pair.value).ok()?.trim().parse::<i64>().ok());
    seconds.map_or(0, |seconds| u32::try_from(seconds.max(0)).unwrap_or(u32::MAX))
}

fn append_without(from: &[u8], goes: impl Fn(&[u8]) -> bool, out: &mut Vec<u8>) {
    let start = out.len();
    for pair in pairs(from).filter(|pair| !goes(pair.name)) {
        append_pair(out, pair.name, pair.value);
    }
    end_last_pair(out, start);
}

fn append_checks(out: &mut Vec<u8>, checks: u32) {
    if checks > 0 {
        append_display(out, name::TRANSACTION_CHECK_TIMES, checks);
    }
}

fn append_display(out: &mut Vec<u8>, name: &[u8], value: impl Display) {
    out.extend_from_slice(name);
    out.push(NAME_END);
    out.extend_from_slice(value.to_string().as_bytes());
    out.push(VALUE_END);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::send_properties::delivery_target;

    const SENT: &[u8] = b"KEYS\x01k\x02TRAN_MSG\x01true\x02UNIQ_KEY\x01U1\x02PGROUP\x01g\x02TAGS\x01TagA\x02";

    fn text(bytes: &[u8]) -> String {
        String::from_utf8(bytes.to_vec()).unwrap().replace('\x01', "=").replace('\x02', ";")
    }

    #[test]
    fn a_half_message_knows_where_it_goes_and_a_sender_cannot_say_otherwise() {
        let mut stored = [b"REAL_TOPIC\x01X\x02REAL_QID\x019\x02__transactionId__\x01no\x02".as_slice(), SENT].concat();
        let seen = make_half(&mut stored, 0, "T", 3).unwrap();
        assert_eq!(delivery_target(&stored), Ok(("T", 3)));
        assert_eq!(&stored[seen.unique_key.unwrap()], b"U1");
        assert_eq!(
            text(&stored),
            "KEYS=k;TRAN_MSG=true;UNIQ_KEY=U1;PGROUP=g;TAGS=TagA;__transactionId__=U1;REAL_TOPIC=T;REAL_QID=3;"
        );
        assert_eq!(producer_group(&stored), Some("g"));
    }

    #[test]
    fn a_committed_message_is_what_was_sent_with_its_transaction_id() {
        let mut stored = SENT.to_vec();
        make_half(&mut stored, 0, "T", 3).unwrap();
        let mut committed = Vec::new();
        let seen = append_end_properties(&stored, 0, &mut committed).unwrap();
        assert_eq!(text(&committed), text(SENT) + "__transactionId__=U1;");
        assert_eq!(&committed[seen.tags.unwrap()], b"TagA");
        let mut asked = Vec::new();
        append_end_properties(&stored, 2, &mut asked).unwrap();
        assert_eq!(text(&asked), text(&committed) + "TRANSACTION_CHECK_TIMES=2;");
    }

    #[test]
    fn a_check_tells_how_often_was_asked_and_keeps_the_real_topic() {
        let mut stored = SENT.to_vec();
        make_half(&mut stored, 0, "T", 3).unwrap();
        let mut first = Vec::new();
        append_check_properties(&stored, 1, &mut first);
        assert_eq!(text(&first), text(&stored) + "TRANSACTION_CHECK_TIMES=1;");
        let mut given_up = Vec::new();
        append_check_properties(&first, 15, &mut given_up);
        assert_eq!(text(&given_up), text(&stored) + "TRANSACTION_CHECK_TIMES=15;");
        let mut back = Vec::new();
        append_put_back_properties(&given_up, &mut back);
        assert_eq!(back, stored);
    }

    #[test]
    fn an_immunity_that_is_no_time_is_none() {
        let immunity =
            |value: &str| check_immunity_s(format!("CHECK_IMMUNITY_TIME_IN_SECONDS\x01{value}\x02").as_bytes());
        assert_eq!(immunity("30"), 30);
        assert_eq!(immunity("99999999999999"), u32::MAX);
        for none in ["", "-1", "-30", "0", "soon", "1.5", "9999999999999999999999"] {
            assert_eq!(immunity(none), 0, "{none}");
        }
        assert_eq!(check_immunity_s(SENT), 0);
    }

    #[test]
    fn a_half_message_leaves_room_for_the_count_of_checks() {
        let long = |bytes: usize| format!("LONG\x01{}\x02", "x".repeat(bytes)).into_bytes();
        let fits = PROPERTIES_BYTES_MAX - CHECK_TIMES_BYTES - 6 - "REAL_TOPIC=T;REAL_QID=3;".len();
        let mut stored = long(fits);
        make_half(&mut stored, 0, "T", 3).unwrap();
        let mut check = Vec::new();
        append_check_properties(&stored, u32::MAX, &mut check);
        assert_eq!(check.len(), PROPERTIES_BYTES_MAX);
        let too_long = make_half(&mut long(fits + 1), 0, "T", 3);
        assert_eq!(too_long, Err(SendPropertiesError::TooLong { bytes: PROPERTIES_BYTES_MAX + 1 }));
    }
}
