//! Stock clients and tools, which know nothing of replicas but masters and slaves.

use std::thread;

use interop::clients::JavaClient;
use interop::log_copies::expect_identical;
use interop::mqadmin::Mqadmin;
use interop::replica_group::{GroupSettings, ReplicaGroup};
use interop::run_lock::RunLock;
use interop::scratch::Scratch;
use interop::send_ledger::SendLedger;
use interop::until::until;
use interop::{go, java};

use crate::LIMIT;

#[test]
fn stock_clients_send_and_consume_and_all_replicas_get_the_same_log() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("replicas-clients");
    let mut group = ReplicaGroup::start(&GroupSettings::new("trio").shards(2), &scratch);
    let target = group.target();
    cluster_list_shows_leaders_and_slaves(&mut group, &scratch);
    // Two at a time: most of their time they wait.
    thread::scope(|scope| {
        scope.spawn(|| {
            java::passes_on(JavaClient::V5, "send-sync", &target, &scratch);
            go::passes_on("push-concurrent", &target, &scratch);
        });
        java::passes_on(JavaClient::V5, "push-orderly", &target, &scratch);
        java::passes_on(JavaClient::V4, "push-concurrent", &target, &scratch);
    });
    group.wait_until_balanced();
    for shard in 0..2 {
        let compared = expect_identical(&mut group, shard);
        println!("shard {shard}: {compared:?}");
        assert!(compared.entries > 100, "something was compared: {compared:?}");
    }
    group.expect_sound();
}

fn cluster_list_shows_leaders_and_slaves(group: &mut ReplicaGroup, scratch: &Scratch) {
    let target = group.target();
    let printed = Mqadmin::new(JavaClient::V5, &target.name_servers, scratch).run("clusterList", &[]);
    for (shard, (name, leader)) in (0..).zip(&target.brokers) {
        for node in group.nodes() {
            let address = node.address(shard).to_string();
            let id = if address == *leader { "0".to_owned() } else { node.slave_id().to_string() };
            let expected = ["DefaultCluster", name.as_str(), id.as_str(), address.as_str()];
            let is_shown = printed.rows().iter().any(|row| row.len() > 4 && row[..4] == expected);
            assert!(is_shown, "no {expected:?} in {printed:?}");
        }
    }
    assert_eq!(printed.rows().len(), 6, "{printed:?}");
    assert!(!printed.err.contains("Exception"), "{printed:?}");
}

/// Half messages and timers that one leader stored end, and come, at the next.
#[test]
fn what_a_stock_client_wants_later_comes_though_the_leader_dies() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("replicas-later");
    let settings = GroupSettings::new("trio")
        .set("recallMessageEnable", "true")
        .set("transactionTimeOut", "1000")
        .set("transactionCheckInterval", "1000")
        .set("transactionCheckMax", "1000");
    let mut group = ReplicaGroup::start(&settings, &scratch);
    let mut client =
        java::start(JavaClient::V5, "across-failover", &group.target(), "later", &[], java::LIMIT, &scratch);
    let old = group.leader(0);
    client.wait_for_line("all is stored", LIMIT);
    group.node(old).kill_nine();
    group.leader_but(old, 0);
    client.ask_to_stop();
    group.node(old).start();
    let _ = client.expect_pass();
    group.wait_until_complete();
    expect_identical(&mut group, 0);
    group.expect_sound();
}

/// With SYNC_FLUSH an acknowledgement waits for stable storage on a majority.
#[test]
fn a_group_with_synchronous_flush_serves_a_stock_producer() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("replicas-sync");
    let settings = GroupSettings::new("trio").set("flushDiskType", "SYNC_FLUSH");
    let mut group = ReplicaGroup::start(&settings, &scratch);
    java::passes_on(JavaClient::V5, "send-sync", &group.target(), &scratch);
    expect_identical(&mut group, 0);
    group.expect_sound();
}

/// Followers serve reads, of what is committed.
#[test]
fn every_replica_serves_what_the_leader_acknowledged() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("replicas-reads");
    let mut group = ReplicaGroup::start(&GroupSettings::new("trio"), &scratch);
    let mut ledger = SendLedger::new("read-everywhere");
    let leader = group.leader(0);
    let leader_address = group.node(leader).address(0);
    ledger.send(leader_address, 300);
    for node in group.nodes() {
        let stored = ledger.expect_stored_in_order(node.address(0));
        assert_eq!((stored.all, stored.unsure), (300, 0));
    }
    group.expect_sound();
}
