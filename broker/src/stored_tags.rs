//! The tags code of a stored message, from its properties.
//!
//! Every replica needs it of every message. A look at the names alone is enough for nearly all of them.

use memchr::memchr_iter;
use protocol::properties::{self, NAME_END, VALUE_END};
use protocol::tags::tags_code;

const TAGS: &[u8] = properties::TAGS.as_bytes();
const DELAY: &[u8] = properties::DELAY.as_bytes();

/// The code, 0 without tags; `None` if the properties have to be read one by one: there is a delay level, or something that
/// nobody writes.
pub(crate) fn of_undelayed(properties: &[u8]) -> Option<i64> {
    let mut value_at = None;
    for at in memchr_iter(NAME_END, properties) {
        let name = &properties[..at];
        if name.ends_with(DELAY) {
            return None;
        }
        if name.ends_with(TAGS) {
            let begins = at - TAGS.len();
            if begins > 0 && properties[begins - 1] != VALUE_END {
                return None;
            }
            value_at = Some(at + 1);
        }
    }
    let Some(value_at) = value_at else { return Some(0) };
    let rest = &properties[value_at..];
    let value = rest.split(|byte| *byte == VALUE_END).next().filter(|value| !value.is_empty())?;
    Some(tags_code(std::str::from_utf8(value).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::send_properties::SendProperties;

    /// What reading one by one finds in properties without a delay level.
    fn scanned(properties: &[u8]) -> i64 {
        SendProperties::scan(properties, 0).map_or(0, |seen| seen.tags_code)
    }

    #[test]
    fn what_is_found_is_what_reading_one_by_one_finds() {
        let found: [&[u8]; 8] = [
            b"",
            b"KEYS\x01a\x02WAIT\x01true\x02",
            b"TAGS\x01red\x02",
            b"TAGS\x01red",
            b"KEYS\x01a\x02TAGS\x01red\x02WAIT\x01true\x02",
            b"TAGS\x01red\x02TAGS\x01blue\x02",
            b"TAGS\x01\xff\xfe\x02",
            b"KEYS\x01a\x01b\x02TAGS\x01r\x01ed\x02",
        ];
        for properties in found {
            assert_eq!(of_undelayed(properties), Some(scanned(properties)), "{properties:?}");
        }
        assert_ne!(scanned(b"TAGS\x01red\x02"), 0);
    }

    #[test]
    fn what_needs_a_closer_look_is_not_guessed() {
        let unclear: [&[u8]; 5] = [
            b"DELAY\x013\x02TAGS\x01red\x02",
            b"TAGS\x01red\x02DELAY\x01x\x02",
            b"MYTAGS\x01red\x02",
            b"KEYS\x01aTAGS\x01red\x02",
            b"TAGS\x01red\x02TAGS\x01\x02",
        ];
        assert!(unclear.iter().all(|properties| of_undelayed(properties).is_none()));
    }
}
