//! A slave is made the master, and the old master comes back.

use std::time::Duration;

use interop::master_slave_pair::MasterSlavePair;
use interop::raw_client::RawClient;
use interop::requests;
use interop::run_lock::RunLock;
use interop::scratch::Scratch;
use interop::send_ledger::SendLedger;
use interop::until::until;
use protocol::body::MasterSlavePart;

use super::copying::expect_same_log;

const WITHIN: Duration = Duration::from_secs(20);
const READS: (&str, &str) = ("slaveReadEnable", "true");

#[test]
fn a_promoted_slave_has_all_that_a_sync_master_acknowledged_and_the_old_master_follows_it() {
    let _turn = RunLock::beside_another();
    let scratch = Scratch::new("promotion");
    let mut pair = MasterSlavePair::start("SYNC_MASTER", &[READS], &scratch);
    let (one, other) = (pair.address(0), pair.address(1));
    let mut ledger = SendLedger::new("promoted");
    let node = pair.node(0);
    ledger.send_pipelined(one, 32, |ledger| {
        if ledger.acknowledged() >= 1_000 {
            node.kill_nine();
        }
        false
    });
    let acknowledged = ledger.acknowledged();
    assert!(acknowledged >= 1_000);
    let printed = pair.promote(1, &[]).unwrap_or_else(|error| panic!("{error}\n{}", pair.outputs()));
    assert!(printed.contains("duo") && printed.contains("MAY BE MISSING"), "{printed}");
    pair.wait_until_registered(1, None);
    ledger.expect_stored_in_order(other);
    ledger.send(other, 200);

    // The old master may have what it never acknowledged. It takes that back, and takes no message before it knows.
    pair.node(0).start();
    let refused = until("it to answer", WITHIN, || {
        let mut client = RawClient::try_connect(one).map_err(|error| error.to_string())?;
        Ok(client.ask(requests::send("promoted", 0, b"to the old master")))
    });
    assert_ne!(refused.code, 0, "{refused:?}");
    pair.node(0).wait_until_ready();
    pair.wait_until(0, MasterSlavePart::Slave);
    pair.wait_until_registered(1, Some(0));
    ledger.send(other, 100);
    pair.wait_until_copied();
    ledger.expect_stored(one);
    expect_same_log(&mut pair);

    // Both remember what they became, and it goes the other way round too.
    for number in [0, 1] {
        pair.node(number).kill_nine();
        pair.node(number).start();
    }
    for number in [0, 1] {
        pair.node(number).wait_until_ready();
    }
    pair.wait_until(1, MasterSlavePart::Master);
    pair.wait_until_copied();
    ledger.send(other, 50);
    pair.wait_until_copied();
    pair.node(1).kill_nine();
    pair.promote(0, &[]).unwrap_or_else(|error| panic!("{error}\n{}", pair.outputs()));
    pair.node(1).start();
    pair.node(1).wait_until_ready();
    pair.wait_until(1, MasterSlavePart::Slave);
    pair.wait_until_copied();
    // A sync master again, so only with its slave.
    ledger.send(one, 50);
    pair.wait_until_copied();
    ledger.expect_stored(one);
    ledger.expect_stored(other);
    expect_same_log(&mut pair);
    assert_eq!((pair.state(0).epoch, pair.state(1).epoch), (2, 2));
    pair.expect_sound();
}

#[test]
fn a_slave_whose_master_lives_is_promoted_only_by_force_and_the_master_steps_down() {
    let _turn = RunLock::beside_another();
    let scratch = Scratch::new("forced");
    let mut pair = MasterSlavePair::start("ASYNC_MASTER", &[READS], &scratch);
    let (one, other) = (pair.address(0), pair.address(1));
    let mut ledger = SendLedger::new("forced");
    ledger.send(one, 100);
    pair.wait_until_copied();
    let refused = pair.promote(1, &[]).expect_err("the master is there");
    assert!(refused.contains("--force") && refused.contains(&one.to_string()), "{refused}");
    assert_eq!(pair.state(1).part, MasterSlavePart::Slave);
    pair.promote(1, &["--force"]).unwrap_or_else(|error| panic!("{error}\n{}", pair.outputs()));
    pair.wait_until(0, MasterSlavePart::Slave);
    pair.wait_until_registered(1, Some(0));
    ledger.send(other, 100);
    pair.wait_until_copied();
    ledger.expect_stored_in_order(one);
    expect_same_log(&mut pair);
    let again = pair.promote(1, &[]).expect_err("it is the master");
    assert!(again.contains("no slave"), "{again}");
    pair.expect_sound();
}

/// A hung master is as good as dead, until it wakes up: then it must not go on.
#[test]
fn a_master_that_hung_while_its_slave_was_promoted_follows_when_it_wakes_up() {
    let _turn = RunLock::beside_another();
    let scratch = Scratch::new("hung-master");
    let mut pair = MasterSlavePair::start("SYNC_MASTER", &[READS], &scratch);
    let (one, other) = (pair.address(0), pair.address(1));
    let mut ledger = SendLedger::new("hung");
    ledger.send(one, 100);
    pair.node(0).pause();
    until("the master to be given up", WITHIN, || pair.promote(1, &[]).map(drop));
    ledger.send(other, 100);
    pair.node(0).resume();
    pair.wait_until(0, MasterSlavePart::Slave);
    pair.wait_until_registered(1, Some(0));
    pair.wait_until_copied();
    ledger.expect_stored_in_order(one);
    expect_same_log(&mut pair);
    pair.expect_sound();
}
