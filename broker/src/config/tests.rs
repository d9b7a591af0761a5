use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use observe::PortChoice;

use super::parse::cpu_choice::CpuChoice;
use super::property::{Class, Kind, Property};
use super::property_table::PROPERTIES;
use super::sources::Assignment;
use super::*;
use crate::placement::{CpuPlace, Topology};

/// A machine of eight processors, four of which this process may run on.
pub(super) fn machine() -> MachineDefaults {
    MachineDefaults {
        host_name: "node-7".to_owned(),
        local_ipv4: Some(Ipv4Addr::new(10, 0, 0, 7)),
        home: Some("/home/u".into()),
        cpus: vec![0, 1, 4, 5],
        cpus_usable: 4,
        topology: Topology::default(),
        resolve: |host| (host == "known.example.com").then_some(IpAddr::V4(Ipv4Addr::new(10, 9, 9, 9))),
    }
}

pub(super) fn load_on(
    machine: MachineDefaults,
    mode: Mode,
    text: &str,
) -> Result<(BrokerConfig, Vec<ConfigWarning>), ConfigErrors> {
    let mut sources = Sources::new(mode, None);
    sources.add_text("broker.conf", text).unwrap();
    BrokerConfig::load(&sources, machine)
}

pub(super) fn load(text: &str) -> (BrokerConfig, Vec<ConfigWarning>) {
    load_on(machine(), Mode::Server, text).unwrap_or_else(|errors| panic!("{errors}"))
}

pub(crate) fn config(text: &str) -> BrokerConfig {
    load(text).0
}

pub(super) fn standalone(text: &str) -> BrokerConfig {
    load_on(machine(), Mode::Standalone, text).unwrap_or_else(|errors| panic!("{errors}")).0
}

/// The message of the only error.
pub(super) fn error(text: &str) -> String {
    error_in(Mode::Server, text)
}

fn error_in(mode: Mode, text: &str) -> String {
    let errors = load_on(machine(), mode, text).expect_err("refused").0;
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors[0].to_string()
}

pub(super) fn warnings(text: &str) -> Vec<String> {
    let all = load(&format!("namesrvAddr=a:1\n{text}")).1;
    all.iter().map(ConfigWarning::to_string).collect()
}

#[test]
fn an_empty_configuration_has_rocketmqs_defaults() {
    let config = config("");
    assert_eq!(config.identity.cluster_name, "DefaultCluster");
    assert_eq!(config.identity.broker_name, "node-7");
    assert_eq!(config.identity.permission, 6);
    assert_eq!((config.network.listen_port, config.network.ha_listen_port), (10911, 10912));
    assert_eq!(config.network.advertised_host, "10.0.0.7");
    assert_eq!(config.network.idle_timeout, Duration::from_secs(120));
    assert_eq!(config.store.root, Path::new("/home/u/store"));
    assert_eq!(config.store.segment_bytes, 1 << 30);
    assert_eq!(config.store.flush, FlushDiskType::Async);
    assert_eq!(config.store.reserved_time, Duration::from_secs(72 * 3600));
    assert!(config.store.delete_hours.contains(4));
    assert_eq!(config.sends.body_bytes_max, 4 << 20);
    assert_eq!(config.pulls.from_memory, TransferLimits { messages_max: 32, bytes_max: 256 << 10 });
    assert_eq!(config.pulls.from_disk, TransferLimits { messages_max: 8, bytes_max: 64 << 10 });
    assert_eq!(config.topics.default_queues, 8);
    assert_eq!(config.topics.delay_levels.level_max(), 18);
    assert_eq!(config.registration.period, Duration::from_secs(30));
    assert!(!config.registration.compressed);
    assert_eq!(config.consumers.client_expiry, Duration::from_secs(120));
}

#[test]
fn a_file_of_rocketmq_starts_without_warning_about_what_works() {
    let text = "brokerClusterName = DefaultCluster\nbrokerName = broker-a\nbrokerId = 0\ndeleteWhen = 04\n\
        fileReservedTime = 48\nbrokerRole = ASYNC_MASTER\nflushDiskType = ASYNC_FLUSH\nnamesrvAddr=a:9876;b:9876\n\
        brokerIP1=192.168.1.5\nautoCreateTopicEnable=true\nlistenPort=30911\nstorePathRootDir=/data/rmq\n";
    let (config, warnings) = load(text);
    assert_eq!(warnings, []);
    assert_eq!(config.registration.name_servers.to_string(), "a:9876;b:9876");
    assert_eq!(config.shard(0).advertised_address, "192.168.1.5:30911");
    assert_eq!(config.store.reserved_time, Duration::from_secs(48 * 3600));
}

#[test]
fn every_property_can_be_set_to_its_own_effective_value() {
    let before = config("namesrvAddr=a:1");
    let after = config(&before.format_properties());
    assert_eq!(after.format_properties(), before.format_properties());
}

/// Another value than the default.
fn other_value(property: &Property, default: &str) -> String {
    match property.kind {
        Kind::Bool => (default == "false").to_string(),
        Kind::Int { max, .. } | Kind::IntClamped { max, .. } => {
            let default: i64 = default.parse().unwrap();
            if default < max { default + 1 } else { default - 1 }.to_string()
        }
        Kind::Choice(words) => (*words.iter().find(|word| **word != default).unwrap()).to_owned(),
        Kind::Text | Kind::Name | Kind::TopicName | Kind::GroupName => "another".to_owned(),
        Kind::NodeId => "n1".to_owned(),
        Kind::RaftPeers => "n0-10.0.0.7:1;n1-10.0.0.8:1".to_owned(),
        Kind::HostPort => "10.0.0.8:10912".to_owned(),
        Kind::IpAddress | Kind::Host => "127.0.0.2".to_owned(),
        Kind::Path => "/another".to_owned(),
        Kind::SegmentBytes => (512 << 20).to_string(),
        Kind::RingBytes => (32 << 20).to_string(),
        Kind::DelayLevels => "7s".to_owned(),
        Kind::NameServers => "another:9876".to_owned(),
        Kind::Hours => "05".to_owned(),
        Kind::Cpus => "0".to_owned(),
    }
}

/// Other settings without which a property says nothing.
fn needed_for(property: &str) -> &'static str {
    match property {
        "dLegerGroup" | "dLegerJoin" | "dLegerPeers" | "dLegerSelfId" | "preferredLeaderId" | "electionTimeoutMs" => {
            "enableDLegerCommitLog=true\ndLegerGroup=g\ndLegerPeers=n0-10.0.0.7:40911;n1-10.0.0.8:40911\ndLegerSelfId=n0\n"
        }
        "enableDLegerCommitLog" => "dLegerGroup=g\ndLegerPeers=n0-10.0.0.7:40911\ndLegerSelfId=n0\n",
        "inSyncReplicas" | "minInSyncReplicas" | "haMaxGapNotInSync" | "slaveTimeout" => {
            "brokerRole=SYNC_MASTER\nenableAutoInSyncReplicas=true\ninSyncReplicas=3\n"
        }
        "enableAutoInSyncReplicas" => "brokerRole=SYNC_MASTER\n",
        "popInflightMessageThreshold" => "enablePopMessageThreshold=true\n",
        "haMasterAddress" | "brokerId" => "brokerRole=SLAVE\nbrokerId=7\n",
        _ => "",
    }
}

#[test]
fn every_working_property_reaches_a_field() {
    let fields = |config: &BrokerConfig| {
        let BrokerConfig { identity, network, shards, store, topics, timers, pops, .. } = config;
        let BrokerConfig {
            sends,
            transactions,
            pulls,
            queries,
            consumers,
            assignment,
            registration,
            replication,
            endpoint,
            ..
        } = config;
        let first = format!("{identity:?}{network:?}{shards:?}{store:?}{topics:?}{timers:?}{pops:?}");
        let Replication { mode, slave_reads, catch_up_bytes_per_second, .. } = replication;
        let copies = format!("{mode:?}{slave_reads:?}{catch_up_bytes_per_second}");
        let of_clients = format!("{sends:?}{transactions:?}{pulls:?}{queries:?}{consumers:?}{assignment:?}");
        format!("{first}{of_clients}{registration:?}{copies}{endpoint:?}")
    };
    let elsewhere = ["configBlackList"]; // read by `update`
    let works = |property: &&Property| property.class == Class::Works && !elsewhere.contains(&property.name);
    for property in PROPERTIES.iter().filter(works) {
        let needed = needed_for(property.name);
        let before = config(needed);
        let value = other_value(property, &before.property(property.name).unwrap());
        let after = config(&format!("{needed}{}={value}", property.name));
        assert_eq!(after.property(property.name), Some(value), "{}", property.name);
        assert_ne!(fields(&after), fields(&before), "{}", property.name);
    }
}

#[test]
fn an_unknown_property_is_refused_with_line_and_nearest_name() {
    assert_eq!(
        error("# comment\nflushDisktype=SYNC_FLUSH\n"),
        "broker.conf line 2: unknown property flushDisktype; the nearest known is flushDiskType"
    );
}

#[test]
fn a_wrong_value_is_refused_with_key_value_range_and_line() {
    assert_eq!(
        error("\nlistenPort=99999\n"),
        "broker.conf line 2: listenPort=99999 is refused, allowed is a number from 1 to 65535"
    );
    assert_eq!(
        error("flushDiskType=FAST"),
        "broker.conf line 1: flushDiskType=FAST is refused, allowed is one of ASYNC_FLUSH, SYNC_FLUSH"
    );
    assert!(error("messageDelayLevel=1s 5x").contains("level 2 is `5x`"));
    assert!(error("namesrvAddr=a:9876,b").contains("`a:9876,b`"));
    assert!(error("cpus=0-").contains("`0-`"));
}

#[test]
fn all_errors_are_reported_at_once() {
    let errors = load_on(machine(), Mode::Server, "listenPort=0\nbrokerNam=a\naclEnable=true\n").unwrap_err();
    assert_eq!(errors.0.len(), 3);
    assert_eq!(errors.to_string().lines().count(), 3);
}

#[test]
fn flags_overrule_the_file_and_the_file_overrules_the_environment() {
    let mut sources = Sources::new(Mode::Server, Some("env:1".to_owned()));
    let addresses = |sources: &Sources| {
        let (config, warnings) = BrokerConfig::load(sources, machine()).unwrap();
        assert_eq!(warnings, []);
        config.registration.name_servers.to_string()
    };
    assert_eq!(addresses(&sources), "env:1");
    sources.add_text("broker.conf", "namesrvAddr=file:1").unwrap();
    assert_eq!(addresses(&sources), "file:1");
    sources.assignments.push(Assignment::from_flag("-n", "namesrvAddr", "flag:1"));
    assert_eq!(addresses(&sources), "flag:1");
}

#[test]
fn a_property_that_stands_twice_in_a_file_takes_the_last_value_and_warns() {
    let config = config("listenPort=10921\nlistenPort=10931\n");
    assert_eq!(config.network.listen_port, 10931);
    let warnings = warnings("listenPort=10921\nlistenPort=10931");
    assert_eq!(warnings, ["listenPort is set twice: broker.conf line 2 is overruled by broker.conf line 3"]);
}

#[test]
fn a_property_without_meaning_warns_once_and_says_why() {
    let warnings = warnings("transientStorePoolEnable=true");
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].starts_with("broker.conf line 2: transientStorePoolEnable has no effect: "), "{warnings:?}");
    assert!(warnings[0].contains("direct I/O"), "{warnings:?}");
}

#[test]
fn a_property_without_meaning_takes_any_value() {
    assert_eq!(warnings("sendMessageThreadPoolNums=16 # many").len(), 1);
}

#[test]
fn what_is_not_there_yet_warns_unless_it_stays_off() {
    assert!(warnings("enabledAppendPropCRC=false").is_empty());
    assert!(warnings("enabledAppendPropCRC=true")[0].contains("is not there yet"));
}

#[test]
fn access_control_controllers_and_tls_are_refused_and_may_be_switched_off() {
    for line in ["aclEnable=true", "authenticationEnabled=true", "enableControllerMode=true", "useTLS=true"] {
        let text = error(line);
        assert!(text.contains(line) && text.contains("is not there yet"), "{text}");
    }
    let (_, warnings) = load("namesrvAddr=a:1\naclEnable=FALSE\nenableControllerMode=false");
    assert_eq!(warnings, []);
}

#[test]
fn the_registration_period_moves_into_its_range_with_a_warning() {
    assert_eq!(config("registerNameServerPeriod=1000").registration.period, Duration::from_secs(10));
    assert_eq!(config("registerNameServerPeriod=90000").registration.period, Duration::from_secs(60));
    assert_eq!(
        warnings("registerNameServerPeriod=90000"),
        ["broker.conf line 2: registerNameServerPeriod=90000 is outside its range, 60000 is used"]
    );
}

#[test]
fn a_master_has_id_zero_whatever_its_file_says() {
    let (config, warnings) = load("namesrvAddr=a:1\nbrokerId=-1");
    assert_eq!(config.identity.broker_id, 0);
    assert_eq!(warnings.len(), 1);
}

#[test]
fn without_name_server_the_user_is_told() {
    assert_eq!(load("").1, [ConfigWarning::NoNameServer]);
}

#[test]
fn each_shard_is_a_broker_of_its_own() {
    let config = config("brokerName=broker-a\nshards=3\nlistenPort=20911\n");
    let shards: Vec<_> = config.all_shards().collect();
    assert_eq!(
        shards.iter().map(|s| s.broker_name.as_str()).collect::<Vec<_>>(),
        ["broker-a", "broker-a-1", "broker-a-2"]
    );
    assert_eq!(shards[2].listen_port, 20931);
    assert_eq!(shards[2].fast_listen_port, 20929);
    assert_eq!(shards[2].ha_listen_port, 20932);
    assert_eq!(shards[2].advertised_address, "10.0.0.7:20931");
}

#[test]
fn shards_take_one_processor_each_of_the_affinity_mask() {
    let config = config("");
    assert_eq!(config.shards.count, 4);
    assert_eq!(config.all_shards().map(|shard| shard.cpu).collect::<Vec<_>>(), [Some(0), Some(1), Some(4), Some(5)]);
}

/// No processor.
const NOBODY: [usize; 0] = [];

/// Four cores of two threads each, numbered as Linux on x86 does; all of them may be used.
fn hyper_threaded() -> MachineDefaults {
    let topology = Topology::of((0..8).map(|cpu| (cpu, CpuPlace { core: cpu % 4, node: 0 })));
    MachineDefaults { cpus: (0..8).collect(), cpus_usable: 8, topology, ..machine() }
}

#[test]
fn hyper_thread_siblings_are_for_shards_only_if_they_are_named() {
    let cpus = |text: &str| {
        let (config, _) = load_on(hyper_threaded(), Mode::Server, text).unwrap();
        config.all_shards().map(|shard| shard.cpu.unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(cpus(""), [0, 1, 2, 3]);
    assert_eq!(cpus("shards=6"), [0, 1, 2, 3, 0, 1]);
    assert_eq!(cpus("cpus=0-7"), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(cpus("cpus=0,4"), [0, 4]);
}

#[test]
fn what_is_no_shard_runs_beside_the_shards() {
    let placement = |text: &str| load_on(hyper_threaded(), Mode::Server, text).unwrap().0.placement();
    assert_eq!(placement("").rest, [4, 5, 6, 7]);
    assert_eq!(placement("cpus=0-1").rest, [2, 3, 6, 7]);
    assert_eq!(placement("cpus=0-7").rest, NOBODY);
    assert_eq!(placement("cpus=any\nshards=2").rest, NOBODY);
}

#[test]
fn fewer_shards_take_the_first_processors_and_more_shards_share_them() {
    let cpus = |text: &str| config(text).all_shards().map(|shard| shard.cpu.unwrap()).collect::<Vec<_>>();
    assert_eq!(cpus("shards=2"), [0, 1]);
    assert_eq!(cpus("shards=6"), [0, 1, 4, 5, 0, 1]);
    assert_eq!(cpus("shards=3\ncpus=5,0"), [5, 0, 5]);
}

#[test]
fn a_list_of_processors_alone_means_one_shard_each() {
    let config = config("cpus=4-5");
    assert_eq!(config.shards.count, 2);
    assert_eq!(config.shard(1).cpu, Some(5));
}

#[test]
fn processors_outside_the_affinity_mask_are_refused_naming_the_mask() {
    assert_eq!(
        error("cpus=0-3"),
        "broker.conf line 1: cpus=0-3 names processors 2-3; this process may run on 0-1,4-5 only"
    );
}

#[test]
fn under_a_processor_quota_shards_are_counted_by_it_and_not_pinned() {
    let machine = MachineDefaults { cpus_usable: 2, ..machine() };
    let (config, _) = load_on(machine, Mode::Server, "").unwrap();
    assert_eq!(config.shards.count, 2);
    assert_eq!(config.shards.cpus, CpuChoice::Any);
    assert_eq!(config.shard(1).cpu, None);
}

#[test]
fn shards_whose_ports_do_not_exist_are_refused() {
    let text = error("listenPort=65500\nshards=10\n");
    assert!(text.contains("10 shards starting at listenPort=65500 run from 65498 to 65591"), "{text}");
    assert!(error("listenPort=65535\nshards=1").contains("65536"));
    assert!(error("listenPort=2\nshards=1").contains("run from 0 to 3"));
}

#[test]
fn two_listeners_on_one_port_are_refused() {
    let text = error("haListenPort=10921\nshards=2\n");
    assert!(text.contains("port 10921 is wanted twice, as HA port of shard 0 and as main port of shard 1"), "{text}");
    let text = error_in(Mode::Standalone, "namesrvListenPort=10909\n");
    assert!(text.contains("as name server and as fast port of shard 0"), "{text}");
}

#[test]
fn an_ha_port_of_zero_means_the_default() {
    assert_eq!(config("haListenPort=0\nlistenPort=11000").network.ha_listen_port, 11001);
}

#[test]
fn an_advertised_name_is_looked_up_for_message_ids() {
    let config = config("brokerIP1=known.example.com");
    assert_eq!(config.shard(0).advertised_address, "known.example.com:10911");
    assert_eq!(config.network.advertised_ip, IpAddr::V4(Ipv4Addr::new(10, 9, 9, 9)));
    assert!(error("brokerIP1=unknown.example.com").contains("brokerIP1=unknown.example.com is a name without address"));
    assert!(error("brokerIP1=0.0.0.0").contains("cannot be connected to"));
}

#[test]
fn without_any_network_the_broker_advertises_loopback_and_says_so() {
    let (config, warnings) =
        load_on(MachineDefaults { local_ipv4: None, ..machine() }, Mode::Server, "namesrvAddr=a:1").unwrap();
    assert_eq!(config.network.advertised_host, "127.0.0.1");
    assert_eq!(warnings, [ConfigWarning::OnlyLoopback]);
}

#[test]
fn standalone_serves_one_user_of_one_machine() {
    let (config, warnings) = load_on(machine(), Mode::Standalone, "").unwrap();
    assert_eq!(warnings, []);
    assert_eq!(config.network.advertised_host, "127.0.0.1");
    assert_eq!(config.network.bind_address.to_string(), "0.0.0.0");
    assert_eq!(config.registration.name_servers.to_string(), "127.0.0.1:9876");
    assert_eq!(config.own_name_server().unwrap().to_string(), "0.0.0.0:9876");
    assert_eq!(config.store.root, Path::new("/home/u/turbopump"));
    assert_eq!(config.shards.count, 2);
    assert_eq!(config.shard(0).cpu, None);
    assert!(config.store.log_cache_bytes < self::config("").store.log_cache_bytes);
}

#[test]
fn standalone_can_be_changed_like_any_broker() {
    let config = standalone("namesrvListenPort=9976\nnamesrvAddr=other:9876\ncpus=1\nstorePathRootDir=~/elsewhere\n");
    assert_eq!(config.registration.name_servers.to_string(), "127.0.0.1:9976;other:9876");
    assert_eq!(config.shard(0).cpu, Some(1));
    assert_eq!(config.store.root, Path::new("/home/u/elsewhere"));
}

#[test]
fn a_server_starts_no_name_server() {
    assert_eq!(config("").own_name_server(), None);
}

#[test]
fn a_home_folder_is_needed_only_for_paths_that_start_there() {
    let homeless = || MachineDefaults { home: None, ..machine() };
    let errors = load_on(homeless(), Mode::Server, "").unwrap_err().to_string();
    assert!(errors.contains("storePathRootDir=~/store starts at the home folder"), "{errors}");
    assert!(load_on(homeless(), Mode::Server, "storePathRootDir=/data").is_ok());
}

#[test]
fn a_commit_log_path_below_the_root_warns_and_any_other_is_refused() {
    let warned = warnings("storePathRootDir=/data\nstorePathCommitLog=/data/commitlog");
    assert!(warned.len() == 1 && warned[0].contains("storePathCommitLog has no effect"), "{warned:?}");
    let text = error("storePathRootDir=/data\nstorePathCommitLog=/ssd/commitlog");
    assert!(text.contains("storePathCommitLog=/ssd/commitlog is outside storePathRootDir=/data"), "{text}");
}

#[test]
fn a_segment_holds_the_largest_message() {
    let text = error("mappedFileSizeCommitLog=1048576");
    assert!(text.contains("mappedFileSizeCommitLog=1048576 is too small for maxMessageSize=4194304"), "{text}");
    let config = config("mappedFileSizeCommitLog=1048576\nmaxMessageSize=524288");
    assert_eq!(config.store.segment_bytes, 1 << 20);
}

#[test]
fn a_ring_holds_two_of_the_largest_messages_or_is_off() {
    assert!(error("maxMessageSize=8388608").contains("shmRingBytes=16777216 is too small"));
    assert_eq!(config("maxMessageSize=8388608\nshmRingBytes=0").store.ring_bytes, 0);
    assert_eq!(config("maxMessageSize=8388608\nshmRingBytes=33554432").store.ring_bytes, 32 << 20);
}

#[test]
fn the_largest_message_leaves_room_for_a_header_in_its_frame() {
    let text = error("maxMessageSize=16777216");
    assert!(text.contains("allowed is a number from 1 to 16515072"), "{text}");
}

#[test]
fn the_properties_that_consoles_show_are_in_the_text_sorted_by_name() {
    let config_a = config("brokerName=broker-a\nnamesrvAddr=a:9876\nshards=2");
    let of_second = config_a.format_properties_of(&config_a.shard(1));
    for line in ["brokerName=broker-a-1", "listenPort=10921", "haListenPort=10922"] {
        assert!(of_second.lines().any(|other| other == line), "{line}: {of_second}");
    }
    let text = config_a.format_properties();
    for line in [
        "brokerName=broker-a",
        "brokerId=0",
        "brokerClusterName=DefaultCluster",
        "brokerIP1=10.0.0.7",
        "namesrvAddr=a:9876",
        "listenPort=10911",
        "storePathRootDir=/home/u/store",
        "storePathCommitLog=/home/u/store/commitlog",
        "flushDiskType=ASYNC_FLUSH",
        "brokerRole=ASYNC_MASTER",
        "deleteWhen=04",
        "fileReservedTime=72",
    ] {
        assert!(text.lines().any(|each| each == line), "{line}");
    }
    assert_eq!(text.lines().count(), PROPERTIES.len());
    assert!(text.lines().is_sorted_by_key(|line| line.split('=').next()));
}

#[test]
fn the_important_properties_are_some_of_all() {
    let config = config("");
    let (all, important) = (config.print_all(), config.print_important());
    assert!(important.lines().all(|line| all.lines().any(|each| each == line)));
    assert!(important.contains("listenPort=10911\n") && !important.contains("osPageCacheBusyTimeOutMills"));
    assert!(all.contains("osPageCacheBusyTimeOutMills=1000\n") && all.contains("timerWheelEnable=true\n"));
}

#[test]
fn an_update_changes_what_may_change_at_run_time_and_ignores_the_rest() {
    let before = config("");
    let update = before.update("maxMessageSize=1024\nlistenPort=1\nno.such=1\nfileReservedTime=24\n").unwrap();
    assert_eq!(update.applied, ["maxMessageSize", "fileReservedTime"]);
    let ignored: Vec<_> = update.ignored.iter().map(|each| each.key.as_str()).collect();
    assert_eq!(ignored, ["listenPort", "no.such"]);
    assert_eq!(update.config.sends.body_bytes_max, 1024);
    assert_eq!(update.config.store.reserved_time, Duration::from_secs(24 * 3600));
    assert_eq!(update.config.network.listen_port, 10911);
    assert!(update.config.format_properties().contains("\nmaxMessageSize=1024\n"));
    assert_eq!(before.sends.body_bytes_max, 4 << 20);
}

#[test]
fn an_update_with_one_wrong_value_changes_nothing() {
    let errors = config("").update("fileReservedTime=24\nmaxMessageSize=0\n").unwrap_err().to_string();
    assert_eq!(errors, "line 2 of the request: maxMessageSize=0 is refused, allowed is a number from 1 to 16515072");
}

#[test]
fn an_update_that_does_not_fit_the_rest_changes_nothing() {
    assert!(config("").update("maxMessageSize=16515072").unwrap_err().to_string().contains("shmRingBytes"));
}

#[test]
fn an_update_moves_numbers_into_their_range() {
    let update = config("").update("diskMaxUsedSpaceRatio=1").unwrap();
    assert_eq!(update.config.store.disk_used_percent_max, 10);
    assert_eq!(update.warnings.len(), 1);
}

#[test]
fn the_black_list_is_refused_and_includes_itself() {
    let config = config("configBlackList=configBlackList;brokerPermission");
    for line in ["brokerPermission=4", "configBlackList=x"] {
        let text = config.update(line).unwrap_err().to_string();
        assert!(text.contains("is on the configBlackList"), "{text}");
    }
}

#[test]
fn the_endpoint_is_there_unless_it_is_switched_off() {
    let endpoint = config("bindAddress=127.0.0.1").endpoint;
    assert!(endpoint.enabled);
    assert_eq!(endpoint.address, IpAddr::V4(Ipv4Addr::LOCALHOST));
    assert_eq!(endpoint.port, PortChoice::DefaultUp(5557));
    assert!(!config("metricsExporterType=DISABLE").endpoint.enabled);
    assert_eq!(config("metricsPromExporterPort=5557").endpoint.port, PortChoice::Exact(5557));
    let elsewhere = config("metricsPromExporterHost=known.example.com").endpoint;
    assert_eq!(elsewhere.address, IpAddr::V4(Ipv4Addr::new(10, 9, 9, 9)));
    assert!(error("metricsPromExporterHost=unknown.example.com").contains("is a name without address"));
}

#[test]
fn metrics_that_would_be_sent_somewhere_are_fetched_instead_and_the_user_is_told() {
    let (config, warnings) = load("namesrvAddr=a:1\nmetricsExporterType=OTLP_GRPC");
    assert!(config.endpoint.enabled);
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].to_string().contains("metricsExporterType=OTLP_GRPC has no effect"), "{}", warnings[0]);
}

#[test]
fn an_endpoint_on_a_listener_s_port_is_refused_if_somebody_chose_it() {
    let text = error("metricsPromExporterPort=10909");
    assert!(text.contains("as fast port of shard 0 and as metrics endpoint"), "{text}");
    assert_eq!(config("listenPort=5557").endpoint.port, PortChoice::DefaultUp(5557), "a default gives way");
    assert_eq!(config("metricsPromExporterPort=10909\nmetricsExporterType=DISABLE").network.listen_port, 10911);
}
