//! POP by hand: what stock clients make of an answer, and what they send back.

use protocol::body::{BatchAck, QueueAcks};
use protocol::code::RequestCode;
use protocol::command::RemotingCommand;
use protocol::pop_handle::{ORDERED_REVIVE_QUEUE, PopHandle, PopSource};
use protocol::properties::{self, POP_CK};
use protocol::record::decode_record;

/// A message as a client of POP has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Popped {
    /// Its body.
    pub body: String,
    /// Its topic, which is never a retry topic.
    pub topic: String,
    /// Where it came from.
    pub source: PopSource,
    /// Its queue there.
    pub queue_id: i32,
    /// Its place there.
    pub offset: i64,
    /// As stored.
    pub reconsume_times: i32,
    /// `extraInfo` of what is said about it.
    pub handle: String,
    /// As `name=value;…`.
    pub properties: String,
}

/// POP_MESSAGE (200050) of up to 32 messages of any queue, which waits `poll_ms`.
#[must_use]
pub fn pop(group: &str, topic: &str, invisible_ms: i64, poll_ms: i64) -> RemotingCommand {
    RemotingCommand::request(RequestCode::POP_MESSAGE.0, 0)
        .with_field("consumerGroup", group)
        .with_field("topic", topic)
        .with_field("queueId", -1)
        .with_field("maxMsgNums", 32)
        .with_field("invisibleTime", invisible_ms)
        .with_field("pollTime", poll_ms)
        .with_field("bornTime", 0)
        .with_field("initMode", 0)
        .with_field("expType", "TAG")
        .with_field("exp", "*")
        .with_field("order", false)
}

/// A request about a group, topic and queue: NOTIFICATION, POLLING_INFO, PEEK_MESSAGE.
#[must_use]
pub fn of_queue(code: RequestCode, group: &str, topic: &str, queue_id: i32) -> RemotingCommand {
    RemotingCommand::request(code.0, 0)
        .with_field("consumerGroup", group)
        .with_field("topic", topic)
        .with_field("queueId", queue_id)
}

/// The messages of an answer, with the handles that clients make.
///
/// # Panics
/// When the answer is none that a stock client reads.
#[must_use]
pub fn messages(answer: &RemotingCommand, broker_name: &str) -> Vec<Popped> {
    if answer.code != 0 {
        return Vec::new();
    }
    let number = |field: &str| answer.get(field).and_then(|text| text.parse::<i64>().ok()).expect("a number");
    let parts = |field: &str| -> Vec<Vec<String>> {
        let text = answer.get(field).unwrap_or_default();
        text.split(';').map(|part| part.split(' ').map(str::to_owned).collect()).collect()
    };
    let (starts, offsets) = (parts("startOffsetInfo"), parts("msgOffsetInfo"));
    let mut rest = &answer.body[..];
    let mut found = Vec::new();
    for (start, offsets) in starts.iter().zip(&offsets) {
        assert_eq!((start.len(), offsets.len()), (3, 3), "three parts each: {answer:?}");
        assert_eq!(start[..2], offsets[..2], "the same queues in the same order");
        for offset in offsets[2].split(',') {
            let (record, used) = decode_record(rest).expect("a record for each offset");
            rest = &rest[used..];
            let source = PopSource::parse(&start[0]).expect("a source");
            let handle = PopHandle {
                start: start[2].parse().expect("a start"),
                pop_ms: number("popTime"),
                invisible_ms: number("invisibleTime"),
                revive_queue_id: number("reviveQid") as i32,
                source,
                broker_name,
                queue_id: start[1].parse().expect("a queue id"),
                offset: Some(offset.parse().expect("an offset")),
            };
            assert_eq!((record.queue_id, Some(record.queue_offset)), (handle.queue_id, handle.offset));
            // A handle that is in the message goes before one of one's own.
            let own = properties::get_text(record.properties, POP_CK).map(str::to_owned);
            assert_eq!(own.is_some(), source != PopSource::Topic, "retries come with a handle");
            let text = String::from_utf8_lossy(record.properties).replace('\u{1}', "=").replace('\u{2}', ";");
            found.push(Popped {
                body: String::from_utf8_lossy(record.body).into_owned(),
                topic: record.topic.to_owned(),
                source,
                queue_id: record.queue_id,
                offset: record.queue_offset,
                reconsume_times: record.reconsume_times,
                handle: own.unwrap_or_else(|| handle.to_string()),
                properties: text,
            });
        }
    }
    assert!(rest.is_empty(), "no record without an offset");
    found
}

/// The bodies of messages, ascending.
#[must_use]
pub fn bodies(messages: &[Popped]) -> Vec<&str> {
    let mut bodies: Vec<&str> = messages.iter().map(|message| message.body.as_str()).collect();
    bodies.sort_unstable();
    bodies
}

/// ACK_MESSAGE (200051).
#[must_use]
pub fn ack(group: &str, message: &Popped) -> RemotingCommand {
    of_message(RequestCode::ACK_MESSAGE, group, message)
}

/// CHANGE_MESSAGE_INVISIBLETIME (200053).
#[must_use]
pub fn change(group: &str, message: &Popped, invisible_ms: i64) -> RemotingCommand {
    of_message(RequestCode::CHANGE_MESSAGE_INVISIBLETIME, group, message)
        .with_field("invisibleTime", invisible_ms)
        .with_field("suspend", false)
}

fn of_message(code: RequestCode, group: &str, message: &Popped) -> RemotingCommand {
    of_queue(code, group, &message.source.topic(group, &message.topic), message.queue_id)
        .with_field("extraInfo", message.handle.as_str())
        .with_field("offset", message.offset)
}

/// The message with the handle that the answer of [`change`] gives.
///
/// # Panics
/// When the answer is a refusal.
#[must_use]
pub fn changed(message: &Popped, answer: &RemotingCommand) -> Popped {
    assert_eq!(answer.code, 0, "{answer:?}");
    let number = |field: &str| answer.get(field).and_then(|text| text.parse::<i64>().ok()).expect("a number");
    let before = PopHandle::parse(&message.handle).expect("a handle");
    let handle = PopHandle {
        start: message.offset,
        pop_ms: number("popTime"),
        invisible_ms: number("invisibleTime"),
        revive_queue_id: number("reviveQid") as i32,
        ..before
    };
    Popped { handle: handle.to_string(), ..message.clone() }
}

/// BATCH_ACK_MESSAGE (200151) of messages of one pop.
///
/// # Panics
/// When one has no handle.
#[must_use]
pub fn batch_ack(group: &str, messages: &[Popped]) -> RemotingCommand {
    let acks = messages.iter().map(|message| {
        let handle = PopHandle::parse(&message.handle).expect("a handle");
        QueueAcks {
            bits: QueueAcks::bits_of(&[(message.offset - handle.start) as usize]),
            group: group.to_owned(),
            invisible_ms: handle.invisible_ms,
            pop_ms: handle.pop_ms,
            queue_id: message.queue_id,
            source: message.source.letter().to_string(),
            revive_queue_id: handle.revive_queue_id,
            start: handle.start,
            topic: message.topic.clone(),
        }
    });
    let batch = BatchAck { acks: acks.collect(), broker_name: "unused".to_owned() };
    RemotingCommand::request(RequestCode::BATCH_ACK_MESSAGE.0, 0).with_body(batch.encode())
}

/// Whether an ordered pop gave it out.
#[must_use]
pub fn is_ordered(message: &Popped) -> bool {
    PopHandle::parse(&message.handle).is_ok_and(|handle| handle.revive_queue_id == ORDERED_REVIVE_QUEUE)
}
