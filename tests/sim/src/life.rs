//! One process: a store under a workload such as a shard's loop makes, with everything checked as it goes.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use rand::RngExt;
use rand::rngs::StdRng;
use storage::commit_log::entry::HEADER_BYTES;
use storage::file::Disk;
use storage::file::sim::{Executor, SimDisk, SimRing, yield_now};
use storage::store::MessageStore;
use storage::{AppendError, StorageError};

use crate::history::{DELETE_TOPIC, History, Stored, Unit, topic_name};
use crate::message::{BODY_BYTES_MAX, Message, QUEUES, QueueName, TOPICS, tags_code};
use crate::summary::Summary;
use crate::{Violation, oracle, require};

/// A refused append is tried again this many turns; then, unless something was made to fail, it waits for ever.
const PATIENCE_TURNS: u32 = 3000;

/// How far the store's word goes: what lies below must survive.
#[derive(Copy, Clone, Debug, Default)]
pub struct Promised {
    /// Acknowledged, or readable by consumers, by the rule of the flush mode.
    pub acknowledged: u64,
    /// Written to the files.
    pub written: u64,
    /// On stable storage.
    pub stable: u64,
}

/// What a life is told.
pub struct Circumstances {
    /// The disk below, whatever the store sees of it.
    pub sim: SimDisk,
    /// The ring the store writes to.
    pub ring: Option<SimRing>,
    /// Runs its tasks.
    pub executor: Executor,
    /// Draws its workload.
    pub rng: StdRng,
    /// Whether calls may fail.
    pub may_fail: bool,
    /// Longest body of the usual kind.
    pub body_bytes_max: usize,
    /// Whether topics are deleted now and then.
    pub deletes_topics: bool,
}

/// See the module's text.
pub struct Life<D: Disk> {
    store: MessageStore<D>,
    sim: SimDisk,
    ring: Option<SimRing>,
    executor: Executor,
    rng: RefCell<StdRng>,
    may_fail: bool,
    body_bytes_max: usize,
    deletes_topics: bool,
    history: Rc<RefCell<History>>,
    promised: Cell<Promised>,
    summary: RefCell<Summary>,
    violation: RefCell<Option<Violation>>,
    /// Failures that reached a caller.
    errors: Cell<u64>,
    /// Tasks that have not ended.
    running: Cell<u32>,
    flushing: Cell<bool>,
    preparing: Cell<bool>,
    checkpointing: Cell<bool>,
    retaining: Cell<bool>,
    ring_snapshot: RefCell<Option<Vec<u8>>>,
}

impl<D: Disk> Life<D> {
    /// A life of an opened store whose content is `history`.
    pub fn new(store: MessageStore<D>, history: Rc<RefCell<History>>, told: Circumstances) -> Rc<Self> {
        let end = store.log().end().position;
        let promised = Promised { acknowledged: end, written: end, stable: store.log().stable() };
        Rc::new(Self {
            store,
            sim: told.sim,
            ring: told.ring,
            executor: told.executor,
            rng: RefCell::new(told.rng),
            may_fail: told.may_fail,
            body_bytes_max: told.body_bytes_max,
            deletes_topics: told.deletes_topics,
            history,
            promised: Cell::new(promised),
            summary: RefCell::default(),
            violation: RefCell::new(None),
            errors: Cell::new(0),
            running: Cell::new(0),
            flushing: Cell::new(false),
            preparing: Cell::new(false),
            checkpointing: Cell::new(false),
            retaining: Cell::new(false),
            ring_snapshot: RefCell::new(None),
        })
    }

    /// What the store has promised so far.
    pub fn promised(&self) -> Promised {
        self.promised.get()
    }

    /// What it did.
    pub fn summary(&self) -> Summary {
        self.summary.borrow().clone()
    }

    /// Failures that reached a caller.
    pub fn errors(&self) -> u64 {
        self.errors.get()
    }

    /// What was found wrong.
    pub fn violation(&self) -> Option<Violation> {
        self.violation.borrow().clone()
    }

    /// What the ring held at some moment of this life.
    pub fn ring_snapshot(&self) -> Option<Vec<u8>> {
        self.ring_snapshot.borrow().clone()
    }

    /// The process is dead or about to be: what it still does reaches nobody.
    fn is_ghost(&self) -> bool {
        self.ring.as_ref().is_some_and(SimRing::is_torn)
    }

    fn chance(&self, chance: f64) -> bool {
        self.rng.borrow_mut().random_bool(chance)
    }

    fn below(&self, limit: u64) -> u64 {
        self.rng.borrow_mut().random_range(0..limit)
    }

    fn note(&self, result: Result<(), Violation>) {
        if let Err(violation) = result {
            self.violation.borrow_mut().get_or_insert(violation);
        }
    }

    /// An error is fine only if something was made to fail.
    fn tolerate(&self, error: &StorageError) {
        self.errors.set(self.errors.get() + 1);
        self.note(require(self.may_fail, || format!("nothing failed, and yet: {error}")));
    }

    fn has_ended(&self) -> bool {
        self.violation.borrow().is_some() || self.store.log().failure().is_some()
    }

    /// Takes down how far the store's promises go now.
    fn note_progress(&self) {
        if self.is_ghost() {
            return;
        }
        let log = self.store.log();
        let limit = self.store.confirm(|queue, before, end| {
            self.note(require(before < end, || format!("{queue:?} is said to grow from {before} to {end}")));
        });
        let mut promised = self.promised.get();
        let what = || format!("promises went back from {promised:?} to {limit}, stable {}", log.stable());
        self.note(require(limit >= promised.acknowledged && log.stable() >= promised.stable, what));
        promised.acknowledged = limit;
        promised.stable = log.stable();
        promised.written = promised.written.max(promised.stable);
        self.promised.set(promised);
    }

    fn seal(&self) {
        let position = self.store.log().seal().position;
        self.history.borrow_mut().seal(position);
    }

    fn spawn(self: &Rc<Self>, flag: Option<fn(&Self) -> &Cell<bool>>, task: impl Future<Output = ()> + 'static) {
        if let Some(flag) = flag
            && flag(self).replace(true)
        {
            return;
        }
        self.running.set(self.running.get() + 1);
        let life = self.clone();
        self.executor.spawn(async move {
            task.await;
            life.running.set(life.running.get() - 1);
            if let Some(flag) = flag {
                flag(&life).set(false);
            }
        });
    }

    fn start_flush(self: &Rc<Self>) {
        if !self.store.log().has_unwritten() {
            return;
        }
        let life = self.clone();
        self.spawn(Some(|life| &life.flushing), async move {
            let sealed = life.store.log().end().position;
            match life.store.log().flush().await {
                Ok(()) => {
                    let promised = life.promised.get();
                    life.promised.set(Promised { written: promised.written.max(sealed), ..promised });
                }
                Err(error) => life.tolerate(&error),
            }
            life.note_progress();
        });
    }

    fn start_prepare(self: &Rc<Self>) {
        let life = self.clone();
        self.spawn(Some(|life| &life.preparing), async move {
            if let Err(error) = life.store.log().prepare_next_segment().await {
                life.tolerate(&error);
            }
        });
    }

    /// Zeros are written as close to the appends as they may.
    fn start_prewrite(self: &Rc<Self>) {
        let life = self.clone();
        self.spawn(None, async move {
            loop {
                match life.store.log().prewrite_piece(0).await {
                    Ok(true) => {}
                    Ok(false) => return,
                    Err(error) => return life.tolerate(&error),
                }
            }
        });
    }

    fn start_sync(self: &Rc<Self>) {
        let life = self.clone();
        self.spawn(None, async move {
            if let Err(error) = life.store.log().sync().await {
                life.tolerate(&error);
            }
            life.note_progress();
        });
    }

    fn start_checkpoint(self: &Rc<Self>) {
        let life = self.clone();
        self.spawn(Some(|life| &life.checkpointing), async move {
            let state = life.history.borrow().controls().encode();
            // The checkpoint seals the log in the same turn, before its first await.
            match life.store.checkpoint(state, || life.note_progress()).await {
                Ok(()) => life.summary.borrow_mut().checkpoints += 1,
                Err(error) => life.tolerate(&error),
            }
            life.note_progress();
        });
    }

    fn start_retention(self: &Rc<Self>) {
        let life = self.clone();
        self.spawn(Some(|life| &life.retaining), async move {
            let position = life.store.checkpoint_position();
            {
                let mut history = life.history.borrow_mut();
                history.removable = history.removable.max(position);
            }
            loop {
                match life.store.remove_oldest_segment_below(position).await {
                    Ok(true) => life.summary.borrow_mut().segments_removed += 1,
                    Ok(false) => return,
                    Err(error) => return life.tolerate(&error),
                }
            }
        });
    }

    fn start_read(self: &Rc<Self>) {
        let life = self.clone();
        self.spawn(None, async move {
            let result = life.read_any().await;
            life.note(result);
        });
    }

    /// Reads a message that consumers may see, as a pull would.
    async fn read_any(&self) -> Result<(), Violation> {
        let queues: Vec<QueueName> = self.history.borrow().queues().collect();
        if queues.is_empty() {
            return Ok(());
        }
        let name = queues[self.below(queues.len() as u64) as usize];
        let found = self.store.queues().borrow().find(topic_name(name), name.1);
        let Some(queue) = found else { return Err(Violation(format!("queue {name:?} is not there"))) };
        let range = self.store.queues().borrow().get(queue).map_or(0..0, |queue| queue.first()..queue.readable());
        if range.is_empty() {
            return Ok(());
        }
        let at = range.start + self.below(range.end - range.start);
        let expected = self.history.borrow().message(name, at).cloned();
        let Some(expected) = expected else {
            return Err(Violation(format!("queue {name:?} lets consumers read {at}, which was never sent")));
        };
        let is_gone = || {
            let queues = self.store.queues().borrow();
            queues.get(queue).is_none_or(|queue| at < queue.first())
                || expected.physical_offset < self.store.log().first()
        };
        let read = oracle::read_message(&self.store, queue, at, &expected).await;
        match read {
            Ok(checked) => checked,
            Err(error) if self.may_fail => {
                self.tolerate(&error);
                Ok(())
            }
            Err(_) if is_gone() => Ok(()),
            Err(error) => Err(Violation(format!("queue {name:?} at {at} cannot be read: {error}"))),
        }
    }

    fn draw_queue(&self) -> QueueName {
        let topic = [0, 0, 0, 1, 1, 2, 3][self.below(7) as usize];
        (topic, self.below(u64::from(QUEUES)) as u32)
    }

    fn draw_body_bytes(&self) -> usize {
        let usual = self.body_bytes_max as u64;
        match self.below(40) {
            0..30 => 1 + self.below(usual) as usize,
            30..37 => 1 + self.below(200) as usize,
            37 => 1 + self.below(64 << 10) as usize,
            38 => self.bytes_left_in_segment().saturating_sub(self.below(400) as usize).clamp(1, BODY_BYTES_MAX),
            _ => self.store.log().unit_bytes_max().saturating_sub(self.below(300) as usize).clamp(1, BODY_BYTES_MAX),
        }
    }

    /// Rolls have their edge cases where a unit just fits, or just does not.
    fn bytes_left_in_segment(&self) -> usize {
        let end = self.store.log().segments().last().map_or(0, |(first, bytes)| first + bytes);
        end.saturating_sub(self.store.log().end().position) as usize
    }

    /// Appends one unit; `Err` if it was refused, with nothing changed.
    fn append(&self) -> Result<(), AppendError> {
        let queue = self.draw_queue();
        let batch = if self.chance(0.15) { 2 + self.below(5) } else { 1 };
        let numbers: Vec<u64> = (0..batch).map(|_| self.history.borrow_mut().next_message_number()).collect();
        let messages: Vec<Message> = numbers
            .into_iter()
            .map(|number| {
                let body_bytes = self.draw_body_bytes();
                Message::draw(&mut self.rng.borrow_mut(), queue, number, body_bytes)
            })
            .collect();
        let control = self.chance(0.1).then(|| self.draw_control());
        let mut records: Vec<_> = messages.iter().map(Message::fields).collect();
        let bytes: usize = records.iter().map(|record| record.encoded_bytes()).sum();
        let control_bytes = control.as_ref().map_or(0, |control| 4 + control.len());
        let fits = HEADER_BYTES + bytes + control_bytes <= self.store.log().unit_bytes_max();
        let index = self.store.queues().borrow_mut().find_or_add(topic_name(queue), queue.1);
        let control_record = control.as_deref().unwrap_or_default();
        let tags_code = |number: usize| tags_code(messages[number].fields().properties);
        let appended = self.store.append(index, &mut records, tags_code, control_record);
        let appended = match appended {
            Ok(appended) => appended,
            Err(AppendError::TooLong { .. }) if !fits => return Ok(()),
            Err(error) => return Err(error),
        };
        self.note(require(fits, || format!("{bytes} bytes were taken, longer than the limit")));
        let mut history = self.history.borrow_mut();
        let expected_offset = history.queue_end(queue);
        let what = || format!("queue {queue:?} gave offset {}, {expected_offset} is next", appended.queue_offset);
        self.note(require(appended.queue_offset == expected_offset, what));
        let span = appended.end - appended.physical_offset;
        self.note(require(span == bytes as u64, || format!("{bytes} bytes took {span}")));
        let mut physical_offset = appended.physical_offset;
        let stored = messages.iter().zip(&records).zip(expected_offset..).map(|((message, record), queue_offset)| {
            let bytes = record.encoded_bytes() as u32;
            let stored = Stored { message: message.clone(), physical_offset, bytes, queue_offset };
            physical_offset += u64::from(bytes);
            stored
        });
        let unit = Unit { messages: stored.collect(), control, sealed: None };
        history.push(unit);
        self.summary.borrow_mut().units += 1;
        Ok(())
    }

    fn draw_control(&self) -> Vec<u8> {
        let mut content = vec![0; 1 + self.below(if self.chance(0.1) { 6000 } else { 100 }) as usize];
        let rng = &mut *self.rng.borrow_mut();
        content[1..].iter_mut().for_each(|byte| *byte = rng.random());
        self.history.borrow().next_control(&content)
    }

    fn append_control(&self, record: Vec<u8>) -> Result<(), AppendError> {
        if HEADER_BYTES + 4 + record.len() > self.store.log().unit_bytes_max() {
            return Ok(());
        }
        self.store.append_control(&record)?;
        self.history.borrow_mut().push(Unit { messages: Vec::new(), control: Some(record), sealed: None });
        self.summary.borrow_mut().units += 1;
        Ok(())
    }

    /// Appends once the store lets it; a refusal says what to wait for.
    async fn append_patiently(self: &Rc<Self>) {
        for _ in 0..PATIENCE_TURNS {
            let result = if self.chance(0.1) { self.append_control(self.draw_control()) } else { self.append() };
            match result {
                Ok(()) => return,
                Err(AppendError::Backlog { .. }) => {
                    self.seal();
                    self.note_progress();
                    self.start_flush();
                }
                Err(AppendError::SegmentPending) => self.start_prepare(),
                Err(AppendError::DiskFull { .. } | AppendError::Failed { .. }) if self.may_fail => {
                    self.start_checkpoint();
                    self.start_retention();
                    self.start_prepare();
                    yield_now().await;
                    return;
                }
                Err(error) => return self.note(Err(Violation(format!("append refused: {error}")))),
            }
            if self.has_ended() {
                return;
            }
            yield_now().await;
        }
        // With many failures in a row it may well take long.
        self.note(require(self.may_fail, || "an append waits for ever".to_owned()));
    }

    /// Deletes a topic as a broker would: the record first, then queues and files.
    fn delete_topic(&self) {
        let topic = self.below(TOPICS.len() as u64) as usize;
        let record = self.history.borrow().next_control(&[DELETE_TOPIC, topic as u8]);
        if self.append_control(record).is_err() {
            return;
        }
        self.summary.borrow_mut().topics_deleted += 1;
        self.store.remove_topic(TOPICS[topic]);
        self.note_progress();
    }

    async fn step(self: &Rc<Self>) {
        match self.below(100) {
            0..60 => {
                for _ in 0..1 + self.below(5) {
                    self.append_patiently().await;
                    if self.has_ended() {
                        return;
                    }
                }
            }
            60..68 => {
                self.start_checkpoint();
                // Half of them run beside what comes next.
                while self.checkpointing.get() && self.chance(0.995) && !self.has_ended() {
                    yield_now().await;
                }
            }
            68..75 => self.start_retention(),
            75..80 => self.start_sync(),
            80..82 if self.deletes_topics => self.delete_topic(),
            80..97 => self.start_read(),
            _ => *self.ring_snapshot.borrow_mut() = self.ring.as_ref().map(SimRing::snapshot),
        }
        if self.chance(0.9) {
            self.seal();
            self.note_progress();
        }
        if self.chance(0.8) {
            self.start_flush();
        }
        if self.chance(0.8) {
            self.start_prepare();
        }
        for _ in 0..self.below(4) {
            yield_now().await;
        }
    }

    /// The whole workload; at its end nothing is under way and everything is acknowledged.
    pub async fn run(self: Rc<Self>, steps: u32) {
        if self.chance(0.5) {
            self.start_prewrite();
        }
        for _ in 0..steps {
            self.step().await;
            if self.has_ended() {
                break;
            }
        }
        self.seal();
        self.note_progress();
        while !self.has_ended() && self.store.log().has_unwritten() {
            self.start_flush();
            yield_now().await;
        }
        while self.running.get() > 0 {
            yield_now().await;
        }
        self.note_progress();
        let end = self.store.log().end().position;
        let acknowledged = self.promised.get().acknowledged;
        let whole = acknowledged == end || self.has_ended() || self.is_ghost();
        self.note(require(whole, || format!("everything is flushed, acknowledged is {acknowledged} of {end}")));
        self.summary.borrow_mut().failed_logs += u64::from(self.store.log().failure().is_some());
        let rolls = self.store.log().segments().len() as u64;
        self.summary.borrow_mut().rolls += rolls;
    }

    /// Whether the disk has stopped it.
    pub fn is_stopped(&self) -> bool {
        self.sim.is_stopped()
    }
}
