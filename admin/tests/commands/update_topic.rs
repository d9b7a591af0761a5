use client::Reply;
use protocol::{RemotingCommand, RequestCode, ResponseCode};
use serde_json::json;

use crate::cluster::{Cluster, cells};

fn created(cluster: &Cluster) -> RemotingCommand {
    cluster.broker.received_with(RequestCode::UPDATE_AND_CREATE_TOPIC).remove(0)
}

#[tokio::test]
async fn a_topic_is_created_on_every_master_of_a_cluster() {
    let cluster = Cluster::start(|_| Reply::ok()).await;
    let text = cluster.run(&["updateTopic", "-c", "DefaultCluster", "-t", "New"]).await.unwrap();
    let request = created(&cluster);
    let keys = ["topic", "readQueueNums", "writeQueueNums", "perm", "topicSysFlag", "order"];
    assert_eq!(keys.map(|key| request.get(key).unwrap()), ["New", "8", "8", "6", "0", "false"]);
    assert_eq!(request.get("attributes"), None);
    let address = cluster.broker_address();
    let expected = [
        vec!["TOPIC", "BROKER", "ADDRESS", "READ QUEUES", "WRITE QUEUES", "PERM", "ORDER"],
        vec!["New", "broker-v", &address, "8", "8", "RW-", "false"],
    ];
    assert_eq!(cells(&text), expected);
}

#[tokio::test]
async fn a_topic_is_created_on_one_broker_without_asking_a_name_server() {
    let cluster = Cluster::start(|_| Reply::ok()).await;
    let address = cluster.broker_address();
    let line =
        ["updateTopic", "-b", &address, "-t", "New", "-r", "2", "-w", "3", "-p", "4", "-u", "true", "-s", "true"];
    let result = cluster.json(&[&line[..], &["-a", "+message.type=FIFO"]].concat()).await;
    let request = created(&cluster);
    let keys = ["readQueueNums", "writeQueueNums", "perm", "topicSysFlag", "attributes"];
    assert_eq!(keys.map(|key| request.get(key).unwrap()), ["2", "3", "4", "3", "+message.type=FIFO"]);
    let expected = json!({"topic": "New", "readQueueNums": 2, "writeQueueNums": 3, "perm": 4, "order": false,
        "brokers": [{"brokerName": null, "brokerAddr": address}]});
    assert_eq!(result, expected);
    assert!(cluster.names.received().is_empty());
}

#[tokio::test]
async fn an_ordered_topic_is_also_told_to_the_name_servers() {
    let cluster = Cluster::start(|_| Reply::ok()).await;
    let address = cluster.broker_address();
    for place in [["-c", "DefaultCluster"], ["-b", &address]] {
        cluster.run(&[&["updateTopic", "-t", "New", "-w", "4", "-o", "true"], &place[..]].concat()).await.unwrap();
    }
    let orders = cluster.names.received_with(RequestCode::PUT_KV_CONFIG);
    assert_eq!(orders.len(), 2);
    for order in orders {
        let keys = ["namespace", "key", "value"];
        assert_eq!(keys.map(|key| order.get(key).unwrap()), ["ORDER_TOPIC_CONFIG", "New", "broker-v:4"]);
    }
}

#[tokio::test]
async fn one_broker_s_queues_are_put_into_the_order_that_is_there() {
    let broker = client::FakeServer::agreeing().await;
    let address = broker.address();
    let names = client::FakeServer::start({
        let address = address.clone();
        move |request| match RequestCode(request.code) {
            RequestCode::GET_BROKER_CLUSTER_INFO => Reply::body(format!(
                r#"{{"brokerAddrTable":{{"b":{{"brokerAddrs":{{0:"{address}"}},"brokerName":"b","cluster":"C"}}}},"clusterAddrTable":{{"C":["b"]}}}}"#
            )),
            RequestCode::GET_KV_CONFIG => Reply::fields(&[("value", "a:8;b:1")]),
            RequestCode::PUT_KV_CONFIG => Reply::ok(),
            _ => Reply::code(ResponseCode::SYSTEM_ERROR, ""),
        }
    })
    .await;
    let line = ["updateTopic", "-b", &address, "-t", "New", "-w", "4", "-o", "true"];
    crate::cluster::run_at(&names.address(), &line).await.unwrap();
    assert_eq!(names.received_with(RequestCode::PUT_KV_CONFIG)[0].get("value"), Some("a:8;b:4"));
}
