//! A replica whose log ends before the leader's begins gets the leader's checkpoint and all of the log that there is, beside
//! its own store, and puts both in the place of that when they are whole.
//!
//! Until then it remains what it was: its old log says what it confirmed, and votes by that. What is fetched lies on disk
//! (`storage::installation`), so that the next connection, process or leader goes on with it: all that is committed is the same
//! everywhere. The old store is replaced only by a log that ends at or behind the index where the old one ended: whatever it
//! confirmed is in the new one, or is committed nowhere. Meanwhile it hears nothing of Raft ([`Phase::Installs`]).

use std::rc::Rc;

use raft_driver::EntryId;
use storage::AdoptError;
use storage::StorageError;
use storage::commit_log::LogPosition;
use storage::installation::WholeInstallation;

use super::catch_up::{FULL_MS, IDLE_MS, PATIENCE_MS, PAUSE_MS, split};
use super::checkpoint_fetch::Fetched;
use super::checkpoint_image::CheckpointImage;
use super::drive::waits;
use super::installing::{Rest, Stage, WholeStore};
use super::raw_entries::RawEntries;
use super::replica::{Phase, Replica};
use super::wire::{CheckpointPiece, ConnectionClass, PullStatus, Pulled, ReplicaMessage};
use crate::env::Env;
use crate::shard::Shard;

impl<E: Env> Shard<E> {
    /// The leader's log begins behind the end of this one.
    pub(super) fn begin_installation(&self, replica: &Replica, leader: u64, first: u64) {
        let shard = &self.identity.broker_name;
        let end = self.store.log().end().position;
        tracing::info!(
            shard,
            leader,
            first,
            end,
            "the leader's log begins behind this replica's end: it gets a checkpoint and all of that log"
        );
        replica.watch.history.began_installation();
        self.installing.begin();
        self.ask_at(replica, self.uptime_ms());
    }

    fn ask_at(&self, replica: &Replica, ask_ms: i64) {
        if let Some(mut state) = replica.catching_up.get() {
            state.ends_round(ask_ms);
            replica.catching_up.set(Some(state));
        }
    }

    /// Asks for more if it is time.
    pub(super) fn install_more(&self, replica: &Replica, leader: u64) {
        let now_ms = self.uptime_ms();
        let Some(mut state) = replica.catching_up.get() else { return };
        let is_sent = self.installing.with_stage(|stage| match stage {
            Stage::Fetching(fetch) if now_ms >= state.ask_ms => {
                let message = ReplicaMessage::CheckpointRequest(fetch.request());
                state.ends_round(now_ms + PATIENCE_MS);
                Some(replica.links.borrow_mut().send(leader, ConnectionClass::Bulk, &message, &self.outbox))
            }
            Stage::Pulling { installation, .. } => {
                let (end, unwritten) = (installation.end(), installation.unwritten_bytes());
                let pull = state.next_pull(now_ms, end, end, unwritten)?;
                Some(self.send_pull(replica, leader, pull))
            }
            _ => None,
        });
        let Some(is_sent) = is_sent else { return };
        if !is_sent {
            state.ends_round(now_ms + FULL_MS);
        }
        replica.catching_up.set(Some(state));
    }

    /// A piece of a checkpoint has come.
    pub(super) fn take_checkpoint_piece(self: &Rc<Self>, replica: &Replica, node: u64, piece: &CheckpointPiece<'_>) {
        let Some(due) = replica.group.borrow().catch_up().filter(|due| due.leader == node) else { return };
        let now_ms = self.uptime_ms();
        match self.installing.take_checkpoint(piece) {
            Fetched::Stray => {}
            Fetched::Gone => self.ask_at(replica, now_ms + PATIENCE_MS),
            Fetched::Part => {
                self.ask_at(replica, now_ms);
                self.install_more(replica, due.leader);
            }
            Fetched::TooLong { total, limit } => {
                let shard = &self.identity.broker_name;
                tracing::error!(shard, total, limit, "the leader's checkpoint is too long");
                self.installing.end();
                self.ask_at(replica, now_ms + PAUSE_MS);
            }
            Fetched::Whole(bytes) => match self.decode_checkpoint(&bytes) {
                Ok(image) => {
                    if let Err(what) = self.hear_members(replica, node, image.preface.members.clone()) {
                        return self.give_installation_up(replica, &format_args!("the leader's checkpoint: {what}"));
                    }
                    let shard = self.clone();
                    self.env.spawn_background(async move { shard.open_installation(image).await });
                }
                Err(what) => self.give_installation_up(replica, &what),
            },
        }
    }

    fn give_installation_up(&self, replica: &Replica, why: &dyn std::fmt::Display) {
        tracing::error!(%why, shard = self.identity.broker_name, "fetching a store from the leader failed; it is tried again");
        self.installing.end();
        self.ask_at(replica, self.uptime_ms() + PAUSE_MS);
    }

    async fn open_installation(self: Rc<Self>, image: CheckpointImage) {
        let Some(replica) = self.replica.get() else { return };
        match self.begin_pulling(image).await {
            Ok(()) => {
                self.ask_at(replica, 0);
                self.pull_more(replica);
                self.go_on_installing().await;
            }
            Err(error) => self.begin_anew(replica, &error).await,
        }
    }

    /// What was fetched is of no use.
    async fn begin_anew(&self, replica: &Replica, why: &StorageError) {
        if let Err(error) = storage::installation::abandon(self.store.log().disk()).await {
            tracing::warn!(%error, shard = self.identity.broker_name, "what was fetched in vain stays");
        }
        self.give_installation_up(replica, why);
    }

    /// A piece of the log has come for it. False: nothing is being installed.
    /// # Errors
    /// What a sound replica never says.
    pub(super) fn install_piece(self: &Rc<Self>, replica: &Replica, pulled: &Pulled<'_>) -> Result<bool, String> {
        let Some(installation) = self.installing.pulled() else { return Ok(self.installing.is_under_way()) };
        let now_ms = self.uptime_ms();
        match pulled.status {
            PullStatus::NotNow => {
                self.ask_at(replica, now_ms + PATIENCE_MS);
                return Ok(true);
            }
            PullStatus::TooOld => {
                let (shard, first) = (&self.identity.broker_name, pulled.first_position);
                tracing::info!(shard, first, "the leader's log begins later by now; its newest checkpoint is fetched");
                drop(installation);
                self.installing.begin();
                self.ask_at(replica, now_ms);
                return Ok(true);
            }
            PullStatus::Entries => {}
        }
        let entries = split(self.store.log().id(), pulled)?;
        replica.watch.history.caught_up(pulled.log.len());
        let mut pause_ms = entries.is_empty().then_some(IDLE_MS);
        for (header, bytes) in &entries {
            if header.index <= installation.end().index {
                continue;
            }
            // Pieces in between did not come.
            if header.index > installation.end().index + 1 {
                pause_ms = Some(FULL_MS);
                break;
            }
            match installation.adopt(bytes) {
                Ok(_) => {}
                Err(error) if waits(&error) => {
                    pause_ms = Some(FULL_MS);
                    break;
                }
                Err(error @ AdoptError::Refused(_)) => {
                    return Err(format!("an entry it sent for a catch-up: {error}"));
                }
                Err(error) => {
                    drop(installation);
                    self.give_installation_up(replica, &error);
                    return Ok(true);
                }
            }
        }
        drop(installation);
        if let Some(mut state) = replica.catching_up.get() {
            match pause_ms {
                Some(pause_ms) => state.ends_round(now_ms + pause_ms),
                None => state.ask_ms = now_ms + PATIENCE_MS,
            }
            replica.catching_up.set(Some(state));
        }
        // The next piece travels while this one is written.
        self.pull_more(replica);
        let shard = self.clone();
        self.env.spawn(async move { shard.go_on_installing().await });
        Ok(true)
    }

    /// Writes what has come; puts it in place when that is all.
    async fn go_on_installing(self: &Rc<Self>) {
        let Some(replica) = self.replica.get() else { return };
        match self.write_installation(|| self.pull_more(replica)).await {
            Ok(true) if self.is_all_there(replica) => self.put_in_place(replica).await,
            Ok(_) => {}
            Err(error) => self.give_installation_up(replica, &error),
        }
    }

    fn is_all_there(&self, replica: &Replica) -> bool {
        let Some(due) = replica.group.borrow().catch_up() else { return false };
        self.installing.with_stage(|stage| {
            let Stage::Pulling { installation, preface } = stage else { return false };
            let (end, own) = (installation.end(), self.store.log().end());
            // Less than the old log had would forget what it confirmed; see the module's text.
            let least = own.index.min(due.target.index).max(preface.members.index);
            end.position >= installation.target().position && end.index >= least
        })
    }

    async fn put_in_place(self: &Rc<Self>, replica: &Replica) {
        let WholeStore { installation, end } = match self.complete_installation().await {
            Ok(Some(whole)) => whole,
            Ok(None) => return,
            Err(error) => return self.begin_anew(replica, &error).await,
        };
        self.begin_store_work().await;
        let placed = self.place(replica, installation, end).await;
        self.is_checkpointing.set(false);
        match placed {
            Ok(true) => {}
            Ok(false) => {
                self.installing.end();
                self.ask_at(replica, self.uptime_ms() + PATIENCE_MS);
            }
            Err(error) => self.stop_replica(replica, &error),
        }
    }

    /// Replaces the store. False: not now, or no more.
    async fn place(
        self: &Rc<Self>,
        replica: &Replica,
        whole: WholeInstallation<E::Disk>,
        end: LogPosition,
    ) -> Result<bool, StorageError> {
        let rest = || match self.is_at_rest(replica, end) {
            true => Rest::Now,
            false if replica.group.borrow().catch_up().is_none() || replica.phase() != Phase::Follows => Rest::Never,
            false => Rest::Soon,
        };
        if !self.hold_store(rest).await {
            return Ok(false);
        }
        replica.enter(Phase::Installs);
        self.replace_store(replica, whole).await.map(|()| true)
    }

    /// Nothing of the old store is being changed, and Raft waits for nothing.
    fn is_at_rest(self: &Rc<Self>, replica: &Replica, end: LogPosition) -> bool {
        if replica.phase() != Phase::Follows || replica.is_reading.get() || replica.is_saving.get() {
            return false;
        }
        if replica.group.borrow().is_writing() {
            return false;
        }
        self.drive(replica, &RawEntries::default());
        let group = replica.group.borrow();
        if group.catch_up().is_none()
            || replica.phase() != Phase::Follows
            || group.is_writing()
            || replica.is_reading.get()
        {
            return false;
        }
        let own = self.store.log().end();
        let is_behind = own.index < end.index || (own.index, own.term) == (end.index, end.term);
        drop(group);
        if !is_behind {
            self.cut_conflict(replica, EntryId { term: end.term, index: end.index });
        }
        is_behind
    }

    /// An entry that is committed elsewhere conflicts with the end of this log, which goes.
    fn cut_conflict(self: &Rc<Self>, replica: &Replica, committed: EntryId) {
        let kept = committed.index - 1;
        let cut = replica.group.borrow_mut().cut_log(committed);
        match cut {
            Ok(()) => {
                let shard = self.clone();
                let pending = super::write_later::PendingWrites::new(None, Some(kept));
                self.env.spawn(async move { shard.write_later(pending).await });
            }
            Err(error) => tracing::debug!(%error, shard = self.identity.broker_name, "the end of the log stays"),
        }
    }

    async fn replace_store(
        self: &Rc<Self>,
        replica: &Replica,
        whole: WholeInstallation<E::Disk>,
    ) -> Result<(), StorageError> {
        // From the mark on the next start is one of the new log, whose changes of the members nobody applies again.
        if let Err(error) = self.save_told_members(replica).await {
            self.store.log().call_replacement_off();
            return Err(error);
        }
        let at = self.swap_store(whole).await?;
        replica.applied.set(at);
        replica.applied_start.set(None);
        self.apply_up_to(replica, self.store.log().end().index).await?;
        let applied = replica.applied.get();
        let id = EntryId { term: applied.term, index: applied.index };
        let reset = {
            let mut group = replica.group.borrow_mut();
            let (members_index, members) = self.members_behind_catch_up(replica, &group);
            group.reset_log_with_members(members_index, members, id, Vec::new())
        };
        if let Err(error) = reset {
            let what = format!("what was installed up to entry {} does not go with Raft's log: {error}", applied.index);
            return Err(StorageError::Malformed { path: "the replica".to_owned(), what });
        }
        replica.start_log_at(applied.index);
        replica.catching_up.set(None);
        self.installing.end();
        replica.enter(Phase::Follows);
        let (shard, first) = (&self.identity.broker_name, self.store.log().first());
        tracing::info!(shard, first, index = applied.index, "this replica has a new store, and goes on from there");
        for report in self.installing.take_reports() {
            // One that makes no sense closed its connection, had it come now.
            let _ = replica.group.borrow_mut().peer_report(report);
        }
        self.note_topics_changed();
        self.wake_all_pulls();
        self.report_to_all(replica);
        self.replicate();
        self.confirm_and_resume();
        Ok(())
    }
}
