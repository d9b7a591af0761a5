//! Sends: what goes over the wire, which broker gets it, and what happens when that one fails.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use client::{
    Client, ClientError, Consumer, FakeServer, Message, MessageQueue, Producer, ProducerOptions, Reply, SendStatus,
};
use protocol::{RemotingCommand, RequestCode, ResponseCode, batch, properties};

use crate::cluster::{answer_route, client_of, dead_address, name_server, route, storing_broker};

const SEND: RequestCode = RequestCode::SEND_MESSAGE_V2;

/// A name server and a client for topic `T` on these brokers, four queues each.
async fn cluster_of(brokers: &[(&str, String)]) -> (FakeServer, Client) {
    let brokers: Vec<_> = brokers.iter().map(|(name, address)| (*name, vec![address.clone()])).collect();
    let brokers: Vec<_> = brokers.iter().map(|(name, addresses)| (*name, addresses.as_slice(), 4)).collect();
    let server = name_server(&["T"], route(&brokers)).await;
    let client = client_of(&[&server]).await;
    (server, client)
}

fn property<'a>(request: &'a RemotingCommand, name: &str) -> Option<&'a str> {
    properties::get_text(request.get("i").unwrap_or_default().as_bytes(), name)
}

#[tokio::test]
async fn a_send_carries_the_message_and_returns_where_it_is() {
    let broker = storing_broker().await;
    let (_names, client) = cluster_of(&[("broker-a", broker.address())]).await;
    let message = Message::new("T", "hello").tags("TagA").keys("k1");
    let result = Producer::new(&client, "pg").send(&message).await.unwrap();

    let request = &broker.received()[0];
    assert_eq!(request.code, SEND.0);
    let fields = ["a", "b", "c", "d", "f", "h", "j", "k", "m", "n"].map(|key| request.get(key).unwrap());
    assert_eq!(fields, ["pg", "T", "TBW102", "4", "0", "0", "0", "false", "false", "broker-a"]);
    assert_eq!((property(request, "TAGS"), property(request, "KEYS")), (Some("TagA"), Some("k1")));
    assert_eq!(property(request, "WAIT"), Some("true"));
    assert_eq!(request.body, b"hello");

    assert_eq!(result.status, SendStatus::Ok);
    assert_eq!(Some(result.msg_id.as_str()), property(request, "UNIQ_KEY"));
    assert_eq!(result.offset_msg_id, "7F00000100002A9F0000000000001000");
    assert_eq!(result.queue.queue_id.to_string(), request.get("e").unwrap());
    assert_eq!((result.queue.broker_name.as_str(), result.queue_offset), ("broker-a", 7));
}

#[tokio::test]
async fn every_queue_of_every_broker_takes_its_turn() {
    let (a, b) = (storing_broker().await, storing_broker().await);
    let (_names, client) = cluster_of(&[("broker-a", a.address()), ("broker-b", b.address())]).await;
    let producer = Producer::new(&client, "pg");
    let mut used = BTreeSet::new();
    for _ in 0..8 {
        used.insert(producer.send(&Message::new("T", "x")).await.unwrap().queue);
    }
    assert_eq!(used.len(), 8);
    assert_eq!((a.received().len(), b.received().len()), (4, 4));
}

#[tokio::test]
async fn a_refused_send_is_repeated_on_another_broker_with_the_same_id() {
    let busy = FakeServer::start(|_| Reply::code(ResponseCode::SYSTEM_BUSY, "[OVERLOAD]")).await;
    let well = storing_broker().await;
    let (_names, client) = cluster_of(&[("broker-a", busy.address()), ("broker-b", well.address())]).await;
    let producer = Producer::new(&client, "pg");
    for _ in 0..8 {
        let result = producer.send(&Message::new("T", "x")).await.unwrap();
        assert_eq!(result.queue.broker_name, "broker-b");
    }
    let refused = busy.received_with(SEND);
    assert!(!refused.is_empty(), "some of eight sends met the busy broker first");
    let ids = |requests: &[RemotingCommand]| -> BTreeSet<String> {
        requests.iter().map(|request| property(request, "UNIQ_KEY").unwrap().to_owned()).collect()
    };
    assert!(ids(&refused).is_subset(&ids(&well.received_with(SEND))));
}

#[tokio::test]
async fn a_broker_that_cannot_be_reached_is_replaced_by_another() {
    let well = storing_broker().await;
    let dead = dead_address();
    let (names, client) = cluster_of(&[("broker-a", dead.address.clone()), ("broker-b", well.address())]).await;
    let producer = Producer::new(&client, "pg");
    for _ in 0..8 {
        assert_eq!(producer.send(&Message::new("T", "x")).await.unwrap().queue.broker_name, "broker-b");
    }
    assert!(names.received().len() > 1, "the route is asked for again after a failure");
}

#[tokio::test]
async fn a_send_that_fails_everywhere_lists_every_attempt() {
    let busy = FakeServer::start(|_| Reply::code(ResponseCode::SYSTEM_BUSY, "[OVERLOAD]")).await;
    let (_names, client) = cluster_of(&[("broker-a", busy.address())]).await;
    let error = Producer::new(&client, "pg").send(&Message::new("T", "x")).await.unwrap_err();
    let attempt = format!("SEND_MESSAGE_V2(310) to {}: answered SYSTEM_BUSY(2): [OVERLOAD]", busy.address());
    let expected = format!("message to topic T was not sent in 3 attempts: {attempt}; {attempt}; {attempt}");
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_refusal_that_every_broker_would_repeat_is_not_tried_again() {
    let strict = FakeServer::start(|_| Reply::code(ResponseCode::MESSAGE_ILLEGAL, "too large")).await;
    let (_names, client) = cluster_of(&[("broker-a", strict.address())]).await;
    let error = Producer::new(&client, "pg").send(&Message::new("T", "x")).await.unwrap_err();
    assert_eq!(error.response_code(), Some(ResponseCode::MESSAGE_ILLEGAL));
    assert_eq!(strict.received().len(), 1);
}

#[tokio::test]
async fn without_retries_the_first_failure_is_the_result() {
    let busy = FakeServer::start(|_| Reply::code(ResponseCode::SYSTEM_BUSY, "")).await;
    let (_names, client) = cluster_of(&[("broker-a", busy.address())]).await;
    let options = ProducerOptions { retries: 0, ..ProducerOptions::default() };
    let error = Producer::with_options(&client, "pg", options).send(&Message::new("T", "x")).await.unwrap_err();
    assert_eq!(error.response_code(), Some(ResponseCode::SYSTEM_BUSY));
}

#[tokio::test]
async fn stored_but_not_safe_yet_is_a_result_and_not_an_error() {
    for (code, status) in [
        (ResponseCode::FLUSH_DISK_TIMEOUT, SendStatus::FlushDiskTimeout),
        (ResponseCode::SLAVE_NOT_AVAILABLE, SendStatus::SlaveNotAvailable),
        (ResponseCode::FLUSH_SLAVE_TIMEOUT, SendStatus::FlushSlaveTimeout),
    ] {
        let fields = [("msgId", "7F00000100002A9F0000000000001000"), ("queueId", "1"), ("queueOffset", "0")];
        let broker = FakeServer::start(move |_| Reply::code(code, "").with_fields(&fields)).await;
        let (_names, client) = cluster_of(&[("broker-a", broker.address())]).await;
        let result = Producer::new(&client, "pg").send(&Message::new("T", "x")).await.unwrap();
        assert_eq!(result.status, status);
    }
}

#[tokio::test]
async fn a_new_topic_is_sent_by_the_default_topic_s_route_with_four_queues_a_broker() {
    let broker = storing_broker().await;
    let wide = route(&[("broker-a", &[broker.address()], 8)]);
    let names = FakeServer::start(move |request| answer_route(request, &["TBW102"], &wide)).await;
    let client = client_of(&[&names]).await;
    let producer = Producer::new(&client, "pg");
    let mut queues = BTreeSet::new();
    for _ in 0..8 {
        queues.insert(producer.send(&Message::new("New", "x")).await.unwrap().queue.queue_id);
    }
    assert_eq!(queues, (0..4).collect());
    assert!(broker.received().iter().all(|request| request.get("b") == Some("New")));
    let asked: Vec<_> = names.received().iter().map(|request| request.get("topic").unwrap().to_owned()).collect();
    assert_eq!(asked, ["New", "TBW102"]);
}

#[tokio::test]
async fn readers_of_a_topic_that_a_send_has_just_created_are_given_its_own_route() {
    let broker = storing_broker().await;
    let own = route(&[("broker-a", &[broker.address()], 4)]);
    let created = Arc::new(AtomicBool::new(false));
    let names = FakeServer::start({
        let created = Arc::clone(&created);
        move |request| {
            let topics: &[&str] = if created.load(Ordering::Relaxed) { &["TBW102", "New"] } else { &["TBW102"] };
            answer_route(request, topics, &own)
        }
    })
    .await;
    let client = client_of(&[&names]).await;
    Producer::new(&client, "pg").send(&Message::new("New", "x")).await.unwrap();
    created.store(true, Ordering::Relaxed);
    assert_eq!(Consumer::new(&client, "g").queues("New").await.unwrap().len(), 4);
}

#[tokio::test]
async fn without_route_and_default_topic_the_error_names_the_topic() {
    let names = name_server(&[], String::new()).await;
    let client = client_of(&[&names]).await;
    let error = Producer::new(&client, "pg").send(&Message::new("New", "x")).await.unwrap_err();
    assert_eq!(error.to_string(), format!("topic New has no route at name server {}", names.address()));
}

#[tokio::test]
async fn a_topic_that_nobody_may_write_has_no_writable_queue() {
    let read_only = route(&[("broker-a", &["127.0.0.1:1".to_owned()], 4)]).replace(r#""perm":6"#, r#""perm":4"#);
    let names = name_server(&["T"], read_only).await;
    let client = client_of(&[&names]).await;
    let error = Producer::new(&client, "pg").send(&Message::new("T", "x")).await.unwrap_err();
    assert_eq!(error.to_string(), "topic T has no writable queue on any broker");
}

#[tokio::test]
async fn sends_can_be_started_and_awaited_later() {
    let broker = storing_broker().await;
    let (_names, client) = cluster_of(&[("broker-a", broker.address())]).await;
    let producer = Producer::new(&client, "pg");
    let started: Vec<_> = (0..50).map(|i| producer.send_async(Message::new("T", format!("{i}")))).collect();
    for send in started {
        assert_eq!(send.await.unwrap().unwrap().status, SendStatus::Ok);
    }
    let bodies: BTreeSet<_> = broker.received().into_iter().map(|request| request.body).collect();
    assert_eq!(bodies.len(), 50);
}

#[tokio::test]
async fn a_send_to_one_queue_stays_there() {
    let (a, b) = (storing_broker().await, storing_broker().await);
    let (_names, client) = cluster_of(&[("broker-a", a.address()), ("broker-b", b.address())]).await;
    let producer = Producer::new(&client, "pg");
    let queue = MessageQueue { topic: "T".to_owned(), broker_name: "broker-b".to_owned(), queue_id: 2 };
    for _ in 0..3 {
        assert_eq!(producer.send_to(&Message::new("T", "x"), &queue).await.unwrap().queue, queue);
    }
    assert_eq!((a.received().len(), b.received().len()), (0, 3));
    let elsewhere = MessageQueue { broker_name: "broker-c".to_owned(), ..queue };
    let error = producer.send_to(&Message::new("T", "x"), &elsewhere).await.unwrap_err();
    assert_eq!(error.to_string(), "broker broker-c is not in the route of topic T");
}

#[tokio::test]
async fn a_oneway_send_asks_for_no_answer() {
    let broker = storing_broker().await;
    let (_names, client) = cluster_of(&[("broker-a", broker.address())]).await;
    let producer = Producer::new(&client, "pg");
    producer.send_oneway(&Message::new("T", "fire")).await.unwrap();
    client.flush().await;
    producer.send(&Message::new("T", "and wait")).await.unwrap();
    let received = broker.received();
    assert_eq!((received[0].is_oneway(), &*received[0].body), (true, &b"fire"[..]));
}

#[tokio::test]
async fn a_batch_is_one_request_of_messages_with_an_id_each() {
    let broker = storing_broker().await;
    let (_names, client) = cluster_of(&[("broker-a", broker.address())]).await;
    let messages = [Message::new("T", "one").tags("A"), Message::new("T", "two")];
    let result = Producer::new(&client, "pg").send_batch(&messages).await.unwrap();

    let request = &broker.received()[0];
    assert_eq!((request.code, request.get("m")), (RequestCode::SEND_BATCH_MESSAGE.0, Some("true")));
    let items: Vec<_> = batch::iterate(&request.body).collect::<Result<_, _>>().unwrap();
    let bodies: Vec<_> = items.iter().map(|item| item.body).collect();
    assert_eq!(bodies, [b"one", b"two"]);
    assert_eq!(properties::get_text(items[0].properties, "TAGS"), Some("A"));
    let ids: Vec<_> = items.iter().map(|item| properties::get_text(item.properties, "UNIQ_KEY").unwrap()).collect();
    assert_eq!(result.msg_id, ids.join(","));
    assert!(property(request, "UNIQ_KEY").is_some_and(|outer| !ids.contains(&outer)));
}

#[tokio::test]
async fn a_batch_that_brokers_would_misread_is_refused_here() {
    let names = name_server(&[], String::new()).await;
    let client = client_of(&[&names]).await;
    let producer = Producer::new(&client, "pg");
    let body = Bytes::from_static(b"x");
    for (messages, reason) in [
        (vec![], "a batch of no messages"),
        (vec![Message::new("T", body.clone()), Message::new("U", body.clone())], "a batch goes to one topic"),
        (vec![Message::new("T", body).delay_level(1)], "a batch cannot be delayed"),
    ] {
        let error = producer.send_batch(&messages).await.unwrap_err();
        assert!(matches!(&error, ClientError::Message { reason: found, .. } if found == reason), "{error}");
    }
}

#[tokio::test]
async fn a_producer_s_heartbeat_goes_to_the_masters_it_knows() {
    let (master, slave) = (storing_broker().await, FakeServer::agreeing().await);
    let names = name_server(&["T"], route(&[("broker-a", &[master.address(), slave.address()], 4)])).await;
    let client = client_of(&[&names]).await;
    let producer = Producer::new(&client, "pg");
    producer.send(&Message::new("T", "x")).await.unwrap();
    producer.heartbeat().await.unwrap();
    let heartbeats = master.received_with(RequestCode::HEART_BEAT);
    let body = String::from_utf8(heartbeats[0].body.clone()).unwrap();
    assert!(body.contains(r#""groupName":"pg""#) && body.contains(client.id()), "{body}");
    assert!(slave.received().is_empty());
}
