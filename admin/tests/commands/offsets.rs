//! Moving groups, and looking at what queues hold.

use client::Reply;
use protocol::{RequestCode, ResponseCode};
use serde_json::json;

use crate::cluster::{Cluster, cells};

const OFFSETS: &str = r#"{"offsetTable":{{"brokerName":"broker-v","queueId":1,"topic":"TR1"}:7,{"brokerName":"broker-v","queueId":0,"topic":"TR1"}:3}}"#;

#[tokio::test]
async fn a_reset_goes_to_every_broker_and_shows_the_new_offsets() {
    let cluster = Cluster::start(|_| Reply::body(OFFSETS)).await;
    let line = ["resetOffsetByTime", "-g", "workers", "-t", "TR1", "-s", "1700000000000"];
    let text = cluster.run(&line).await.unwrap();
    assert_eq!(cells(&text)[4..], [vec!["broker-v", "0", "3"], vec!["broker-v", "1", "7"]]);
    let request = &cluster.broker.received_with(RequestCode::INVOKE_BROKER_TO_RESET_OFFSET)[0];
    let keys = ["topic", "group", "timestamp", "isForce", "queueId"];
    assert_eq!(keys.map(|key| request.get(key).unwrap()), ["TR1", "workers", "1700000000000", "true", "-1"]);
    assert_eq!(request.get("offset"), None);
    assert_eq!(cluster.json(&line).await["queues"][0], json!({"brokerName": "broker-v", "queueId": 0, "offset": 3}));
}

#[tokio::test]
async fn one_queue_is_set_to_an_offset() {
    let cluster = Cluster::start(|_| Reply::body(OFFSETS)).await;
    let address = cluster.broker_address();
    let line = ["resetOffsetByTime", "-g", "workers", "-t", "TR1", "-s", "now", "-b", &address, "-q", "1", "-o", "7"];
    cluster.run(&line).await.unwrap();
    let request = &cluster.broker.received_with(RequestCode::INVOKE_BROKER_TO_RESET_OFFSET)[0];
    assert_eq!((request.get("queueId"), request.get("offset")), (Some("1"), Some("7")));
    let line = ["resetOffsetByTime", "-g", "workers", "-t", "TR1", "-s", "now", "-b", "127.0.0.1:1", "-q", "1"];
    let expected = format!("broker 127.0.0.1:1 does not have topic TR1; brokers: {address}");
    assert_eq!(cluster.failure(&line).await, expected);
}

#[tokio::test]
async fn a_broker_that_leaves_the_reset_to_members_that_are_not_there_is_set_by_the_tool() {
    let cluster = Cluster::start(|request| match RequestCode(request.code) {
        RequestCode::INVOKE_BROKER_TO_RESET_OFFSET => Reply::code(ResponseCode::CONSUMER_NOT_ONLINE, "not online"),
        RequestCode::GET_MAX_OFFSET => Reply::fields(&[("offset", "9")]),
        _ => Reply::ok(),
    })
    .await;
    let text = cluster.run(&["skipAccumulatedMessage", "-g", "workers", "-t", "TR1"]).await.unwrap();
    assert_eq!(cells(&text)[4], ["broker-v", "0", "9"]);
    let commits = cluster.broker.received_with(RequestCode::UPDATE_CONSUMER_OFFSET);
    assert_eq!(commits.len(), 4, "a queue each");
    assert!(commits.iter().all(|commit| commit.get("commitOffset") == Some("9")));
}

#[tokio::test]
async fn without_force_a_group_only_goes_back() {
    let cluster = Cluster::start(|request| match RequestCode(request.code) {
        RequestCode::INVOKE_BROKER_TO_RESET_OFFSET => Reply::code(ResponseCode::CONSUMER_NOT_ONLINE, "not online"),
        RequestCode::GET_MAX_OFFSET => Reply::fields(&[("offset", "9")]),
        RequestCode::QUERY_CONSUMER_OFFSET => match request.get("queueId") {
            Some("0") => Reply::fields(&[("offset", "4")]),
            _ => Reply::code(ResponseCode::QUERY_NOT_FOUND, ""),
        },
        _ => Reply::ok(),
    })
    .await;
    let text = cluster.run(&["skipAccumulatedMessage", "-g", "workers", "-t", "TR1", "-f", "false"]).await.unwrap();
    assert_eq!(cells(&text)[4..6], [vec!["broker-v", "0", "4"], vec!["broker-v", "1", "9"]]);
}

#[tokio::test]
async fn offsets_of_a_group_are_cloned_where_it_has_any() {
    let stats = r#"{"consumeTps":0.0,"offsetTable":{{"brokerName":"broker-v","queueId":0,"topic":"TR1"}:{"brokerOffset":12,"consumerOffset":5},{"brokerName":"broker-v","queueId":1,"topic":"TR1"}:{"brokerOffset":3,"consumerOffset":-1}}}"#;
    let cluster = Cluster::start(move |request| match RequestCode(request.code) {
        RequestCode::GET_CONSUME_STATS if request.get("consumerGroup") == Some("workers") => Reply::body(stats),
        RequestCode::GET_CONSUME_STATS => Reply::body(r#"{"consumeTps":0.0,"offsetTable":{}}"#),
        _ => Reply::ok(),
    })
    .await;
    cluster.run(&["cloneGroupOffset", "-s", "workers", "-d", "copy", "-t", "TR1", "-o", "true"]).await.unwrap();
    let commits = cluster.broker.received_with(RequestCode::UPDATE_CONSUMER_OFFSET);
    let keys = ["consumerGroup", "topic", "queueId", "commitOffset"];
    assert_eq!(commits.len(), 1);
    assert_eq!(keys.map(|key| commits[0].get(key).unwrap()), ["copy", "TR1", "0", "5"]);
    let failure = cluster.failure(&["cloneGroupOffset", "-s", "nobody", "-d", "copy", "-t", "TR1"]).await;
    assert_eq!(failure, "group nobody has no offset in topic TR1");
}

#[tokio::test]
async fn a_broker_s_groups_are_shown_from_a_difference_on() {
    let list = r#"{"brokerAddr":"b","consumeStatsList":[{"workers":[{"consumeTps":0.0,"offsetTable":{{"brokerName":"broker-v","queueId":0,"topic":"TR1"}:{"brokerOffset":12,"consumerOffset":5},{"brokerName":"broker-v","queueId":1,"topic":"TR1"}:{"brokerOffset":3,"consumerOffset":3}}}]},{"idle":[]}],"totalDiff":7,"totalInflightDiff":0}"#;
    let cluster = Cluster::start(move |_| Reply::body(list)).await;
    let address = cluster.broker_address();
    let text = cluster.run(&["brokerConsumeStats", "-b", &address, "-l", "1"]).await.unwrap();
    let rows = cells(&text);
    assert_eq!(rows[0], ["Diff total", "7"]);
    assert_eq!(rows[3], ["TR1", "workers", "broker-v", "0", "12", "5", "7", "-"]);
    assert_eq!(rows.len(), 4);
}

#[tokio::test]
async fn members_positions_are_put_together() {
    let status =
        r#"{"consumerTable":{"c@1":{{"brokerName":"broker-v","queueId":0,"topic":"TR1"}:5}},"messageQueueTable":{}}"#;
    let cluster = Cluster::start(move |_| Reply::body(status)).await;
    let text = cluster.run(&["getConsumerStatus", "-g", "workers", "-t", "TR1", "-i", "c@1"]).await.unwrap();
    assert_eq!(cells(&text)[1], ["c@1", "broker-v", "0", "5"]);
    assert_eq!(cluster.broker.received()[0].get("clientAddr"), Some("c@1"));
}

#[tokio::test]
async fn entries_of_a_queue_are_numbered_from_the_one_asked_for() {
    let units = r#"{"maxQueueIndex":9,"minQueueIndex":2,"queueData":[{"eval":true,"physicOffset":100,"physicSize":50,"tagsCode":3}]}"#;
    let cluster = Cluster::start(move |_| Reply::body(units)).await;
    let text = cluster.run(&["queryCq", "-t", "TR1", "-q", "1", "-i", "4", "-c", "1"]).await.unwrap();
    assert_eq!(cells(&text)[4], ["4", "100", "50", "3", "true"]);
    let request = &cluster.broker.received()[0];
    assert_eq!(["queueId", "index", "count"].map(|key| request.get(key).unwrap()), ["1", "4", "1"]);
}

#[tokio::test]
async fn queues_are_shared_out_among_consumers() {
    let cluster = Cluster::start(|_| Reply::ok()).await;
    let text = cluster.run(&["allocateMQ", "-t", "TR1", "-i", "10.0.0.1,10.0.0.2,10.0.0.3"]).await.unwrap();
    let consumers: Vec<_> = cells(&text)[1..].iter().map(|row| row[0].to_owned()).collect();
    assert_eq!(consumers, ["10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.3"]);
}
