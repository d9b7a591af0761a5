//! Many groups, queues and offsets at once: what each costs, how long a restart takes, and what a scrape shows of them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use protocol::body::SubscriptionGroupConfig;
use protocol::code::RequestCode;
use protocol::command::RemotingCommand;

use super::produce_latency::compare;
use super::row::Row;
use super::scale::{QUEUES, Scale};
use crate::pipeline::{all_succeed, pipelined};
use crate::ports::free_port;
use crate::raw_client::RawClient;
use crate::registration::wait_until_registered;
use crate::resident_memory::lasting_bytes;
use crate::scratch::Scratch;
use crate::turbopump::{Settings, Turbopump};
use crate::{http, requests};

/// Memory for each queue with a message, its share of its topic included.
const QUEUE_BYTES_MAX: u64 = 1_536;
/// For each group.
const GROUP_BYTES_MAX: u64 = 1_024;
/// For each offset of a group in a queue, of topics with eight queues.
const OFFSET_BYTES_MAX: u64 = 128;
/// For what is counted of a group in a topic, with its history of a day.
const SERIES_BYTES_MAX: u64 = 3_072;
/// The last checkpoint writes and syncs a file of each queue that has grown.
const END_MAX: Duration = Duration::from_secs(300);
/// From the start of a process until it serves.
const RESTART_MAX: Duration = Duration::from_secs(5);
/// Samples that one shard shows at most of topics, of pairs of group and topic, of lags and of connections: 500 each, and the
/// others together; and what does not depend on them.
const SAMPLES_MAX: f64 = 6_000.0;
/// A shard's scrape.
const SCRAPE_MAX: Duration = Duration::from_secs(2);

/// Small, so that it is not taken for tables.
const PROPERTIES: &str = "logCacheBytes=16777216\ncpus=any\n";
const BODY: [u8; 100] = [b'x'; 100];

fn topic(number: usize) -> String {
    format!("orders-{number}")
}

fn group(number: usize) -> String {
    format!("billing-{number}")
}

/// A message for the `number`th queue.
fn message(number: usize) -> RemotingCommand {
    requests::send(&topic(number / QUEUES), (number % QUEUES) as i32, &BODY)
}

/// Topic and queue of the `number`th offset of a group.
fn offset_of(scale: &Scale, number: usize) -> (usize, usize, usize) {
    let (queue, rest) = (number % QUEUES, number / QUEUES);
    let (nth, group) = (rest % scale.topics_per_group, rest / scale.topics_per_group);
    (group, (group * 7 + nth) % scale.topics, queue)
}

struct Subject {
    broker: Turbopump,
    client: RawClient,
    rows: Vec<Row>,
}

impl Subject {
    fn address(&self) -> SocketAddr {
        self.broker.target().brokers.values().next().expect("one broker").parse().expect("its address")
    }

    fn connect_again(&mut self) {
        self.client = RawClient::connect(self.address());
    }

    /// Lets `fill` make `count` of something and notes what each takes.
    fn fill(&mut self, what: &str, count: usize, bytes_max: u64, fill: impl FnOnce(&mut RawClient)) {
        let (before, began) = (lasting_bytes(self.broker.pid()), Instant::now());
        fill(&mut self.client);
        let took = began.elapsed();
        let after = lasting_bytes(self.broker.pid());
        println!("{count} {what} in {took:?}: {} KiB before, {} KiB after", before / 1024, after / 1024);
        self.rows.push(Row::memory(what, count, after.saturating_sub(before), bytes_max));
    }

    fn start_again(&mut self, how: &str) {
        let began = Instant::now();
        self.broker.start_again();
        self.broker.wait_until_ready();
        let took = began.elapsed();
        self.connect_again();
        let what = format!("from start to serving, after {how}");
        self.rows.push(Row::at_most(what, took.as_secs_f64(), RESTART_MAX.as_secs_f64(), "s"));
    }
}

/// Measures all of it.
///
/// # Panics
/// When something is refused or lost.
#[must_use]
pub fn measure(scale: &Scale, scratch: &Scratch) -> Vec<Row> {
    let endpoint = free_port();
    // The settings of a process live as long as it.
    let properties: &'static str = String::leak(format!("{PROPERTIES}metricsPromExporterPort={endpoint}\n"));
    let settings = Settings { name: "tables".to_owned(), shards: 1, properties, ..Settings::standalone() };
    let broker = Turbopump::start(&settings, scratch);
    wait_until_registered(broker.target());
    let address = broker.target().brokers.values().next().expect("one broker").parse().expect("its address");
    let mut subject = Subject { broker, client: RawClient::connect(address), rows: Vec::new() };
    let client = &mut subject.client;
    // The log's buffers and cache are there before anything is measured.
    all_succeed(client, 1, |_| requests::create_topic("warm", 1));
    all_succeed(client, 200_000, |_| requests::send("warm", 0, &BODY));

    let (topics, groups) = (scale.topics, scale.groups);
    subject.fill("queues, with their topics and a message each", scale.queues(), QUEUE_BYTES_MAX, |client| {
        all_succeed(client, topics, |number| requests::create_topic(&topic(number), QUEUES as i32));
        all_succeed(client, topics * QUEUES, message);
    });
    subject.fill("groups", groups, GROUP_BYTES_MAX, |client| {
        all_succeed(client, groups, |number| {
            let config = SubscriptionGroupConfig { group_name: group(number), ..SubscriptionGroupConfig::default() };
            let body = serde_json::to_vec(&config).expect("a configuration is JSON");
            requests::with_body(RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, &body)
        });
    });
    subject.fill("committed offsets", scale.offsets(), OFFSET_BYTES_MAX, |client| {
        all_succeed(client, scale.offsets(), |number| {
            let (of, topic_number, queue) = offset_of(scale, number);
            requests::commit_offset(&group(of), &topic(topic_number), queue as i32, 1)
        });
    });
    subject.fill("groups that pulled from a topic", groups, SERIES_BYTES_MAX, |client| {
        pipelined(
            client,
            groups,
            |number| {
                let pull = requests::pull(&topic(number * 7 % topics), 0, 0);
                requests::with(pull, "consumerGroup", &group(number))
            },
            |number, answer| assert!(!answer.body.is_empty(), "the pull of group {number} got {answer:?}"),
        );
    });
    scrape(&mut subject, SocketAddr::from(([127, 0, 0, 1], endpoint)));
    let empty = Settings { name: "empty".to_owned(), shards: 1, properties: PROPERTIES, ..Settings::standalone() };
    let empty = Turbopump::start(&empty, scratch);
    wait_until_registered(empty.target());
    let holding = (format!("{groups} groups, {} queues", scale.queues()), &subject.broker);
    compare(&mut subject.rows, &empty, &[holding], scale, scratch);
    drop(empty);
    let all = lasting_bytes(subject.broker.pid()) / 1024;
    subject.rows.push(Row::told("memory of the process with all of them", format!("{all} KiB")));
    // The broker has closed a connection on which nothing was said for so long.
    subject.connect_again();
    all_succeed(&mut subject.client, topics * QUEUES, message);
    let began = Instant::now();
    subject.broker.terminate_within(END_MAX);
    let what = format!("to end in order, with a new message in each of {} queues", scale.queues());
    subject.rows.push(Row::told(what, format!("{:.2} s", began.elapsed().as_secs_f64())));
    subject.start_again("an end in order");
    expect_offsets(&mut subject.client, scale);
    let all = lasting_bytes(subject.broker.pid()) / 1024;
    subject.rows.push(Row::told("memory of the process after the restart", format!("{all} KiB")));
    subject.broker.kill_nine();
    subject.start_again("kill -9");
    expect_offsets(&mut subject.client, scale);
    subject.rows
}

/// Some of the offsets, all over.
fn expect_offsets(client: &mut RawClient, scale: &Scale) {
    for number in (0..scale.offsets()).step_by(scale.offsets() / 97) {
        let (of, topic_number, queue) = offset_of(scale, number);
        let answer = client.ask(requests::query_offset(&group(of), &topic(topic_number), queue as i32));
        assert_eq!(answer.get("offset"), Some("1"), "{number}: {answer:?}");
    }
}

fn scrape(subject: &mut Subject, at: SocketAddr) {
    // The first one makes the report that goes over all groups.
    let _ = http::expect(at, "/metrics");
    let began = Instant::now();
    let text = http::expect(at, "/metrics").body;
    let took = began.elapsed();
    let samples = text.lines().filter(|line| !line.starts_with('#')).count();
    for name in ["rocketmq_messages_in_total", "rocketmq_messages_out_total", "rocketmq_consumer_lag_messages"] {
        let told = text.lines().filter(|line| line.starts_with(name)).count();
        println!("{name}: {told} samples");
    }
    subject.rows.push(Row::at_most("samples of a scrape", samples as f64, SAMPLES_MAX, ""));
    subject.rows.push(Row::told("bytes of a scrape", format!("{} KiB", text.len() / 1024)));
    subject.rows.push(Row::at_most("a scrape", took.as_secs_f64(), SCRAPE_MAX.as_secs_f64(), "s"));
}
