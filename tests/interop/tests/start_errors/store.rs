//! Stores that cannot be used, that belong to somebody, or that are damaged.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use interop::broker_start::BrokerStart;
use interop::kept_messages::KeptMessages;
use interop::raw_client::RawClient;
use interop::requests;
use interop::scratch::Scratch;

fn expect_line(output: &str, words: &[&str]) {
    let says_all = |line: &str| words.iter().all(|word| line.contains(word));
    assert!(output.lines().any(says_all), "{words:?} were to be expected in one line of:\n{output}");
}

fn shard_file(start: &BrokerStart, name: &str) -> PathBuf {
    start.store().join("shard-0").join(name)
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    change(&mut bytes);
    fs::write(path, bytes).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
}

fn flip(path: &Path, at: usize) {
    change(path, |bytes| bytes[at] ^= 0x40);
}

#[test]
fn a_store_that_cannot_be_written_is_named_with_the_cause() {
    let scratch = Scratch::new("unwritable");
    let below_file = scratch.file("file", "no folder").join("store");
    let read_only = scratch.folder("sealed");
    // The kernel lets nobody, root included, make a folder there.
    let mut cases = vec![("below-a-file", below_file, "Not a directory"), ("proc", "/proc/store".into(), "os error")];
    if !rustix::process::geteuid().is_root() {
        let mode = fs::set_permissions(&read_only, fs::Permissions::from_mode(0o555));
        mode.unwrap_or_else(|error| panic!("{error}"));
        cases.push(("read-only", read_only.join("store"), "Permission denied"));
    }
    for (name, store, cause) in cases {
        let output = BrokerStart::new(name, &scratch).store_at(&store).refused();
        expect_line(&output, &["mqbroker: ", store.to_str().unwrap(), "is not writable", cause, "--store"]);
    }
}

#[test]
fn a_second_process_on_a_store_is_refused_and_told_who_has_it() {
    let scratch = Scratch::new("locked");
    let first = BrokerStart::new("first", &scratch);
    let broker = first.ready();
    let mut messages = KeptMessages::new("kept");
    messages.send(broker.main(), 10);
    let rings = first.rings().display().to_string();
    let second = BrokerStart::new("second", &scratch).store_at(first.store()).set("shmRingDir", rings);
    let output = second.refused();
    let pid = format!("(pid {})", broker.pid());
    expect_line(&output, &[first.store().to_str().unwrap(), "locked by another process", &pid, "--store"]);
    messages.send(broker.main(), 10);
    messages.expect(broker.main());
    broker.kill_nine();
    // A lock that its holder left behind holds nobody up.
    let broker = second.ready();
    messages.expect(broker.main());
    broker.terminate();
}

#[test]
fn a_store_of_another_format_is_refused_and_left_as_it_is() {
    let scratch = Scratch::new("format");
    let start = BrokerStart::new("format", &scratch);
    let broker = start.ready();
    let mut messages = KeptMessages::new("kept");
    messages.send(broker.main(), 10);
    broker.terminate();
    let identity = start.store().join("store.json");
    let ours = fs::read_to_string(&identity).unwrap();
    let root = start.store().to_str().unwrap();
    for format in [0, 1, 3, 4_000_000_000_u32] {
        let theirs = ours.replace("\"format\": 2", &format!("\"format\": {format}"));
        assert_ne!(theirs, ours);
        fs::write(&identity, &theirs).unwrap();
        expect_line(&start.refused(), &[root, &format!("has format {format}"), "reads 2"]);
        assert_eq!(fs::read_to_string(&identity).unwrap(), theirs, "left as it is");
    }
    for broken in ["", "{", "[]", "{\"format\":\"one\"}", "{\"format\":2,\"storeId\":\"xyz\",\"shards\":1}"] {
        fs::write(&identity, broken).unwrap();
        expect_line(&start.refused(), &["store.json", "is not what this version wrote"]);
        assert_eq!(fs::read_to_string(&identity).unwrap(), broken, "left as it is");
    }
    fs::write(&identity, ours).unwrap();
    let broker = start.ready();
    messages.expect(broker.main());
    broker.terminate();
}

#[test]
fn fewer_shards_than_the_store_holds_are_refused_and_more_are_added() {
    let scratch = Scratch::new("shards");
    let start = BrokerStart::new("shards", &scratch);
    let broker = start.ready();
    let mut messages = KeptMessages::new("of-shard-0");
    messages.send(broker.main(), 10);
    broker.terminate();
    let start = start.shards(3);
    let broker = start.ready();
    messages.expect(start.shard_address(0));
    let mut of_added = KeptMessages::new("of-shard-2");
    of_added.send(start.shard_address(2), 10);
    broker.terminate();
    for shards in [1, 2] {
        let fewer = BrokerStart::new(&format!("fewer-{shards}"), &scratch).store_at(start.store()).shards(shards);
        let output = fewer.refused();
        let configured = format!("{shards} are configured");
        expect_line(&output, &[start.store().to_str().unwrap(), "holds 3 shards", &configured, "--shards 3"]);
    }
    let broker = start.ready();
    messages.expect(start.shard_address(0));
    of_added.expect(start.shard_address(2));
    broker.terminate();
}

#[test]
fn a_damaged_checkpoint_is_named_and_the_one_before_or_the_log_is_used() {
    let scratch = Scratch::new("checkpoint");
    let start = BrokerStart::new("checkpoint", &scratch);
    let mut messages = KeptMessages::new("kept");
    // Two ends in order: two checkpoints.
    for _ in 0..2 {
        let broker = start.ready();
        messages.send(broker.main(), 50);
        broker.terminate();
    }
    let (newest, previous) = (shard_file(&start, "checkpoint"), shard_file(&start, "checkpoint.prev"));
    let sound = (fs::read(&newest).unwrap(), fs::read(&previous).unwrap());
    let restore = || {
        fs::write(&newest, &sound.0).unwrap();
        fs::write(&previous, &sound.1).unwrap();
    };
    let expect_found = |words: &[&[&str]]| {
        let broker = start.ready();
        let output = broker.output();
        for words in words {
            expect_line(&output, words);
        }
        messages.expect(broker.main());
        // As a crash would: the next case begins with the files as they are here.
        broker.kill_nine();
    };
    let length = sound.0.len();
    for at in [0, 5, 10, 20, 25, 32, length / 2, length - 1] {
        restore();
        flip(&newest, at);
        expect_found(&[&["WARN", "checkpoint: ", "not used"]]);
    }
    restore();
    change(&newest, |bytes| bytes.truncate(20));
    expect_found(&[&["WARN", "checkpoint: ", "fewer than its header"]]);
    restore();
    change(&newest, |bytes| bytes.truncate(length - 1));
    expect_found(&[&["WARN", "checkpoint: ", "bytes"]]);
    restore();
    fs::write(&newest, "").unwrap();
    flip(&previous, 40);
    expect_found(&[&["WARN", "checkpoint: ", "0 bytes"], &["WARN", "checkpoint.prev: ", "checksum"]]);
    restore();
    fs::remove_file(&newest).unwrap();
    fs::remove_file(&previous).unwrap();
    expect_found(&[&["log recovered", "from=0"]]);
}

/// The process was killed, so all of its log is read at the start; what follows the damage says that it was safe.
#[test]
fn a_log_damaged_where_it_was_safe_is_refused_by_file_and_byte() {
    const DAMAGED: usize = 100;
    let scratch = Scratch::new("damaged");
    let start = BrokerStart::new("damaged", &scratch).set("flushDiskType", "SYNC_FLUSH");
    let broker = start.ready();
    let mut messages = KeptMessages::new("kept");
    messages.send(broker.main(), 200);
    broker.kill_nine();
    let segment = shard_file(&start, "commitlog/00000000000000000000");
    let sound = fs::read(&segment).unwrap();
    let (before, place) = (messages.place(DAMAGED - 1), messages.place(DAMAGED));
    for at in [place + 4, place + 60, place + 100] {
        flip(&segment, usize::try_from(at).unwrap());
        let damaged = fs::read(&segment).unwrap();
        // Twice: the first refusal changes nothing.
        for _ in 0..2 {
            let output = start.refused();
            expect_line(&output, &["the log is damaged in commitlog/00000000000000000000 at byte ", "no torn write"]);
            let byte = output.split("at byte ").nth(1).and_then(|rest| rest.split(':').next());
            let byte: i64 = byte.and_then(|byte| byte.parse().ok()).unwrap_or_else(|| panic!("{output}"));
            assert!(before < byte && byte <= place, "the entry of the message at {place} begins at {byte}?");
            assert!(fs::read(&segment).unwrap() == damaged, "a refused start leaves the log as it is");
        }
        fs::write(&segment, &sound).unwrap();
    }
    let broker = start.ready();
    messages.expect(broker.main());
    broker.terminate();
}

/// After an end in order the log is not read again at the start: the damage is found by who asks for the message.
#[test]
fn a_message_damaged_on_disk_is_an_error_for_who_pulls_it_and_not_skipped() {
    const DAMAGED: usize = 30;
    let scratch = Scratch::new("damaged-message");
    let start = BrokerStart::new("damaged-message", &scratch);
    let broker = start.ready();
    let mut messages = KeptMessages::new("kept").of_bytes(5_000);
    messages.send(broker.main(), 60);
    broker.terminate();
    let segment = shard_file(&start, "commitlog/00000000000000000000");
    let place = messages.place(DAMAGED);
    flip(&segment, usize::try_from(place + 2_000).unwrap());
    let broker = start.ready();
    let mark = broker.mark();
    let mut client = RawClient::connect(broker.main());
    let answer = client.ask(requests::pull("kept", 0, DAMAGED as i64));
    assert_eq!((answer.code, answer.body.len()), (1, 0), "{answer:?}");
    let words = [place.to_string(), "commitlog/00000000000000000000".to_owned()];
    let remark = answer.remark.unwrap_or_default();
    assert!(words.iter().all(|word| remark.contains(word)), "{remark}");
    let lines = broker.lines_since(mark, "ERROR");
    assert!(lines.len() == 1 && words.iter().all(|word| lines[0].contains(word)), "{lines:?}");
    assert_eq!(client.ask(requests::view(place)).code, 1);
    for around in [DAMAGED - 1, DAMAGED + 1] {
        assert_eq!(client.ask(requests::view(messages.place(around))).code, 0);
        let one = requests::with(requests::pull("kept", 0, around as i64), "maxMsgNums", "1");
        assert_eq!(client.ask(one).code, 0);
    }
    messages.send(broker.main(), 5);
    broker.terminate();
}

#[test]
fn a_missing_segment_is_named_with_its_neighbours() {
    let scratch = Scratch::new("hole");
    let start = BrokerStart::new("hole", &scratch);
    let broker = start.ready();
    let mut messages = KeptMessages::new("kept").of_bytes(1 << 20);
    messages.send(broker.main(), 40);
    broker.terminate();
    let name = |number: u64| format!("commitlog/{:020}", number * (16 << 20));
    let (missing, aside) = (shard_file(&start, &name(1)), scratch.path().join("aside"));
    fs::rename(&missing, &aside).unwrap();
    expect_line(&start.refused(), &[&name(1), "is missing between", &name(0), &name(2)]);
    fs::rename(&aside, &missing).unwrap();
    let broker = start.ready();
    messages.expect(broker.main());
    broker.terminate();
}
