use super::*;
use crate::commit_log::{FlushMode, LogId, LogOptions};
use crate::file::sim::{SimDisk, block_on};

const SEGMENT_BYTES: u64 = 64 << 10;
const ENTRIES: usize = 12;

/// A committed log of several segments, and its entries.
async fn log_of(disk: &SimDisk, cache_bytes: usize) -> (CommitLog<SimDisk>, Vec<EntryHeader>) {
    let options = LogOptions {
        segment_bytes: SEGMENT_BYTES,
        flush: FlushMode::Sync,
        cache_bytes,
        is_replicated: true,
        is_copied: false,
    };
    let opened = CommitLog::open(disk.clone(), LogId(1), options, None, None, None, |_, _| Ok(())).await;
    let log = opened.unwrap().0;
    for number in 0..ENTRIES {
        let unit = || log.append(9_000 + number, 1, &[], |at, place| place.fill(at as u8));
        if unit().is_err() {
            log.prepare_next_segment().await.unwrap();
            unit().unwrap();
        }
        log.seal();
    }
    let mut made = Vec::new();
    log.take_made(&mut made);
    log.flush().await.unwrap();
    log.set_committed(log.end().position);
    (log, made)
}

/// The entries in a piece.
fn entries_of(piece: &LogPiece) -> Vec<EntryHeader> {
    let (mut at, mut entries) = (0, Vec::new());
    while at < piece.bytes().len() {
        let header = EntryHeader::decode(LogId(1), piece.position + at as u64, &piece.bytes()[at..]).unwrap();
        at = (header.end() - piece.position) as usize;
        entries.push(header);
    }
    assert_eq!(at, piece.bytes().len(), "entries are whole");
    entries
}

#[test]
fn pieces_of_any_length_give_every_entry_once_and_no_filler() {
    for cache_bytes in [0, 40_000, 1 << 20] {
        for bytes in [1, 9_200, 20_000, 1 << 20] {
            block_on(1, async move {
                let (log, made) = log_of(&SimDisk::new(1), cache_bytes).await;
                let (mut at, mut given) = (0, Vec::new());
                loop {
                    let piece = log.piece(at, log.acknowledgeable(), bytes).await.unwrap();
                    let entries = entries_of(&piece);
                    if entries.is_empty() {
                        break;
                    }
                    assert!(entries.len() == 1 || piece.bytes().len() <= bytes);
                    at = piece.end();
                    given.extend(entries);
                }
                assert_eq!(given, made, "{cache_bytes}, {bytes}");
                assert_eq!(at, log.end().position);
            });
        }
    }
}

#[test]
fn a_piece_is_taken_apart_entry_by_entry() {
    block_on(5, async {
        let (log, made) = log_of(&SimDisk::new(5), 0).await;
        for bytes in [0, 1, 9_200, 20_000, 1 << 20] {
            let mut rest = log.piece(0, log.acknowledgeable(), 1 << 20).await.unwrap();
            let whole = rest.bytes().to_vec();
            let (mut taken, mut entries) = (Vec::new(), Vec::new());
            while !rest.bytes().is_empty() {
                let front = rest.take_front(bytes);
                assert_eq!(front.end(), rest.position);
                let in_front = entries_of(&front);
                assert!(in_front.len() == 1 || front.bytes().len() <= bytes, "{bytes}: {in_front:?}");
                taken.extend_from_slice(front.bytes());
                entries.extend(in_front);
            }
            assert_eq!((taken, &entries[..]), (whole, &made[..entries.len()]), "{bytes}");
            assert!(rest.take_front(bytes).bytes().is_empty());
        }
    });
}

#[test]
fn nothing_is_given_that_is_not_committed() {
    block_on(2, async {
        let (log, made) = log_of(&SimDisk::new(2), 0).await;
        let piece = log.piece(0, made[2].end(), 1 << 20).await.unwrap();
        assert_eq!(entries_of(&piece), made[..3]);
        let piece = log.piece(made[2].end(), made[2].end(), 1 << 20).await.unwrap();
        assert_eq!((piece.bytes().len(), piece.end()), (0, made[2].end()));
        let piece = log.piece(made[2].end(), made[3].end() - 1, 1 << 20).await.unwrap();
        assert!(piece.bytes().is_empty());
    });
}

#[test]
fn a_damaged_entry_ends_a_piece_and_one_that_begins_with_it_says_where_it_is() {
    block_on(3, async {
        let disk = SimDisk::new(3);
        let (log, made) = log_of(&disk, 0).await;
        let path = roll::segment_path(0);
        let byte = made[2].payload_position();
        disk.flip_bits(&path, byte..byte + 100, 1).unwrap();
        let piece = log.piece(0, log.acknowledgeable(), 1 << 20).await.unwrap();
        assert_eq!(entries_of(&piece), made[..2]);
        let error = log.piece(made[2].position, log.acknowledgeable(), 1 << 20).await.err().unwrap();
        assert!(matches!(error, StorageError::Damaged { at, .. } if at == made[2].position), "{error}");
    });
}

#[test]
fn what_is_read_for_a_piece_is_kept_nowhere() {
    block_on(4, async {
        let (log, made) = log_of(&SimDisk::new(4), 0).await;
        log.piece(0, log.acknowledgeable(), 1 << 20).await.unwrap();
        assert!(log.with_cached(made[0].position, HEADER_BYTES, |_| ()).is_none());
    });
}
