use super::*;
use crate::topic_routes::PERM_READ;

mod failover;

const A: Connection = Connection(1);
const B: Connection = Connection(2);

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn version(state_version: i64, counter: i64) -> DataVersion {
    DataVersion { state_version, timestamp: 1_700_000_000_000, counter }
}

fn topic(name: &str, queues: i32) -> TopicConfig {
    TopicConfig {
        topic_name: name.to_owned(),
        read_queue_nums: queues,
        write_queue_nums: queues,
        perm: PERM_READ | PERM_WRITE,
        ..TopicConfig::default()
    }
}

fn topics(names: &[&str]) -> BTreeMap<String, TopicConfig> {
    names.iter().map(|name| ((*name).to_owned(), topic(name, 4))).collect()
}

/// A master of group `broker-a` in cluster C with topics T and U.
fn master(address: &str) -> Registration<'_> {
    Registration {
        cluster: "C",
        broker_name: "broker-a",
        broker_id: MASTER_ID,
        address,
        ha_server_address: None,
        zone: None,
        silence_max: None,
        acting_master: None,
        data_version: version(0, 1),
        topics: topics(&["T", "U"]),
        mappings: BTreeMap::new(),
        filter_servers: Vec::new(),
        connection: A,
    }
}

fn slave(broker_id: i64, address: &str) -> Registration<'_> {
    Registration { broker_id, connection: B, ..master(address) }
}

struct Cluster(BrokerRegistry);

impl Cluster {
    fn new() -> Self {
        Self(BrokerRegistry::default())
    }

    fn register(&mut self, registration: Registration<'_>) -> MasterOfGroup {
        self.0.register(at(0), registration, false).unwrap()
    }

    fn addresses(&self) -> Vec<(i64, String)> {
        let group = self.0.routes().group("broker-a");
        group.map(|group| group.addresses.clone().into_iter().collect()).unwrap_or_default()
    }

    fn write_queues(&self, topic: &str) -> Option<i32> {
        self.0.route(topic, false).map(|route| route.queue_datas[0].write_queue_nums)
    }

    fn perm(&self, topic: &str) -> i32 {
        self.0.route(topic, false).unwrap().queue_datas[0].perm
    }
}

fn pairs(list: &[(i64, &str)]) -> Vec<(i64, String)> {
    list.iter().map(|(id, address)| (*id, (*address).to_owned())).collect()
}

#[test]
fn a_registered_broker_is_in_the_route_of_its_topics() {
    let mut cluster = Cluster::new();
    cluster.register(master("a:1"));
    let route = cluster.0.route("T", false).unwrap();
    assert_eq!(route.broker_datas[0].cluster, "C");
    assert_eq!(route.broker_datas[0].broker_addrs[&MASTER_ID], "a:1");
    assert!(route.filter_server_table.is_empty());
    assert_eq!(cluster.0.route("V", false), None);
}

#[test]
fn topics_are_taken_only_with_a_changed_version() {
    let mut cluster = Cluster::new();
    cluster.register(master("a:1"));
    let mut wider = topics(&["T", "U"]);
    wider.insert("T".to_owned(), topic("T", 16));
    cluster.register(Registration { topics: wider.clone(), ..master("a:1") });
    assert_eq!(cluster.write_queues("T"), Some(4), "equal in all three parts");
    for changed in [version(0, 2), version(1, 1), DataVersion { timestamp: 1_700_000_000_001, ..version(0, 1) }] {
        let mut cluster = Cluster::new();
        cluster.register(master("a:1"));
        cluster.register(Registration { topics: wider.clone(), data_version: changed, ..master("a:1") });
        assert_eq!(cluster.write_queues("T"), Some(16), "{changed:?}");
    }
}

#[test]
fn a_missing_topic_is_added_even_with_an_equal_version() {
    let mut cluster = Cluster::new();
    cluster.register(master("a:1"));
    cluster.0.delete_topic("T", None);
    cluster.register(master("a:1"));
    assert_eq!(cluster.write_queues("T"), Some(4));
}

#[test]
fn a_dropped_topic_stays_unless_the_name_server_is_told_otherwise() {
    let mut cluster = Cluster::new();
    cluster.register(master("a:1"));
    let fewer = || Registration { topics: topics(&["T", "V"]), data_version: version(0, 2), ..master("a:1") };
    cluster.register(fewer());
    assert!(cluster.0.route("U", false).is_some());
    cluster.0.register(at(0), fewer(), true).unwrap();
    assert_eq!(cluster.0.routes().topics().collect::<Vec<_>>(), ["T", "V"]);
}

#[test]
fn topics_with_static_mappings_are_never_dropped_by_a_registration() {
    let mut cluster = Cluster::new();
    cluster.register(master("a:1"));
    let mapping = serde_json::json!({"bname": "broker-a", "topic": "T"});
    let mappings = BTreeMap::from([("T".to_owned(), mapping)]);
    let fewer = Registration { topics: topics(&["T", "V"]), data_version: version(0, 2), mappings, ..master("a:1") };
    cluster.0.register(at(0), fewer, true).unwrap();
    assert!(cluster.0.route("U", false).is_some());
    assert!(cluster.0.route("T", false).unwrap().topic_queue_mapping_by_broker.is_some());
    assert!(cluster.0.route("V", false).unwrap().topic_queue_mapping_by_broker.is_none());
}

#[test]
fn a_single_topic_of_an_unknown_broker_is_refused_and_leaves_nothing() {
    let mut cluster = Cluster::new();
    let single = |id| Registration { topics: topics(&["T"]), ..slave(id, "a:9") };
    assert_eq!(cluster.0.register(at(0), single(0), false), Err(RegisterError::SingleTopicOfUnknownBroker));
    assert_eq!(cluster.0.routes().groups().count(), 0);
    assert_eq!(cluster.0.liveness().count(), 0);
    cluster.register(master("a:1"));
    assert_eq!(cluster.0.register(at(0), single(1), false), Err(RegisterError::SingleTopicOfUnknownBroker));
    cluster.register(Registration { topics: topics(&["V"]), data_version: version(0, 2), ..master("a:1") });
    assert!(cluster.0.route("V", false).is_some(), "a known broker may");
    cluster.register(Registration { topics: BTreeMap::new(), ..slave(1, "a:9") });
    assert_eq!(cluster.addresses(), pairs(&[(0, "a:1"), (1, "a:9")]), "none is no single topic");
}

#[test]
fn only_the_master_changes_topics() {
    let mut cluster = Cluster::new();
    cluster.register(master("a:1"));
    for acting_master in [None, Some(false), Some(true)] {
        let more = topics(&["V", "W"]);
        cluster.register(Registration { topics: more, acting_master, data_version: version(0, 9), ..slave(1, "a:2") });
        assert_eq!(cluster.0.route("V", false), None);
    }
}

#[test]
fn without_a_master_the_first_slave_that_knows_of_acting_masters_brings_its_topics() {
    let mut cluster = Cluster::new();
    cluster.register(slave(1, "a:2"));
    assert_eq!(cluster.0.route("T", false), None);

    let mut cluster = Cluster::new();
    cluster.register(Registration { acting_master: Some(false), ..slave(1, "a:2") });
    assert_eq!(cluster.perm("T"), PERM_READ | PERM_WRITE);
    cluster.register(Registration { acting_master: Some(false), topics: topics(&["V", "W"]), ..slave(2, "a:3") });
    assert_eq!(cluster.0.route("V", false), None, "not the first");

    let mut cluster = Cluster::new();
    cluster.register(Registration { acting_master: Some(true), ..slave(1, "a:2") });
    assert_eq!(cluster.perm("T"), PERM_READ, "an acting master takes no writes");
}

#[test]
fn a_returning_master_makes_its_topics_writable_again() {
    let mut cluster = Cluster::new();
    let acting = |registration| Registration { acting_master: Some(true), ..registration };
    cluster.register(acting(master("a:1")));
    cluster.register(acting(slave(1, "a:2")));
    cluster.0.connection_closed(A);
    assert_eq!(cluster.perm("T"), PERM_READ);
    assert_eq!(cluster.0.route("T", true).unwrap().broker_datas[0].broker_addrs[&MASTER_ID], "a:2");
    cluster.register(acting(master("a:1")));
    assert_eq!(cluster.perm("T"), PERM_READ | PERM_WRITE);
}

#[test]
fn an_address_that_moves_to_another_id_gives_up_the_old_one() {
    let mut cluster = Cluster::new();
    cluster.register(slave(1, "a:2"));
    cluster.register(Registration { broker_id: MASTER_ID, ..slave(1, "a:2") });
    assert_eq!(cluster.addresses(), pairs(&[(0, "a:2")]));
    assert_eq!(cluster.write_queues("T"), Some(4), "a new master's topics count whatever their version");
}

#[test]
fn another_address_takes_an_id_over() {
    let mut cluster = Cluster::new();
    cluster.register(master("a:1"));
    cluster.register(Registration { connection: B, ..master("b:1") });
    assert_eq!(cluster.addresses(), pairs(&[(0, "b:1")]));
    cluster.0.connection_closed(A);
    assert_eq!(cluster.addresses(), pairs(&[(0, "b:1")]), "the old holder's end changes nothing");
}

#[test]
fn a_slave_that_takes_the_masters_id_over_brings_its_topics() {
    let mut cluster = Cluster::new();
    cluster.register(master("a:1"));
    let promoted = topics(&["T", "U"]).into_keys().map(|name| (name.clone(), topic(&name, 16))).collect();
    cluster.register(slave(1, "a:2"));
    cluster.register(Registration { topics: promoted, connection: B, ..master("a:2") });
    assert_eq!(cluster.addresses(), pairs(&[(0, "a:2")]));
    assert_eq!(cluster.write_queues("T"), Some(16));
}

#[test]
fn a_taken_id_stays_with_the_larger_state_version() {
    let mut cluster = Cluster::new();
    cluster.register(Registration { data_version: version(5, 1), ..master("a:1") });
    cluster.register(Registration { data_version: version(5, 1), connection: B, ..slave(1, "b:1") });
    let stale = Registration { data_version: version(4, 9), connection: B, ..master("b:1") };
    assert_eq!(cluster.register(stale), MasterOfGroup::default(), "silently");
    assert_eq!(cluster.addresses(), pairs(&[(0, "a:1")]));
    assert_eq!(cluster.0.liveness().count(), 1, "the stale broker is forgotten");
    cluster.register(Registration { data_version: version(5, 0), connection: B, ..master("b:1") });
    assert_eq!(cluster.addresses(), pairs(&[(0, "b:1")]), "an equal one replaces");
}

#[test]
fn a_slave_is_told_its_master_and_a_master_nothing() {
    let mut cluster = Cluster::new();
    assert_eq!(cluster.register(slave(1, "a:2")), MasterOfGroup::default());
    let with_ha = Registration { ha_server_address: Some("a:11"), ..master("a:1") };
    assert_eq!(cluster.register(with_ha), MasterOfGroup::default());
    let told = MasterOfGroup { address: Some("a:1".to_owned()), ha_server_address: Some("a:11".to_owned()) };
    assert_eq!(cluster.register(slave(1, "a:2")), told);
}

#[test]
fn a_closed_connection_evicts_at_once() {
    let mut cluster = Cluster::new();
    cluster.register(master("a:1"));
    cluster.register(slave(1, "a:2"));
    cluster.0.connection_closed(B);
    assert_eq!(cluster.addresses(), pairs(&[(0, "a:1")]));
    cluster.0.connection_closed(A);
    assert_eq!(cluster.0.route("T", false), None);
    assert_eq!(cluster.0.routes().groups().count(), 0);
}

#[test]
fn the_old_connection_of_a_broker_that_came_back_evicts_nothing() {
    let mut cluster = Cluster::new();
    cluster.register(master("a:1"));
    cluster.register(Registration { connection: B, ..master("a:1") });
    cluster.0.connection_closed(A);
    assert_eq!(cluster.addresses(), pairs(&[(0, "a:1")]));
}

#[test]
fn a_silent_broker_is_evicted_and_its_connection_closed() {
    let mut cluster = Cluster::new();
    cluster.register(master("a:1"));
    cluster.register(Registration { silence_max: Some(at(10)), ..slave(1, "a:2") });
    assert!(cluster.0.evict_silent(at(10)).is_empty());
    assert_eq!(cluster.0.evict_silent(at(11)), [B]);
    cluster.0.heard(&BrokerIdentity::new("C", "a:1"), at(60));
    assert!(cluster.0.evict_silent(at(121)).is_empty());
    assert_eq!(cluster.0.evict_silent(at(181)), [A]);
    assert_eq!(cluster.0.routes().topic_count(), 0);
}

#[test]
fn a_connection_that_another_live_broker_uses_is_not_closed() {
    let mut cluster = Cluster::new();
    cluster.register(master("a:1"));
    cluster.register(Registration { silence_max: Some(at(10)), connection: A, ..slave(1, "a:2") });
    assert!(cluster.0.evict_silent(at(11)).is_empty());
    assert_eq!(cluster.addresses(), pairs(&[(0, "a:1")]));
}

#[test]
fn an_unregistered_broker_is_gone_and_an_unknown_one_is_no_error() {
    let mut cluster = Cluster::new();
    cluster.register(master("a:1"));
    cluster.0.unregister(&BrokerIdentity::new("C", "x:1"));
    cluster.0.unregister(&BrokerIdentity::new("D", "a:1"));
    assert_eq!(cluster.addresses(), pairs(&[(0, "a:1")]));
    cluster.0.unregister(&BrokerIdentity::new("C", "a:1"));
    assert_eq!(cluster.0.routes().groups().count(), 0);
    assert_eq!(cluster.0.liveness().count(), 0);
}

#[test]
fn a_broker_that_comes_back_under_another_name_leaves_its_old_group() {
    let mut cluster = Cluster::new();
    cluster.register(master("a:1"));
    cluster.register(Registration { broker_name: "broker-z", ..master("a:1") });
    assert_eq!(cluster.0.routes().groups().map(|(name, _)| name).collect::<Vec<_>>(), ["broker-z"]);
    assert_eq!(cluster.0.route("T", false).unwrap().broker_datas.len(), 1);
}

#[test]
fn wiped_permissions_last_until_the_version_changes() {
    let mut cluster = Cluster::new();
    cluster.register(master("a:1"));
    cluster.0.change_permission("broker-a", |perm| perm & !PERM_WRITE);
    cluster.register(master("a:1"));
    assert_eq!(cluster.perm("T"), PERM_READ);
    cluster.register(Registration { data_version: version(0, 2), ..master("a:1") });
    assert_eq!(cluster.perm("T"), PERM_READ | PERM_WRITE);
}

#[test]
fn filter_servers_are_in_the_routes_of_their_broker() {
    let mut cluster = Cluster::new();
    cluster.register(Registration { filter_servers: vec!["f:1".to_owned()], ..master("a:1") });
    cluster.register(Registration { broker_name: "broker-b", topics: topics(&["V", "W"]), ..slave(0, "b:1") });
    let table = |topic: &str| cluster.0.route(topic, false).unwrap().filter_server_table;
    assert_eq!(table("T"), BTreeMap::from([("a:1".to_owned(), vec!["f:1".to_owned()])]));
    assert!(table("V").is_empty());
}

#[test]
fn a_topic_is_registered_only_at_known_groups() {
    let queues = |broker_name: &str| QueueData {
        broker_name: broker_name.to_owned(),
        read_queue_nums: 1,
        write_queue_nums: 1,
        perm: 6,
        topic_sys_flag: 0,
    };
    let mut cluster = Cluster::new();
    cluster.register(master("a:1"));
    cluster.0.register_topic("N", vec![queues("broker-a"), queues("unknown")]).unwrap();
    assert_eq!(cluster.0.route("N", false), None);
    cluster.0.register_topic("N", vec![queues("broker-a")]).unwrap();
    assert_eq!(cluster.write_queues("N"), Some(1));
}

#[test]
fn the_limits_are_refusals() {
    let mut cluster = Cluster::new();
    for number in 0..BROKERS_MAX {
        let (broker_name, address) = (format!("broker-{number}"), format!("a:{number}"));
        cluster.register(Registration { topics: BTreeMap::new(), broker_name: &broker_name, ..master(&address) });
    }
    let one_more = Registration { topics: BTreeMap::new(), ..slave(-1, "b:1") };
    let refused = cluster.0.register(at(0), one_more, false);
    assert_eq!(refused, Err(RegisterError::TooManyBrokers { count: BROKERS_MAX }));
    let known = Registration { topics: BTreeMap::new(), broker_name: "broker-7", ..master("a:7") };
    cluster.0.register(at(0), known, false).unwrap();
}
