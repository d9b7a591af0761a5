//! One shard's store: the CommitLog, the ConsumeQueues derived from it, and the checkpoint that bounds replay.
//!
//! Appending dispatches at once: the message's unit is in its ConsumeQueue when [`MessageStore::append`] returns, but
//! consumers see it only when [`MessageStore::confirm`] finds that it may be acknowledged.

mod cached_records;
mod reads;
mod rebuild;
#[cfg(test)]
mod reload_tests;
mod replay;
mod retention;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use protocol::record::RecordFields;
use serde::{Deserialize, Serialize};

use crate::checkpoint::{self, Checkpoint};
use crate::commit_log::entry::EntryHeader;
use crate::commit_log::recover::{LogRecovery, RecoverFrom};
use crate::commit_log::{CommitLog, LogId, LogOptions, LogPosition};
use crate::consume_queue::{self, ConsumeQueues, QueueIndex, Unit};
use crate::error::{AppendError, DamageReason, StorageError};
use crate::file::{Disk, read_file, replace_file};
use crate::installation;
use crate::pieces::Pieces;
use crate::ring::Ring;

pub use self::cached_records::CachedRecords;
use self::replay::replay_entry;
pub use self::replay::{OpenProgress, Replay};

const TERM_PATH: &str = "term";

/// Where a message went.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Appended {
    /// Its number in its queue; of a batch, the first one's.
    pub queue_offset: u64,
    /// Where its record begins; of a batch, the first one's.
    pub physical_offset: u64,
    /// Where its last record ends: once [`CommitLog::acknowledgeable`] reaches this it may be acknowledged.
    pub end: u64,
}

/// What opening a store found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct StoreRecovery {
    /// What the log said.
    pub log: LogRecovery,
    /// Checkpoints that are there and could not be used.
    pub unreadable_checkpoints: Vec<String>,
    /// Queues whose files were missing or short and were written again from the log.
    pub rebuilt_queues: usize,
    /// Term of this run; of a replicated log, that of its last entry.
    pub term: u64,
    /// Of a replicated log: what lies behind the checkpoint, in order. It is applied by [`MessageStore::apply`] when a
    /// majority has it.
    pub unapplied: Vec<EntryHeader>,
    /// Where the log stood at the newest checkpoint; its beginning if there is none.
    pub checkpoint: LogPosition,
}

/// A checkpoint between its moment and its files.
pub struct BegunCheckpoint {
    at: LogPosition,
    removed_folders: Vec<String>,
    unpersisted: Vec<consume_queue::Unpersisted>,
    queues: Vec<checkpoint::QueueCheckpoint>,
}

impl BegunCheckpoint {
    /// Physical offset up to which it reflects the log.
    pub fn position(&self) -> u64 {
        self.at.position
    }
}

#[derive(Deserialize, Serialize)]
struct TermFile {
    term: u64,
}

/// One shard's messages. See the module's text.
pub struct MessageStore<D: Disk> {
    log: CommitLog<D>,
    queues: RefCell<ConsumeQueues>,
    /// Appended messages that consumers must not see yet: end of the record, its queue, the queue's end with it.
    unconfirmed: RefCell<VecDeque<(u64, QueueIndex, u64)>>,
    /// Position of the newest checkpoint, and of the one before it: the log below that may go.
    checkpoint_position: Cell<u64>,
    retained_from: Cell<u64>,
}

impl<D: Disk> MessageStore<D> {
    /// Opens or creates the store on `disk`, replaying what the newest checkpoint does not have.
    /// # Errors
    /// See [`CommitLog::open`]; nothing is skipped silently.
    pub async fn open(
        disk: D,
        id: LogId,
        options: LogOptions,
        ring: Option<Box<dyn Ring>>,
        replay: &mut impl Replay,
    ) -> Result<(Self, StoreRecovery), StorageError> {
        replay.progress(OpenProgress::Checkpoint);
        installation::finish(&disk).await?;
        let found = checkpoint::load(&disk, id).await?;
        let mut queues = ConsumeQueues::default();
        let mut damaged = Vec::new();
        if let Some(checkpoint) = &found.checkpoint {
            let malformed = |what| StorageError::Malformed { path: checkpoint::PATH.to_owned(), what };
            replay.restore(&checkpoint.state.bytes()).map_err(malformed)?;
            for queue in &checkpoint.queues {
                queues.restore(&queue.topic, queue.queue_id, queue.first, queue.end);
            }
            let directory = consume_queue::DIRECTORY;
            let lengths = disk.file_lengths(directory).await.map_err(StorageError::io("list", directory))?;
            damaged = queues.damaged(&lengths.into_iter().collect());
        }
        let from = found.checkpoint.as_ref().map(recover_from);
        let is_replicated = options.is_replicated;
        // A copied log's entries are of its master's terms.
        let ring_term = if is_replicated || options.is_copied { None } else { Some(stored_term(&disk).await?) };
        let mut unapplied = Vec::new();
        let first = found.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.position);
        replay.progress(OpenProgress::Log { first, position: first });
        let opened = CommitLog::open(disk, id, options, from, ring, ring_term, |header, payload| {
            replay.progress(OpenProgress::Log { first, position: header.end() });
            if is_replicated {
                unapplied.push(*header);
                return Ok(());
            }
            replay_entry(header, payload, &mut queues, replay, |_, _| ())
        });
        let (log, recovery) = opened.await.map_err(|error| name_checkpoint_cause(error, &found.unreadable))?;
        let term = if is_replicated { recovery.term } else { next_term(log.disk(), recovery.term).await? };
        log.start_term(term);
        let position = found.checkpoint.map_or(0, |checkpoint| checkpoint.position);
        let store = Self {
            log,
            queues: RefCell::new(queues),
            unconfirmed: RefCell::default(),
            checkpoint_position: Cell::new(position),
            retained_from: Cell::new(0),
        };
        damaged.retain(|queue| store.queues.borrow().get(*queue).is_some());
        replay.progress(OpenProgress::Queues { damaged: damaged.len() });
        store.rebuild(&damaged, position, replay).await?;
        store.drop_below(store.log.first()).await?;
        let unreadable_checkpoints = found.unreadable;
        let rebuilt_queues = damaged.len();
        let checkpoint = from.map_or_else(LogPosition::default, |from| from.start);
        let found =
            StoreRecovery { log: recovery, unreadable_checkpoints, rebuilt_queues, term, unapplied, checkpoint };
        Ok((store, found))
    }

    /// The log.
    pub fn log(&self) -> &CommitLog<D> {
        &self.log
    }

    /// The queues. Never hold the borrow over an await.
    pub fn queues(&self) -> &RefCell<ConsumeQueues> {
        &self.queues
    }

    /// Appends messages of one queue as a unit: all of them are in one entry, adjacent, or none. The queue offset and
    /// physical offset in `records` are filled in here. `tags_code` is asked for each by its number. `control` becomes durable with them (may be empty).
    /// # Errors
    /// Nothing was appended.
    pub fn append(
        &self,
        queue: QueueIndex,
        records: &mut [RecordFields<'_>],
        tags_code: impl Fn(usize) -> i64,
        control: &[u8],
    ) -> Result<Appended, AppendError> {
        let bytes: usize = records.iter().map(RecordFields::encoded_bytes).sum();
        let mut queues = self.queues.borrow_mut();
        let Some(queue_offset) = queues.get(queue).map(|queue| queue.end()) else { unreachable!("a live queue") };
        let count = records.len() as u32;
        self.log.append(bytes, count, control, |physical_offset, out| {
            let mut at = 0;
            for (number, record) in records.iter_mut().enumerate() {
                let record_bytes = record.encoded_bytes();
                let position = physical_offset + at as u64;
                record.queue_offset = (queue_offset + number as u64) as i64;
                record.physical_offset = position as i64;
                record.encode(&mut out[at..at + record_bytes]);
                let tags_code = tags_code(number);
                queues.push(queue, Unit { physical_offset: position, bytes: record_bytes as u32, tags_code });
                at += record_bytes;
            }
            let end = physical_offset + at as u64;
            self.unconfirmed.borrow_mut().push_back((end, queue, queue_offset + u64::from(count)));
            Appended { queue_offset, physical_offset, end }
        })
    }

    /// Appends a control record alone and returns where it ends.
    /// # Errors
    /// Nothing was appended.
    pub fn append_control(&self, record: &[u8]) -> Result<(), AppendError> {
        assert!(!record.is_empty());
        self.log.append(0, 0, record, |_, _| ())
    }

    /// Appends control records, all or none; see [`CommitLog::append_framed`].
    /// # Errors
    /// Nothing was appended.
    pub fn append_framed(&self, framed: &[u8]) -> Result<(), AppendError> {
        self.log.append_framed(framed)
    }

    /// Lets consumers see what may be acknowledged by now; `readable` is told of each queue that grew, where it ended
    /// and where it ends. Returns the acknowledgeable end of the log.
    pub fn confirm(&self, mut readable: impl FnMut(QueueIndex, u64, u64)) -> u64 {
        let limit = self.log.acknowledgeable();
        loop {
            let (queue, end) = match self.unconfirmed.borrow().front() {
                Some((position, queue, end)) if *position <= limit => (*queue, *end),
                _ => return limit,
            };
            self.unconfirmed.borrow_mut().pop_front();
            let before = self.queues.borrow_mut().set_readable(queue, end);
            if let Some(before) = before {
                readable(queue, before, end);
            }
        }
    }

    /// Takes over an entry that a majority of the replicas has, and that came from another of them: its messages are in
    /// their queues and may be read, its control records are handed to `replay`. `grew` is told of each message: its
    /// queue and queue offset.
    /// # Errors
    /// It holds what does not decode, or does not continue a queue.
    pub fn apply(
        &self,
        header: &EntryHeader,
        payload: &[u8],
        replay: &mut impl Replay,
        grew: impl FnMut(QueueIndex, u64),
    ) -> Result<(), DamageReason> {
        replay_entry(header, payload, &mut self.queues.borrow_mut(), replay, grew)
    }

    /// Makes queues and tables again as they were at `to`, from the newest checkpoint and the log behind it: what was
    /// appended and never committed is taken back. Nobody may read or append until this has returned.
    /// # Errors
    /// The checkpoint or the log cannot be read; the store is of no use then.
    pub async fn reload(&self, to: u64, replay: &mut impl Replay) -> Result<(), StorageError> {
        self.log.flush().await?;
        let found = checkpoint::load(self.log.disk(), self.log.id()).await?;
        let checkpoint = found.checkpoint.unwrap_or_default();
        self.unconfirmed.borrow_mut().clear();
        self.queues.borrow_mut().go_back(&checkpoint.queues);
        if checkpoint.position > 0 {
            let malformed = |what| StorageError::Malformed { path: checkpoint::PATH.to_owned(), what };
            replay.restore(&checkpoint.state.bytes()).map_err(malformed)?;
        }
        let visit = |header: &EntryHeader, payload: &[u8]| self.apply(header, payload, replay, |_, _| ());
        self.log.read_entries(checkpoint.position, to, visit).await?;
        // Segments may have gone since the checkpoint.
        self.drop_below(self.log.first()).await?;
        self.queues.borrow_mut().end_going_back();
        Ok(())
    }

    /// Puts the store that a finished [`Installation`](installation::Installation) has made in this one's place, while nobody
    /// appends or reads; [`CommitLog::begin_replacement`] came before. Queues and tables are those of its checkpoint, behind
    /// whose position, which is returned, [`Self::apply`] or [`Self::reload`] goes on. Queues keep their index.
    /// # Errors
    /// The store is of no use until it is opened again, which finishes what was begun.
    pub async fn become_installed(&self, replay: &mut impl Replay) -> Result<LogPosition, StorageError> {
        let disk = self.log.disk().clone();
        let opened = match installation::finish(&disk).await {
            // Not in this future's own memory: it is a large one.
            Ok(_) => Box::pin(Self::open(disk, self.log.id(), self.log.options().unapplied(), None, replay)).await,
            Err(error) => Err(error),
        };
        match opened {
            Ok((opened, found)) => {
                let Self { log, queues, .. } = opened;
                let (_, table) = queues.into_inner().begin_checkpoint();
                self.unconfirmed.borrow_mut().clear();
                self.queues.borrow_mut().go_back(&table);
                self.checkpoint_position.set(found.checkpoint.position);
                self.retained_from.set(0);
                self.log.end_replacement(Ok(log));
                Ok(found.checkpoint)
            }
            Err(error) => {
                self.log.end_replacement(Err(&error));
                Err(error)
            }
        }
    }

    /// As [`Self::reload`] from the log alone, which begins at 0; there is no checkpoint any more.
    /// # Errors
    /// The log cannot be read; the store is of no use then.
    pub async fn reload_from_log(&self, to: u64, replay: &mut impl Replay) -> Result<(), StorageError> {
        assert_eq!(self.log.first(), 0, "what older segments said is only in a checkpoint");
        self.log.flush().await?;
        self.unconfirmed.borrow_mut().clear();
        self.queues.borrow_mut().go_back(&[]);
        let visit = |header: &EntryHeader, payload: &[u8]| self.apply(header, payload, replay, |_, _| ());
        self.log.read_entries(0, to, visit).await?;
        self.queues.borrow_mut().end_going_back();
        Ok(())
    }

    /// Removes all checkpoints: they speak of more than the log is going to hold.
    /// # Errors
    /// I/O.
    pub async fn remove_checkpoints(&self) -> Result<(), StorageError> {
        let disk = self.log.disk();
        for path in [checkpoint::PREVIOUS_PATH, checkpoint::PATH] {
            disk.remove(path).await.map_err(StorageError::io("remove", path))?;
        }
        disk.sync_directory("").await.map_err(StorageError::io("sync", "the shard's folder"))?;
        self.checkpoint_position.set(0);
        self.retained_from.set(0);
        Ok(())
    }

    /// Where the log stood at the newest checkpoint; its beginning if there is none.
    /// # Errors
    /// I/O.
    pub async fn newest_checkpoint(&self) -> Result<LogPosition, StorageError> {
        let found = checkpoint::load(self.log.disk(), self.log.id()).await?;
        Ok(found.checkpoint.as_ref().map_or_else(LogPosition::default, |found| recover_from(found).start))
    }

    /// Makes a term durable that is above every one the log holds, and makes entries in it from here on.
    /// # Errors
    /// I/O; the term is as it was.
    pub async fn raise_term(&self) -> Result<u64, StorageError> {
        let term = next_term(self.log.disk(), self.log.end().term).await?;
        self.log.start_term(term);
        Ok(term)
    }

    /// Makes a checkpoint of the log's present end. `state` is the broker's state at this moment, taken in the same
    /// turn of the shard. Consumers and producers go on meanwhile; `flushed` is called when the log is synced up to here.
    /// # Errors
    /// I/O; the checkpoint before stays in force.
    pub async fn checkpoint(&self, state: Vec<u8>, flushed: impl FnOnce()) -> Result<(), StorageError> {
        let begun = self.begin_checkpoint(self.log.seal());
        self.finish_checkpoint(begun, state.into(), flushed).await
    }

    /// Notes what a checkpoint of this moment holds: the queues reflect the log up to `at`, no more and no less.
    pub fn begin_checkpoint(&self, at: LogPosition) -> BegunCheckpoint {
        let removed_folders = self.queues.borrow().removed_folders();
        let (unpersisted, queues) = self.queues.borrow_mut().begin_checkpoint();
        BegunCheckpoint { at, removed_folders, unpersisted, queues }
    }

    /// Writes a checkpoint. `state` is the broker's at the moment that was noted; of a replicated log, a majority has all that
    /// it reflects. `flushed` as for [`Self::checkpoint`].
    /// # Errors
    /// I/O; the checkpoint before stays in force.
    pub async fn finish_checkpoint(
        &self,
        begun: BegunCheckpoint,
        state: Pieces,
        flushed: impl FnOnce(),
    ) -> Result<(), StorageError> {
        let BegunCheckpoint { at, removed_folders, unpersisted, queues } = begun;
        self.log.flush().await?;
        self.log.sync().await?;
        assert!(self.log.stable() >= at.position, "flushed and synced");
        assert!(
            !self.log.options().is_replicated || self.log.acknowledgeable() >= at.position,
            "only what is committed"
        );
        flushed();
        self.remove_folders(&removed_folders).await?;
        consume_queue::write_out(self.log.disk(), &unpersisted).await?;
        let LogPosition { position, index, term, previous } = at;
        let checkpoint = Checkpoint { position, index, term, previous, stable: self.log.stable(), queues, state };
        checkpoint::save(self.log.disk(), self.log.id(), &checkpoint).await?;
        self.queues.borrow_mut().finish_checkpoint(&unpersisted);
        self.retained_from.set(self.checkpoint_position.replace(position));
        Ok(())
    }

    /// Physical offset of the newest checkpoint.
    pub fn checkpoint_position(&self) -> u64 {
        self.checkpoint_position.get()
    }

    /// Forgets a topic's queues; their files go with the next checkpoint. The control record that says so is appended
    /// first.
    pub fn remove_topic(&self, topic: &str) {
        // Within an entry messages are replayed before control records: those of a new topic of this name come later.
        self.log.seal();
        self.queues.borrow_mut().remove_topic(topic);
    }

    /// Removes the files of topics whose removal is on stable storage, before files of new topics of the same names
    /// are written.
    async fn remove_folders(&self, folders: &[String]) -> Result<(), StorageError> {
        if !folders.is_empty() {
            // It may never have been made.
            let directory = consume_queue::DIRECTORY;
            let made = self.log.disk().create_directory(directory).await;
            made.map_err(StorageError::io("create", directory))?;
        }
        for folder in folders {
            self.log.disk().remove(folder).await.map_err(StorageError::io("remove", folder))?;
        }
        if !folders.is_empty() {
            let directory = consume_queue::DIRECTORY;
            self.log.disk().sync_directory(directory).await.map_err(StorageError::io("sync", directory))?;
            self.queues.borrow_mut().forget_removed_folders(folders.len());
        }
        Ok(())
    }
}

fn recover_from(checkpoint: &Checkpoint) -> RecoverFrom {
    let Checkpoint { position, index, term, previous, .. } = *checkpoint;
    let start = LogPosition { position, index, term, previous };
    RecoverFrom { start, stable: checkpoint.stable }
}

/// A lost checkpoint is explained by why it could not be read.
fn name_checkpoint_cause(error: StorageError, unreadable: &[String]) -> StorageError {
    match error {
        StorageError::CheckpointLost { first, .. } if !unreadable.is_empty() => {
            StorageError::CheckpointLost { first, why: unreadable.join("; ") }
        }
        error => error,
    }
}

/// Term of the run before.
async fn stored_term<D: Disk>(disk: &D) -> Result<u64, StorageError> {
    let stored = read_file(disk, TERM_PATH).await.map_err(StorageError::io("read", TERM_PATH))?;
    let stored = match stored {
        None => 0,
        Some(bytes) => {
            let malformed = |error: serde_json::Error| StorageError::Malformed {
                path: TERM_PATH.to_owned(),
                what: error.to_string(),
            };
            serde_json::from_slice::<TermFile>(&bytes).map_err(malformed)?.term
        }
    };
    Ok(stored)
}

/// Makes the term of this run durable: above every term the log may hold.
async fn next_term<D: Disk>(disk: &D, seen: u64) -> Result<u64, StorageError> {
    let term = stored_term(disk).await?.max(seen) + 1;
    let bytes = serde_json::to_vec(&TermFile { term }).unwrap_or_default();
    replace_file(disk, TERM_PATH, bytes).await.map_err(StorageError::io("write", TERM_PATH))?;
    Ok(term)
}
