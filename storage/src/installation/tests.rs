use std::cell::RefCell;
use std::rc::Rc;

use protocol::record::{RecordFields, RecordView, decode_record};

use super::*;
use crate::commit_log::FlushMode;
use crate::consume_queue::ConsumeQueues;
use crate::file::sim::{Executor, SimDisk};

const ID: LogId = LogId(1);
pub(crate) const OPTIONS: LogOptions = LogOptions {
    segment_bytes: 64 << 10,
    flush: FlushMode::Sync,
    cache_bytes: 0,
    is_replicated: true,
    is_copied: false,
};
const QUEUES: u32 = 3;
const BODY_BYTES: usize = 900;

#[derive(Default)]
pub(crate) struct Restored(pub(crate) Vec<u8>);

impl Replay for Restored {
    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        self.0 = state.to_vec();
        Ok(())
    }

    fn control(&mut self, _: &[u8], _: &mut ConsumeQueues) -> Result<(), String> {
        Ok(())
    }

    fn tags_code(&self, record: &RecordView<'_>) -> i64 {
        record.body.len() as i64
    }
}

type Store = MessageStore<SimDisk>;

async fn open(disk: &SimDisk) -> (Store, Restored) {
    open_with(disk, OPTIONS).await
}

async fn open_with(disk: &SimDisk, options: LogOptions) -> (Store, Restored) {
    let mut restored = Restored::default();
    let (store, _) = MessageStore::open(disk.clone(), ID, options, None, &mut restored).await.unwrap();
    (store, restored)
}

async fn send(store: &Store, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let queue = store.queues().borrow_mut().find_or_add("T", number as u32 % QUEUES);
        let body = vec![number as u8; BODY_BYTES];
        while store.append(queue, &mut [record(number, &body)], |_| BODY_BYTES as i64, &[]).is_err() {
            store.log().prepare_next_segment().await.unwrap();
        }
        store.log().seal();
        if store.log().options().is_replicated {
            store.log().set_committed(store.log().end().position);
        }
    }
    store.log().flush().await.unwrap();
    store.confirm(|_, _, _| ());
    store.log().take_made(&mut Vec::new());
}

fn record(number: usize, body: &[u8]) -> RecordFields<'_> {
    let host = ([127, 0, 0, 1], 10911).into();
    RecordFields {
        queue_id: (number as u32 % QUEUES) as i32,
        flag: 0,
        queue_offset: 0,
        physical_offset: 0,
        sys_flag: 0,
        born_timestamp: 1,
        born_host: host,
        store_timestamp: 2,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body,
        topic: "T",
        properties: b"",
    }
}

/// A store whose log has lost its beginning, as retention does it.
async fn aged(disk: &SimDisk) -> Store {
    aged_with(disk, OPTIONS).await
}

pub(crate) async fn aged_with(disk: &SimDisk, options: LogOptions) -> Store {
    let (store, _) = open_with(disk, options).await;
    store.log().start_term(3);
    send(&store, 0..300).await;
    for state in [b"first".to_vec(), b"second".to_vec()] {
        store.checkpoint(state, || ()).await.unwrap();
    }
    send(&store, 300..400).await;
    while store.remove_oldest_segment_below(200 << 10).await.unwrap() {}
    assert!(store.log().first() > 0);
    store
}

/// What the other store gives: where its log begins, its checkpoint, its entries.
struct Given {
    first: LogPosition,
    checkpoint: Checkpoint,
    entries: Vec<Vec<u8>>,
    end: LogPosition,
}

async fn given(disk: &SimDisk) -> Given {
    let store = aged(disk).await;
    let (log, mut entries) = (store.log(), Vec::new());
    let visit = |header: &EntryHeader, payload: &[u8]| {
        entries.push((header.position, payload.len()));
        Ok(())
    };
    log.read_entries(log.first(), log.end().position, visit).await.unwrap();
    let mut whole = Vec::new();
    for (position, payload) in entries {
        whole.push(log.copy(position, payload + 64).await.unwrap());
    }
    let checkpoint = checkpoint::load(disk, ID).await.unwrap().checkpoint.unwrap();
    Given { first: log.beginning().await.unwrap(), checkpoint, entries: whole, end: log.end() }
}

/// Takes over what is missing; `stop_after` entries at most.
async fn fetch<D: Disk>(installing: &Installation<D>, given: &Given, stop_after: usize) -> Result<(), StorageError> {
    let missing = given.entries.iter().skip((installing.end().index - given.first.index) as usize);
    for entry in missing.take(stop_after) {
        if installing.adopt(entry).is_err() {
            installing.flush().await?;
            assert!(installing.adopt(entry).is_ok(), "there is a next segment now");
        }
        installing.flush().await?;
    }
    Ok(())
}

async fn install(disk: SimDisk, given: Rc<Given>) -> Result<(), StorageError> {
    let installing = Installation::begin(disk, ID, OPTIONS, given.first, given.checkpoint.clone()).await?;
    fetch(&installing, &given, usize::MAX).await?;
    installing.complete(&mut Restored::default()).await?.mark().await
}

/// Every message that can be read: queue id, queue offset, first byte of the body.
pub(crate) async fn readable(store: &Store) -> Vec<(u32, u64, u8)> {
    let mut found = Vec::new();
    for queue_id in 0..QUEUES {
        let Some(queue) = store.queues().borrow().find("T", queue_id) else { continue };
        let (first, end) = store.queues().borrow().get(queue).map(|queue| (queue.first(), queue.readable())).unwrap();
        for at in first..end {
            let unit = store.read_unit(queue, at).await.unwrap();
            assert_eq!(unit.tags_code, BODY_BYTES as i64);
            let body = |record: &[u8]| decode_record(record).unwrap().0.body[0];
            found.push((
                queue_id,
                at,
                store.read_record(unit.physical_offset, unit.bytes as usize, body).await.unwrap(),
            ));
        }
    }
    found
}

async fn apply_rest(store: &Store, from: LogPosition) {
    let apply =
        |header: &EntryHeader, payload: &[u8]| store.apply(header, payload, &mut Restored::default(), |_, _| ());
    store.log().read_entries(from.position, store.log().end().position, apply).await.unwrap();
}

pub(crate) fn run<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
    Executor::new(1).block_on(future).expect("nothing stops the disk")
}

fn given_by(disk: &SimDisk) -> Rc<Given> {
    let disk = disk.clone();
    Rc::new(run(async move { given(&disk).await }))
}

#[test]
fn an_installed_store_is_that_of_the_other_from_where_its_log_begins() {
    let (other, disk) = (SimDisk::new(1), SimDisk::new(2));
    let given = given_by(&other);
    run(async move {
        let expected = readable(&open_again(&other, given.checkpoint.position).await).await;
        {
            let (old, _) = open(&disk).await;
            send(&old, 0..40).await;
            old.checkpoint(b"old".to_vec(), || ()).await.unwrap();
        }
        install(disk.clone(), given.clone()).await.unwrap();
        let (store, restored) = open(&disk).await;
        assert_eq!(restored.0, b"second");
        assert_eq!((store.log().first(), store.log().end()), (given.first.position, given.end));
        apply_rest(&store, position_of(&given.checkpoint)).await;
        assert_eq!(readable(&store).await, expected);
        let left: Vec<String> = disk.files().into_iter().filter(|path| !is_of_a_store(path)).collect();
        assert_eq!(left, Vec::<String>::new());
    });
}

fn is_of_a_store(path: &str) -> bool {
    path.starts_with("commitlog/") || path.starts_with("consumequeue/") || path == "checkpoint"
}

fn position_of(checkpoint: &Checkpoint) -> LogPosition {
    let Checkpoint { position, index, term, previous, .. } = *checkpoint;
    LogPosition { position, index, term, previous }
}

async fn open_again(disk: &SimDisk, from: u64) -> Store {
    let (store, _) = open(disk).await;
    apply_rest(&store, LogPosition { position: from, ..LogPosition::default() }).await;
    store
}

#[test]
fn a_store_in_use_becomes_the_installed_one_and_goes_on() {
    let (other, disk) = (SimDisk::new(3), SimDisk::new(4));
    let given = given_by(&other);
    run(async move {
        let expected = readable(&open_again(&other, given.checkpoint.position).await).await;
        let (store, _) = open(&disk).await;
        send(&store, 0..40).await;
        let queue = store.queues().borrow().find("T", 1).unwrap();
        install(disk.clone(), given.clone()).await.unwrap();
        assert!(store.log().begin_replacement().await);
        let at = store.become_installed(&mut Restored::default()).await.unwrap();
        assert_eq!(at, position_of(&given.checkpoint));
        apply_rest(&store, at).await;
        assert_eq!(readable(&store).await, expected);
        assert_eq!(store.queues().borrow().find("T", 1), Some(queue), "whoever holds it goes on with it");
        store.log().set_committed(store.log().end().position);
        send(&store, 400..500).await;
        store.checkpoint(b"third".to_vec(), || ()).await.unwrap();
        let expected = readable(&store).await;
        drop(store);
        let (store, restored) = open(&disk).await;
        assert_eq!((restored.0.as_slice(), readable(&store).await), (&b"third"[..], expected));
    });
}

#[test]
fn a_later_process_goes_on_where_an_earlier_one_was_stopped() {
    let (other, disk) = (SimDisk::new(5), SimDisk::new(6));
    let given = given_by(&other);
    let (begun, part) = (disk.clone(), given.clone());
    run(async move {
        let made = Installation::begin(begun, ID, OPTIONS, part.first, part.checkpoint.clone()).await;
        let installing = made.unwrap();
        fetch(&installing, &part, 60).await.unwrap();
        installing.save_progress().await.unwrap();
        fetch(&installing, &part, 20).await.unwrap();
    });
    let disk = disk.power_loss();
    run(async move {
        // Meanwhile the other's log begins later.
        let at = 128 << 10;
        let mut first = given.first;
        for entry in &given.entries {
            let mut position = [0; 8];
            position.copy_from_slice(&entry[24..32]);
            let header = EntryHeader::decode(ID, u64::from_be_bytes(position), entry).unwrap();
            if header.position >= first.position.next_multiple_of(at) && header.position.is_multiple_of(64 << 10) {
                let (index, term, previous) = (header.index - 1, header.term, header.previous);
                first = LogPosition { position: header.position, index, term, previous };
                break;
            }
        }
        let made = Installation::begin(disk.clone(), ID, OPTIONS, first, given.checkpoint.clone()).await;
        let installing = made.unwrap();
        assert!(installing.end().index >= given.first.index + 60, "it does not begin anew");
        assert_eq!(installing.first(), first.position);
        fetch(&installing, &given, usize::MAX).await.unwrap();
        installing.complete(&mut Restored::default()).await.unwrap().mark().await.unwrap();
        let (store, _) = open(&disk).await;
        assert_eq!((store.log().first(), store.log().end()), (first.position, given.end));
    });
}

#[test]
fn a_checkpoint_of_another_log_is_not_put_in_place() {
    let (other, disk) = (SimDisk::new(7), SimDisk::new(8));
    let given = given_by(&other);
    run(async move {
        let checkpoint = Checkpoint { previous: given.checkpoint.previous ^ 1, ..given.checkpoint.clone() };
        let made = Installation::begin(disk.clone(), ID, OPTIONS, given.first, checkpoint).await;
        let installing = made.unwrap();
        fetch(&installing, &given, usize::MAX).await.unwrap();
        assert!(installing.complete(&mut Restored::default()).await.is_err());
        let (store, _) = open(&disk).await;
        assert_eq!(store.log().end(), LogPosition::default());
        abandon(&disk).await.unwrap();
        assert!(disk.files().iter().all(|path| is_of_a_store(path)), "{:?}", disk.files());
    });
}

/// Kills, or cuts the power, at every call of the disk between the first byte fetched and the last file in place.
#[test]
fn at_every_moment_there_is_the_old_store_or_the_new_one() {
    let other = SimDisk::new(9);
    let given = given_by(&other);
    for loses_power in [false, true] {
        let mut seen = [0; 2];
        for nth in 1.. {
            let disk = SimDisk::new(100 + nth);
            let old = disk.clone();
            let old_end = run(async move {
                let (store, _) = open(&old).await;
                send(&store, 0..40).await;
                store.checkpoint(b"old".to_vec(), || ()).await.unwrap();
                store.log().end()
            });
            disk.stop_at(nth);
            let (at_work, entries, is_done) = (disk.clone(), given.clone(), Rc::<RefCell<bool>>::default());
            let done = is_done.clone();
            Executor::new(nth).block_on(async move {
                install(at_work.clone(), entries).await.unwrap();
                finish(&at_work).await.unwrap();
                *done.borrow_mut() = true;
            });
            let disk = if loses_power { disk.power_loss() } else { disk.kill() };
            let (given, again) = (given.clone(), disk.clone());
            let is_new = run(async move {
                let (store, restored) = open(&disk).await;
                let is_new = restored.0 == b"second";
                let expected = if is_new { given.end } else { old_end };
                assert_eq!(store.log().end(), expected, "call {nth}");
                assert!(is_new || restored.0 == b"old", "call {nth}");
                if is_new {
                    apply_rest(&store, position_of(&given.checkpoint)).await;
                }
                let count = readable(&store).await.len();
                assert_eq!(count, if is_new { given.entries.len() } else { 40 }, "call {nth}");
                drop(store);
                // What was cut off is made good.
                if !is_new {
                    install(disk.clone(), given.clone()).await.unwrap();
                    assert_eq!(open(&disk).await.0.log().end(), given.end);
                }
                is_new
            });
            assert!(again.files().iter().all(|path| is_of_a_store(path)), "call {nth}: {:?}", again.files());
            seen[usize::from(is_new)] += 1;
            if *is_done.borrow() {
                break;
            }
        }
        assert!(seen[0] > 100 && seen[1] > 5, "killed before and after the marker: {seen:?}");
    }
}
