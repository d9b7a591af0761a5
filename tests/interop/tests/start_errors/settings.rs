//! Configurations that are refused before anything is touched.

use std::process::Command;

use interop::binaries;
use interop::broker_start::BrokerStart;
use interop::scratch::Scratch;
use interop::spawning::output_of;

/// Refused, with all of `words` in one line of what is said, and without a trace on the disk.
fn expect_refused(start: &BrokerStart, words: &[&str]) {
    let output = start.refused();
    let says_all = |line: &str| words.iter().all(|word| line.contains(word));
    assert!(output.lines().any(says_all), "{words:?} were to be expected in one line of:\n{output}");
    assert!(!start.store().exists(), "a refused configuration leaves no store behind");
}

#[test]
fn an_unknown_property_is_named_with_its_place_and_the_nearest_known_one() {
    let scratch = Scratch::new("unknown-property");
    let start = |name: &str| BrokerStart::new(name, &scratch);
    for (written, meant) in [
        ("listenPrt", "listenPort"),
        ("brokerIp1", "brokerIP1"),
        ("flushDisktype", "flushDiskType"),
        ("maxMesageSize", "maxMessageSize"),
        ("storePathRootdir", "storePathRootDir"),
    ] {
        expect_refused(&start(written).set(written, "1"), &[&format!("property {written}"), meant, "broker.conf"]);
    }
    expect_refused(&start("flag").argument("--set").argument("shrads=2"), &["property shrads", "shards", "--set"]);
    expect_refused(&start("strange").set("qqqqqqqqqqqqqqqq", "1"), &["property qqqqqqqqqqqqqqqq"]);
}

#[test]
fn a_bad_value_is_named_with_its_property_and_what_is_allowed() {
    let scratch = Scratch::new("bad-value");
    for (key, value, allowed) in [
        ("maxMessageSize", "0", "1 to 16515072"),
        ("maxMessageSize", "4M", "1 to 16515072"),
        ("maxMessageSize", "99999999999999999999", "1 to 16515072"),
        ("listenPort", "65536", "1 to 65535"),
        ("listenPort", "-1", "1 to 65535"),
        ("connectionsMax", "many", "1 to 1000000"),
        ("flushDiskType", "SOMETIMES", "ASYNC_FLUSH"),
        ("brokerPermission", "7", "6"),
        ("autoCreateTopicEnable", "perhaps", "true"),
        ("bindAddress", "localhost:1", "address"),
        ("messageDelayLevel", "1s 5x", "1s"),
        ("deleteWhen", "25", "0"),
        ("namesrvAddr", "not an address", "host"),
    ] {
        let name = format!("{key}-{value}").replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let start = BrokerStart::new(&name, &scratch).set(key, value);
        expect_refused(&start, &[&format!("{key}={value}"), allowed, "broker.conf"]);
    }
}

#[test]
fn a_bad_number_of_shards_or_list_of_processors_is_named() {
    let scratch = Scratch::new("bad-placement");
    let start = |name: &str| BrokerStart::new(name, &scratch);
    for shards in [0, 257] {
        let start = start(&format!("shards-{shards}")).shards(shards);
        expect_refused(&start, &[&format!("shards={shards}"), "1 to 256", "--shards"]);
    }
    for list in ["x", "0-", "-1", "3-1", "0,,1", "99999"] {
        let name = format!("cpus-{}", list.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
        expect_refused(&start(&name).argument(&format!("--cpus={list}")), &[&format!("cpus={list}"), "--cpus"]);
    }
    // A processor that this process may not run on: no machine of today has as many.
    expect_refused(&start("cpus-missing").argument("--cpus=4095"), &["cpus=4095", "may run on"]);
}

#[test]
fn values_that_do_not_fit_each_other_are_named_together() {
    let scratch = Scratch::new("no-fit");
    let start = |name: &str| BrokerStart::new(name, &scratch);
    expect_refused(
        &start("segment").set("mappedFileSizeCommitLog", 1 << 20),
        &["mappedFileSizeCommitLog=1048576", "maxMessageSize=4194304"],
    );
    expect_refused(
        &start("ring").set("maxMessageSize", 10_000_000),
        &["shmRingBytes=16777216", "maxMessageSize=10000000"],
    );
    let port = start("port").port();
    expect_refused(
        &start("port-twice").set("listenPort", port).set("namesrvListenPort", port),
        &[&format!("port {port} is wanted twice"), "namesrvListenPort"],
    );
    expect_refused(&start("ports").set("listenPort", 65_530).shards(2), &["listenPort=65530", "2 shards"]);
}

/// What is not there yet and would be relied upon is refused, not ignored.
#[test]
fn a_promise_that_cannot_be_kept_is_refused() {
    let scratch = Scratch::new("promises");
    for (key, value) in [("aclEnable", "true"), ("useTLS", "true"), ("enableControllerMode", "true")] {
        let start = BrokerStart::new(key, &scratch).set(key, value);
        expect_refused(&start, &[&format!("{key}={value} is refused"), "not there yet", "broker.conf"]);
    }
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let scratch = Scratch::new("all-wrong");
    let start = BrokerStart::new("all-wrong", &scratch)
        .set("maxMessageSize", "0")
        .set("flushDiskType", "SOMETIMES")
        .set("listenPrt", "1");
    let output = start.refused();
    for word in ["maxMessageSize=0", "flushDiskType=SOMETIMES", "listenPrt"] {
        assert!(output.contains(word), "{word} is missing in:\n{output}");
    }
    assert!(!start.store().exists());
}

#[test]
fn a_configuration_file_that_cannot_be_read_is_named() {
    let scratch = Scratch::new("no-file");
    // A second file is no file of properties but a folder.
    let folder = scratch.folder("folder");
    let output = output_of(Command::new(binaries::path_of("mqbroker")).arg("-c").arg(&folder));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot read the configuration file") && said.contains(folder.to_str().unwrap()), "{said}");
}
