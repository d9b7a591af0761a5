//! What Raft waits for and takes a while: a vote on stable storage, an end that is taken back, a log that is full.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use raft_driver::{EntryInfo, NewEntry, SavedState};
use storage::commit_log::LogPosition;
use storage::{AdoptError, AppendError, StorageError};

use super::drive::waits;
use super::replica::{Phase, Replica};
use super::state_file::{self, KeptMemory, ReplicaState};
use crate::env::Env;
use crate::replay::TableReplay;
use crate::shard::Shard;

/// How often a full log is asked again.
const RETRY: Duration = Duration::from_millis(1);

/// How often a full disk is tried again: a file is made each time.
const FULL_DISK_RETRY: Duration = Duration::from_millis(100);

/// Writes under way. Meanwhile Raft takes no messages.
pub(super) struct PendingWrites {
    save_state: Option<SavedState>,
    truncate_after: Option<u64>,
    entries: VecDeque<(NewEntry, Option<Vec<u8>>)>,
    /// Entries that were made here.
    pub(super) made: Vec<EntryInfo>,
}

impl PendingWrites {
    pub(super) fn new(save_state: Option<SavedState>, truncate_after: Option<u64>) -> Self {
        Self { save_state, truncate_after, entries: VecDeque::new(), made: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.save_state.is_none() && self.truncate_after.is_none() && self.entries.is_empty()
    }

    /// An entry that has to wait; `raw` is what of it came from another replica.
    pub(super) fn push(&mut self, entry: NewEntry, raw: Option<&[u8]>) {
        self.entries.push_back((entry, raw.map(<[u8]>::to_vec)));
    }
}

impl<E: Env> Shard<E> {
    /// Does the writes, then goes on.
    pub(super) async fn write_later(self: Rc<Self>, pending: PendingWrites) {
        let Some(replica) = self.replica.get() else { return };
        match self.write_pending(replica, pending).await {
            Ok(made) => {
                replica.group.borrow_mut().finish_work(made);
                replica.appends_are_told();
                self.replicate();
                self.confirm_and_resume();
            }
            Err(error) => self.stop_replica(replica, &error),
        }
    }

    async fn write_pending(&self, replica: &Replica, pending: PendingWrites) -> Result<Vec<EntryInfo>, AdoptError> {
        let PendingWrites { save_state, truncate_after, entries, mut made } = pending;
        if let Some(saved) = save_state {
            if saved.members_index > replica.saved.borrow().members_index {
                // Else a machine that loses its power would know members whose change its log has lost.
                let log = self.store.log();
                log.flush().await.map_err(failed)?;
                log.sync().await.map_err(failed)?;
            }
            self.save_when_there_is_room(replica, &saved).await.map_err(failed)?;
        }
        if let Some(index) = truncate_after {
            let at = self.position_of(replica, index).await.map_err(failed)?;
            self.store.log().truncate(at).await.map_err(failed)?;
            replica.cut(index);
        }
        for (entry, raw) in entries {
            loop {
                match self.write_entry(replica, &entry, raw.as_deref()) {
                    Ok(info) => {
                        made.extend(info);
                        break;
                    }
                    Err(error) if waits(&error) => {
                        // It answers by itself if it cannot be made, and is tried again.
                        let _ = self.store.log().prepare_next_segment().await;
                        self.wake_committer();
                        self.env.sleep(RETRY).await;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(made)
    }

    /// Replaces the state file. Nothing that depends on it has left, so a full disk only makes this replica late: it waits for
    /// room, as it does with entries that its log has no room for.
    async fn save_when_there_is_room(&self, replica: &Replica, saved: &SavedState) -> Result<(), StorageError> {
        let mut is_told = false;
        loop {
            match self.save_state(replica, |state| state_to_save(replica, state, saved)).await {
                Err(error) if error.is_disk_full() => {
                    let shard = &self.identity.broker_name;
                    if !is_told {
                        tracing::error!(%error, shard, "this replica takes no part in its group until there is room for its vote");
                    }
                    is_told = true;
                    self.env.sleep(FULL_DISK_RETRY).await;
                }
                result => return result,
            }
        }
    }

    /// Replaces the state file; one change at a time.
    async fn save_state(
        &self,
        replica: &Replica,
        change: impl FnOnce(&ReplicaState) -> ReplicaState,
    ) -> Result<(), StorageError> {
        while replica.is_saving.replace(true) {
            self.env.sleep(RETRY).await;
        }
        let state = change(&replica.saved.borrow());
        let saved = state_file::save(self.store.log().disk(), &state).await;
        if saved.is_ok() {
            replica.saved.replace(state);
        }
        replica.is_saving.set(false);
        saved
    }

    /// Members that another replica told are in the state file before anything is applied that may hold their change.
    pub(super) async fn save_told_members(&self, replica: &Replica) -> Result<(), StorageError> {
        let told = replica.members.borrow().clone();
        let saved = replica.saved.borrow().group_members();
        let is_news = told.index > saved.index && !told.roles.is_empty();
        if !is_news || (told.roles == saved.roles && told.notes == saved.notes) {
            return Ok(());
        }
        self.save_state(replica, |state| state.with_members(&told)).await
    }

    /// From here on, and after a restart, this replica is trusted to remember all that it confirmed.
    pub(super) async fn note_trusted(self: Rc<Self>) {
        let Some(replica) = self.replica.get() else { return };
        let whole = |state: &ReplicaState| ReplicaState { memory: KeptMemory::Whole, ..state.clone() };
        if let Err(error) = self.save_state(replica, whole).await {
            tracing::warn!(%error, shard = self.identity.broker_name, "that this replica is trusted again is forgotten at its next start");
        }
    }

    /// Where the log stands behind the entry with this index.
    async fn position_of(&self, replica: &Replica, index: u64) -> Result<LogPosition, StorageError> {
        let applied = replica.applied.get();
        let start = if index == applied.index {
            replica.applied_start.get()
        } else {
            let start = replica.group.borrow().entry(index).map(|entry| entry.position);
            assert!(start.is_some(), "Raft knows every entry that is not applied");
            start
        };
        match start {
            Some(start) => self.store.log().position_behind(start).await,
            None => Ok(applied),
        }
    }

    /// Makes queues and tables again as they were when this replica last knew them committed.
    pub(super) async fn take_back(self: Rc<Self>) {
        let Some(replica) = self.replica.get() else { return };
        match self.reload(replica).await {
            Ok(()) => {
                replica.enter(Phase::Follows);
                self.replicate();
                self.announce_role(replica);
                self.confirm_and_resume();
            }
            Err(error) => self.stop_replica(replica, &error),
        }
    }

    async fn reload(&self, replica: &Replica) -> Result<(), StorageError> {
        // A checkpoint that is being made is one of the state that is taken back.
        self.until_no_checkpoint().await;
        let index = replica.applied.get().index;
        let at = self.position_of(replica, index).await?;
        let mut replay = TableReplay::for_shard(&self.config, &self.identity, self.env.now_ms());
        self.store.reload(at.position, &mut replay).await?;
        *self.tables.borrow_mut() = replay.into_replayed_tables();
        self.scratch.borrow_mut().records.clear();
        replica.applied.set(at);
        replica.applied_start.set(None);
        Ok(())
    }

    /// Applies what is committed up to `index` and no longer in memory.
    pub(super) async fn apply_from_files(self: Rc<Self>, index: u64) {
        let Some(replica) = self.replica.get() else { return };
        let to = replica.group.borrow().entry(index).map(|entry| entry.position + u64::from(entry.bytes));
        let Some(to) = to else { unreachable!("Raft knows every entry that is not applied") };
        let mut woken = Vec::new();
        let from = replica.applied.get();
        let read = match self.store.log().flush().await {
            Ok(()) => {
                let apply = |header: &_, payload: &[u8]| self.apply_decoded(header, payload, &mut woken);
                self.store.log().read_entries(from.position, to, apply).await
            }
            Err(error) => Err(error),
        };
        let at = match read {
            Ok(()) => self.position_of(replica, index).await,
            Err(error) => Err(error),
        };
        match at {
            Ok(at) => {
                replica.applied.set(at);
                replica.applied_start.set(None);
            }
            Err(error) => return self.stop_replica(replica, &error),
        }
        replica.is_reading.set(false);
        for job in woken {
            crate::processor::pull::run_again(&self, job);
        }
        self.replicate();
        self.confirm_and_resume();
    }
}

/// With a term in which it votes, a replica that had lost its disk is one that remembers its votes from then on.
fn state_to_save(replica: &Replica, state: &ReplicaState, saved: &SavedState) -> ReplicaState {
    let state = state.with(saved.clone(), &replica.members.borrow());
    let is_in = state.memory == KeptMemory::Nothing && replica.group.borrow().knows_terms();
    ReplicaState { memory: if is_in { KeptMemory::ShortLog } else { state.memory }, ..state }
}

fn failed(error: StorageError) -> AdoptError {
    AppendError::Failed { cause: error.to_string() }.into()
}
