use client::Reply;
use protocol::{RemotingCommand, RequestCode, properties};
use serde_json::json;

use crate::cluster::{Cluster, cells};

const OFFSET_ID: &str = "7F00000100002A9F0000000000001000";

async fn cluster() -> Cluster {
    Cluster::start(|request| {
        assert_eq!(request.code, RequestCode::SEND_MESSAGE_V2.0);
        let queue = request.get("e").unwrap();
        Reply::fields(&[("msgId", OFFSET_ID), ("queueId", queue), ("queueOffset", "41"), ("transactionId", "x")])
    })
    .await
}

fn property<'a>(request: &'a RemotingCommand, name: &str) -> Option<&'a str> {
    properties::get_text(request.get("i").unwrap().as_bytes(), name)
}

#[tokio::test]
async fn a_message_is_sent_and_its_place_printed() {
    let cluster = cluster().await;
    let line = ["sendMessage", "-t", "TR1", "-p", "hello", "-k", "k1 k2", "-c", "TagA"];
    let text = cluster.run(&line).await.unwrap();
    let request = &cluster.broker.received()[0];
    assert_eq!((request.get("a"), request.get("b"), &*request.body), (Some("PID_SMC"), Some("TR1"), &b"hello"[..]));
    assert_eq!((property(request, "KEYS"), property(request, "TAGS")), (Some("k1 k2"), Some("TagA")));
    let (queue, id) = (request.get("e").unwrap(), property(request, "UNIQ_KEY").unwrap());
    let expected = [
        vec!["BROKER", "QID", "OFFSET", "RESULT", "MSG ID", "OFFSET MSG ID"],
        vec!["broker-v", queue, "41", "SEND_OK", id, OFFSET_ID],
    ];
    assert_eq!(cells(&text), expected);
}

#[tokio::test]
async fn a_broker_and_a_queue_can_be_chosen() {
    let cluster = cluster().await;
    let line = ["sendMessage", "-t", "TR1", "-p", "hello", "-b", "broker-v", "-i", "3"];
    let result = cluster.json(&line).await;
    let request = &cluster.broker.received()[0];
    assert_eq!((request.get("e"), request.get("n")), (Some("3"), Some("broker-v")));
    let expected = json!({"topic": "TR1", "brokerName": "broker-v", "queueId": 3, "queueOffset": 41,
        "sendStatus": "SEND_OK", "msgId": property(request, "UNIQ_KEY").unwrap(), "offsetMsgId": OFFSET_ID});
    assert_eq!(result, expected);
}

#[tokio::test]
async fn a_trace_of_the_message_is_sent_behind_it() {
    let cluster = Cluster::start_with(
        |request, broker| (request.get("topic") == Some("RMQ_SYS_TRACE_TOPIC")).then(|| Cluster::route(broker)),
        |_| Reply::fields(&[("msgId", OFFSET_ID), ("queueId", "0"), ("queueOffset", "41")]),
    )
    .await;
    cluster.run(&["sendMessage", "-t", "TR1", "-p", "hello", "-k", "k1", "-m", "true"]).await.unwrap();
    let [message, trace] = &cluster.broker.received()[..] else { panic!("two messages") };
    let id = property(message, "UNIQ_KEY").unwrap();
    assert_eq!(trace.get("b"), Some("RMQ_SYS_TRACE_TOPIC"));
    assert_eq!(property(trace, "KEYS"), Some(format!("{id} k1").as_str()));
    let body = String::from_utf8(trace.body.to_vec()).unwrap();
    let fields: Vec<_> = body.trim_end_matches('\u{2}').split('\u{1}').collect();
    assert_eq!((fields[0], fields[3], fields[4], fields[5]), ("Pub", "PID_SMC", "TR1", id));
    assert_eq!(fields[8], cluster.broker_address());
}

#[tokio::test]
async fn a_message_without_its_trace_is_shown_and_a_failure() {
    let failure = cluster().await.failure(&["sendMessage", "-t", "TR1", "-p", "hello", "-m", "true"]).await;
    assert!(
        failure.starts_with("the message was sent, and its trace was not:\n  topic RMQ_SYS_TRACE_TOPIC"),
        "{failure}"
    );
}
