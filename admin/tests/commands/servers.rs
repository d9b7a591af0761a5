//! Brokers and name servers: settings, permissions, cleaning, exports.

use client::{FakeServer, Reply};
use protocol::{RequestCode, ResponseCode};
use serde_json::json;
use tokio::net::TcpSocket;

use crate::cluster::{Cluster, cells, run_at};

#[tokio::test]
async fn a_broker_s_runtime_information_is_shown_whole() {
    let cluster = Cluster::start(|_| Reply::body(r#"{"table":{"putTps":"1.0 2.0","runtime":"[ 0 days ]"}}"#)).await;
    let address = cluster.broker_address();
    assert_eq!(
        cluster.run(&["brokerStatus", "-b", &address]).await.unwrap(),
        "putTps   1.0 2.0\nruntime  [ 0 days ]\n"
    );
    let json = cluster.json(&["brokerStatus", "-c", "DefaultCluster"]).await;
    let expected =
        json!({"brokers": [{"brokerAddr": address, "status": {"putTps": "1.0 2.0", "runtime": "[ 0 days ]"}}]});
    assert_eq!(json, expected);
}

#[tokio::test]
async fn settings_of_brokers_are_shown_and_changed() {
    let cluster = Cluster::start(|request| match RequestCode(request.code) {
        RequestCode::GET_BROKER_CONFIG => Reply::body("b=2\na=x=y\n"),
        _ => Reply::ok(),
    })
    .await;
    let address = cluster.broker_address();
    let text = cluster.run(&["getBrokerConfig", "-c", "DefaultCluster"]).await.unwrap();
    assert_eq!(text, format!("# {address}\na  x=y\nb  2\n"));
    let json = cluster.json(&["getBrokerConfig", "-b", &address]).await;
    assert_eq!(json, json!({"servers": [{"address": address, "settings": {"a": "x=y", "b": "2"}}]}));
    let line = ["updateBrokerConfig", "-c", "DefaultCluster", "-k", "fileReservedTime", "-v", "50", "-a", "true"];
    let text = cluster.run(&line).await.unwrap();
    assert_eq!(cells(&text)[1], ["fileReservedTime=50", "broker-v", &address]);
    assert_eq!(cluster.broker.received_with(RequestCode::UPDATE_BROKER_CONFIG)[0].body, b"fileReservedTime=50\n");
}

#[tokio::test]
async fn every_name_server_is_asked_and_told() {
    let answer = |request: &protocol::RemotingCommand| match RequestCode(request.code) {
        RequestCode::GET_NAMESRV_CONFIG => Reply::body("listenPort=9876\n"),
        _ => Reply::ok(),
    };
    let servers = [FakeServer::start(answer).await, FakeServer::start(answer).await];
    let addresses = servers.each_ref().map(FakeServer::address);
    let list = addresses.join(";");
    let text = run_at(&list, &["getNamesrvConfig"]).await.unwrap();
    let [one, two] = &addresses;
    assert_eq!(text, format!("# {one}\nlistenPort  9876\n\n# {two}\nlistenPort  9876\n"));
    run_at(&list, &["updateNamesrvConfig", "-k", "a", "-v", "1"]).await.unwrap();
    run_at(&list, &["updateKvConfig", "-s", "NS", "-k", "key", "-v", "value"]).await.unwrap();
    run_at(&list, &["deleteKvConfig", "-s", "NS", "-k", "key"]).await.unwrap();
    for server in &servers {
        assert_eq!(server.received_with(RequestCode::UPDATE_NAMESRV_CONFIG)[0].body, b"a=1\n");
        let put = &server.received_with(RequestCode::PUT_KV_CONFIG)[0];
        assert_eq!(["namespace", "key", "value"].map(|key| put.get(key).unwrap()), ["NS", "key", "value"]);
        assert_eq!(server.received_with(RequestCode::DELETE_KV_CONFIG)[0].get("key"), Some("key"));
    }
}

#[tokio::test]
async fn one_server_that_is_gone_does_not_hide_the_others_and_is_a_failure() {
    // Bound and not listening: the port is refused, and no other test gets it.
    let gone = TcpSocket::new_v4().unwrap();
    gone.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let gone_address = gone.local_addr().unwrap().to_string();
    let there = FakeServer::start(|_| Reply::body("listenPort=9876\n")).await;
    let list = format!("{gone_address};{}", there.address());
    let report = run_at(&list, &["getNamesrvConfig"]).await.unwrap_err().report();
    let expected =
        format!("1 of the servers failed:\n  {gone_address}: cannot connect to {gone_address}: Connection refused");
    assert!(report.starts_with(&expected), "{report}");
}

#[tokio::test]
async fn write_permission_is_wiped_and_given_back_for_brokers_that_exist() {
    let names = |request: &protocol::RemotingCommand, _: &str| match RequestCode(request.code) {
        RequestCode::WIPE_WRITE_PERM_OF_BROKER => Some(Reply::fields(&[("wipeTopicCount", "4")])),
        RequestCode::ADD_WRITE_PERM_OF_BROKER => Some(Reply::fields(&[("addTopicCount", "5")])),
        _ => None,
    };
    let cluster = Cluster::start_with(names, |_| Reply::ok()).await;
    let address = cluster.names.address();
    let text = cluster.run(&["wipeWritePerm", "-b", "broker-v"]).await.unwrap();
    assert_eq!(cells(&text)[1], ["broker-v", &address, "4"]);
    let json = cluster.json(&["addWritePerm", "-b", "broker-v"]).await;
    assert_eq!(json, json!({"nameServers": [{"brokerName": "broker-v", "nameServer": address, "topics": 5}]}));
    let failure = cluster.failure(&["wipeWritePerm", "-b", "broker-w"]).await;
    assert_eq!(failure, "no broker broker-w is registered; did you mean broker-v?");
}

#[tokio::test]
async fn brokers_clear_away_what_they_are_told_to() {
    let cluster = Cluster::start(|_| Reply::ok()).await;
    let address = cluster.broker_address();
    for (line, code) in [
        (&["cleanExpiredCQ"][..], RequestCode::CLEAN_EXPIRED_CONSUMEQUEUE),
        (&["cleanUnusedTopic", "-b", &address], RequestCode::CLEAN_UNUSED_TOPIC),
        (&["deleteExpiredCommitLog", "-c", "DefaultCluster"], RequestCode::DELETE_EXPIRED_COMMITLOG),
    ] {
        cluster.run(line).await.unwrap();
        assert_eq!(cluster.broker.received_with(code).len(), 1, "{line:?}");
    }
}

#[tokio::test]
async fn a_topic_s_permission_changes_and_all_else_stays() {
    let config = r#"{"attributes":{},"order":true,"perm":6,"readQueueNums":3,"topicFilterType":"SINGLE_TAG","topicName":"TR1","topicSysFlag":1,"writeQueueNums":5}"#;
    let cluster = Cluster::start(move |request| match RequestCode(request.code) {
        RequestCode::GET_TOPIC_CONFIG => Reply::body(config),
        _ => Reply::ok(),
    })
    .await;
    let address = cluster.broker_address();
    let text = cluster.run(&["updateTopicPerm", "-c", "DefaultCluster", "-t", "TR1", "-p", "4"]).await.unwrap();
    assert_eq!(cells(&text)[1], ["TR1", "broker-v", &address, "RW-", "R--"]);
    let request = &cluster.broker.received_with(RequestCode::UPDATE_AND_CREATE_TOPIC)[0];
    let keys = ["topic", "readQueueNums", "writeQueueNums", "perm", "topicSysFlag", "order"];
    assert_eq!(keys.map(|key| request.get(key).unwrap()), ["TR1", "3", "5", "4", "1", "true"]);
    let failure = cluster.failure(&["updateTopicPerm", "-b", "127.0.0.1:1", "-t", "TR1", "-p", "4"]).await;
    assert_eq!(failure, format!("topic TR1 is not there; it is on {address}"));
}

#[tokio::test]
async fn a_broker_that_does_not_tell_a_topic_keeps_what_name_servers_know_of_it() {
    let cluster = Cluster::start(|request| match RequestCode(request.code) {
        RequestCode::GET_TOPIC_CONFIG => Reply::code(ResponseCode::REQUEST_CODE_NOT_SUPPORTED, ""),
        _ => Reply::ok(),
    })
    .await;
    cluster.run(&["updateTopicPerm", "-b", &cluster.broker_address(), "-t", "TR1", "-p", "2"]).await.unwrap();
    let request = &cluster.broker.received_with(RequestCode::UPDATE_AND_CREATE_TOPIC)[0];
    let keys = ["topic", "readQueueNums", "writeQueueNums", "perm", "order"];
    assert_eq!(keys.map(|key| request.get(key).unwrap()), ["TR1", "4", "4", "2", "false"]);
}

#[tokio::test]
async fn a_topic_s_queue_order_is_kept_by_name_servers() {
    let names = |request: &protocol::RemotingCommand, _: &str| match (RequestCode(request.code), request.get("key")) {
        (RequestCode::GET_KV_CONFIG, Some("TR1")) => Some(Reply::fields(&[("value", "broker-v:4")])),
        _ => None,
    };
    let cluster = Cluster::start_with(names, |_| Reply::ok()).await;
    let json = cluster.json(&["updateOrderConf", "-t", "TR1", "-m", "get"]).await;
    assert_eq!(json, json!({"topic": "TR1", "orderConf": "broker-v:4"}));
    cluster.run(&["updateOrderConf", "-t", "TR1", "-m", "put", "-v", "broker-v:8"]).await.unwrap();
    cluster.run(&["updateOrderConf", "-t", "TR1", "-m", "delete"]).await.unwrap();
    assert_eq!(cluster.names.received_with(RequestCode::PUT_KV_CONFIG)[0].get("value"), Some("broker-v:8"));
    assert_eq!(cluster.names.received_with(RequestCode::DELETE_KV_CONFIG).len(), 1);
    let failure = cluster.failure(&["updateOrderConf", "-t", "other", "-m", "get"]).await;
    assert_eq!(failure, "topic other has no queue order");
    let failure = cluster.failure(&["updateOrderConf", "-t", "TR1", "-m", "put", "-v", "broker-v"]).await;
    assert!(failure.contains("brokerName:num"), "{failure}");
}

#[tokio::test]
async fn clusters_of_a_topic_are_listed() {
    let cluster = Cluster::start(|_| Reply::ok()).await;
    assert_eq!(cluster.run(&["topicClusterList", "-t", "TR1"]).await.unwrap(), "CLUSTER\nDefaultCluster\n");
    assert_eq!(cluster.json(&["topicClusterList", "-t", "TR1"]).await, json!({"clusters": ["DefaultCluster"]}));
}

#[tokio::test]
async fn a_cluster_s_metadata_and_settings_are_written_into_files() {
    let cluster = Cluster::start(|request| match RequestCode(request.code) {
        RequestCode::GET_ALL_TOPIC_CONFIG => Reply::body(
            r#"{"topicConfigTable":{"TR1":{"topicName":"TR1","writeQueueNums":4},"%RETRY%g":{"topicName":"%RETRY%g"},"broker-v":{"topicName":"broker-v"}}}"#,
        ),
        RequestCode::GET_SYSTEM_TOPIC_LIST_FROM_BROKER => Reply::body(r#"{"topicList":["broker-v"]}"#),
        RequestCode::GET_ALL_SUBSCRIPTIONGROUP_CONFIG => {
            Reply::body(r#"{"subscriptionGroupTable":{"g":{"groupName":"g"},"TOOLS_CONSUMER":{"groupName":"TOOLS_CONSUMER"}}}"#)
        }
        RequestCode::GET_BROKER_CONFIG => Reply::body("flushDiskType=ASYNC_FLUSH\nlistenPort=1\n"),
        RequestCode::GET_CONSUMER_CONNECTION_LIST => Reply::code(ResponseCode::CONSUMER_NOT_ONLINE, "nobody"),
        RequestCode::GET_BROKER_RUNTIME_INFO => Reply::body(r#"{"table":{"putTps":"4.5 3 1"}}"#),
        RequestCode::VIEW_BROKER_STATS_DATA => Reply::code(ResponseCode::SYSTEM_ERROR, "no such item"),
        _ => Reply::ok(),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("new").display().to_string();
    let read = |name: &str| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(folder.path().join("new").join(name)).unwrap()).unwrap()
    };
    let json = cluster.json(&["exportMetadata", "-c", "DefaultCluster", "-f", &place]).await;
    assert_eq!((&json["topics"], &json["subscriptionGroups"]), (&json!(1), &json!(1)));
    let metadata = read("metadata.json");
    assert_eq!(metadata["topicConfigTable"]["TR1"]["writeQueueNums"], 4);
    assert_eq!(metadata["subscriptionGroupTable"]["g"]["groupName"], "g");
    cluster.run(&["exportMetadata", "-b", &cluster.broker_address(), "-t", "-s", "-f", &place]).await.unwrap();
    assert!(read("topic.json")["topicConfigTable"].get("%RETRY%g").is_some());
    cluster.run(&["exportConfigs", "-c", "DefaultCluster", "-f", &place]).await.unwrap();
    let expected = json!({"brokerConfigs": {"broker-v": {"flushDiskType": "ASYNC_FLUSH"}},
        "clusterScale": {"namesrvSize": 1, "masterBrokerSize": 1, "slaveBrokerSize": 0}});
    assert_eq!(read("configs.json"), expected);
    cluster.run(&["exportMetrics", "-c", "DefaultCluster", "-f", &place]).await.unwrap();
    let metrics = read("metrics.json");
    assert_eq!(metrics["evaluateReport"]["broker-v"]["runtimeQuota"]["topicSize"], 1);
    assert_eq!(metrics["totalData"]["totalTps"]["totalNormalInTps"], 4.5);
}

#[tokio::test]
async fn brokers_write_their_pop_records_unless_it_is_a_dry_run() {
    let cluster = Cluster::start(|_| Reply::ok()).await;
    let address = cluster.broker_address();
    let text = cluster.run(&["exportPopRecord", "-b", &address, "-d", "true"]).await.unwrap();
    assert_eq!(cells(&text)[1], ["would be written", "-", &address]);
    assert!(cluster.broker.received().is_empty());
    cluster.run(&["exportPopRecord", "-b", &address]).await.unwrap();
    assert_eq!(cluster.broker.received_with(RequestCode::POP_ROLLBACK).len(), 1);
}

#[tokio::test]
async fn topics_are_shown_with_what_they_get_and_give() {
    let cluster = Cluster::start(|request| match (RequestCode(request.code), request.get("statsKey")) {
        (RequestCode::QUERY_TOPIC_CONSUME_BY_WHO, _) if request.get("topic") == Some("TR1") => {
            Reply::body(r#"{"groupList":["g"]}"#)
        }
        (RequestCode::QUERY_TOPIC_CONSUME_BY_WHO, _) => Reply::body(r#"{"groupList":[]}"#),
        (RequestCode::VIEW_BROKER_STATS_DATA, Some("TR1")) => {
            Reply::body(r#"{"statsDay":{"sum":50},"statsHour":{"sum":10},"statsMinute":{"sum":1,"tps":2.5}}"#)
        }
        (RequestCode::VIEW_BROKER_STATS_DATA, _) => Reply::code(ResponseCode::SYSTEM_ERROR, "no such item"),
        (RequestCode::GET_CONSUME_STATS, _) => Reply::body(
            r#"{"consumeTps":0.0,"offsetTable":{{"brokerName":"broker-v","queueId":0,"topic":"TR1"}:{"brokerOffset":12,"consumerOffset":5}}}"#,
        ),
        _ => Reply::ok(),
    })
    .await;
    let text = cluster.run(&["statsAll"]).await.unwrap();
    let expected = [
        vec!["TOPIC", "CONSUMER GROUP", "ACCUMULATION", "IN TPS", "OUT TPS", "IN 24 H", "OUT 24 H"],
        vec!["TR1", "g", "7", "2.50", "0.00", "50", "0"],
        vec!["orders", "-", "-", "0.00", "-", "0", "-"],
    ];
    assert_eq!(cells(&text), expected);
    assert_eq!(cells(&cluster.run(&["statsAll", "-a"]).await.unwrap()).len(), 2);
    assert_eq!(cluster.failure(&["statsAll", "-t", "order"]).await, "topic order does not exist; did you mean orders?");
}

#[tokio::test]
async fn completions_know_every_command_and_need_no_cluster() {
    for shell in ["bash", "zsh", "fish"] {
        let text = run_at("127.0.0.1:1", &["completions", shell]).await.unwrap();
        for name in ["updateTopic", "cleanExpiredCQ", "resetOffsetByTime"] {
            assert!(text.contains(name), "{name} for {shell}");
        }
    }
}
