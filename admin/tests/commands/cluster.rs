//! A fake cluster of one name server and one broker, `broker-v`, with the topics `TR1` and `orders`.

use std::net::SocketAddr;

use admin::{Cli, Failure, run};
use clap::Parser;
use client::{FakeServer, Reply};
use protocol::record::RecordFields;
use protocol::{RemotingCommand, RequestCode, ResponseCode};
use serde_json::Value;

/// The servers; both are gone when this is dropped.
pub(crate) struct Cluster {
    pub(crate) names: FakeServer,
    pub(crate) broker: FakeServer,
}

impl Cluster {
    /// A cluster whose broker answers as told.
    pub(crate) async fn start(broker: impl Fn(&RemotingCommand) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(|_, _| None, broker).await
    }

    /// The same, with what its name server says otherwise than usual; it is told the broker's address.
    pub(crate) async fn start_with(
        names: impl Fn(&RemotingCommand, &str) -> Option<Reply> + Send + Sync + 'static,
        broker: impl Fn(&RemotingCommand) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let broker = FakeServer::start(broker).await;
        let address = broker.address();
        let answer =
            move |request: &RemotingCommand| names(request, &address).unwrap_or_else(|| name_server(request, &address));
        Self { names: FakeServer::start(answer).await, broker }
    }

    /// The route of a topic with four queues on the broker at this address.
    pub(crate) fn route(broker: &str) -> Reply {
        Reply::body(format!(
            r#"{{"brokerDatas":[{{"brokerAddrs":{{"0":"{broker}"}},"brokerName":"broker-v","cluster":"DefaultCluster","enableActingMaster":false}}],"filterServerTable":{{}},"queueDatas":[{{"brokerName":"broker-v","perm":6,"readQueueNums":4,"topicSysFlag":0,"writeQueueNums":4}}]}}"#
        ))
    }

    /// What a command line prints, without the program's name and the name server.
    pub(crate) async fn run(&self, line: &[&str]) -> Result<String, Failure> {
        run_at(&self.names.address(), line).await
    }

    /// The result as JSON.
    pub(crate) async fn json(&self, line: &[&str]) -> Value {
        let text = self.run(&[line, &["--json"]].concat()).await.unwrap();
        assert_eq!(text.lines().count(), 1, "one line: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// What the user is told when a command fails.
    pub(crate) async fn failure(&self, line: &[&str]) -> String {
        self.run(line).await.unwrap_err().report()
    }

    /// The port of the broker, as output shows it.
    pub(crate) fn broker_address(&self) -> String {
        self.broker.address()
    }
}

pub(crate) async fn run_at(name_server: &str, line: &[&str]) -> Result<String, Failure> {
    let cli = Cli::try_parse_from([&["mqadmin", "-n", name_server], line].concat()).unwrap();
    let mut output = Vec::new();
    run(&cli, &mut output).await?;
    Ok(String::from_utf8(output).unwrap())
}

fn name_server(request: &RemotingCommand, broker: &str) -> Reply {
    match (RequestCode(request.code), request.get("topic")) {
        (RequestCode::GET_ROUTEINFO_BY_TOPIC, Some("TR1" | "orders")) => Cluster::route(broker),
        (RequestCode::GET_ROUTEINFO_BY_TOPIC, _) => Reply::code(ResponseCode::TOPIC_NOT_EXIST, "No topic route info"),
        (RequestCode::GET_BROKER_CLUSTER_INFO, _) => Reply::body(format!(
            r#"{{"brokerAddrTable":{{"broker-v":{{"brokerAddrs":{{0:"{broker}"}},"brokerName":"broker-v","cluster":"DefaultCluster","enableActingMaster":false}}}},"clusterAddrTable":{{"DefaultCluster":["broker-v"]}}}}"#
        )),
        (RequestCode::GET_ALL_TOPIC_LIST_FROM_NAMESERVER, _) => Reply::body(r#"{"topicList":["orders","TR1"]}"#),
        (RequestCode::GET_KV_CONFIG, _) => Reply::code(ResponseCode::QUERY_NOT_FOUND, "No config item"),
        _ => Reply::ok(),
    }
}

/// A record of topic TR1, queue 2, as a broker stores it.
pub(crate) fn record(store_host: SocketAddr, queue_offset: i64, body: &[u8]) -> Vec<u8> {
    let properties =
        format!("TAGS\u{1}TagA\u{2}KEYS\u{1}k{queue_offset}\u{2}UNIQ_KEY\u{1}{}\u{2}", unique_id(queue_offset));
    let fields = RecordFields {
        queue_id: 2,
        flag: 0,
        queue_offset,
        physical_offset: 4096 + queue_offset,
        sys_flag: 0,
        born_timestamp: 1_700_000_000_000,
        born_host: SocketAddr::from(([127, 0, 0, 1], 5000)),
        store_timestamp: 1_700_000_000_001,
        store_host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body,
        topic: "TR1",
        properties: properties.as_bytes(),
    };
    let mut bytes = vec![0; fields.encoded_bytes()];
    fields.encode(&mut bytes);
    bytes
}

/// The id its producer gave to the message at this offset.
pub(crate) fn unique_id(queue_offset: i64) -> String {
    format!("7F0000016A2C123456784AED6198{queue_offset:04}")
}

/// Cells of a printed table, line by line.
pub(crate) fn cells(text: &str) -> Vec<Vec<&str>> {
    text.lines().map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()).collect()
}
