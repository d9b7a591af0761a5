//! The master's log no longer reaches back to where its slave's ends: the slave was away too long, or its disk is new.

use std::time::Duration;

use interop::http;
use interop::kept_messages::KeptMessages;
use interop::log_copies::oldest_kept;
use interop::master_slave_pair::MasterSlavePair;
use interop::raw_client::RawClient;
use interop::requests;
use interop::run_lock::RunLock;
use interop::scratch::Scratch;
use interop::send_ledger::SendLedger;
use interop::until::until;
use protocol::body::MasterSlavePart;
use protocol::code::RequestCode;

use super::copying::expect_same_log;

const READS: (&str, &str) = ("slaveReadEnable", "true");
/// The smallest, so that little has to be sent until what is old is no longer in memory.
const CACHE: (&str, &str) = ("logCacheBytes", "16777216");
/// Each keeps about so much.
const KEPT: (&str, &str) = ("logBytesMax", "8388608");
const BODY_BYTES: usize = 400 << 10;
/// About what the first of the two checkpoints takes that have to come before something is removed.
const BODIES: usize = 90;
/// Sent at each look until the second has come: the first may be of nearly all of the above.
const MORE_BODIES: usize = 4;
/// A slave has its store within this.
const WITHIN: Duration = Duration::from_secs(60);

/// A pair that has the machine to itself, with a master of that role, and what was sent to it so far. Both keep little; `further`
/// stands in both configurations too.
fn start(name: &str, role: &str, further: &[(&str, &str)]) -> (RunLock, Scratch, MasterSlavePair, KeptMessages) {
    let turn = RunLock::beside_another();
    let scratch = Scratch::new(name);
    let pair = MasterSlavePair::start(role, &[&[READS, CACHE, KEPT], further].concat(), &scratch);
    let mut bulk = KeptMessages::new("bulk").of_bytes(BODY_BYTES);
    bulk.send(pair.address(0), 2);
    (turn, scratch, pair, bulk)
}

/// Sends until the master's log begins behind its slave's end, which is `end` at most.
fn age(pair: &mut MasterSlavePair, bulk: &mut KeptMessages, end: u64) {
    let master = pair.address(0);
    bulk.send(master, BODIES);
    let folder = pair.node(0).log_folder(0);
    let mut client = RawClient::connect(master);
    until("the master's log to begin behind its slave's end", WITHIN, || {
        bulk.send(master, MORE_BODIES);
        // Not only every ten seconds.
        client.ask(requests::with_body(RequestCode::DELETE_EXPIRED_COMMITLOG, &[]));
        let first = oldest_kept(&folder);
        if first > end { Ok(()) } else { Err(format!("it begins at {first}, the slave ends at {end}")) }
    });
}

/// Stores that a process has begun to fetch.
fn installations(pair: &mut MasterSlavePair, number: usize) -> String {
    let text = http::expect(pair.node(number).endpoint(), "/metrics").body;
    let name = "turbopump_replication_installations_total";
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in {text}"));
    line.rsplit(' ').next().unwrap_or_default().to_owned()
}

fn wait_until_fetching(pair: &mut MasterSlavePair) {
    let shard = pair.node(1).log_folder(0);
    let fetched = shard.parent().expect("below the shard's folder").join("install/commitlog");
    until("the slave to have fetched some of the log", WITHIN, || {
        let is_some_there = std::fs::read_dir(&fetched).is_ok_and(|segments| segments.count() > 2);
        if is_some_there { Ok(()) } else { Err(pair.outputs()) }
    });
}

fn wait_until_fetched(pair: &mut MasterSlavePair) {
    until("the slave to have fetched a store", WITHIN, || {
        let ends = [0, 1].map(|number| pair.state(number).end_offset);
        if ends[0] == ends[1] { Ok(()) } else { Err(format!("{ends:?}\n{}", pair.outputs())) }
    });
}

/// The master is dead, and its slave does not take its place, and says why.
fn expect_no_promotion(pair: &mut MasterSlavePair, why: &str) {
    until("the slave to refuse to be the master", WITHIN, || match pair.promote(1, &[]) {
        Err(refused) if refused.contains(why) => Ok(()),
        // It may still wait for its master.
        answered => Err(format!("{answered:?}")),
    });
}

#[test]
fn a_slave_that_was_away_too_long_or_lost_its_disk_fetches_a_store_serves_it_and_can_be_promoted() {
    let (_turn, _scratch, mut pair, mut bulk) = start("slave-installs", "ASYNC_MASTER", &[]);
    let (one, other) = (pair.address(0), pair.address(1));
    let mut ledger = SendLedger::new("after");
    let end = pair.wait_until_copied() as u64;
    pair.node(1).kill_nine();
    age(&mut pair, &mut bulk, end);
    for is_wiped in [false, true] {
        if is_wiped {
            pair.node(1).kill_nine();
            pair.node(1).lose_memory();
            pair.node(1).lose_disk();
        }
        pair.node(1).start();
        pair.node(1).wait_until_ready();
        // While it fetches what there is, others send.
        ledger.send(one, 100);
        pair.wait_until_copied();
        assert_eq!(installations(&mut pair, 1), "1", "wiped: {is_wiped}\n{}", pair.outputs());
        let first = bulk.expect_kept(other);
        println!("wiped: {is_wiped}; of {} messages the slave serves those from {first} on", bulk.count());
        ledger.expect_stored_in_order(other);
        expect_same_log(&mut pair);
    }
    // What it has fetched opens again, and is enough to be the master with.
    pair.node(1).kill_nine();
    pair.node(1).start();
    pair.node(1).wait_until_ready();
    pair.wait_until_copied();
    pair.node(0).kill_nine();
    pair.promote(1, &[]).unwrap_or_else(|error| panic!("{error}\n{}", pair.outputs()));
    ledger.send(other, 50);
    bulk.expect_kept(other);
    pair.node(0).start();
    pair.node(0).wait_until_ready();
    pair.wait_until(0, MasterSlavePart::Slave);
    pair.wait_until_copied();
    ledger.expect_stored_in_order(one);
    expect_same_log(&mut pair);
    pair.expect_sound();
}

/// Slow enough to be killed in the middle of it.
const SLOWLY: (&str, &str) = ("catchUpMaxBytesPerSecond", "1048576");

#[test]
#[ignore = "make interop-long: a store is fetched slowly, again and again"]
fn a_slave_or_master_that_is_killed_while_a_store_is_fetched_goes_on_with_it() {
    let (_turn, _scratch, mut pair, mut bulk) = start("slave-install-killed", "SYNC_MASTER", &[SLOWLY]);
    let (one, other) = (pair.address(0), pair.address(1));
    let mut ledger = SendLedger::new("after");
    age(&mut pair, &mut bulk, 0);
    pair.wait_until_copied();
    for killed in [1, 0] {
        pair.node(1).kill_nine();
        pair.node(1).lose_memory();
        pair.node(1).lose_disk();
        pair.node(1).start();
        pair.node(1).wait_until_ready();
        wait_until_fetching(&mut pair);
        // It counts for nothing yet, whatever it has fetched.
        let answer = RawClient::connect(one).ask(requests::send("uncounted", 0, b"alone"));
        assert_eq!(answer.code, 11, "SLAVE_NOT_AVAILABLE: {answer:?}");
        pair.node(killed).kill_nine();
        if killed == 0 {
            expect_no_promotion(&mut pair, "has nothing of its master's log yet");
        }
        pair.node(killed).start();
        pair.node(killed).wait_until_ready();
        wait_until_fetched(&mut pair);
        ledger.send(one, 50);
        pair.wait_until_copied();
        bulk.expect_kept(other);
        ledger.expect_stored_in_order(other);
        expect_same_log(&mut pair);
    }
    pair.expect_sound();
}

#[test]
#[ignore = "make interop-long: a store is fetched slowly"]
fn a_slave_that_was_away_too_long_is_not_promoted_before_it_has_what_it_lacks() {
    let (_turn, _scratch, mut pair, mut bulk) = start("slave-lacks-log", "ASYNC_MASTER", &[SLOWLY]);
    let other = pair.address(1);
    let end = pair.wait_until_copied() as u64;
    pair.node(1).kill_nine();
    age(&mut pair, &mut bulk, end);
    pair.node(1).start();
    pair.node(1).wait_until_ready();
    wait_until_fetching(&mut pair);
    pair.node(0).kill_nine();
    expect_no_promotion(&mut pair, "lacks much of what its master has");
    pair.node(0).start();
    pair.node(0).wait_until_ready();
    wait_until_fetched(&mut pair);
    pair.wait_until_copied();
    bulk.expect_kept(other);
    expect_same_log(&mut pair);
    pair.expect_sound();
}
