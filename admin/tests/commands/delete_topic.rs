use client::Reply;
use protocol::{RequestCode, ResponseCode};
use serde_json::json;

use crate::cluster::{Cluster, cells};

#[tokio::test]
async fn a_topic_is_deleted_at_brokers_and_name_servers() {
    let cluster = Cluster::start(|_| Reply::ok()).await;
    let text = cluster.run(&["deleteTopic", "-c", "DefaultCluster", "-t", "orders"]).await.unwrap();
    assert_eq!(cluster.broker.received_with(RequestCode::DELETE_TOPIC_IN_BROKER)[0].get("topic"), Some("orders"));
    assert_eq!(cluster.names.received_with(RequestCode::DELETE_TOPIC_IN_NAMESRV)[0].get("topic"), Some("orders"));
    let (broker, names) = (cluster.broker_address(), cluster.names.address());
    let expected = [
        vec!["DELETED TOPIC", "FROM", "ADDRESS"],
        vec!["orders", "broker-v", &broker],
        vec!["orders", "name server", &names],
    ];
    assert_eq!(cells(&text), expected);
    let expected = json!({"topic": "orders", "clusterName": "DefaultCluster",
        "brokers": [{"brokerName": "broker-v", "brokerAddr": broker}], "nameServers": [names]});
    assert_eq!(cluster.json(&["deleteTopic", "-c", "DefaultCluster", "-t", "orders"]).await, expected);
}

#[tokio::test]
async fn a_mistyped_name_deletes_nothing() {
    let cluster = Cluster::start(|_| Reply::code(ResponseCode::TOPIC_NOT_EXIST, "")).await;
    let failure = cluster.failure(&["deleteTopic", "-c", "DefaultCluster", "-t", "order"]).await;
    assert_eq!(failure, "topic order does not exist; did you mean orders?");
    assert!(cluster.broker.received_with(RequestCode::DELETE_TOPIC_IN_BROKER).is_empty());
    assert!(cluster.names.received_with(RequestCode::DELETE_TOPIC_IN_NAMESRV).is_empty());
}

#[tokio::test]
async fn a_topic_that_only_a_broker_still_has_can_be_deleted() {
    let cluster = Cluster::start(|request| match RequestCode(request.code) {
        RequestCode::GET_TOPIC_CONFIG => Reply::body(r#"{"topicName":"half"}"#),
        _ => Reply::ok(),
    })
    .await;
    cluster.run(&["deleteTopic", "-c", "DefaultCluster", "-t", "half"]).await.unwrap();
    assert_eq!(cluster.broker.received_with(RequestCode::DELETE_TOPIC_IN_BROKER).len(), 1);
}
