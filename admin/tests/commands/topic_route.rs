use client::Reply;

use crate::cluster::{Cluster, cells};

#[tokio::test]
async fn a_route_is_a_line_a_broker() {
    let cluster = Cluster::start(|_| Reply::ok()).await;
    for line in [&["topicRoute", "-t", "TR1"][..], &["topicRoute", "-t", "TR1", "-l"]] {
        let text = cluster.run(line).await.unwrap();
        let address = cluster.broker_address();
        let expected = [
            vec!["CLUSTER", "BROKER", "ID", "ADDRESS", "READ QUEUES", "WRITE QUEUES", "PERM"],
            vec!["DefaultCluster", "broker-v", "0", &address, "4", "4", "RW-"],
        ];
        assert_eq!(cells(&text), expected);
    }
}

#[tokio::test]
async fn json_is_the_name_server_s_own_with_quoted_ids() {
    let cluster = Cluster::start(|_| Reply::ok()).await;
    let route = cluster.json(&["topicRoute", "-t", "TR1"]).await;
    assert_eq!(route["brokerDatas"][0]["brokerAddrs"]["0"], cluster.broker_address());
    assert_eq!(route["queueDatas"][0]["writeQueueNums"], 4);
}
