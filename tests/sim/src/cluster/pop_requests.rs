//! What POP's clients ask and are answered, in the words of the protocol.

use std::collections::BTreeMap;

use protocol::body::{BatchAck, QueueAcks};
use protocol::code::RequestCode;
use protocol::command::RemotingCommand;
use protocol::pop_handle::{PopHandle, PopSource};
use protocol::properties::{self, POP_CK};
use protocol::record::{RecordView, iterate};

use super::parcels::{GROUPS, Popped};
use super::popper::TOPIC;
use super::sends::body;
use crate::{Violation, require};

/// A message that was popped.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    pub(super) group: usize,
    pub(super) popped: Popped,
    /// See [`PopHandle`].
    text: String,
}

impl Taken {
    fn handle(&self) -> Result<PopHandle<'_>, Violation> {
        PopHandle::parse(&self.text).map_err(|error| Violation(format!("a handle `{}`: {error}", self.text)))
    }

    /// The topic that it lies in.
    fn topic(&self) -> String {
        let source = self.handle().map_or(PopSource::Topic, |handle| handle.source);
        source.topic(GROUPS[self.group].name, TOPIC)
    }

    /// As the answer to a change of its invisible time says.
    pub(super) fn changed(&self, answer: &RemotingCommand) -> Result<Self, Violation> {
        let number = |key| number_of(answer, key);
        let handle = PopHandle {
            pop_ms: number("popTime")?,
            invisible_ms: number("invisibleTime")?,
            revive_queue_id: number("reviveQid")? as i32,
            ..self.handle()?
        };
        Ok(Self { text: handle.to_string(), ..self.clone() })
    }
}

fn number_of(answer: &RemotingCommand, key: &str) -> Result<i64, Violation> {
    let number = answer.get(key).and_then(|text| text.parse().ok());
    number.ok_or_else(|| Violation(format!("an answer without a number `{key}`: {answer:?}")))
}

/// Any queue: -1.
pub(super) fn pop(group: usize, queue_id: i32, messages_max: u32, invisible_ms: i64, poll_ms: i64) -> RemotingCommand {
    RemotingCommand::request(RequestCode::POP_MESSAGE.0, 0)
        .with_field("consumerGroup", GROUPS[group].name)
        .with_field("topic", TOPIC)
        .with_field("queueId", queue_id)
        .with_field("maxMsgNums", messages_max)
        .with_field("invisibleTime", invisible_ms)
        .with_field("pollTime", poll_ms)
        .with_field("bornTime", 0)
        .with_field("initMode", 0)
        .with_field("order", GROUPS[group].is_ordered)
}

fn about(code: RequestCode, taken: &Taken) -> RemotingCommand {
    RemotingCommand::request(code.0, 0)
        .with_field("consumerGroup", GROUPS[taken.group].name)
        .with_field("topic", taken.topic().as_str())
        .with_field("queueId", taken.popped.queue_id)
        .with_field("offset", taken.popped.offset)
        .with_field("extraInfo", taken.text.as_str())
}

pub(super) fn ack(taken: &Taken) -> RemotingCommand {
    about(RequestCode::ACK_MESSAGE, taken)
}

pub(super) fn change(taken: &Taken, invisible_ms: i64, suspends: bool) -> RemotingCommand {
    about(RequestCode::CHANGE_MESSAGE_INVISIBLETIME, taken)
        .with_field("invisibleTime", invisible_ms)
        .with_field("suspend", suspends)
}

/// Of any pops and queues.
pub(super) fn batch_ack<'a>(all: impl Iterator<Item = &'a Taken>) -> RemotingCommand {
    let mut of_pops = BTreeMap::new();
    for taken in all {
        let Ok(handle) = taken.handle() else { continue };
        let key = (handle.source.letter(), handle.queue_id, handle.start, handle.pop_ms);
        let (_, numbers) = of_pops.entry(key).or_insert_with(|| {
            let acks = QueueAcks {
                group: GROUPS[taken.group].name.to_owned(),
                topic: TOPIC.to_owned(),
                source: handle.source.letter().to_string(),
                queue_id: handle.queue_id,
                start: handle.start,
                pop_ms: handle.pop_ms,
                invisible_ms: handle.invisible_ms,
                revive_queue_id: handle.revive_queue_id,
                ..QueueAcks::default()
            };
            (acks, Vec::new())
        });
        numbers.push((taken.popped.offset - handle.start as u64) as usize);
    }
    let acks = of_pops.into_values().map(|(acks, numbers)| QueueAcks { bits: QueueAcks::bits_of(&numbers), ..acks });
    let batch = BatchAck { acks: acks.collect(), broker_name: "broker".to_owned() };
    RemotingCommand::request(RequestCode::BATCH_ACK_MESSAGE.0, 0).with_body(batch.encode())
}

/// The messages of an answer to a pop.
/// # Errors
/// They are not what was sent, or nobody would know how to acknowledge them.
pub(super) fn read_popped(answer: &RemotingCommand, group: usize) -> Result<Vec<Taken>, Violation> {
    let mut all = Vec::new();
    for record in iterate(&answer.body) {
        let checked = record.and_then(|record| record.check_body_crc().map(|()| record));
        let record = checked.map_err(|error| Violation(format!("a damaged parcel: {error}")))?;
        all.push(read_one(answer, group, &record)?);
    }
    require(!all.is_empty(), || format!("a pop found nothing and says that it did: {answer:?}"))?;
    Ok(all)
}

fn read_one(answer: &RemotingCommand, group: usize, record: &RecordView<'_>) -> Result<Taken, Violation> {
    require(record.topic == TOPIC, || format!("a parcel of {}", record.topic))?;
    let number = record.body.first_chunk().map(|number| u64::from_be_bytes(*number));
    let number = number.filter(|number| record.body == body(*number, record.body.len()));
    let number = number.ok_or_else(|| Violation(format!("a parcel that is not as it was sent: {record:?}")))?;
    let (queue_id, offset) = (record.queue_id, record.queue_offset as u64);
    let popped = Popped { number, queue_id, offset };
    let text = match properties::get(record.properties, POP_CK) {
        Some(text) => String::from_utf8_lossy(text).into_owned(),
        None => handle_of(answer, queue_id, record.queue_offset)?.to_string(),
    };
    let taken = Taken { group, popped, text };
    let begins_behind = taken.handle()?.start > record.queue_offset;
    require(!begins_behind, || format!("a handle that begins behind its message: {taken:?}"))?;
    Ok(taken)
}

/// As clients make it of what the answer says of the queue.
fn handle_of(answer: &RemotingCommand, queue_id: i32, offset: i64) -> Result<PopHandle<'static>, Violation> {
    let queues = answer.get("startOffsetInfo").unwrap_or_default();
    let prefix = format!("{} {queue_id} ", PopSource::Topic.letter());
    let start = queues.split(';').find_map(|queue| queue.strip_prefix(prefix.as_str())?.parse().ok());
    Ok(PopHandle {
        start: start.ok_or_else(|| Violation(format!("a pop does not say where it began: {answer:?}")))?,
        pop_ms: number_of(answer, "popTime")?,
        invisible_ms: number_of(answer, "invisibleTime")?,
        revive_queue_id: number_of(answer, "reviveQid")? as i32,
        source: PopSource::Topic,
        broker_name: "broker",
        queue_id,
        offset: Some(offset),
    })
}
