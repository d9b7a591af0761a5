//! The endpoint of real brokers and name servers: what it counts, and what it says of their health.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use interop::broker_start::BrokerStart;
use interop::http::{self, Answer};
use interop::live_broker::LiveBroker;
use interop::port_block::PortBlock;
use interop::process::Process;
use interop::raw_client::RawClient;
use interop::replica_group::{GroupSettings, ReplicaGroup};
use interop::replica_node::ReplicaNode;
use interop::run_lock::RunLock;
use interop::scratch::Scratch;
use interop::spawning::child_starts;
use interop::until::until;
use interop::{binaries, requests};
use protocol::code::RequestCode;
use protocol::command::RemotingCommand;

const WITHIN: Duration = Duration::from_secs(20);
/// Just below the limit of a message.
const LARGE_BYTES: usize = (4 << 20) - 1024;

/// The value of the only series that begins with `name` and has all of `labels`.
fn value(text: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let has = |line: &str| labels.iter().all(|(key, value)| line.contains(&format!("{key}=\"{value}\"")));
    let mut found = text
        .lines()
        .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])) && has(line));
    let line = found.next()?;
    assert_eq!(found.next(), None, "{name} {labels:?} is one series of\n{text}");
    line.rsplit_once(' ')?.1.parse().ok()
}

/// Waits until a series has a value: what was asked for a moment ago is answered from then.
fn wait_for(at: SocketAddr, name: &str, labels: &[(&str, &str)], expected: f64) {
    until(&format!("{name}{labels:?} to be {expected}"), WITHIN, || {
        let text = http::expect(at, "/metrics").body;
        let found = value(&text, name, labels);
        if found == Some(expected) { Ok(()) } else { Err(format!("{found:?}")) }
    });
}

fn send(client: &mut RawClient, topic: &str, body: &[u8]) {
    let answer = client.ask(requests::send(topic, 0, body));
    assert_eq!(answer.code, 0, "{answer:?}");
}

#[test]
fn what_is_sent_and_pulled_is_counted() {
    let scratch = Scratch::new("counted");
    let start = BrokerStart::new("counted", &scratch);
    let broker = start.ready();
    let at = start.endpoint();
    let mut client = RawClient::connect(broker.main());
    for _ in 0..7 {
        send(&mut client, "orders", b"0123456789");
    }
    let pulled = client.ask(requests::pull("orders", 0, 0));
    assert_eq!(pulled.code, 0, "{pulled:?}");
    assert_eq!(client.ask(requests::commit_offset("pullers", "orders", 0, 5)).code, 0);
    assert_eq!(client.ask(RemotingCommand::request(9_999, 0)).code, 3);

    let topic = [("topic", "orders"), ("node_id", "counted"), ("shard", "0"), ("cluster", "DefaultCluster")];
    wait_for(at, "rocketmq_messages_in_total", &topic, 7.0);
    let group = [("topic", "orders"), ("consumer_group", "pullers")];
    wait_for(at, "rocketmq_messages_out_total", &group, 7.0);
    wait_for(at, "rocketmq_consumer_lag_messages", &group, 2.0);
    let rpc = "rocketmq_rpc_latency_milliseconds_count";
    wait_for(at, rpc, &[("request_code", "send_message_v2"), ("response_code", "success")], 7.0);
    wait_for(at, rpc, &[("request_code", "pull_message"), ("response_code", "success")], 1.0);
    wait_for(at, rpc, &[("request_code", "unsupported")], 1.0);
    wait_for(at, "rocketmq_message_size_count", &[("shard", "0")], 7.0);
    wait_for(at, "turbopump_connections", &[("shard", "0")], 1.0);
    wait_for(at, "turbopump_shard_up", &[("shard", "0")], 1.0);
    wait_for(at, "turbopump_namesrv_brokers", &[("node_type", "nameserver")], 1.0);
    let text = http::expect(at, "/metrics").body;
    let bytes_in = value(&text, "rocketmq_throughput_in_total", &topic);
    assert_eq!(bytes_in, value(&text, "rocketmq_throughput_out_total", &group), "all of it was pulled");
    assert!(bytes_in.is_some_and(|bytes| bytes > 70.0), "{bytes_in:?}");
    for name in ["process_cpu_seconds_total", "process_open_fds", "rocketmq_storage_size_bytes"] {
        assert!(value(&text, name, &[]).is_some_and(|value| value >= 0.0), "{name}");
    }
    drop(client);
    wait_for(at, "turbopump_connections", &[("shard", "0")], 0.0);
    broker.terminate();
}

#[test]
fn a_held_pull_and_one_way_sends_are_counted_as_such() {
    let scratch = Scratch::new("held");
    let start = BrokerStart::new("held", &scratch);
    let broker = start.ready();
    let mut producer = RawClient::connect(broker.main());
    send(&mut producer, "T", b"first");
    let mut consumer = RawClient::connect(broker.main());
    let waiting = requests::with(requests::pull("T", 0, 1), "suspendTimeoutMillis", "60000");
    let flags = requests::PULL_WITH_SUBSCRIPTION | requests::PULL_MAY_WAIT;
    consumer.start(requests::with(waiting, "sysFlag", &flags.to_string()));
    wait_for(start.endpoint(), "turbopump_parked_pulls", &[], 1.0);
    let mut one_way = requests::send("T", 0, b"second");
    one_way.flag |= 2;
    producer.send(&one_way);
    let rpc = "rocketmq_rpc_latency_milliseconds_count";
    let held = [("request_code", "pull_message"), ("is_long_polling", "true"), ("response_code", "success")];
    wait_for(start.endpoint(), rpc, &held, 1.0);
    wait_for(start.endpoint(), rpc, &[("request_code", "send_message_v2"), ("result", "oneway")], 1.0);
    wait_for(start.endpoint(), "turbopump_parked_pulls", &[], 0.0);
    broker.terminate();
}

#[test]
fn connected_clients_are_counted_by_what_they_are() {
    let scratch = Scratch::new("clients");
    let start = BrokerStart::new("clients", &scratch);
    let broker = start.ready();
    let heartbeat = br#"{"clientID":"c@1","consumerDataSet":[{"consumeFromWhere":"CONSUME_FROM_LAST_OFFSET",
        "consumeType":"CONSUME_PASSIVELY","groupName":"g","messageModel":"CLUSTERING","subscriptionDataSet":[],
        "unitMode":false}],"heartbeatFingerprint":0,"producerDataSet":[{"groupName":"p"}],"withoutSub":false}"#;
    let mut client = RawClient::connect(broker.main());
    // The group is told of its new member before the heartbeat is answered.
    client.start(requests::with_body(RequestCode::HEART_BEAT, heartbeat));
    let at = start.endpoint();
    let consumer = [("consumer_group", "g"), ("consume_mode", "push"), ("language", "java"), ("is_system", "false")];
    wait_for(at, "rocketmq_consumer_connections", &consumer, 1.0);
    wait_for(at, "rocketmq_producer_connections", &[("language", "java"), ("protocol_type", "remoting")], 1.0);
    drop(client);
    until("the clients to be gone", WITHIN, || {
        let text = http::expect(at, "/metrics").body;
        let left = value(&text, "rocketmq_consumer_connections", &consumer);
        if left.is_none() { Ok(()) } else { Err(format!("{left:?}")) }
    });
    broker.terminate();
}

#[test]
fn the_host_report_has_the_machine_the_process_and_every_shard() {
    let scratch = Scratch::new("host-report");
    let start = BrokerStart::new("host-report", &scratch).shards(2);
    let broker = start.ready();
    let mut client = RawClient::connect(start.shard_address(1));
    send(&mut client, "T", b"x");
    until("the message to be in the report", WITHIN, || {
        let Answer { status, body } = http::expect(start.endpoint(), "/host");
        assert_eq!(status, 200, "{body}");
        let says = [
            format!("\"pid\":{}", broker.pid()),
            "\"cores\":[{".to_owned(),
            "\"name\":\"host-report\",\"index\":0,".to_owned(),
            "\"name\":\"host-report-1\",\"index\":1,".to_owned(),
            "\"sent_messages\":1,\"pulled_messages\":0".to_owned(),
        ];
        if says.iter().all(|text| body.contains(text)) { Ok(()) } else { Err(format!("{says:?} in {body}")) }
    });
    let text = http::expect(start.endpoint(), "/metrics").body;
    let seconds =
        |name| value(&text, name, &[("node_id", "host-report-1")]).unwrap_or_else(|| panic!("{name}: {text}"));
    let (taken, looked) =
        (seconds("turbopump_shard_cpu_seconds_total"), seconds("turbopump_shard_looked_seconds_total"));
    assert!(taken > 0.0 && (0.0..taken).contains(&looked), "{taken} s, of which {looked} s looking");
    broker.terminate();
}

/// Leaves a log of almost 100 MB that the next start has to read.
fn fill(broker: LiveBroker) {
    let mut client = RawClient::connect(broker.main());
    let body = vec![b'x'; LARGE_BYTES];
    for _ in 0..24 {
        send(&mut client, "large", &body);
    }
    broker.kill_nine();
}

/// What `/health/ready` answers while `during` runs.
fn watch<T>(at: SocketAddr, during: impl FnOnce() -> T) -> (T, Vec<Answer>) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut answers = Vec::new();
            while !done.load(Ordering::Relaxed) {
                // Before it listens and after it has gone nobody answers.
                answers.extend(http::get(at, "/health/ready"));
            }
            answers
        });
        let result = during();
        done.store(true, Ordering::Relaxed);
        (result, watcher.join().expect("the watcher does not panic"))
    })
}

#[test]
fn a_start_shows_its_recovery_and_a_stop_is_announced() {
    let scratch = Scratch::new("health");
    let start = BrokerStart::new("health", &scratch);
    fill(start.ready());
    let at = start.endpoint();
    let (broker, answers) = watch(at, || start.ready());
    let first = answers.first().expect("it listens before it serves");
    assert_eq!(first.status, 503, "{first:?}");
    assert!(first.body.contains("\"status\":\"starting\""), "{first:?}");
    let replays = |answer: &&Answer| answer.body.contains("\"phase\":\"replaying_log\"");
    let replayed: Vec<u64> =
        answers.iter().filter(replays).map(|answer| number(&answer.body, "replayed_bytes")).collect();
    assert!(replayed.is_sorted(), "{replayed:?}");
    assert!(replayed.last().is_some_and(|bytes| *bytes > 0), "{answers:?}");
    until("it to be ready", WITHIN, || {
        let answer = http::expect(at, "/health/ready");
        if answer.status == 200 { Ok(()) } else { Err(format!("{answer:?}")) }
    });
    assert_eq!(http::expect(at, "/health/live").status, 200);

    // Answers that nobody reads make the end wait a while.
    let mut idle_reader = RawClient::connect(broker.main());
    for _ in 0..8 {
        idle_reader.start(requests::pull("large", 0, 0));
    }
    let unread = |at| value(&http::expect(at, "/metrics").body, "turbopump_outbox_bytes", &[]).unwrap_or(0.0);
    until("answers to be unread", WITHIN, || if unread(at) > 0.0 { Ok(()) } else { Err(String::new()) });
    let ((), answers) = watch(at, || broker.terminate());
    let last = answers.last().expect("it answers while it stops");
    assert_eq!(last.status, 503, "{last:?}");
    assert!(last.body.contains("\"status\":\"stopping\""), "{last:?}");
}

/// The number that follows `key`.
fn number(json: &str, key: &str) -> u64 {
    let (_, rest) = json.split_once(&format!("\"{key}\":")).unwrap_or_else(|| panic!("{key} in {json}"));
    rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or_else(|_| panic!("{json}"))
}

/// Where a broker says that its metrics are.
fn announced(broker: &LiveBroker) -> Option<SocketAddr> {
    let output = broker.output();
    let line = output.lines().find_map(|line| line.trim().strip_prefix("metrics"))?;
    line.trim().strip_prefix("http://")?.strip_suffix("/metrics")?.parse().ok()
}

#[test]
fn brokers_of_one_host_find_ports_of_their_own_when_nobody_chose_one() {
    let scratch = Scratch::new("neighbours");
    let starts = ["one", "two"].map(|name| BrokerStart::new(name, &scratch).without("metricsPromExporterPort"));
    let brokers: Vec<LiveBroker> = starts.iter().map(BrokerStart::ready).collect();
    let addresses: Vec<SocketAddr> = brokers.iter().map(|broker| announced(broker).expect("it says where")).collect();
    assert_ne!(addresses[0], addresses[1]);
    for (address, name) in addresses.iter().zip(["one", "two"]) {
        assert!((5_557..5_573).contains(&address.port()), "{address}");
        let text = http::expect(*address, "/metrics").body;
        assert_eq!(value(&text, "turbopump_shard_up", &[("node_id", name)]), Some(1.0), "{text}");
    }
    brokers.into_iter().for_each(LiveBroker::terminate);
}

#[test]
fn a_chosen_port_that_is_taken_stops_the_start_and_a_switched_off_endpoint_needs_none() {
    let scratch = Scratch::new("endpoint-taken");
    let start = BrokerStart::new("endpoint-taken", &scratch);
    let held = TcpListener::bind((Ipv4Addr::UNSPECIFIED, start.endpoint().port())).expect("a free port");
    let output = start.refused();
    let words =
        [format!(":{} (metrics endpoint)", start.endpoint().port()), "set another metricsPromExporterPort".into()];
    assert!(words.iter().all(|words| output.contains(words.as_str())), "{output}");
    let broker = start.set("metricsExporterType", "DISABLE").ready();
    assert_eq!(announced(&broker), None, "{}", broker.output());
    broker.terminate();
    drop(held);
}

#[test]
fn a_name_server_of_its_own_shows_its_brokers_and_requests() {
    let scratch = Scratch::new("namesrv-metrics");
    let (home, ports) = (scratch.folder("home"), PortBlock::take());
    let settings = format!("listenPort={}\nmetricsPromExporterPort={}\n", ports.port(0), ports.port(1));
    let configuration = scratch.file("namesrv.conf", &settings);
    let mut command = Command::new(binaries::path_of("mqnamesrv"));
    command.arg("-c").arg(configuration).env("HOME", &home);
    let mut process = {
        let _starts = child_starts();
        Process::start("mqnamesrv", &mut command, &home.join("mqnamesrv.out"))
    };
    process.wait_for_line("metrics", WITHIN);
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, ports.port(1)));
    assert_eq!(http::expect(at, "/health/live").status, 200);
    assert_eq!(http::expect(at, "/health/ready").status, 200);
    let mut client = RawClient::connect((Ipv4Addr::LOCALHOST, ports.port(0)).into());
    let answer = client.ask(requests::route("nowhere"));
    assert_ne!(answer.code, 0);
    let rpc = [("request_code", "get_routeinfo_by_topic"), ("response_code", "topic_not_exist")];
    wait_for(at, "rocketmq_rpc_latency_milliseconds_count", &rpc, 1.0);
    wait_for(at, "turbopump_namesrv_connections", &[], 1.0);
    wait_for(at, "turbopump_namesrv_brokers", &[], 0.0);
    assert!(process.terminate(WITHIN).success());
}

#[test]
fn what_is_no_request_for_metrics_harms_nobody() {
    let scratch = Scratch::new("endpoint-noise");
    let start = BrokerStart::new("endpoint-noise", &scratch);
    let broker = start.ready();
    let mut noise = RawClient::connect(start.endpoint());
    let frame = requests::of_queue(RequestCode::GET_MAX_OFFSET, "T", 0);
    noise.send(&frame);
    assert_eq!(http::expect(start.endpoint(), "/nothing").status, 404);
    assert_eq!(http::expect(start.endpoint(), "/health/live").status, 200);
    send(&mut RawClient::connect(broker.main()), "T", b"x");
    broker.terminate();
}

/// Series of replicas only.
const REPLICATION: &str = "turbopump_replication_";

fn dashboard() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../dashboards/turbopump.json");
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn shows(text: &str, name: &str) -> bool {
    text.lines().any(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])))
}

/// The metrics that the queries of a dashboard name.
fn names_in(dashboard: &str) -> BTreeSet<&str> {
    let words = dashboard.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| ["rocketmq_", "turbopump_", "process_"].iter().any(|start| word.starts_with(start))).collect()
}

#[test]
fn the_dashboard_asks_for_what_a_broker_shows() {
    let scratch = Scratch::new("dashboard");
    let start = BrokerStart::new("dashboard", &scratch);
    let broker = start.ready();
    let mut client = RawClient::connect(broker.main());
    send(&mut client, "T", b"x");
    assert_eq!(client.ask(requests::pull("T", 0, 0)).code, 0);
    assert_eq!(client.ask(requests::commit_offset("pullers", "T", 0, 0)).code, 0);
    wait_for(start.endpoint(), "rocketmq_consumer_lag_messages", &[], 1.0);
    let dashboard = dashboard();
    let text = http::expect(start.endpoint(), "/metrics").body;
    let names = names_in(&dashboard);
    assert!(names.len() > 15, "{names:?}");
    for name in names {
        assert_eq!(shows(&text, name), !name.starts_with(REPLICATION), "{name} in\n{text}");
    }
    assert!(!text.contains(REPLICATION), "a broker without replicas shows none");
    broker.terminate();
}

/// Where a node says that its metrics are.
fn endpoint_of(node: &ReplicaNode) -> SocketAddr {
    let output = node.output();
    let at = output.lines().rev().find_map(|line| line.trim().strip_prefix("metrics")?.trim().strip_prefix("http://"));
    let at = at.and_then(|at| at.strip_suffix("/metrics")?.parse().ok());
    at.unwrap_or_else(|| panic!("it does not say where its metrics are:\n{output}"))
}

#[test]
fn a_replicated_broker_shows_its_roles_and_what_its_followers_lack() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("replica-metrics");
    let mut group = ReplicaGroup::start(&GroupSettings::new("trio"), &scratch);
    group.wait_until_balanced();
    let (leader, follower) = (endpoint_of(group.node(0)), endpoint_of(group.node(1)));
    let name = |rest: &str| format!("{REPLICATION}{rest}");
    wait_for(leader, &name("role"), &[("role", "leader")], 1.0);
    wait_for(leader, &name("followers_in_sync"), &[], 2.0);
    wait_for(follower, &name("role"), &[("role", "follower")], 1.0);
    wait_for(follower, &name("info"), &[("member", "n1"), ("leader", "n0")], 1.0);
    let lagging = [("follower", "n1"), ("node_id", "trio"), ("shard", "0")];
    wait_for(leader, &name("follower_lag_bytes"), &lagging, 0.0);

    group.node(1).kill_nine();
    let mut client = RawClient::connect(group.node(0).address(0));
    for _ in 0..5 {
        send(&mut client, "T", b"x");
    }
    wait_for(leader, &name("follower_active"), &lagging, 0.0);
    wait_for(leader, &name("followers_in_sync"), &[], 1.0);
    let text = http::expect(leader, "/metrics").body;
    for rest in ["follower_lag_entries", "follower_lag_bytes", "follower_lag_seconds"] {
        assert!(value(&text, &name(rest), &lagging).is_some_and(|lag| lag > 0.0), "{rest}: {text}");
    }
    let dashboard = dashboard();
    let names: Vec<&str> = names_in(&dashboard).into_iter().filter(|name| name.starts_with(REPLICATION)).collect();
    assert!(names.len() > 3, "{names:?}");
    for name in names {
        assert!(shows(&text, name), "{name} is not in\n{text}");
    }
}
