//! Consumer groups: settings, members, and how far they are.

use client::Reply;
use protocol::{RemotingCommand, RequestCode, ResponseCode};
use serde_json::json;

use crate::cluster::{Cluster, cells};

const CONNECTION: &str = r#"{"connectionSet":[{"clientAddr":"10.0.0.7:5000","clientId":"10.0.0.7@1","language":"JAVA","version":513}],"consumeFromWhere":"CONSUME_FROM_LAST_OFFSET","consumeType":"CONSUME_PASSIVELY","messageModel":"CLUSTERING","subscriptionTable":{"TR1":{"expressionType":"TAG","subString":"TagA","subVersion":1,"tagsSet":["TagA"],"topic":"TR1"}}}"#;
const STATS: &str = r#"{"consumeTps":1.5,"offsetTable":{{"brokerName":"broker-v","queueId":0,"topic":"TR1"}:{"brokerOffset":12,"consumerOffset":5,"lastTimestamp":0,"pullOffset":7},{"brokerName":"broker-v","queueId":1,"topic":"TR1"}:{"brokerOffset":3,"consumerOffset":3,"lastTimestamp":1795257071387,"pullOffset":3}}}"#;
const GROUPS: &str = r#"{"dataVersion":{"counter":1,"stateVersion":0,"timestamp":1},"forbiddenTable":{},"subscriptionGroupTable":{"workers":{"groupName":"workers","retryMaxTimes":3}}}"#;
const RUNNING: &str = r#"{"jstack":"main: sleeping","mqPopTable":{},"mqTable":{{"brokerName":"broker-v","queueId":0,"topic":"TR1"}:{"cachedMsgCount":2,"commitOffset":5,"droped":false,"lastPullTimestamp":1795257071387}},"properties":{"PROP_CONSUME_TYPE":"CONSUME_PASSIVELY"},"statusTable":{"TR1":{"consumeOKTPS":1.5}},"subscriptionSet":[{"subString":"TagA","topic":"TR1"}]}"#;

/// A broker with the group `workers`, which has one member.
fn answer(request: &RemotingCommand) -> Reply {
    match RequestCode(request.code) {
        RequestCode::GET_CONSUMER_CONNECTION_LIST => match request.get("consumerGroup") {
            Some("workers") => Reply::body(CONNECTION),
            _ => Reply::code(ResponseCode::CONSUMER_NOT_ONLINE, "not online"),
        },
        RequestCode::GET_CONSUME_STATS => match request.get("consumerGroup") {
            Some("workers") => Reply::body(STATS),
            _ => Reply::body(r#"{"consumeTps":0.0,"offsetTable":{}}"#),
        },
        RequestCode::GET_ALL_SUBSCRIPTIONGROUP_CONFIG => Reply::body(GROUPS),
        RequestCode::GET_CONSUMER_RUNNING_INFO => Reply::body(RUNNING),
        _ => Reply::ok(),
    }
}

async fn cluster() -> Cluster {
    Cluster::start(answer).await
}

#[tokio::test]
async fn a_group_s_progress_is_told_by_queue_with_totals() {
    let cluster = cluster().await;
    let text = cluster.run(&["consumerProgress", "-g", "workers"]).await.unwrap();
    let rows = cells(&text);
    assert_eq!(rows[0], ["Group", "workers"]);
    assert_eq!(rows[2], ["Diff total", "7"]);
    assert_eq!(rows[3], ["Inflight total", "2"]);
    assert_eq!(rows[6], ["TR1", "broker-v", "0", "12", "5", "-", "7", "2", "-"]);
    assert_eq!(rows[7][..8], ["TR1", "broker-v", "1", "3", "3", "-", "0", "0"]);
    let json = cluster.json(&["consumerProgress", "-g", "workers", "-s", "true"]).await;
    assert_eq!((&json["consumeTps"], &json["diffTotal"]), (&json!(1.5), &json!(7)));
    let queue = json!({"topic": "TR1", "brokerName": "broker-v", "queueId": 0, "brokerOffset": 12, "consumerOffset": 5,
        "clientIP": "10.0.0.7", "diff": 7, "inflight": 2, "lastTimestamp": 0});
    assert_eq!(json["queues"][0], queue);
}

#[tokio::test]
async fn one_topic_of_a_group_is_asked_for_as_such() {
    let cluster = cluster().await;
    cluster.run(&["consumerProgress", "-g", "workers", "-t", "TR1"]).await.unwrap();
    let request = &cluster.broker.received_with(RequestCode::GET_CONSUME_STATS)[0];
    assert_eq!((request.get("consumerGroup"), request.get("topic")), (Some("workers"), Some("TR1")));
}

#[tokio::test]
async fn all_groups_are_listed_the_farthest_behind_first() {
    let names = |request: &RemotingCommand, broker: &str| match RequestCode(request.code) {
        RequestCode::GET_ALL_TOPIC_LIST_FROM_NAMESERVER => {
            Some(Reply::body(r#"{"topicList":["TR1","%RETRY%idle","%RETRY%workers","%DLQ%workers"]}"#))
        }
        RequestCode::GET_ROUTEINFO_BY_TOPIC => Some(Cluster::route(broker)),
        _ => None,
    };
    let cluster = Cluster::start_with(names, answer).await;
    let text = cluster.run(&["consumerProgress"]).await.unwrap();
    let expected = [
        vec!["GROUP", "COUNT", "VERSION", "TYPE", "MODEL", "TPS", "DIFF TOTAL"],
        vec!["workers", "1", "V5_5_0", "PUSH", "CLUSTERING", "1.50", "7"],
        vec!["idle", "0", "OFFLINE", "-", "-", "0.00", "0"],
    ];
    assert_eq!(cells(&text), expected);
}

#[tokio::test]
async fn a_watch_shows_the_groups_that_something_is_wrong_with() {
    let names = |request: &RemotingCommand, broker: &str| match RequestCode(request.code) {
        RequestCode::GET_ALL_TOPIC_LIST_FROM_NAMESERVER => {
            Some(Reply::body(r#"{"topicList":["%RETRY%idle","%RETRY%workers"]}"#))
        }
        RequestCode::GET_ROUTEINFO_BY_TOPIC => Some(Cluster::route(broker)),
        _ => None,
    };
    let cluster = Cluster::start_with(names, answer).await;
    let json = cluster.json(&["startMonitoring", "-i", "0"]).await;
    let expected = json!({"groups": [
        {"group": "workers", "members": 1, "diffTotal": 7, "problems": ["7 messages behind"]},
    ]});
    assert_eq!(json, expected);
    assert_eq!(cluster.json(&["startMonitoring", "-i", "0", "-d", "7"]).await, json!({"groups": []}));
}

#[tokio::test]
async fn a_group_nobody_has_comes_with_the_nearest() {
    let cluster = cluster().await;
    for line in [
        &["consumerProgress", "-g", "worker"][..],
        &["consumerConnection", "-g", "worker"],
        &["consumerStatus", "-g", "worker"],
        &["getConsumerConfig", "-g", "worker"],
        &["deleteSubGroup", "-c", "DefaultCluster", "-g", "worker"],
    ] {
        let failure = cluster.failure(line).await;
        assert_eq!(failure, "consumer group worker does not exist; did you mean workers?", "{line:?}");
    }
}

#[tokio::test]
async fn members_and_subscriptions_of_a_group_are_shown() {
    let cluster = cluster().await;
    let text = cluster.run(&["consumerConnection", "-g", "workers"]).await.unwrap();
    let rows = cells(&text);
    assert_eq!(rows[1], ["Consume type", "CONSUME_PASSIVELY"]);
    assert_eq!(rows[6], ["10.0.0.7@1", "10.0.0.7:5000", "JAVA", "V5_5_0"]);
    assert_eq!(rows[9], ["TR1", "TAG", "TagA"]);
    let json = cluster.json(&["consumerConnection", "-g", "workers", "-b", &cluster.broker_address()]).await;
    assert_eq!(json["connections"][0]["clientId"], "10.0.0.7@1");
    assert_eq!(json["subscriptions"][0]["expression"], "TagA");
}

#[tokio::test]
async fn a_group_without_members_is_not_an_unknown_one() {
    let cluster = cluster().await;
    let address = cluster.broker_address();
    let failure = cluster.failure(&["consumerConnection", "-g", "others", "-b", &address]).await;
    assert_eq!(failure, "no consumer of group others is connected");
}

#[tokio::test]
async fn members_say_what_they_have_in_hand() {
    let cluster = cluster().await;
    let text = cluster.run(&["consumerStatus", "-g", "workers", "-s"]).await.unwrap();
    assert!(text.contains("PROP_CONSUME_TYPE  CONSUME_PASSIVELY"), "{text}");
    assert!(text.ends_with("main: sleeping\n"), "{text}");
    let request = &cluster.broker.received_with(RequestCode::GET_CONSUMER_RUNNING_INFO)[0];
    let keys = ["consumerGroup", "clientId", "jstackEnable"];
    assert_eq!(keys.map(|key| request.get(key).unwrap()), ["workers", "10.0.0.7@1", "true"]);
    let json = cluster.json(&["consumerStatus", "-g", "workers"]).await;
    assert_eq!(json["sameSubscriptions"], true);
    let info = &json["members"][0]["runningInfo"];
    let queue = r#"{"brokerName":"broker-v","queueId":0,"topic":"TR1"}"#;
    assert_eq!(info["mqTable"][queue]["commitOffset"], 5, "{info}");
    let failure = cluster.failure(&["consumerStatus", "-g", "workers", "-i", "nobody"]).await;
    assert_eq!(failure, "nobody is no member of workers; members: 10.0.0.7@1");
}

#[tokio::test]
async fn a_group_is_created_with_all_its_settings() {
    let cluster = cluster().await;
    let line =
        ["updateSubGroup", "-c", "DefaultCluster", "-g", "new", "-s", "false", "-m", "true", "-o", "true", "-r", "5"];
    let policy = r#"{"type":"CUSTOMIZED","customizedRetryPolicy":{"next":[1000]}}"#;
    cluster.run(&[&line[..], &["--attributes", "+a=b", "-p", policy]].concat()).await.unwrap();
    let request = &cluster.broker.received_with(RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP)[0];
    let config: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    let keys =
        ["groupName", "consumeEnable", "consumeFromMinEnable", "consumeBroadcastEnable", "consumeMessageOrderly"];
    assert_eq!(
        keys.map(|key| config[key].clone()),
        [json!("new"), json!(false), json!(true), json!(false), json!(true)]
    );
    assert_eq!((&config["retryMaxTimes"], &config["attributes"]), (&json!(5), &json!({"+a": "b"})));
    assert_eq!(config["groupRetryPolicy"]["customizedRetryPolicy"]["next"], json!([1000]));
    let failure = cluster.failure(&["updateSubGroup", "-c", "DefaultCluster", "-g", "new", "-p", "soon"]).await;
    assert!(failure.starts_with("-p is no retry policy: "), "{failure}");
}

#[tokio::test]
async fn a_group_is_deleted_with_its_topics_in_a_cluster_and_alone_on_a_broker() {
    let cluster = cluster().await;
    let address = cluster.broker_address();
    cluster.run(&["deleteSubGroup", "-b", &address, "-g", "workers"]).await.unwrap();
    assert!(cluster.broker.received_with(RequestCode::DELETE_TOPIC_IN_BROKER).is_empty());
    let text = cluster.run(&["deleteSubGroup", "-c", "DefaultCluster", "-g", "workers", "-r", "true"]).await.unwrap();
    assert_eq!(cells(&text)[1], ["workers deleted", "broker-v", &address]);
    let requests = cluster.broker.received_with(RequestCode::DELETE_SUBSCRIPTIONGROUP);
    assert_eq!((requests[0].get("cleanOffset"), requests[1].get("cleanOffset")), (Some("false"), Some("true")));
    for server in [&cluster.broker, &cluster.names] {
        let code = if std::ptr::eq(server, &cluster.broker) {
            RequestCode::DELETE_TOPIC_IN_BROKER
        } else {
            RequestCode::DELETE_TOPIC_IN_NAMESRV
        };
        let topics: Vec<_> = server.received_with(code).iter().map(|of| of.get("topic").unwrap().to_owned()).collect();
        assert_eq!(topics, ["%RETRY%workers", "%DLQ%workers"]);
    }
}

#[tokio::test]
async fn a_group_s_settings_are_shown_by_broker() {
    let cluster = cluster().await;
    let text = cluster.run(&["getConsumerConfig", "-g", "workers"]).await.unwrap();
    let expected = format!("broker-v {}", cluster.broker_address());
    assert_eq!(cells(&text)[0], ["Broker", expected.as_str()]);
    assert!(cells(&text).contains(&vec!["retryMaxTimes", "3"]), "{text}");
    assert_eq!(cluster.json(&["getConsumerConfig", "-g", "workers"]).await["brokers"][0]["retryMaxTimes"], 3);
}

#[tokio::test]
async fn lists_of_groups_and_topics_come_from_files() {
    let cluster = cluster().await;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (topics, groups) = (write("t", r#"[{"topicName":"a","perm":4}]"#), write("g", r#"[{"groupName":"g"}]"#));
    let at = ["-c", "DefaultCluster", "-f"];
    cluster.run(&[&["updateTopicList"], &at[..], &[&topics]].concat()).await.unwrap();
    cluster.run(&[&["updateSubGroupList"], &at[..], &[&groups]].concat()).await.unwrap();
    let body = |code| String::from_utf8(cluster.broker.received_with(code)[0].body.clone()).unwrap();
    assert!(body(RequestCode::UPDATE_AND_CREATE_TOPIC_LIST).contains(r#""perm":4"#));
    assert!(body(RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST).contains(r#""groupName":"g""#));
    for (text, reason) in [
        ("[]", "the list is empty"),
        ("{", "line 1"),
        (r#"[{"topicName":"a"},{"topic":"b"}]"#, "entry 2 of the list has no topicName"),
    ] {
        let path = write("bad", text);
        let failure = cluster.failure(&[&["updateTopicList"], &at[..], &[&path]].concat()).await;
        assert!(failure.starts_with(&path) && failure.contains(reason), "{failure}");
    }
    let failure = cluster.failure(&["updateTopicList", "-c", "DefaultCluster", "-f", "/nowhere/list"]).await;
    assert!(failure.starts_with("/nowhere/list: No such file"), "{failure}");
}

#[tokio::test]
async fn how_a_group_consumes_is_set() {
    let cluster = cluster().await;
    let line = ["setConsumeMode", "-c", "DefaultCluster", "-t", "TR1", "-g", "workers", "-m", "pop", "-q", "-1"];
    cluster.run(&line).await.unwrap();
    let request = &cluster.broker.received_with(RequestCode::SET_MESSAGE_REQUEST_MODE)[0];
    let expected = r#"{"consumerGroup":"workers","mode":"POP","popShareQueueNum":-1,"topic":"TR1"}"#;
    assert_eq!(String::from_utf8_lossy(&request.body), expected);
}

#[tokio::test]
async fn producers_are_listed_by_group() {
    let cluster = Cluster::start(|request| match RequestCode(request.code) {
        RequestCode::GET_ALL_PRODUCER_INFO => Reply::body(
            r#"{"data":{"pg":[{"clientId":"c","language":"GO","lastUpdateTimestamp":0,"remoteIP":"/10.0.0.9:7","version":317}]}}"#,
        ),
        RequestCode::GET_PRODUCER_CONNECTION_LIST => match request.get("producerGroup") {
            Some("pg") => Reply::body(r#"{"connectionSet":[{"clientAddr":"10.0.0.9:7","clientId":"c","language":"GO","version":317}]}"#),
            _ => Reply::code(ResponseCode::SYSTEM_ERROR, "the producer group[x] not exist"),
        },
        _ => Reply::ok(),
    })
    .await;
    let text = cluster.run(&["producer", "-b", &cluster.broker_address()]).await.unwrap();
    assert_eq!(cells(&text)[1], ["pg", "c", "10.0.0.9:7", "GO", "V4_5_2", "-"]);
    let text = cluster.run(&["producerConnection", "-g", "pg", "-t", "TR1"]).await.unwrap();
    assert_eq!(cells(&text)[1], ["c", "10.0.0.9:7", "GO", "V4_5_2"]);
    let failure = cluster.failure(&["producerConnection", "-g", "x", "-t", "TR1"]).await;
    assert_eq!(failure, "no producer of group x is connected");
}
