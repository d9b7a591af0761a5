//! Refusals of `migrate`: whatever cannot be carried stops it before a producer notices anything.

use std::collections::BTreeMap;
use std::sync::Mutex;

use client::{FakeServer, Reply};
use protocol::{RemotingCommand, RequestCode, ResponseCode};

use crate::cluster::{Cluster, cells};

const SOURCE_TOPICS: &str = r#"{"topicConfigTable":{"plain":{"topicName":"plain"},"typed":{"topicName":"typed","attributes":{"message.type":"LITE"}},"static":{"topicName":"static"}},"topicQueueMappingDetailMap":{"static":{}}}"#;

/// What a broker with these topics, without groups, says.
fn broker(request: &RemotingCommand, topics: &str) -> Reply {
    match RequestCode(request.code) {
        RequestCode::GET_ALL_TOPIC_CONFIG => Reply::body(topics),
        RequestCode::GET_SYSTEM_TOPIC_LIST_FROM_BROKER => Reply::body(r#"{"topicList":[]}"#),
        RequestCode::GET_ALL_SUBSCRIPTIONGROUP_CONFIG => Reply::body(r#"{"subscriptionGroupTable":{}}"#),
        RequestCode::GET_ALL_CONSUMER_OFFSET => Reply::body(r#"{"offsetTable":{}}"#),
        RequestCode::UPDATE_AND_CREATE_TOPIC if request.get("attributes").is_some() => {
            Reply::code(ResponseCode::SYSTEM_ERROR, "value of attribute message.type is `LITE`")
        }
        _ => Reply::ok(),
    }
}

/// `broker-v`, to be left, with a target beside it, and name servers that keep values.
async fn cluster(target: &FakeServer) -> Cluster {
    let target = target.address();
    let values = Mutex::new(BTreeMap::<String, String>::new());
    let names = move |request: &RemotingCommand, source: &str| {
        let mut values = values.lock().unwrap();
        let key = request.get("key").unwrap_or_default().to_owned();
        match RequestCode(request.code) {
            RequestCode::GET_BROKER_CLUSTER_INFO => Some(Reply::body(format!(
                r#"{{"brokerAddrTable":{{"broker-v":{{"brokerAddrs":{{"0":"{source}"}},"brokerName":"broker-v"}},"tp":{{"brokerAddrs":{{"0":"{target}"}},"brokerName":"tp"}}}},"clusterAddrTable":{{}}}}"#
            ))),
            RequestCode::PUT_KV_CONFIG => {
                values.insert(key, request.get("value").unwrap_or_default().to_owned());
                Some(Reply::ok())
            }
            RequestCode::GET_KV_CONFIG => values.get(&key).map(|value| Reply::fields(&[("value", value)])),
            _ => None,
        }
    };
    Cluster::start_with(names, |request| broker(request, SOURCE_TOPICS)).await
}

#[tokio::test]
async fn what_cannot_be_carried_is_named_and_producers_notice_nothing() {
    let target = FakeServer::start(|request| broker(request, r#"{"topicConfigTable":{}}"#)).await;
    let cluster = cluster(&target).await;
    let ends = ["--from", "broker-v", "--to", "tp"];
    let plan = cluster.run(&[&["migrate", "plan"], &ends[..]].concat()).await.unwrap();
    let rows = cells(&plan);
    let note = "a static topic is tied to its brokers: --leave static lets it stay";
    assert!(rows.contains(&vec!["topic", "static", "-", "REFUSED", note]), "{plan}");
    let note = "16 queues, RW-, message.type=LITE (if the target takes it)";
    assert!(rows.contains(&vec!["topic", "typed", "tp", "create", note]), "{plan}");

    let copy = [&["migrate", "copy"], &ends[..]].concat();
    let failure = cluster.failure(&copy).await;
    assert!(failure.contains("\n  topic static: a static topic is tied to its brokers"), "{failure}");
    assert_eq!(target.received_with(RequestCode::UPDATE_AND_CREATE_TOPIC).len(), 0, "nothing was made");

    let failure = cluster.failure(&[&copy[..], &["--leave", "static"]].concat()).await;
    assert!(failure.contains("topic typed at tp: UPDATE_AND_CREATE_TOPIC"), "{failure}");
    assert!(failure.contains("value of attribute message.type is `LITE`"), "{failure}");
    let made = target.received_with(RequestCode::UPDATE_AND_CREATE_TOPIC);
    assert!(made.iter().all(|request| request.get("perm") == Some("4")), "read only");

    let failure = cluster.failure(&["migrate", "stop-writes", "--from", "broker-v"]).await;
    assert_eq!(failure, "the migration from broker-v is at \"copying\"; next is: copy again");
    assert!(cluster.names.received_with(RequestCode::WIPE_WRITE_PERM_OF_BROKER).is_empty());
}

#[tokio::test]
async fn ends_that_make_no_sense_are_refused() {
    let target = FakeServer::start(|request| broker(request, r#"{"topicConfigTable":{}}"#)).await;
    let cluster = cluster(&target).await;
    for (to, expected) in [
        ("broker-v", "broker-v cannot move to itself: --to names it too"),
        ("tpp", "no broker tpp is registered; did you mean tp?"),
    ] {
        assert_eq!(cluster.failure(&["migrate", "copy", "--from", "broker-v", "--to", to]).await, expected);
    }
    let failure = cluster.failure(&["migrate", "wait", "--from", "broker-v"]).await;
    assert!(failure.starts_with("no migration from broker-v is under way; `mqadmin migrate copy"), "{failure}");
}
