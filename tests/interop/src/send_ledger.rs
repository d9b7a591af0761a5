//! What became of every message that was sent to one queue of a replicated broker, whoever led it at the time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use protocol::code::{RequestCode, ResponseCode};
use protocol::command::RemotingCommand;
use protocol::record::decode_record;

use crate::raw_client::{RawClient, Received};
use crate::requests;
use crate::until::until;

/// A replica reads up to what it knows to be committed, and a follower hears that a little later than the leader.
const READABLE_WITHIN: Duration = Duration::from_secs(10);
/// What a refusal says that promises nothing.
const UNSURE: &str = "may or may not be stored";
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(30);
/// As long as stock clients wait for one.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
const PADDING_BYTES: usize = 300;

/// Every message has a number of its own and is sent once, so what is stored can be held against what was answered.
#[derive(Debug)]
pub struct SendLedger {
    topic: String,
    next: u64,
    /// Queue offsets by number.
    acknowledged: BTreeMap<u64, u64>,
    /// Answered with an error that says that they are not stored.
    refused: BTreeSet<u64>,
    /// Not answered, or with an error that leaves it open.
    unsure: BTreeSet<u64>,
    /// Answers that were errors, by code, with one of the remarks.
    errors: BTreeMap<i32, String>,
}

/// How many messages became what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Messages in the queue.
    pub all: u64,
    /// Those of them that were not acknowledged.
    pub unsure: u64,
}

impl SendLedger {
    /// Nothing sent yet.
    #[must_use]
    pub fn new(topic: &str) -> Self {
        Self {
            topic: topic.to_owned(),
            next: 0,
            acknowledged: BTreeMap::new(),
            refused: BTreeSet::new(),
            unsure: BTreeSet::new(),
            errors: BTreeMap::new(),
        }
    }

    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Messages acknowledged so far.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    /// Messages sent so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.next
    }

    /// Error codes that were answered so far, each with a remark.
    #[must_use]
    pub fn errors(&self) -> &BTreeMap<i32, String> {
        &self.errors
    }

    /// The next message as a request, and its number, which counts as sent.
    pub fn next_request(&mut self) -> (u64, RemotingCommand) {
        let number = self.next;
        self.next += 1;
        self.unsure.insert(number);
        (number, requests::send(&self.topic, 0, &self.body(number)))
    }

    /// Notes the answer to a message.
    ///
    /// # Panics
    /// When the answer makes no sense, or the message has one already.
    pub fn note(&mut self, number: u64, answer: &RemotingCommand) {
        assert!(self.unsure.remove(&number), "message {number} was answered twice: {answer:?}");
        if answer.code == ResponseCode::SUCCESS.0 {
            let offset = answer.get("queueOffset").and_then(|offset| offset.parse().ok());
            let offset = offset.unwrap_or_else(|| panic!("no queue offset: {answer:?}"));
            self.acknowledged.insert(number, offset);
            return;
        }
        let remark = answer.remark.clone().unwrap_or_default();
        if remark.contains(UNSURE) { &mut self.unsure } else { &mut self.refused }.insert(number);
        self.errors.insert(answer.code, remark);
    }

    /// Sends one message; whether it was acknowledged within `limit`.
    pub fn try_send(&mut self, to: SocketAddr, limit: Duration) -> bool {
        let Ok(mut client) = RawClient::try_connect(to) else { return false };
        let (number, request) = self.next_request();
        if client.try_start(request).is_err() {
            return false;
        }
        let Some(Received::Command(answer)) = client.receive_before(Instant::now() + limit) else { return false };
        self.note(number, &answer);
        self.acknowledged.contains_key(&number)
    }

    /// Sends messages until one is acknowledged. Who was seen to lead just now may not do so any more.
    ///
    /// # Panics
    /// When none is, for half a minute.
    pub fn send_when_led(&mut self, to: SocketAddr) {
        until(&format!("a message to be acknowledged by {to}"), ACKNOWLEDGED_WITHIN, || {
            if self.try_send(to, ANSWER_WITHIN) { Ok(()) } else { Err(format!("{:?}", self.errors)) }
        });
    }

    /// Sends messages one after the other, each when the one before is acknowledged.
    ///
    /// # Panics
    /// When one is not.
    pub fn send(&mut self, to: SocketAddr, count: usize) {
        let mut client = RawClient::connect(to);
        for _ in 0..count {
            let (number, request) = self.next_request();
            let answer = client.ask(request);
            self.note(number, &answer);
            assert!(self.acknowledged.contains_key(&number), "message {number} was refused: {answer:?}");
        }
    }

    /// Keeps `window` messages under way until `enough` says so or the connection is closed; then waits for the answers that
    /// are due. Errors count as answers.
    pub fn send_pipelined(&mut self, to: SocketAddr, window: usize, mut enough: impl FnMut(&Self) -> bool) {
        let Ok(mut client) = RawClient::try_connect(to) else { return };
        let mut under_way = BTreeMap::new();
        loop {
            let is_enough = enough(self);
            while !is_enough && under_way.len() < window {
                let (number, request) = self.next_request();
                let Ok(opaque) = client.try_start(request) else { return };
                under_way.insert(opaque, number);
            }
            if under_way.is_empty() || !self.note_next(&mut client, &mut under_way) {
                return;
            }
        }
    }

    /// Notes the next answer on a connection to those of `under_way`, numbers by opaque. False: there is none.
    ///
    /// # Panics
    /// When something else than an answer comes.
    pub fn note_next(&mut self, client: &mut RawClient, under_way: &mut BTreeMap<i32, u64>) -> bool {
        let Received::Command(answer) = client.receive() else { return false };
        let number = under_way.remove(&answer.opaque).unwrap_or_else(|| panic!("nobody asked for {answer:?}"));
        self.note(number, &answer);
        true
    }

    /// Reads the queue from its beginning: what was acknowledged is where its answer said, in the order it was sent, nothing
    /// is there twice, nothing that was refused, and nothing that was never sent.
    ///
    /// # Panics
    /// When not.
    pub fn expect_stored(&self, from: SocketAddr) -> Stored {
        let numbers = self.read(from);
        let mut places = BTreeMap::new();
        for (offset, number) in numbers.iter().enumerate() {
            let before = places.insert(*number, offset as u64);
            assert_eq!(before, None, "message {number} is at {offset} too");
            assert!(!self.refused.contains(number), "message {number} is at {offset}, but was refused");
            assert!(*number < self.next, "message {number} is at {offset}, but was never sent");
        }
        for (number, offset) in &self.acknowledged {
            let found = numbers.get(*offset as usize);
            assert_eq!(
                found,
                Some(number),
                "at {offset} of {}; message {number} is at {:?}",
                numbers.len(),
                places.get(number)
            );
        }
        Stored { all: numbers.len() as u64, unsure: (numbers.len() - self.acknowledged.len()) as u64 }
    }

    /// As [`Self::expect_stored`] for messages that were sent one after the other: offsets grow with the numbers.
    ///
    /// # Panics
    /// When not.
    pub fn expect_stored_in_order(&self, from: SocketAddr) -> Stored {
        let stored = self.expect_stored(from);
        let offsets: Vec<u64> = self.acknowledged.values().copied().collect();
        assert!(offsets.is_sorted(), "acknowledged offsets in the order of sending: {offsets:?}");
        stored
    }

    /// Numbers of the stored messages in the order of the queue.
    fn read(&self, from: SocketAddr) -> Vec<u64> {
        let mut client = RawClient::connect(from);
        let all_acknowledged = self.acknowledged.values().max().map_or(0, |last| last + 1);
        let end = until(&format!("all acknowledged messages to be readable at {from}"), READABLE_WITHIN, || {
            let answer = client.ask(requests::of_queue(RequestCode::GET_MAX_OFFSET, &self.topic, 0));
            let end = answer.get("offset").and_then(|end| end.parse::<u64>().ok());
            let end = end.ok_or_else(|| format!("{answer:?}"))?;
            if end >= all_acknowledged { Ok(end) } else { Err(format!("{end} of {all_acknowledged}")) }
        });
        let mut numbers = Vec::new();
        while (numbers.len() as u64) < end {
            let at = numbers.len() as i64;
            let answer = client.ask(requests::pull(&self.topic, 0, at));
            assert_eq!(answer.code, ResponseCode::SUCCESS.0, "at {at} of {end}: {:?}", answer.remark);
            let mut rest = &answer.body[..];
            while !rest.is_empty() {
                let (record, used) = decode_record(rest).unwrap_or_else(|error| panic!("at {at}: {error}"));
                assert_eq!(record.queue_offset, numbers.len() as i64, "queue offsets are dense");
                numbers.push(self.number(record.body));
                rest = &rest[used..];
            }
        }
        numbers
    }

    fn body(&self, number: u64) -> Vec<u8> {
        let mut body = format!("{number} of {} ", self.topic).into_bytes();
        body.resize(body.len() + PADDING_BYTES, b'.');
        body
    }

    fn number(&self, body: &[u8]) -> u64 {
        let text = String::from_utf8_lossy(body);
        let number = text.split(' ').next().and_then(|number| number.parse().ok());
        let number = number.unwrap_or_else(|| panic!("not one of these messages: {text}"));
        assert!(body == self.body(number), "message {number} is not as it was sent: {text}");
        number
    }
}
