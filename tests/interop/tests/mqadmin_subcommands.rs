//! The subcommands of Java's own mqadmin that no other test runs: what each says about, and does to, a broker in a state that is
//! made here, and with what words those are refused that have nothing to work on.

use std::fs;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;
use std::time::Duration;

use interop::clients::JavaClient;
use interop::mqadmin::{Mqadmin, Printed};
use interop::raw_client::RawClient;
use interop::registration::wait_until_registered;
use interop::requests;
use interop::run_lock::RunLock;
use interop::scratch::Scratch;
use interop::turbopump::{Settings, Turbopump};
use interop::until::until;
use protocol::RequestCode;
use protocol::body::ConsumerConnection;
use protocol::code::ResponseCode;
use protocol::command::RemotingCommand;

const CLUSTER: &str = "DefaultCluster";
const BROKER: &str = "turbopump";
/// Has a message that the tool itself sent.
const TOPIC: &str = "orders";
const GROUP: &str = "billing";
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn subcommands_of_5_tell_and_do_what_they_say() {
    tell_and_do(JavaClient::V5);
}

#[test]
fn subcommands_of_4_tell_and_do_what_they_say() {
    tell_and_do(JavaClient::V4);
}

/// The tool of 5.x takes most of a second for each, so they run in several processes at once; what changes the permissions of all
/// topics comes last.
fn tell_and_do(client: JavaClient) {
    let _turn = RunLock::beside_another();
    let stand = &Stand::start(client);
    thread::scope(|scope| {
        let checks: [fn(&Stand); 4] = [messages, topics_and_groups, exports, refusals];
        let running: Vec<_> = checks.into_iter().map(|check| scope.spawn(move || check(stand))).collect();
        for check in running {
            check.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
    });
    name_server(stand);
    monitors(stand);
}

struct Stand {
    client: JavaClient,
    broker: Turbopump,
    address: String,
    /// Of the one message, as its producer made it.
    message_id: String,
    scratch: Scratch,
}

impl Stand {
    fn start(client: JavaClient) -> Self {
        let scratch = Scratch::new(&format!("subcommands-{}", client.module()));
        let broker = Turbopump::start(&Settings { shards: 1, ..Settings::standalone() }, &scratch);
        wait_until_registered(broker.target());
        let address = broker.target().brokers[BROKER].clone();
        let mut stand = Self { client, broker, address, message_id: String::new(), scratch };
        let printed = stand.run(
            "made",
            &[
                &["updateTopic", "-c", CLUSTER, "-t", TOPIC, "-r", "2", "-w", "2"],
                &["updateSubGroup", "-c", CLUSTER, "-g", GROUP, "-r", "3"],
            ],
        );
        assert!(printed[0].out.contains(&format!("create topic to {} success", stand.address)), "{printed:?}");
        let created = format!("create subscription group to {} success", stand.address);
        assert!(printed[1].out.contains(&created), "{printed:?}");
        let line = ["sendMessage", "-t", TOPIC, "-b", BROKER, "-i", "0", "-k", "key-1", "-c", "TagA", "-p", "hello"];
        let sent = stand.run("sent", &[&line]);
        let rows = sent[0].rows();
        assert_eq!(rows[0][..3], [BROKER, "0", "SEND_OK"], "{sent:?}");
        stand.message_id = rows[0][3].to_owned();
        stand
    }

    /// In a process of its own.
    fn run(&self, name: &str, subcommands: &[&[&str]]) -> Vec<Printed> {
        let printed = self.tool(name).1.run_all(subcommands);
        assert!(printed.iter().all(|printed| !printed.err.contains("Exception")), "{printed:?}");
        printed
    }

    fn tool(&self, name: &str) -> (Scratch, Mqadmin) {
        let scratch = Scratch::new(&format!("subcommands-{}-{name}", self.client.module()));
        let tool = Mqadmin::new(self.client, self.name_server(), &scratch);
        (scratch, tool)
    }

    fn name_server(&self) -> &str {
        &self.broker.target().name_servers
    }

    fn ask(&self, to: &str, request: RemotingCommand) -> RemotingCommand {
        let to: SocketAddr = to.parse().expect("an address");
        RawClient::connect(to).ask(request)
    }
}

fn messages(stand: &Stand) {
    let id = stand.message_id.as_str();
    let mut by_offset = vec!["queryMsgByOffset", "-t", TOPIC, "-b", BROKER, "-i", "0", "-o", "0"];
    if stand.client == JavaClient::V5 {
        by_offset.extend(["-f", "UTF-8"]);
    }
    let printed = stand.run(
        "messages",
        &[
            &["queryMsgByKey", "-t", TOPIC, "-k", "key-1"],
            &by_offset,
            &["printMsg", "-t", TOPIC, "-d", "true"],
            &["printMsgByQueue", "-t", TOPIC, "-a", BROKER, "-i", "0", "-p", "true", "-d", "true"],
            &["consumeMessage", "-t", TOPIC, "-g", GROUP, "-b", BROKER, "-i", "0", "-o", "0", "-c", "1"],
            &["checkMsgSendRT", "-t", TOPIC, "-a", "4", "-s", "16"],
            &["sendMsgStatus", "-b", BROKER, "-s", "128", "-c", "2"],
        ],
    );
    let [by_key, at_offset, all, of_queue, consumed, checked, status] = &printed[..] else { panic!("{printed:?}") };
    assert_eq!(by_key.rows()[0][..3], [id, "0", "0"], "{by_key:?}");
    for fact in ["Tags: [TagA]", "Keys: [key-1]", "Queue Offset: 0", &format!("Store Host: {}", stand.address)] {
        let lines = at_offset.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        assert!(lines.into_iter().any(|line| line == fact), "{fact}: {at_offset:?}");
    }
    if stand.client == JavaClient::V5 {
        assert!(at_offset.out.lines().any(|line| line.starts_with("Message Body:") && line.ends_with("hello")));
    }
    for printed in [all, of_queue, consumed] {
        assert_eq!(printed.out.matches(&format!("MSGID: {id} ")).count(), 1, "{printed:?}");
    }
    assert!(all.out.contains("minOffset=0, maxOffset=1") && all.out.contains("minOffset=0, maxOffset=0"), "{all:?}");
    // One in each queue by turns.
    let rows = checked.rows();
    assert_eq!(rows.iter().filter(|row| row[0] == BROKER && row[2] == "true").count(), 4, "{checked:?}");
    assert_eq!(status.out.matches("sendStatus=SEND_OK").count(), 2, "{status:?}");
    let ends = [0, 1].map(|queue_id| {
        let answer = stand.ask(&stand.address, requests::of_queue(RequestCode::GET_MAX_OFFSET, TOPIC, queue_id));
        answer.get("offset").and_then(|offset| offset.parse().ok()).unwrap_or_else(|| panic!("{answer:?}"))
    });
    assert_eq!(ends.iter().sum::<i64>(), 5, "the first message and those of checkMsgSendRT: {ends:?}");
}

fn topics_and_groups(stand: &Stand) {
    let address = stand.address.as_str();
    let printed = stand.run(
        "topics",
        &[
            &["updateTopic", "-b", address, "-t", "switched", "-r", "2", "-w", "2"],
            &["updateTopicPerm", "-b", address, "-t", "switched", "-p", "4"],
            &["topicClusterList", "-t", TOPIC],
            &["updateOrderConf", "-t", TOPIC, "-m", "put", "-v", "turbopump:2"],
            &["updateOrderConf", "-t", TOPIC, "-m", "get"],
            &["updateOrderConf", "-t", TOPIC, "-m", "delete"],
            &["allocateMQ", "-t", TOPIC, "-i", "10.0.0.1,10.0.0.2"],
            &["updateSubGroup", "-b", address, "-g", "leaving"],
            &["getConsumerConfig", "-g", GROUP],
            &["deleteSubGroup", "-b", address, "-g", "leaving"],
            &["getBrokerConfig", "-b", address],
        ],
    );
    let [_, perm, clusters, put, got, deleted, shares, _, config, left, settings] = &printed[..] else {
        panic!("{printed:?}")
    };
    assert!(perm.out.contains(&format!("update topic perm from 6 to 4 in {address} success")), "{perm:?}");
    let answer = stand.ask(address, requests::with(topic_config(), "topic", "switched"));
    assert!(String::from_utf8_lossy(&answer.body).contains(r#""perm":4"#), "{answer:?}");
    assert_eq!(clusters.out.trim(), CLUSTER, "{clusters:?}");
    assert!(put.out.contains("update orderConf success"), "{put:?}");
    assert!(got.out.contains("orderConf=[turbopump:2]"), "{got:?}");
    assert!(deleted.out.contains("delete orderConf success"), "{deleted:?}");
    assert_eq!(order_configuration(stand).code, ResponseCode::QUERY_NOT_FOUND.0);
    let shares: serde_json::Value = serde_json::from_str(&shares.out).expect("JSON");
    for client in ["10.0.0.1", "10.0.0.2"] {
        assert_eq!(shares["result"][client].as_array().map(Vec::len), Some(1), "{shares}");
    }
    assert!(has_row(config, "retryMaxTimes", "3"), "{config:?}");
    let from = format!("delete subscription group [leaving] from broker [{address}] success");
    assert!(left.out.contains(&from), "{left:?}");
    let request = RemotingCommand::request(RequestCode::GET_ALL_SUBSCRIPTIONGROUP_CONFIG.0, 0);
    let groups = String::from_utf8_lossy(&stand.ask(address, request).body).into_owned();
    assert!(groups.contains(GROUP) && !groups.contains("leaving"), "{groups}");
    let port = address.rsplit_once(':').expect("a port").1;
    for (key, value) in [("brokerName", BROKER), ("listenPort", port), ("flushDiskType", "ASYNC_FLUSH")] {
        assert!(has_row(settings, key, value), "{key}: {settings:?}");
    }
}

fn topic_config() -> RemotingCommand {
    RemotingCommand::request(RequestCode::GET_TOPIC_CONFIG.0, 0)
}

fn order_configuration(stand: &Stand) -> RemotingCommand {
    key_value(stand, "ORDER_TOPIC_CONFIG", TOPIC)
}

fn key_value(stand: &Stand, namespace: &str, key: &str) -> RemotingCommand {
    let request = RemotingCommand::request(RequestCode::GET_KV_CONFIG.0, 0);
    stand.ask(stand.name_server(), requests::with(requests::with(request, "namespace", namespace), "key", key))
}

/// Of a table `key = value`.
fn has_row(printed: &Printed, key: &str, value: &str) -> bool {
    printed.rows().iter().any(|row| row[..] == [key, "=", value])
}

fn exports(stand: &Stand) {
    let (scratch, tool) = stand.tool("exports");
    let folder = scratch.folder("exported");
    let at = folder.display().to_string();
    let printed = tool.run_all(&[
        &["exportMetadata", "-c", CLUSTER, "-f", &at],
        &["exportConfigs", "-c", CLUSTER, "-f", &at],
        &["exportMetrics", "-c", CLUSTER, "-f", &at],
    ]);
    assert!(printed.iter().all(|printed| printed.out.contains("success")), "{printed:?}");
    let metadata = exported(&folder, "metadata.json");
    assert_eq!(metadata["topicConfigTable"][TOPIC]["readQueueNums"], 2, "{metadata}");
    assert_eq!(metadata["subscriptionGroupTable"][GROUP]["retryMaxTimes"], 3, "{metadata}");
    let configs = exported(&folder, "configs.json");
    assert_eq!(configs["clusterScale"]["masterBrokerSize"], 1, "{configs}");
    assert_eq!(configs["brokerConfigs"][BROKER]["brokerRole"], "ASYNC_MASTER", "{configs}");
    let metrics = exported(&folder, "metrics.json");
    let quota = &metrics["evaluateReport"][BROKER]["runtimeQuota"];
    assert!(quota["topicSize"].as_u64().is_some_and(|topics| topics >= 1), "{metrics}");
    let ratio = quota["diskRatio"]["commitLogDiskRatio"].as_str().and_then(|ratio| ratio.parse::<f64>().ok());
    assert!(ratio.is_some_and(|ratio| (0.0..1.0).contains(&ratio)), "{metrics}");
}

fn exported(folder: &Path, name: &str) -> serde_json::Value {
    let path = folder.join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}: {text}", path.display()))
}

/// What is not there says so by its number, and why.
fn refusals(stand: &Stand) {
    // 4.9.8 has none of them.
    if stand.client == JavaClient::V4 {
        return;
    }
    let address = stand.address.as_str();
    let no_cache = "the log is read by direct I/O, not through a page cache";
    let no_roles = "slaves here copy by a protocol of their own";
    let no_rocks = "there is no RocksDB here";
    let no_access = "access control is not there";
    let refused: &[(u32, &str, &[&str])] = &[
        (2003, no_cache, &["getColdDataFlowCtrInfo", "-b", address]),
        (2001, no_cache, &["updateColdDataFlowCtrGroupConfig", "-b", address, "-g", GROUP, "-v", "1000"]),
        (2002, no_cache, &["removeColdDataFlowCtrGroupConfig", "-b", address, "-g", GROUP]),
        (2004, no_cache, &["setCommitLogReadAheadMode", "-b", address, "-m", "0"]),
        (908, no_roles, &["resetMasterFlushOffset", "-b", address, "-o", "0"]),
        (1007, no_roles, &["getBrokerEpoch", "-b", BROKER]),
        (354, no_rocks, &["checkRocksdbCqWriteProgress", "-c", CLUSTER, "-t", TOPIC]),
        (355, no_rocks, &["rocksDBConfigToJson", "-c", CLUSTER, "-t", "topics"]),
        (513, "a queue is where its broker is", &["updateStaticTopic", "-t", "static", "-qn", "4", "-c", CLUSTER]),
        (200_056, "what was popped stands in the log", &["exportPopRecord", "-c", CLUSTER]),
        (3001, no_access, &["createUser", "-b", address, "-u", "someone", "-p", "word"]),
        (3002, no_access, &["updateUser", "-b", address, "-u", "someone", "-p", "word"]),
        (3003, no_access, &["deleteUser", "-b", address, "-u", "someone"]),
        (3004, no_access, &["getUser", "-b", address, "-u", "someone"]),
        (3005, no_access, &["listUser", "-b", address]),
        (
            3006,
            no_access,
            &["createAcl", "-b", address, "-s", "User:someone", "-r", "Topic:*", "-a", "PUB", "-d", "ALLOW"],
        ),
        (
            3007,
            no_access,
            &["updateAcl", "-b", address, "-s", "User:someone", "-r", "Topic:*", "-a", "PUB", "-d", "ALLOW"],
        ),
        (3008, no_access, &["deleteAcl", "-b", address, "-s", "User:someone"]),
        (3009, no_access, &["getAcl", "-b", address, "-s", "User:someone"]),
        (3010, no_access, &["listAcl", "-b", address]),
    ];
    let (_scratch, tool) = stand.tool("refusals");
    let subcommands: Vec<&[&str]> = refused.iter().map(|(.., subcommand)| *subcommand).collect();
    for ((code, why, subcommand), printed) in refused.iter().zip(tool.run_all(&subcommands)) {
        let said = format!("{}{}", printed.out, printed.err);
        assert!(
            said.contains(&format!("CODE: 3  DESC:  request type {code} not supported: ")),
            "{subcommand:?}: {said}"
        );
        assert!(said.contains(why), "{subcommand:?}: {said}");
    }
}

fn name_server(stand: &Stand) {
    let at = stand.name_server();
    let port = at.rsplit_once(':').expect("a port").1;
    let printed = stand.run(
        "name-server",
        &[
            &["getNamesrvConfig"],
            &["updateNamesrvConfig", "-k", "orderMessageEnable", "-v", "true"],
            &["getNamesrvConfig"],
            &["updateKvConfig", "-s", "SPACE", "-k", "colour", "-v", "red"],
            &["wipeWritePerm", "-b", BROKER],
            &["topicRoute", "-t", TOPIC],
        ],
    );
    let [before, updated, after, put, wiped, route] = &printed[..] else { panic!("{printed:?}") };
    assert!(has_row(before, "listenPort", port) && has_row(before, "orderMessageEnable", "false"), "{before:?}");
    assert!(updated.out.contains(&format!("update name server config success![{at}]")), "{updated:?}");
    assert!(has_row(after, "orderMessageEnable", "true"), "{after:?}");
    assert!(put.out.contains("create or update kv config to namespace success"), "{put:?}");
    assert!(wiped.out.contains(&format!("wipe write perm of broker[{BROKER}] in name server[{at}] OK")), "{wiped:?}");
    assert!(route.squeezed().contains(r#""perm":4,"readQueueNums":2"#), "{route:?}");
    assert_eq!(key_value(stand, "SPACE", "colour").get("value"), Some("red"));

    let printed = stand.run(
        "name-server",
        &[
            &["deleteKvConfig", "-s", "SPACE", "-k", "colour"],
            &["addWritePerm", "-b", BROKER],
            &["topicRoute", "-t", TOPIC],
        ],
    );
    let [deleted, added, route] = &printed[..] else { panic!("{printed:?}") };
    assert!(deleted.out.contains("delete kv config from namespace success"), "{deleted:?}");
    assert!(added.out.contains(&format!("add write perm of broker[{BROKER}] in name server[{at}] OK")), "{added:?}");
    assert!(route.squeezed().contains(r#""perm":6,"readQueueNums":2"#), "{route:?}");
    assert_eq!(key_value(stand, "SPACE", "colour").code, ResponseCode::QUERY_NOT_FOUND.0);
}

/// Two that run until they are ended.
fn monitors(stand: &Stand) {
    let tool = Mqadmin::new(stand.client, stand.name_server(), &stand.scratch);
    let mut round_trips = tool.start("clusterRT", &["-c", CLUSTER, "-a", "5", "-s", "16", "-i", "1"]);
    round_trips.wait_for_line(BROKER, LIMIT);
    let output = round_trips.output();
    let row = output.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).find(|row| row.contains(&BROKER));
    let row = row.unwrap_or_else(|| panic!("{output}"));
    assert_eq!((row[0], row[1], row[3], row[4]), (CLUSTER, BROKER, "5", "0"), "{output}");
    round_trips.kill_nine();

    let mut monitoring = tool.start("startMonitoring", &[]);
    let group = "__MONITOR_CONSUMER";
    until("the monitor's consumer to be there", LIMIT, || {
        assert!(monitoring.ended().is_none(), "{}", monitoring.tail());
        let request = requests::of_group(RequestCode::GET_CONSUMER_CONNECTION_LIST, "consumerGroup", group);
        let answer = stand.ask(&stand.address, request);
        let members = ConsumerConnection::decode(&answer.body).map_err(|_| format!("{answer:?}"))?;
        let subscribed = members.subscription_table.contains_key("OFFSET_MOVED_EVENT");
        if subscribed { Ok(()) } else { Err(format!("{answer:?}")) }
    });
    monitoring.kill_nine();
}
