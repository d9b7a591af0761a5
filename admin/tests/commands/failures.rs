//! What a user is told when it does not work.

use client::{FakeServer, Reply};
use protocol::ResponseCode;
use tokio::net::TcpSocket;

use crate::cluster::{Cluster, run_at};

#[tokio::test]
async fn an_unreachable_name_server_is_named_with_cause_and_hint() {
    // Bound and not listening: the port is refused, and no other test gets it.
    let bound = TcpSocket::new_v4().unwrap();
    bound.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = bound.local_addr().unwrap().to_string();
    let report = run_at(&address, &["topicList"]).await.unwrap_err().report();
    let start = format!("no name server could be asked: cannot connect to {address}: Connection refused");
    assert!(report.starts_with(&start), "{report}");
    assert!(report.ends_with("Is a name server running there? -n or NAMESRV_ADDR says where to look."), "{report}");
}

#[tokio::test]
async fn a_list_of_name_servers_that_is_none_is_refused() {
    let report = run_at("localhost", &["topicList"]).await.unwrap_err().report();
    assert_eq!(report, r#"name server list "localhost": every address needs a port, as in 127.0.0.1:9876"#);
}

#[tokio::test]
async fn an_unknown_topic_comes_with_the_nearest_existing_one() {
    let cluster = Cluster::start(|_| Reply::ok()).await;
    for line in [
        &["topicRoute", "-t", "order"][..],
        &["topicStatus", "-t", "order"],
        &["consumeMessage", "-t", "order"],
        &["sendMessage", "-t", "order", "-p", "x"],
    ] {
        assert_eq!(cluster.failure(line).await, "topic order does not exist; did you mean orders?", "{line:?}");
    }
    assert_eq!(cluster.failure(&["topicRoute", "-t", "inventory"]).await, "topic inventory does not exist");
}

#[tokio::test]
async fn an_unknown_cluster_comes_with_those_that_exist() {
    let cluster = Cluster::start(|_| Reply::ok()).await;
    for line in [
        &["updateTopic", "-c", "Default", "-t", "T"][..],
        &["deleteTopic", "-c", "Default", "-t", "T"],
        &["clusterList", "-c", "Default"],
    ] {
        let expected = "cluster Default does not exist; clusters: DefaultCluster";
        assert_eq!(cluster.failure(line).await, expected, "{line:?}");
    }
}

#[tokio::test]
async fn a_broker_without_queues_and_a_queue_that_is_not_there_are_named() {
    let cluster = Cluster::start(|_| Reply::ok()).await;
    let failure = cluster.failure(&["consumeMessage", "-t", "TR1", "-b", "broker-x"]).await;
    assert_eq!(failure, "topic TR1 has no queue on broker broker-x; brokers with queues: broker-v");
    let failure = cluster.failure(&["sendMessage", "-t", "TR1", "-p", "x", "-b", "broker-v", "-i", "7"]).await;
    assert_eq!(failure, "topic TR1 has no queue 7 on broker broker-v; its queues are 0 to 3");
}

#[tokio::test]
async fn a_refusal_keeps_the_broker_s_words() {
    let cluster =
        Cluster::start(|_| Reply::code(ResponseCode::INVALID_PARAMETER, "The specified topic is blank.")).await;
    let failure = cluster.failure(&["updateTopic", "-c", "DefaultCluster", "-t", "T"]).await;
    let expected = format!(
        "UPDATE_AND_CREATE_TOPIC(17) to {}: answered INVALID_PARAMETER(29): The specified topic is blank.",
        cluster.broker_address()
    );
    assert_eq!(failure, expected);
}

#[tokio::test]
async fn a_broker_that_cannot_be_reached_hints_at_its_registered_address() {
    let Cluster { names, broker } = Cluster::start(|_| Reply::ok()).await;
    let address = broker.address();
    drop(broker);
    let report = run_at(&names.address(), &["topicStatus", "-t", "TR1"]).await.unwrap_err().report();
    assert!(report.starts_with(&format!("cannot connect to {address}: Connection refused")), "{report}");
    assert!(report.contains("brokerIP1"), "{report}");
}

#[tokio::test]
async fn the_second_name_server_of_the_list_is_asked_when_the_first_is_gone() {
    let gone = FakeServer::agreeing().await;
    let cluster = Cluster::start(|_| Reply::ok()).await;
    let list = format!("{};{}", gone.address(), cluster.names.address());
    drop(gone);
    assert_eq!(run_at(&list, &["topicList"]).await.unwrap(), "TR1\norders\n");
}
