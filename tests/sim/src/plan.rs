//! What a run does and suffers, drawn from its seed or set by a test.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use storage::commit_log::{FlushMode, LogId, LogOptions};
use storage::file::LogWrites;
use storage::file::sim::{CallKind, Fault, Faults, Injection, salted};

/// The store's id in a usual run.
const LOG_ID: LogId = LogId(0x5EED);

/// How a life ends.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Crash {
    /// The process is killed.
    Kill,
    /// The machine loses power.
    PowerLoss,
}

/// When it ends.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum CrashPoint {
    /// While the n-th disk call of the life is under way; if there are fewer, when the workload is done.
    Call(u64),
    /// In the middle of the n-th write to the ring.
    RingWrite(u64),
    /// When the workload is done and everything is acknowledged.
    Quiet,
}

/// What the next process finds where the ring was.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum RingFound {
    /// What the dead process left.
    AsLeft,
    /// No ring, as in a container of its own.
    Absent,
    /// What it held some time before.
    Stale,
    /// Another store's.
    Foreign,
    /// Some bits are wrong.
    Damaged,
}

/// What goes missing between two processes. The log must make up for it.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Loss {
    /// Nothing.
    None,
    /// One ConsumeQueue file.
    QueueFile,
    /// All ConsumeQueue files.
    QueueFolder,
    /// The newest checkpoint is damaged.
    Checkpoint,
}

/// What happens while a store is being opened.
#[derive(Clone, Debug)]
pub enum RecoveryTrouble {
    /// Nothing.
    None,
    /// A crash at the n-th disk call.
    Crash(u64, Crash),
    /// A failing call.
    Fault(Injection),
}

/// What fails in a life.
#[derive(Clone, Debug)]
pub enum Failing {
    /// Nothing.
    Nothing,
    /// Calls by chance.
    Chance(Box<Faults>),
    /// One exact call, or all from it on.
    Exact(Injection),
}

/// One process from its start to its end.
#[derive(Clone, Debug)]
pub struct LifePlan {
    /// How it opens the files of its log.
    pub log_writes: LogWrites,
    /// What happens before it is open; each in turn.
    pub recovery: Vec<RecoveryTrouble>,
    /// What fails when it is open.
    pub failing: Failing,
    /// When it ends.
    pub point: CrashPoint,
    /// How it ends.
    pub crash: Crash,
    /// What it leaves for the next process where the ring was.
    pub ring: RingFound,
    /// What goes missing behind it.
    pub loss: Loss,
    /// Steps of its workload.
    pub steps: u32,
}

impl LifePlan {
    /// A life in which nothing goes wrong before its end.
    pub fn calm(steps: u32, crash: Crash) -> Self {
        Self {
            log_writes: LogWrites::Seen,
            recovery: Vec::new(),
            failing: Failing::Nothing,
            point: CrashPoint::Quiet,
            crash,
            ring: RingFound::AsLeft,
            loss: Loss::None,
            steps,
        }
    }
}

/// A whole run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Everything not in the plan is drawn from this.
    pub seed: u64,
    /// The store's id.
    pub log_id: LogId,
    /// The log's settings.
    pub options: LogOptions,
    /// Size of the ring, if there is one.
    pub ring_bytes: Option<usize>,
    /// Bytes of the disk, if that is limited.
    pub capacity: Option<u64>,
    /// How often a disk call yields at most.
    pub delay_max: u32,
    /// Longest message body of the usual kind.
    pub body_bytes_max: usize,
    /// Whether topics are deleted now and then.
    pub deletes_topics: bool,
    /// The processes, one after the other.
    pub lives: Vec<LifePlan>,
}

/// Disk calls of a life, roughly; crash points lie within.
const CALLS_OF_LIFE: u64 = 300;

impl Plan {
    /// A calm run with small segments; tests set what they are about.
    pub fn calm(seed: u64, flush: FlushMode, lives: usize) -> Self {
        let steps = 20;
        Self {
            seed,
            log_id: LOG_ID,
            options: LogOptions {
                segment_bytes: 64 << 10,
                flush,
                cache_bytes: 64 << 10,
                is_replicated: false,
                is_copied: false,
            },
            ring_bytes: None,
            capacity: None,
            delay_max: 2,
            body_bytes_max: 2 << 10,
            deletes_topics: false,
            lives: vec![LifePlan::calm(steps, Crash::Kill); lives],
        }
    }

    /// Draws everything.
    pub fn draw(seed: u64) -> Self {
        let rng = &mut StdRng::seed_from_u64(salted(seed, "plan"));
        let flush = if rng.random_bool(0.5) { FlushMode::Sync } else { FlushMode::Async };
        let ring = if flush == FlushMode::Async { 0.7 } else { 0.3 };
        let ring_bytes = rng.random_bool(ring).then(|| [64 << 10, 128 << 10, 512 << 10][rng.random_range(0..3)]);
        let segment_bytes: u64 = [64 << 10, 64 << 10, 128 << 10, 256 << 10, 1 << 20][rng.random_range(0..5)];
        let cache_bytes = [0, 16 << 10, 256 << 10][rng.random_range(0..3)];
        let capacity = rng.random_bool(0.08).then(|| segment_bytes * rng.random_range(3..6) + (64 << 10));
        let lives = rng.random_range(1..=6);
        Self {
            seed,
            log_id: LOG_ID,
            options: LogOptions { segment_bytes, flush, cache_bytes, is_replicated: false, is_copied: false },
            ring_bytes,
            capacity,
            delay_max: rng.random_range(0..=4),
            body_bytes_max: [64, 1 << 10, 4 << 10, 4 << 10, 16 << 10][rng.random_range(0..5)],
            deletes_topics: rng.random_bool(0.2) && std::env::var_os("NODEL").is_none(),
            lives: (0..lives).map(|_| draw_life(rng, flush)).collect(),
        }
    }
}

fn draw_life(rng: &mut StdRng, flush: FlushMode) -> LifePlan {
    let troubles = [0, 0, 0, 1, 1, 2][rng.random_range(0..6)];
    // The next process may find another file system, or be another version.
    let is_stable = flush == FlushMode::Sync && rng.random_bool(0.5);
    LifePlan {
        log_writes: if is_stable { LogWrites::Stable } else { LogWrites::Seen },
        recovery: (0..troubles).map(|_| draw_trouble(rng)).collect(),
        failing: draw_failing(rng),
        point: match rng.random_range(0..10) {
            0 => CrashPoint::Quiet,
            1 | 2 => CrashPoint::RingWrite(rng.random_range(1..60)),
            _ => CrashPoint::Call(rng.random_range(1..=CALLS_OF_LIFE)),
        },
        crash: draw_crash(rng),
        ring: match rng.random_range(0..10) {
            0 => RingFound::Absent,
            1 => RingFound::Stale,
            2 => RingFound::Foreign,
            3 => RingFound::Damaged,
            _ => RingFound::AsLeft,
        },
        loss: match rng.random_range(0..20) {
            0 => Loss::QueueFile,
            1 => Loss::QueueFolder,
            2 => Loss::Checkpoint,
            _ => Loss::None,
        },
        steps: rng.random_range(4..=60),
    }
}

fn draw_crash(rng: &mut StdRng) -> Crash {
    if rng.random_bool(0.5) { Crash::Kill } else { Crash::PowerLoss }
}

fn draw_trouble(rng: &mut StdRng) -> RecoveryTrouble {
    if rng.random_bool(0.6) {
        return RecoveryTrouble::Crash(rng.random_range(1..40), draw_crash(rng));
    }
    RecoveryTrouble::Fault(Injection::any(rng.random_range(1..40), draw_fault(rng)))
}

fn draw_fault(rng: &mut StdRng) -> Fault {
    Fault::ALL[rng.random_range(0..Fault::ALL.len())]
}

fn draw_failing(rng: &mut StdRng) -> Failing {
    match rng.random_range(0..10) {
        0 => Failing::Chance(Box::new(Faults::none().with_all(Fault::Eio, 0.01).with_all(Fault::Enospc, 0.01))),
        1 => Failing::Chance(Box::new(Faults::none().with(CallKind::Write, Fault::Short, 0.2))),
        2 => {
            let kinds = (0..rng.random_range(1..4)).map(|_| CallKind::ALL[rng.random_range(0..CallKind::COUNT)]);
            let faults = kinds
                .fold(Faults::none(), |faults, kind| faults.with(kind, Fault::Eio, 0.3).with(kind, Fault::Enospc, 0.3));
            Failing::Chance(Box::new(faults))
        }
        3 => Failing::Exact(Injection::any(rng.random_range(1..CALLS_OF_LIFE), draw_fault(rng))),
        4 => Failing::Exact(Injection::any(rng.random_range(1..CALLS_OF_LIFE), draw_fault(rng)).lasting()),
        _ => Failing::Nothing,
    }
}
