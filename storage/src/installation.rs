//! A store that is fetched from another replica: made beside the one that is there, and put in its place when it is whole.
//!
//! It lies below [`FOLDER`]: the log from where the other's begins, the other's checkpoint, the ConsumeQueues that follow from
//! both. What is there is never a mix: a marker is written durably when all of it is, and from then on opening the store, or
//! whoever waits for it now, moves it into place ([`finish`]); before, the store of before is used, and the next installation
//! goes on where this one ended.

#[cfg(test)]
mod copied_tests;
mod place;
mod progress;
#[cfg(test)]
pub(crate) mod tests;

use std::cell::Cell;

use crate::checkpoint::{self, Checkpoint};
use crate::commit_log::copy::CopiedEntry;
use crate::commit_log::entry::EntryHeader;
use crate::commit_log::recover::RecoverFrom;
use crate::commit_log::{self, CommitLog, LogId, LogOptions, LogPosition};
use crate::consume_queue;
use crate::error::{AdoptError, StorageError};
use crate::file::below::Below;
use crate::file::{Disk, replace_file};
use crate::store::{MessageStore, Replay};

pub use place::{abandon, finish};

/// What is installed lies here, below the shard's folder, until it is whole.
pub const FOLDER: &str = "install";
/// Below it: all of it is there and on stable storage.
const MARKER: &str = "complete";
/// After a restart, at most so much is fetched once more, ...
const PROGRESS_BYTES: u64 = 64 << 20;
/// ... or this many segments, where those are small.
const PROGRESS_SEGMENTS: u64 = 4;

/// See the module's text.
pub struct Installation<D: Disk> {
    disk: D,
    log: CommitLog<Below<D>>,
    checkpoint: Checkpoint,
    /// Up to here the log is on stable storage, and the next process knows.
    saved: Cell<u64>,
}

impl<D: Disk> Installation<D> {
    /// Begins with a log that stands at `first`, where the other's begins, and that is to reach the other's `checkpoint`;
    /// goes on with what an earlier one has left, if the other's log still reaches back to that.
    /// # Errors
    /// I/O.
    pub async fn begin(
        disk: D,
        id: LogId,
        options: LogOptions,
        first: LogPosition,
        checkpoint: Checkpoint,
    ) -> Result<Self, StorageError> {
        assert!(options.is_replicated || options.is_copied, "only who keeps another's log fetches a store");
        let below = Below::new(disk.clone(), FOLDER);
        let from = match progress::load(&below, id, options.segment_bytes).await? {
            Some(at) if first.position <= at.position && keep_from(&below, first.position).await? => at,
            _ => {
                let removed = disk.remove(FOLDER).await;
                removed.map_err(StorageError::io("remove", FOLDER))?;
                let directory = commit_log::DIRECTORY;
                let made = below.create_directory(directory).await;
                made.map_err(StorageError::io("create", directory))?;
                commit_log::create_first_segment(&below, first.position, options.segment_bytes).await?;
                first
            }
        };
        let recover = RecoverFrom { start: from, stable: from.position };
        let opened = CommitLog::open(below, id, options, Some(recover), None, None, |_, _| Ok(())).await;
        let (log, _) = opened?;
        let installation = Self { disk, log, checkpoint, saved: Cell::new(from.position) };
        // What lies before was checked when it came.
        installation.note_committed();
        Ok(installation)
    }

    /// Where its log stands: what is to come next continues this.
    pub fn end(&self) -> LogPosition {
        self.log.end()
    }

    /// Bytes that were taken over and are not written yet.
    pub fn unwritten_bytes(&self) -> u64 {
        self.log.waiting_bytes()
    }

    /// First physical offset of its log.
    pub fn first(&self) -> u64 {
        self.log.first()
    }

    /// Where the log stands that its tables reflect.
    pub fn target(&self) -> LogPosition {
        let Checkpoint { position, index, term, previous, .. } = self.checkpoint;
        LogPosition { position, index, term, previous }
    }

    /// Takes over an entry of the other's log. As [`CommitLog::adopt`].
    /// # Errors
    /// As there.
    pub fn adopt(&self, bytes: &[u8]) -> Result<EntryHeader, AdoptError> {
        self.log.adopt(bytes)
    }

    /// Takes over the entry or filler of a master's log that `piece` begins with. As [`CommitLog::adopt_copied`].
    /// # Errors
    /// As there.
    pub fn adopt_copied(&self, entry: &CopiedEntry, piece: &[u8]) -> Result<(), AdoptError> {
        self.log.adopt_copied(entry, piece)
    }

    /// Only what is committed is fetched; of a copied log nobody asks.
    fn note_committed(&self) {
        if self.log.options().is_replicated {
            self.log.set_committed(self.log.end().position);
        }
    }

    /// Writes what was taken over, makes the next segment when it is time, and now and then notes how far it is.
    /// # Errors
    /// I/O; it is of no use any more, another one goes on with what it has left.
    pub async fn flush(&self) -> Result<(), StorageError> {
        self.log.flush().await?;
        self.note_committed();
        // A full disk shows with the next entry too; there it is told.
        if self.log.needs_next_segment() || self.log.failed_next_segment() {
            let _ = self.log.prepare_next_segment().await;
        }
        let progress_bytes = PROGRESS_BYTES.min(PROGRESS_SEGMENTS * self.log.options().segment_bytes);
        if self.log.end().position - self.saved.get() >= progress_bytes {
            self.save_progress().await?;
        }
        Ok(())
    }

    async fn save_progress(&self) -> Result<(), StorageError> {
        self.log.flush().await?;
        let at = self.log.end();
        self.log.sync().await?;
        progress::save(self.log.disk(), self.log.id(), self.log.options().segment_bytes, at).await?;
        self.saved.set(at.position);
        Ok(())
    }

    /// All of it has come: makes the queues. What is in its place stays until [`WholeInstallation::mark`].
    /// # Errors
    /// I/O; or the log has never stood where the checkpoint says. What was fetched is of no use then.
    pub async fn complete(self, replay: &mut impl Replay) -> Result<WholeInstallation<D>, StorageError> {
        self.save_progress().await?;
        let target = self.target();
        if self.log.continuation(target).await?.is_none() {
            let what = format!(
                "it was made at physical offset {} of another log than the one that came with it: fetch both again",
                target.position
            );
            return Err(StorageError::Malformed { path: checkpoint::PATH.to_owned(), what });
        }
        let Self { disk, log, checkpoint, .. } = self;
        let (id, options, below) = (log.id(), *log.options(), log.disk().clone());
        drop(log);
        // What an earlier try made of another checkpoint does not go with this one.
        for path in [consume_queue::DIRECTORY, checkpoint::PATH, checkpoint::PREVIOUS_PATH] {
            below.remove(path).await.map_err(StorageError::io("remove", path))?;
        }
        // The other's said how far its own log was on stable storage.
        let checkpoint = Checkpoint { stable: target.position, ..checkpoint };
        checkpoint::save(&below, id, &checkpoint).await?;
        let opened = Box::pin(MessageStore::open(below.clone(), id, options.unapplied(), None, replay)).await;
        let (store, _) = opened?;
        // Its log may begin later than the queues did that the checkpoint speaks of.
        let (_, queues) = store.queues().borrow_mut().begin_checkpoint();
        drop(store);
        checkpoint::save(&below, id, &Checkpoint { queues, ..checkpoint }).await?;
        let directory = consume_queue::DIRECTORY;
        below.create_directory(directory).await.map_err(StorageError::io("create", directory))?;
        for directory in ["", FOLDER] {
            disk.sync_directory(directory).await.map_err(StorageError::io("sync", directory))?;
        }
        Ok(WholeInstallation { below })
    }
}

/// All of a store is there and on stable storage.
pub struct WholeInstallation<D: Disk> {
    below: Below<D>,
}

impl<D: Disk> WholeInstallation<D> {
    /// From here on, a crash or not, it is the store: [`finish`] puts it in place.
    /// # Errors
    /// I/O; it may be or not.
    pub async fn mark(self) -> Result<(), StorageError> {
        replace_file(&self.below, MARKER, Vec::new()).await.map_err(StorageError::io("write", MARKER))
    }
}

/// Removes the segments that lie wholly before `first`. False: there is none with `first` in it.
async fn keep_from<D: Disk>(below: &D, first: u64) -> Result<bool, StorageError> {
    let directory = commit_log::DIRECTORY;
    let names = below.list(directory).await.map_err(StorageError::io("list", directory))?;
    let mut starts: Vec<u64> = names.iter().filter_map(|name| commit_log::segment_first(name)).collect();
    starts.sort_unstable();
    let Some(kept) = starts.iter().rposition(|start| *start <= first) else { return Ok(false) };
    // The oldest goes first: a crash in between must leave no hole.
    for start in &starts[..kept] {
        let path = commit_log::segment_path(*start);
        below.remove(&path).await.map_err(StorageError::io("remove", &path))?;
    }
    below.sync_directory(directory).await.map_err(StorageError::io("sync", directory))?;
    Ok(starts[kept] == first)
}
