//! The leader's log no longer reaches back to where a node's ends, or the log of a node rots where nobody looks.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use interop::http;
use interop::kept_messages::KeptMessages;
use interop::log_copies::{expect_identical, expect_identical_where_kept, oldest_kept};
use interop::replica_group::{GroupSettings, ReplicaGroup};
use interop::run_lock::RunLock;
use interop::scratch::Scratch;
use interop::send_ledger::SendLedger;
use interop::until::until;

use crate::LIMIT;

/// The smallest, so that little has to be sent until what is old is no longer in memory.
const CACHE_BYTES: &str = "16777216";
/// Each node keeps about so much.
const LOG_BYTES_MAX: &str = "8388608";
const SEGMENT_BYTES: u64 = 1 << 20;
const BODY_BYTES: usize = 400 << 10;
/// More than the cache, and enough for the checkpoints that have to come before something is removed.
const BODIES: usize = 130;
/// A node is done within this.
const EQUAL_WITHIN: std::time::Duration = std::time::Duration::from_secs(120);

fn settings() -> GroupSettings {
    GroupSettings::new("trio").set("logCacheBytes", CACHE_BYTES).set("logBytesMax", LOG_BYTES_MAX)
}

/// Waits until a node's log begins behind `end`.
fn wait_until_removed(group: &mut ReplicaGroup, node: usize, end: u64) {
    let folder = group.node(node).log_folder(0);
    until("the leader's log to begin behind the absent node's end", EQUAL_WITHIN, || {
        let first = oldest_kept(&folder);
        if first > end { Ok(()) } else { Err(format!("it begins at {first}, the node ended at {end}")) }
    });
}

/// Where the last segment of a node's log ends, so surely not before its log does.
fn end_of_files(folder: PathBuf) -> u64 {
    let firsts = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let firsts = firsts.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u64>().ok());
    firsts.max().unwrap_or_default() + SEGMENT_BYTES
}

fn metric(group: &mut ReplicaGroup, node: usize, name: &str) -> f64 {
    let text = http::expect(group.node(node).endpoint(), "/metrics").body;
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in {text}"));
    line.rsplit(' ').next().and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{line}"))
}

/// Waits until a node has fetched a store, and follows again.
fn wait_until_installed(group: &mut ReplicaGroup, node: usize) {
    until("the node to have fetched a store and to have caught up", EQUAL_WITHIN, || {
        let installed = metric(group, node, "turbopump_replication_installations_total");
        let is_behind = metric(group, node, "turbopump_replication_catching_up");
        if installed > 0.0 && is_behind == 0.0 {
            Ok(())
        } else {
            Err(format!("{installed} installations, catching up: {is_behind}\n{}", group.node(node).output()))
        }
    });
}

#[test]
fn a_node_whose_end_the_others_have_removed_gets_what_they_keep_and_serves_it() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("replicas-removed");
    let mut group = ReplicaGroup::start(&settings(), &scratch);
    let (mut bulk, mut ledger) = (KeptMessages::new("bulk").of_bytes(BODY_BYTES), SendLedger::new("removed"));
    let leader = group.leader(0);
    let leader_address = group.node(leader).address(0);
    let away = group.others(leader)[0];
    bulk.send(leader_address, 2);
    ledger.send(leader_address, 50);
    for is_wiped in [false, true] {
        group.node(away).kill_nine();
        if is_wiped {
            group.node(away).lose_memory();
            group.node(away).lose_disk();
        } else {
            let end = end_of_files(group.node(away).log_folder(0));
            bulk.send(leader_address, BODIES);
            wait_until_removed(&mut group, leader, end);
        }
        group.node(away).start();
        // While it fetches what there is, others send.
        ledger.send(leader_address, 200);
        group.wait_until_complete();
        wait_until_installed(&mut group, away);
        let first = bulk.expect_kept(group.node(away).address(0));
        println!("wiped: {is_wiped}; of {} messages it serves those from {first} on", bulk.count());
        expect_identical_where_kept(&mut group, 0);
        // Without one of the others it is needed for a majority.
        let other = *group.others(leader).last().expect("three nodes");
        group.node(other).kill_nine();
        ledger.send(leader_address, 50);
        group.node(other).start();
        group.wait_until_complete();
    }
    // It leads with what it has.
    group.node(leader).kill_nine();
    let next = group.leader_but(leader, 0);
    ledger.send_when_led(group.node(next).address(0));
    bulk.expect_kept(group.node(next).address(0));
    group.node(leader).start();
    group.wait_until_complete();
    expect_identical_where_kept(&mut group, 0);
    group.expect_sound();
}

#[test]
fn a_node_added_to_a_group_that_has_removed_the_beginning_of_its_log_becomes_a_voter_and_remembers_who_the_others_are()
{
    let _turn = RunLock::alone();
    let scratch = Scratch::new("replicas-added-late");
    let mut group = ReplicaGroup::start(&settings(), &scratch);
    let (mut bulk, mut ledger) = (KeptMessages::new("bulk").of_bytes(BODY_BYTES), SendLedger::new("late"));
    let leader = group.leader(0);
    let leader_address = group.node(leader).address(0);
    ledger.send(leader_address, 50);
    bulk.send(leader_address, BODIES);
    wait_until_removed(&mut group, leader, 0);
    let added = group.grow(&scratch);
    wait_until_installed(&mut group, added);
    bulk.expect_kept(group.node(added).address(0));
    expect_identical_where_kept(&mut group, 0);
    // Alone, nobody can tell it.
    for node in group.nodes() {
        node.kill_nine();
    }
    group.node(added).start();
    let endpoint = group.node(added).endpoint();
    until("the added node to know the voters", LIMIT, || {
        let text = http::get(endpoint, "/metrics").map_err(|error| error.to_string())?.body;
        let mut rows = text.lines().filter(|line| line.starts_with("turbopump_replication_members{"));
        let knows_four = rows.any(|row| row.contains("\"voter\"") && row.ends_with(" 4"));
        if knows_four { Ok(()) } else { Err(text) }
    });
    for number in 0..added {
        group.node(number).start();
    }
    group.wait_until_complete();
    let leader = group.leader(0);
    ledger.send_when_led(group.node(leader).address(0));
    expect_identical_where_kept(&mut group, 0);
    group.expect_sound();
}

#[test]
fn a_bit_that_changed_in_an_old_segment_is_read_rightly_from_follower_and_leader() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("replicas-rot");
    let mut group = ReplicaGroup::start(&GroupSettings::new("trio").set("logCacheBytes", CACHE_BYTES), &scratch);
    let mut bulk = KeptMessages::new("bulk").of_bytes(BODY_BYTES);
    let leader = group.leader(0);
    bulk.send(group.node(leader).address(0), 60);
    expect_identical(&mut group, 0);
    let follower = group.others(leader)[0];
    for (node, message) in [(follower, 3), (leader, 5)] {
        let place = u64::try_from(bulk.place(message)).expect("a physical offset") + 5_000;
        let first = place / SEGMENT_BYTES * SEGMENT_BYTES;
        let path = group.node(node).log_folder(0).join(format!("{first:020}"));
        let file = OpenOptions::new().read(true).write(true).open(&path).expect("the segment is there");
        let mut byte = [0];
        file.read_exact_at(&mut byte, place - first).expect("it is that long");
        file.write_all_at(&[byte[0] ^ 4], place - first).expect("it can be written");
        file.sync_all().expect("it can be synced");
        bulk.expect(group.node(node).address(0));
        assert_eq!(metric(&mut group, node, "turbopump_replication_mended_total"), 1.0);
        let mut mended = [0];
        file.read_exact_at(&mut mended, place - first).expect("it is that long");
        assert_eq!(mended, byte, "it is as it was");
    }
    expect_identical(&mut group, 0);
    until("nothing more to be mended", LIMIT, || {
        bulk.expect(group.node(follower).address(0));
        Ok(())
    });
    group.expect_sound();
}
