use client::Reply;
use protocol::RequestCode;

use crate::cluster::{Cluster, cells};

const MASTER: &str = r#"{"haClientRuntimeInfo":{"lastReadTimestamp":0,"lastWriteTimestamp":0,"masterFlushOffset":0,"maxOffset":0,"transferredByteInSecond":0},"haConnectionInfo":[{"addr":"10.0.0.2:10911","diff":24,"inSync":true,"slaveAckOffset":1000,"transferFromWhere":1000,"transferredByteInSecond":2048},{"addr":"10.0.0.3:10911","diff":1024,"inSync":false,"slaveAckOffset":0,"transferFromWhere":0,"transferredByteInSecond":0}],"inSyncSlaveNums":1,"master":true,"masterCommitLogMaxOffset":1024}"#;
const SLAVE: &str = r#"{"haClientRuntimeInfo":{"lastReadTimestamp":0,"lastWriteTimestamp":0,"masterAddr":"10.0.0.1:10911","masterFlushOffset":1000,"maxOffset":1024,"transferredByteInSecond":512},"haConnectionInfo":[],"inSyncSlaveNums":0,"master":false,"masterCommitLogMaxOffset":0}"#;

async fn cluster(answer: &'static str) -> Cluster {
    Cluster::start(move |request| {
        assert_eq!(request.code, RequestCode::GET_BROKER_HA_STATUS.0);
        Reply::body(answer)
    })
    .await
}

#[tokio::test]
async fn a_master_is_shown_with_its_slaves() {
    let cluster = cluster(MASTER).await;
    let text = cluster.run(&["haStatus", "-c", "DefaultCluster"]).await.unwrap();
    let address = cluster.broker_address();
    let expected = [
        vec!["Master", &address],
        vec!["Log ends at", "1024"],
        vec!["Slaves", "2"],
        vec!["Of these in sync", "1"],
        vec!["SLAVE", "CONFIRMED", "BEHIND", "KB/S", "STATUS", "SENT FROM"],
        vec!["10.0.0.2:10911", "1000", "24", "2.00", "OK", "1000"],
        vec!["10.0.0.3:10911", "0", "1024", "0.00", "Fall Behind", "0"],
    ];
    assert_eq!(cells(&text), expected);
}

#[tokio::test]
async fn a_slave_is_shown_with_its_master() {
    let cluster = cluster(SLAVE).await;
    let address = cluster.broker_address();
    let text = cluster.run(&["haStatus", "-b", &address]).await.unwrap();
    let expected = [
        vec!["Slave", &address],
        vec!["Master", "10.0.0.1:10911"],
        vec!["Log ends at", "1024"],
        vec!["Safe at the master", "1000"],
        vec!["KB/s", "0.50"],
        vec!["Master heard of", "-"],
        vec!["Master told", "-"],
    ];
    assert_eq!(cells(&text), expected);
}

#[tokio::test]
async fn json_is_what_the_broker_says_and_where() {
    let cluster = cluster(MASTER).await;
    let result = cluster.json(&["haStatus", "-c", "DefaultCluster"]).await;
    let broker = &result["brokers"][0];
    assert_eq!(broker["brokerAddr"], cluster.broker_address());
    assert_eq!((&broker["master"], &broker["inSyncSlaveNums"]), (&true.into(), &1.into()));
    assert_eq!(broker["haConnectionInfo"][0]["slaveAckOffset"], 1000);
}
