use std::net::SocketAddr;

use protocol::record::RecordFields;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::commit_log::{FlushMode, LogId, LogOptions, LogPosition};
use crate::error::AppendError;
use crate::file::sim::{CallKind, Fault, Injection, SimDisk, block_on};

const SEEDS: u64 = 12;
const RUN_KEYS: usize = 40;
const OPTIONS: LogOptions = LogOptions {
    segment_bytes: 64 << 10,
    flush: FlushMode::Sync,
    cache_bytes: 16 << 10,
    is_replicated: false,
    // What was taken back may have been called stable.
    is_copied: true,
};

#[derive(Clone)]
struct Stored {
    at: u64,
    store_ms: i64,
    topic: &'static str,
    keys: Vec<String>,
    tag: String,
}

/// A log, its index, and what should be found.
struct Stand {
    log: CommitLog<SimDisk>,
    index: KeyIndex,
    stored: Vec<Stored>,
    ends: Vec<LogPosition>,
    now_ms: i64,
    rng: StdRng,
}

async fn open(disk: SimDisk) -> (CommitLog<SimDisk>, KeyIndex) {
    let opened = CommitLog::open(disk.clone(), LogId(1), OPTIONS, None, None, Some(0), |_, _| Ok(())).await;
    disk.sync_directory("").await.unwrap();
    let log = opened.unwrap().0;
    let index = KeyIndex::new(log.end().position).with_run_keys_max(RUN_KEYS);
    (log, index)
}

impl Stand {
    async fn new(seed: u64) -> Self {
        let (log, index) = open(SimDisk::new(seed)).await;
        Self { log, index, stored: vec![], ends: vec![], now_ms: 1000, rng: StdRng::seed_from_u64(seed) }
    }

    /// An entry of a few records.
    async fn append(&mut self) {
        for _ in 0..self.rng.random_range(1..6) {
            self.now_ms += self.rng.random_range(0..3);
            let topic = ["orders", "payments"][self.rng.random_range(0..2)];
            let keys: Vec<String> =
                (0..self.rng.random_range(0..3)).map(|_| format!("k{}", self.rng.random_range(0..30))).collect();
            let (unique, tag) = (format!("id{}", self.stored.len()), format!("t{}", self.rng.random_range(0..2)));
            let properties = format!("UNIQ_KEY\x01{unique}\x02KEYS\x01{}\x02TAGS\x01{tag}\x02", keys.join(" "));
            let body = vec![7; self.rng.random_range(1..3000)];
            let host = SocketAddr::from(([127, 0, 0, 1], 1));
            let mut record = RecordFields {
                queue_id: 0,
                flag: 0,
                queue_offset: 0,
                physical_offset: 0,
                sys_flag: 0,
                born_timestamp: 0,
                born_host: host,
                store_timestamp: self.now_ms,
                store_host: host,
                reconsume_times: 0,
                prepared_transaction_offset: 0,
                body: &body,
                topic,
                properties: properties.as_bytes(),
            };
            let bytes = record.encoded_bytes();
            let mut append = || {
                self.log.append(bytes, 1, &[], |position, out| {
                    record.physical_offset = position as i64;
                    record.encode(out);
                    position
                })
            };
            let at = match append() {
                Err(AppendError::SegmentPending) => {
                    self.log.prepare_next_segment().await.unwrap();
                    append().unwrap()
                }
                appended => appended.unwrap(),
            };
            let keys = keys.into_iter().chain([unique]).collect();
            self.stored.push(Stored { at, store_ms: self.now_ms, topic, keys, tag });
        }
        self.ends.push(self.log.seal());
        self.log.flush().await.unwrap();
    }

    async fn catch_up(&self) {
        while self.index.advance(&self.log).await.unwrap() {}
    }

    /// Everything that the index has for it, compared as whoever asks compares.
    async fn find(&self, kind: KeyKind, topic: &str, key: &str, times: (i64, i64)) -> Vec<u64> {
        'again: loop {
            let (mut found, mut below) = (Vec::new(), u64::MAX);
            loop {
                let hash = KeyHash::new(kind, topic, key.as_bytes());
                match self.index.find(&self.log, hash, times, below).await.unwrap() {
                    Found::Candidates { positions, below: next } => {
                        assert!(positions.iter().all(|at| (next..below).contains(at)), "newest first, each once");
                        found.extend(positions);
                        below = next;
                    }
                    Found::Damaged => {
                        self.catch_up().await;
                        continue 'again;
                    }
                    Found::Nothing => break,
                }
            }
            found.retain(|at| {
                self.stored.iter().any(|stored| stored.at == *at && is_wanted(stored, kind, topic, key, times))
            });
            return found;
        }
    }

    fn expected(&self, kind: KeyKind, topic: &str, key: &str, times: (i64, i64)) -> Vec<u64> {
        let first = self.log.first();
        let wanted =
            self.stored.iter().rev().filter(|stored| stored.at >= first && is_wanted(stored, kind, topic, key, times));
        wanted.map(|stored| stored.at).collect()
    }

    /// Whatever is asked, what the log holds is found, all of it and in order.
    async fn check(&mut self) {
        self.catch_up().await;
        assert_eq!(self.index.reached(&self.log).0, self.log.acknowledgeable());
        for _ in 0..20 {
            let topic = ["orders", "payments"][self.rng.random_range(0..2)];
            let (from, to) =
                (self.rng.random_range(900..self.now_ms + 100), self.rng.random_range(900..self.now_ms + 100));
            let times = if self.rng.random_bool(0.5) { (0, i64::MAX) } else { (from.min(to), from.max(to)) };
            let (kind, key) = match self.rng.random_range(0..3) {
                0 => (KeyKind::Key, format!("k{}", self.rng.random_range(0..32))),
                1 => (KeyKind::Key, format!("id{}", self.rng.random_range(0..self.stored.len() + 3))),
                _ => (KeyKind::Tag, format!("t{}", self.rng.random_range(0..3))),
            };
            let (found, expected) =
                (self.find(kind, topic, &key, times).await, self.expected(kind, topic, &key, times));
            assert_eq!(found, expected, "{topic} {key} {times:?}");
        }
    }

    async fn go_on(self, disk: SimDisk) -> Self {
        let (log, index) = open(disk).await;
        let (end, mut stored, mut ends) = (log.end().position, self.stored, self.ends);
        stored.retain(|stored| stored.at < end);
        ends.retain(|position| position.position <= end);
        Self { log, index, stored, ends, ..self }
    }
}

fn is_wanted(stored: &Stored, kind: KeyKind, topic: &str, key: &str, (begin, end): (i64, i64)) -> bool {
    let has_key = match kind {
        KeyKind::Key => stored.keys.iter().any(|own| own == key),
        KeyKind::Tag => stored.tag == key,
    };
    has_key && stored.topic == topic && (begin..=end).contains(&stored.store_ms)
}

fn for_seeds<F: Future<Output = ()> + 'static>(test: impl Fn(u64) -> F) {
    for seed in 0..SEEDS {
        block_on(seed, test(seed));
    }
}

#[test]
fn everything_in_the_log_is_found_while_it_grows_and_loses_its_oldest_part() {
    for_seeds(|seed| async move {
        let mut stand = Stand::new(seed).await;
        for _ in 0..12 {
            for _ in 0..stand.rng.random_range(1..25) {
                stand.append().await;
                for _ in 0..stand.rng.random_range(0..4) {
                    stand.index.advance(&stand.log).await.unwrap();
                }
            }
            if stand.rng.random_bool(0.3) {
                stand.log.remove_oldest_below(stand.log.end().position).await.unwrap();
            }
            stand.check().await;
        }
        let files = stand.log.disk().list(DIRECTORY).await.unwrap();
        assert!(files.len() <= stand.log.segments().len(), "{files:?} for {:?}", stand.log.segments());
        assert!(stand.log.segments().len() > 1 && files.len() > 1, "seed {seed} shows nothing");
    });
}

#[test]
fn whatever_a_crash_leaves_of_the_files_everything_is_found() {
    let crashed_with_files = std::rc::Rc::new(Cell::new(0));
    let count = crashed_with_files.clone();
    for_seeds(move |seed| {
        let count = count.clone();
        async move {
            let mut stand = Stand::new(seed).await;
            for life in 0..6 {
                for _ in 0..stand.rng.random_range(1..40) {
                    stand.append().await;
                    for _ in 0..stand.rng.random_range(0..3) {
                        stand.index.advance(&stand.log).await.unwrap();
                    }
                }
                count.set(count.get() + stand.log.disk().list(DIRECTORY).await.unwrap().len());
                let disk = if life % 2 == 0 { stand.log.disk().power_loss() } else { stand.log.disk().kill() };
                stand = stand.go_on(disk).await;
                stand.check().await;
            }
        }
    });
    assert!(crashed_with_files.get() > 50, "{}", crashed_with_files.get());
}

#[test]
fn a_file_that_is_damaged_or_missing_is_made_again() {
    for_seeds(|seed| async move {
        let mut stand = Stand::new(seed).await;
        for _ in 0..120 {
            stand.append().await;
        }
        stand.check().await;
        for round in 0..8 {
            let disk = stand.log.disk().clone();
            let names = disk.list(DIRECTORY).await.unwrap();
            let name = format!("{DIRECTORY}/{}", names[stand.rng.random_range(0..names.len())]);
            match round % 4 {
                0 => disk.remove(&name).await.unwrap(),
                _ => {
                    let file = disk.open_plain(&name, false).await.unwrap();
                    let at = stand.rng.random_range(0..file.length().await.unwrap());
                    let byte = file.read_at(at, 1).await.unwrap()[0];
                    file.write_all_at(at, vec![byte ^ (1 << stand.rng.random_range(0..8))]).await.unwrap();
                    file.close().await.unwrap();
                }
            }
            if stand.rng.random_bool(0.5) {
                stand = stand.go_on(disk.kill()).await;
            }
            stand.check().await;
        }
    });
}

#[test]
fn what_the_log_has_taken_back_is_found_no_more_and_what_came_instead_is() {
    for_seeds(|seed| async move {
        let mut stand = Stand::new(seed).await;
        for _ in 0..8 {
            for _ in 0..stand.rng.random_range(5..30) {
                stand.append().await;
                if stand.rng.random_bool(0.7) {
                    stand.index.advance(&stand.log).await.unwrap();
                }
            }
            let kept = stand.rng.random_range(0..stand.ends.len());
            let at = stand.ends[kept];
            stand.log.truncate(at).await.unwrap();
            stand.ends.truncate(kept + 1);
            stand.stored.retain(|stored| stored.at < at.position);
            match stand.rng.random_range(0..3) {
                0 => stand.check().await,
                1 => {
                    let disk = stand.log.disk().kill();
                    stand = stand.go_on(disk).await;
                }
                _ => {}
            }
        }
        stand.check().await;
    });
}

#[test]
fn a_disk_that_fails_now_and_then_delays_the_index_and_spoils_nothing() {
    let failed = std::rc::Rc::new(Cell::new(0));
    let count = failed.clone();
    for_seeds(move |seed| {
        let count = count.clone();
        async move {
            let mut stand = Stand::new(seed).await;
            for _ in 0..6 {
                for _ in 0..stand.rng.random_range(10..40) {
                    stand.append().await;
                }
                // The log is written; what fails now is the index.
                for kind in
                    [CallKind::PlainWrite, CallKind::PlainRead, CallKind::Open, CallKind::Create, CallKind::Close]
                {
                    for nth in 1..stand.rng.random_range(2..5) {
                        let fault = if kind == CallKind::PlainWrite && nth == 2 { Fault::Enospc } else { Fault::Eio };
                        stand.log.disk().inject(Injection::at(kind, nth, fault));
                    }
                }
                for _ in 0..60 {
                    if stand.index.advance(&stand.log).await.is_err() {
                        count.set(count.get() + 1);
                    }
                }
                stand.log.disk().heal();
                if stand.rng.random_bool(0.3) {
                    let disk = stand.log.disk().power_loss();
                    stand = stand.go_on(disk).await;
                }
                stand.check().await;
            }
        }
    });
    assert!(failed.get() > 50, "{} calls failed", failed.get());
}

#[test]
fn going_through_the_files_takes_the_place_of_nothing_that_consumers_read() {
    block_on(3, async {
        let mut stand = Stand::new(3).await;
        for _ in 0..30 {
            stand.append().await;
        }
        let oldest = stand.stored[0].at;
        assert!(oldest + 128 < stand.log.cached_from(), "it has to be read from its file");
        stand.catch_up().await;
        assert!(stand.log.with_cached(oldest, 128, |_| ()).is_none());
        assert!(!stand.find(KeyKind::Key, stand.stored[0].topic, "id0", (0, i64::MAX)).await.is_empty());
    });
}
