//! A replica whose log ends before the leader's begins gets the leader's checkpoint and all of the log that there is, beside
//! its own store, and puts both in the place of that when they are whole.
//!
//! Until then it remains what it was: its old log says what it confirmed, and votes by that. What is fetched lies on disk
//! (`storage::installation`), so that the next connection, process or leader goes on with it: all that is committed is the same
//! everywhere. The old store is replaced only by a log that ends at or behind the index where the old one ended: whatever it
//! confirmed is in the new one, or is committed nowhere. Meanwhile it hears nothing of Raft ([`Phase::Installs`]).

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use raft_driver::{EntryId, PeerReport};
use storage::AdoptError;
use storage::StorageError;
use storage::commit_log::LogPosition;
use storage::file::Disk;
use storage::installation::{Installation, WholeInstallation};

use super::catch_up::{FULL_MS, IDLE_MS, PATIENCE_MS, PAUSE_MS, split};
use super::checkpoint_image::{CheckpointImage, Preface};
use super::drive::waits;
use super::raw_entries::RawEntries;
use super::replica::{Phase, Replica};
use super::wire::{CheckpointPiece, CheckpointRequest, ConnectionClass, PullStatus, Pulled, ReplicaMessage};
use crate::env::Env;
use crate::replay::TableReplay;
use crate::shard::Shard;

/// Longest checkpoint that is taken; fifty thousand queues take some MiB.
const CHECKPOINT_BYTES_MAX: u64 = 1 << 30;
/// Of a checkpoint in one answer.
const PIECE_BYTES: u32 = 1 << 20;
/// How often it is looked whether the store can be replaced now, ...
const LOOK: Duration = Duration::from_millis(1);
/// ... and how many times before it is tried again later.
const LOOKS_MAX: u32 = 10_000;

/// What a shard installs.
pub(crate) struct Installing<D: Disk> {
    stage: RefCell<Stage<D>>,
    /// What was fetched is being written.
    is_flushing: Cell<bool>,
    /// What other replicas told of themselves while the store was replaced.
    reports: RefCell<Vec<PeerReport>>,
}

enum Stage<D: Disk> {
    Nothing,
    /// The checkpoint comes.
    Fetching {
        name: String,
        total: u64,
        bytes: Vec<u8>,
    },
    /// What an earlier process has left is looked at.
    Opening,
    /// The log comes.
    Pulling {
        installation: Rc<Installation<D>>,
        preface: Preface,
    },
    /// All is there.
    Placing,
}

impl<D: Disk> Stage<D> {
    fn from_the_start() -> Self {
        Self::Fetching { name: String::new(), total: 0, bytes: Vec::new() }
    }
}

impl<D: Disk> Default for Installing<D> {
    fn default() -> Self {
        let (is_flushing, reports) = Default::default();
        Self { stage: RefCell::new(Stage::Nothing), is_flushing, reports }
    }
}

impl<D: Disk> Installing<D> {
    pub(super) fn is_under_way(&self) -> bool {
        !matches!(&*self.stage.borrow(), Stage::Nothing)
    }

    /// Of no use any more; what lies on disk stays for the next.
    pub(super) fn forget(&self) {
        let mut stage = self.stage.borrow_mut();
        // Whoever is at work there finds out by itself.
        if !matches!(*stage, Stage::Opening | Stage::Placing) {
            *stage = Stage::Nothing;
        }
    }

    pub(super) fn hold_report(&self, report: PeerReport) {
        self.reports.borrow_mut().push(report);
    }

    fn enter(&self, stage: Stage<D>) {
        *self.stage.borrow_mut() = stage;
    }
}

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
        self.installing.enter(Stage::from_the_start());
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
        let is_sent = match &*self.installing.stage.borrow() {
            Stage::Fetching { name, bytes, .. } if now_ms >= state.ask_ms => {
                let (offset, bytes_wanted) = (bytes.len() as u64, PIECE_BYTES);
                let message = ReplicaMessage::CheckpointRequest(CheckpointRequest { offset, bytes_wanted, name });
                state.ends_round(now_ms + PATIENCE_MS);
                replica.links.borrow_mut().send(leader, ConnectionClass::Bulk, &message, &self.outbox)
            }
            Stage::Pulling { installation, .. } => {
                let (end, unwritten) = (installation.end(), installation.unwritten_bytes());
                let Some(pull) = state.next_pull(now_ms, end, end, unwritten) else { return };
                self.send_pull(replica, leader, pull)
            }
            _ => return,
        };
        if !is_sent {
            state.ends_round(now_ms + FULL_MS);
        }
        replica.catching_up.set(Some(state));
    }

    /// A piece of a checkpoint has come.
    pub(super) fn take_checkpoint_piece(self: &Rc<Self>, replica: &Replica, node: u64, piece: &CheckpointPiece<'_>) {
        let Some(due) = replica.group.borrow().catch_up().filter(|due| due.leader == node) else { return };
        let now_ms = self.uptime_ms();
        let fetched = {
            let mut stage = self.installing.stage.borrow_mut();
            let Stage::Fetching { name, total, bytes } = &mut *stage else { return };
            if piece.total == 0 {
                // The leader has another one by now, or none yet.
                *stage = Stage::from_the_start();
                return self.ask_at(replica, now_ms + PATIENCE_MS);
            }
            if name.is_empty() {
                (*name, *total) = (piece.name.to_owned(), piece.total);
            }
            if *name != piece.name || *total != piece.total || piece.offset != bytes.len() as u64 {
                return;
            }
            if *total > CHECKPOINT_BYTES_MAX {
                let (shard, total) = (&self.identity.broker_name, *total);
                tracing::error!(shard, total, limit = CHECKPOINT_BYTES_MAX, "the leader's checkpoint is too long");
                *stage = Stage::Nothing;
                return self.ask_at(replica, now_ms + PAUSE_MS);
            }
            bytes.extend_from_slice(piece.bytes);
            (bytes.len() as u64 == *total).then(|| std::mem::take(bytes))
        };
        let Some(bytes) = fetched else {
            self.ask_at(replica, now_ms);
            return self.install_more(replica, due.leader);
        };
        match CheckpointImage::decode(self.store.log().id(), &bytes) {
            Ok(image) => {
                if let Err(what) = self.hear_members(replica, node, image.preface.members.clone()) {
                    return self.give_installation_up(replica, &format_args!("the leader's checkpoint: {what}"));
                }
                self.installing.enter(Stage::Opening);
                let shard = self.clone();
                self.env.spawn_background(async move { shard.open_installation(image).await });
            }
            Err(what) => self.give_installation_up(replica, &format_args!("the leader's checkpoint: {what}")),
        }
    }

    fn give_installation_up(&self, replica: &Replica, why: &dyn std::fmt::Display) {
        tracing::error!(%why, shard = self.identity.broker_name, "fetching a store from the leader failed; it is tried again");
        self.installing.enter(Stage::Nothing);
        self.ask_at(replica, self.uptime_ms() + PAUSE_MS);
    }

    async fn open_installation(self: Rc<Self>, image: CheckpointImage) {
        let Some(replica) = self.replica.get() else { return };
        let log = self.store.log();
        let CheckpointImage { preface, checkpoint } = image;
        // One that was given up may have something left to write to the same files.
        while self.installing.is_flushing.get() {
            self.env.sleep(LOOK).await;
        }
        let (disk, first) = (log.disk().clone(), preface.first());
        match Installation::begin(disk, log.id(), *log.options(), first, checkpoint).await {
            Ok(installation) => {
                let (at, target) = (installation.end().position, installation.target().position);
                let shard = &self.identity.broker_name;
                tracing::info!(shard, first = first.position, at, target, "fetching the log beside the old store");
                let installation = Rc::new(installation);
                self.installing.enter(Stage::Pulling { installation, preface });
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
        let installation = match &*self.installing.stage.borrow() {
            Stage::Nothing => return Ok(false),
            Stage::Pulling { installation, .. } => installation.clone(),
            Stage::Fetching { .. } | Stage::Opening | Stage::Placing => return Ok(true),
        };
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
                self.installing.enter(Stage::from_the_start());
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
        if self.installing.is_flushing.replace(true) {
            return;
        }
        let flushed = loop {
            let current = match &*self.installing.stage.borrow() {
                Stage::Pulling { installation, .. } => installation.clone(),
                _ => break Ok(false),
            };
            let end = current.end();
            if let Err(error) = current.flush().await {
                break Err(error);
            }
            self.pull_more(replica);
            if current.end() == end {
                break Ok(self.is_all_there(replica, &current));
            }
        };
        self.installing.is_flushing.set(false);
        match flushed {
            Ok(false) => {}
            Ok(true) => self.put_in_place(replica).await,
            Err(error) => self.give_installation_up(replica, &error),
        }
    }

    fn is_all_there(&self, replica: &Replica, installation: &Installation<E::Disk>) -> bool {
        let (end, own) = (installation.end(), self.store.log().end());
        let stage = self.installing.stage.borrow();
        let Stage::Pulling { preface, .. } = &*stage else { return false };
        let Some(due) = replica.group.borrow().catch_up() else { return false };
        // Less than the old log had would forget what it confirmed; see the module's text.
        let least = own.index.min(due.target.index).max(preface.members.index);
        end.position >= installation.target().position && end.index >= least
    }

    async fn put_in_place(self: &Rc<Self>, replica: &Replica) {
        let installation = match self.installing.stage.replace(Stage::Placing) {
            Stage::Pulling { installation, .. } => installation,
            other => return self.installing.enter(other),
        };
        let Ok(installation) = Rc::try_unwrap(installation) else { unreachable!("nobody writes it any more") };
        let end = installation.end();
        let mut replay = TableReplay::for_shard(&self.config, &self.identity, self.env.now_ms());
        let whole = match installation.complete(&mut replay).await {
            Ok(whole) => whole,
            Err(error) => return self.begin_anew(replica, &error).await,
        };
        while self.is_checkpointing.replace(true) {
            self.env.sleep(LOOK).await;
        }
        let placed = self.place(replica, whole, end).await;
        self.is_checkpointing.set(false);
        match placed {
            Ok(true) => {}
            Ok(false) => {
                self.installing.enter(Stage::Nothing);
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
        for _ in 0..LOOKS_MAX {
            if !self.store.log().begin_replacement().await {
                self.env.sleep(LOOK).await;
                continue;
            }
            if self.is_at_rest(replica, end) {
                replica.enter(Phase::Installs);
                return self.replace_store(replica, whole).await.map(|()| true);
            }
            self.store.log().call_replacement_off();
            if replica.group.borrow().catch_up().is_none() || replica.phase() != Phase::Follows {
                return Ok(false);
            }
            self.env.sleep(LOOK).await;
        }
        Ok(false)
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
        let marked = match self.save_told_members(replica).await {
            Ok(()) => whole.mark().await,
            Err(error) => Err(error),
        };
        if let Err(error) = marked {
            self.store.log().call_replacement_off();
            return Err(error);
        }
        let mut replay = TableReplay::for_shard(&self.config, &self.identity, self.env.now_ms());
        let at = self.store.become_installed(&mut replay).await?;
        *self.tables.borrow_mut() = replay.into_replayed_tables();
        self.scratch.borrow_mut().records.clear();
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
        self.installing.enter(Stage::Nothing);
        replica.enter(Phase::Follows);
        let (shard, first) = (&self.identity.broker_name, self.store.log().first());
        tracing::info!(shard, first, index = applied.index, "this replica has a new store, and goes on from there");
        for report in self.installing.reports.take() {
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

    /// Every held pull looks at its queue again.
    fn wake_all_pulls(self: &Rc<Self>) {
        let mut woken = Vec::new();
        self.parked.borrow_mut().expired(i64::MAX, &mut woken);
        for job in woken {
            crate::processor::pull::run_again(self, job);
        }
    }

    /// What an installation has left that nobody goes on with.
    pub(super) async fn remove_left_installation(self: Rc<Self>) {
        if self.installing.is_under_way() {
            return;
        }
        if let Err(error) = storage::installation::abandon(self.store.log().disk()).await {
            tracing::warn!(%error, shard = self.identity.broker_name, "what is left of an installation stays");
        }
    }
}
