//! Requests as stock clients send them, byte for byte but for names and numbers.

mod pull;
mod send;

pub use pull::Pull;
pub use send::{Client, Send};

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Where the messages go.
pub const TOPIC: &str = "OrderEvents";
/// Queues they are spread over, as a producer does in turn.
pub const QUEUES: u32 = 4;
/// The broker they are sent to.
pub const BROKER_NAME: &str = "broker-a";
/// Its address.
pub const STORE_HOST: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10)), 10911);
/// The producer's.
pub const BORN_HOST: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 20)), 52_976);
/// Bytes of a message's body.
pub const BODY_BYTES: usize = 1024;

/// A body that no checksum or copy finds a pattern in; the same in every run.
pub fn body() -> Vec<u8> {
    let mut state: u64 = 0x9E37_79B9_7F4A_7C15;
    let step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(step).take(BODY_BYTES).collect()
}

/// Gives the `number`-th message of a producer to `use_it`.
pub fn nth_send(number: u64, use_it: impl FnOnce(&Send<'_>)) {
    use_it(&Send {
        group: "order-service",
        topic: TOPIC,
        queue_id: (number % u64::from(QUEUES)) as u32,
        key: &format!("order-{:08}", 20_260_000 + number),
        tag: "TagA",
        number,
        opaque: 70_000 + number as i32,
        broker_name: BROKER_NAME,
        born_timestamp: 1_795_256_196_772,
    });
}

/// `UNIQ_KEY` of the `number`-th message.
pub fn nth_unique_key(number: u64) -> String {
    let mut key = String::new();
    nth_send(number, |send| key = send.java_unique_key());
    key
}

/// The properties of the `number`-th message with the broker's behind them.
pub fn nth_stored_properties(number: u64) -> String {
    let mut properties = String::new();
    nth_send(number, |send| properties = send.java_properties());
    properties + "MSG_REGION\u{1}DefaultRegion\u{2}TRACE_ON\u{1}true\u{2}CLUSTER\u{1}DefaultCluster\u{2}"
}

/// Appends a frame with a JSON header.
fn push_json_frame(out: &mut Vec<u8>, header: &str, body: &[u8]) {
    let length = 4 + header.len() + body.len();
    out.extend_from_slice(&(length as u32).to_be_bytes());
    out.extend_from_slice(&(header.len() as u32).to_be_bytes());
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(body);
}
