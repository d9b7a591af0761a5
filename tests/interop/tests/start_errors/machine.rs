//! What the machine denies: io_uring, locked memory, direct I/O, shared memory.

use std::fs;

use interop::broker_start::BrokerStart;
use interop::kept_messages::KeptMessages;
use interop::live_broker::LiveBroker;
use interop::scratch::Scratch;

const DENIED: &str = env!("CARGO_BIN_EXE_interop-denied");

/// Runs what follows with this limit on locked memory, in KiB.
fn with_locked_memory(kibibytes: u32) -> Vec<String> {
    ["sh", "-c", &format!("ulimit -l {kibibytes}; exec \"$@\""), "sh"].map(str::to_owned).to_vec()
}

/// For root: what follows cannot lock memory beyond its limit, as no other user can.
fn without_ipc_lock(command: Vec<String>) -> Vec<String> {
    if !rustix::process::geteuid().is_root() {
        return command;
    }
    let drop = ["setpriv", "--bounding-set=-ipc_lock", "--inh-caps=-ipc_lock"];
    drop.iter().map(|word| (*word).to_owned()).chain(command).collect()
}

/// Messages that are acknowledged survive a kill.
fn expect_promise(start: &BrokerStart, broker: LiveBroker) {
    let mut messages = KeptMessages::new("kept").of_bytes(20_000);
    messages.send(broker.main(), 100);
    broker.kill_nine();
    let broker = start.ready();
    messages.expect(broker.main());
    messages.send(broker.main(), 10);
    broker.terminate();
    let broker = start.ready();
    messages.expect(broker.main());
    broker.terminate();
}

#[test]
fn forbidden_io_uring_names_the_filter_and_what_to_allow() {
    let scratch = Scratch::new("no-io-uring");
    let output = BrokerStart::new("no-io-uring", &scratch).under([DENIED, "io_uring"]).refused();
    // Where the sysctl forbids it too, that is what is named.
    let cause = if output.contains("kernel.io_uring_disabled") { "sysctl" } else { "seccomp" };
    for word in ["io_uring is forbidden", cause] {
        assert!(output.contains(word), "{word} is missing in:\n{output}");
    }
    if cause == "seccomp" {
        for word in ["io_uring_setup", "io_uring_enter", "io_uring_register", "SystemCallFilter"] {
            assert!(output.contains(word), "{word} is missing in:\n{output}");
        }
    }
}

#[test]
fn too_little_locked_memory_names_the_limit_and_how_to_raise_it() {
    let scratch = Scratch::new("memlock");
    for (name, before) in [("as-it-is", with_locked_memory(256)), ("user", without_ipc_lock(with_locked_memory(256)))] {
        let output = BrokerStart::new(name, &scratch).under(before).refused();
        for word in ["locked memory is 262144 bytes", "at least 524288", "ulimit -l 512", "memlock", "LimitMEMLOCK="] {
            assert!(output.contains(word), "{word} is missing in:\n{output}");
        }
    }
}

/// Enough to start, not enough to register all buffers.
#[test]
fn little_locked_memory_is_a_warning_and_the_promises_hold() {
    let scratch = Scratch::new("memlock-short");
    let start = BrokerStart::new("memlock-short", &scratch).under(without_ipc_lock(with_locked_memory(1024)));
    let broker = start.ready();
    let output = broker.output();
    let warnings: Vec<&str> = output.lines().filter(|line| line.contains("the limit on locked memory is")).collect();
    assert!(warnings.len() == 1 && warnings[0].contains("1048576 bytes"), "{output}");
    assert!(warnings[0].contains("LimitMEMLOCK=") && warnings[0].contains("WARN"), "{output}");
    expect_promise(&start, broker);
}

/// No file system of the machine needs to lack it: here the open calls that ask for it are refused. (tmpfs, which used
/// to refuse it, takes it since Linux 6.6; and mounting another file system takes rights that a test may not have.)
#[test]
fn without_direct_io_the_page_cache_is_used_with_one_warning_and_the_same_promises() {
    let scratch = Scratch::new("buffered");
    for flush in ["ASYNC_FLUSH", "SYNC_FLUSH"] {
        let name = flush.to_lowercase().replace('_', "-");
        let start = BrokerStart::new(&name, &scratch).set("flushDiskType", flush).under([DENIED, "direct-io"]);
        let broker = start.ready();
        let output = broker.output();
        let warnings: Vec<&str> = output.lines().filter(|line| line.contains("direct I/O")).collect();
        assert!(warnings.len() == 1 && warnings[0].contains("WARN"), "one warning: {warnings:?}");
        assert!(warnings[0].contains(&*start.store().display().to_string()), "{warnings:?}");
        assert!(warnings[0].contains("page cache") && warnings[0].contains("same promises"), "{warnings:?}");
        assert_eq!(open_segments(&broker), [false], "the log is not open for direct I/O");
        expect_promise(&start, broker);
        // And the store goes on where there is direct I/O.
        let start = start.under::<&str>([]);
        let broker = start.ready();
        assert_eq!(open_segments(&broker), [true]);
        assert!(!broker.output().contains("direct I/O"), "{}", broker.output());
        broker.terminate();
    }
}

/// Whether each of the broker's open log segments is open for direct I/O.
fn open_segments(broker: &LiveBroker) -> Vec<bool> {
    let folder = format!("/proc/{}", broker.pid());
    let files = fs::read_dir(format!("{folder}/fd")).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let numbers = files.filter_map(|file| Some(file.ok()?.file_name().to_str()?.to_owned()));
    let is_segment = |number: &String| {
        fs::read_link(format!("{folder}/fd/{number}"))
            .is_ok_and(|path| path.parent().is_some_and(|p| p.ends_with("commitlog")))
    };
    let is_direct = |number: String| {
        let info = fs::read_to_string(format!("{folder}/fdinfo/{number}")).unwrap_or_default();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).map(str::trim);
        let flags = flags.and_then(|flags| u32::from_str_radix(flags, 8).ok()).unwrap_or_else(|| panic!("{info}"));
        flags & rustix::fs::OFlags::DIRECT.bits() != 0
    };
    numbers.filter(is_segment).map(is_direct).collect()
}

#[test]
fn without_shared_memory_the_start_says_so_and_acknowledgements_wait_for_the_write() {
    let scratch = Scratch::new("no-ring");
    let not_memory = scratch.folder("not-memory");
    for (name, folder, words) in [
        ("disk", not_memory.as_path(), ["is no tmpfs", "shmRingDir"]),
        ("missing", std::path::Path::new("/dev/shm/turbopump-no-such-folder"), ["is not usable", "shmRingDir"]),
    ] {
        let start = BrokerStart::new(name, &scratch).set("shmRingDir", folder.display());
        let broker = start.ready();
        let output = broker.output();
        let says_all = |line: &str| line.contains("WARN") && words.iter().all(|word| line.contains(word));
        assert!(output.lines().any(says_all), "{words:?} were to be expected in one line of:\n{output}");
        assert!(output.contains("after the direct write"), "{output}");
        expect_promise(&start, broker);
    }
}
