//! Transactions by hand: half messages, their ends, and what a producer is asked.

use std::net::SocketAddr;
use std::time::Instant;

use protocol::body::{HeartbeatData, ProducerData};
use protocol::code::RequestCode;
use protocol::command::RemotingCommand;
use protocol::header::FLAG_ONEWAY;
use protocol::message_id::OffsetMessageId;
use protocol::record::{RecordView, decode_record};

use crate::raw_client::{RawClient, Received};
use crate::requests;

/// `commitOrRollback` of an END_TRANSACTION.
pub const COMMIT: i32 = 8;
/// The same.
pub const ROLLBACK: i32 = 12;
/// The same: the producer does not know yet.
pub const UNKNOWN: i32 = 0;

/// A half message as its sender knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Half {
    /// In the half topic.
    pub queue_offset: i64,
    /// Of its record.
    pub physical_offset: i64,
    /// Its `msgId`.
    pub id: String,
}

/// A send of a half message; `properties` come behind the usual ones.
#[must_use]
pub fn half(topic: &str, group: &str, body: &[u8], properties: &[(&str, &str)]) -> RemotingCommand {
    let usual = [("WAIT", "true"), ("TRAN_MSG", "true"), ("PGROUP", group), ("TAGS", "Halved")];
    let text: String = usual.iter().chain(properties).map(|(name, value)| format!("{name}\u{1}{value}\u{2}")).collect();
    requests::with(requests::with(requests::send(topic, 0, body), "i", &text), "f", "4")
}

impl Half {
    /// What the answer to [`half`] says.
    ///
    /// # Panics
    /// When it is a refusal.
    #[must_use]
    pub fn of(answer: &RemotingCommand) -> Self {
        assert_eq!(answer.code, 0, "{answer:?}");
        let id = answer.get("msgId").expect("a message id").to_owned();
        let parsed: OffsetMessageId = id.parse().unwrap_or_else(|error| panic!("{id}: {error}"));
        let queue_offset = answer.get("queueOffset").and_then(|offset| offset.parse().ok()).expect("a queue offset");
        Self { queue_offset, physical_offset: parsed.physical_offset, id }
    }

    /// END_TRANSACTION (37), which wants an answer.
    #[must_use]
    pub fn end(&self, group: &str, how: i32) -> RemotingCommand {
        RemotingCommand::request(RequestCode::END_TRANSACTION.0, 0)
            .with_field("producerGroup", group)
            .with_field("tranStateTableOffset", self.queue_offset)
            .with_field("commitLogOffset", self.physical_offset)
            .with_field("commitOrRollback", how)
            .with_field("fromTransactionCheck", false)
            .with_field("msgId", "unused")
    }

    /// As Java's client sends it: nobody answers.
    #[must_use]
    pub fn end_one_way(&self, group: &str, how: i32) -> RemotingCommand {
        RemotingCommand { flag: FLAG_ONEWAY, ..self.end(group, how) }
    }
}

/// A connected producer of a group.
///
/// # Panics
/// When the broker does not take it.
#[must_use]
pub fn producer(address: SocketAddr, group: &str, client_id: &str) -> RawClient {
    let mut client = RawClient::connect(address);
    let heartbeat = HeartbeatData {
        client_id: client_id.to_owned(),
        producer_data_set: vec![ProducerData { group_name: group.to_owned() }],
        ..HeartbeatData::default()
    };
    let answer = client.ask(requests::with_body(RequestCode::HEART_BEAT, &heartbeat.encode()));
    assert_eq!(answer.code, 0, "{answer:?}");
    client
}

/// A question of the broker about a half message.
#[derive(Debug)]
pub struct Question {
    /// CHECK_TRANSACTION_STATE (39).
    pub request: RemotingCommand,
}

impl Question {
    /// The next one before `deadline`.
    ///
    /// # Panics
    /// When the connection is closed.
    #[must_use]
    pub fn next(producer: &mut RawClient, deadline: Instant) -> Option<Self> {
        loop {
            match producer.receive_before(deadline)? {
                Received::Command(request) if request.code == RequestCode::CHECK_TRANSACTION_STATE.0 => {
                    assert!(request.is_oneway() && !request.is_response(), "{request:?}");
                    return Some(Self { request });
                }
                Received::Command(_) => {}
                Received::Closed => panic!("the broker closed a producer's connection"),
            }
        }
    }

    /// The half message it is about.
    ///
    /// # Panics
    /// When a field is missing.
    #[must_use]
    pub fn half(&self) -> Half {
        let number = |key| self.request.get(key).and_then(|text| text.parse().ok()).expect("a number");
        let id = self.request.get("offsetMsgId").expect("an id").to_owned();
        Half { queue_offset: number("tranStateTableOffset"), physical_offset: number("commitLogOffset"), id }
    }

    /// The message it brings.
    ///
    /// # Panics
    /// When that is no record.
    #[must_use]
    pub fn record(&self) -> RecordView<'_> {
        let (record, bytes) = decode_record(&self.request.body).expect("a record");
        assert_eq!(bytes, self.request.body.len(), "one record and nothing else");
        record
    }

    /// The answer to it, one way.
    #[must_use]
    pub fn answer(&self, group: &str, how: i32) -> RemotingCommand {
        requests::with(self.half().end_one_way(group, how), "fromTransactionCheck", "true")
    }
}

/// A property of a record.
#[must_use]
pub fn property<'a>(record: &RecordView<'a>, name: &str) -> Option<&'a str> {
    let text = std::str::from_utf8(record.properties).expect("properties are text");
    text.split('\u{2}').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('\u{1}'))
}

/// All messages that can be read in a queue now, as they are stored.
///
/// # Panics
/// When a pull is refused.
#[must_use]
pub fn stored(client: &mut RawClient, topic: &str, queue_id: i32) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    loop {
        let pulled = client.ask(requests::pull(topic, queue_id, records.len() as i64));
        let mut rest = pulled.body.as_slice();
        if rest.is_empty() {
            return records;
        }
        while !rest.is_empty() {
            let (_, bytes) = decode_record(rest).expect("a record");
            records.push(rest[..bytes].to_vec());
            rest = &rest[bytes..];
        }
    }
}

/// Bodies of [`stored`], as text.
#[must_use]
pub fn bodies(client: &mut RawClient, topic: &str, queue_id: i32) -> Vec<String> {
    let body = |bytes: &Vec<u8>| {
        let (record, _) = decode_record(bytes).expect("a record");
        String::from_utf8_lossy(record.body).into_owned()
    };
    stored(client, topic, queue_id).iter().map(body).collect()
}
