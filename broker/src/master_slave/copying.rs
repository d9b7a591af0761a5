//! What a slave does: asks its master for what comes behind the end of its log, takes it over as it is, and applies it at once.

use storage::commit_log::copy::CopiedEntry;
use storage::commit_log::entry::{EntryKind, HEADER_BYTES};
use storage::commit_log::{LogId, LogPosition};

use super::kept_state::KeptState;
use super::master_link::MASTER_SILENCE_MS;
use super::{MasterSlave, Part, Shared};
use crate::env::Env;
use crate::replication::waits;
use crate::replication::wire::{CopyPiece, CopyRequest, CopyStatus, ReplicaMessage};
use crate::shard::Shard;

/// Of the log in one answer.
const PIECE_BYTES: u32 = 1 << 20;
/// Where this log was full, the rest is asked for again after this.
const FULL_MS: i64 = 10;

impl<E: Env> Shard<E> {
    /// Asks for what comes next, if it is time: everything so far is safe here, which the request confirms.
    pub(super) fn ask_master(&self, ms: &MasterSlave) {
        let (log, now_ms) = (self.store.log(), self.uptime_ms());
        let mut master = ms.master.borrow_mut();
        let can_ask = ms.part() == Part::Copies && !ms.is_busy.get() && ms.stuck.borrow().is_none();
        let is_free = master.is_up() && master.asked_ms.is_none() && master.ask_from_ms <= now_ms;
        let end = log.end();
        if !can_ask || !is_free || log.failure().is_some() {
            return;
        }
        if self.installing.is_under_way() {
            if self.ask_for_store(ms, &mut master) {
                master.asked_ms = Some(now_ms);
            }
            return;
        }
        if log.kept() < end.position {
            return;
        }
        let log_id = if end == LogPosition::default() { 0 } else { log.id().0 };
        let (end, bytes_wanted) = match &*ms.parting.borrow() {
            Some(parting) => (parting.asked(), 0),
            None => (end, PIECE_BYTES),
        };
        let request = CopyRequest { log_id, epoch: ms.epoch(), end, bytes_wanted, installs: false };
        if master.send(&ReplicaMessage::CopyRequest(request), &self.outbox) {
            master.asked_ms = Some(now_ms);
        }
    }

    /// The master's answer.
    /// # Errors
    /// What a sound master never says; the connection is closed.
    pub(super) fn take_copied(self: &Shared<E>, ms: &MasterSlave, piece: &CopyPiece<'_>) -> Result<(), String> {
        let now_ms = self.uptime_ms();
        {
            let mut master = ms.master.borrow_mut();
            master.heard(now_ms);
            master.end_position = Some(piece.end_position);
        }
        if ms.part() != Part::Copies || ms.is_busy.get() {
            return Ok(());
        }
        let epoch = ms.epoch();
        if piece.status == CopyStatus::NoMaster {
            return Err("who was asked is no master, or not yet again".to_owned());
        }
        if piece.epoch < epoch {
            let theirs = piece.epoch;
            return Err(format!(
                "it was master before the last promotion: its epoch is {theirs}, {epoch} is known here"
            ));
        }
        let is_empty = self.store.log().end() == LogPosition::default();
        let is_other_log = piece.log_id != self.store.log().id().0;
        if piece.epoch > epoch || (is_empty && is_other_log) {
            let log_id = (is_empty && is_other_log).then_some(piece.log_id);
            self.follow(ms, piece.epoch, log_id);
            return Ok(());
        }
        if self.installing.is_under_way() {
            return self.install_copied(ms, piece);
        }
        match piece.status {
            CopyStatus::Entries if ms.parting.borrow().is_some() => self.parting_answered(ms, true),
            CopyStatus::Parted | CopyStatus::TooOld if ms.parting.borrow().is_some() => self.parting_answered(ms, false),
            CopyStatus::Entries => return self.take_entries(ms, piece),
            CopyStatus::Parted => self.begin_parting(ms),
            CopyStatus::TooOld => {
                let first = piece.first_position;
                self.begin_fetching_store(ms, &format!("the master's log begins at {first}, behind the end of this one"));
            }
            CopyStatus::OtherLog => self.give_up(
                ms,
                "this store holds a log that is no copy of the master's: is brokerName right? An empty store becomes a copy"
                    .to_owned(),
            ),
            CopyStatus::NoMaster => {}
        }
        Ok(())
    }

    /// Writes down whose log is copied, before anything of it is.
    fn follow(self: &Shared<E>, ms: &MasterSlave, epoch: u64, log_id: Option<u64>) {
        ms.is_busy.set(true);
        let shard = self.clone();
        self.env.spawn(async move {
            let Some(ms) = shard.master_slave.get() else { return };
            let saved =
                shard.save_part(ms, |state| KeptState { epoch, log_id: log_id.or(state.log_id), ..state }).await;
            match saved {
                Ok(()) => {
                    if let Some(log_id) = log_id {
                        // What was fetched was another one's.
                        shard.installing.forget();
                        shard.store.log().become_copy_of(LogId(log_id));
                    }
                    shard.announce_part(ms);
                }
                Err(error) => shard.give_up(ms, error.to_string()),
            }
            ms.is_busy.set(false);
            shard.ask_master(ms);
        });
    }

    fn take_entries(self: &Shared<E>, ms: &MasterSlave, piece: &CopyPiece<'_>) -> Result<(), String> {
        self.note_continued(ms);
        let log = self.store.log();
        if !piece.log.is_empty() && piece.first_position != log.end().position {
            return Err(format!(
                "it sent what lies at {}, this log ends at {}",
                piece.first_position,
                log.end().position
            ));
        }
        let mut woken = std::mem::take(&mut self.scratch.borrow_mut().woken);
        let taken = self.take_each(ms, piece, &mut woken);
        for job in woken.drain(..) {
            crate::processor::pull::run_again(self, job);
        }
        self.scratch.borrow_mut().woken = woken;
        ms.master.borrow_mut().rate.note(self.uptime_ms(), log.end().position);
        taken
    }

    fn take_each(
        self: &Shared<E>,
        ms: &MasterSlave,
        piece: &CopyPiece<'_>,
        woken: &mut Vec<crate::processor::pull::PullJob>,
    ) -> Result<(), String> {
        let log = self.store.log();
        let mut rest = piece.log;
        while !rest.is_empty() {
            let unsound = |reason| format!("an entry it sent is unsound: {reason}");
            let entry = CopiedEntry::first_of(log.id(), log.end().position, rest).map_err(unsound)?;
            match log.adopt_copied(&entry, rest) {
                Ok(()) => {}
                Err(error) if waits(&error) => {
                    self.ask_later(ms);
                    return Ok(());
                }
                Err(error) => return Err(error.to_string()),
            }
            let (bytes, behind) = rest.split_at(entry.bytes);
            if entry.header.kind != EntryKind::Filler
                && let Err(reason) = self.apply_decoded(&entry.header, &bytes[HEADER_BYTES..], woken)
            {
                // It is in the log here as it is at the master.
                self.give_up(ms, format!("the entry at {} cannot be applied: {reason}", entry.header.position));
                return Ok(());
            }
            rest = behind;
        }
        Ok(())
    }

    /// The log takes no more now: its next segment is to be made, or something written.
    fn ask_later(self: &Shared<E>, ms: &MasterSlave) {
        ms.master.borrow_mut().ask_from_ms = self.uptime_ms() + FULL_MS;
        let shard = self.clone();
        self.env.spawn(async move {
            // An error is told by the tick that tries again.
            let _ = shard.store.log().prepare_next_segment().await;
            shard.env.sleep(std::time::Duration::from_millis(FULL_MS as u64)).await;
            if let Some(ms) = shard.master_slave.get() {
                shard.ask_master(ms);
            }
        });
    }

    /// Copying makes no sense any more until somebody has looked.
    pub(super) fn give_up(&self, ms: &MasterSlave, why: String) {
        tracing::error!(shard = self.identity.broker_name, why, "this slave copies no more");
        ms.stuck.replace(Some(why));
        ms.parting.replace(None);
        self.installing.forget();
        ms.master.borrow_mut().leave(&self.outbox, "replication: this slave has given up");
    }

    /// By the clock: dials, and leaves a master that says nothing.
    pub(super) fn tick_slave(self: &Shared<E>, ms: &MasterSlave, now_ms: i64) {
        if ms.part() != Part::Copies || ms.stuck.borrow().is_some() {
            return;
        }
        {
            let mut master = ms.master.borrow_mut();
            if master.asked_ms.is_some_and(|asked_ms| now_ms - asked_ms > MASTER_SILENCE_MS) {
                tracing::warn!(
                    shard = self.identity.broker_name,
                    silence_ms = MASTER_SILENCE_MS,
                    "the master does not answer"
                );
                master.leave(&self.outbox, "replication: the master does not answer");
            }
            master.dial_due(now_ms, &self.outbox);
        }
        self.ask_master(ms);
    }
}
