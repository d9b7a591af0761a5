//! Another client on the same broker, which must notice nothing of what a test does to it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use protocol::code::{RequestCode, ResponseCode};
use protocol::record::decode_record;

use crate::raw_client::RawClient;
use crate::requests;

/// No exchange takes longer: stock clients give a request up after as much.
const EXCHANGE_MAX: Duration = Duration::from_secs(3);
/// Half of the exchanges are faster; usual is one hundredth of it.
const MEDIAN_MAX: Duration = Duration::from_millis(150);

/// A client with one connection, one queue, and the offset that its next message gets.
#[derive(Debug)]
pub struct Witness {
    client: RawClient,
    topic: String,
    next_offset: i64,
    took: Vec<Duration>,
}

impl Witness {
    /// Connects and sends a first message to a topic of its own.
    ///
    /// # Panics
    /// When that does not work.
    #[must_use]
    pub fn new(broker: SocketAddr, topic: &str) -> Self {
        let mut witness =
            Self { client: RawClient::connect(broker), topic: topic.to_owned(), next_offset: 0, took: Vec::new() };
        witness.exchange();
        witness.took.clear();
        witness
    }

    /// Sends a message and pulls it.
    ///
    /// # Panics
    /// When the message does not get the next offset, does not come back as it was, or the exchange takes too long.
    pub fn exchange(&mut self) {
        let start = Instant::now();
        let body = format!("message {}", self.next_offset);
        let sent = self.client.ask(requests::send(&self.topic, 0, body.as_bytes()));
        assert_eq!(sent.code, ResponseCode::SUCCESS.0, "{sent:?}");
        let offset = self.next_offset.to_string();
        assert_eq!(sent.get("queueOffset"), Some(offset.as_str()), "queue offsets are dense: {sent:?}");
        let pulled = self.client.ask(requests::pull(&self.topic, 0, self.next_offset));
        assert_eq!(pulled.code, ResponseCode::SUCCESS.0, "{pulled:?}");
        let (record, used) = decode_record(&pulled.body).unwrap_or_else(|error| panic!("{error}: {pulled:?}"));
        assert_eq!((record.body, used), (body.as_bytes(), pulled.body.len()));
        let took = start.elapsed();
        assert!(took < EXCHANGE_MAX, "a send and a pull took {took:?}");
        self.took.push(took);
        self.next_offset += 1;
    }

    /// Some exchanges, most of them fast.
    ///
    /// # Panics
    /// As [`Witness::exchange`], and when half of them take too long.
    pub fn exchanges(&mut self, count: usize) {
        let before = self.took.len();
        (0..count).for_each(|_| self.exchange());
        let mut took = self.took[before..].to_vec();
        took.sort_unstable();
        let median = took[took.len() / 2];
        assert!(median < MEDIAN_MAX, "half of {count} sends with pulls took more than {median:?}");
    }

    /// The slowest exchange so far.
    #[must_use]
    pub fn slowest(&self) -> Duration {
        self.took.iter().max().copied().unwrap_or_default()
    }

    /// Checks that its queue holds what it sent and nothing else.
    ///
    /// # Panics
    /// When not.
    pub fn expect_nothing_else_stored(&mut self) {
        let request = requests::of_queue(RequestCode::GET_MAX_OFFSET, &self.topic, 0);
        let end = self.client.ask(request);
        let expected = self.next_offset.to_string();
        assert_eq!(end.get("offset"), Some(expected.as_str()), "{end:?}");
    }
}
