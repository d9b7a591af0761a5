use client::Reply;
use protocol::{RequestCode, ResponseCode};
use serde_json::json;

use crate::cluster::{Cluster, cells};

#[tokio::test]
async fn names_are_printed_a_line_each_in_order() {
    let cluster = Cluster::start(|_| Reply::ok()).await;
    assert_eq!(cluster.run(&["topicList"]).await.unwrap(), "TR1\norders\n");
    assert_eq!(cluster.json(&["topicList"]).await, json!({"topics": [{"topic": "TR1"}, {"topic": "orders"}]}));
}

#[tokio::test]
async fn with_clusters_the_groups_are_asked_for_too() {
    let cluster = Cluster::start(|request| {
        assert_eq!(request.code, RequestCode::QUERY_TOPIC_CONSUME_BY_WHO.0);
        match request.get("topic") {
            Some("TR1") => Reply::body(r#"{"groupList":["g1","g2"]}"#),
            _ => Reply::body(r#"{"groupList":[]}"#),
        }
    })
    .await;
    let text = cluster.run(&["topicList", "-c"]).await.unwrap();
    let expected = [
        vec!["CLUSTER", "TOPIC", "CONSUMER GROUPS"],
        vec!["DefaultCluster", "TR1", "g1,g2"],
        vec!["DefaultCluster", "orders", "-"],
    ];
    assert_eq!(cells(&text), expected);
    let expected = json!({"topics": [
        {"topic": "TR1", "clusters": ["DefaultCluster"], "consumerGroups": ["g1", "g2"]},
        {"topic": "orders", "clusters": ["DefaultCluster"], "consumerGroups": []},
    ]});
    assert_eq!(cluster.json(&["topicList", "-c"]).await, expected);
}

#[tokio::test]
async fn a_broker_that_does_not_know_groups_leaves_them_out() {
    let cluster = Cluster::start(|_| Reply::code(ResponseCode::REQUEST_CODE_NOT_SUPPORTED, "")).await;
    let topics = cluster.json(&["topicList", "--clusterModel"]).await;
    assert_eq!(topics["topics"][0], json!({"topic": "TR1", "clusters": ["DefaultCluster"]}));
}
