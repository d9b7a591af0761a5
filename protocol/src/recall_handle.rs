//! The handle by which a client recalls a timer message: URL-safe base64 of `v1 topic broker due unique-key`.
//!
//! Opaque to clients: the answer of a send carries it, and RECALL_MESSAGE (370) brings it back. The reference pads it, and
//! reads it with padding or without.

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const VERSION: &str = "v1";
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// Longest handle that is looked into: a topic, a broker and a key at their longest take a fraction of it.
const HANDLE_CHARS_MAX: usize = 4096;

/// What a handle says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecallHandle {
    /// Where the message was sent to.
    pub topic: String,
    /// The broker that has it.
    pub broker_name: String,
    /// A millisecond behind its `TIMER_OUT_MS`, as text: what is no number is another error than what is no handle.
    pub timestamp: String,
    /// `UNIQ_KEY` of the message.
    pub unique_key: String,
}

/// The handle of a message that is due at `due_ms`.
pub fn encode(topic: &str, broker_name: &str, due_ms: i64, unique_key: &str) -> String {
    BASE64.encode(format!("{VERSION} {topic} {broker_name} {} {unique_key}", due_ms.saturating_add(1)))
}

/// Takes a handle apart; `None` for what is none.
pub fn decode(handle: &str) -> Option<RecallHandle> {
    if handle.len() > HANDLE_CHARS_MAX {
        return None;
    }
    let text = String::from_utf8(BASE64.decode(handle).ok()?).ok()?;
    let mut parts = text.split(' ').map(str::to_owned);
    let is_known = parts.next().as_deref() == Some(VERSION);
    let (topic, broker_name, timestamp, unique_key) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    (is_known && parts.next().is_none()).then_some(RecallHandle { topic, broker_name, timestamp, unique_key })
}

impl RecallHandle {
    /// When the message is due, ms since 1970; `None` where that is no time.
    pub fn due_ms(&self) -> Option<i64> {
        let timestamp: i64 = self.timestamp.parse().ok()?;
        (timestamp > 0).then_some(timestamp - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_written_as_the_reference_writes_it() {
        let handle =
            encode("JT", "broker-v", 1_795_256_198_000, "FD0000000000000000000000000000024E2A60E53B936933B6F30008");
        let written = concat!(
            "djEgSlQgYnJva2VyLXYgMTc5NTI1NjE5ODAwMSBGRDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMjRF",
            "MkE2MEU1M0I5MzY5MzNCNkYzMDAwOA=="
        );
        assert_eq!(handle, written);
        let decoded = decode(&handle).unwrap();
        assert_eq!((decoded.topic.as_str(), decoded.broker_name.as_str()), ("JT", "broker-v"));
        assert_eq!(decoded.due_ms(), Some(1_795_256_198_000));
        assert_eq!(decode(handle.trim_end_matches('=')), Some(decoded));
    }

    #[test]
    fn what_is_no_handle_is_told() {
        let of = |text: &str| BASE64.encode(text);
        for text in ["", "v1", "v1 T", "v1 T b 5", "v2 T b 5 k", "v1 T b 5 k more", " v1 T b 5 k"] {
            assert_eq!(decode(&of(text)), None, "{text}");
        }
        assert_eq!(decode("!!!"), None);
        assert_eq!(decode(&of(&format!("v1 {} b 5 k", "T".repeat(HANDLE_CHARS_MAX)))), None);
        for (timestamp, due_ms) in [("x", None), ("", None), ("0", None), ("-5", None), ("9", Some(8))] {
            assert_eq!(decode(&of(&format!("v1 T b {timestamp} k"))).unwrap().due_ms(), due_ms, "{timestamp}");
        }
        assert_eq!(decode(&of(&format!("v1 T b {}9 k", i64::MAX))).unwrap().due_ms(), None);
    }
}
