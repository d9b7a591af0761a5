//! A store that a shard fetches because its own log ends before the other's begins: the other's checkpoint and all of the log that
//! there is, beside its own store, which both replace when they are whole.
//!
//! What is fetched lies on disk (`storage::installation`), so that the next connection or process goes on with it. Whom it
//! comes from, by which messages, and when the old store may go, is for replicas (`install`) and slaves
//! (`master_slave/install`) to say.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use raft_driver::PeerReport;
use storage::StorageError;
use storage::commit_log::{LogOptions, LogPosition};
use storage::file::Disk;
use storage::installation::{Installation, WholeInstallation};

use super::checkpoint_fetch::{CheckpointFetch, Fetched};
use super::checkpoint_image::{CheckpointImage, Preface};
use super::wire::CheckpointPiece;
use crate::env::Env;
use crate::replay::TableReplay;
use crate::shard::Shard;

/// How often it is looked whether the store can be replaced now, ...
const LOOK: Duration = Duration::from_millis(1);
/// ... and how many times before it is tried again later.
const LOOKS_MAX: u32 = 10_000;

/// What a shard installs.
pub(crate) struct Installing<D: Disk> {
    stage: RefCell<Stage<D>>,
    /// What was fetched is being written.
    is_flushing: Cell<bool>,
    /// What is of no use any more is being removed.
    is_removing: Cell<bool>,
    /// What other replicas told of themselves while the store was replaced.
    reports: RefCell<Vec<PeerReport>>,
}

pub(crate) enum Stage<D: Disk> {
    Nothing,
    /// The checkpoint comes.
    Fetching(CheckpointFetch),
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

/// All of a store, not in its place yet.
pub(crate) struct WholeStore<D: Disk> {
    pub(crate) installation: WholeInstallation<D>,
    /// Where its log ends.
    pub(crate) end: LogPosition,
}

/// Whether the store may be replaced.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Rest {
    /// Now: nobody changes anything of it.
    Now,
    /// Somebody is at it.
    Soon,
    /// There is no use any more.
    Never,
}

impl<D: Disk> Default for Installing<D> {
    fn default() -> Self {
        let (is_flushing, is_removing, reports) = Default::default();
        Self { stage: RefCell::new(Stage::Nothing), is_flushing, is_removing, reports }
    }
}

impl<D: Disk> Installing<D> {
    pub(crate) fn is_under_way(&self) -> bool {
        !matches!(&*self.stage.borrow(), Stage::Nothing)
    }

    /// Whether a task is at it that does not let itself be stopped.
    pub(crate) fn is_at_work(&self) -> bool {
        matches!(&*self.stage.borrow(), Stage::Opening | Stage::Placing)
            || self.is_flushing.get()
            || self.is_removing.get()
    }

    /// It begins: nothing of it is there yet.
    pub(crate) fn begin(&self) {
        self.enter(Stage::Fetching(CheckpointFetch::default()));
    }

    /// Of no use any more; what lies on disk stays for the next.
    pub(crate) fn forget(&self) {
        let mut stage = self.stage.borrow_mut();
        // Whoever is at work there finds out by itself.
        if !matches!(*stage, Stage::Opening | Stage::Placing) {
            *stage = Stage::Nothing;
        }
    }

    /// It is over, whatever became of it.
    pub(crate) fn end(&self) {
        self.enter(Stage::Nothing);
    }

    fn enter(&self, stage: Stage<D>) {
        *self.stage.borrow_mut() = stage;
    }

    pub(crate) fn with_stage<R>(&self, look: impl FnOnce(&Stage<D>) -> R) -> R {
        look(&self.stage.borrow())
    }

    /// What the log is fetched into; `None`: that is not what it is about now.
    pub(crate) fn pulled(&self) -> Option<Rc<Installation<D>>> {
        match &*self.stage.borrow() {
            Stage::Pulling { installation, .. } => Some(installation.clone()),
            _ => None,
        }
    }

    /// Takes a piece of a checkpoint.
    pub(crate) fn take_checkpoint(&self, piece: &CheckpointPiece<'_>) -> Fetched {
        match &mut *self.stage.borrow_mut() {
            Stage::Fetching(fetch) => fetch.take(piece),
            _ => Fetched::Stray,
        }
    }

    pub(super) fn hold_report(&self, report: PeerReport) {
        self.reports.borrow_mut().push(report);
    }

    pub(super) fn take_reports(&self) -> Vec<PeerReport> {
        self.reports.take()
    }
}

impl<E: Env> Shard<E> {
    /// The checkpoint is there: the log is to be pulled from here on, behind what an earlier installation has left of it.
    /// # Errors
    /// I/O.
    pub(crate) async fn begin_pulling(&self, image: CheckpointImage) -> Result<(), StorageError> {
        let log = self.store.log();
        let CheckpointImage { preface, checkpoint } = image;
        // One that was given up may have something left to write to the same files.
        while self.installing.is_flushing.get() || self.installing.is_removing.get() {
            self.env.sleep(LOOK).await;
        }
        let (disk, first) = (log.disk().clone(), preface.first());
        // A slave may have been the master when its log was opened.
        let options = LogOptions { is_copied: !log.options().is_replicated, ..*log.options() };
        let begun = Installation::begin(disk, log.id(), options, first, checkpoint).await;
        let installation = Rc::new(begun?);
        let (at, target) = (installation.end().position, installation.target().position);
        let shard = &self.identity.broker_name;
        tracing::info!(shard, first = first.position, at, target, "fetching the log beside the old store");
        self.installing.enter(Stage::Pulling { installation, preface });
        Ok(())
    }

    /// Decodes the checkpoint when all of it has come; [`Self::begin_pulling`] is next.
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn decode_checkpoint(&self, bytes: &[u8]) -> Result<CheckpointImage, String> {
        let image = CheckpointImage::decode(self.store.log().id(), bytes);
        let image = image.map_err(|what| format!("the checkpoint that came: {what}"))?;
        self.installing.enter(Stage::Opening);
        Ok(image)
    }

    /// Writes what has come until nothing more does meanwhile; `wrote` is called in between. False: somebody else does, or
    /// nothing is being pulled.
    /// # Errors
    /// I/O; what was fetched is on disk for the next.
    pub(crate) async fn write_installation(&self, wrote: impl Fn()) -> Result<bool, StorageError> {
        if self.installing.is_flushing.replace(true) {
            return Ok(false);
        }
        let written = loop {
            let Some(current) = self.installing.pulled() else { break Ok(false) };
            let end = current.end();
            if let Err(error) = current.flush().await {
                break Err(error);
            }
            wrote();
            if current.end() == end {
                break Ok(true);
            }
        };
        self.installing.is_flushing.set(false);
        written
    }

    /// All of the log has come, and is written: makes a whole store of it. `None`: nothing is being pulled.
    /// # Errors
    /// I/O, or checkpoint and log do not go together.
    pub(crate) async fn complete_installation(&self) -> Result<Option<WholeStore<E::Disk>>, StorageError> {
        let installation = match self.installing.stage.replace(Stage::Placing) {
            Stage::Pulling { installation, .. } => installation,
            other => {
                self.installing.enter(other);
                return Ok(None);
            }
        };
        let Ok(installation) = Rc::try_unwrap(installation) else { unreachable!("nobody writes it any more") };
        let end = installation.end();
        let mut replay = TableReplay::for_shard(&self.config, &self.identity, self.env.now_ms());
        let installation = installation.complete(&mut replay).await?;
        Ok(Some(WholeStore { installation, end }))
    }

    /// Keeps everybody from the log as soon as `rest` says that the store may be replaced. False: not now, or no more.
    pub(crate) async fn hold_store(&self, mut rest: impl FnMut() -> Rest) -> bool {
        for _ in 0..LOOKS_MAX {
            if self.store.log().begin_replacement().await {
                let rest = rest();
                if rest == Rest::Now {
                    return true;
                }
                self.store.log().call_replacement_off();
                if rest == Rest::Never {
                    return false;
                }
            }
            self.env.sleep(LOOK).await;
        }
        false
    }

    /// Replaces the store that is held: queues and tables are those of its checkpoint then, whose place is returned.
    /// # Errors
    /// I/O; the next start goes on with it.
    pub(crate) async fn swap_store(&self, whole: WholeInstallation<E::Disk>) -> Result<LogPosition, StorageError> {
        if let Err(error) = whole.mark().await {
            self.store.log().call_replacement_off();
            return Err(error);
        }
        let mut replay = TableReplay::for_shard(&self.config, &self.identity, self.env.now_ms());
        let at = self.store.become_installed(&mut replay).await?;
        *self.tables.borrow_mut() = replay.into_replayed_tables();
        self.scratch.borrow_mut().records.clear();
        Ok(at)
    }

    /// Waits until one makes a checkpoint, removes segments, or replaces the store: this one does until it says otherwise.
    pub(crate) async fn begin_store_work(&self) {
        while self.is_checkpointing.replace(true) {
            self.env.sleep(LOOK).await;
        }
    }

    /// Every held pull looks at its queue again.
    pub(crate) fn wake_all_pulls(self: &Rc<Self>) {
        let mut woken = Vec::new();
        self.parked.borrow_mut().expired(i64::MAX, &mut woken);
        for job in woken {
            crate::processor::pull::run_again(self, job);
        }
    }

    /// What an installation has left on disk that nobody goes on with.
    pub(crate) async fn remove_left_installation(self: Rc<Self>) {
        let installing = &self.installing;
        if installing.is_under_way() || installing.is_flushing.get() || installing.is_removing.replace(true) {
            return;
        }
        if let Err(error) = storage::installation::abandon(self.store.log().disk()).await {
            tracing::warn!(%error, shard = self.identity.broker_name, "what is left of an installation stays");
        }
        installing.is_removing.set(false);
    }
}
