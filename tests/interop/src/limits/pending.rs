//! Messages that wait: what a million timers and 100,000 half messages cost, and whether plain sends notice.

use std::net::SocketAddr;

use super::produce_latency::compare;
use super::row::Row;
use super::scale::Scale;
use crate::pipeline::all_succeed;
use crate::raw_client::RawClient;
use crate::registration::wait_until_registered;
use crate::requests;
use crate::resident_memory::lasting_bytes;
use crate::scratch::Scratch;
use crate::timer_watch::{now_ms, pending, timer, wait_until_indexed, watch};
use crate::transactions::half;
use crate::turbopump::{Settings, Turbopump};

/// Memory for any number of pending timers: the window, what waits to be written, and what an allocator keeps of it.
pub const TIMERS_BYTES_MAX: u64 = 64 << 20;
/// Memory for each half message: its row of 80 bytes in a tree, and what an allocator keeps.
const HALF_BYTES_MAX: u64 = 160;
/// Timers come this late at most, 99 of 100, while a million others are pending.
pub const LATE_MS_MAX: i64 = 100;

/// Nobody is asked about a half message meanwhile; the log's cache is small, so that it is not taken for tables.
const PROPERTIES: &str = "transactionCheckInterval=3600000\nlogCacheBytes=16777216\ncpus=any\n";
const BODY: [u8; 300] = [b'x'; 300];
const TOPIC: &str = "waiting";
const HOUR_MS: i64 = 3_600_000;

/// Timers all over the rest of a year, none due within an hour.
///
/// # Panics
/// When one is refused.
pub fn store_timers(client: &mut RawClient, topic: &str, count: usize) {
    let first_ms = now_ms() + HOUR_MS;
    let far_ms = |number: usize| first_ms + ((number * 7919) % count * 31_000) as i64 % (360 * 24 * HOUR_MS);
    all_succeed(client, count, |number| timer(topic, &BODY, far_ms(number)));
    wait_until_indexed(client);
}

struct Loaded {
    broker: Turbopump,
    client: RawClient,
    /// Of its own memory, since it had as many plain messages.
    grown_bytes: u64,
}

/// A broker that has taken `count` plain messages, and then what `store` stores.
fn loaded(name: &str, scratch: &Scratch, count: usize, store: impl FnOnce(&mut RawClient)) -> Loaded {
    let settings = Settings { name: name.to_owned(), shards: 1, properties: PROPERTIES, ..Settings::standalone() };
    let broker = Turbopump::start(&settings, scratch);
    wait_until_registered(broker.target());
    let mut client = RawClient::connect(address(&broker));
    for topic in ["ordinary", TOPIC, "watched", "watched-again"] {
        all_succeed(&mut client, 1, |_| requests::create_topic(topic, 1));
    }
    all_succeed(&mut client, count, |_| requests::send("ordinary", 0, &BODY));
    let before = lasting_bytes(broker.pid());
    store(&mut client);
    let after = lasting_bytes(broker.pid());
    println!("{name}: {} KiB before, {} KiB after", before / 1024, after / 1024);
    Loaded { broker, client, grown_bytes: after.saturating_sub(before) }
}

fn address(broker: &Turbopump) -> SocketAddr {
    broker.target().brokers.values().next().expect("one broker").parse().expect("its address")
}

/// Measures all of it.
///
/// # Panics
/// When something is refused, lost or early.
#[must_use]
pub fn measure(scale: &Scale, scratch: &Scratch) -> Vec<Row> {
    let mut rows = Vec::new();
    let plain = loaded("plain", scratch, scale.timers, |_| ());
    let halves = loaded("halves", scratch, scale.timers, |client| {
        all_succeed(client, scale.halves, |_| half(TOPIC, "payers", &BODY, &[]));
    });
    let mut timers = loaded("timers", scratch, scale.timers, |client| store_timers(client, TOPIC, scale.timers));
    assert_eq!(pending(&mut timers.client), scale.timers as i64);
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let what = format!("memory for {} pending timers", scale.timers);
    rows.push(Row::at_most(what, mib(timers.grown_bytes), mib(TIMERS_BYTES_MAX), "MiB"));
    rows.push(Row::memory("half messages", scale.halves, halves.grown_bytes, HALF_BYTES_MAX));

    let late = |rows: &mut Vec<Row>, client: &mut RawClient, topic: &str, when: &str| {
        let lateness = watch(client, topic, scale.watched);
        let what = format!("lateness of timers with {} pending{when}, p99", scale.timers);
        rows.push(Row::at_most(what, lateness.p99_ms as f64, LATE_MS_MAX as f64, "ms"));
    };
    late(&mut rows, &mut timers.client, "watched", "");

    let holding = [
        (format!("{} timers pending", scale.timers), &timers.broker),
        (format!("{} half messages waiting", scale.halves), &halves.broker),
    ];
    compare(&mut rows, &plain.broker, &holding, scale, scratch);

    timers.broker.kill_nine();
    timers.broker.start_again();
    timers.broker.wait_until_ready();
    timers.client = RawClient::connect(address(&timers.broker));
    assert_eq!(pending(&mut timers.client), scale.timers as i64);
    late(&mut rows, &mut timers.client, "watched-again", ", after kill -9");
    rows
}
