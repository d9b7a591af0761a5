//! What a slave has, and what it serves.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use interop::clients::JavaClient;
use interop::java;
use interop::master_slave_pair::MasterSlavePair;
use interop::mqadmin::Mqadmin;
use interop::raw_client::RawClient;
use interop::requests;
use interop::run_lock::RunLock;
use interop::scratch::Scratch;
use interop::send_ledger::SendLedger;
use protocol::body::MasterSlavePart;
use protocol::code::{RequestCode, ResponseCode};
use protocol::command::RemotingCommand;

const TOPIC: &str = "copied";
const WITHIN: Duration = Duration::from_secs(20);
/// Consumers may read from the slave, and are sent there as soon as they are not at the end.
const READS: [(&str, &str); 2] = [("slaveReadEnable", "true"), ("accessMessageInMemoryMaxRatio", "0")];
/// Whom [`requests::pull`] pulls as.
const GROUP: &str = "pullers";

fn refused(answer: &RemotingCommand) -> (ResponseCode, String) {
    (ResponseCode(answer.code), answer.remark.clone().unwrap_or_default())
}

#[test]
fn a_slave_has_messages_topics_and_offsets_and_serves_them_when_its_master_is_dead() {
    let _turn = RunLock::beside_another();
    let scratch = Scratch::new("slave-serves");
    let mut pair = MasterSlavePair::start("ASYNC_MASTER", &READS, &scratch);
    let (master, slave) = (pair.address(0), pair.address(1));
    let mut ledger = SendLedger::new(TOPIC);
    ledger.send(master, 300);
    let mut client = RawClient::connect(master);
    client.ask(requests::create_topic("made-by-hand", 3));
    let mode = br#"{"consumerGroup":"poppers","mode":"POP","popShareQueueNum":2,"topic":"made-by-hand"}"#;
    let set = client.ask(requests::with_body(RequestCode::SET_MESSAGE_REQUEST_MODE, mode));
    assert_eq!(set.code, 0, "{set:?}");
    pair.wait_until_copied();
    interop::until::until("the master to know what the slave has", WITHIN, || {
        let advice = client.ask(requests::pull(TOPIC, 0, 0));
        // Not at the end, and the slave has what follows.
        if advice.get("suggestWhichBrokerId") == Some("1") { Ok(()) } else { Err(format!("{:?}", advice.fields)) }
    });
    client.ask(requests::commit_offset(GROUP, TOPIC, 0, 41));
    // Offsets are put into the log every 5 s, and at the end of a process.
    client.ask(requests::create_topic("made-later", 1));
    pair.wait_until_copied();
    tools_show_both(&pair, &scratch);
    wait_for_offset(&pair);

    pair.node(0).kill_nine();
    ledger.expect_stored_in_order(slave);
    let mut client = RawClient::connect(slave);
    let offset = client.ask(requests::query_offset(GROUP, TOPIC, 0));
    assert_eq!(offset.get("offset"), Some("41"), "{offset:?}");
    let topics = client.ask(requests::with_body(RequestCode::GET_ALL_TOPIC_CONFIG, &[]));
    let text = String::from_utf8_lossy(&topics.body);
    assert!(text.contains("made-by-hand") && text.contains("made-later"), "{text}");
    let modes = client.ask(requests::with_body(RequestCode::GET_ALL_MESSAGE_REQUEST_MODE, &[]));
    let modes = String::from_utf8_lossy(&modes.body);
    assert!(modes.contains(r#"{"consumerGroup":"poppers","mode":"POP","popShareQueueNum":2,"#), "{modes}");
    let committed = client.ask(requests::commit_offset(GROUP, TOPIC, 0, 77));
    assert_eq!(committed.code, 0, "{committed:?}");
    let offset = client.ask(requests::query_offset(GROUP, TOPIC, 0));
    assert_eq!(offset.get("offset"), Some("77"), "{offset:?}");
    let (code, remark) = refused(&client.ask(requests::send(TOPIC, 0, b"no")));
    assert_eq!(code, ResponseCode::SYSTEM_BUSY);
    assert!(remark.starts_with("[REJECTREQUEST]"), "{remark}");
    let (code, remark) = refused(&client.ask(requests::create_topic("nowhere", 1)));
    assert_eq!(code, ResponseCode::SERVICE_NOT_AVAILABLE);
    assert!(remark.contains("slave"), "{remark}");

    // The slave's own death and its master's return: both come back as they were.
    pair.node(1).kill_nine();
    for number in [0, 1] {
        pair.node(number).start();
        pair.node(number).wait_until_ready();
    }
    pair.wait_until_copied();
    pair.wait_until_registered(0, Some(1));
    ledger.send(master, 50);
    pair.wait_until_copied();
    ledger.expect_stored_in_order(slave);
    pair.expect_sound();
}

fn wait_for_offset(pair: &MasterSlavePair) {
    interop::until::until("the offset to be copied", WITHIN, || {
        let offset = RawClient::connect(pair.address(1)).ask(requests::query_offset(GROUP, TOPIC, 0));
        if offset.get("offset") == Some("41") { Ok(()) } else { Err(format!("{offset:?}")) }
    });
}

fn tools_show_both(pair: &MasterSlavePair, scratch: &Scratch) {
    pair.wait_until_registered(0, Some(1));
    let tool = Mqadmin::new(JavaClient::V5, &pair.target(0).name_servers, scratch);
    let (master, slave) = (pair.address(0).to_string(), pair.address(1).to_string());
    let listed = tool.run("clusterList", &[]);
    let ids: Vec<[String; 2]> = listed.rows().iter().map(|row| [row[2].to_owned(), row[3].to_owned()]).collect();
    assert_eq!(ids, [["0".to_owned(), master.clone()], ["1".to_owned(), slave.clone()]], "{listed:?}");
    let shown = tool.run("haStatus", &["-b", &master]);
    for line in ["#SlaveNum\t1".to_owned(), "#InSyncSlaveNum\t1".to_owned(), format!("#MasterAddr\t{master}")] {
        assert!(shown.out.lines().any(|each| each == line), "{line:?} is not in {shown:?}");
    }
    assert_eq!(shown.rows()[0][0], slave, "{shown:?}");
    let shown = tool.run("haStatus", &["-b", &slave]);
    assert!(shown.out.lines().any(|line| line == format!("#MasterAddr\t{master}")), "{shown:?}");
}

/// A stock consumer is sent to the slave by the master, and goes on there when the master is gone.
#[test]
fn a_stock_consumer_reads_everything_from_the_slave_of_a_dead_master() {
    let _turn = RunLock::beside_another();
    let scratch = Scratch::new("slave-stock");
    let mut pair = MasterSlavePair::start("ASYNC_MASTER", &READS, &scratch);
    pair.wait_until_registered(0, Some(1));
    let acks = scratch.path().join("acks.txt");
    let options = [("ack-file", acks.to_str().expect("made from text")), ("run-s", "60")];
    let target = pair.target(0);
    let start = |scenario, options: &[(&str, &str)]| {
        java::start(JavaClient::V5, scenario, &target, "slave", options, java::LIMIT, &scratch)
    };
    let acknowledged = || std::fs::read(&acks).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count();
    let mut producer = start("crash-producer", &options);
    interop::until::until("acknowledgements", java::LIMIT, || {
        producer.expect_running();
        if acknowledged() >= 2_000 { Ok(()) } else { Err(format!("{}", acknowledged())) }
    });
    producer.ask_to_stop();
    let facts = producer.expect_pass();
    assert!(facts.ends_with(" failed 0"), "{facts}");
    pair.wait_until_copied();
    let messages = acknowledged().to_string();
    let before = pulled(&pair);
    start("read-all", &[("messages", &messages)]).expect_pass();
    assert!(pulled(&pair) > before, "the master has sent nobody to its slave\n{}", pair.outputs());
    pair.node(0).kill_nine();
    pair.wait_until_alone(1);
    start("read-all", &[("messages", &messages)]).expect_pass();
    pair.expect_sound();
}

/// Messages that the slave has answered pulls with.
fn pulled(pair: &MasterSlavePair) -> u64 {
    pair.runtime_row(1, "msgGetTotalTodayNow").parse().expect("a number")
}

/// What a machine's crash does to a master that acknowledges from memory: the slave may have what the master has forgotten.
#[test]
fn a_slave_that_has_more_than_a_master_that_forgot_takes_its_end_back() {
    let _turn = RunLock::beside_another();
    let scratch = Scratch::new("slave-parts");
    let mut pair = MasterSlavePair::start("ASYNC_MASTER", &READS, &scratch);
    let (master, slave) = (pair.address(0), pair.address(1));
    let mut before = SendLedger::new("kept");
    before.send(master, 40);
    let remembered = pair.wait_until_copied();
    pair.node(0).terminate();
    let store = store_of(&mut pair);
    let kept = scratch.path().join("kept");
    copy(&store, &kept);
    pair.node(0).start();
    pair.node(0).wait_until_ready();
    pair.wait_until(0, MasterSlavePart::Master);
    let mut forgotten = SendLedger::new("forgotten");
    forgotten.send(master, 500);
    assert!(pair.wait_until_copied() > remembered);
    // In order, so that its checkpoint is one of what it has to take back.
    pair.node(1).terminate();
    pair.node(1).start();
    pair.node(1).wait_until_ready();
    pair.wait_until_copied();

    pair.node(0).kill_nine();
    pair.node(0).lose_memory();
    // Its term it has not forgotten: that is on stable storage before anything of it is acknowledged.
    let term = std::fs::read(store.join("shard-0/term")).expect("every start writes it");
    std::fs::remove_dir_all(&store).expect("no process uses it");
    copy(&kept, &store);
    std::fs::write(store.join("shard-0/term"), term).expect("the folder is there");
    pair.node(0).start();
    pair.node(0).wait_until_ready();
    pair.wait_until(0, MasterSlavePart::Master);
    before.send(master, 60);
    pair.wait_until_copied();
    before.expect_stored_in_order(slave);
    before.expect_stored_in_order(master);
    let end = RawClient::connect(slave).ask(requests::of_queue(RequestCode::GET_MAX_OFFSET, "forgotten", 0));
    assert_eq!(end.get("offset"), Some("0"), "the slave still has what its master forgot: {end:?}");
    assert!(pair.outputs().contains("the end of this log that the master does not have was taken back"));
    expect_same_log(&mut pair);

    // The store that was stepped back opens again.
    pair.node(1).kill_nine();
    pair.node(1).start();
    pair.node(1).wait_until_ready();
    before.send(master, 10);
    pair.wait_until_copied();
    before.expect_stored_in_order(slave);
    pair.expect_sound();
}

fn store_of(pair: &mut MasterSlavePair) -> std::path::PathBuf {
    let log = pair.node(0).log_folder(0);
    log.ancestors().nth(2).expect("below the store's folder").to_owned()
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(status.is_ok_and(|status| status.success()), "{} is not copied", from.display());
}

/// Holds the written logs of both against each other.
pub(crate) fn expect_same_log(pair: &mut MasterSlavePair) {
    let end = pair.wait_until_copied() as u64;
    for number in [0, 1] {
        interop::until::until("the log to be written", WITHIN, || {
            let waiting = pair.runtime_row(number, "remainHowManyDataToFlush");
            if waiting == "0 B" { Ok(()) } else { Err(waiting) }
        });
    }
    let folders = [0, 1].map(|number| pair.node(number).log_folder(0));
    interop::log_copies::expect_same_files(&folders, end);
}
