//! The load against the server, in every way of answering.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bare_ceiling::commit::Commit;
use bare_ceiling::load::{self, LoadOptions};
use bare_ceiling::server::{self, ServerOptions};

const STARTS_WITHIN: Duration = Duration::from_secs(60);

/// The server thread lives as long as the test program: it has no end of its own.
fn start(commit: Commit, folder: &std::path::Path) -> SocketAddr {
    let (sender, receiver) = mpsc::channel();
    let options = ServerOptions {
        address: (Ipv4Addr::LOCALHOST, 0).into(),
        cpu: 0,
        commit,
        file: folder.join("bare-ceiling.log"),
        reply_bytes: 300,
    };
    thread::spawn(move || {
        let ended = server::run(options, move |address| sender.send(address).expect("the test waits"));
        panic!("the server ended: {ended:?}");
    });
    receiver.recv_timeout(STARTS_WITHIN).expect("the server listens in time")
}

fn every_shape_is_answered(commit: Commit) {
    // Not in /tmp, which may be memory and then has no direct I/O.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder for the log file");
    let address = start(commit, folder.path());
    for (connections, in_flight, body_bytes) in [(1, 1, 1024), (1, 64, 0), (8, 16, 100_000)] {
        let report = load::run(&LoadOptions {
            address,
            cpu: None,
            connections,
            in_flight,
            body_bytes,
            warmup: Duration::from_millis(50),
            duration: Duration::from_millis(200),
            server_pid: Some(std::process::id()),
        });
        let report = report.unwrap_or_else(|error| panic!("{commit:?} {connections}x{in_flight}: {error}"));
        assert!(report.messages as usize >= connections, "{commit:?}: {report:?}");
        assert!(report.p50_us <= report.p999_us && report.p999_us <= report.max_us, "{report:?}");
        assert!(report.max_us > 0 && report.server_cpu_us_per_message.is_some(), "{report:?}");
    }
}

#[test]
fn replies_come_at_once_when_nothing_is_written() {
    every_shape_is_answered(Commit::None);
}

#[test]
fn replies_come_before_a_write_behind() {
    every_shape_is_answered(Commit::Behind);
}

#[test]
fn replies_come_after_the_write() {
    every_shape_is_answered(Commit::Write);
}

#[test]
fn replies_come_after_the_sync() {
    every_shape_is_answered(Commit::Sync);
}
