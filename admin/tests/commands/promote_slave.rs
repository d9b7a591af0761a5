use client::Reply;
use protocol::{RequestCode, ResponseCode};

use crate::cluster::{Cluster, cells};

const SLAVE: &str = r#"{"brokerName":"broker-v","endOffset":900,"epoch":0,"masterEndOffset":1000,"masterIsThere":false,"part":"slave","shard":0,"shards":1,"slavesAddress":"h:1","term":3}"#;
const MASTER: &str = r#"{"brokerName":"broker-v","endOffset":964,"epoch":1,"masterIsThere":false,"part":"master","shard":0,"shards":1,"slavesAddress":"h:1","term":4}"#;

/// A slave that is promoted when it is told to, `force` as it was asked.
async fn cluster(force: &'static str) -> Cluster {
    Cluster::start(move |request| match RequestCode(request.code) {
        RequestCode::GET_MASTER_SLAVE_STATE => Reply::body(SLAVE),
        RequestCode::PROMOTE_SLAVE => {
            assert_eq!(request.get("force"), Some(force));
            Reply::body(MASTER)
        }
        other => panic!("{other}"),
    })
    .await
}

#[tokio::test]
async fn what_may_be_missing_is_shown() {
    let cluster = cluster("false").await;
    let address = cluster.broker_address();
    let text = cluster.run(&["promoteSlave", "-b", &address]).await.unwrap();
    let rows = cells(&text);
    assert_eq!(rows[0], ["BROKER", "ADDRESS", "NOW", "EPOCH", "LOG ENDS AT", "MAY BE MISSING"]);
    assert_eq!(rows[1], ["broker-v", &address, "master", "1", "964", "100 bytes"]);
}

#[tokio::test]
async fn force_is_handed_on() {
    let cluster = cluster("true").await;
    let result = cluster.json(&["promoteSlave", "-b", &cluster.broker_address(), "--force"]).await;
    assert_eq!((&result["shards"][0]["part"], &result["shards"][0]["missingBytes"]), (&"master".into(), &100.into()));
}

#[tokio::test]
async fn a_slave_s_refusal_is_shown_and_a_master_that_answers_is_one() {
    let refusing = Cluster::start(|request| match RequestCode(request.code) {
        RequestCode::GET_MASTER_SLAVE_STATE => Reply::body(SLAVE),
        _ => Reply::code(ResponseCode::SYSTEM_ERROR, "its master h:2 is there"),
    })
    .await;
    let text = refusing.failure(&["promoteSlave", "-b", &refusing.broker_address()]).await;
    assert!(text.contains("its master h:2 is there"), "{text}");

    let master = Cluster::start(|_| Reply::body(MASTER)).await;
    let state = SLAVE.replace(
        r#""masterEndOffset""#,
        &format!(r#""masterAddress":"{}","masterEndOffset""#, master.broker_address()),
    );
    let slave = Cluster::start(move |_| Reply::body(state.clone())).await;
    let text = slave.failure(&["promoteSlave", "-b", &slave.broker_address()]).await;
    assert!(text.contains("is there and serves") && text.contains("--force"), "{text}");
}
