//! Messages to send: small descriptions from which the record's bytes can be made again to compare.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::OnceLock;

use protocol::record::{RecordFields, body_length_at};
use protocol::sys_flag::MessageSysFlag;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Bodies are pieces of this, so that none has to be kept.
const POOL_BYTES: usize = 256 << 10;
/// Longest body.
pub const BODY_BYTES_MAX: usize = POOL_BYTES / 2;
/// Topics that are sent to. The last one is longer than a record with a one-byte topic length can say.
pub const TOPICS: [&str; 4] = ["orders", "payments", "%RETRY%group", LONG_TOPIC];
const LONG_TOPIC: &str = "topic-with-a-long-name-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-\
     0123456789-0123456789-0123456789";
/// Queues of each topic.
pub const QUEUES: u32 = 3;

/// A MessageQueue: topic number and queue id.
pub type QueueName = (usize, u32);

/// One message, before it is stored.
#[derive(Clone, Debug)]
pub struct Message {
    /// Where it goes.
    pub queue: QueueName,
    /// Tells it from every other message of the run.
    pub number: u64,
    body_start: usize,
    body_bytes: usize,
    properties: Vec<u8>,
    v6: bool,
}

fn pool() -> &'static [u8] {
    static POOL: OnceLock<Vec<u8>> = OnceLock::new();
    POOL.get_or_init(|| {
        let mut bytes = vec![0; POOL_BYTES];
        StdRng::seed_from_u64(0).fill(&mut bytes[..]);
        bytes
    })
}

impl Message {
    /// A message with a body of `body_bytes` bytes.
    pub fn draw(rng: &mut StdRng, queue: QueueName, number: u64, body_bytes: usize) -> Self {
        let body_start = rng.random_range(0..=POOL_BYTES - body_bytes);
        let properties = format!("KEYS\u{1}{number}\u{2}TAGS\u{1}tag{}\u{2}", number % 7).into_bytes();
        Self { queue, number, body_start, body_bytes, properties, v6: rng.random_bool(0.1) }
    }

    /// Where the body begins in its record.
    pub fn body_at(&self) -> usize {
        let host_bits = if self.v6 { MessageSysFlag::BORN_HOST_V6 } else { 0 };
        body_length_at(host_bits) + 4
    }

    /// What is given to the store; the offsets are for it to fill in.
    pub fn fields(&self) -> RecordFields<'_> {
        let born_ip = if self.v6 { IpAddr::V6(Ipv6Addr::LOCALHOST) } else { IpAddr::V4(Ipv4Addr::LOCALHOST) };
        RecordFields {
            queue_id: self.queue.1 as i32,
            flag: 7,
            queue_offset: 0,
            physical_offset: 0,
            sys_flag: 0,
            born_timestamp: self.number as i64,
            born_host: SocketAddr::new(born_ip, 1234),
            store_timestamp: 1_700_000_000_000 + self.number as i64,
            store_host: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 10911),
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: &pool()[self.body_start..self.body_start + self.body_bytes],
            topic: TOPICS[self.queue.0],
            properties: &self.properties,
        }
    }
}

/// Stands for the tags code of a record: any function of its bytes will do.
pub fn tags_code(properties: &[u8]) -> i64 {
    properties.iter().fold(0i64, |code, byte| code.wrapping_mul(31).wrapping_add(i64::from(*byte)))
}
