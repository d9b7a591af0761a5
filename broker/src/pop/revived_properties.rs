//! Properties of messages that come again.

use std::fmt::Display;
use std::io::Write as _;

use protocol::pop_handle::PopHandle;
use protocol::properties::{self, FIRST_POP_TIME, NAME_END, ORIGIN_GROUP, POP_CK, VALUE_END};
use protocol::record::PROPERTIES_BYTES_MAX;

/// Appends to `out` the properties of a message as they are stored in a retry topic: whose it is, and when it was popped for the
/// first time. What does not fit a record is left out.
pub(super) fn append_revived(stored: &[u8], group: &str, pop_ms: i64, reconsume_times: i32, out: &mut Vec<u8>) {
    let first = properties::get(stored, FIRST_POP_TIME).is_none_or(|_| reconsume_times == 0);
    let goes = |name: &[u8]| {
        name == POP_CK.as_bytes() || name == ORIGIN_GROUP.as_bytes() || (first && name == FIRST_POP_TIME.as_bytes())
    };
    append_without(stored, goes, out);
    if first {
        append(FIRST_POP_TIME, pop_ms, out);
    }
    append(ORIGIN_GROUP, group, out);
}

/// Appends to `out` the properties of a message of a retry topic as it is given out.
pub(super) fn append_handle(stored: &[u8], handle: &PopHandle<'_>, out: &mut Vec<u8>) {
    append_without(stored, |name| name == POP_CK.as_bytes(), out);
    append(POP_CK, handle, out);
}

fn append_without(stored: &[u8], goes: impl Fn(&[u8]) -> bool, out: &mut Vec<u8>) {
    for (name, value) in properties::iterate(stored) {
        if !goes(name) {
            out.extend_from_slice(name);
            out.push(NAME_END);
            out.extend_from_slice(value);
            out.push(VALUE_END);
        }
    }
}

fn append(name: &str, value: impl Display, out: &mut Vec<u8>) {
    let before = out.len();
    out.extend_from_slice(name.as_bytes());
    out.push(NAME_END);
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{value}");
    out.push(VALUE_END);
    if out.len() > PROPERTIES_BYTES_MAX {
        out.truncate(before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revived(stored: &str, times: i32) -> String {
        let mut out = Vec::new();
        append_revived(stored.as_bytes(), "g", 77, times, &mut out);
        String::from_utf8(out).unwrap().replace('\u{1}', "=").replace('\u{2}', ";")
    }

    #[test]
    fn a_message_keeps_what_it_has_and_when_it_was_popped_first() {
        assert_eq!(revived("TAGS\u{1}A\u{2}POP_CK\u{1}x\u{2}", 0), "TAGS=A;1ST_POP_TIME=77;ORIGIN_GROUP=g;");
        let again = "1ST_POP_TIME\u{1}5\u{2}ORIGIN_GROUP\u{1}g\u{2}K\u{1}v\u{2}";
        assert_eq!(revived(again, 1), "1ST_POP_TIME=5;K=v;ORIGIN_GROUP=g;");
        assert_eq!(revived(again, 0), "K=v;1ST_POP_TIME=77;ORIGIN_GROUP=g;");
    }

    #[test]
    fn what_would_not_fit_a_record_is_left_out() {
        let long = format!("K\u{1}{}\u{2}", "v".repeat(PROPERTIES_BYTES_MAX - 18));
        assert!(revived(&long, 0).len() <= PROPERTIES_BYTES_MAX);
        assert!(revived(&long, 0).ends_with("ORIGIN_GROUP=g;"));
    }
}
