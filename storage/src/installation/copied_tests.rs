//! The same with a store that comes from a master: its log goes over as it is, fillers too, and what lies behind the
//! checkpoint counts at once.

use super::tests::{Restored, aged_with, readable, run};
use super::*;
use crate::commit_log::FlushMode;
use crate::file::sim::SimDisk;

const MASTER: LogOptions = LogOptions {
    segment_bytes: 64 << 10,
    flush: FlushMode::Async,
    cache_bytes: 0,
    is_replicated: false,
    is_copied: false,
};
const SLAVE: LogOptions = LogOptions { is_copied: true, ..MASTER };
const ID: LogId = LogId(1);
/// Of the log in one answer.
const PIECE_BYTES: usize = 10_000;

async fn open(disk: &SimDisk, options: LogOptions) -> (MessageStore<SimDisk>, Restored) {
    let mut restored = Restored::default();
    let (store, _) = MessageStore::open(disk.clone(), ID, options, None, &mut restored).await.unwrap();
    (store, restored)
}

async fn begin(disk: &SimDisk, master: &MessageStore<SimDisk>) -> Installation<SimDisk> {
    let checkpoint = checkpoint::load(master.log().disk(), ID).await.unwrap().checkpoint.unwrap();
    let first = master.log().beginning().await.unwrap();
    Installation::begin(disk.clone(), ID, SLAVE, first, checkpoint).await.unwrap()
}

/// Takes over what the master has up to `end`.
async fn fetch(installing: &Installation<SimDisk>, master: &MessageStore<SimDisk>, end: u64) {
    while installing.end().position < end {
        assert!(master.log().has_stood_at(installing.end()).await.unwrap());
        let (piece, _) = master.log().copy_from_files(installing.end(), PIECE_BYTES).await.unwrap();
        let mut rest = &piece[..];
        while !rest.is_empty() {
            let entry = CopiedEntry::first_of(ID, installing.end().position, rest).unwrap();
            if installing.adopt_copied(&entry, rest).is_err() {
                installing.flush().await.unwrap();
                installing.adopt_copied(&entry, rest).unwrap();
            }
            rest = &rest[entry.bytes..];
        }
        installing.flush().await.unwrap();
    }
}

/// All bytes that a log keeps but what fillers skip.
async fn kept_bytes(store: &MessageStore<SimDisk>) -> Vec<u8> {
    let first = store.log().beginning().await.unwrap();
    store.log().copy_from_files(first, usize::MAX).await.unwrap().0
}

#[test]
fn a_store_in_use_becomes_that_of_its_master_byte_for_byte() {
    let (master_disk, disk) = (SimDisk::new(1), SimDisk::new(2));
    run(async move {
        let master = aged_with(&master_disk, MASTER).await;
        let (store, _) = open(&disk, SLAVE).await;
        let installing = begin(&disk, &master).await;
        assert!(installing.target().position < master.log().end().position, "there is more behind the checkpoint");
        fetch(&installing, &master, master.log().end().position).await;
        installing.complete(&mut Restored::default()).await.unwrap().mark().await.unwrap();
        assert!(store.log().begin_replacement().await);
        store.become_installed(&mut Restored::default()).await.unwrap();
        let mut restored = Restored::default();
        store.reload(store.log().end().position, &mut restored).await.unwrap();
        assert_eq!(restored.0, b"second");
        assert_eq!((store.log().first(), store.log().end()), (master.log().first(), master.log().end()));
        let expected = readable(&master).await;
        assert!(expected.len() > 100);
        assert_eq!(readable(&store).await, expected);
        assert_eq!(kept_bytes(&store).await, kept_bytes(&master).await);
        drop(store);
        let (store, _) = open(&disk, SLAVE).await;
        assert_eq!(readable(&store).await, expected, "and after a restart");
        assert_eq!(kept_bytes(&store).await, kept_bytes(&master).await);
        assert!(disk.files().iter().all(|path| !path.starts_with(FOLDER)), "{:?}", disk.files());
    });
}

#[test]
fn a_process_that_was_killed_or_lost_its_power_goes_on_where_it_can_prove_that_it_was() {
    for loses_power in [false, true] {
        let (master_disk, disk) = (SimDisk::new(3), SimDisk::new(4));
        let (giver, taker) = (master_disk.clone(), disk.clone());
        let saved = run(async move {
            let master = aged_with(&giver, MASTER).await;
            let installing = begin(&taker, &master).await;
            let (first, end) = (master.log().first(), master.log().end().position);
            fetch(&installing, &master, first + (end - first) / 2).await;
            installing.save_progress().await.unwrap();
            let saved = installing.end();
            fetch(&installing, &master, end).await;
            saved
        });
        let disk = if loses_power { disk.power_loss() } else { disk.kill() };
        run(async move {
            let (master, _) = open(&master_disk, MASTER).await;
            let installing = begin(&disk, &master).await;
            assert!(installing.end().position >= saved.position, "{:?} is behind {saved:?}", installing.end());
            fetch(&installing, &master, master.log().end().position).await;
            installing.complete(&mut Restored::default()).await.unwrap().mark().await.unwrap();
            let (store, _) = open(&disk, SLAVE).await;
            assert_eq!(readable(&store).await, readable(&master).await);
            assert_eq!(kept_bytes(&store).await, kept_bytes(&master).await);
        });
    }
}
