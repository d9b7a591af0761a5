//! Requests of tools and of clients' rarer moments, against a shard of ours, as raw exchanges: for those that no stock
//! client's scenario sends.

use std::time::Duration;

use client::{Answer, Client, ClientOptions, Consumer, Filter, Message, MessageQueue, Producer, Subscription};
use interop::registration::wait_until_registered;
use interop::run_lock::RunLock;
use interop::scratch::Scratch;
use interop::turbopump::{Settings, Turbopump};
use interop::until::until;
use protocol::body::{
    ConsumerConnection, ConsumerData, GroupList, HeartbeatData, ProducerConnection, ProducerData, SubscriptionData,
    SubscriptionGroupConfig, SubscriptionGroupTable, TopicConfig, TopicConfigTable, TopicList,
};
use protocol::properties;
use protocol::topic_name::TRACE_TOPIC;
use protocol::{HeaderEncoding, RequestCode, ResponseCode};
use tokio::runtime::Runtime;

const TOPIC: &str = "administered";
const ROUTED_WITHIN: Duration = Duration::from_secs(20);

/// A broker of one shard, and a client that knows its address.
struct Cluster {
    runtime: Runtime,
    client: Client,
    address: String,
    broker: Turbopump,
    _scratch: Scratch,
    _turn: RunLock,
}

impl Cluster {
    fn start(name: &str) -> Self {
        Self::start_speaking(name, HeaderEncoding::Json)
    }

    fn start_speaking(name: &str, encoding: HeaderEncoding) -> Self {
        let turn = RunLock::beside_another();
        let scratch = Scratch::new(name);
        let broker = Turbopump::start(&Settings { shards: 1, ..Settings::standalone() }, &scratch);
        wait_until_registered(broker.target());
        let address = broker.target().brokers.values().next().expect("one broker").clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let options = ClientOptions { encoding, ..ClientOptions::default() };
        let client = runtime.block_on(Client::new(&broker.target().name_servers, options)).expect("a client");
        Self { runtime, client, address, broker, _scratch: scratch, _turn: turn }
    }

    fn ask(&self, code: RequestCode, fields: &[(&'static str, &str)], body: &[u8]) -> Answer {
        let exchange = self.client.request(&self.address, code, body, |header| {
            for (key, value) in fields {
                header.field(key, *value);
            }
        });
        self.runtime.block_on(exchange).expect("an answer")
    }

    fn done(&self, code: RequestCode, fields: &[(&'static str, &str)], body: &[u8]) -> Answer {
        self.ask(code, fields, body).success().expect("success")
    }

    fn refused(&self, code: RequestCode, fields: &[(&'static str, &str)], body: &[u8]) -> (ResponseCode, String) {
        let answer = self.ask(code, fields, body);
        (answer.response(), answer.command.remark.unwrap_or_default())
    }

    fn create_topic(&self) {
        let config = TopicConfig {
            topic_name: TOPIC.to_owned(),
            read_queue_nums: 2,
            write_queue_nums: 2,
            ..TopicConfig::default()
        };
        let admin = self.client.admin();
        self.runtime.block_on(admin.create_topic(&self.address, &config, "")).expect("a new topic");
        until("the route of the topic", ROUTED_WITHIN, || {
            self.runtime.block_on(admin.topic_route(TOPIC)).map(drop).map_err(|error| error.to_string())
        });
    }

    fn queue(&self, queue_id: i32) -> MessageQueue {
        let (name, _) = self.broker.target().brokers.iter().next().expect("one broker");
        MessageQueue::new(TOPIC, name.as_str(), queue_id)
    }
}

#[test]
fn topics_are_described_one_by_one_all_together_and_in_parts() {
    let cluster = Cluster::start("administration-topics");
    cluster.create_topic();
    let all = cluster.done(RequestCode::GET_ALL_TOPIC_CONFIG, &[], &[]);
    let table = all.body(TopicConfigTable::decode).unwrap().topic_config_table;
    assert_eq!(table[TOPIC].write_queue_nums, 2);
    assert_eq!(all.field::<usize>("totalTopicNum").unwrap(), table.len());

    let mut names = Vec::new();
    while names.len() < table.len() {
        let first = names.len().to_string();
        let part = [("topicSeq", first.as_str()), ("maxTopicNum", "5")];
        let part = cluster.done(RequestCode::GET_ALL_TOPIC_CONFIG, &part, &[]).body(TopicConfigTable::decode).unwrap();
        assert!((1..=5).contains(&part.topic_config_table.len()), "{part:?}");
        names.extend(part.topic_config_table.into_keys());
    }
    assert!(names.iter().eq(table.keys()), "{names:?}");

    let one = cluster.done(RequestCode::GET_TOPIC_CONFIG, &[("topic", TOPIC)], &[]).body(TopicConfig::decode).unwrap();
    assert_eq!(one, table[TOPIC]);
    let (code, remark) = cluster.refused(RequestCode::GET_TOPIC_CONFIG, &[("topic", "nobody's")], &[]);
    assert_eq!(code, ResponseCode::TOPIC_NOT_EXIST, "{remark}");

    let system = cluster.done(RequestCode::GET_SYSTEM_TOPIC_LIST_FROM_BROKER, &[], &[]);
    let system = system.body(TopicList::decode).unwrap().topic_list;
    for topic in ["TBW102", "SCHEDULE_TOPIC_XXXX", "DefaultCluster"] {
        assert!(system.iter().any(|each| each == topic), "{topic} in {system:?}");
    }
    assert!(!system.iter().any(|each| each == TOPIC), "{system:?}");
}

#[test]
fn consumer_groups_are_created_described_and_deleted() {
    let cluster = Cluster::start("administration-groups");
    let config = SubscriptionGroupConfig {
        group_name: "made".to_owned(),
        retry_max_times: 3,
        ..SubscriptionGroupConfig::default()
    };
    cluster.done(RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, &[], &config.encode());
    let one = |group: &str| {
        let answer = cluster.done(RequestCode::GET_SUBSCRIPTIONGROUP_CONFIG, &[("group", group)], &[]);
        answer.body(SubscriptionGroupConfig::decode).unwrap()
    };
    let all = || {
        let answer = cluster.done(RequestCode::GET_ALL_SUBSCRIPTIONGROUP_CONFIG, &[], &[]);
        answer.body(SubscriptionGroupTable::decode).unwrap().subscription_group_table
    };
    assert_eq!(one("made"), config);
    assert_eq!(one("asked-for").retry_max_times, 16, "a group is created when it is asked for");
    assert_eq!(all().get("made"), Some(&config));
    assert!(all().contains_key("asked-for") && all().contains_key("TOOLS_CONSUMER"));

    let nameless = SubscriptionGroupConfig { group_name: "no such/name".to_owned(), ..config };
    let (code, remark) = cluster.refused(RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, &[], &nameless.encode());
    assert_eq!(code, ResponseCode::INVALID_PARAMETER, "{remark}");
    cluster.done(RequestCode::DELETE_SUBSCRIPTIONGROUP, &[("groupName", "made"), ("cleanOffset", "true")], &[]);
    assert_eq!(all().get("made"), None);
}

#[test]
fn connected_clients_are_listed_by_group_until_they_leave() {
    let cluster = Cluster::start("administration-clients");
    cluster.create_topic();
    let heartbeat = HeartbeatData {
        client_id: "c1".to_owned(),
        consumer_data_set: vec![ConsumerData {
            group_name: "readers".to_owned(),
            subscription_data_set: vec![SubscriptionData {
                sub_string: "*".to_owned(),
                topic: TOPIC.to_owned(),
                ..SubscriptionData::default()
            }],
            ..ConsumerData::default()
        }],
        producer_data_set: vec![ProducerData { group_name: "writers".to_owned() }],
        ..HeartbeatData::default()
    };
    cluster.done(RequestCode::HEART_BEAT, &[], &heartbeat.encode());

    let readers = [("consumerGroup", "readers")];
    let consumers = cluster.done(RequestCode::GET_CONSUMER_CONNECTION_LIST, &readers, &[]);
    let consumers = consumers.body(ConsumerConnection::decode).unwrap();
    assert_eq!(consumers.connection_set.len(), 1, "{consumers:?}");
    assert_eq!(consumers.connection_set[0].client_id, "c1");
    assert_eq!(consumers.subscription_table[TOPIC].sub_string, "*");
    let writers = [("producerGroup", "writers")];
    let producers = cluster.done(RequestCode::GET_PRODUCER_CONNECTION_LIST, &writers, &[]);
    assert_eq!(producers.body(ProducerConnection::decode).unwrap().connection_set[0].client_id, "c1");
    let groups = || {
        let answer = cluster.done(RequestCode::QUERY_TOPIC_CONSUME_BY_WHO, &[("topic", TOPIC)], &[]);
        answer.body(GroupList::decode).unwrap().group_list
    };
    assert_eq!(groups(), ["readers"]);

    let leaves = [("clientID", "c1"), ("producerGroup", "writers"), ("consumerGroup", "readers")];
    cluster.done(RequestCode::UNREGISTER_CLIENT, &leaves, &[]);
    let (code, remark) = cluster.refused(RequestCode::GET_CONSUMER_CONNECTION_LIST, &readers, &[]);
    assert_eq!(code, ResponseCode::CONSUMER_NOT_ONLINE, "{remark}");
    let (code, remark) = cluster.refused(RequestCode::GET_PRODUCER_CONNECTION_LIST, &writers, &[]);
    assert_eq!(code, ResponseCode::SYSTEM_ERROR, "{remark}");
    assert!(groups().is_empty());
}

#[test]
fn the_broker_s_settings_are_shown_as_properties() {
    let cluster = Cluster::start("administration-settings");
    let answer = cluster.done(RequestCode::GET_BROKER_CONFIG, &[], &[]);
    let text = String::from_utf8(answer.command.body.clone()).unwrap();
    for line in ["brokerName=turbopump", "brokerClusterName=DefaultCluster", "brokerId=0", "flushDiskType=ASYNC_FLUSH"]
    {
        assert!(text.lines().any(|each| each == line), "{line} in {text}");
    }
    assert!(answer.field::<String>("version").unwrap().contains("\"counter\""));
}

#[test]
fn the_time_of_a_queue_s_first_message_is_told() {
    let cluster = Cluster::start("administration-times");
    cluster.create_topic();
    let earliest = || {
        let answer = cluster.done(RequestCode::GET_EARLIEST_MSG_STORETIME, &[("topic", TOPIC), ("queueId", "1")], &[]);
        answer.field::<i64>("timestamp").unwrap()
    };
    assert_eq!(earliest(), -1, "of an empty queue");
    let producer = Producer::new(&cluster.client, "writers");
    let consumer = Consumer::new(&cluster.client, "readers");
    let queue = cluster.queue(1);
    let pulled = cluster.runtime.block_on(async {
        send(&producer, &queue, 3).await;
        consumer.pull(&queue, 0, 32, &Filter::all()).await.unwrap()
    });
    assert_eq!(pulled.messages().len(), 3);
    assert_eq!(earliest(), pulled.messages()[0].store_timestamp);
}

async fn send(producer: &Producer, queue: &MessageQueue, messages: usize) {
    for number in 0..messages {
        producer.send_to(&Message::new(TOPIC, format!("body {number}")), queue).await.expect("a send");
    }
}

/// Whoever asks in whichever way: a filter that is not served is never taken for one that lets everything through.
#[test]
fn filters_that_are_not_by_tag_are_refused_at_the_start_and_at_every_pull() {
    let cluster = Cluster::start("administration-filters");
    cluster.create_topic();
    let check = |kind: &str| {
        let data = format!(r#"{{"expressionType":"{kind}","subString":"a > 1","topic":"{TOPIC}"}}"#);
        let body = format!(r#"{{"clientId":"c1","group":"readers","subscriptionData":{data}}}"#);
        cluster.ask(RequestCode::CHECK_CLIENT_CONFIG, &[], body.as_bytes()).response()
    };
    assert_eq!(check("TAG"), ResponseCode::SUCCESS);
    assert_eq!(check("SQL92"), ResponseCode::SYSTEM_ERROR);

    let sql = SubscriptionData {
        expression_type: "SQL92".to_owned(),
        sub_string: "a > 1".to_owned(),
        topic: TOPIC.to_owned(),
        ..SubscriptionData::default()
    };
    let group =
        ConsumerData { group_name: "readers".to_owned(), subscription_data_set: vec![sql], ..ConsumerData::default() };
    let heartbeat =
        HeartbeatData { client_id: "c1".to_owned(), consumer_data_set: vec![group], ..HeartbeatData::default() };
    cluster.done(RequestCode::HEART_BEAT, &[], &heartbeat.encode());
    let of_heartbeat = [
        ("consumerGroup", "readers"),
        ("topic", TOPIC),
        ("queueId", "0"),
        ("queueOffset", "0"),
        ("maxMsgNums", "32"),
        ("sysFlag", "0"),
        ("commitOffset", "0"),
        ("suspendTimeoutMillis", "0"),
        ("subVersion", "0"),
    ];
    let (code, remark) = cluster.refused(RequestCode::PULL_MESSAGE, &of_heartbeat, &[]);
    assert_eq!(code, ResponseCode::SYSTEM_ERROR);
    assert_eq!(remark, "The broker does not support consumer to filter message by SQL92");
    let mut of_header: Vec<_> = of_heartbeat.into_iter().filter(|(key, _)| *key != "sysFlag").collect();
    of_header.extend([("sysFlag", "4"), ("subscription", "a > 1"), ("expressionType", "SQL92")]);
    assert_eq!(cluster.refused(RequestCode::PULL_MESSAGE, &of_header, &[]), (code, remark));
}

#[test]
fn timers_of_half_messages_are_refused_and_nothing_of_them_is_stored() {
    let cluster = Cluster::start("administration-refused-sends");
    cluster.create_topic();
    let producer = Producer::new(&cluster.client, "writers");
    let queue = cluster.queue(0);
    for timer in [properties::TIMER_DELAY_SEC, properties::TIMER_DELAY_MS, properties::TIMER_DELIVER_MS] {
        let message = Message::new(TOPIC, "refused").property(properties::TRAN_MSG, "true").property(timer, "10");
        let error = cluster.runtime.block_on(producer.send_to(&message, &queue)).unwrap_err();
        let client::ClientError::Refused { response, remark, .. } = error else { panic!("{error}") };
        assert_eq!(response, ResponseCode::SYSTEM_ERROR);
        assert!(remark.contains("transactional"), "{remark}");
    }
    let consumer = Consumer::new(&cluster.client, "readers");
    assert_eq!(cluster.runtime.block_on(consumer.max_offset(&queue)).unwrap(), 0);
}

/// Their topic belongs to the system, and nobody creates it.
#[test]
fn message_traces_are_taken_like_messages() {
    let cluster = Cluster::start("administration-traces");
    let producer = Producer::new(&cluster.client, "_INNER_TRACE_PRODUCER");
    let trace = Message::new(TRACE_TOPIC, "Pub\u{1}1\u{1}DefaultRegion\u{2}").keys("id-of-the-traced");
    let sent = cluster.runtime.block_on(producer.send(&trace)).unwrap();
    let (id, admin) = (sent.offset_msg_id.parse().unwrap(), cluster.client.admin());
    let stored = cluster.runtime.block_on(admin.view_message_by_id(&id, None)).unwrap();
    assert_eq!((&*stored.topic, stored.keys()), (TRACE_TOPIC, Some("id-of-the-traced")));
}

#[test]
fn the_port_for_urgent_requests_serves_sends_and_pulls_too() {
    let mut cluster = Cluster::start("administration-urgent");
    cluster.create_topic();
    let (host, port) = cluster.address.rsplit_once(':').expect("host:port");
    cluster.address = format!("{host}:{}", port.parse::<u16>().unwrap() - 2);
    let send = [
        ("producerGroup", "writers"),
        ("topic", TOPIC),
        ("defaultTopic", "TBW102"),
        ("defaultTopicQueueNums", "4"),
        ("queueId", "0"),
        ("sysFlag", "0"),
        ("bornTimestamp", "1"),
        ("flag", "0"),
    ];
    cluster.done(RequestCode::SEND_MESSAGE, &send, b"urgent");
    let pull = [
        ("consumerGroup", "readers"),
        ("topic", TOPIC),
        ("queueId", "0"),
        ("queueOffset", "0"),
        ("maxMsgNums", "32"),
        ("sysFlag", "4"),
        ("subscription", "*"),
    ];
    let pulled = cluster.done(RequestCode::PULL_MESSAGE, &pull, &[]);
    assert_eq!(pulled.field::<i64>("nextBeginOffset").unwrap(), 1);
    assert!(pulled.command.body.windows(6).any(|bytes| bytes == b"urgent"));
}

#[test]
fn what_is_not_served_is_answered_so() {
    let cluster = Cluster::start("administration-not-served");
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../../COMPAT.md");
    let document = std::fs::read_to_string(document).expect("COMPAT.md");
    let not_yet = document.lines().filter(|line| line.contains("| not yet |"));
    let codes: Vec<i32> = not_yet.filter_map(|line| line.split('|').nth(1)?.trim().parse().ok()).collect();
    assert!(codes.len() > 20, "{codes:?}");
    for code in codes {
        let (answer, remark) = cluster.refused(RequestCode(code), &[], &[]);
        assert_eq!(answer, ResponseCode::REQUEST_CODE_NOT_SUPPORTED, "{code}: {remark}");
        let reason = remark.strip_prefix(&format!(" request type {code} not supported: ")).expect("why");
        assert!(reason.len() > 20, "{code}: {remark}");
    }
}

#[test]
fn requests_in_the_binary_encoding_are_answered_in_it() {
    let cluster = Cluster::start_speaking("administration-binary", HeaderEncoding::RocketMq);
    cluster.create_topic();
    let producer = Producer::new(&cluster.client, "writers");
    let consumer = Consumer::new(&cluster.client, "readers");
    let queue = cluster.queue(0);
    cluster.runtime.block_on(async {
        consumer.heartbeat(&[Subscription { topic: TOPIC.to_owned(), filter: Filter::all() }]).await.unwrap();
        send(&producer, &queue, 5).await;
        let pulled = consumer.pull(&queue, 0, 32, &Filter::all()).await.unwrap();
        assert_eq!(pulled.messages().len(), 5);
        assert_eq!(pulled.next_offset(), 5);
    });
}
