use client::{FakeServer, Reply};
use protocol::RequestCode;
use protocol::body::{
    Extent, FollowerStatus, KvTable, Lag, LogPlace, MembersStatus, ReplicaHistory, ReplicaRole, ReplicationStatus,
};

use crate::cluster::{Cluster, cells, run_at};

/// Where nobody listens.
const NOBODY: &str = "127.0.0.1:1";

fn place(index: u64, offset: u64) -> LogPlace {
    LogPlace { index, offset: Some(offset) }
}

fn follower(node: &str, address: &str) -> FollowerStatus {
    FollowerStatus {
        node: node.to_owned(),
        address: Some(address.to_owned()),
        has: Some(place(8, 700)),
        lag: Some(Lag { entries: 2, bytes: Extent::Exactly(200), ms: Extent::Exactly(50) }),
        bytes_per_second: 4096,
        is_active: true,
        is_catching_up: false,
        is_learner: false,
    }
}

fn status(role: ReplicaRole, node: &str, followers: Vec<FollowerStatus>) -> ReplicationStatus {
    ReplicationStatus {
        role,
        node: node.to_owned(),
        group: "trio".to_owned(),
        shard: 0,
        shards: 1,
        members: MembersStatus::default(),
        leader: Some("n0".to_owned()),
        leader_address: None,
        leader_heard_ms: None,
        term: 4,
        committed: place(9, 800),
        applied: place(9, 800),
        end: place(10, 900),
        is_trusted: role == ReplicaRole::Leader,
        is_catching_up: false,
        bytes_per_second: 10,
        entries_in_memory: 7,
        followers,
        history: ReplicaHistory { elections: 3, last_failover_took_ms: Some(740), ..ReplicaHistory::default() },
    }
}

async fn node(status: ReplicationStatus) -> FakeServer {
    FakeServer::start(move |request| {
        assert_eq!(request.code, RequestCode::GET_BROKER_RUNTIME_INFO.0);
        let mut table = KvTable::default();
        status.write(&mut table.table);
        Reply::body(String::from_utf8(table.encode()).unwrap())
    })
    .await
}

/// Leader n0, its follower n1, n2 whose process is gone, and n3 that no name server knows any more.
struct Group {
    names: FakeServer,
    nodes: [FakeServer; 2],
}

async fn group() -> Group {
    let one = node(status(ReplicaRole::Follower, "n1", Vec::new())).await;
    let far = FollowerStatus {
        lag: Some(Lag { entries: 7, bytes: Extent::AtLeast(512), ms: Extent::AtLeast(9_000) }),
        has: Some(LogPlace { index: 3, offset: None }),
        is_active: false,
        ..follower("n2", NOBODY)
    };
    let unheard = FollowerStatus { address: None, has: None, lag: None, ..far.clone() };
    let followers = vec![follower("n1", &one.address()), far, FollowerStatus { node: "n3".to_owned(), ..unheard }];
    let leader = node(status(ReplicaRole::Leader, "n0", followers)).await;
    let body = format!(
        r#"{{"brokerAddrTable":{{"g":{{"brokerAddrs":{{0:"{}",2:"{}",3:"{NOBODY}"}},"brokerName":"g","cluster":"C"}}}},"clusterAddrTable":{{"C":["g"]}}}}"#,
        leader.address(),
        one.address(),
    );
    let names = FakeServer::start(move |request| {
        assert_eq!(request.code, RequestCode::GET_BROKER_CLUSTER_INFO.0);
        Reply::body(body.clone())
    })
    .await;
    Group { names, nodes: [leader, one] }
}

#[tokio::test]
async fn every_node_is_shown_also_those_that_do_not_answer_or_are_not_registered() {
    let group = group().await;
    let text = run_at(&group.names.address(), &["replicationStatus"]).await.unwrap();
    let [leader, one] = group.nodes.each_ref().map(FakeServer::address);
    let header = vec![
        "BROKER",
        "NODE",
        "ID",
        "ADDRESS",
        "ROLE",
        "TERM",
        "LEADER",
        "COMMITTED",
        "APPLIED",
        "END",
        "LAG ENTRIES",
        "LAG BYTES",
        "LAG MS",
        "STATE",
    ];
    let lines = cells(&text);
    assert_eq!(lines[0], header);
    let rows = [
        vec!["g", "n0", "0", &leader, "leader", "4", "n0", "9@800", "9@800", "10@900", "-", "-", "-", "-"],
        vec!["g", "n1", "2", &one, "follower", "4", "n0", "9@800", "9@800", "10@900", "2", "200", "50", "not trusted"],
        vec!["g", "n2", "3", NOBODY, "-", "-", "-", "-", "-", "3@-", "7", "512+", "9000+", "silent"],
        vec!["g", "n3", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "silent"],
    ];
    assert_eq!(lines[1..5], rows);
    let rest: Vec<&str> = text.lines().skip(5).collect();
    assert!(rest[0].starts_with(&format!("g n2: cannot connect to {NOBODY}")), "{text}");
    assert_eq!(rest[1..], ["g n3: not registered at the name server"]);
}

#[tokio::test]
async fn more_stats_show_what_each_node_has_seen() {
    let group = group().await;
    let line = ["replicationStatus", "-m", "-b", "g"];
    let text = run_at(&group.names.address(), &line).await.unwrap();
    let row = vec!["g", "n1", "follower", "3", "0", "-", "-", "740", "0", "0", "0"];
    assert_eq!(cells(&text)[2], row);
}

#[tokio::test]
async fn json_has_both_views_of_a_node() {
    let group = group().await;
    let line = ["getSyncStateSet", "-a", "127.0.0.1:9878", "-c", "C", "--json"];
    let text = run_at(&group.names.address(), &line).await.unwrap();
    let result: serde_json::Value = serde_json::from_str(&text).unwrap();
    let node = &result["nodes"][1];
    assert_eq!((&node["node"], &node["brokerId"]), (&"n1".into(), &2.into()));
    assert_eq!((&node["status"]["role"], &node["status"]["elections"]), (&"follower".into(), &3.into()));
    assert_eq!(node["seenByLeader"]["lag"]["bytes"], 200);
    assert_eq!(result["nodes"][2]["seenByLeader"]["lag"]["bytesAreAtLeast"], true);
    assert_eq!(result["nodes"][3]["brokerId"], serde_json::Value::Null);
}

#[tokio::test]
async fn a_group_without_a_leader_is_named() {
    let only = node(status(ReplicaRole::NoLeader, "n0", Vec::new())).await;
    let body = format!(
        r#"{{"brokerAddrTable":{{"g":{{"brokerAddrs":{{1:"{}"}},"brokerName":"g","cluster":"C"}}}},"clusterAddrTable":{{"C":["g"]}}}}"#,
        only.address()
    );
    let names = FakeServer::start(move |_| Reply::body(body.clone())).await;
    let text = run_at(&names.address(), &["replicationStatus"]).await.unwrap();
    assert_eq!(text.lines().last(), Some("g has no leader"));
}

#[tokio::test]
async fn brokers_that_have_their_log_to_themselves_are_left_out() {
    let cluster = Cluster::start(|_| Reply::body(r#"{"table":{"brokerVersionDesc":"V5_5_0"}}"#)).await;
    let text = cluster.run(&["replicationStatus"]).await.unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    let failure = cluster.failure(&["replicationStatus", "-b", "broker-v"]).await;
    assert_eq!(failure, "broker broker-v is not registered, or has its log to itself");
}
