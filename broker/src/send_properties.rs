//! What the broker does to the properties of a message before it stores it.
//!
//! Text is `name 0x01 value 0x02` repeated (see [`protocol::properties`]). All functions append to a buffer that the
//! caller reuses; a plain single send is one pass over its properties and allocates nothing.

use protocol::properties::{self, NAME_END, VALUE_END};
use protocol::record::PROPERTIES_BYTES_MAX;
use protocol::tags::tags_code;
use std::io::Write as _;
use std::ops::Range;
use thiserror::Error;

mod transaction;

pub use self::transaction::{
    append_check_properties, append_end_properties, append_put_back_properties, check_immunity_s, make_half,
    producer_group,
};

/// Why a message with these properties is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SendPropertiesError {
    /// Longer than a record can hold, with what the broker adds.
    #[error("message properties take {bytes} bytes with the broker's; at most {PROPERTIES_BYTES_MAX} can be stored")]
    TooLong {
        /// As they would be stored.
        bytes: usize,
    },
    /// `DELAY` is not a number.
    #[error("property DELAY is `{value}`; wanted a delay level, a whole number")]
    DelayNotANumber {
        /// As received.
        value: String,
    },
}

/// Why a record of the schedule topic cannot be delivered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DeliveryTargetError {
    /// One of the two properties is missing, or not UTF-8.
    #[error("property {name} is missing")]
    Missing {
        /// `REAL_TOPIC` or `REAL_QID`.
        name: &'static str,
    },
    /// `REAL_QID` is not a queue id.
    #[error("property REAL_QID is `{value}`; wanted a queue id")]
    NotAQueueId {
        /// As stored.
        value: String,
    },
}

/// The properties that every single send gets from the broker, ready to append.
#[derive(Debug, Clone)]
pub struct BrokerProperties {
    text: Vec<u8>,
}

impl BrokerProperties {
    /// `MSG_REGION`, `TRACE_ON` and `CLUSTER`.
    pub fn new(region: &str, trace_on: bool, cluster_name: &str) -> Self {
        let mut text = Vec::new();
        append_pair(&mut text, name::MSG_REGION, region.as_bytes());
        append_pair(&mut text, name::TRACE_ON, if trace_on { b"true" } else { b"false" });
        append_pair(&mut text, name::CLUSTER, cluster_name.as_bytes());
        Self { text }
    }
}

/// What the broker itself reads in the properties of a message. Ranges are positions in the buffer that was scanned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendProperties {
    /// `UNIQ_KEY`.
    pub unique_key: Option<Range<usize>>,
    /// `KEYS`, to be split at blanks.
    pub keys: Option<Range<usize>>,
    /// `TAGS`.
    pub tags: Option<Range<usize>>,
    /// Hash of `TAGS`, 0 without.
    pub tags_code: i64,
    /// `DELAY`; 0 without. Not yet limited to the levels there are.
    pub delay_level: i32,
    /// Whether the sender waits for flush and replica: `WAIT` is absent or `true`.
    pub waits_until_stored: bool,
    /// `TRAN_MSG` is `true`; see [`SendProperties::is_half_message`].
    pub transactional: bool,
    /// The timer property that counts, if the message goes to the timer wheel: a delay level wins over it, and what
    /// the wheel once delivered does not go there again.
    pub timer: Option<TimerProperty>,
    /// `TIMER_OUT_MS` is there.
    timer_delivered: bool,
}

/// A due time as the sender wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimerProperty {
    /// Which property it is.
    pub kind: TimerKind,
    /// Where its value stands.
    pub value: Range<usize>,
}

/// The timer properties in the order of which one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimerKind {
    /// `TIMER_DELAY_SEC`: seconds from now.
    DelaySeconds,
    /// `TIMER_DELAY_MS`: ms from now.
    DelayMs,
    /// `TIMER_DELIVER_MS`: ms since 1970.
    DeliverMs,
}

impl SendProperties {
    /// Reads properties that stand at `start..` of a buffer.
    ///
    /// # Errors
    /// [`SendPropertiesError::DelayNotANumber`].
    pub fn scan(buffer: &[u8], start: usize) -> Result<Self, SendPropertiesError> {
        let mut seen = Self::nothing();
        let mut delay = None;
        for pair in pairs(&buffer[start..]) {
            seen.note(pair.name, pair.value, start + pair.value_at, &mut delay);
        }
        seen.finish(delay)
    }

    /// Whether the message is the first half of a transaction. A transactional message that a consumer retries with
    /// a delay is not.
    pub fn is_half_message(&self, reconsume_times: i32) -> bool {
        self.transactional && !(reconsume_times > 0 && self.delay_level > 0)
    }

    fn nothing() -> Self {
        Self {
            unique_key: None,
            keys: None,
            tags: None,
            tags_code: 0,
            delay_level: 0,
            waits_until_stored: true,
            transactional: false,
            timer: None,
            timer_delivered: false,
        }
    }

    /// A name that repeats: the last one wins.
    fn note<'a>(&mut self, name: &[u8], value: &'a [u8], at: usize, delay: &mut Option<&'a [u8]>) {
        let range = at..at + value.len();
        match name {
            name::UNIQ_KEY => self.unique_key = Some(range),
            name::KEYS => self.keys = Some(range),
            name::TAGS => {
                self.tags_code = tags_code(std::str::from_utf8(value).ok());
                self.tags = Some(range);
            }
            name::WAIT => self.waits_until_stored = value.eq_ignore_ascii_case(b"true"),
            name::DELAY => *delay = Some(value),
            name::TRAN_MSG => self.transactional = value.eq_ignore_ascii_case(b"true"),
            name::TIMER_DELAY_SEC => self.note_timer(TimerKind::DelaySeconds, range),
            name::TIMER_DELAY_MS => self.note_timer(TimerKind::DelayMs, range),
            name::TIMER_DELIVER_MS => self.note_timer(TimerKind::DeliverMs, range),
            name::TIMER_OUT_MS => self.timer_delivered = true,
            _ => {}
        }
    }

    fn note_timer(&mut self, kind: TimerKind, value: Range<usize>) {
        if self.timer.as_ref().is_none_or(|timer| kind <= timer.kind) {
            self.timer = Some(TimerProperty { kind, value });
        }
    }

    fn finish(mut self, delay: Option<&[u8]>) -> Result<Self, SendPropertiesError> {
        if let Some(value) = delay {
            self.delay_level = parse_i32(value).ok_or_else(|| {
                let value = String::from_utf8_lossy(value).into_owned();
                SendPropertiesError::DelayNotANumber { value }
            })?;
        }
        if self.delay_level > 0 || self.timer_delivered {
            self.timer = None;
        }
        Ok(self)
    }
}

/// Appends to `out` the properties of a single send as they are stored: the sender's without `POP_CK`, a `UNIQ_KEY`
/// if there is none (`write_unique_key` appends its value), and the broker's own. Pieces that no reader would accept
/// are left out.
///
/// # Errors
/// [`SendPropertiesError`]; `out` is then as before.
pub fn append_send_properties(
    sent: &str,
    broker: &BrokerProperties,
    write_unique_key: impl FnOnce(&mut Vec<u8>),
    out: &mut Vec<u8>,
) -> Result<SendProperties, SendPropertiesError> {
    let start = out.len();
    let sent = sent.as_bytes();
    out.reserve(sent.len() + 1 + UNIQUE_KEY_PAIR_BYTES + broker.text.len());
    let mut seen = SendProperties::nothing();
    let mut delay = None;
    let mut copied_to = 0; // pairs that stay are copied in runs, up to the next one that goes
    let mut kept_to = 0;
    for pair in pairs(sent) {
        if matches!(pair.name, name::POP_CK | name::MSG_REGION | name::TRACE_ON | name::CLUSTER) {
            continue;
        }
        if pair.at != kept_to {
            out.extend_from_slice(&sent[copied_to..kept_to]);
            copied_to = pair.at;
        }
        seen.note(pair.name, pair.value, out.len() + (pair.value_at - copied_to), &mut delay);
        kept_to = pair.end;
    }
    out.extend_from_slice(&sent[copied_to..kept_to]);
    end_last_pair(out, start);
    if seen.unique_key.is_none() {
        out.extend_from_slice(name::UNIQ_KEY);
        out.push(NAME_END);
        let at = out.len();
        write_unique_key(out);
        seen.unique_key = Some(at..out.len());
        out.push(VALUE_END);
    }
    out.extend_from_slice(&broker.text);
    let checked = seen.finish(delay).and_then(|seen| check_length(out, start).map(|()| seen));
    if checked.is_err() {
        out.truncate(start);
    }
    checked
}

/// Room for `UNIQ_KEY` with an id made on an IPv6 host.
const UNIQUE_KEY_PAIR_BYTES: usize = 8 + 1 + 56 + 1;

/// Turns stored properties at `start..` of `out` into those of a message of the schedule topic: `DELAY` is the level
/// it really gets, `REAL_TOPIC` and `REAL_QID` say where it goes when due, timer properties are dropped.
///
/// # Errors
/// [`SendPropertiesError::TooLong`]; `out` then holds what would have been too long.
pub fn make_delayed(
    out: &mut Vec<u8>,
    start: usize,
    level: i32,
    real_topic: &str,
    real_queue_id: i32,
) -> Result<SendProperties, SendPropertiesError> {
    assert!(level > 0, "a level of 0 or below is no delay, got {level}");
    remove_pairs(out, start, |name| name == name::DELAY || is_real_target(name) || is_timer_request(name));
    append_number(out, name::DELAY, level);
    append_real_target(out, real_topic, real_queue_id);
    check_length(out, start)?;
    SendProperties::scan(out, start)
}

/// Takes `REAL_TOPIC` and `REAL_QID` out: only the broker says where a message goes.
pub(crate) fn remove_real_target(out: &mut Vec<u8>) {
    remove_pairs(out, 0, is_real_target);
}

/// Turns stored properties at `start..` of `out` into those of a retry that its sender gave up, and which goes to
/// the dead letters instead: `DELAY` is -1.
///
/// # Errors
/// [`SendPropertiesError::TooLong`]; `out` then holds what would have been too long.
pub fn make_dead_letter(out: &mut Vec<u8>, start: usize) -> Result<SendProperties, SendPropertiesError> {
    remove_pairs(out, start, |name| name == name::DELAY);
    append_number(out, name::DELAY, -1);
    check_length(out, start)?;
    SendProperties::scan(out, start)
}

/// Where a due record of the schedule topic goes. Its properties are stored again as they are: users see `DELAY`,
/// `REAL_TOPIC` and `REAL_QID` in what they get, and the record is not delayed a second time for them.
///
/// # Errors
/// [`DeliveryTargetError`] for a record that no delay made.
pub fn delivery_target(stored: &[u8]) -> Result<(&str, i32), DeliveryTargetError> {
    let (mut topic, mut queue_id) = (None, None);
    for pair in pairs(stored) {
        match pair.name {
            name::REAL_TOPIC => topic = std::str::from_utf8(pair.value).ok(),
            name::REAL_QID => queue_id = Some(pair.value),
            _ => {}
        }
    }
    let topic = topic.ok_or(DeliveryTargetError::Missing { name: properties::REAL_TOPIC })?;
    let value = queue_id.ok_or(DeliveryTargetError::Missing { name: properties::REAL_QID })?;
    let queue_id = parse_i32(value).filter(|queue_id| *queue_id >= 0).ok_or_else(|| {
        let value = String::from_utf8_lossy(value).into_owned();
        DeliveryTargetError::NotAQueueId { value }
    })?;
    Ok((topic, queue_id))
}

/// What becomes of a message that a consumer sends back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendBackFate {
    /// Delivered to the group's retry topic after this level's delay (not yet limited to the levels there are).
    Retry {
        /// At least 1.
        delay_level: i32,
    },
    /// Stored in the group's dead letter topic without a delay.
    DeadLetter,
}

/// Decides it from the stored record's reconsume times, the limit (of the request, else of the group) and the
/// level the consumer asks for: 0 leaves it to the broker, below 0 gives up.
pub fn send_back_fate(reconsume_times: i32, reconsume_times_max: i32, asked_delay_level: i32) -> SendBackFate {
    if asked_delay_level < 0 || reconsume_times >= reconsume_times_max {
        return SendBackFate::DeadLetter;
    }
    let delay_level = if asked_delay_level == 0 { reconsume_times.saturating_add(3) } else { asked_delay_level };
    SendBackFate::Retry { delay_level: delay_level.max(1) }
}

/// Whether a retry that a client sent by itself goes to the dead letters instead: it was tried too often, or its
/// group consumes in order, where a message behind cannot wait for one in front.
pub fn retry_send_is_dead(reconsume_times: i32, reconsume_times_max: i32, group_holds_queue_locks: bool) -> bool {
    group_holds_queue_locks || reconsume_times > reconsume_times_max
}

/// How the copy of a sent-back message differs from its record.
#[derive(Debug, Clone, Copy)]
pub struct SendBackCopy<'a> {
    /// The record's topic, which becomes `RETRY_TOPIC` unless there is one.
    pub topic: &'a str,
    /// The record's offset id, which becomes `ORIGIN_MESSAGE_ID` unless there is one.
    pub offset_message_id: &'a str,
    /// `DELAY` of the copy: the level of a retry; for a dead letter what the request said.
    pub delay_level: i32,
    /// Retry topic and queue that the copy goes to when due; `None` for a dead letter.
    pub real_target: Option<(&'a str, i32)>,
}

/// Appends to `out` the properties of the copy of a sent-back message as they are stored in the schedule topic (a
/// retry) or the dead letter topic.
///
/// # Errors
/// [`SendPropertiesError`]; `out` is then as before.
pub fn append_send_back_properties(
    stored: &[u8],
    copy: &SendBackCopy<'_>,
    out: &mut Vec<u8>,
) -> Result<SendProperties, SendPropertiesError> {
    let start = out.len();
    let (mut has_retry_topic, mut has_origin) = (false, false);
    for pair in pairs(stored) {
        match pair.name {
            name::DELAY | name::WAIT => continue,
            dropped if is_real_target(dropped) || is_timer_request(dropped) => continue,
            name::RETRY_TOPIC => has_retry_topic = true,
            name::ORIGIN_MESSAGE_ID => has_origin = true,
            _ => {}
        }
        append_pair(out, pair.name, pair.value);
    }
    if !has_retry_topic {
        append_pair(out, name::RETRY_TOPIC, copy.topic.as_bytes());
    }
    if !has_origin {
        append_pair(out, name::ORIGIN_MESSAGE_ID, copy.offset_message_id.as_bytes());
    }
    append_pair(out, name::WAIT, b"false");
    append_number(out, name::DELAY, copy.delay_level);
    if let Some((topic, queue_id)) = copy.real_target {
        append_real_target(out, topic, queue_id);
    }
    let checked = check_length(out, start).and_then(|()| SendProperties::scan(out, start));
    if checked.is_err() {
        out.truncate(start);
    }
    checked
}

fn is_real_target(name: &[u8]) -> bool {
    matches!(name, name::REAL_TOPIC | name::REAL_QID)
}

fn is_timer_request(name: &[u8]) -> bool {
    matches!(name, name::TIMER_DELAY_SEC | name::TIMER_DELAY_MS | name::TIMER_DELIVER_MS)
}

fn append_real_target(out: &mut Vec<u8>, topic: &str, queue_id: i32) {
    append_pair(out, name::REAL_TOPIC, topic.as_bytes());
    append_number(out, name::REAL_QID, queue_id);
}

fn append_pair(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.push(NAME_END);
    out.extend_from_slice(value);
    out.push(VALUE_END);
}

fn append_number(out: &mut Vec<u8>, name: &[u8], number: i32) {
    out.extend_from_slice(name);
    out.push(NAME_END);
    write!(out, "{number}").expect("writing to a Vec does not fail");
    out.push(VALUE_END);
}

/// Takes pairs out of the text at `start..`, in place.
fn remove_pairs(out: &mut Vec<u8>, start: usize, mut goes: impl FnMut(&[u8]) -> bool) {
    let mut read = start;
    let mut write = start;
    while let Some(pair) = next_pair(out, read) {
        let (at, end) = (pair.at, pair.end);
        if !goes(pair.name) {
            out.copy_within(at..end, write);
            write += end - at;
        }
        read = end;
    }
    out.truncate(write);
    end_last_pair(out, start);
}

/// Old writers leave out the last one.
fn end_last_pair(out: &mut Vec<u8>, start: usize) {
    if out.len() > start && out.last() != Some(&VALUE_END) {
        out.push(VALUE_END);
    }
}

fn check_length(out: &[u8], start: usize) -> Result<(), SendPropertiesError> {
    let bytes = out.len() - start;
    if bytes > PROPERTIES_BYTES_MAX {
        return Err(SendPropertiesError::TooLong { bytes });
    }
    Ok(())
}

fn parse_i32(value: &[u8]) -> Option<i32> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// One pair and where it stands in its text.
#[derive(Debug)]
struct Pair<'a> {
    /// Where its name begins.
    at: usize,
    /// Behind its `VALUE_END`, or the end of the text.
    end: usize,
    name: &'a [u8],
    value: &'a [u8],
    value_at: usize,
}

/// The pairs that readers accept, with their positions.
fn pairs(text: &[u8]) -> impl Iterator<Item = Pair<'_>> {
    let mut read = 0;
    std::iter::from_fn(move || {
        let pair = next_pair(text, read)?;
        read = pair.end;
        Some(pair)
    })
}

/// The first pair at or behind `at`; what is not a pair, or has an empty name or value, is passed over.
fn next_pair(text: &[u8], mut at: usize) -> Option<Pair<'_>> {
    while at < text.len() {
        let piece_bytes = memchr::memchr(VALUE_END, &text[at..]).unwrap_or(text.len() - at);
        let piece = &text[at..at + piece_bytes];
        let end = (at + piece_bytes + 1).min(text.len());
        let split = memchr::memchr(NAME_END, piece).filter(|name| *name > 0 && name + 1 < piece.len());
        if let Some(name_bytes) = split {
            let (name, value) = (&piece[..name_bytes], &piece[name_bytes + 1..]);
            return Some(Pair { at, end, name, value, value_at: at + name_bytes + 1 });
        }
        at = end;
    }
    None
}

/// The names as bytes, which is how they are compared.
mod name {
    use protocol::properties;

    pub(super) const CHECK_IMMUNITY_TIME_IN_SECONDS: &[u8] = properties::CHECK_IMMUNITY_TIME_IN_SECONDS.as_bytes();
    pub(super) const CLUSTER: &[u8] = properties::CLUSTER.as_bytes();
    pub(super) const DELAY: &[u8] = properties::DELAY.as_bytes();
    pub(super) const KEYS: &[u8] = properties::KEYS.as_bytes();
    pub(super) const MSG_REGION: &[u8] = properties::MSG_REGION.as_bytes();
    pub(super) const ORIGIN_MESSAGE_ID: &[u8] = properties::ORIGIN_MESSAGE_ID.as_bytes();
    pub(super) const PGROUP: &[u8] = properties::PGROUP.as_bytes();
    pub(super) const POP_CK: &[u8] = properties::POP_CK.as_bytes();
    pub(super) const REAL_QID: &[u8] = properties::REAL_QID.as_bytes();
    pub(super) const REAL_TOPIC: &[u8] = properties::REAL_TOPIC.as_bytes();
    pub(super) const RETRY_TOPIC: &[u8] = properties::RETRY_TOPIC.as_bytes();
    pub(super) const TAGS: &[u8] = properties::TAGS.as_bytes();
    pub(super) const TIMER_DELAY_MS: &[u8] = properties::TIMER_DELAY_MS.as_bytes();
    pub(super) const TIMER_DELAY_SEC: &[u8] = properties::TIMER_DELAY_SEC.as_bytes();
    pub(super) const TIMER_DELIVER_MS: &[u8] = properties::TIMER_DELIVER_MS.as_bytes();
    pub(super) const TIMER_OUT_MS: &[u8] = properties::TIMER_OUT_MS.as_bytes();
    pub(super) const TRACE_ON: &[u8] = properties::TRACE_ON.as_bytes();
    pub(super) const TRANSACTION_CHECK_TIMES: &[u8] = properties::TRANSACTION_CHECK_TIMES.as_bytes();
    pub(super) const TRANSACTION_ID: &[u8] = properties::TRANSACTION_ID.as_bytes();
    pub(super) const TRAN_MSG: &[u8] = properties::TRAN_MSG.as_bytes();
    pub(super) const UNIQ_KEY: &[u8] = properties::UNIQ_KEY.as_bytes();
    pub(super) const WAIT: &[u8] = properties::WAIT.as_bytes();
}

#[cfg(test)]
mod tests;
