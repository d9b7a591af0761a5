use super::*;
use crate::commit_log::{FlushMode, LogOptions};
use crate::file::sim::{SimDisk, block_on};

const MASTER: LogId = LogId(7);

fn options(is_copied: bool) -> LogOptions {
    LogOptions {
        segment_bytes: 64 << 10,
        flush: FlushMode::Sync,
        cache_bytes: 1 << 20,
        is_replicated: false,
        is_copied,
    }
}

fn run<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
    block_on(1, future)
}

async fn open(disk: &SimDisk, id: LogId, is_copied: bool) -> CommitLog<SimDisk> {
    let opened = CommitLog::open(disk.clone(), id, options(is_copied), None, None, None, |_, _| Ok(())).await;
    opened.unwrap().0
}

/// Appends entries of one unit each, flushed, so that later ones say how far the log is stable.
async fn fill(log: &CommitLog<SimDisk>, count: usize, bytes: usize) {
    for _ in 0..count {
        let unit = || log.append(bytes, 1, &[], |at, place| place.fill(at as u8));
        if unit() == Err(AppendError::SegmentPending) {
            log.prepare_next_segment().await.unwrap();
            unit().unwrap();
        }
        log.seal();
        log.flush().await.unwrap();
    }
}

/// Takes over everything that `from` has more, a piece of about `bytes` at a time.
async fn copy_all(from: &CommitLog<SimDisk>, to: &CommitLog<SimDisk>, bytes: usize) {
    while to.end() != from.end() {
        assert!(from.has_stood_at(to.end()).await.unwrap());
        let (piece, behind) = from.copy_from_files(to.end(), bytes).await.unwrap();
        assert!(!piece.is_empty());
        let mut rest = &piece[..];
        while !rest.is_empty() {
            let entry = CopiedEntry::first_of(to.id(), to.end().position, rest).unwrap();
            if let Err(error) = to.adopt_copied(&entry, rest) {
                assert!(matches!(error, AdoptError::Append(AppendError::SegmentPending)), "{error}");
                to.flush().await.unwrap();
                to.prepare_next_segment().await.unwrap();
                to.adopt_copied(&entry, rest).unwrap();
            }
            assert_eq!(entry.position_behind(rest), to.end());
            rest = &rest[entry.bytes..];
        }
        assert_eq!(to.end(), behind);
        to.flush().await.unwrap();
    }
}

/// All bytes of a log but what fillers skip.
async fn bytes_of(log: &CommitLog<SimDisk>) -> Vec<u8> {
    let start = LogPosition::default();
    log.copy_from_files(start, usize::MAX).await.unwrap().0
}

#[test]
fn a_copy_is_the_same_byte_for_byte_over_segments_whatever_the_master_s_disk_was_like() {
    run(async {
        let (master_disk, slave_disk) = (SimDisk::new(1), SimDisk::new(2));
        let master = open(&master_disk, MASTER, false).await;
        master.start_term(3);
        fill(&master, 40, 6_000).await;
        let slave = open(&slave_disk, LogId(1), true).await;
        slave.become_copy_of(MASTER);
        copy_all(&master, &slave, 20_000).await;
        assert_eq!(bytes_of(&slave).await, bytes_of(&master).await);
        assert!(slave.segments().len() > 2);
        let end = slave.end();
        drop(slave);
        let again = open(&slave_disk, MASTER, true).await;
        assert_eq!(again.end(), end);
        fill(&master, 3, 100).await;
        copy_all(&master, &again, 100).await;
        assert_eq!(again.end(), master.end());
    });
}

#[test]
fn what_is_in_memory_is_copied_as_from_the_files() {
    run(async {
        let disk = SimDisk::new(1);
        let master = open(&disk, MASTER, false).await;
        fill(&master, 15, 6_000).await;
        let mut at = LogPosition::default();
        while at != master.end() {
            let cached = master.copy_cached(at, 10_000).unwrap();
            assert_eq!(master.copy_from_files(at, 10_000).await.unwrap(), cached);
            at = cached.1;
        }
    });
}

#[test]
fn two_logs_that_went_on_differently_have_stood_at_the_same_places_only_before() {
    run(async {
        let (one_disk, other_disk) = (SimDisk::new(1), SimDisk::new(2));
        let one = open(&one_disk, MASTER, false).await;
        fill(&one, 5, 1_000).await;
        let other = open(&other_disk, LogId(1), true).await;
        other.become_copy_of(MASTER);
        copy_all(&one, &other, 1 << 20).await;
        let parted = one.end();
        fill(&one, 4, 1_000).await;
        other.start_term(1);
        fill(&other, 4, 1_000).await;
        let places = other.places_between(LogPosition::default(), other.end()).await.unwrap();
        assert_eq!(places.len(), 8, "one ends at the end");
        for place in &places {
            let is_shared = one.has_stood_at(*place).await.unwrap();
            assert_eq!(is_shared, place.position <= parted.position, "{place:?}");
        }
        assert!(places.contains(&parted));
        other.truncate(parted).await.unwrap();
        copy_all(&one, &other, 3_000).await;
        assert_eq!(bytes_of(&one).await, bytes_of(&other).await);
    });
}

#[test]
fn an_end_that_was_taken_back_proves_no_damage_once_a_higher_term_began() {
    run(async {
        let (old_disk, new_disk) = (SimDisk::new(1), SimDisk::new(2));
        let old = open(&old_disk, MASTER, false).await;
        old.start_term(1);
        fill(&old, 3, 1_000).await;
        let shared = old.end();
        // Its headers say how far the log was stable, above where it will be cut.
        fill(&old, 20, 1_000).await;
        old.truncate(shared).await.unwrap();
        old.start_term(2);
        old.append_marker(EntryKind::Control, &[]).unwrap();
        old.flush().await.unwrap();
        let end = old.end();
        drop((old, new_disk));
        let again = open(&old_disk, MASTER, false).await;
        assert_eq!(again.end(), end);
    });
}

#[test]
fn an_unsound_piece_is_not_taken() {
    run(async {
        let (master_disk, slave_disk) = (SimDisk::new(1), SimDisk::new(2));
        let master = open(&master_disk, MASTER, false).await;
        fill(&master, 2, 500).await;
        let slave = open(&slave_disk, LogId(1), true).await;
        let (piece, _) = master.copy_from_files(LogPosition::default(), usize::MAX).await.unwrap();
        assert!(CopiedEntry::first_of(slave.id(), 0, &piece).is_err(), "another log's");
        slave.become_copy_of(MASTER);
        let mut flipped = piece.clone();
        flipped[HEADER_BYTES + 9] ^= 1;
        assert!(CopiedEntry::first_of(slave.id(), 0, &flipped).is_err());
        assert!(CopiedEntry::first_of(slave.id(), 0, &piece[..HEADER_BYTES + 10]).is_err());
        let first = CopiedEntry::first_of(slave.id(), 0, &piece).unwrap();
        let second = CopiedEntry::first_of(slave.id(), first.header.end(), &piece[first.bytes..]).unwrap();
        assert!(slave.adopt_copied(&second, &piece[first.bytes..]).is_err(), "the first comes first");
        assert_eq!(slave.end(), LogPosition::default());
    });
}
