//! What operators see of a broker of three nodes: by requests, by Java's mqadmin and ours, and in metrics.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use interop::binaries;
use interop::clients::JavaClient;
use interop::mqadmin::Mqadmin;
use interop::raw_client::{RawClient, Received};
use interop::replica_group::{GroupSettings, ReplicaGroup};
use interop::requests;
use interop::run_lock::RunLock;
use interop::scratch::Scratch;
use interop::send_ledger::SendLedger;
use interop::until::until;
use protocol::body::{
    ConsumeStats, Extent, FollowerStatus, HaStatus, KvTable, QueueOffsets, ReplicaRole, ReplicationStatus, TopicConfig,
    TopicConfigList,
};
use protocol::code::RequestCode;
use protocol::command::RemotingCommand;

const WITHIN: Duration = Duration::from_secs(20);
/// What a node may take to see that its leader is gone and to follow or be the next, ms.
const FAILOVER_MS_MAX: u64 = 1_500;

/// What a node says of itself.
fn status(at: SocketAddr) -> ReplicationStatus {
    let answer = RawClient::connect(at).ask(requests::with_body(RequestCode::GET_BROKER_RUNTIME_INFO, &[]));
    let table = KvTable::decode(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"));
    ReplicationStatus::read(&table.table).unwrap_or_else(|| panic!("no replica: {table:?}"))
}

fn ha_status(at: SocketAddr) -> HaStatus {
    let answer = RawClient::connect(at).ask(requests::with_body(RequestCode::GET_BROKER_HA_STATUS, &[]));
    HaStatus::decode(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

fn address(group: &mut ReplicaGroup, number: usize) -> SocketAddr {
    group.node(number).address(0)
}

/// Waits until the leader at `at` says that every follower has what it has, with all of it committed; returns what it says.
fn wait_until_even(at: SocketAddr) -> ReplicationStatus {
    until("all nodes to have the same log", WITHIN, || {
        let seen = status(at);
        let is_even = |follower: &FollowerStatus| follower.is_in_sync() && follower.has == Some(seen.end);
        if seen.committed == seen.end && seen.followers.iter().all(is_even) {
            Ok(seen)
        } else {
            Err(format!("{seen:?}"))
        }
    })
}

/// A group that its preferred node leads, and keeps leading as long as it lives.
fn balanced(scratch: &Scratch) -> ReplicaGroup {
    let group = ReplicaGroup::start(&GroupSettings::new("trio"), scratch);
    group.wait_until_balanced();
    group
}

#[test]
fn every_node_tells_its_part_to_both_tools() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("replica-status");
    let mut group = balanced(&scratch);
    let leader = address(&mut group, 0);
    SendLedger::new("shown").send(leader, 200);
    let seen = wait_until_even(leader);
    assert_eq!((seen.role, seen.leader.as_deref(), seen.node.as_str()), (ReplicaRole::Leader, Some("n0"), "n0"));
    let names: Vec<&str> = seen.followers.iter().map(|follower| follower.node.as_str()).collect();
    assert_eq!(names, ["n1", "n2"]);
    for number in [1, 2] {
        let follower = address(&mut group, number);
        until("the follower to know all as committed", WITHIN, || {
            let own = status(follower);
            let is_same = (own.role, own.leader.as_deref(), own.term) == (ReplicaRole::Follower, Some("n0"), seen.term);
            let has_all = own.end == seen.end && own.committed == seen.end && own.applied == seen.end;
            if is_same && has_all { Ok(()) } else { Err(format!("{own:?}, the leader: {seen:?}")) }
        });
    }
    let end = seen.end.offset.expect("a leader knows where its log ends");
    java_s_tool_shows_it(&mut group, end, &scratch);
    our_tool_shows_it(&mut group);
    group.expect_sound();
}

fn java_s_tool_shows_it(group: &mut ReplicaGroup, end: u64, scratch: &Scratch) {
    let tool = Mqadmin::new(JavaClient::V5, &group.target().name_servers, scratch);
    let [leader, one, two] = [0, 1, 2].map(|number| address(group, number).to_string());
    let (one, two) = (one.as_str(), two.as_str());
    let end = end.to_string();

    let printed = tool.run("haStatus", &["-c", "DefaultCluster"]);
    for line in [
        format!("#MasterAddr\t{leader}"),
        format!("#MasterCommitLogMaxOffset\t{end}"),
        "#SlaveNum\t2".to_owned(),
        "#InSyncSlaveNum\t2".to_owned(),
    ] {
        assert!(printed.out.lines().any(|each| each == line), "{line:?} is not in {printed:?}");
    }
    let rows: Vec<Vec<&str>> = printed.rows();
    let slave = |address| [address, end.as_str(), "0"].map(str::to_owned);
    let shown: Vec<[String; 3]> = rows.iter().map(|row| [row[0], row[1], row[2]].map(str::to_owned)).collect();
    assert_eq!(shown, [slave(one), slave(two)], "{printed:?}");
    assert!(rows.iter().all(|row| row[4] == "OK" && row[5] == end), "{printed:?}");

    let printed = tool.run("haStatus", &["-b", one]);
    for line in [format!("#MasterAddr\t{leader}"), format!("#CommitLogMaxOffset\t{end}")] {
        assert!(printed.out.lines().any(|each| each == line), "{line:?} is not in {printed:?}");
    }

    let printed = tool.run("clusterList", &[]);
    let ids: Vec<(String, String)> = printed.rows().iter().map(|row| (row[2].to_owned(), row[3].to_owned())).collect();
    let expected = [("0", leader.as_str()), ("2", one), ("3", two)];
    assert_eq!(ids, expected.map(|(id, address)| (id.to_owned(), address.to_owned())), "{printed:?}");

    let printed = tool.run("brokerStatus", &["-b", two]);
    let role = printed.rows().into_iter().find(|row| row[0] == "turbopump_raft_role").map(|row| row[2].to_owned());
    assert_eq!(role.as_deref(), Some("follower"), "{printed:?}");
}

/// The rows that our mqadmin prints, split at white space.
fn rows_of_ours(group: &ReplicaGroup, subcommand: &str) -> Vec<Vec<String>> {
    let mut command = Command::new(binaries::path_of("mqadmin"));
    command.args([subcommand, "-n", &group.target().name_servers]).env_remove("NAMESRV_ADDR");
    let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    text.lines().skip(1).map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

fn our_tool_shows_it(group: &mut ReplicaGroup) {
    let mut rows = rows_of_ours(group, "replicationStatus");
    let members = rows.pop().map(|row| row.join(" "));
    assert_eq!(members.as_deref(), Some("trio has the voters n0, n1, n2"));
    let shown: Vec<String> = rows.iter().map(|row| row[1..5].join(" ")).collect();
    let [leader, one, two] = [0, 1, 2].map(|number| address(group, number));
    let expected = [format!("n0 0 {leader} leader"), format!("n1 2 {one} follower"), format!("n2 3 {two} follower")];
    assert_eq!(shown, expected);
    let listed: Vec<String> = rows_of_ours(group, "clusterList").iter().map(|row| row[1..4].join(" ")).collect();
    assert_eq!(listed, [format!("trio 0 {leader}"), format!("trio 2 {one}"), format!("trio 3 {two}")]);
}

#[test]
fn a_dead_follower_is_seen_to_fall_behind_and_to_come_back() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("replica-lag");
    let mut group = balanced(&scratch);
    let leader = address(&mut group, 0);
    let mut ledger = SendLedger::new("behind");
    ledger.send(leader, 50);
    let before = wait_until_even(leader);
    group.node(1).kill_nine();
    ledger.send(leader, 50);

    let dead = |seen: &ReplicationStatus| seen.followers[0].clone();
    let behind = until("the dead follower to be seen as such", WITHIN, || {
        let seen = status(leader);
        if !dead(&seen).is_active && seen.committed == seen.end { Ok(seen) } else { Err(format!("{seen:?}")) }
    });
    let (has, lag) = (dead(&behind).has, dead(&behind).lag.expect("it has told where it is"));
    let has = has.expect("it has told where it is");
    assert!(before.end.index <= has.index && has.index < behind.end.index, "{behind:?}");
    assert_eq!(lag.entries, behind.end.index - has.index);
    let offset = |place: Option<u64>| place.expect("places that were confirmed in this lead are known");
    assert_eq!(lag.bytes, Extent::Exactly(offset(behind.end.offset) - offset(has.offset)));
    let Extent::Exactly(ms) = lag.ms else { panic!("{behind:?}") };
    assert!(ms > 0, "{behind:?}");
    let shown = ha_status(leader);
    assert_eq!((shown.master, shown.in_sync_slave_nums), (true, 1), "{shown:?}");
    assert!(shown.ha_connection_info[0].diff > 0 && shown.ha_connection_info[1].in_sync, "{shown:?}");
    let longer = dead(&status(leader)).lag.expect("it is still behind").ms;
    assert!(longer.known() >= ms, "a lag grows while its follower is away: {ms} ms, then {longer:?}");

    group.node(1).start();
    group.wait_until_complete();
    wait_until_even(leader);
    assert_eq!(ha_status(leader).in_sync_slave_nums, 2);
    group.expect_sound();
}

#[test]
fn a_failover_is_counted_and_timed_by_those_who_remain() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("replica-failover");
    let mut group = balanced(&scratch);
    let old = address(&mut group, 0);
    let before = wait_until_even(old);
    group.node(0).kill_nine();
    let new = group.leader_but(0, 0);
    let [new, other] = [new, 3 - new].map(|number| address(&mut group, number));
    let leads = status(new);
    assert_eq!(leads.role, ReplicaRole::Leader, "{leads:?}");
    assert!(leads.term > before.term && leads.history.times_led > 0, "{leads:?}");
    let follows = until("the other node to follow it", WITHIN, || {
        let own = status(other);
        if own.role == ReplicaRole::Follower && own.leader == leads.leader { Ok(own) } else { Err(format!("{own:?}")) }
    });
    for seen in [&leads, &follows] {
        let took_ms = seen.history.last_failover_took_ms;
        assert!(took_ms.is_some_and(|ms| (1..FAILOVER_MS_MAX).contains(&ms)), "{seen:?}");
        assert!(seen.history.elections > 0, "{seen:?}");
    }
    let ours = rows_of_ours(&group, "replicationStatus");
    assert_eq!(ours[0][1], "n0");
    assert_eq!(ours[0].last().map(String::as_str), Some("silent"), "{ours:?}");
    group.node(0).start();
    group.wait_until_complete();
    group.expect_sound();
}

/// Changes find the leader from whichever node they reach; what a node knows it tells by itself, and its clients are its own.
#[test]
fn an_operator_is_served_by_whichever_node_answers() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("replica-operator");
    let mut group = balanced(&scratch);
    let number = group.leader(0);
    let leader = address(&mut group, number);
    let follower = group.others(number)[0];
    let follower = address(&mut group, follower);
    let ask = |at: SocketAddr, code: RequestCode, fields: &[(&str, &str)], body: &[u8]| {
        let request = fields
            .iter()
            .fold(requests::with_body(code, body), |request, (key, value)| requests::with(request, key, value));
        RawClient::connect(at).ask(request)
    };
    let list = TopicConfigList {
        topic_config_list: vec![TopicConfig { topic_name: "listed".to_owned(), ..TopicConfig::default() }],
    };
    let created = ask(follower, RequestCode::UPDATE_AND_CREATE_TOPIC_LIST, &[], &list.encode());
    assert_eq!(created.code, 0, "{created:?}");
    for _ in 0..5 {
        assert_eq!(RawClient::connect(leader).ask(requests::send("listed", 0, b"x")).code, 0);
    }
    let made = ask(leader, RequestCode::GET_SUBSCRIPTIONGROUP_CONFIG, &[("group", "readers")], &[]);
    assert_eq!(made.code, 0, "{made:?}");
    let fields = [("topic", "listed"), ("group", "readers"), ("timestamp", "-1"), ("isForce", "true")];
    let reset = ask(follower, RequestCode::INVOKE_BROKER_TO_RESET_OFFSET, &fields, &[]);
    assert_eq!(reset.code, 0, "{reset:?}");
    let ends = QueueOffsets::decode(&reset.body).unwrap().offset_table;
    assert_eq!(ends.iter().map(|(queue, end)| (queue.queue_id, *end)).next(), Some((0, 5)));
    let clone = [("srcGroup", "readers"), ("destGroup", "cloned"), ("topic", "listed"), ("offline", "true")];
    assert_eq!(ask(follower, RequestCode::CLONE_GROUP_OFFSET, &clone, &[]).code, 0);
    for at in [leader, follower] {
        for of in ["readers", "cloned"] {
            until("a node to know where the group is", WITHIN, || {
                let answer = ask(at, RequestCode::GET_CONSUME_STATS, &[("consumerGroup", of)], &[]);
                let stats = ConsumeStats::decode(&answer.body).map_err(|error| format!("{error}: {answer:?}"))?;
                let first =
                    stats.offset_table.values().next().map(|queue| (queue.broker_offset, queue.consumer_offset));
                if first == Some((5, 5)) { Ok(()) } else { Err(format!("{stats:?}")) }
            });
        }
    }

    let mut consumer = RawClient::connect(follower);
    let heartbeat = br#"{"clientID":"c1","consumerDataSet":[{"groupName":"readers","subscriptionDataSet":[]}]}"#;
    let beat = consumer.start(requests::with_body(RequestCode::HEART_BEAT, heartbeat));
    next_of(&mut consumer, |command| command.is_response() && command.opaque == beat);
    let fields = [("consumerGroup", "readers"), ("clientId", "c1")];
    let refused = ask(leader, RequestCode::GET_CONSUMER_RUNNING_INFO, &fields, &[]);
    assert_eq!(refused.remark.as_deref(), Some("The Consumer <readers> <c1> not online"));
    let mut operator = RawClient::connect(follower);
    let info = requests::with_body(RequestCode::GET_CONSUMER_RUNNING_INFO, &[]);
    operator.start(fields.iter().fold(info, |request, (key, value)| requests::with(request, key, value)));
    let asked = next_of(&mut consumer, |command| command.code == RequestCode::GET_CONSUMER_RUNNING_INFO.0);
    consumer.send(&RemotingCommand::response(0, asked.opaque, None).with_body(*b"{}"));
    assert_eq!(next_of(&mut operator, RemotingCommand::is_response).body, b"{}");
}

fn next_of(client: &mut RawClient, is_wanted: impl Fn(&RemotingCommand) -> bool) -> RemotingCommand {
    loop {
        match client.receive() {
            Received::Command(command) if is_wanted(&command) => return command,
            Received::Command(_) => {}
            Received::Closed => panic!("the node closed a connection"),
        }
    }
}
