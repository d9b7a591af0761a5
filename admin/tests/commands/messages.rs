//! Finding messages, reading whole queues, and how long sends take.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use client::{Message, Reply};
use protocol::{RemotingCommand, RequestCode, ResponseCode};
use serde_json::json;

use crate::cluster::{Cluster, cells, record, unique_id};
use crate::consume_message::broker as queue_of_seven;

fn host() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 10911))
}

/// A broker whose key index finds messages 7 and 8 for every search, and that has one group online.
fn finding(request: &RemotingCommand) -> Reply {
    match (RequestCode(request.code), request.get("consumerGroup")) {
        (RequestCode::QUERY_MESSAGE, _) => {
            Reply::body([record(host(), 8, b"later"), record(host(), 7, b"seven")].concat())
        }
        (RequestCode::QUERY_TOPIC_CONSUME_BY_WHO, _) => Reply::body(r#"{"groupList":["workers","idle"]}"#),
        (RequestCode::GET_CONSUMER_CONNECTION_LIST, Some("workers")) => Reply::body(
            r#"{"connectionSet":[],"consumeType":"CONSUME_PASSIVELY","messageModel":"CLUSTERING","subscriptionTable":{}}"#,
        ),
        (RequestCode::GET_CONSUMER_CONNECTION_LIST, _) => Reply::code(ResponseCode::CONSUMER_NOT_ONLINE, ""),
        (RequestCode::GET_CONSUME_STATS, _) => Reply::body(
            r#"{"consumeTps":0.0,"offsetTable":{{"brokerName":"broker-v","queueId":2,"topic":"TR1"}:{"brokerOffset":9,"consumerOffset":8}}}"#,
        ),
        (RequestCode::CONSUME_MESSAGE_DIRECTLY, _) => Reply::body(r#"{"consumeResult":"CR_SUCCESS"}"#),
        (other, _) => panic!("{other}"),
    }
}

#[tokio::test]
async fn messages_are_found_by_key_and_others_with_its_hash_are_not_shown() {
    let cluster = Cluster::start(finding).await;
    let text = cluster.run(&["queryMsgByKey", "-t", "TR1", "-k", "k7", "-b", "5", "-e", "9", "-m", "3"]).await.unwrap();
    let rows = cells(&text);
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[1][4..], [unique_id(7).as_str(), "TagA", "k7", "seven"]);
    let request = &cluster.broker.received_with(RequestCode::QUERY_MESSAGE)[0];
    let keys = ["topic", "key", "maxNum", "beginTimestamp", "endTimestamp", "_UNIQUE_KEY_QUERY"];
    assert_eq!(keys.map(|key| request.get(key).unwrap()), ["TR1", "k7", "3", "5", "9", "false"]);
    assert_eq!(request.get("indexType"), None);
}

#[tokio::test]
async fn messages_are_found_by_tag() {
    let cluster = Cluster::start(finding).await;
    let json = cluster.json(&["queryMsgByKey", "-t", "TR1", "-k", "TagA", "-p", "t", "-l", "last"]).await;
    let bodies: Vec<_> = json["messages"].as_array().unwrap().iter().map(|message| &message["body"]).collect();
    assert_eq!(bodies, ["later", "seven"], "of one store time, in the broker's order");
    let request = &cluster.broker.received_with(RequestCode::QUERY_MESSAGE)[0];
    assert_eq!((request.get("indexType"), request.get("lastKey")), (Some("T"), Some("last")));
    let failure = cluster.failure(&["queryMsgByKey", "-t", "TR1", "-k", "k", "-b", "9", "-e", "5"]).await;
    assert_eq!(failure, "-b is later than -e: no message can be between them");
}

#[tokio::test]
async fn a_message_is_found_by_its_producer_s_id_with_who_has_consumed_it() {
    // The record holds the broker's address, which is known once it listens.
    let host = Arc::new(OnceLock::<SocketAddr>::new());
    let cluster = Cluster::start({
        let host = Arc::clone(&host);
        move |request| match RequestCode(request.code) {
            RequestCode::QUERY_MESSAGE => Reply::body(record(*host.get().unwrap(), 7, b"seven")),
            _ => finding(request),
        }
    })
    .await;
    host.set(cluster.broker.socket_address()).unwrap();
    let id = unique_id(7);
    let line = ["queryMsgByUniqueKey", "-t", "TR1", "-i", &id];
    let json = cluster.json(&line).await;
    let message = &json["messages"][0];
    assert_eq!((&message["body"], &message["brokerName"]), (&json!("seven"), &json!("broker-v")));
    let tracks = json!([{"consumerGroup": "idle", "trackType": "NOT_ONLINE"}, {"consumerGroup": "workers", "trackType": "CONSUMED"}]);
    assert_eq!(message["tracks"], tracks);
    let text = cluster.run(&[&line[..], &["-g", "workers", "-d", "c@1"]].concat()).await.unwrap();
    assert!(text.contains(r#"Consume result    {"consumeResult":"CR_SUCCESS"}"#), "{text}");
    let failure = cluster.failure(&["queryMsgByUniqueKey", "-t", "TR1", "-i", "none"]).await;
    assert_eq!(failure, "no message has the id none\n  no other broker of topic TR1 knows it");
}

#[tokio::test]
async fn a_message_is_found_by_its_place() {
    let cluster = Cluster::start(queue_of_seven).await;
    let line = ["queryMsgByOffset", "-t", "TR1", "-b", "broker-v", "-i", "2", "-o"];
    let json = cluster.json(&[&line[..], &["5"]].concat()).await;
    assert_eq!((&json["queueOffset"], &json["body"]), (&json!(5), &json!("m5")));
    let failure = cluster.failure(&[&line[..], &["1"]].concat()).await;
    assert_eq!(failure, "topic TR1 queue 2 on broker-v has no message at offset 1");
}

#[tokio::test]
async fn whole_topics_and_queues_are_printed_or_counted() {
    let cluster = Cluster::start(queue_of_seven).await;
    let text = cluster.run(&["printMsg", "-t", "TR1", "-d", "false"]).await.unwrap();
    let rows = cells(&text);
    assert_eq!((rows.len(), rows[7][2], rows[7][7]), (8, "9", "-"));
    let queue = ["printMsgByQueue", "-t", "TR1", "-a", "broker-v", "-i", "2"];
    let json = cluster.json(&[&queue[..], &["-f", "true"]].concat()).await;
    assert_eq!(json, json!({"messageCount": 7, "tags": [{"tag": "TagA", "messages": 7}]}));
    let json = cluster.json(&[&queue[..], &["-p", "true", "-d", "true", "-b", "1700000002000"]].concat()).await;
    assert_eq!((&json["messageCount"], &json["messages"][0]["body"]), (&json!(5), &json!("m5")));
    let json = cluster.json(&[&queue[..], &["-s", "TagB", "-p", "true"]].concat()).await;
    assert_eq!(json, json!({"messageCount": 0, "messages": []}), "another tag with the same hash is no match");
}

#[tokio::test]
async fn a_message_s_way_is_read_from_the_traces_with_its_id() {
    let trace = ["Pub", "1000", "cn", "pg", "TR1", "ID", "", "", "b", "5", "3", "0", "OFFSET", "true", "10.0.0.7"]
        .join("\u{1}")
        + "\u{2}";
    // Traces are messages with the ids of what they are about as keys.
    let cluster = Cluster::start(move |_| Reply::body(record(host(), 7, trace.as_bytes()))).await;
    let line = ["queryMsgTraceById", "-t", "TR1", "-i", "k7"];
    assert_eq!(cluster.json(&line).await, json!({"trace": []}), "an entry about another message");
    let request = &cluster.broker.received()[0];
    assert_eq!(
        (request.get("topic"), request.get("key"), request.get("maxNum")),
        (Some("TR1"), Some("k7"), Some("64"))
    );
}

#[tokio::test]
async fn sends_are_timed_and_failures_told() {
    let cluster = Cluster::start(|request| match request.get("e") {
        Some("3") => Reply::code(ResponseCode::SYSTEM_ERROR, "full"),
        queue => Reply::fields(&[
            ("msgId", "7F00000100002A9F0000000000001000"),
            ("queueId", queue.unwrap()),
            ("queueOffset", "1"),
        ]),
    })
    .await;
    let json = cluster.json(&["checkMsgSendRT", "-t", "TR1", "-a", "4", "-s", "16"]).await;
    let results: Vec<_> =
        json["sends"].as_array().unwrap().iter().map(|sent| sent["result"].as_str().unwrap()).collect();
    assert_eq!((results[0], results[3]), ("SEND_OK", "SEND_OK"));
    assert!(results[2].ends_with("answered SYSTEM_ERROR(1): full"), "{results:?}");
    assert_eq!(cluster.broker.received()[0].body.len(), Message::new("TR1", vec![0; 16]).body.len());
    let failure = cluster.failure(&["sendMsgStatus", "-b", "broker-w"]).await;
    assert_eq!(failure, "no broker broker-w is registered; did you mean broker-v?");
    let json = cluster.json(&["clusterRT", "-a", "2", "-i", "0"]).await;
    let broker = &json["brokers"][0];
    assert_eq!(
        (&broker["brokerName"], &broker["failed"]),
        (&json!("broker-v"), &json!(2)),
        "it has no topic of its own here"
    );
    assert!(broker["error"].as_str().unwrap().starts_with("topic broker-v does not exist"), "{broker}");
}
