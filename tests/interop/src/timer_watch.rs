//! Timers as they come: how late, and never early.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use protocol::body::TimerMetrics;
use protocol::code::{RequestCode, ResponseCode};
use protocol::command::RemotingCommand;
use protocol::properties;
use protocol::record::decode_record;

use crate::pipeline::all_succeed;
use crate::raw_client::RawClient;
use crate::requests;
use crate::until::until;

const LIMIT: Duration = Duration::from_secs(60);
/// All watched timers are stored before the first is due.
const AHEAD_MS: i64 = 3_000;
/// From one watched timer to the next.
const APART_MS: i64 = 3;

/// Milliseconds since 1970.
///
/// # Panics
/// When the clock is before that.
#[must_use]
pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock behind 1970").as_millis() as i64
}

/// A send of a timer message.
#[must_use]
pub fn timer(topic: &str, body: &[u8], due_ms: i64) -> RemotingCommand {
    let properties = format!("TIMER_DELIVER_MS\u{1}{due_ms}\u{2}");
    requests::with(requests::send(topic, 0, body), "i", &properties)
}

/// A message as it came.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// When, by the broker's clock, ms since 1970.
    pub stored_ms: i64,
    /// When it was due; 0 for a message that is no timer.
    pub due_ms: i64,
}

/// Everything in a topic's queue 0, by body, and the due times in the order they came.
///
/// # Panics
/// When something came twice.
pub fn arrived(client: &mut RawClient, topic: &str) -> (BTreeMap<String, Arrived>, Vec<i64>) {
    let (mut found, mut order, mut offset) = (BTreeMap::new(), Vec::new(), 0);
    loop {
        let answer = client.ask(requests::pull(topic, 0, offset));
        if answer.code != ResponseCode::SUCCESS.0 {
            return (found, order);
        }
        let mut rest = &answer.body[..];
        while !rest.is_empty() {
            let (record, bytes) = decode_record(rest).expect("a record");
            let body = String::from_utf8(record.body.to_vec()).expect("text");
            let due_ms = properties::get_number(record.properties, properties::TIMER_OUT_MS).unwrap_or(0);
            order.push(due_ms);
            let arrived = Arrived { stored_ms: record.store_timestamp, due_ms };
            assert!(found.insert(body.clone(), arrived).is_none(), "{body} came twice");
            rest = &rest[bytes..];
            offset += 1;
        }
    }
}

/// Messages in a topic's queue 0.
#[must_use]
pub fn count(client: &mut RawClient, topic: &str) -> i64 {
    let answer = client.ask(requests::of_queue(RequestCode::GET_MAX_OFFSET, topic, 0));
    answer.get("offset").and_then(|offset| offset.parse().ok()).unwrap_or(0)
}

/// Timers that wait, of all topics.
///
/// # Panics
/// When the broker does not say.
#[must_use]
pub fn pending(client: &mut RawClient) -> i64 {
    let answer = client.ask(RemotingCommand::request(RequestCode::GET_TIMER_METRICS.0, 0));
    let metrics = TimerMetrics::decode(&answer.body).expect("counts");
    metrics.timing_count.values().map(|count| count.count).sum()
}

/// Waits until the index of timers has all that was stored.
///
/// # Panics
/// When it does not within a minute.
pub fn wait_until_indexed(client: &mut RawClient) {
    until("the index of timers", LIMIT, || {
        let info = client.ask(RemotingCommand::request(RequestCode::GET_BROKER_RUNTIME_INFO.0, 0));
        let text = String::from_utf8_lossy(&info.body).into_owned();
        if text.contains("\"timerOffsetBehind\":\"0\"") { Ok(()) } else { Err(text) }
    });
}

/// How late timers came, in ms.
#[derive(Debug, Clone, Copy)]
pub struct Lateness {
    /// Half of them at most.
    pub p50_ms: i64,
    /// 99 of 100 at most.
    pub p99_ms: i64,
    /// The latest.
    pub most_ms: i64,
}

impl fmt::Display for Lateness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms (p50), {} ms (p99), {} ms at most", self.p50_ms, self.p99_ms, self.most_ms)
    }
}

/// Sends `timers` timers that are due one after the other and waits for them. The topic has to be there, and other than those
/// of earlier calls.
///
/// # Panics
/// When one comes early, twice, out of order or not at all.
pub fn watch(client: &mut RawClient, topic: &str, timers: usize) -> Lateness {
    let begin_ms = now_ms() + AHEAD_MS;
    let due_ms = |number: usize| begin_ms + number as i64 * APART_MS;
    all_succeed(client, timers, |number| timer(topic, number.to_string().as_bytes(), due_ms(number)));
    until("those that are due", LIMIT, || match count(client, topic) {
        count if count == timers as i64 => Ok(()),
        count => Err(format!("{count} of {timers}")),
    });
    let (found, order) = arrived(client, topic);
    assert!(order.is_sorted(), "in order of due time");
    let mut late: Vec<i64> = found.values().map(|arrived| arrived.stored_ms - arrived.due_ms).collect();
    late.sort_unstable();
    assert!(late[0] >= 0, "one came {} ms early", -late[0]);
    Lateness { p50_ms: late[late.len() / 2], p99_ms: late[late.len() * 99 / 100], most_ms: late[late.len() - 1] }
}
