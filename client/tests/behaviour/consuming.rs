//! Pulls, positions, and what a group's members tell brokers.

use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use client::{
    Client, Consumer, FakeServer, Filter, MessageQueue, PullOptions, PullResult, QueuePositions, Reply, Subscription,
    WithCauses,
};
use protocol::body::{HeartbeatData, LockBatchRequest};
use protocol::record::RecordFields;
use protocol::sys_flag::MessageSysFlag;
use protocol::{RequestCode, ResponseCode};

use crate::cluster::{client_of, name_server, route};

const POSITIONS: [(&str, &str); 4] =
    [("suggestWhichBrokerId", "1"), ("nextBeginOffset", "2"), ("minOffset", "0"), ("maxOffset", "5")];
const SEEN: QueuePositions = QueuePositions { next_offset: 2, min_offset: 0, max_offset: 5, suggested_broker_id: 1 };

fn queue() -> MessageQueue {
    MessageQueue { topic: "T".to_owned(), broker_name: "broker-a".to_owned(), queue_id: 3 }
}

async fn client_with(brokers: &[&FakeServer]) -> (FakeServer, Client) {
    let addresses: Vec<_> = brokers.iter().map(|broker| broker.address()).collect();
    let names = name_server(&["T"], route(&[("broker-a", &addresses, 4)])).await;
    let client = client_of(&[&names]).await;
    (names, client)
}

/// A record of topic `T` at this offset, with this tag.
fn record(queue_offset: i64, tag: &str, body: &[u8], sys_flag: i32) -> Vec<u8> {
    let host = SocketAddr::from(([127, 0, 0, 1], 10911));
    let properties = format!("TAGS\u{1}{tag}\u{2}KEYS\u{1}k{queue_offset}\u{2}UNIQ_KEY\u{1}ID{queue_offset}\u{2}");
    let fields = RecordFields {
        queue_id: 3,
        flag: 9,
        queue_offset,
        physical_offset: 4096 + queue_offset,
        sys_flag,
        born_timestamp: 1_700_000_000_000,
        born_host: host,
        store_timestamp: 1_700_000_000_001,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body,
        topic: "T",
        properties: properties.as_bytes(),
    };
    let mut bytes = vec![0; fields.encoded_bytes()];
    fields.encode(&mut bytes);
    bytes
}

#[tokio::test]
async fn a_pull_returns_decoded_records_and_where_to_go_on() {
    let body = [record(0, "A", b"first", 0), record(1, "B", b"second", 0)].concat();
    let broker = FakeServer::start(move |_| Reply::fields(&POSITIONS).with_body(body.clone())).await;
    let (_names, client) = client_with(&[&broker]).await;
    let result = Consumer::new(&client, "g").pull(&queue(), 0, 32, &Filter::all()).await.unwrap();

    let request = &broker.received()[0];
    let keys = ["consumerGroup", "topic", "queueId", "queueOffset", "maxMsgNums", "sysFlag", "commitOffset"];
    assert_eq!(keys.map(|key| request.get(key).unwrap()), ["g", "T", "3", "0", "32", "4", "0"]);
    let keys = ["suspendTimeoutMillis", "subscription", "subVersion", "expressionType", "bname"];
    assert_eq!(keys.map(|key| request.get(key).unwrap()), ["0", "*", "0", "TAG", "broker-a"]);

    assert_eq!(result.positions(), SEEN);
    let [first, second] = result.messages() else { panic!("two messages, not {result:?}") };
    assert_eq!((first.body().unwrap(), first.tags(), first.queue_offset), ("first".into(), Some("A"), 0));
    assert_eq!((second.keys(), second.unique_id(), second.physical_offset), (Some("k1"), Some("ID1"), 4097));
    assert_eq!((&*second.topic, second.queue_id, second.flag), ("T", 3, 9));
    assert_eq!(second.offset_message_id().to_string(), "7F00000100002A9F0000000000001001");
}

#[tokio::test]
async fn the_other_outcomes_are_results_too() {
    let positions = SEEN;
    for (code, expected) in [
        (ResponseCode::PULL_NOT_FOUND, PullResult::NoNewMessage { positions }),
        (ResponseCode::PULL_RETRY_IMMEDIATELY, PullResult::NoMatchedMessage { positions }),
        (ResponseCode::PULL_OFFSET_MOVED, PullResult::OffsetMoved { positions }),
    ] {
        let broker = FakeServer::start(move |_| Reply::code(code, "").with_fields(&POSITIONS)).await;
        let (_names, client) = client_with(&[&broker]).await;
        let result = Consumer::new(&client, "g").pull(&queue(), 0, 32, &Filter::all()).await.unwrap();
        assert_eq!(result, expected);
    }
}

#[tokio::test]
async fn a_refused_pull_is_an_error() {
    let broker = FakeServer::start(|_| Reply::code(ResponseCode::INVALID_PARAMETER, "queueId[3] is illegal")).await;
    let (_names, client) = client_with(&[&broker]).await;
    let error = Consumer::new(&client, "g").pull(&queue(), 0, 32, &Filter::all()).await.unwrap_err();
    let expected =
        format!("PULL_MESSAGE(11) to {}: answered INVALID_PARAMETER(29): queueId[3] is illegal", broker.address());
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn messages_whose_tag_only_has_the_same_hash_are_dropped() {
    // "Aa" and "BB" have the same Java hash.
    let body = [record(0, "Aa", b"wanted", 0), record(1, "BB", b"not wanted", 0)].concat();
    let broker = FakeServer::start(move |_| Reply::fields(&POSITIONS).with_body(body.clone())).await;
    let (_names, client) = client_with(&[&broker]).await;
    let filter = Filter::tags("Aa || C").unwrap();
    let result = Consumer::new(&client, "g").pull(&queue(), 0, 32, &filter).await.unwrap();
    assert_eq!(broker.received()[0].get("subscription"), Some("Aa || C"));
    let bodies: Vec<_> = result.messages().iter().map(|message| message.body().unwrap()).collect();
    assert_eq!(bodies, ["wanted"]);
    assert_eq!(result.next_offset(), 2, "the dropped message is passed over");
}

#[tokio::test]
async fn a_held_pull_waits_longer_than_a_request_does() {
    let broker = FakeServer::start(|_| Reply::Silence).await;
    let (_names, client) = client_with(&[&broker]).await;
    let consumer = Consumer::new(&client, "g");
    let started = Instant::now();
    let hold = Duration::from_secs(20);
    let (queue, filter) = (queue(), Filter::all());
    let pull = consumer.pull_held(&queue, 0, 32, &filter, hold);
    assert!(tokio::time::timeout(Duration::from_millis(200), pull).await.is_err(), "still held");
    assert!(started.elapsed() < Duration::from_secs(2));
    let request = &broker.received()[0];
    assert_eq!((request.get("sysFlag"), request.get("suspendTimeoutMillis")), (Some("6"), Some("20000")));
}

#[tokio::test]
async fn a_pull_may_commit_and_read_from_the_suggested_replica() {
    let (master, slave) = (FakeServer::agreeing().await, FakeServer::start(|_| Reply::fields(&POSITIONS)).await);
    let (_names, client) = client_with(&[&master, &slave]).await;
    let options = PullOptions { commit_offset: Some(41), broker_id: 1, ..PullOptions::default() };
    Consumer::new(&client, "g").pull_with(&queue(), 42, 32, &Filter::all(), options).await.unwrap();
    assert!(master.received().is_empty());
    let request = &slave.received()[0];
    assert_eq!((request.get("sysFlag"), request.get("commitOffset")), (Some("5"), Some("41")));
}

#[tokio::test]
async fn a_body_that_is_no_record_says_where_it_breaks() {
    let mut body = record(0, "A", b"first", 0);
    let first_bytes = body.len();
    body.extend_from_slice(&[0; 10]);
    let broker = FakeServer::start(move |_| Reply::fields(&POSITIONS).with_body(body.clone())).await;
    let (_names, client) = client_with(&[&broker]).await;
    let error = Consumer::new(&client, "g").pull(&queue(), 0, 32, &Filter::all()).await.unwrap_err();
    let text = WithCauses(&error).to_string();
    let place = format!("the answer cannot be read: record at byte {first_bytes} of {}: ", first_bytes + 10);
    assert!(text.contains(&place), "{text}");
}

#[tokio::test]
async fn a_compressed_body_is_unfolded_on_demand() {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(b"long ".repeat(100).as_slice()).unwrap();
    let stored = encoder.finish().unwrap();
    let zlib = MessageSysFlag::COMPRESSED | MessageSysFlag::COMPRESSION_ZLIB;
    let zstd = MessageSysFlag::COMPRESSED | MessageSysFlag::COMPRESSION_ZSTD;
    let body = [record(0, "A", &stored, zlib), record(1, "A", &stored, zstd)].concat();
    let broker = FakeServer::start(move |_| Reply::fields(&POSITIONS).with_body(body.clone())).await;
    let (_names, client) = client_with(&[&broker]).await;
    let messages = Consumer::new(&client, "g").pull(&queue(), 0, 32, &Filter::all()).await.unwrap().into_messages();
    assert_eq!(messages[0].body().unwrap(), b"long ".repeat(100));
    let error = messages[1].body().unwrap_err();
    assert_eq!(error.to_string(), "the body is compressed with zstd, which this client does not read");
}

#[tokio::test]
async fn positions_are_asked_of_the_queue_s_broker() {
    let broker = FakeServer::start(|request| {
        let offset = match RequestCode(request.code) {
            RequestCode::GET_MIN_OFFSET => "1",
            RequestCode::GET_MAX_OFFSET => "9",
            RequestCode::SEARCH_OFFSET_BY_TIMESTAMP if request.get("timestamp") == Some("1700000000000") => "5",
            RequestCode::QUERY_CONSUMER_OFFSET => "4",
            other => panic!("{other}"),
        };
        Reply::fields(&[("offset", offset)])
    })
    .await;
    let (_names, client) = client_with(&[&broker]).await;
    let consumer = Consumer::new(&client, "g");
    assert_eq!(consumer.min_offset(&queue()).await.unwrap(), 1);
    assert_eq!(consumer.max_offset(&queue()).await.unwrap(), 9);
    assert_eq!(consumer.offset_at(&queue(), 1_700_000_000_000).await.unwrap(), 5);
    assert_eq!(consumer.consumer_offset(&queue()).await.unwrap(), Some(4));
    assert!(broker.received().iter().all(|request| request.get("queueId") == Some("3")));
}

#[tokio::test]
async fn a_group_without_an_offset_has_none() {
    let broker = FakeServer::start(|_| Reply::code(ResponseCode::QUERY_NOT_FOUND, "Not found")).await;
    let (_names, client) = client_with(&[&broker]).await;
    assert_eq!(Consumer::new(&client, "g").consumer_offset(&queue()).await.unwrap(), None);
}

#[tokio::test]
async fn offsets_are_committed_with_and_without_an_answer() {
    let broker = FakeServer::agreeing().await;
    let (_names, client) = client_with(&[&broker]).await;
    let consumer = Consumer::new(&client, "g");
    consumer.commit_offset_oneway(&queue(), 11).await.unwrap();
    consumer.commit_offset(&queue(), 12).await.unwrap();
    let commits = broker.received_with(RequestCode::UPDATE_CONSUMER_OFFSET);
    let seen: Vec<_> = commits.iter().map(|commit| (commit.is_oneway(), commit.get("commitOffset"))).collect();
    assert_eq!(seen, [(true, Some("11")), (false, Some("12"))]);
}

#[tokio::test]
async fn a_heartbeat_tells_every_replica_of_the_subscribed_topics() {
    let (master, slave) = (FakeServer::agreeing().await, FakeServer::agreeing().await);
    let (_names, client) = client_with(&[&master, &slave]).await;
    let consumer = Consumer::new(&client, "g");
    let subscriptions = [Subscription { topic: "T".to_owned(), filter: Filter::tags("A||B").unwrap() }];
    consumer.heartbeat(&subscriptions).await.unwrap();
    consumer.unregister().await.unwrap();
    for broker in [master, slave] {
        let data = HeartbeatData::decode(&broker.received_with(RequestCode::HEART_BEAT)[0].body).unwrap();
        assert_eq!((data.client_id.as_str(), data.consumer_data_set.len()), (client.id(), 1));
        let group = &data.consumer_data_set[0];
        assert_eq!(group.group_name, "g");
        let subscription = &group.subscription_data_set[0];
        assert_eq!((subscription.topic.as_str(), subscription.sub_string.as_str()), ("T", "A||B"));
        assert_eq!(subscription.tags_set.iter().map(String::as_str).collect::<Vec<_>>(), ["A", "B"]);
        let left = &broker.received_with(RequestCode::UNREGISTER_CLIENT)[0];
        assert_eq!((left.get("clientID"), left.get("consumerGroup")), (Some(client.id()), Some("g")));
    }
}

#[tokio::test]
async fn members_of_the_group_are_listed() {
    let broker = FakeServer::start(|_| Reply::body(r#"{"consumerIdList":["c1","c2"]}"#)).await;
    let (_names, client) = client_with(&[&broker]).await;
    assert_eq!(Consumer::new(&client, "g").members("T").await.unwrap(), ["c1", "c2"]);
}

#[tokio::test]
async fn a_message_is_sent_back_by_its_place_in_the_log() {
    let body = record(7, "A", b"try again", 0);
    let broker = FakeServer::start(move |request| match RequestCode(request.code) {
        RequestCode::PULL_MESSAGE => Reply::fields(&POSITIONS).with_body(body.clone()),
        _ => Reply::ok(),
    })
    .await;
    let (_names, client) = client_with(&[&broker]).await;
    let consumer = Consumer::new(&client, "g");
    let pulled = consumer.pull(&queue(), 7, 1, &Filter::all()).await.unwrap();
    consumer.send_back(&pulled.messages()[0], "broker-a", 1, 16).await.unwrap();
    let request = &broker.received_with(RequestCode::CONSUMER_SEND_MSG_BACK)[0];
    let keys = ["offset", "group", "delayLevel", "originMsgId", "originTopic", "maxReconsumeTimes"];
    assert_eq!(keys.map(|key| request.get(key).unwrap()), ["4103", "g", "1", "ID7", "T", "16"]);
}

#[tokio::test]
async fn queues_are_locked_a_broker_at_a_time_and_what_was_got_is_returned() {
    let granted = r#"{"lockOKMQSet":[{"brokerName":"broker-a","queueId":1,"topic":"T"}]}"#;
    let broker = FakeServer::start(move |_| Reply::body(granted)).await;
    let (_names, client) = client_with(&[&broker]).await;
    let consumer = Consumer::new(&client, "g");
    let wanted = [0, 1].map(|queue_id| MessageQueue { queue_id, ..queue() });
    assert_eq!(consumer.lock(&wanted).await.unwrap(), [wanted[1].clone()]);
    consumer.unlock(&wanted).await.unwrap();
    for code in [RequestCode::LOCK_BATCH_MQ, RequestCode::UNLOCK_BATCH_MQ] {
        let request = LockBatchRequest::decode(&broker.received_with(code)[0].body).unwrap();
        assert_eq!((request.client_id.as_str(), request.consumer_group.as_str()), (client.id(), "g"));
        assert_eq!(request.mq_set.len(), 2);
    }
}
