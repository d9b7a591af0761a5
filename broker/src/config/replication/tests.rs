use std::net::Ipv4Addr;

use super::*;
use crate::config::BrokerConfig;
use crate::config::tests::{config, error, load, load_on, machine, standalone, warnings};

/// Three nodes on three hosts; this one is n0.
const RAFT: &str = "namesrvAddr=a:1\nenableDLegerCommitLog=true\ndLegerGroup=RaftNode00\n\
    dLegerPeers=n0-10.0.0.7:40911;n1-10.0.0.8:40912;n2-10.0.0.9:40913\ndLegerSelfId=n0\n";

fn node(text: &str) -> NodeId {
    NodeId::parse(text).unwrap()
}

fn raft_of(config: &BrokerConfig) -> &RaftSettings {
    config.replication.raft().expect("Raft mode")
}

/// Every message about `text`, which is refused.
fn errors(text: &str) -> Vec<String> {
    let errors = load_on(machine(), Mode::Server, text).expect_err("refused").0;
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn a_file_of_rocketmq_s_raft_mode_is_read_without_warning() {
    let (config, warnings) = load(&format!("{RAFT}brokerName=RaftNode00\nlistenPort=30911\n"));
    assert_eq!(warnings, []);
    let raft = raft_of(&config);
    assert_eq!((raft.group.as_str(), raft.own_id), ("RaftNode00", node("n0")));
    assert_eq!(raft.members.iter().map(|member| member.id.raft_id()).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(raft.member(node("n2")).unwrap().socket_address(1).unwrap().to_string(), "10.0.0.9:40923");
    assert_eq!(raft.member(node("n3")), None);
    assert_eq!(raft.timing, RaftTiming { election_ticks: 10, heartbeat_ticks: 2 });
    assert_eq!(
        config.all_shards().map(|shard| shard.replica_port.unwrap()).collect::<Vec<_>>(),
        [40911, 40921, 40931, 40941]
    );
    assert_eq!(config.identity.broker_id, 0);
}

#[test]
fn nodes_of_a_group_share_its_name_as_broker_name_unless_one_is_given() {
    assert_eq!(config(RAFT).shard(1).broker_name, "RaftNode00-1");
    assert_eq!(config(&format!("{RAFT}brokerName=b")).identity.broker_name, "b");
    assert_eq!(config("dLegerGroup=g").identity.broker_name, "node-7", "without Raft the group's name is no name");
}

#[test]
fn without_raft_there_are_no_replica_ports_and_no_common_log() {
    let config = config("");
    assert_eq!(config.replication.mode, ReplicationMode::MasterSlave(BrokerRole::AsyncMaster));
    assert_eq!((config.shard(0).replica_port, config.group_log_id(0)), (None, None));
    assert_eq!(standalone("").replication.mode, ReplicationMode::None);
}

#[test]
fn replicas_of_a_shard_agree_on_the_id_of_its_log() {
    let other_node = RAFT.replace("SelfId=n0", "SelfId=n2");
    let (here, there) = (config(RAFT), config(&other_node));
    assert!(here.group_log_id(1).is_some());
    assert_eq!(here.group_log_id(1), there.group_log_id(1));
    assert_ne!(here.group_log_id(1), here.group_log_id(0));
    assert_ne!(here.group_log_id(1), config(&format!("{RAFT}brokerClusterName=C")).group_log_id(1));
}

#[test]
fn leaders_spread_over_the_nodes_beginning_at_the_preferred_one() {
    let leaders = |text: &str| {
        let config = config(text);
        (0..5).filter_map(|shard| raft_of(&config).preferred_leader(&[1, 2, 3], shard)).collect::<Vec<_>>()
    };
    assert_eq!(leaders(RAFT), [1, 2, 3, 1, 2]);
    let third = format!("{RAFT}preferredLeaderId=n2");
    assert_eq!(leaders(&third), [3, 1, 2, 3, 1]);
    let config = config(&third);
    let of = |voters: &[u64]| raft_of(&config).preferred_leader(voters, 0);
    assert_eq!((of(&[1, 2, 5]), of(&[])), (Some(1), None), "one that was removed does not lead");
}

#[test]
fn ticks_follow_from_the_election_timeout() {
    let timing = |ms: u32| raft_of(&config(&format!("{RAFT}electionTimeoutMs={ms}"))).timing;
    assert_eq!(timing(2_000), RaftTiming { election_ticks: 40, heartbeat_ticks: 8 });
    assert_eq!(timing(201), RaftTiming { election_ticks: 5, heartbeat_ticks: 1 });
    assert_eq!(timing(200), RaftTiming { election_ticks: 4, heartbeat_ticks: 1 });
    let text = error(&format!("{RAFT}electionTimeoutMs=199"));
    assert!(text.contains("allowed is a number from 200 to 60000"), "{text}");
}

#[test]
fn all_that_raft_lacks_is_said_with_an_example() {
    let said = errors("\nenableDLegerCommitLog=true");
    assert_eq!(
        said,
        [
            "broker.conf line 2: enableDLegerCommitLog=true needs dLegerGroup; set it, as dLegerGroup=broker-a",
            "broker.conf line 2: enableDLegerCommitLog=true needs dLegerPeers; set it, as \
         dLegerPeers=n0-10.0.0.1:40911;n1-10.0.0.2:40911;n2-10.0.0.3:40911",
            "broker.conf line 2: enableDLegerCommitLog=true needs dLegerSelfId; set it, as dLegerSelfId=n0",
        ]
    );
}

#[test]
fn a_node_that_is_none_of_the_group_is_refused_naming_those_that_are() {
    let text = error(&RAFT.replace("SelfId=n0", "SelfId=n3"));
    assert_eq!(
        text,
        "broker.conf line 5: dLegerSelfId=n3 is none of the nodes n0, n1, n2 in dLegerPeers; name one of them, or add it \
         there on all nodes"
    );
    let text = error(&format!("{RAFT}preferredLeaderId=n4"));
    assert!(text.starts_with("broker.conf line 6: preferredLeaderId=n4 is none of"), "{text}");
}

#[test]
fn malformed_and_doubled_nodes_are_refused_with_their_line() {
    let peers = |peers: &str| error(&format!("\ndLegerPeers={peers}"));
    let text = peers("n0-a:1;b:2");
    assert!(
        text.starts_with("broker.conf line 2: dLegerPeers=n0-a:1;b:2 is refused, allowed is a list as n0-"),
        "{text}"
    );
    assert!(text.ends_with("`b:2` is not n, a number, -host:port"), "{text}");
    assert!(peers("n0-a:1;n0-b:1").ends_with("n0 stands in it twice"));
    assert!(peers("n0-a:1;n1-a:1").ends_with("n0 and n1 both have a:1"));
    assert!(error("dLegerSelfId=0").contains("allowed is n and a number up to 9999"));
    assert!(error("dLegerGroup=a/b").contains("dLegerGroup=a/b is refused, allowed is a name"));
}

#[test]
fn two_names_of_one_address_are_one_address() {
    let text = error(&RAFT.replace("n1-10.0.0.8:40912", "n1-known.example.com:1;n5-10.9.9.9:1"));
    assert!(text.contains("n1 and n5 of dLegerPeers are on the same host") && text.contains("on port 1;"), "{text}");
}

#[test]
fn nodes_of_one_host_need_ports_that_do_not_meet_in_any_shard() {
    let local = RAFT.replace("10.0.0.8", "10.0.0.7").replace("10.0.0.9", "10.0.0.7");
    assert!(load_on(machine(), Mode::Server, &local).is_ok(), "neighbouring ports, as in RocketMQ's samples");
    let meeting = local.replace("40913", "40931");
    let text = error(&format!("{meeting}shards=3"));
    assert_eq!(
        text,
        "broker.conf line 4: n0 and n2 of dLegerPeers are on the same host, and with 3 shards, 10 ports apart, both would \
         listen on port 40931; move one of them"
    );
    assert!(load_on(machine(), Mode::Server, &format!("{meeting}shards=2")).is_ok());
}

#[test]
fn replica_ports_have_to_exist_on_every_node_and_be_nobody_else_s_here() {
    let text = error(&RAFT.replace("40913", "65530"));
    assert!(text.contains("4 shards starting at 65530, as dLegerPeers has it for n2, run to 65560"), "{text}");
    let text = error(&format!("{RAFT}listenPort=40921\nshards=2"));
    assert!(
        text.contains("port 40921 is wanted twice, as main port of shard 0 and as replica port of shard 1"),
        "{text}"
    );
    assert!(text.contains("dLegerPeers"), "{text}");
    let other_node_s = format!("{RAFT}listenPort=40912\nshards=1");
    assert!(load_on(machine(), Mode::Server, &other_node_s).is_ok(), "on another host");
}

#[test]
fn a_name_without_address_keeps_no_node_from_starting() {
    let text = RAFT.replace("10.0.0.8", "away.example.com").replace("10.0.0.9", "known.example.com");
    let (config, warnings) = load(&text);
    assert_eq!(warnings.len(), 1);
    let warning = warnings[0].to_string();
    assert!(
        warning.starts_with("broker.conf line 4: the host away.example.com of n1 in dLegerPeers has no address"),
        "{warning}"
    );
    let raft = raft_of(&config);
    assert_eq!(raft.member(node("n1")).unwrap().socket_address(0), None);
    assert_eq!(raft.member(node("n2")).unwrap().ip, Some(IpAddr::V4(Ipv4Addr::new(10, 9, 9, 9))));
    assert!(error(&RAFT.replace("10.0.0.8", "0.0.0.0")).contains("dLegerPeers=0.0.0.0 cannot be connected to"));
}

#[test]
fn raft_decides_who_is_master_whatever_the_file_says() {
    let (config, warnings) = load(&format!("{RAFT}brokerRole=SLAVE\nbrokerId=3"));
    let texts: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "broker.conf line 7: brokerId=3 is not used: with enableDLegerCommitLog=true the nodes elect who is master",
            "broker.conf line 6: brokerRole=SLAVE is not used: with enableDLegerCommitLog=true the nodes elect who is master",
        ]
    );
    assert_eq!(config.identity.broker_id, 0);
}

#[test]
fn settings_of_a_mode_that_is_not_on_have_no_effect_and_say_so() {
    let said = warnings("dLegerSelfId=n0\ninSyncReplicas=2\nhaMasterAddress=10.0.0.1:10912");
    assert_eq!(
        said,
        [
            "broker.conf line 2: dLegerSelfId has no effect: enableDLegerCommitLog is not true",
            "broker.conf line 3: inSyncReplicas has no effect: only with brokerRole=SYNC_MASTER sends wait for slaves",
            "broker.conf line 4: haMasterAddress has no effect: only with brokerRole=SLAVE there is a master to copy from",
        ]
    );
    let no_warnings: [String; 0] = [];
    assert_eq!(warnings("dLegerPeers=\ndLegerSelfId=\ninSyncReplicas=1\nbrokerRole=ASYNC_MASTER"), no_warnings);
    assert_eq!(warnings("enableDLegerCommitLog=false"), no_warnings);
}

#[test]
fn a_sync_master_waits_for_a_slave_even_if_its_file_does_not_ask_for_two_copies() {
    let role = |text: &str| match config(&format!("brokerRole=SYNC_MASTER\n{text}")).replication.mode {
        ReplicationMode::MasterSlave(BrokerRole::SyncMaster(role)) => role,
        other => panic!("{other:?}"),
    };
    let default = role("");
    assert_eq!((default.copies, default.copies_min), (2, 2));
    assert_eq!((default.gap_bytes_max, default.timeout), (256 << 20, Duration::from_secs(3)));
    assert_eq!(role("inSyncReplicas=3\nminInSyncReplicas=2").copies_min, 3, "unless it may adapt");
    assert_eq!(role("inSyncReplicas=3\nminInSyncReplicas=2\nenableAutoInSyncReplicas=true").copies_min, 2);
    assert_eq!(role("minInSyncReplicas=5\nenableAutoInSyncReplicas=true").copies_min, 2, "never more than asked for");
}

#[test]
fn a_slave_has_an_id_of_its_own_and_perhaps_an_address_of_its_master() {
    let config = config("brokerRole=SLAVE\nbrokerId=2\nhaMasterAddress=10.0.0.1:10912");
    assert_eq!(config.identity.broker_id, 2);
    let master = HostPort { host: "10.0.0.1".to_owned(), port: 10912 };
    let role = BrokerRole::Slave(Slave { master: Some(master) });
    assert_eq!(config.replication.mode, ReplicationMode::MasterSlave(role));
    let text = error("brokerRole=SLAVE");
    assert!(
        text.starts_with("broker.conf line 1: brokerRole=SLAVE needs a brokerId from 1, it is 0; set one"),
        "{text}"
    );
}

#[test]
fn reads_from_slaves_are_off_and_begin_at_forty_percent_of_the_memory() {
    let reads = config("").replication.slave_reads;
    assert_eq!(reads, SlaveReads { enabled: false, memory_percent: 40 });
    let reads = config("slaveReadEnable=true\naccessMessageInMemoryMaxRatio=30").replication.slave_reads;
    assert_eq!(reads, SlaveReads { enabled: true, memory_percent: 30 });
    assert_eq!(config("").replication.catch_up_bytes_per_second, 1 << 30);
}

#[test]
fn reads_from_slaves_are_set_without_a_warning_where_there_may_be_slaves() {
    let no_warnings: [String; 0] = [];
    assert_eq!(warnings("slaveReadEnable=true\naccessMessageInMemoryMaxRatio=0"), no_warnings);
    assert_eq!(warnings("brokerRole=SLAVE\nbrokerId=1\nslaveReadEnable=true"), no_warnings);
    let (_, said) = load(&format!("{RAFT}slaveReadEnable=true"));
    assert_eq!(said.len(), 1, "{said:?}");
    let said = said[0].to_string();
    assert!(said.starts_with("broker.conf line 6: slaveReadEnable has no effect: only with brokerRole"), "{said}");
}

#[test]
fn a_configuration_in_raft_mode_reads_back_as_it_is_printed() {
    let before = config(RAFT);
    let after = config(&before.format_properties());
    assert_eq!(after.format_properties(), before.format_properties());
    assert_eq!(after.replication.mode, before.replication.mode);
}
