//! Runs a store through the lives of a plan.

use std::cell::RefCell;
use std::rc::Rc;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use storage::StorageError;
use storage::checkpoint;
use storage::commit_log::{FlushMode, LogId};
use storage::consume_queue;
use storage::file::Disk;
use storage::file::sim::{CallKind, Counts, Executor, Fault, SimDisk, SimRing, salted};
use storage::store::{MessageStore, StoreRecovery};

use crate::history::History;
use crate::life::{Circumstances, Life, Promised};
use crate::machine::{Honest, Machine};
use crate::plan::{Crash, CrashPoint, Failing, LifePlan, Loss, Plan, RecoveryTrouble, RingFound};
use crate::replay::ReplayedControls;
use crate::summary::Summary;
use crate::{Violation, oracle, require};

/// Of the run that fills foreign rings.
const FOREIGN_SEED: u64 = 0xF0E_5EED;

/// A run under way.
pub struct Scenario<M> {
    plan: Plan,
    machine: M,
    sim: SimDisk,
    ring: Option<SimRing>,
    ring_is_good: bool,
    ring_snapshot: Option<Vec<u8>>,
    history: Rc<RefCell<History>>,
    promised: Promised,
    /// A sync failed since the store was opened: what it did not cover may be gone, whoever promised it.
    sync_failed: bool,
    rng: StdRng,
    summary: Summary,
    /// Prints what happens, for the replay of a seed.
    trace: bool,
}

struct Opened<D: Disk> {
    store: MessageStore<D>,
    recovery: StoreRecovery,
    replayed: ReplayedControls,
}

type OpenResult<D> = Result<Opened<D>, StorageError>;
type OpenedOn<D> = (Opened<D>, Executor);

/// Runs the plan of a seed on a plain simulated disk.
/// # Errors
/// The first promise that did not hold.
pub fn run_seed(seed: u64) -> Result<Summary, Violation> {
    run_plan(Plan::draw(seed), Honest)
}

/// Runs a plan on a machine.
/// # Errors
/// The first promise that did not hold.
pub fn run_plan<M: Machine>(plan: Plan, machine: M) -> Result<Summary, Violation> {
    let mut scenario = Scenario::new(plan, machine);
    scenario.run()?;
    Ok(scenario.finish())
}

impl<M: Machine> Scenario<M> {
    /// An empty disk.
    pub fn new(plan: Plan, machine: M) -> Self {
        let sim = SimDisk::new(plan.seed);
        sim.set_delay_max(plan.delay_max);
        sim.set_capacity(plan.capacity);
        let trace = std::env::var_os("TRACE").is_some() && plan.seed != FOREIGN_SEED;
        sim.set_trace(trace);
        if trace {
            eprintln!("{plan:#?}");
        }
        let ring = plan.ring_bytes.map(|bytes| SimRing::new(plan.seed, bytes));
        let rng = StdRng::seed_from_u64(salted(plan.seed, "scenario"));
        Self {
            plan,
            machine,
            sim,
            ring,
            ring_is_good: true,
            ring_snapshot: None,
            history: Rc::default(),
            trace,
            promised: Promised::default(),
            sync_failed: false,
            rng,
            summary: Summary::default(),
        }
    }

    /// The disk as it is now.
    pub fn sim(&self) -> &SimDisk {
        &self.sim
    }

    /// The store's id.
    pub fn log_id(&self) -> LogId {
        self.plan.log_id
    }

    /// The id to open the store with from now on.
    pub fn set_log_id(&mut self, id: LogId) {
        self.plan.log_id = id;
    }

    /// How far the last process's promises went.
    pub fn promised(&self) -> Promised {
        self.promised
    }

    /// What the store must still know.
    pub fn history(&self) -> &Rc<RefCell<History>> {
        &self.history
    }

    /// Totals so far.
    pub fn finish(self) -> Summary {
        Summary { runs: 1, disk: self.sim.counts(), ..self.summary }
    }

    /// Runs all lives and opens the store once more.
    /// # Errors
    /// The first promise that did not hold.
    pub fn run(&mut self) -> Result<(), Violation> {
        self.run_lives()?;
        let calm = LifePlan::calm(0, Crash::Kill);
        self.open_and_verify(&calm).map(drop)
    }

    /// Runs all lives; the last one has ended in its crash.
    /// # Errors
    /// The first promise that did not hold.
    pub fn run_lives(&mut self) -> Result<(), Violation> {
        let lives = self.plan.lives.clone();
        lives.iter().try_for_each(|life| self.run_life(life))
    }

    /// Opens the store and hands it to `look`.
    /// # Errors
    /// What opening answers.
    pub fn open_and<T: 'static>(
        &mut self,
        look: impl AsyncFnOnce(MessageStore<M::Disk>) -> T + 'static,
    ) -> Result<T, StorageError> {
        let (opened, executor) = self.open();
        let Opened { store, .. } = opened.expect("opening ends")?;
        Ok(executor.block_on(look(store)).expect("reading ends"))
    }

    /// Opens the store, of whose log everything below `promised` must be there, and compares it with the history.
    /// # Errors
    /// What does not hold.
    pub fn open_and_compare(&mut self, promised: u64) -> Result<(), Violation> {
        self.promised = Promised { acknowledged: promised, written: promised, stable: promised };
        self.open_and_verify(&LifePlan::calm(0, Crash::Kill)).map(drop)
    }

    fn run_life(&mut self, plan: &LifePlan) -> Result<(), Violation> {
        let (store, executor) = self.open_and_verify(plan)?;
        let may_fail = !matches!(plan.failing, Failing::Nothing) || self.plan.capacity.is_some();
        let told = Circumstances {
            sim: self.sim.clone(),
            ring: self.ring.clone(),
            executor: executor.clone(),
            rng: StdRng::from_rng(&mut self.rng),
            may_fail,
            body_bytes_max: self.plan.body_bytes_max,
            deletes_topics: self.plan.deletes_topics,
        };
        let life = Life::new(store, self.history.clone(), told);
        match &plan.failing {
            Failing::Nothing => {}
            Failing::Chance(faults) => self.sim.set_faults((**faults).clone()),
            Failing::Exact(injection) => self.sim.inject(*injection),
        }
        match (plan.point, &self.ring) {
            (CrashPoint::Call(nth), _) => self.sim.stop_at(nth),
            (CrashPoint::RingWrite(nth), Some(ring)) => ring.die_in_write(nth, &self.sim),
            (CrashPoint::RingWrite(_), None) | (CrashPoint::Quiet, _) => {}
        }
        let (syncs_failed, faults) = (self.failed_syncs(), self.sim.counts());
        let task = executor.spawn(life.clone().run(plan.steps));
        executor.run(|| task.is_done() || life.is_stopped() || life.violation().is_some());
        if let Some(violation) = life.violation() {
            return Err(violation);
        }
        if !task.is_done() && !life.is_stopped() {
            return Err(Violation("every task of the store waits, and none can go on".to_owned()));
        }
        if task.is_done() && matches!(plan.failing, Failing::Exact(_)) {
            self.require_surfaced(&faults, life.errors())?;
        }
        self.promised = life.promised();
        self.sync_failed = self.failed_syncs() > syncs_failed;
        self.summary.add(&life.summary());
        self.ring_snapshot = life.ring_snapshot().or(self.ring_snapshot.take());
        self.summary.ring_deaths += u64::from(self.ring.as_ref().is_some_and(SimRing::is_torn));
        drop(task);
        drop(life);
        executor.abandon();
        self.crash(plan.crash, plan.ring);
        self.lose(plan.loss);
        Ok(())
    }

    fn lose(&mut self, loss: Loss) {
        let files = self.sim.files();
        let queue_files: Vec<&String> =
            files.iter().filter(|path| path.starts_with(consume_queue::DIRECTORY)).collect();
        let lost = match loss {
            Loss::None => return,
            Loss::QueueFile if queue_files.is_empty() => return,
            Loss::QueueFile => self.sim.lose(queue_files[self.rng.random_range(0..queue_files.len())]),
            Loss::QueueFolder => self.sim.lose(consume_queue::DIRECTORY),
            Loss::Checkpoint => {
                let length = self.sim.content(checkpoint::PATH).map_or(0, |content| content.len() as u64);
                // Without one before it, damage of the only checkpoint may be more than the log can make up for.
                if length == 0 || self.sim.content(checkpoint::PREVIOUS_PATH).is_err() {
                    return;
                }
                self.sim.flip_bits(checkpoint::PATH, 0..length, 1)
            }
        };
        self.summary.losses += u64::from(lost.is_ok());
    }

    /// A call that failed must have made something fail that the store was asked to do.
    fn require_surfaced(&self, before: &Counts, errors: u64) -> Result<(), Violation> {
        let now = self.sim.counts();
        // The old file is removed instead where its renaming fails; a queue that is gone meanwhile need not be read.
        let of_a_queue = |kind| matches!(kind, CallKind::Open | CallKind::PlainRead | CallKind::Close);
        let may_be_moot =
            |kind: &CallKind| *kind == CallKind::Rename || (self.plan.deletes_topics && of_a_queue(*kind));
        for kind in CallKind::ALL.into_iter().filter(|kind| !may_be_moot(kind)) {
            let failed = |counts: &Counts| counts.faults(kind, Fault::Eio) + counts.faults(kind, Fault::Enospc);
            let surfaced = failed(&now) == failed(before) || errors > 0;
            require(surfaced, || format!("a {kind} failed and nobody was told"))?;
        }
        Ok(())
    }

    fn failed_syncs(&self) -> u64 {
        let counts = self.sim.counts();
        counts.faults(CallKind::Sync, Fault::Eio) + counts.faults(CallKind::Sync, Fault::Enospc)
    }

    fn crash(&mut self, crash: Crash, found: RingFound) {
        if self.trace {
            eprintln!("{crash:?}, ring {found:?}, promised {:?}, sync failed: {}", self.promised, self.sync_failed);
        }
        match crash {
            Crash::Kill => {
                self.sim = self.sim.kill();
                self.ring = self.ring.as_ref().map(SimRing::kill);
            }
            Crash::PowerLoss => {
                self.sim = self.sim.power_loss();
                self.ring = self.ring.as_ref().map(SimRing::power_loss);
                self.promised.written = self.promised.stable;
                self.promised.acknowledged = self.promised.stable;
            }
        }
        if self.plan.ring_bytes.is_none() {
            return;
        }
        let snapshot = self.ring_snapshot.clone();
        self.ring_is_good &= found == RingFound::AsLeft;
        match (found, &self.ring) {
            (RingFound::AsLeft, _) | (_, None) => {}
            (RingFound::Absent, _) => self.ring = None,
            (RingFound::Stale, Some(ring)) => snapshot.iter().for_each(|snapshot| ring.restore(snapshot)),
            (RingFound::Foreign, Some(ring)) => ring.restore(&foreign_ring(self.plan.ring_bytes.unwrap_or_default())),
            (RingFound::Damaged, Some(ring)) => ring.flip_bits(self.rng.random_range(1..2000)),
        }
    }

    /// How far the log must reach after the crashes since it was last open.
    fn guaranteed(&self) -> u64 {
        let Promised { acknowledged, written, stable } = self.promised;
        let has_ring = self.plan.ring_bytes.is_some();
        let from_ring = has_ring && self.plan.options.flush == FlushMode::Async;
        match (self.sync_failed, from_ring, self.ring_is_good) {
            (true, ..) => stable,
            (false, true, false) => written,
            (false, true, true) | (false, false, _) => acknowledged.max(written),
        }
    }

    fn open_and_verify(&mut self, plan: &LifePlan) -> Result<(MessageStore<M::Disk>, Executor), Violation> {
        self.sim = self.sim.clone().with_log_writes(plan.log_writes);
        for trouble in &plan.recovery {
            if let Some((opened, executor)) = self.open_in_trouble(trouble, plan.ring)? {
                return self.accept(opened, executor);
            }
        }
        let (opened, executor) = self.open();
        match opened {
            Some(Ok(opened)) => self.accept(opened, executor),
            Some(Err(error)) if error.is_disk_full() && self.plan.capacity.is_some() => {
                // The operator makes room.
                self.sim = self.sim.kill();
                self.ring = self.ring.as_ref().map(SimRing::kill);
                self.sim.set_capacity(None);
                match self.open() {
                    (Some(Ok(opened)), executor) => self.accept(opened, executor),
                    (Some(Err(error)), _) => Err(Violation(format!("the store does not open with room made: {error}"))),
                    (None, _) => Err(Violation("opening waits for ever".to_owned())),
                }
            }
            Some(Err(error)) => Err(Violation(format!("the store does not open: {error}"))),
            None => Err(Violation("opening waits for ever".to_owned())),
        }
    }

    /// Opens while something goes wrong; the store if it opens all the same.
    fn open_in_trouble(
        &mut self,
        trouble: &RecoveryTrouble,
        found: RingFound,
    ) -> Result<Option<OpenedOn<M::Disk>>, Violation> {
        let syncs_failed = self.failed_syncs();
        match trouble {
            RecoveryTrouble::None => return Ok(None),
            RecoveryTrouble::Crash(nth, _) => self.sim.stop_at(*nth),
            RecoveryTrouble::Fault(injection) => self.sim.inject(*injection),
        }
        let (opened, executor) = self.open();
        self.sync_failed |= self.failed_syncs() > syncs_failed;
        match (opened, trouble) {
            (Some(Ok(opened)), _) => {
                self.sim.heal();
                Ok(Some((opened, executor)))
            }
            (None, RecoveryTrouble::Crash(_, crash)) => {
                self.summary.crashes_in_recovery += 1;
                executor.abandon();
                self.crash(*crash, found);
                Ok(None)
            }
            (Some(Err(_)), RecoveryTrouble::Fault(_)) => {
                self.summary.failed_openings += 1;
                executor.abandon();
                self.crash(Crash::Kill, RingFound::AsLeft);
                Ok(None)
            }
            (Some(Err(error)), _) if self.plan.capacity.is_some() && error.is_disk_full() => {
                executor.abandon();
                self.crash(Crash::Kill, RingFound::AsLeft);
                Ok(None)
            }
            (Some(Err(error)), _) => Err(Violation(format!("the store does not open: {error}"))),
            (None, _) => Err(Violation("opening waits for ever".to_owned())),
        }
    }

    /// Opens the store. `None` if that does not end: the disk has stopped.
    fn open(&mut self) -> (Option<OpenResult<M::Disk>>, Executor) {
        let executor = Executor::new(self.rng.random());
        let disk = self.machine.disk(self.sim.clone());
        let ring = self.ring.clone().map(|ring| self.machine.ring(ring));
        let (log_id, options) = (self.plan.log_id, self.plan.options);
        let opened = executor.block_on(async move {
            let mut replayed = ReplayedControls::default();
            let (store, recovery) = MessageStore::open(disk, log_id, options, ring, &mut replayed).await?;
            Ok(Opened { store, recovery, replayed })
        });
        (opened, executor)
    }

    fn accept(
        &mut self,
        opened: Opened<M::Disk>,
        executor: Executor,
    ) -> Result<(MessageStore<M::Disk>, Executor), Violation> {
        let Opened { store, recovery, replayed } = opened;
        if self.trace {
            eprintln!("opened: {recovery:?}");
        }
        let promised = self.guaranteed();
        let settled = oracle::settle(&store, &replayed, &mut self.history.borrow_mut(), promised);
        let (cut, unpromised) = settled.map_err(|violation| {
            Violation(format!("{violation} [found {:?}, promised {:?}]", recovery.log, self.promised))
        })?;
        self.summary.lives += 1;
        self.summary.units_cut += cut;
        self.summary.unpromised_survivors += unpromised;
        self.summary.ring_entries += recovery.log.ring_entries;
        self.summary.torn_logs += u64::from(recovery.log.torn.is_some());
        self.summary.queues_rebuilt += recovery.rebuilt_queues as u64;
        let (store, history) = (Rc::new(store), self.history.clone());
        let verified = executor.block_on({
            let store = store.clone();
            async move { oracle::verify(&store, &history).await }
        });
        self.summary.messages_checked += verified.unwrap_or_else(|| Err(Violation("a read waits for ever".into())))?;
        self.promised = Promised::default();
        (self.sync_failed, self.ring_is_good) = (false, true);
        let Ok(store) = Rc::try_unwrap(store) else { unreachable!("verifying is over") };
        Ok((store, executor))
    }
}

/// A ring that another store has filled.
fn foreign_ring(bytes: usize) -> Vec<u8> {
    let calm = Plan::calm(FOREIGN_SEED, FlushMode::Async, 1);
    let mut other = Scenario::new(Plan { ring_bytes: Some(bytes), log_id: LogId(0xF0E), ..calm }, Honest);
    let ran = other.run();
    assert_eq!(ran, Ok(()), "a calm run");
    other.ring.map(|ring| ring.snapshot()).unwrap_or_default()
}
