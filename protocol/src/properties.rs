//! Message properties: `name 0x01 value 0x02`, repeated, UTF-8. There is no escaping.
//!
//! Reader rules (those of the reference): a piece without 0x01, with an empty name or with an empty value is dropped;
//! the first 0x01 splits, so a value may contain 0x01; the last 0x02 may be missing; of equal names the last counts.

use memchr::memchr;

/// Between name and value.
pub const NAME_END: u8 = 0x01;
/// Behind every value.
pub const VALUE_END: u8 = 0x02;

/// Index keys, separated by blanks.
pub const KEYS: &str = "KEYS";
/// One tag, or a list for topics of that type.
pub const TAGS: &str = "TAGS";
/// `false`: do not wait for flush and replica.
pub const WAIT: &str = "WAIT";
/// Delay level; stays in delivered messages.
pub const DELAY: &str = "DELAY";
/// Original topic of a sent-back message.
pub const RETRY_TOPIC: &str = "RETRY_TOPIC";
/// Where a delayed or half message belongs.
pub const REAL_TOPIC: &str = "REAL_TOPIC";
/// Queue of the same.
pub const REAL_QID: &str = "REAL_QID";
/// `true` on half messages.
pub const TRAN_MSG: &str = "TRAN_MSG";
/// Producer group; the check-back looks it up.
pub const PGROUP: &str = "PGROUP";
/// Set by the client after decoding.
pub const MIN_OFFSET: &str = "MIN_OFFSET";
/// Set by the client after decoding.
pub const MAX_OFFSET: &str = "MAX_OFFSET";
/// offsetMsgId of the first send-back.
pub const ORIGIN_MESSAGE_ID: &str = "ORIGIN_MESSAGE_ID";
/// Client's retry by sending; stripped before send.
pub const RECONSUME_TIME: &str = "RECONSUME_TIME";
/// Client's retry by sending; stripped before send.
pub const MAX_RECONSUME_TIMES: &str = "MAX_RECONSUME_TIMES";
/// Added to every single send.
pub const MSG_REGION: &str = "MSG_REGION";
/// Added to every single send.
pub const TRACE_ON: &str = "TRACE_ON";
/// Unique id, made by the client.
pub const UNIQ_KEY: &str = "UNIQ_KEY";
/// Proxy.
pub const EXTEND_UNIQ_INFO: &str = "EXTEND_UNIQ_INFO";
/// In the client's memory only.
pub const CONSUME_START_TIME: &str = "CONSUME_START_TIME";
/// Inner batches.
pub const INNER_NUM: &str = "INNER_NUM";
/// Inner batches.
pub const INNER_BASE: &str = "INNER_BASE";
/// Duplication mode.
pub const DUP_INFO: &str = "DUP_INFO";
/// No check-back before.
pub const CHECK_IMMUNITY_TIME_IN_SECONDS: &str = "CHECK_IMMUNITY_TIME_IN_SECONDS";
/// Original half offset of a half message put back.
pub const TRAN_PREPARED_QUEUE_OFFSET: &str = "TRAN_PREPARED_QUEUE_OFFSET";
/// Unique id of a half message.
pub const TRANSACTION_ID: &str = "__transactionId__";
/// How often it was checked.
pub const TRANSACTION_CHECK_TIMES: &str = "TRANSACTION_CHECK_TIMES";
/// Namespace instance.
pub const INSTANCE_ID: &str = "INSTANCE_ID";
/// Request-reply.
pub const CORRELATION_ID: &str = "CORRELATION_ID";
/// Request-reply: the requester's client id.
pub const REPLY_TO_CLIENT: &str = "REPLY_TO_CLIENT";
/// Request-reply.
pub const TTL: &str = "TTL";
/// Request-reply.
pub const ARRIVE_TIME: &str = "ARRIVE_TIME";
/// Request-reply.
pub const PUSH_REPLY_TIME: &str = "PUSH_REPLY_TIME";
/// Cluster name; the replier finds the reply topic with it.
pub const CLUSTER: &str = "CLUSTER";
/// `reply` for replies.
pub const MSG_TYPE: &str = "MSG_TYPE";
/// POP handle; the broker deletes it from sends.
pub const POP_CK: &str = "POP_CK";
/// POP.
pub const POP_CK_OFFSET: &str = "POP_CK_OFFSET";
/// When a revived message was first popped.
pub const FIRST_POP_TIME: &str = "1ST_POP_TIME";
/// Group of a revived message.
pub const ORIGIN_GROUP: &str = "ORIGIN_GROUP";
/// Ordering key of the Java client.
pub const SHARDING_KEY: &str = "__SHARDINGKEY";
/// Ordering key of the Go client.
pub const SHARDING_KEY_GO: &str = "SHARDING_KEY";
/// Forwarding.
pub const FORWARD_QUEUE_ID: &str = "PROPERTY_FORWARD_QUEUE_ID";
/// Forwarding.
pub const REDIRECT: &str = "REDIRECT";
/// Light queues.
pub const INNER_MULTI_DISPATCH: &str = "INNER_MULTI_DISPATCH";
/// Light queues.
pub const INNER_MULTI_QUEUE_OFFSET: &str = "INNER_MULTI_QUEUE_OFFSET";
/// Proxy.
pub const TRACE_CONTEXT: &str = "TRACE_CONTEXT";
/// Timer: delay, seconds.
pub const TIMER_DELAY_SEC: &str = "TIMER_DELAY_SEC";
/// Timer: delay, milliseconds.
pub const TIMER_DELAY_MS: &str = "TIMER_DELAY_MS";
/// Timer: due time, milliseconds.
pub const TIMER_DELIVER_MS: &str = "TIMER_DELIVER_MS";
/// Timer wheel: due time.
pub const TIMER_OUT_MS: &str = "TIMER_OUT_MS";
/// Timer wheel.
pub const TIMER_ENQUEUE_MS: &str = "TIMER_ENQUEUE_MS";
/// Timer wheel.
pub const TIMER_DEQUEUE_MS: &str = "TIMER_DEQUEUE_MS";
/// Timer wheel.
pub const TIMER_ROLL_TIMES: &str = "TIMER_ROLL_TIMES";
/// Timer wheel.
pub const TIMER_DELAY_LEVEL: &str = "TIMER_DELAY_LEVEL";
/// Recall of a timer message.
pub const TIMER_DEL_UNIQKEY: &str = "TIMER_DEL_UNIQKEY";
/// 5.5.0.
pub const PRIORITY: &str = "_SYS_MSG_PRIORITY_";
/// 5.5.0.
pub const LITE_TOPIC: &str = "__LITE_TOPIC";
/// 5.5.0.
pub const TIMER_ROLL_LABEL: &str = "TIMER_ROLL_LABEL";
/// 5.5.0.
pub const TRANS_OFFSET: &str = "TRANS_OFFSET";
/// 5.5.0.
pub const E_T: &str = "E_T";
/// Proxy.
pub const BORN_HOST: &str = "__BORNHOST";
/// Proxy.
pub const BORN_TIMESTAMP: &str = "BORN_TIMESTAMP";
/// Record checksum.
pub const CRC32: &str = "__CRC32#";
/// Dead letters.
pub const DLQ_ORIGIN_TOPIC: &str = "DLQ_ORIGIN_TOPIC";
/// Dead letters.
pub const DLQ_ORIGIN_MESSAGE_ID: &str = "DLQ_ORIGIN_MESSAGE_ID";
/// In memory only: names that start so.
pub const TRANSIENT_PREFIX: &str = "__RMQ.TRANSIENT.";
/// Historic.
pub const BUYER_ID: &str = "BUYER_ID";
/// Historic.
pub const TRANSFER_FLAG: &str = "TRANSFER_FLAG";
/// Historic.
pub const CORRECTION_FLAG: &str = "CORRECTION_FLAG";
/// Historic.
pub const MQ2_FLAG: &str = "MQ2_FLAG";

/// All pairs in their order.
pub fn iterate(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    pieces(text).filter_map(split_pair)
}

/// The value of a property; of equal names the last counts.
pub fn get(text: &[u8], name: impl AsRef<[u8]>) -> Option<&[u8]> {
    let name = name.as_ref();
    iterate(text).filter(|(known, _)| *known == name).last().map(|(_, value)| value)
}

/// The same as text; a value that is not UTF-8 counts as absent.
pub fn get_text(text: &[u8], name: impl AsRef<[u8]>) -> Option<&str> {
    std::str::from_utf8(get(text, name)?).ok()
}

/// The value as a number; what is none counts as absent.
pub fn get_number<T: std::str::FromStr>(text: &[u8], name: impl AsRef<[u8]>) -> Option<T> {
    get_text(text, name)?.parse().ok()
}

/// The pieces between the 0x02, without them.
fn pieces(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr(VALUE_END, rest).unwrap_or(rest.len());
        let piece = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        Some(piece)
    })
}

fn split_pair(piece: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr(NAME_END, piece)?;
    let (name, value) = (&piece[..end], &piece[end + 1..]);
    (!name.is_empty() && !value.is_empty()).then_some((name, value))
}

/// Changes properties. It keeps the order of what is there; every pair it writes ends in 0x02.
///
/// Reusable: [`PropertiesBuilder::load`] starts over in the same buffer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PropertiesBuilder {
    text: Vec<u8>,
}

impl PropertiesBuilder {
    /// No properties.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts with the pairs of `text`; dropped pieces are left out.
    pub fn from_text(text: &[u8]) -> Self {
        let mut builder = Self::default();
        builder.load(text);
        builder
    }

    /// Forgets everything and takes the pairs of `text`.
    pub fn load(&mut self, text: &[u8]) {
        self.text.clear();
        self.text.reserve(text.len() + 1);
        for (name, value) in iterate(text) {
            self.push(name, value);
        }
    }

    /// Sets a property, in place of all of the same name.
    ///
    /// An empty value reads as absent, so it removes. A 0x02 inside a value, or a separator inside a name, is left
    /// out: it cannot be written, and would let a value smuggle in a property.
    pub fn set(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> &mut Self {
        let (name, value) = (name.as_ref(), value.as_ref());
        self.remove(name);
        let clean = memchr::memchr2(NAME_END, VALUE_END, name).is_none() && memchr(VALUE_END, value).is_none();
        if clean {
            self.push(name, value);
        } else {
            let name: Vec<u8> = name.iter().copied().filter(|byte| !matches!(*byte, NAME_END | VALUE_END)).collect();
            let value: Vec<u8> = value.iter().copied().filter(|byte| *byte != VALUE_END).collect();
            self.remove(&name);
            self.push(&name, &value);
        }
        self
    }

    /// Sets a property unless there is one of this name.
    pub fn set_if_absent(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> &mut Self {
        if self.get(name.as_ref()).is_none() {
            self.set(name, value);
        }
        self
    }

    /// Removes all of this name.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) -> &mut Self {
        let name = name.as_ref();
        let mut at = 0;
        while let Some(end) = memchr(VALUE_END, &self.text[at..]) {
            let piece = &self.text[at..at + end];
            if split_pair(piece).is_some_and(|(known, _)| known == name) {
                self.text.drain(at..=at + end);
            } else {
                at += end + 1;
            }
        }
        self
    }

    /// The value of a property.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        get(&self.text, name)
    }

    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// The text, given away.
    pub fn into_bytes(self) -> Vec<u8> {
        self.text
    }

    fn push(&mut self, name: &[u8], value: &[u8]) {
        if name.is_empty() || value.is_empty() {
            return;
        }
        self.text.extend_from_slice(name);
        self.text.push(NAME_END);
        self.text.extend_from_slice(value);
        self.text.push(VALUE_END);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &[u8]) -> Vec<(&[u8], &[u8])> {
        iterate(text).collect()
    }

    #[test]
    fn pairs_are_read_in_order_and_the_last_end_may_be_missing() {
        let expected: [(&[u8], &[u8]); 2] = [(b"A", b"1"), (b"B", b"2")];
        assert_eq!(pairs(b"A\x011\x02B\x012\x02"), expected);
        assert_eq!(pairs(b"A\x011\x02B\x012"), expected);
    }

    #[test]
    fn pieces_that_are_no_pair_are_dropped() {
        assert!(pairs(b"\x02\x02AB\x02\x011\x02A\x01\x02\x01\x02ABC").is_empty());
    }

    #[test]
    fn a_value_may_contain_the_name_separator() {
        assert_eq!(get(b"A\x01x\x01y\x02", "A"), Some(&b"x\x01y"[..]));
    }

    #[test]
    fn of_equal_names_the_last_counts() {
        assert_eq!(get_text(b"A\x011\x02B\x012\x02A\x013\x02", "A"), Some("3"));
        assert_eq!(get_number(b"A\x011\x02A\x01x\x02", "A"), None::<i32>);
    }

    #[test]
    fn setting_replaces_and_removing_removes_all_of_the_name() {
        let mut builder = PropertiesBuilder::from_text(b"A\x011\x02B\x012\x02A\x013");
        builder.set("A", "4").set_if_absent("B", "5").set_if_absent("C", "6");
        assert_eq!(builder.as_bytes(), b"B\x012\x02A\x014\x02C\x016\x02");
        builder.remove("B").remove("D").set("C", "");
        assert_eq!(builder.into_bytes(), b"A\x014\x02");
    }

    #[test]
    fn a_value_cannot_smuggle_in_a_property() {
        let mut builder = PropertiesBuilder::new();
        builder.set("A", "x\x02TRAN_MSG\x01true").set("B\x01y\x02C", "z");
        assert_eq!(get(builder.as_bytes(), TRAN_MSG), None);
        assert_eq!(pairs(builder.as_bytes()).len(), 2);
    }
}
