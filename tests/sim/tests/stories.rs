//! What seeds have found, each as its shortest story.

use std::cell::RefCell;
use std::rc::Rc;

use protocol::record::decode_record;
use rand::SeedableRng;
use rand::rngs::StdRng;
use sim::history::{CONTROL_NUMBER_BYTES, ControlState, DELETE_TOPIC};
use sim::message::{Message, QueueName, TOPICS, tags_code};
use sim::replay::ReplayedControls;
use storage::commit_log::{FlushMode, LogId, LogOptions};
use storage::file::LogWrites;
use storage::file::sim::{CallKind, Executor, Fault, Injection, SimDisk, SimRing};
use storage::ring::Ring;
use storage::store::{Appended, MessageStore};
use storage::{AppendError, StorageError};

const QUEUE: QueueName = (0, 0);
const SEGMENT_BYTES: u64 = 64 << 10;

/// A machine and the store that runs on it.
struct Story {
    seed: u64,
    flush: FlushMode,
    sim: SimDisk,
    ring: Option<SimRing>,
    executor: Executor,
    store: Option<Rc<MessageStore<SimDisk>>>,
    controls: RefCell<ControlState>,
}

impl Story {
    fn begin(seed: u64, flush: FlushMode, ring_bytes: Option<usize>) -> Self {
        let ring = ring_bytes.map(|bytes| SimRing::new(seed, bytes));
        let (sim, executor) = (SimDisk::new(seed), Executor::new(seed));
        Self { seed, flush, sim, ring, executor, store: None, controls: RefCell::default() }
    }

    /// Opens the store; `None` if the disk stops before it is open.
    fn try_open(&mut self) -> Option<Result<(), StorageError>> {
        let options = LogOptions {
            segment_bytes: SEGMENT_BYTES,
            flush: self.flush,
            cache_bytes: 0,
            is_replicated: false,
            is_copied: false,
        };
        let (disk, ring) = (self.sim.clone(), self.ring.clone().map(|ring| Box::new(ring) as Box<dyn Ring>));
        let opened = self.executor.block_on(async move {
            let mut replayed = ReplayedControls::default();
            let (store, _) = MessageStore::open(disk, LogId(1), options, ring, &mut replayed).await?;
            Ok((store, replayed.state))
        })?;
        Some(opened.map(|(store, controls)| {
            self.store = Some(Rc::new(store));
            self.controls = RefCell::new(controls);
        }))
    }

    fn open(&mut self) {
        let opened = self.try_open();
        assert!(matches!(opened, Some(Ok(()))), "seed={}: {opened:?}", self.seed);
    }

    fn kill(&mut self) {
        self.store = None;
        self.executor.abandon();
        self.sim = self.sim.kill();
        self.ring = self.ring.as_ref().map(SimRing::kill);
    }

    fn lose_power(&mut self) {
        self.store = None;
        self.executor.abandon();
        self.sim = self.sim.power_loss();
        self.ring = self.ring.as_ref().map(SimRing::power_loss);
    }

    fn store(&self) -> Rc<MessageStore<SimDisk>> {
        self.store.clone().expect("it is open")
    }

    fn run<T: 'static>(&self, call: impl AsyncFnOnce(&MessageStore<SimDisk>) -> T + 'static) -> T {
        let store = self.store();
        self.executor.block_on(async move { call(&store).await }).expect("it ends")
    }

    fn try_send(&self, queue: QueueName, number: u64, body_bytes: usize) -> Result<Appended, AppendError> {
        let store = self.store();
        let message = Message::draw(&mut StdRng::seed_from_u64(number), queue, number, body_bytes);
        let index = store.queues().borrow_mut().find_or_add(TOPICS[queue.0], queue.1);
        let mut records = [message.fields()];
        let tags_code = tags_code(message.fields().properties);
        store.append(index, &mut records, |_| tags_code, &[])
    }

    /// Appends a message, making segments as needed, and seals.
    fn send(&self, queue: QueueName, number: u64, body_bytes: usize) -> Appended {
        let mut appended = self.try_send(queue, number, body_bytes);
        if appended == Err(AppendError::SegmentPending) {
            self.run(async |store| store.log().prepare_next_segment().await).expect("it is made");
            appended = self.try_send(queue, number, body_bytes);
        }
        self.store().log().seal();
        appended.expect("it is taken")
    }

    /// Sends until the log has `segments` segments; returns how many messages that took, numbered from `number` on.
    fn fill(&self, number: u64, segments: usize) -> u64 {
        let mut sent = 0;
        while self.store().log().segments().len() < segments {
            self.send(QUEUE, number + sent, 20_000);
            sent += 1;
        }
        sent
    }

    fn flush(&self) -> Result<(), StorageError> {
        self.run(async |store| store.log().flush().await)
    }

    fn checkpoint(&self) -> Result<(), StorageError> {
        let state = self.controls.borrow().encode();
        self.run(async move |store| store.checkpoint(state, || ()).await)
    }

    /// Removes what the checkpoints allow.
    fn retain(&self) -> Result<u32, StorageError> {
        self.run(async |store| {
            let mut removed = 0;
            while store.remove_oldest_segment_below(store.checkpoint_position()).await? {
                removed += 1;
            }
            Ok(removed)
        })
    }

    fn delete_topic(&self, topic: usize) {
        let mut controls = self.controls.borrow_mut();
        let mut record = [0; CONTROL_NUMBER_BYTES + 2];
        record[..CONTROL_NUMBER_BYTES].copy_from_slice(&controls.count.to_be_bytes());
        record[CONTROL_NUMBER_BYTES..].copy_from_slice(&[DELETE_TOPIC, topic as u8]);
        self.store().append_control(&record).expect("it is taken");
        self.store().remove_topic(TOPICS[topic]);
        controls.apply(&record);
    }

    /// First and end of a queue.
    fn range(&self, queue: QueueName) -> (u64, u64) {
        let store = self.store();
        let queues = store.queues().borrow();
        let found = queues.find(TOPICS[queue.0], queue.1).and_then(|index| queues.get(index));
        found.map_or((0, 0), |queue| (queue.first(), queue.end()))
    }

    /// Numbers of the messages a queue has, in order.
    fn numbers(&self, queue: QueueName) -> Vec<u64> {
        let store = self.store();
        let index = store.queues().borrow().find(TOPICS[queue.0], queue.1);
        let (first, end) = self.range(queue);
        let seed = self.seed;
        self.run(async move |store| {
            let mut numbers = Vec::new();
            for at in first..end {
                let index = index.expect("it has messages");
                let unit = store.read_unit(index, at).await.unwrap_or_else(|error| panic!("seed={seed}: {error}"));
                let number = |record: &[u8]| decode_record(record).map(|(record, _)| record.born_timestamp as u64);
                let read = store.read_record(unit.physical_offset, unit.bytes as usize, number).await;
                numbers.push(read.unwrap_or_else(|error| panic!("seed={seed}: {error}")).expect("it decodes"));
            }
            numbers
        })
    }
}

#[test]
fn a_queue_begins_where_the_log_does_after_a_restart_too() {
    let mut story = Story::begin(1, FlushMode::Sync, None);
    story.open();
    let sent = story.fill(0, 4);
    story.checkpoint().unwrap();
    story.send(QUEUE, sent, 100);
    story.checkpoint().unwrap();
    assert!(story.retain().unwrap() > 0);
    let range = story.range(QUEUE);
    assert!(range.0 > 0);
    story.kill();
    story.open();
    assert_eq!(story.range(QUEUE), range);
    assert_eq!(story.numbers(QUEUE), (range.0..range.1).collect::<Vec<_>>());
}

#[test]
fn what_recovery_takes_over_is_synced_in_every_segment() {
    for seed in 0..30 {
        let mut story = Story::begin(seed, FlushMode::Sync, Some(256 << 10));
        story.open();
        let sent = story.fill(0, 2);
        // The first segment is written to its end, its sync is under way; the last message is in the ring only.
        story.sim.stop_at(2);
        let store = story.store();
        let flushed = story.executor.block_on(async move { store.log().flush().await.is_ok() });
        assert_eq!(flushed, None);
        story.kill();
        story.open();
        assert_eq!(story.numbers(QUEUE), (0..sent).collect::<Vec<_>>());
        story.lose_power();
        story.open();
        assert_eq!(story.numbers(QUEUE), (0..sent).collect::<Vec<_>>(), "seed={seed}");
    }
}

#[test]
fn no_later_sync_is_trusted_after_one_failed() {
    let mut story = Story::begin(1, FlushMode::Sync, None);
    story.open();
    let sent = story.send(QUEUE, 0, 30_000);
    story.sim.inject(Injection::at(CallKind::Sync, 1, Fault::Eio));
    assert!(story.flush().is_err());
    assert!(story.run(async |store| store.log().sync().await).is_err());
    assert!(story.checkpoint().is_err());
    assert!(story.flush().is_err());
    assert!(story.store().log().acknowledgeable() < sent.end, "nobody knows what is on the disk");
    assert!(matches!(story.try_send(QUEUE, 1, 10), Err(AppendError::Failed { .. })));
}

/// A call of `failing` fails in a flush. The next process goes on with what it finds, and none of that is lost with the power.
fn is_not_trusted_across_a_restart(log_writes: LogWrites, failing: CallKind) {
    for seed in 0..60 {
        let mut story = Story::begin(seed, FlushMode::Sync, None);
        story.sim = story.sim.clone().with_log_writes(log_writes);
        story.open();
        story.send(QUEUE, 0, 50_000);
        story.sim.inject(Injection::at(failing, 1, Fault::Eio));
        assert!(story.flush().is_err());
        assert!(story.run(async |store| store.log().sync().await).is_err());
        assert_eq!(story.store().log().acknowledgeable(), 0, "nobody knows what is on the disk");
        story.kill();
        story.open();
        let (_, survived) = story.range(QUEUE);
        story.send(QUEUE, survived, 100);
        assert!(story.flush().is_ok(), "seed={seed}");
        story.lose_power();
        story.open();
        assert_eq!(story.numbers(QUEUE), (0..=survived).collect::<Vec<_>>(), "seed={seed}");
    }
}

#[test]
fn a_failed_sync_is_not_trusted_across_a_restart() {
    is_not_trusted_across_a_restart(LogWrites::Seen, CallKind::Sync);
}

#[test]
fn a_failed_stable_write_is_not_trusted_across_a_restart() {
    is_not_trusted_across_a_restart(LogWrites::Stable, CallKind::Write);
}

#[test]
fn a_segment_whose_making_was_cut_off_is_made_durable_before_it_is_used() {
    for seed in 0..20 {
        for nth in 1..40 {
            let mut story = Story::begin(seed, FlushMode::Sync, None);
            story.sim.stop_at(nth);
            if story.try_open().is_some() {
                break;
            }
            story.kill();
            story.open();
            story.run(async |store| store.log().prepare_next_segment().await).unwrap();
            if seed.is_multiple_of(2) {
                story.send(QUEUE, 0, 100);
                story.flush().unwrap();
            }
            story.lose_power();
            story.open();
            assert_eq!(story.range(QUEUE), (0, (seed + 1) % 2), "seed={seed}, call {nth}");
        }
    }
}

#[test]
fn a_ring_of_an_earlier_run_brings_nothing_back() {
    let mut story = Story::begin(1, FlushMode::Async, Some(64 << 10));
    story.open();
    story.send(QUEUE, 0, 100);
    let stale = story.ring.as_ref().map(SimRing::snapshot).unwrap();
    story.lose_power();
    story.open();
    story.send(QUEUE, 1, 100);
    story.lose_power();
    story.ring.as_ref().unwrap().restore(&stale);
    story.open();
    assert_eq!(story.numbers(QUEUE), Vec::<u64>::new());
}

#[test]
fn retention_beside_the_making_of_a_segment_leaves_each_file_its_name() {
    for seed in 0..100 {
        let mut story = Story::begin(seed, FlushMode::Sync, None);
        story.open();
        let mut sent = story.fill(0, 6);
        story.checkpoint().unwrap();
        story.checkpoint().unwrap();
        story.sim.set_delay_max(6);
        for _ in 0..3 {
            let (making, removing) = (story.store(), story.store());
            let made = story.executor.spawn(async move { making.log().prepare_next_segment().await });
            let removed = story.executor.spawn(async move {
                let limit = removing.checkpoint_position();
                removing.remove_oldest_segment_below(limit).await?;
                removing.remove_oldest_segment_below(limit).await
            });
            story.executor.run(|| made.is_done() && removed.is_done());
            made.take().unwrap().unwrap();
            removed.take().unwrap().unwrap();
            let segments = story.store().log().segments().len() + 1;
            sent += story.fill(sent, segments);
            story.flush().unwrap();
        }
        let range = story.range(QUEUE);
        story.kill();
        story.open();
        assert_eq!((story.range(QUEUE), range.1), (range, sent), "seed={seed}");
        assert_eq!(story.numbers(QUEUE), (range.0..range.1).collect::<Vec<_>>(), "seed={seed}");
    }
}

#[test]
fn a_segment_that_could_not_be_removed_is_removed_before_the_next_one() {
    for seed in 0..20 {
        let mut story = Story::begin(seed, FlushMode::Sync, None);
        story.open();
        story.fill(0, 5);
        story.checkpoint().unwrap();
        story.checkpoint().unwrap();
        for kind in [CallKind::Rename, CallKind::Remove] {
            story.sim.inject(Injection::at(kind, 1, Fault::Eio));
        }
        assert!(story.retain().is_err());
        assert!(story.retain().unwrap() > 0);
        let range = story.range(QUEUE);
        story.kill();
        story.open();
        assert_eq!(story.range(QUEUE), range, "seed={seed}");
    }
}

#[test]
fn cutting_off_several_segments_leaves_no_hole_wherever_the_power_goes() {
    for seed in 0..20 {
        for nth in 1.. {
            let mut story = Story::begin(seed, FlushMode::Async, None);
            story.open();
            story.fill(0, 6);
            story.kill();
            story.sim.stop_at(nth);
            if story.try_open().is_some() {
                break;
            }
            story.lose_power();
            story.open();
            assert_eq!(story.range(QUEUE), (0, 0), "nothing was written");
        }
    }
}

#[test]
fn files_of_a_deleted_topic_never_pass_for_those_of_the_next_one_of_its_name() {
    for seed in 0..60 {
        let mut story = Story::begin(seed, FlushMode::Sync, None);
        story.open();
        for number in 0..5 {
            story.send(QUEUE, number, 100);
        }
        story.checkpoint().unwrap();
        story.delete_topic(QUEUE.0);
        for number in 10..12 {
            story.send(QUEUE, number, 100);
        }
        story.checkpoint().unwrap();
        story.lose_power();
        story.open();
        assert_eq!(story.numbers(QUEUE), [10, 11], "seed={seed}");
    }
}

#[test]
fn a_topic_deleted_beside_a_checkpoint_is_whole_if_the_deletion_is_lost() {
    for seed in 0..60 {
        let mut story = Story::begin(seed, FlushMode::Async, None);
        story.open();
        story.send(QUEUE, 0, 100);
        story.checkpoint().unwrap();
        story.send(QUEUE, 1, 100);
        let (state, store) = (story.controls.borrow().encode(), story.store());
        let saved = story.executor.spawn(async move { store.checkpoint(state, || ()).await });
        let written = story.sim.counts().calls(CallKind::PlainWrite) + seed % 3;
        story.executor.run(|| story.sim.counts().calls(CallKind::PlainWrite) > written);
        story.delete_topic(QUEUE.0);
        story.executor.run(|| saved.is_done());
        saved.take().unwrap().unwrap();
        story.lose_power();
        story.open();
        assert_eq!(story.numbers(QUEUE), [0, 1], "seed={seed}");
    }
}

#[test]
fn a_topic_may_be_deleted_and_made_again_in_one_sweep() {
    let mut story = Story::begin(1, FlushMode::Sync, None);
    story.open();
    story.send(QUEUE, 0, 100);
    story.try_send(QUEUE, 1, 100).unwrap();
    story.delete_topic(QUEUE.0);
    story.try_send(QUEUE, 2, 100).unwrap();
    story.store().log().seal();
    story.flush().unwrap();
    assert_eq!(story.numbers(QUEUE), [2]);
    story.kill();
    story.open();
    assert_eq!(story.numbers(QUEUE), [2]);
}
