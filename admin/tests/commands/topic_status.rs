use client::Reply;
use protocol::{RequestCode, ResponseCode};
use serde_json::json;

use crate::cluster::{Cluster, cells};

const STATS: &str = r#"{"offsetTable":{{"brokerName":"broker-v","queueId":1,"topic":"TR1"}:{"lastUpdateTimestamp":0,"maxOffset":0,"minOffset":0},{"brokerName":"broker-v","queueId":0,"topic":"TR1"}:{"lastUpdateTimestamp":1795257071387,"maxOffset":12,"minOffset":2}},"topicPutTps":0.0}"#;

async fn cluster() -> Cluster {
    Cluster::start(|request| match (RequestCode(request.code), request.get("topic")) {
        (RequestCode::GET_TOPIC_STATS_INFO, Some("TR1" | "light")) => Reply::body(STATS),
        _ => Reply::code(ResponseCode::TOPIC_NOT_EXIST, ""),
    })
    .await
}

#[tokio::test]
async fn queues_are_listed_in_order_with_their_ranges() {
    let cluster = cluster().await;
    let text = cluster.run(&["topicStatus", "-t", "TR1"]).await.unwrap();
    let rows = cells(&text);
    assert_eq!(rows[0], ["BROKER", "QID", "MIN OFFSET", "MAX OFFSET", "MESSAGES", "LAST UPDATED"]);
    assert_eq!(rows[1][..5], ["broker-v", "0", "2", "12", "10"]);
    assert_eq!(rows[2], ["broker-v", "1", "0", "0", "0", "-"]);
    let expected = json!({"topic": "TR1", "queues": [
        {"brokerName": "broker-v", "queueId": 0, "minOffset": 2, "maxOffset": 12, "lastUpdateTimestamp": 1_795_257_071_387_i64},
        {"brokerName": "broker-v", "queueId": 1, "minOffset": 0, "maxOffset": 0, "lastUpdateTimestamp": 0},
    ]});
    assert_eq!(cluster.json(&["topicStatus", "-t", "TR1"]).await, expected);
}

#[tokio::test]
async fn a_topic_without_a_route_of_its_own_is_found_by_another_s() {
    let cluster = cluster().await;
    cluster.run(&["topicStatus", "-t", "light", "-c", "TR1"]).await.unwrap();
    assert_eq!(cluster.broker.received()[0].get("topic"), Some("light"));
    assert_eq!(
        cluster.failure(&["topicStatus", "-t", "tr1", "-c", "TR1"]).await,
        "topic tr1 does not exist; did you mean TR1?"
    );
}
