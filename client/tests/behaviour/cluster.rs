//! Fake name servers and brokers that know of each other.

use client::{Client, ClientOptions, FakeServer, Reply};
use protocol::{RemotingCommand, RequestCode, ResponseCode};
use tokio::net::TcpSocket;

/// A name server that gives every topic in `topics` this route, and says 17 to others.
pub(crate) async fn name_server(topics: &'static [&'static str], route: String) -> FakeServer {
    FakeServer::start(move |request| answer_route(request, topics, &route)).await
}

pub(crate) fn answer_route(request: &RemotingCommand, topics: &[&str], route: &str) -> Reply {
    assert_eq!(request.code, RequestCode::GET_ROUTEINFO_BY_TOPIC.0);
    match request.get("topic") {
        Some(topic) if topics.contains(&topic) => Reply::body(route),
        _ => Reply::code(ResponseCode::TOPIC_NOT_EXIST, "No topic route info in name server for the topic"),
    }
}

/// The route of a topic with these brokers: name, addresses by id from 0, queues.
pub(crate) fn route(brokers: &[(&str, &[String], u32)]) -> String {
    let broker_datas = brokers.iter().map(|(name, addresses, _)| {
        let addresses: Vec<_> = addresses.iter().enumerate().map(|(id, at)| format!("\"{id}\":\"{at}\"")).collect();
        let addresses = addresses.join(",");
        format!(
            r#"{{"brokerAddrs":{{{addresses}}},"brokerName":"{name}","cluster":"DefaultCluster","enableActingMaster":false}}"#
        )
    });
    let queue_datas = brokers.iter().map(|(name, _, queues)| {
        format!(
            r#"{{"brokerName":"{name}","perm":6,"readQueueNums":{queues},"topicSysFlag":0,"writeQueueNums":{queues}}}"#
        )
    });
    format!(
        r#"{{"brokerDatas":[{}],"filterServerTable":{{}},"queueDatas":[{}]}}"#,
        broker_datas.collect::<Vec<_>>().join(","),
        queue_datas.collect::<Vec<_>>().join(",")
    )
}

/// A broker that stores every send at offset 7 of the queue asked for.
pub(crate) async fn storing_broker() -> FakeServer {
    FakeServer::start(|request| {
        Reply::fields(&[
            ("msgId", "7F00000100002A9F0000000000001000"),
            ("queueId", request.get("e").unwrap_or("0")),
            ("queueOffset", "7"),
            ("transactionId", "0"),
        ])
    })
    .await
}

/// A client of these name servers.
pub(crate) async fn client_of(name_servers: &[&FakeServer]) -> Client {
    let list: Vec<_> = name_servers.iter().map(|server| server.address()).collect();
    Client::new(&list.join(";"), ClientOptions::default()).await.unwrap()
}

/// An address nobody listens on, for as long as this is held: the port is taken, so no other test gets it.
pub(crate) struct DeadAddress {
    pub(crate) address: String,
    _bound: TcpSocket,
}

pub(crate) fn dead_address() -> DeadAddress {
    let bound = TcpSocket::new_v4().unwrap();
    bound.bind(([127, 0, 0, 1], 0).into()).unwrap();
    DeadAddress { address: bound.local_addr().unwrap().to_string(), _bound: bound }
}
