use super::*;
use crate::file::LogWrites;
use crate::file::sim::{CallKind, Counts, Fault, Injection, SimDisk, block_on};

const OPTIONS: LogOptions = LogOptions {
    segment_bytes: 64 << 10,
    flush: FlushMode::Sync,
    cache_bytes: 0,
    is_replicated: false,
    is_copied: false,
};
const UNIT_BYTES: usize = 10_000;
const SEEDS: u64 = 40;

fn run<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
    block_on(1, future)
}

async fn open(disk: &SimDisk) -> CommitLog<SimDisk> {
    let opened = CommitLog::open(disk.clone(), LogId(1), OPTIONS, None, None, Some(0), |_, _| Ok(())).await;
    // The folder of the log is its owner's to keep.
    disk.sync_directory("").await.unwrap();
    opened.unwrap().0
}

/// Appends an entry, making the next segment if it is wanted.
async fn append(log: &CommitLog<SimDisk>) {
    let unit = || log.append(UNIT_BYTES, 1, &[], |_, bytes| bytes.fill(7));
    if unit() == Err(AppendError::SegmentPending) {
        log.prepare_next_segment().await.unwrap();
        unit().unwrap();
    }
    log.seal();
}

/// Appends until one segment more has begun.
async fn append_into_next_segment(log: &CommitLog<SimDisk>) {
    let segments = log.segments().len();
    while log.segments().len() == segments {
        append(log).await;
    }
}

/// Flushes; how many writes and syncs of segments that took.
async fn flush(log: &CommitLog<SimDisk>) -> (u64, u64) {
    let calls = |counts: Counts| (counts.calls(CallKind::Write), counts.calls(CallKind::Sync));
    let (writes, syncs) = calls(log.disk().counts());
    log.flush().await.unwrap();
    let now = calls(log.disk().counts());
    (now.0 - writes, now.1 - syncs)
}

/// Cuts the power and says where the log ends then.
fn end_after_power_loss(disk: &SimDisk) -> u64 {
    let disk = disk.power_loss();
    run(async move { open(&disk).await.end().position })
}

#[test]
fn one_buffer_is_one_write_and_a_sync_only_where_writes_are_not_stable() {
    for (log_writes, calls) in [(LogWrites::Stable, (1, 0)), (LogWrites::Seen, (1, 1))] {
        for seed in 0..SEEDS {
            let disk = SimDisk::new(seed).with_log_writes(log_writes);
            let user = disk.clone();
            let end = run(async move {
                let log = open(&user).await;
                for _ in 0..3 {
                    append(&log).await;
                    assert_eq!(flush(&log).await, calls, "{log_writes:?}");
                    assert_eq!(log.stable(), log.end().position, "{log_writes:?}");
                }
                log.end().position
            });
            assert_eq!(end_after_power_loss(&disk), end, "{log_writes:?}, seed={seed}");
        }
    }
}

#[test]
fn a_segment_that_ends_in_stable_writes_needs_no_sync() {
    for seed in 0..SEEDS {
        let disk = SimDisk::new(seed).with_log_writes(LogWrites::Stable);
        let user = disk.clone();
        let end = run(async move {
            let log = open(&user).await;
            append_into_next_segment(&log).await;
            append_into_next_segment(&log).await;
            let (writes, syncs) = flush(&log).await;
            assert!(writes >= 3 && syncs == 0, "{writes} writes, {syncs} syncs");
            assert_eq!(log.stable(), log.end().position);
            log.end().position
        });
        assert_eq!(end_after_power_loss(&disk), end, "seed={seed}");
    }
}

#[test]
fn stable_writes_behind_one_that_was_not_are_synced_with_it() {
    for seed in 0..SEEDS {
        let disk = SimDisk::new(seed);
        let user = disk.clone();
        let end = run(async move {
            let mut log = open(&user).await;
            log.disk = log.disk.clone().with_log_writes(LogWrites::Stable);
            // Of two segments, the first is open for writes that are only seen; ASYNC_FLUSH moves no mark behind them.
            log.options.flush = FlushMode::Async;
            append_into_next_segment(&log).await;
            flush(&log).await;
            assert_eq!(log.stable(), 0);
            log.options.flush = FlushMode::Sync;
            append(&log).await;
            assert_eq!(flush(&log).await, (1, 2), "each segment is synced");
            assert_eq!(log.stable(), log.end().position);
            // Nothing waits any more.
            append(&log).await;
            assert_eq!(flush(&log).await, (1, 0));
            log.end().position
        });
        assert_eq!(end_after_power_loss(&disk), end, "seed={seed}");
    }
}

#[test]
fn recovery_syncs_what_it_writes_again_however_its_files_are_opened() {
    for seed in 0..SEEDS {
        let disk = SimDisk::new(seed);
        let user = disk.clone();
        let end = run(async move {
            let mut log = open(&user).await;
            log.options.flush = FlushMode::Async;
            append(&log).await;
            assert_eq!(flush(&log).await, (1, 0));
            log.end().position
        });
        let disk = disk.kill().with_log_writes(LogWrites::Stable);
        let (user, syncs) = (disk.clone(), disk.counts().calls(CallKind::Sync));
        run(async move {
            let log = open(&user).await;
            assert_eq!((log.stable(), log.end().position), (end, end));
            // One of the last segment, which may have been under way, and one of what was written again.
            assert_eq!(user.counts().calls(CallKind::Sync) - syncs, 2);
        });
        assert_eq!(end_after_power_loss(&disk), end, "seed={seed}");
    }
}

#[test]
fn a_failed_stable_write_is_told_as_a_write_and_moves_no_mark() {
    let disk = SimDisk::new(1).with_log_writes(LogWrites::Stable);
    run(async move {
        let log = open(&disk).await;
        append(&log).await;
        disk.inject(Injection::at(CallKind::Write, 1, Fault::Eio));
        let error = log.flush().await.unwrap_err();
        assert!(matches!(error, StorageError::Flush { op: "write", .. }), "{error}");
        assert_eq!((log.stable(), log.acknowledgeable()), (0, 0));
        assert!(log.flush().await.is_err() && log.sync().await.is_err(), "it takes nothing more");
    });
}

#[test]
fn control_records_that_belong_together_are_in_one_entry_or_in_none() {
    let disk = SimDisk::new(1);
    let user = disk.clone();
    let mut framed = Vec::new();
    for number in 0..3 {
        frame_control(&mut framed, |out| out.resize(out.len() + 3_000, number));
    }
    let together = framed.clone();
    run(async move {
        let log = open(&user).await;
        for _ in 0..6 {
            append(&log).await;
        }
        // One of them would fit the segment, and the open entry.
        log.append(8, 1, &[], |_, bytes| bytes.fill(7)).unwrap();
        assert_eq!(log.append_framed(&framed), Err(AppendError::SegmentPending));
        log.prepare_next_segment().await.unwrap();
        log.append_framed(&framed).unwrap();
        log.seal();
        log.flush().await.unwrap();
    });
    let payloads = run(async move {
        let mut payloads = Vec::new();
        let keep = |_: &_, payload: &[u8]| {
            payloads.push(payload.to_vec());
            Ok(())
        };
        CommitLog::open(disk, LogId(1), OPTIONS, None, None, Some(0), keep).await.unwrap();
        payloads
    });
    assert_eq!(payloads.iter().filter(|payload| **payload == together).count(), 1);
    assert_eq!(payloads.len(), 8, "six units, one that was open, and these");
}
