use super::*;
use crate::commit_log::entry::LogId;
use crate::commit_log::{FlushMode, LogOptions};
use crate::file::sim::{SimDisk, SimRing, block_on};
use crate::ring::Ring;

const OPTIONS: LogOptions = LogOptions {
    segment_bytes: 64 << 10,
    flush: FlushMode::Sync,
    cache_bytes: 0,
    is_replicated: true,
    is_copied: false,
};

fn run<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
    block_on(1, future)
}

async fn open(disk: &SimDisk) -> CommitLog<SimDisk> {
    let opened = CommitLog::open(disk.clone(), LogId(1), OPTIONS, None, None, None, |_, _| Ok(())).await;
    disk.sync_directory("").await.unwrap();
    opened.unwrap().0
}

/// An entry of one unit, and all of its bytes.
async fn append(log: &CommitLog<SimDisk>, bytes: usize) -> Vec<u8> {
    log.take_made(&mut Vec::new());
    let unit = || log.append(bytes, 1, &[], |at, place| place.fill(at as u8));
    if unit() == Err(AppendError::SegmentPending) {
        log.prepare_next_segment().await.unwrap();
        unit().unwrap();
    }
    sealed(log)
}

fn sealed(log: &CommitLog<SimDisk>) -> Vec<u8> {
    log.seal();
    let mut made = Vec::new();
    log.take_made(&mut made);
    let [header] = made[..] else { panic!("{made:?}") };
    entry(log, &header)
}

fn entry(log: &CommitLog<SimDisk>, header: &EntryHeader) -> Vec<u8> {
    let bytes = (header.end() - header.position) as usize;
    log.with_cached(header.position, bytes, <[u8]>::to_vec).unwrap()
}

async fn adopt(log: &CommitLog<SimDisk>, bytes: &[u8]) -> EntryHeader {
    match log.adopt(bytes) {
        Err(AdoptError::Append(AppendError::SegmentPending)) => {
            log.prepare_next_segment().await.unwrap();
            log.adopt(bytes).unwrap()
        }
        result => result.unwrap(),
    }
}

/// A log with `terms.len()` entries of these terms, each of `bytes` bytes, and the entries.
async fn log_of(disk: &SimDisk, terms: &[u64], bytes: usize) -> (CommitLog<SimDisk>, Vec<Vec<u8>>) {
    let log = open(disk).await;
    let mut entries = Vec::new();
    for term in terms {
        log.start_term(*term);
        entries.push(append(&log, bytes).await);
    }
    log.flush().await.unwrap();
    (log, entries)
}

async fn behind(log: &CommitLog<SimDisk>, entry: &[u8]) -> LogPosition {
    let mut position = [0; 8];
    position.copy_from_slice(&entry[24..32]);
    log.position_behind(u64::from_be_bytes(position)).await.unwrap()
}

#[test]
fn the_logs_of_replicas_are_the_same_byte_for_byte_fillers_included() {
    run(async {
        let (leader, follower) = (open(&SimDisk::new(1)).await, open(&SimDisk::new(2)).await);
        for (number, bytes) in [10, 30_000, 20_000, 15_000, 40_000, 1, 33_000].into_iter().enumerate() {
            leader.start_term(1 + number as u64 / 3);
            let made = match number {
                3 => entry(&leader, &leader.append_marker(EntryKind::Control, &[]).unwrap()),
                5 => entry(&leader, &leader.append_marker(EntryKind::Membership, b"members").unwrap()),
                _ => append(&leader, bytes).await,
            };
            let header = adopt(&follower, &made).await;
            assert_eq!(header.index, number as u64 + 1);
            // Written at other moments, which must not show.
            if number % 2 == 0 {
                follower.flush().await.unwrap();
            }
        }
        leader.flush().await.unwrap();
        follower.flush().await.unwrap();
        assert_eq!(leader.end(), follower.end());
        assert!(leader.segments().len() > 2, "the entries fill more than two segments");
        for (first, bytes) in leader.segments() {
            let bytes = bytes.min(leader.end().position - first) as usize;
            let held = leader.read_cold(first, bytes).await.unwrap();
            assert_eq!(held.as_ref(), follower.read_cold(first, bytes).await.unwrap().as_ref(), "from {first}");
        }
    });
}

#[test]
fn what_was_taken_back_does_not_come_again_after_a_crash() {
    let disk = SimDisk::new(3);
    let user = disk.clone();
    run(async move {
        // Entries of one length, so that what is left behind the end lies just where the next entries would.
        let (log, entries) = log_of(&user, &[1, 1, 5, 5, 5], 300).await;
        let (_, others) = log_of(&SimDisk::new(4), &[1, 1, 4, 6], 300).await;
        log.truncate(behind(&log, &entries[1]).await).await.unwrap();
        assert_eq!((log.end().index, log.end().term), (2, 1));
        adopt(&log, &others[2]).await;
        log.flush().await.unwrap();
    });
    let disk = disk.power_loss();
    run(async move {
        let log = open(&disk).await;
        assert_eq!((log.end().index, log.end().term), (3, 4));
    });
}

#[test]
fn damage_that_sound_entries_stand_behind_is_not_taken_for_a_torn_end() {
    for hit in 0..4 {
        let disk = SimDisk::new(hit);
        let user = disk.clone();
        let place = run(async move {
            let (log, entries) = log_of(&user, &[1, 1, 2, 2], 300).await;
            let end = behind(&log, &entries[hit as usize]).await.position;
            end - entries[hit as usize].len() as u64..end
        });
        let disk = disk.power_loss();
        disk.flip_bits("commitlog/00000000000000000000", place, 3).unwrap();
        run(async move {
            let opened = CommitLog::open(disk, LogId(1), OPTIONS, None, None, None, |_, _| Ok(())).await;
            let (log, report) = opened.unwrap();
            assert_eq!(log.end().index, hit, "up to where it is sound");
            // The last one may as well be a write that never ended.
            assert_eq!(report.may_have_forgotten, hit < 3, "entry {hit}");
        });
    }
}

#[test]
fn what_only_the_ring_has_in_place_of_what_was_taken_back_outlives_the_process() {
    let (disk, ring) = (SimDisk::new(7), SimRing::new(7, 64 << 10));
    let (user, kept) = (disk.clone(), ring.clone());
    run(async move {
        // Of one length, so that the old entry behind the first continues it as well as the new one.
        let (log, entries) = log_of(&user, &[1, 1, 1, 1], 300).await;
        let (_, others) = log_of(&SimDisk::new(8), &[1, 2], 300).await;
        log.replace_ring(Some(Box::new(kept)));
        log.truncate(behind(&log, &entries[0]).await).await.unwrap();
        adopt(&log, &others[1]).await;
        assert_eq!((log.end().index, log.end().term), (2, 2));
    });
    let (disk, ring) = (disk.kill(), ring.kill());
    run(async move {
        let ring: Option<Box<dyn Ring>> = Some(Box::new(ring));
        let opened = CommitLog::open(disk, LogId(1), OPTIONS, None, ring, None, |_, _| Ok(())).await;
        let (log, report) = opened.unwrap();
        assert_eq!((log.end().index, log.end().term, report.may_have_forgotten), (2, 2, false));
    });
}

#[test]
fn what_was_taken_back_and_replaced_is_no_sign_of_damage() {
    let disk = SimDisk::new(5);
    let user = disk.clone();
    run(async move {
        let (log, entries) = log_of(&user, &[1, 1, 2, 2, 2], 300).await;
        let (_, others) = log_of(&SimDisk::new(6), &[1, 1, 3], 300).await;
        log.truncate(behind(&log, &entries[1]).await).await.unwrap();
        adopt(&log, &others[2]).await;
        log.flush().await.unwrap();
    });
    let disk = disk.kill();
    run(async move {
        let opened = CommitLog::open(disk, LogId(1), OPTIONS, None, None, None, |_, _| Ok(())).await;
        let (log, report) = opened.unwrap();
        assert_eq!((log.end().index, report.may_have_forgotten), (3, false));
    });
}

#[test]
fn the_end_goes_back_over_segments_and_on_from_there() {
    run(async {
        let disk = SimDisk::new(5);
        let (log, entries) = log_of(&disk, &[1; 12], 20_000).await;
        let (other, others) = log_of(&SimDisk::new(6), &[1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2], 20_000).await;
        assert!(log.segments().len() > 3);
        log.prepare_next_segment().await.unwrap();
        log.truncate(behind(&log, &entries[1]).await).await.unwrap();
        assert_eq!(log.segments().len(), 1);
        for entry in &others[2..] {
            adopt(&log, entry).await;
        }
        log.flush().await.unwrap();
        assert_eq!(log.end(), other.end());
        drop(log);
        assert_eq!(open(&disk).await.end(), other.end());
    });
}

#[test]
fn only_what_continues_the_log_is_taken_over() {
    run(async {
        let (log, entries) = log_of(&SimDisk::new(7), &[1, 1], 100).await;
        let (_, others) = log_of(&SimDisk::new(8), &[1, 2, 2, 2], 100).await;
        let refused = |bytes: &[u8]| match log.adopt(bytes) {
            Err(AdoptError::Refused(reason)) => reason,
            other => panic!("{other:?}"),
        };
        // Index 3, but after another entry 2.
        assert_eq!(refused(&others[2]), DamageReason::Previous);
        assert!(matches!(refused(&others[3]), DamageReason::Misplaced { .. }));
        assert!(matches!(refused(&entries[0]), DamageReason::Misplaced { .. }));
        assert_eq!(refused(&others[2][..20]), DamageReason::CutShort);
        assert_eq!(refused(&others[2][..80]), DamageReason::Lengths);
        let (_, more) = log_of(&SimDisk::new(9), &[1, 1, 1], 100).await;
        assert_eq!(log.adopt(&more[2]).unwrap().index, 3);
    });
}

#[test]
fn what_no_majority_has_yet_is_bounded() {
    const BYTES: usize = 1 << 20;
    let options = LogOptions { segment_bytes: 256 << 20, ..OPTIONS };
    run(async move {
        let disk = SimDisk::new(10);
        let opened = CommitLog::open(disk, LogId(1), options, None, None, None, |_, _| Ok(())).await;
        let log = opened.unwrap().0;
        let append = || log.append(BYTES, 1, &[], |_, _| ());
        let mut appended = 0;
        while append().is_ok() {
            log.flush().await.unwrap();
            appended += BYTES as u64;
            assert!(appended <= UNCOMMITTED_BYTES_MAX + 2 * BYTES as u64, "appends are still taken");
        }
        assert_eq!(log.acknowledgeable(), 0);
        log.set_committed(log.end().position);
        assert_eq!(log.acknowledgeable(), log.end().position);
        append().unwrap();
    });
}
