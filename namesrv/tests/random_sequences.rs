//! Whatever brokers, tools and broken peers send in whatever order: what has to hold holds.

mod exchange;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use exchange::{Exchange, json_frame, table_body, table_body_of_term};
use namesrv::Connection;
use namesrv::broker_liveness::BrokerIdentity;
use proptest::prelude::*;
use protocol::frame::decode_frame;

const CLUSTERS: [&str; 2] = ["C", "D"];
const NAMES: [&str; 3] = ["broker-a", "broker-b", "broker-c"];
const ADDRESSES: [&str; 4] = ["a:1", "a:2", "b:1", "b:2"];
const TOPICS: [&str; 4] = ["T", "U", "V", "W"];

#[derive(Debug, Clone)]
enum Step {
    Register { cluster: usize, name: usize, id: i64, address: usize, topics: usize, version: i64, more: Register },
    Unregister { cluster: usize, name: usize, address: usize },
    Heartbeat { cluster: usize, address: usize },
    Close { connection: u64 },
    Wait { seconds: u64 },
    DeleteTopic { topic: usize, cluster: Option<usize> },
    WipeWrites { name: usize },
}

#[derive(Debug, Clone)]
struct Register {
    connection: u64,
    state_version: i64,
    acting_master: Option<bool>,
    silence_seconds: Option<u64>,
}

fn step() -> impl Strategy<Value = Step> {
    let more = (0..4u64, 0..3i64, any::<Option<bool>>(), proptest::option::of(0..60u64)).prop_map(
        |(connection, state_version, acting_master, silence_seconds)| Register {
            connection,
            state_version,
            acting_master,
            silence_seconds,
        },
    );
    let register = (0..2usize, 0..3usize, 0..3i64, 0..4usize, 0..=4usize, 0..3i64, more).prop_map(
        |(cluster, name, id, address, topics, version, more)| Step::Register {
            cluster,
            name,
            id,
            address,
            topics,
            version,
            more,
        },
    );
    prop_oneof![
        6 => register,
        1 => (0..2usize, 0..3usize, 0..4usize)
            .prop_map(|(cluster, name, address)| Step::Unregister { cluster, name, address }),
        1 => (0..2usize, 0..4usize).prop_map(|(cluster, address)| Step::Heartbeat { cluster, address }),
        1 => (0..4u64).prop_map(|connection| Step::Close { connection }),
        1 => (1..100u64).prop_map(|seconds| Step::Wait { seconds }),
        1 => (0..4usize, proptest::option::of(0..2usize))
            .prop_map(|(topic, cluster)| Step::DeleteTopic { topic, cluster }),
        1 => (0..3usize).prop_map(|name| Step::WipeWrites { name }),
    ]
}

/// Who has an id of a group, and the state version that it is alive with in `cluster`.
fn holder(exchange: &Exchange, cluster: &str, name: &str, id: i64) -> Option<(String, Option<i64>)> {
    let registry = exchange.server.registry();
    let address = registry.routes().group(name)?.addresses.get(&id)?;
    let alive = registry.liveness().get(&BrokerIdentity::new(cluster, address));
    Some((address.clone(), alive.map(|broker| broker.data_version.state_version)))
}

fn run(exchange: &mut Exchange, step: &Step) {
    match step {
        Step::Register { cluster, name, id, address, topics, version, more } => {
            exchange.connection = Connection(more.connection);
            let id_number = *id;
            let (id, silence) = (id.to_string(), more.silence_seconds.map(|seconds| (seconds * 1000).to_string()));
            let mut fields = vec![
                ("clusterName", CLUSTERS[*cluster]),
                ("brokerName", NAMES[*name]),
                ("brokerAddr", ADDRESSES[*address]),
                ("brokerId", &id),
            ];
            fields.extend(more.acting_master.map(|on| ("enableActingMaster", if on { "true" } else { "false" })));
            fields.extend(silence.as_deref().map(|silence| ("heartbeatTimeoutMillis", silence)));
            let body = table_body_of_term(&TOPICS[..*topics], more.state_version, *version);
            let (cluster, name, address) = (CLUSTERS[*cluster], NAMES[*name], ADDRESSES[*address]);
            let before = holder(exchange, cluster, name, id_number);
            // A refused registration must leave as sound a state as any.
            let is_taken = exchange.ask(103, &fields, body.as_bytes()).code == 0;
            let after = holder(exchange, cluster, name, id_number).map(|(address, _)| address);
            match before {
                Some((holder, newer)) if holder != address && newer > Some(more.state_version) => {
                    assert_eq!(after, Some(holder), "a newer broker keeps its id");
                }
                _ if is_taken => assert_eq!(after.as_deref(), Some(address)),
                _ => {}
            }
        }
        Step::Unregister { cluster, name, address } => {
            let fields = [
                ("clusterName", CLUSTERS[*cluster]),
                ("brokerName", NAMES[*name]),
                ("brokerAddr", ADDRESSES[*address]),
                ("brokerId", "0"),
            ];
            assert_eq!(exchange.ask(104, &fields, b"").code, 0);
        }
        Step::Heartbeat { cluster, address } => {
            let fields = [("clusterName", CLUSTERS[*cluster]), ("brokerAddr", ADDRESSES[*address])];
            assert_eq!(exchange.ask(904, &fields, b"").code, 0);
        }
        Step::Close { connection } => exchange.server.connection_closed(Connection(*connection)),
        Step::Wait { seconds } => {
            exchange.now += Duration::from_secs(*seconds);
            for connection in exchange.server.scan(exchange.now) {
                exchange.server.connection_closed(connection);
            }
        }
        Step::DeleteTopic { topic, cluster } => {
            let mut fields = vec![("topic", TOPICS[*topic])];
            fields.extend(cluster.map(|cluster| ("clusterName", CLUSTERS[cluster])));
            assert_eq!(exchange.ask(216, &fields, b"").code, 0);
        }
        Step::WipeWrites { name } => {
            assert_eq!(exchange.ask(205, &[("brokerName", NAMES[*name])], b"").code, 0);
        }
    }
}

/// What the test itself can know: an address that no live broker has is nowhere.
fn check(exchange: &Exchange) {
    let registry = exchange.server.registry();
    let live: BTreeSet<_> =
        registry.liveness().iter().map(|(id, broker)| (broker.broker_name.as_str(), id.address.as_str())).collect();
    for (_, broker) in registry.liveness().iter() {
        assert!(broker.heard_at <= exchange.now);
    }
    for (name, group) in registry.routes().groups() {
        assert!(!group.addresses.is_empty(), "group {name} outlived its last address");
        let once: BTreeMap<_, _> = group.addresses.iter().map(|(id, address)| (address, id)).collect();
        assert_eq!(once.len(), group.addresses.len(), "an address has one id in its group");
        for address in group.addresses.values() {
            assert!(live.contains(&(name, address.as_str())), "{address} of {name} is not alive");
        }
    }
    for topic in registry.routes().topics() {
        let route = registry.route(topic, true).expect("a known topic has a route");
        assert!(!route.queue_datas.is_empty());
        let brokers: Vec<_> = route.broker_datas.iter().map(|broker| &broker.broker_name).collect();
        let queues: Vec<_> = route.queue_datas.iter().map(|queues| &queues.broker_name).collect();
        assert_eq!(brokers, queues, "queues and brokers belong together");
        let listed = route.broker_datas.iter().flat_map(|broker| {
            broker.broker_addrs.values().map(|address| (broker.broker_name.as_str(), address.as_str()))
        });
        for member in listed {
            assert!(live.contains(&member), "the route of {topic} lists {member:?}");
        }
    }
    let in_clusters: BTreeSet<_> =
        registry.routes().cluster_info().cluster_addr_table.into_values().flatten().collect();
    assert_eq!(in_clusters.len(), registry.routes().groups().count());
}

proptest! {
    #[test]
    fn routes_list_live_brokers_only(steps in proptest::collection::vec(step(), 1..60)) {
        let mut exchange = Exchange::new();
        for step in &steps {
            run(&mut exchange, step);
            check(&exchange);
        }
        // With every connection gone nothing is left.
        for connection in 0..4 {
            exchange.server.connection_closed(Connection(connection));
        }
        prop_assert_eq!(exchange.server.registry().liveness().count(), 0);
        prop_assert_eq!(exchange.server.registry().routes().groups().count(), 0);
        prop_assert_eq!(exchange.server.registry().routes().topic_count(), 0);
    }

    #[test]
    fn a_silent_broker_is_gone_after_its_time(steps in proptest::collection::vec(step(), 1..30)) {
        let mut exchange = Exchange::new();
        for step in &steps {
            run(&mut exchange, step);
        }
        run(&mut exchange, &Step::Wait { seconds: 121 });
        prop_assert_eq!(exchange.server.registry().routes().groups().count(), 0);
    }

    #[test]
    fn arbitrary_bodies_are_answered_and_leave_the_state_sound(
        code in prop_oneof![
            Just(100), Just(101), Just(102), Just(103), Just(104), Just(105), Just(106), Just(205), Just(206),
            Just(216), Just(217), Just(219), Just(224), Just(304), Just(311), Just(318), Just(319), Just(322),
            Just(327), Just(901), Just(904), any::<i32>(),
        ],
        fields in proptest::collection::btree_map(
            prop_oneof![
                Just("brokerName"), Just("brokerAddr"), Just("clusterName"), Just("brokerId"), Just("topic"),
                Just("namespace"), Just("key"), Just("value"), Just("bodyCrc32"), Just("heartbeatTimeoutMillis"),
            ],
            prop_oneof!["[0-9]{1,20}", "-[0-9]{1,19}", ".{0,10}"],
            0..10,
        ),
        body in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            proptest::collection::vec(any::<u8>(), 0..200).prop_map(|tail| [&b"\x78\xda"[..], &tail].concat()),
            "[{}\\[\\]:,\"a-z0-9]{0,100}".prop_map(String::into_bytes),
            damaged_table(),
        ],
    ) {
        let mut exchange = Exchange::new();
        exchange.register("broker-a", "a:1", &["T", "U"], &[]);
        let fields: Vec<_> = fields.iter().map(|(key, value)| (*key, value.as_str())).collect();
        exchange.ask(code, &fields, &body);
        check(&exchange);
    }

    #[test]
    fn arbitrary_headers_are_refused_or_answered(header in proptest::collection::vec(any::<u8>(), 0..100)) {
        let mut exchange = Exchange::new();
        let bytes = json_frame("", &[]);
        let (mut frame, _) = decode_frame(&bytes).unwrap().unwrap();
        frame.header = &header;
        let mut out = Vec::new();
        let answered = exchange.server.frame(exchange.now, exchange.connection, &frame, &mut out);
        prop_assert_eq!(!out.is_empty(), answered.unwrap_or(false));
    }
}

/// A registration with some bytes overwritten.
fn damaged_table() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4).prop_map(|damage| {
        let mut body = table_body(&["T", "U"], 1).into_bytes();
        for (at, byte) in damage {
            let at = at.index(body.len());
            body[at] = byte;
        }
        body
    })
}
