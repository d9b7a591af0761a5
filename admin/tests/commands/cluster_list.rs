use client::Reply;
use protocol::RequestCode;

use crate::cluster::{Cluster, cells, run_at};

const RUNTIME_INFO: &str = r#"{"table":{"brokerVersionDesc":"V5_5_0","brokerActive":"true","putTps":"10.5 1.0 0.5","getTransferredTps":"0.25 ","sendThreadPoolQueueSize":"3","sendThreadPoolQueueHeadWaitTimeMills":"12","pullThreadPoolQueueSize":"0","pullThreadPoolQueueHeadWaitTimeMills":"0","pageCacheLockTimeMills":"0","timerReadBehind":"0","earliestMessageTimeStamp":"-1","commitLogDiskRatio":"0.18","msgPutTotalYesterdayMorning":"100","msgPutTotalTodayMorning":"130","msgPutTotalTodayNow":"137","msgGetTotalYesterdayMorning":"0","msgGetTotalTodayMorning":"0","msgGetTotalTodayNow":"5"}}"#;

async fn cluster() -> Cluster {
    Cluster::start(|request| {
        assert_eq!(request.code, RequestCode::GET_BROKER_RUNTIME_INFO.0);
        Reply::body(RUNTIME_INFO)
    })
    .await
}

#[tokio::test]
async fn every_broker_is_shown_with_its_load() {
    let cluster = cluster().await;
    let text = cluster.run(&["clusterList"]).await.unwrap();
    let address = cluster.broker_address();
    let expected = [
        vec![
            "CLUSTER",
            "BROKER",
            "ID",
            "ADDRESS",
            "VERSION",
            "IN TPS",
            "OUT TPS",
            "SEND QUEUE",
            "PULL QUEUE",
            "TIMER BEHIND",
            "PC WAIT MS",
            "HOURS",
            "DISK",
            "ACTIVE",
        ],
        vec![
            "DefaultCluster",
            "broker-v",
            "0",
            &address,
            "V5_5_0",
            "10.50",
            "0.25",
            "3 (12 ms)",
            "0 (0 ms)",
            "0",
            "0",
            "-",
            "0.1800",
            "true",
        ],
    ];
    assert_eq!(cells(&text), expected);
}

#[tokio::test]
async fn more_stats_show_yesterday_and_today() {
    let cluster = cluster().await;
    let text = cluster.run(&["clusterList", "-m"]).await.unwrap();
    let expected = [
        vec!["CLUSTER", "BROKER", "ID", "IN YESTERDAY", "OUT YESTERDAY", "IN TODAY", "OUT TODAY"],
        vec!["DefaultCluster", "broker-v", "0", "30", "0", "7", "5"],
    ];
    assert_eq!(cells(&text), expected);
}

#[tokio::test]
async fn json_holds_load_and_totals_under_fixed_keys() {
    let cluster = cluster().await;
    let result = cluster.json(&["clusterList", "-c", "DefaultCluster"]).await;
    let broker = &result["brokers"][0];
    assert_eq!((&broker["brokerName"], &broker["brokerId"]), (&"broker-v".into(), &0.into()));
    let load = &broker["load"];
    assert_eq!((&load["version"], &load["inTps"], &load["outTps"]), (&"V5_5_0".into(), &10.5.into(), &0.25.into()));
    assert_eq!((&load["inToday"], &load["hoursKept"]), (&7.into(), &serde_json::Value::Null));
    assert_eq!(broker.get("error"), None);
}

#[tokio::test]
async fn a_broker_that_is_down_does_not_hide_the_others() {
    let Cluster { names, broker } = cluster().await;
    let address = broker.address();
    drop(broker);
    let text = run_at(&names.address(), &["clusterList"]).await.unwrap();
    let rows = cells(&text);
    assert_eq!(rows[1][..5], ["DefaultCluster", "broker-v", "0", &address, "-"]);
    let error = format!("broker-v 0: cannot connect to {address}: Connection refused");
    assert!(text.lines().last().unwrap().starts_with(&error), "{text}");
}
