//! SQL92 filters on brokers that have them switched on: the official clients, and requests that no client sends.

use std::time::{Duration, Instant};

use client::{Answer, Client, ClientOptions, Consumer, Filter, Message, MessageQueue, Producer};
use interop::apache::{ApacheBroker, ApacheNameServer};
use interop::clients::JavaClient;
use interop::registration::wait_until_registered;
use interop::run_lock::RunLock;
use interop::scratch::Scratch;
use interop::turbopump::{Settings, Turbopump};
use interop::until::until;
use interop::{go, java};
use protocol::body::{ConsumerData, HeartbeatData, SubscriptionData, TopicConfig};
use protocol::{RequestCode, ResponseCode};
use tokio::runtime::Runtime;

const TOPIC: &str = "filtered";
const GROUP: &str = "readers";
const ROUTED_WITHIN: Duration = Duration::from_secs(20);

fn start(shards: u16, scratch: &Scratch) -> Turbopump {
    let settings = Settings { shards, properties: "enablePropertyFilter=true\n", ..Settings::standalone() };
    let broker = Turbopump::start(&settings, scratch);
    wait_until_registered(broker.target());
    broker
}

fn java_passes(client: JavaClient, name: &str) {
    let _turn = RunLock::beside_another();
    let scratch = Scratch::new(name);
    let broker = start(2, &scratch);
    java::passes_on(client, "sql-filter", broker.target(), &scratch);
}

#[test]
fn java_5_consumers_get_what_their_expressions_select_and_are_refused_wrong_ones() {
    java_passes(JavaClient::V5, "sql-filter-java5");
}

#[test]
#[ignore = "make interop-long: java_5's is tried with every change"]
fn java_4_consumers_get_what_their_expressions_select_and_are_refused_wrong_ones() {
    java_passes(JavaClient::V4, "sql-filter-java4");
}

/// What the scenario expects is what the original does.
#[test]
#[ignore = "three minutes, most of which the original's clients wait for heartbeats; for whoever changes the scenario"]
fn the_original_broker_selects_and_refuses_the_same() {
    let _turn = RunLock::beside_another();
    let scratch = Scratch::new("sql-filter-apache");
    let name_server = ApacheNameServer::start(&scratch);
    let broker = ApacheBroker::start("original", &name_server.address(), &scratch);
    wait_until_registered(broker.target());
    let (name, limit) = ("sql-filter-apache", Duration::from_secs(400));
    java::start(JavaClient::V5, "sql-filter", broker.target(), name, &[], limit, &scratch).expect_pass();
}

#[test]
fn go_consumers_get_what_their_expressions_select() {
    let _turn = RunLock::beside_another();
    let scratch = Scratch::new("sql-filter-go");
    let broker = start(2, &scratch);
    go::passes_on("sql-filter", broker.target(), &scratch);
}

/// A broker of one shard with a topic of one queue.
struct Cluster {
    runtime: Runtime,
    client: Client,
    address: String,
    queue: MessageQueue,
    broker: Turbopump,
    _scratch: Scratch,
    _turn: RunLock,
}

impl Cluster {
    fn start(name: &str) -> Self {
        let turn = RunLock::beside_another();
        let scratch = Scratch::new(name);
        let broker = start(1, &scratch);
        let (broker_name, address) = broker.target().brokers.iter().next().expect("one broker");
        let (queue, address) = (MessageQueue::new(TOPIC, broker_name.as_str(), 0), address.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let options = ClientOptions::default();
        let client = runtime.block_on(Client::new(&broker.target().name_servers, options)).expect("a client");
        let config = TopicConfig {
            topic_name: TOPIC.to_owned(),
            read_queue_nums: 1,
            write_queue_nums: 1,
            ..TopicConfig::default()
        };
        let admin = client.admin();
        runtime.block_on(admin.create_topic(&address, &config, "")).expect("a new topic");
        until("the route of the topic", ROUTED_WITHIN, || {
            runtime.block_on(admin.topic_route(TOPIC)).map(drop).map_err(|error| error.to_string())
        });
        Self { runtime, client, address, queue, broker, _scratch: scratch, _turn: turn }
    }

    async fn ask(&self, code: RequestCode, fields: &[(&'static str, &str)], body: &[u8]) -> Answer {
        let exchange = self.client.request(&self.address, code, body, |header| {
            for (key, value) in fields {
                header.field(key, *value);
            }
        });
        exchange.await.expect("an answer")
    }

    fn check(&self, kind: &str, expression: &str) -> (ResponseCode, String) {
        let data = format!(r#"{{"expressionType":"{kind}","subString":{expression:?},"topic":"{TOPIC}"}}"#);
        let body = format!(r#"{{"clientId":"c1","group":"{GROUP}","subscriptionData":{data}}}"#);
        let answer = self.runtime.block_on(self.ask(RequestCode::CHECK_CLIENT_CONFIG, &[], body.as_bytes()));
        (answer.response(), answer.command.remark.unwrap_or_default())
    }

    fn heartbeat(&self, data: SubscriptionData) {
        let group =
            ConsumerData { group_name: GROUP.to_owned(), subscription_data_set: vec![data], ..ConsumerData::default() };
        let heartbeat =
            HeartbeatData { client_id: "c1".to_owned(), consumer_data_set: vec![group], ..HeartbeatData::default() };
        let answer = self.runtime.block_on(self.ask(RequestCode::HEART_BEAT, &[], &heartbeat.encode()));
        answer.success().expect("a heartbeat");
    }

    async fn pull(&self, offset: i64, sys_flag: i32, extra: &[(&'static str, &str)]) -> Answer {
        let (offset, sys_flag) = (offset.to_string(), sys_flag.to_string());
        let mut fields = vec![
            ("consumerGroup", GROUP),
            ("topic", TOPIC),
            ("queueId", "0"),
            ("queueOffset", &offset),
            ("maxMsgNums", "32"),
            ("sysFlag", &sys_flag),
            ("commitOffset", "0"),
            ("suspendTimeoutMillis", "12000"),
        ];
        fields.extend(extra);
        self.ask(RequestCode::PULL_MESSAGE, &fields, &[]).await
    }

    /// A pull that does not wait, by what the heartbeat said.
    fn pull_now(&self, offset: i64) -> Answer {
        self.runtime.block_on(self.pull(offset, 0, &[("subVersion", "1")]))
    }

    /// Messages whose property `n` is their number.
    fn send(&self, numbers: std::ops::Range<usize>) {
        let producer = Producer::new(&self.client, "writers");
        self.runtime.block_on(async {
            for number in numbers {
                send_one(&producer, &self.queue, number).await;
            }
        });
    }

    /// Everything the filter lets through, by offset, and how many pulls that took.
    fn pull_all(&self, condition: &str, end: i64) -> (Vec<i64>, usize) {
        let consumer = Consumer::new(&self.client, "inline-readers");
        let filter = Filter::sql(condition);
        let (mut found, mut next, mut pulls) = (Vec::new(), 0, 0);
        while next < end {
            let pulled = self.runtime.block_on(consumer.pull(&self.queue, next, 32, &filter)).expect("a pull");
            found.extend(pulled.messages().iter().map(|message| message.queue_offset));
            let further = pulled.positions().next_offset;
            assert!(further > next, "it gets further than {next}");
            next = further;
            pulls += 1;
        }
        (found, pulls)
    }
}

async fn send_one(producer: &Producer, queue: &MessageQueue, number: usize) {
    let message = Message::new(TOPIC, format!("body {number}")).property("n", number.to_string());
    producer.send_to(&message, queue).await.expect("a send");
}

fn subscription(kind: &str, expression: &str, version: i64) -> SubscriptionData {
    SubscriptionData {
        expression_type: kind.to_owned(),
        sub_string: expression.to_owned(),
        sub_version: version,
        topic: TOPIC.to_owned(),
        ..SubscriptionData::default()
    }
}

#[test]
fn a_wrong_expression_is_refused_wherever_it_comes_with_its_place() {
    let cluster = Cluster::start("sql-filters-wrong");
    assert_eq!(cluster.check("SQL92", "n > 1 AND n IS NOT NULL").0, ResponseCode::SUCCESS);
    assert_eq!(cluster.check("TAG", "n >").0, ResponseCode::SUCCESS);
    let place = "line 2, column 5: found the end, expected a property, a value, NOT, a sign or `(`";
    let (code, remark) = cluster.check("SQL92", "n > 1\nAND ");
    assert_eq!((code, remark), (ResponseCode::SUBSCRIPTION_PARSE_FAILED, format!("Invalid MessageSelector. {place}")));
    let (code, remark) = cluster.check("CLASS", "x");
    assert_eq!(code, ResponseCode::SUBSCRIPTION_PARSE_FAILED, "{remark}");
    assert_eq!(cluster.check("SQL92", "").0, ResponseCode::SUBSCRIPTION_PARSE_FAILED);

    cluster.heartbeat(subscription("SQL92", "n > 1\nAND ", 1));
    let answer = cluster.pull_now(0);
    assert_eq!(answer.response(), ResponseCode::FILTER_DATA_NOT_EXIST);
    let remark = answer.command.remark.unwrap_or_default();
    assert!(
        remark.starts_with("The broker's consumer filter data is not exist!Your expression may be wrong!"),
        "{remark}"
    );
    assert!(remark.ends_with(place), "{remark}");

    for (kind, code) in
        [("SQL92", ResponseCode::SUBSCRIPTION_PARSE_FAILED), ("CLASS", ResponseCode::SUBSCRIPTION_PARSE_FAILED)]
    {
        let inline = [("subscription", "n > 1\nAND "), ("expressionType", kind)];
        let answer = cluster.runtime.block_on(cluster.pull(0, 4, &inline));
        assert_eq!(answer.response(), code);
    }

    // A right one with a newer version takes its place; a pull that is newer still has to wait for its heartbeat.
    cluster.heartbeat(subscription("SQL92", "n > 1", 2));
    assert_eq!(cluster.pull_now(0).response(), ResponseCode::PULL_NOT_FOUND);
    let newer = cluster.runtime.block_on(cluster.pull(0, 0, &[("subVersion", "3"), ("expressionType", "SQL92")]));
    assert_eq!(newer.response(), ResponseCode::SUBSCRIPTION_NOT_LATEST);
}

#[test]
fn filtered_messages_are_passed_over_within_bounds_from_memory_and_from_disk() {
    let mut cluster = Cluster::start("sql-filters-bounds");
    const MESSAGES: usize = 2_000;
    cluster.send(0..MESSAGES);
    let end = MESSAGES as i64;
    let wanted: Vec<i64> = (0..end).filter(|number| number % 400 == 7).collect();
    let condition = "n IN ('7', '407', '807', '1207', '1607')";

    // Cheap expressions look at 800 messages a pull.
    let (found, pulls) = cluster.pull_all(condition, end);
    assert_eq!(found, wanted);
    assert!((3..=4).contains(&pulls), "{pulls} pulls");
    // Costly ones at fewer: no pull holds the others up.
    let costly = format!("({}) AND {condition}", vec!["n ENDSWITH '7'"; 1_000].join(" AND "));
    let (found, pulls) = cluster.pull_all(&costly, end);
    assert_eq!(found, wanted);
    assert!(pulls > 10, "{pulls} pulls");
    assert!(cluster.pull_all("n = 'none'", end).0.is_empty());

    cluster.broker.terminate();
    cluster.broker.start_again();
    cluster.broker.wait_until_ready();
    // The client's connection ended with the process that it led to.
    let consumer = Consumer::new(&cluster.client, GROUP);
    until("a pull after the restart", ROUTED_WITHIN, || {
        let pulled = cluster.runtime.block_on(consumer.pull(&cluster.queue, 0, 1, &Filter::all()));
        pulled.map(drop).map_err(|error| error.to_string())
    });
    let (found, _) = cluster.pull_all(condition, end);
    assert_eq!(found, wanted, "read from disk");
}

#[test]
fn a_held_pull_is_answered_by_a_matching_message_and_by_no_other() {
    let cluster = Cluster::start("sql-filters-held");
    let producer = Producer::new(&cluster.client, "writers");
    let consumer = Consumer::new(&cluster.client, GROUP);
    let filter = Filter::sql("n = '3'");
    let held_for = |number: usize| {
        cluster.runtime.block_on(async {
            let from = consumer.max_offset(&cluster.queue).await.expect("an end");
            let begun = Instant::now();
            let send = async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                send_one(&producer, &cluster.queue, number).await;
            };
            let pull = consumer.pull_held(&cluster.queue, from, 32, &filter, Duration::from_secs(12));
            let (pulled, ()) = tokio::join!(pull, send);
            let pulled = pulled.expect("an answer");
            (pulled.messages().len(), pulled.positions().next_offset - from, begun.elapsed())
        })
    };
    let (messages, passed, after) = held_for(3);
    assert_eq!((messages, passed), (1, 1));
    assert!(after < Duration::from_secs(3), "a match wakes it at once, this took {after:?}");
    let (messages, passed, after) = held_for(4);
    assert_eq!((messages, passed), (0, 1), "its position moves on all the same");
    assert!(after > Duration::from_secs(4), "nothing that concerns it came, and it was answered after {after:?}");
}
