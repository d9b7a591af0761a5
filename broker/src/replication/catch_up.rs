//! A replica that is far behind gets the log itself, as it lies on the leader's disk, in large pieces.
//!
//! It asks with where its log stands; the leader answers with the entries behind that place, or, if its own log never was
//! there, with those behind what the asker has applied. Only committed entries are sent, so each is applied as it comes. When
//! the target is reached, Raft goes on from there.

use std::rc::Rc;
use std::time::Duration;

use raft_driver::{CatchUpNews, EntryId};
use storage::commit_log::entry::{EntryHeader, EntryKind, HEADER_BYTES};
use storage::{AdoptError, StorageError};

use super::drive::waits;
use super::raw_entries::RawEntries;
use super::replica::{Phase, Replica};
use super::wire::{ConnectionClass, Pull, PullStatus, Pulled, ReplicaMessage};
use super::write_later::PendingWrites;
use crate::env::Env;
use crate::shard::Shard;

/// Of the log in one answer.
pub(super) const PULL_BYTES: u32 = 1 << 20;
/// What a leader answers at most, whatever is asked for.
const PULL_BYTES_MAX: u32 = 8 << 20;
/// An answer that does not come is asked for again.
pub(super) const PATIENCE_MS: i64 = 1_000;
/// Where the log was full, the rest is asked for again after this.
pub(super) const FULL_MS: i64 = 10;
/// Where something failed that may fail again, it is tried again after this.
pub(super) const PAUSE_MS: i64 = 10_000;

/// What is left of an installation is looked for this often, in ticks: every minute.
const LEFT_TICKS: u64 = 1200;

/// A catch-up under way.
#[derive(Copy, Clone, Debug, Default)]
pub(crate) struct CatchingUp {
    /// When to ask again, see [`Shard::uptime_ms`].
    pub(super) ask_ms: i64,
    /// What came last is still being written.
    pub(super) is_writing: bool,
}

impl<E: Env> Shard<E> {
    pub(super) fn note_catch_up(self: &Rc<Self>, replica: &Replica, news: CatchUpNews) {
        let shard = &self.identity.broker_name;
        match news {
            CatchUpNews::Due(due) => {
                if replica.catching_up.get().is_none() {
                    let (leader, target, from) = (due.leader, due.target.index, self.store.log().end().index);
                    tracing::info!(shard, leader, from, target, "this replica catches up from the leader's files");
                    replica.catching_up.set(Some(CatchingUp::default()));
                    replica.watch.history.began_catch_up();
                }
                self.pull_more(replica);
            }
            CatchUpNews::Void => {
                replica.catching_up.set(None);
                self.installing.forget();
            }
        }
    }

    /// Asks for the next piece if it is time.
    pub(super) fn pull_more(&self, replica: &Replica) {
        let Some(state) = replica.catching_up.get() else { return };
        let Some(due) = replica.group.borrow().catch_up() else { return };
        let now_ms = self.uptime_ms();
        if self.installing.is_under_way() {
            if replica.phase() == Phase::Follows && now_ms >= state.ask_ms {
                self.install_more(replica, due.leader);
            }
            return;
        }
        let can_ask = replica.phase() == Phase::Follows && !replica.is_reading.get() && !state.is_writing;
        if !can_ask || now_ms < state.ask_ms || replica.applied_start.get().is_some() {
            return;
        }
        let pull = Pull { end: self.store.log().end(), applied: replica.applied.get(), bytes_wanted: PULL_BYTES };
        replica.catching_up.set(Some(CatchingUp { ask_ms: now_ms + PATIENCE_MS, ..state }));
        replica.links.borrow_mut().send(due.leader, ConnectionClass::Log, &ReplicaMessage::Pull(pull), &self.outbox);
    }

    /// Answers another replica that catches up.
    pub(super) fn pulled_by(self: &Rc<Self>, replica: &Replica, node: u64, pull: Pull) {
        replica.watch.pulled(self.env.now_ms(), node, &pull.end);
        let wanted = pull.bytes_wanted.min(PULL_BYTES_MAX) as usize;
        let Some(bytes_max) = self.begin_answer(replica, node, wanted) else { return };
        let shard = self.clone();
        self.env.spawn_background(async move {
            let Some(replica) = shard.replica.get() else { return };
            let answer = shard.piece_for(replica, &pull, bytes_max).await;
            let (status, first_position, log) = match answer {
                Ok(answer) => answer,
                Err(error) => {
                    tracing::error!(%error, node, shard = shard.identity.broker_name, "a replica cannot be given what it lacks");
                    (PullStatus::NotNow, 0, Vec::new())
                }
            };
            shard.pay_for_answer(replica, log.len()).await;
            let (commit_index, end_position) = (replica.applied.get().index, shard.store.log().end().position);
            let answer = Pulled { status, first_position, commit_index, end_position, log: &log };
            let message = ReplicaMessage::Pulled(answer);
            replica.links.borrow_mut().send(node, ConnectionClass::Log, &message, &shard.outbox);
            replica.budget.borrow_mut().end(node);
        });
    }

    /// Begins an answer to a node that catches up: how many bytes it may have. `None`: it is to ask again.
    pub(super) fn begin_answer(&self, replica: &Replica, node: u64, bytes: usize) -> Option<usize> {
        let mut budget = replica.budget.borrow_mut();
        budget.note_load(self.env.instant(), self.metrics.swept.get());
        budget.begin(node, bytes)
    }

    /// Waits until so many bytes may be sent to those who catch up.
    pub(super) async fn pay_for_answer(&self, replica: &Replica, bytes: usize) {
        let wait = replica.budget.borrow_mut().spend(self.env.instant(), bytes);
        if wait > Duration::ZERO {
            self.env.sleep(wait).await;
        }
    }

    /// At every tick.
    pub(super) fn tend_catch_ups(self: &Rc<Self>, replica: &Replica) {
        replica.budget.borrow_mut().note_load(self.env.instant(), self.metrics.swept.get());
        self.tend_offer(replica);
        // What an earlier process has begun is not gone on with where there is nothing to catch up with.
        let is_time = replica.ticks.get().is_multiple_of(LEFT_TICKS);
        if is_time && replica.catching_up.get().is_none() && replica.phase() != Phase::Installs {
            let shard = self.clone();
            self.env.spawn_background(async move { shard.remove_left_installation().await });
        }
    }

    async fn piece_for(
        &self,
        replica: &Replica,
        pull: &Pull,
        bytes: usize,
    ) -> Result<(PullStatus, u64, Vec<u8>), StorageError> {
        match self.sound_piece_for(replica, pull, bytes).await {
            Err(error @ (StorageError::Damaged { .. } | StorageError::DamagedRecord { .. })) => {
                self.mended(pull.end.position, error).await?;
                self.sound_piece_for(replica, pull, bytes).await
            }
            result => result,
        }
    }

    async fn sound_piece_for(
        &self,
        replica: &Replica,
        pull: &Pull,
        bytes: usize,
    ) -> Result<(PullStatus, u64, Vec<u8>), StorageError> {
        let log = self.store.log();
        // Not only where it serves already: it may need the very one that asks to commit its first entry.
        if !replica.group.borrow().is_leader() || replica.phase() == Phase::Stopped {
            return Ok((PullStatus::NotNow, 0, Vec::new()));
        }
        let from = match log.continuation(pull.end).await? {
            Some(from) => from,
            // A header that cannot be read any more names nobody a stranger.
            None if log.holds(pull.end.position) && !log.is_sound_around(pull.end.position).await? => {
                let (at, file) = (pull.end.position, log.file_name(pull.end.position));
                let what = "the entry that comes next cannot be read".to_owned();
                return Err(StorageError::DamagedRecord { at, file, what });
            }
            None => match log.continuation(pull.applied).await? {
                Some(from) => from,
                None => return Ok((PullStatus::TooOld, log.first(), Vec::new())),
            },
        };
        let raw = log.raw_entries(from, log.acknowledgeable(), bytes).await?;
        Ok((PullStatus::Entries, from, raw))
    }

    /// # Errors
    /// What a sound replica never says.
    pub(super) fn take_piece(self: &Rc<Self>, replica: &Replica, node: u64, pulled: &Pulled<'_>) -> Result<(), String> {
        let (Some(state), Some(due)) = (replica.catching_up.get(), replica.group.borrow().catch_up()) else {
            return Ok(());
        };
        if due.leader != node || state.is_writing || replica.is_reading.get() || replica.phase() != Phase::Follows {
            return Ok(());
        }
        if self.install_piece(replica, pulled)? {
            return Ok(());
        }
        let now_ms = self.uptime_ms();
        match pulled.status {
            PullStatus::NotNow => return Ok(()),
            PullStatus::TooOld => {
                self.begin_installation(replica, node, pulled.first_position);
                self.pull_more(replica);
                return Ok(());
            }
            PullStatus::Entries => {}
        }
        let entries = split(self.store.log().id(), pulled)?;
        replica.watch.history.caught_up(pulled.log.len());
        // Behind what was compared, this log may hold what the leader's never did.
        let mut shared = replica.applied.get().index;
        let ask_ms = match self.take_over(replica, &entries, &mut shared) {
            Ok(Taken::All) => now_ms,
            Ok(Taken::Some) => now_ms + FULL_MS,
            Ok(Taken::Conflict { kept }) => {
                replica.catching_up.set(Some(CatchingUp { ask_ms: now_ms, ..state }));
                let shard = self.clone();
                let pending = PendingWrites::new(None, Some(kept));
                self.env.spawn(async move { shard.write_later(pending).await });
                return Ok(());
            }
            Err(error) => {
                self.stop_replica(replica, &error);
                return Ok(());
            }
        };
        replica.catching_up.set(Some(CatchingUp { is_writing: true, ask_ms }));
        // Raft may learn meanwhile that some of it is committed: it is applied once.
        replica.is_reading.set(true);
        let (shard, commit_index) = (self.clone(), pulled.commit_index.min(shared));
        self.env.spawn(async move { shard.apply_pulled(commit_index).await });
        Ok(())
    }

    /// Puts pulled entries behind this log; those that it has already are compared. `shared` becomes the last index up to
    /// which the two logs are known to be the same.
    fn take_over(
        &self,
        replica: &Replica,
        entries: &[(EntryHeader, &[u8])],
        shared: &mut u64,
    ) -> Result<Taken, AdoptError> {
        for (header, bytes) in entries {
            if header.index <= self.store.log().end().index {
                let own = replica.group.borrow().term_of(header.index);
                if own.is_none_or(|term| term == header.term) {
                    *shared = header.index.max(*shared);
                    continue;
                }
                let conflict = EntryId { index: header.index, term: header.term };
                return match replica.group.borrow_mut().cut_log(conflict) {
                    Ok(()) => Ok(Taken::Conflict { kept: header.index - 1 }),
                    Err(error) => {
                        tracing::debug!(%error, shard = self.identity.broker_name, "the end of the log stays");
                        Ok(Taken::Some)
                    }
                };
            }
            match self.store.log().adopt(bytes) {
                Ok(_) => *shared = header.index.max(*shared),
                Err(error) if waits(&error) => return Ok(Taken::Some),
                Err(error) => return Err(error),
            }
        }
        Ok(Taken::All)
    }

    /// Applies what was pulled, makes it last, and asks for more or is done.
    async fn apply_pulled(self: Rc<Self>, commit_index: u64) {
        let Some(replica) = self.replica.get() else { return };
        let applied = self.apply_up_to(replica, commit_index).await;
        replica.is_reading.set(false);
        if let Err(error) = applied {
            return self.stop_replica(replica, &error);
        }
        if self.store.log().needs_next_segment() {
            let _ = self.store.log().prepare_next_segment().await;
        }
        if let Some(state) = replica.catching_up.get() {
            replica.catching_up.set(Some(CatchingUp { is_writing: false, ..state }));
            self.end_catch_up(replica);
            self.pull_more(replica);
        }
        self.replicate();
        self.confirm_and_resume();
    }

    pub(super) async fn apply_up_to(self: &Rc<Self>, replica: &Replica, commit_index: u64) -> Result<(), StorageError> {
        let log = self.store.log();
        log.flush().await?;
        let mut woken = Vec::new();
        loop {
            let at = replica.applied.get();
            if at.index >= commit_index || at.index >= log.end().index {
                break;
            }
            let Some(next) = log.continuation(at).await? else { break };
            let head = log.copy(next, HEADER_BYTES).await?;
            let unsound = |reason| StorageError::Damaged { file: log.file_name(next), at: next, reason, stable: next };
            let header = EntryHeader::decode(log.id(), next, &head).map_err(unsound)?;
            let bytes = log.copy(next, (header.end() - next) as usize).await?;
            // It may have been damaged since it came.
            header.check_payload(&bytes[HEADER_BYTES..]).map_err(unsound)?;
            let at = self.apply_entry(&bytes, next, &mut woken).map_err(unsound)?;
            replica.applied.set(at);
            log.set_committed(at.position);
        }
        for job in woken {
            crate::processor::pull::run_again(self, job);
        }
        Ok(())
    }

    /// Lets Raft go on once the target is reached.
    fn end_catch_up(self: &Rc<Self>, replica: &Replica) {
        let Some(due) = replica.group.borrow().catch_up() else { return };
        let (applied, end) = (replica.applied.get(), self.store.log().end());
        let is_there = applied.index >= due.target.index && applied.index == end.index;
        if !is_there || self.store.log().kept() < end.position || replica.group.borrow().is_writing() {
            return;
        }
        self.drive(replica, &RawEntries::default());
        let mut group = replica.group.borrow_mut();
        if group.is_writing() || group.catch_up().is_none() {
            return;
        }
        let members = group.conf_state().clone();
        match group.reset_log(members, EntryId { term: applied.term, index: applied.index }, Vec::new()) {
            Ok(()) => {
                drop(group);
                replica.start_log_at(applied.index);
                replica.catching_up.set(None);
                tracing::info!(shard = self.identity.broker_name, index = applied.index, "this replica has caught up");
                self.report_to_all(replica);
            }
            Err(error) => tracing::debug!(%error, shard = self.identity.broker_name, "the catch-up goes on"),
        }
    }
}

/// What became of a piece.
enum Taken {
    /// It is in the log.
    All,
    /// The log is full, or waits for its next segment.
    Some,
    /// The log has something else there, which goes: all behind this index.
    Conflict { kept: u64 },
}

/// The entries of an answer, each sound.
pub(super) fn split<'a>(
    id: storage::commit_log::LogId,
    pulled: &Pulled<'a>,
) -> Result<Vec<(EntryHeader, &'a [u8])>, String> {
    let (mut rest, mut position) = (pulled.log, pulled.first_position);
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let unsound = |reason| format!("an entry it sent for a catch-up is unsound: {reason}");
        let header = EntryHeader::decode(id, position, rest).map_err(unsound)?;
        let bytes = usize::try_from(header.end() - position).unwrap_or(usize::MAX);
        let is_whole = bytes <= rest.len() && header.kind != EntryKind::Filler;
        let (entry, behind) =
            rest.split_at_checked(bytes).filter(|_| is_whole).ok_or("a piece of the log it sent is cut short")?;
        header.check_payload(&entry[HEADER_BYTES..]).map_err(unsound)?;
        entries.push((header, entry));
        (rest, position) = (behind, header.end());
    }
    Ok(entries)
}
