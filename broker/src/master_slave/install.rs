//! A slave whose log ends before its master's begins, or shares nothing with it that a checkpoint is left of: it fetches the
//! master's checkpoint and all of the log that the master keeps, beside its own store, and puts both in the place of that when
//! they are whole.
//!
//! Until then it has and serves what it had, and confirms nothing: no send of a SYNC_MASTER counts it, no consumer is sent to
//! it, and it is promoted only by force. It writes down that it lacks so much (`kept_state`), so that this holds over a
//! restart. What is fetched lies on disk and is gone on with after a crash of either side; but a master may have
//! forgotten, or taken back, what it gave: what the present one never had is thrown away and fetched anew.

use std::rc::Rc;
use std::time::Duration;

use storage::StorageError;
use storage::commit_log::copy::CopiedEntry;
use storage::installation::{Installation, WholeInstallation};

use super::kept_state::KeptState;
use super::master_link::MasterLink;
use super::{MasterSlave, Part, Shared};
use crate::env::Env;
use crate::replication::wire::{CheckpointPiece, CopyPiece, CopyRequest, CopyStatus, ReplicaMessage};
use crate::replication::{CheckpointImage, Fetched, Rest, Stage, WholeStore, waits};
use crate::shard::Shard;

/// Of the log in one answer.
const PIECE_BYTES: u32 = 1 << 20;
/// More of it is asked for only while no more than this waits to be written.
const UNWRITTEN_BYTES_MAX: u64 = 6 << 20;
/// Where the fetched log was full, the rest is asked for again after this.
const FULL_MS: i64 = 10;
/// How often it is looked whether nobody is at work any more.
const LOOK: Duration = Duration::from_millis(1);
/// A master that has no checkpoint now is asked again after this.
const NONE_MS: i64 = 1_000;
/// Where something failed that may fail again, it is tried again after this.
const PAUSE_MS: i64 = 10_000;

impl<E: Env> Shard<E> {
    /// The master cannot give what comes behind the end of this log.
    pub(super) fn begin_fetching_store(self: &Shared<E>, ms: &MasterSlave, why: &str) {
        let (shard, end) = (&self.identity.broker_name, self.store.log().end().position);
        tracing::warn!(
            shard,
            end,
            "{why}: this slave fetches its master's checkpoint and all of that log, and has what it had until then"
        );
        ms.parting.replace(None);
        ms.left_is_removed.set(false);
        ms.installations.set(ms.installations.get() + 1);
        self.installing.begin();
        if ms.state.borrow().lacks_log {
            return self.ask_master(ms);
        }
        ms.is_busy.set(true);
        let shard = self.clone();
        self.env.spawn(async move {
            let Some(ms) = shard.master_slave.get() else { return };
            let saved = shard.save_part(ms, |state| KeptState { lacks_log: true, ..state }).await;
            ms.is_busy.set(false);
            match saved {
                Ok(()) => shard.ask_master(ms),
                Err(error) => shard.give_up(ms, error.to_string()),
            }
        });
    }

    /// Asks the master for the next piece of what is installed. True: it was asked.
    pub(super) fn ask_for_store(&self, ms: &MasterSlave, master: &mut MasterLink) -> bool {
        self.installing.with_stage(|stage| match stage {
            Stage::Fetching(fetch) => master.send(&ReplicaMessage::CheckpointRequest(fetch.request()), &self.outbox),
            Stage::Pulling { installation, .. } => {
                let end = installation.end();
                if has_all(installation) || installation.unwritten_bytes() > UNWRITTEN_BYTES_MAX {
                    return false;
                }
                let (log_id, epoch) = (self.store.log().id().0, ms.epoch());
                let request = CopyRequest { log_id, epoch, end, bytes_wanted: PIECE_BYTES, installs: true };
                master.send(&ReplicaMessage::CopyRequest(request), &self.outbox)
            }
            Stage::Nothing | Stage::Opening | Stage::Placing => false,
        })
    }

    /// A piece of the master's checkpoint has come.
    pub(super) fn take_checkpoint(self: &Shared<E>, ms: &MasterSlave, piece: &CheckpointPiece<'_>) {
        let now_ms = self.uptime_ms();
        ms.master.borrow_mut().heard(now_ms);
        if ms.part() != Part::Copies || ms.is_busy.get() {
            return;
        }
        match self.installing.take_checkpoint(piece) {
            Fetched::Stray => {}
            Fetched::Part => self.ask_master(ms),
            Fetched::Gone => ms.master.borrow_mut().ask_from_ms = now_ms + NONE_MS,
            Fetched::TooLong { total, limit } => {
                let why = format!("the master's checkpoint has {total} bytes, {limit} are taken");
                self.give_fetching_up(ms, &why);
            }
            Fetched::Whole(bytes) => match self.decode_checkpoint(&bytes) {
                Ok(image) => {
                    let shard = self.clone();
                    self.env.spawn_background(async move { shard.open_fetched(image).await });
                }
                Err(what) => self.give_fetching_up(ms, &what),
            },
        }
    }

    /// It is begun again from what is on disk.
    fn give_fetching_up(&self, ms: &MasterSlave, why: &dyn std::fmt::Display) {
        tracing::error!(%why, shard = self.identity.broker_name, "fetching a store from the master failed; it is tried again");
        self.installing.end();
        ms.master.borrow_mut().ask_from_ms = self.uptime_ms() + PAUSE_MS;
    }

    async fn open_fetched(self: Shared<E>, image: CheckpointImage) {
        let Some(ms) = self.master_slave.get() else { return };
        match self.begin_pulling(image).await {
            Ok(()) => {
                self.ask_master(ms);
                self.go_on_fetching(ms).await;
            }
            Err(error) => self.fetch_anew(ms, &error).await,
        }
    }

    /// What was fetched is of no use.
    async fn fetch_anew(self: &Shared<E>, ms: &MasterSlave, why: &dyn std::fmt::Display) {
        self.abandon_installation().await;
        self.give_fetching_up(ms, why);
    }

    /// Removes what was fetched, when nobody writes it any more.
    async fn abandon_installation(self: &Shared<E>) {
        self.installing.end();
        while self.installing.is_at_work() {
            self.env.sleep(LOOK).await;
        }
        self.clone().remove_left_installation().await;
    }

    /// The master's log goes on where this one ends: nothing has to be fetched, or not any more.
    pub(super) fn note_continued(self: &Shared<E>, ms: &MasterSlave) {
        if ms.left_is_removed.replace(true) {
            return;
        }
        let shard = self.clone();
        self.env.spawn_background(async move {
            let Some(ms) = shard.master_slave.get() else { return };
            shard.clone().remove_left_installation().await;
            if ms.state.borrow().lacks_log
                && let Err(error) = shard.save_part(ms, |state| KeptState { lacks_log: false, ..state }).await
            {
                shard.give_up(ms, error.to_string());
            }
        });
    }

    /// A piece of the log has come for it.
    /// # Errors
    /// What a sound master never says.
    pub(super) fn install_copied(self: &Shared<E>, ms: &MasterSlave, piece: &CopyPiece<'_>) -> Result<(), String> {
        let Some(installation) = self.installing.pulled() else { return Ok(()) };
        match piece.status {
            CopyStatus::Entries => {}
            CopyStatus::TooOld => {
                let (shard, first) = (&self.identity.broker_name, piece.first_position);
                tracing::info!(shard, first, "the master's log begins later by now; its newest checkpoint is fetched");
                self.installing.begin();
                self.ask_master(ms);
                return Ok(());
            }
            CopyStatus::Parted => {
                self.throw_installation_away(ms, "the master's log never had what was fetched");
                return Ok(());
            }
            CopyStatus::OtherLog => {
                self.throw_installation_away(ms, "the master's log is another one by now");
                return Ok(());
            }
            CopyStatus::NoMaster => return Ok(()),
        }
        let end = installation.end().position;
        if !piece.log.is_empty() && piece.first_position != end {
            return Err(format!("it sent what lies at {}, what was fetched ends at {end}", piece.first_position));
        }
        let mut rest = piece.log;
        while !rest.is_empty() {
            let unsound = |reason| format!("an entry it sent is unsound: {reason}");
            let log_id = self.store.log().id();
            let entry = CopiedEntry::first_of(log_id, installation.end().position, rest).map_err(unsound)?;
            match installation.adopt_copied(&entry, rest) {
                Ok(()) => rest = &rest[entry.bytes..],
                Err(error) if waits(&error) => {
                    ms.master.borrow_mut().ask_from_ms = self.uptime_ms() + FULL_MS;
                    break;
                }
                Err(error) => return Err(format!("an entry it sent: {error}")),
            }
        }
        ms.master.borrow_mut().rate.note(self.uptime_ms(), installation.end().position);
        drop(installation);
        // The next piece travels while this one is written.
        self.ask_master(ms);
        let shard = self.clone();
        self.env.spawn(async move {
            let Some(ms) = shard.master_slave.get() else { return };
            shard.go_on_fetching(ms).await;
        });
        Ok(())
    }

    fn throw_installation_away(self: &Shared<E>, ms: &MasterSlave, why: &'static str) {
        ms.is_busy.set(true);
        let shard = self.clone();
        self.env.spawn(async move {
            let Some(ms) = shard.master_slave.get() else { return };
            tracing::warn!(shard = shard.identity.broker_name, "{why}: it is fetched again");
            shard.abandon_installation().await;
            ms.is_busy.set(false);
            shard.ask_master(ms);
        });
    }

    /// Writes what has come; puts it in place when that is all.
    async fn go_on_fetching(self: &Shared<E>, ms: &MasterSlave) {
        let has_all = || {
            self.installing.with_stage(|stage| match stage {
                Stage::Pulling { installation, .. } => has_all(installation),
                _ => false,
            })
        };
        match self.write_installation(|| self.ask_master(ms)).await {
            Ok(true) if has_all() => self.put_fetched_in_place(ms).await,
            Ok(_) => {}
            Err(error) => self.give_fetching_up(ms, &error),
        }
    }

    async fn put_fetched_in_place(self: &Shared<E>, ms: &MasterSlave) {
        let whole = match self.complete_installation().await {
            Ok(Some(WholeStore { installation, .. })) => installation,
            Ok(None) => return,
            Err(error) => return self.fetch_anew(ms, &error).await,
        };
        self.begin_store_work().await;
        let placed = self.replace_by_fetched(ms, whole).await;
        self.is_checkpointing.set(false);
        self.installing.end();
        match placed {
            Ok(()) => self.ask_master(ms),
            // Neither the old store nor the new one may be all there until the next start.
            Err(error) => self.give_up(ms, error.to_string()),
        }
    }

    async fn replace_by_fetched(
        self: &Shared<E>,
        ms: &MasterSlave,
        whole: WholeInstallation<E::Disk>,
    ) -> Result<(), StorageError> {
        let rest = || match ms.part() {
            Part::Copies if ms.is_busy.get() || ms.is_saving.get() => Rest::Soon,
            Part::Copies => Rest::Now,
            Part::Asks | Part::Serves | Part::Changes => Rest::Never,
        };
        if !self.hold_store(rest).await {
            ms.master.borrow_mut().ask_from_ms = self.uptime_ms() + NONE_MS;
            return Ok(());
        }
        ms.part.set(Part::Changes);
        self.swap_store(whole).await?;
        self.remake(false).await?;
        self.save_part(ms, |state| KeptState { lacks_log: false, ..state }).await?;
        ms.part.set(Part::Copies);
        let (shard, first, end) = (&self.identity.broker_name, self.store.log().first(), self.store.log().end().index);
        tracing::info!(shard, first, end, "this slave has a new store, and goes on from there");
        self.announce_part(ms);
        self.wake_all_pulls();
        Ok(())
    }
}

/// Whether so much of the log is there that the checkpoint's tables go with it.
fn has_all<D: storage::file::Disk>(installation: &Rc<Installation<D>>) -> bool {
    installation.end().position >= installation.target().position
}
