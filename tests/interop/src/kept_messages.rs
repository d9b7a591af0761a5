//! Messages that a broker acknowledged, and that it must still have later, whatever happened in between.

use std::net::SocketAddr;
use std::time::Duration;

use protocol::body::KvTable;
use protocol::code::RequestCode;
use protocol::message_id::OffsetMessageId;
use protocol::record::decode_record;

use crate::raw_client::RawClient;
use crate::requests;
use crate::until::until;

const WRITTEN_WITHIN: Duration = Duration::from_secs(20);

/// Messages in one queue of one topic: which ones, and where in the log each is.
#[derive(Debug)]
pub struct KeptMessages {
    topic: String,
    places: Vec<i64>,
    padding: usize,
}

impl KeptMessages {
    /// None yet.
    #[must_use]
    pub fn new(topic: &str) -> Self {
        Self { topic: topic.to_owned(), places: Vec::new(), padding: 0 }
    }

    /// The same, with bodies of about `bytes`.
    #[must_use]
    pub fn of_bytes(self, bytes: usize) -> Self {
        Self { padding: bytes, ..self }
    }

    /// Where the message with this queue offset begins in the log.
    #[must_use]
    pub fn place(&self, queue_offset: usize) -> i64 {
        self.places[queue_offset]
    }

    /// Sends further messages one after the other, each when the one before is acknowledged.
    ///
    /// # Panics
    /// When one is not, or does not get the next queue offset.
    pub fn send(&mut self, to: SocketAddr, count: usize) {
        let mut client = RawClient::connect(to);
        for _ in 0..count {
            let number = self.places.len();
            let answer = client.ask(requests::send(&self.topic, 0, &self.body(number)));
            assert_eq!(answer.code, 0, "message {number}: {answer:?}");
            let offset = number.to_string();
            assert_eq!(answer.get("queueOffset"), Some(offset.as_str()), "queue offsets are dense and never reused");
            let id: OffsetMessageId =
                answer.get("msgId").and_then(|id| id.parse().ok()).unwrap_or_else(|| panic!("no id: {answer:?}"));
            self.places.push(id.physical_offset);
        }
    }

    /// Waits until nothing is left to be written to the log's file.
    ///
    /// # Panics
    /// When that does not come.
    pub fn wait_until_written(&self, broker: SocketAddr) {
        let mut client = RawClient::connect(broker);
        until("everything to be written", WRITTEN_WITHIN, || {
            let answer = client.ask(requests::with_body(RequestCode::GET_BROKER_RUNTIME_INFO, &[]));
            let table = KvTable::decode(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}")).table;
            let left = table.get("remainHowManyDataToFlush").cloned().unwrap_or_default();
            if left == "0 B" { Ok(()) } else { Err(format!("{left:?} left")) }
        });
    }

    /// Pulls the queue from its beginning: exactly these messages, in their order, each once, each where it was.
    ///
    /// # Panics
    /// When not.
    pub fn expect(&self, from: SocketAddr) {
        self.expect_from(0, from);
    }

    /// How many were acknowledged.
    #[must_use]
    pub fn count(&self) -> usize {
        self.places.len()
    }

    /// As [`Self::expect`] of a broker that has removed the first ones; which is the first that is left.
    ///
    /// # Panics
    /// When all are gone, or as [`Self::expect`].
    pub fn expect_kept(&self, from: SocketAddr) -> usize {
        let answer = RawClient::connect(from).ask(requests::of_queue(RequestCode::GET_MIN_OFFSET, &self.topic, 0));
        let first = answer.get("offset").and_then(|offset| offset.parse().ok());
        let first: usize = first.unwrap_or_else(|| panic!("no first offset: {answer:?}"));
        assert!(first > 0 && first < self.places.len(), "it holds {first}..{}", self.places.len());
        self.expect_from(first, from);
        first
    }

    fn expect_from(&self, first: usize, from: SocketAddr) {
        let mut client = RawClient::connect(from);
        let mut next = first;
        while next < self.places.len() {
            let answer = client.ask(requests::pull(&self.topic, 0, next as i64));
            assert_eq!(answer.code, 0, "message {next} of {}: {:?}", self.places.len(), answer.remark);
            let mut rest = &answer.body[..];
            while !rest.is_empty() {
                let (record, used) = decode_record(rest).unwrap_or_else(|error| panic!("message {next}: {error}"));
                assert!(next < self.places.len(), "more than was acknowledged");
                assert_eq!((record.queue_offset, record.physical_offset), (next as i64, self.places[next]));
                assert!(record.body == self.body(next), "message {next} is not as it was sent");
                rest = &rest[used..];
                next += 1;
            }
        }
        let end = client.ask(requests::of_queue(RequestCode::GET_MAX_OFFSET, &self.topic, 0));
        assert_eq!(end.get("offset"), Some(next.to_string().as_str()), "nothing but what was acknowledged");
    }

    fn body(&self, number: usize) -> Vec<u8> {
        let mut body = format!("message {number} of {}", self.topic).into_bytes();
        body.resize(body.len().max(self.padding), b'.');
        body
    }
}
