//! What can have happened to the shared-memory ring when a killed broker starts again: with it everything acknowledged
//! is there, without it everything that was written.

use std::fs;
use std::path::{Path, PathBuf};

use interop::broker_start::BrokerStart;
use interop::kept_messages::KeptMessages;
use interop::scratch::Scratch;

/// The one ring of a broker with one shard.
fn ring_of(start: &BrokerStart) -> PathBuf {
    let entries = fs::read_dir(start.rings()).unwrap_or_else(|error| panic!("{}: {error}", start.rings().display()));
    let mut rings: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    assert_eq!(rings.len(), 1, "{rings:?}");
    rings.remove(0)
}

/// Kills a broker whose messages are all written, does `tamper` to its ring, and starts it again: nothing is lost, the
/// log says all of `words` in one line, and further messages go on where the last ones ended.
fn expect_kept(name: &str, words: &[&str], tamper: impl FnOnce(&BrokerStart, &Path, &[u8])) {
    let scratch = Scratch::new(&format!("ring-{name}"));
    let start = BrokerStart::new(name, &scratch);
    let broker = start.ready();
    let mut messages = KeptMessages::new("kept").of_bytes(3_000);
    messages.send(broker.main(), 50);
    let early = fs::read(ring_of(&start)).unwrap_or_else(|error| panic!("{error}"));
    messages.send(broker.main(), 50);
    messages.wait_until_written(broker.main());
    broker.kill_nine();
    tamper(&start, &ring_of(&start), &early);
    let broker = start.ready();
    let output = broker.output();
    let says_all = |line: &str| words.iter().all(|word| line.contains(word));
    assert!(output.lines().any(says_all), "{words:?} were to be expected in one line of:\n{output}");
    assert!(output.contains("acknowledging from the ring"), "there is a sound one again:\n{output}");
    messages.expect(broker.main());
    messages.send(broker.main(), 50);
    broker.kill_nine();
    // From the ring, with nothing done to it.
    let broker = start.ready();
    messages.expect(broker.main());
    broker.terminate();
    assert_eq!(fs::read_dir(start.rings()).map_or(0, Iterator::count), 0, "an end in order leaves no ring");
    let broker = start.ready();
    let output = broker.output();
    let warns = |line: &str| line.contains("WARN") && line.contains("shard=");
    assert!(!output.lines().any(warns), "and then there is nothing to say:\n{output}");
    messages.expect(broker.main());
    broker.terminate();
}

/// As systemd does with RemoveIPC=yes when the user's last session ends.
#[test]
fn a_ring_that_is_removed_while_in_use_is_not_acknowledged_from_any_more() {
    let scratch = Scratch::new("ring-removed-in-use");
    let start = BrokerStart::new("removed-in-use", &scratch);
    let broker = start.ready();
    let mut messages = KeptMessages::new("kept");
    messages.send(broker.main(), 50);
    let mark = broker.mark();
    fs::remove_file(ring_of(&start)).unwrap_or_else(|error| panic!("{error}"));
    broker.wait_for_lines(mark, "was removed while in use", 1);
    messages.send(broker.main(), 50);
    broker.kill_nine();
    let broker = start.ready();
    messages.expect(broker.main());
    broker.terminate();
}

#[test]
fn everything_acknowledged_is_there_after_a_kill_with_its_ring() {
    let scratch = Scratch::new("ring-kills");
    let start = BrokerStart::new("kills", &scratch);
    let mut messages = KeptMessages::new("kept");
    for _ in 0..10 {
        let broker = start.ready();
        messages.expect(broker.main());
        messages.send(broker.main(), 30);
        // In the middle of whatever it does with them.
        broker.kill_nine();
    }
    let broker = start.ready();
    assert!(broker.output().contains("found the ring of an earlier process"), "{}", broker.output());
    messages.expect(broker.main());
    broker.terminate();
}

#[test]
fn a_ring_taken_away_is_missed() {
    expect_kept("away", &["WARN", "no ring"], |_, ring, _| fs::remove_file(ring).unwrap());
}

#[test]
fn a_stale_ring_adds_nothing() {
    expect_kept("stale", &["log recovered", "ring_entries=0"], |_, ring, early| fs::write(ring, early).unwrap());
}

#[test]
fn a_ring_of_another_store_is_not_used() {
    expect_kept("foreign", &["WARN", "was not used", "turbopump-"], |_, ring, _| {
        let scratch = Scratch::new("ring-other");
        let other = BrokerStart::new("other", &scratch);
        let broker = other.ready();
        KeptMessages::new("theirs").of_bytes(3_000).send(broker.main(), 150);
        broker.kill_nine();
        fs::copy(ring_of(&other), ring).unwrap();
    });
}

#[test]
fn a_ring_with_flipped_bytes_adds_nothing_wrong() {
    expect_kept("flipped", &["log recovered", "ring_entries=0"], |_, ring, _| {
        let mut bytes = fs::read(ring).unwrap();
        // Behind the header, all over the ring.
        for at in (4096..bytes.len()).step_by(61) {
            bytes[at] ^= 0x55;
        }
        fs::write(ring, bytes).unwrap();
    });
}

#[test]
fn a_ring_with_a_damaged_header_is_not_used() {
    for at in [0, 8, 15, 16, 23] {
        expect_kept(&format!("header-{at}"), &["WARN", "was not used"], |_, ring, _| {
            let mut bytes = fs::read(ring).unwrap();
            bytes[at] ^= 0x55;
            fs::write(ring, bytes).unwrap();
        });
    }
}

#[test]
fn a_ring_cut_short_is_not_used() {
    for left in [0, 10, 4096, 5000, 1 << 20] {
        expect_kept(&format!("short-{left}"), &["WARN", "was not used"], |_, ring, _| {
            fs::OpenOptions::new().write(true).open(ring).and_then(|file| file.set_len(left)).unwrap();
        });
    }
}

/// A ring that is there although the flush mode needs none now: what it holds is taken all the same.
#[test]
fn a_ring_is_read_although_the_flush_mode_has_changed() {
    let scratch = Scratch::new("ring-mode");
    let start = BrokerStart::new("mode", &scratch);
    let broker = start.ready();
    let mut messages = KeptMessages::new("kept");
    messages.send(broker.main(), 50);
    broker.kill_nine();
    let start = start.set("flushDiskType", "SYNC_FLUSH");
    let broker = start.ready();
    assert!(broker.output().contains("found the ring of an earlier process"), "{}", broker.output());
    messages.expect(broker.main());
    messages.send(broker.main(), 5);
    broker.kill_nine();
    let broker = start.ready();
    messages.expect(broker.main());
    broker.terminate();
}
