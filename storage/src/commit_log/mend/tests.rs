use super::*;
use crate::commit_log::{FlushMode, LogId, LogOptions};
use crate::file::sim::{SimDisk, block_on};

const OPTIONS: LogOptions = LogOptions {
    segment_bytes: 64 << 10,
    flush: FlushMode::Sync,
    cache_bytes: 0,
    is_replicated: true,
    is_copied: false,
};
const ENTRIES: usize = 12;

async fn open(disk: &SimDisk) -> CommitLog<SimDisk> {
    let opened = CommitLog::open(disk.clone(), LogId(1), OPTIONS, None, None, None, |_, _| Ok(())).await;
    opened.unwrap().0
}

/// A committed log of several segments, and its entries.
async fn log_of(disk: &SimDisk, fill: u8) -> (CommitLog<SimDisk>, Vec<EntryHeader>) {
    let log = open(disk).await;
    for number in 0..ENTRIES {
        let unit = || log.append(20_000 + number, 1, &[], |_, place| place.fill(fill));
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

fn path_and_byte(position: u64) -> (String, u64) {
    let first = position / OPTIONS.segment_bytes * OPTIONS.segment_bytes;
    (roll::segment_path(first), position - first)
}

#[test]
fn any_byte_leads_to_its_entry() {
    block_on(1, async {
        let (log, made) = log_of(&SimDisk::new(1), 7).await;
        for header in &made {
            for position in [header.position, header.position + 1, header.payload_position(), header.end() - 1] {
                let entry = log.entry_around(position).await.unwrap().unwrap();
                assert_eq!(EntryHeader::decode(LogId(1), header.position, &entry), Ok(*header), "{position}");
            }
        }
        // Fillers are made, not fetched; nobody asks for what is not committed.
        let filler = made.iter().find(|header| header.end() + 20_000 > OPTIONS.segment_bytes).unwrap().end();
        assert!(log.entry_around(filler + 100).await.unwrap().is_none());
        assert!(log.is_sound_around(filler + 100).await.unwrap(), "there is nothing to mend");
        assert!(log.entry_around(log.end().position).await.unwrap().is_none());
    });
}

#[test]
fn a_damaged_entry_is_mended_from_another_log_wherever_the_damage_is() {
    block_on(2, async {
        let (disk, other) = (SimDisk::new(2), SimDisk::new(3));
        let ((log, made), (peer, _)) = (log_of(&disk, 7).await, log_of(&other, 7).await);
        // The last one ends in a block that is written again with what comes next.
        for header in [made[1], made[2], made[ENTRIES - 1]] {
            let spans = [header.position..header.position + 64, header.payload_position()..header.end()];
            for (which, span) in spans.into_iter().enumerate() {
                let (path, byte) = path_and_byte(span.start);
                let before = disk.content(&path).unwrap();
                disk.flip_bits(&path, byte..byte + span.end - span.start, 1).unwrap();
                log.read_ahead.forget();
                assert!(which == 1 || log.position_behind(header.position).await.is_err());
                assert!(!log.is_sound_around(span.start).await.unwrap());
                assert!(log.entry_around(span.end - 1).await.unwrap().is_none(), "what is damaged is given to nobody");
                let entry = peer.entry_around(span.end - 1).await.unwrap().unwrap();
                log.mend(&entry).await.unwrap();
                assert!(disk.content(&path).unwrap() == before, "it is as it was");
                assert!(log.entry_around(span.start).await.unwrap() == Some(entry));
            }
        }
        // And it stays so.
        let disk = { disk.power_loss() };
        for header in [made[1], made[ENTRIES - 1]] {
            assert!(open(&disk).await.copy(header.position, 64).await.is_ok());
        }
    });
}

#[test]
fn what_never_was_there_is_not_written() {
    block_on(3, async {
        let disk = SimDisk::new(4);
        let ((log, made), (stranger, _)) = (log_of(&disk, 7).await, log_of(&SimDisk::new(5), 8).await);
        let (path, byte) = path_and_byte(made[1].payload_position());
        disk.flip_bits(&path, byte..byte + 100, 3).unwrap();
        let before = disk.content(&path).unwrap();
        log.read_ahead.forget();
        let entry = stranger.entry_around(made[1].position).await.unwrap().unwrap();
        assert!(log.mend(&entry).await.is_err(), "the header that is sound is another one");
        // Without that, the next entry's tells.
        let (_, byte) = path_and_byte(made[1].position);
        disk.flip_bits(&path, byte + 8..byte + 16, 1).unwrap();
        assert!(log.mend(&entry).await.is_err(), "the next entry came after another one");
        assert!(disk.content(&path).unwrap() != before, "the second damage is there");
        let mut torn = entry.clone();
        torn[100] ^= 1;
        assert!(log.mend(&torn).await.is_err());
        assert!(log.mend(&entry[..50]).await.is_err());
        assert!(log.mend(&[]).await.is_err());
    });
}
