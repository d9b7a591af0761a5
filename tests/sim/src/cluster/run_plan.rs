//! What a run is made of: machines, clients, and what goes wrong when.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use storage::commit_log::{FlushMode, LogOptions};
use storage::file::LogWrites;
use storage::file::sim::salted;

use super::client::Route;
use super::fault_plan::{ClusterFault, Targets};
use super::frame_meddler::FrameMeddler;
use super::meddler::Meddler;
use super::network::HostId;
use super::node::StoreSettings;
use super::operator::Wish;
use super::place::Place;
use super::process_mischief::ProcessMischief;
use crate::plan::Crash;

/// First host of clients; brokers are before.
const CLIENT_HOSTS: u16 = 1000;
/// A half message is asked about so often where it is never to be given up.
pub(super) const CHECKS_WITHOUT_END: u32 = 1_000_000;

/// See the module's text. Drawn from a seed, or set by a test.
#[derive(Clone, Debug)]
pub struct RunPlan {
    /// Everything not said here is drawn from this.
    pub seed: u64,
    /// Broker groups.
    pub groups: u16,
    /// Machines of each. More than one: they are replicas of each other.
    pub replicas: u16,
    /// The first so many of them found their group; if there are others, an operator adds and removes machines all the time.
    pub founders: u16,
    /// What that operator wants; `None`: this and that.
    pub wishes: Option<Vec<Wish>>,
    /// Of a master and its slaves: whether a send waits for them; then the machines of the one group are these.
    pub pair: Option<bool>,
    /// How they store.
    pub settings: StoreSettings,
    /// Producers of each group.
    pub producers: u16,
    /// Whether each group has a client that sends transactions.
    pub pays: bool,
    /// A half message that its producer was asked about so often is given up.
    pub checks_max: u32,
    /// Whether each group has a client that sends messages with due times and delays, and recalls some.
    pub plans: bool,
    /// Whether each group has clients that lock queues.
    pub locks: bool,
    /// Whether each group has clients that pop.
    pub pops: bool,
    /// Consumers of each group, each of a consumer group of its own.
    pub consumers: u16,
    /// How long things go wrong.
    pub lasts: Duration,
    /// What, and when.
    pub faults: Vec<(Duration, ClusterFault)>,
    /// How every machine dies in the end, before the last look.
    pub last_crash: Option<Crash>,
    /// What brokers do wrong.
    pub meddler: Meddler,
    /// What replicas tell each other wrong.
    pub frame_meddler: FrameMeddler,
    /// What processes do wrong.
    pub mischief: ProcessMischief,
}

/// A broker's machine.
pub(super) fn host(number: u16) -> HostId {
    HostId(number + 1)
}

/// Of a producer or consumer, all of them counted.
pub(super) fn client_host(number: u16) -> HostId {
    HostId(CLIENT_HOSTS + number)
}

impl RunPlan {
    /// Nothing goes wrong; tests set what they are about.
    pub fn calm(seed: u64, flush: FlushMode) -> Self {
        let log = LogOptions {
            segment_bytes: 128 << 10,
            flush,
            cache_bytes: 64 << 10,
            is_replicated: false,
            is_copied: false,
        };
        let ring_bytes = (flush == FlushMode::Async).then_some(256 << 10);
        Self {
            seed,
            groups: 1,
            replicas: 1,
            founders: 1,
            wishes: None,
            pair: None,
            settings: StoreSettings { log, log_writes: LogWrites::Seen, ring_bytes },
            producers: 2,
            pays: false,
            checks_max: CHECKS_WITHOUT_END,
            plans: false,
            locks: false,
            pops: false,
            consumers: 2,
            lasts: Duration::from_secs(5),
            faults: Vec::new(),
            last_crash: None,
            meddler: Meddler::idle(),
            frame_meddler: FrameMeddler::idle(),
            mischief: ProcessMischief::None,
        }
    }

    /// Nothing goes wrong in a group of replicas.
    pub fn calm_group(seed: u64, replicas: u16, flush: FlushMode) -> Self {
        Self { replicas, founders: replicas, ..Self::calm(seed, flush) }.replicated()
    }

    fn replicated(mut self) -> Self {
        self.settings.log.is_replicated = true;
        self
    }

    /// Draws a group of three or five replicas.
    pub fn draw_group(seed: u64) -> Self {
        let rng = &mut StdRng::seed_from_u64(salted(seed, "run of a group"));
        let replicas = if rng.random_bool(0.7) { 3 } else { 5 };
        let plan = Self { groups: 1, replicas, founders: replicas, ..Self::draw(seed) };
        let lasts = Duration::from_secs_f64(rng.random_range(4.0..14.0));
        let targets = plan.targets();
        // Sometimes one thing after the other, sometimes all at once.
        let count = if rng.random_bool(0.5) { rng.random_range(1..7) } else { rng.random_range(7..24) };
        let faults = (0..count).map(|_| (lasts.mul_f64(rng.random_range(0.0..1.0)), targets.draw_group(rng))).collect();
        Self { lasts, faults, ..plan }.replicated()
    }

    /// Draws a group of one or three whose members change among five machines.
    pub fn draw_members(seed: u64) -> Self {
        let rng = &mut StdRng::seed_from_u64(salted(seed, "run of members"));
        let founders = if rng.random_bool(0.5) { 1 } else { 3 };
        let plan = Self { groups: 1, replicas: 5, founders, ..Self::draw(seed) };
        let lasts = Duration::from_secs_f64(rng.random_range(6.0..16.0));
        let (targets, flush) = (plan.targets(), plan.settings.log.flush);
        let count = rng.random_range(0..10);
        let drawn = (0..count).map(|_| (lasts.mul_f64(rng.random_range(0.0..1.0)), targets.draw_group(rng)));
        let faults = drawn.filter(|(_, fault)| goes_with_changing_members(fault, flush)).collect();
        Self { lasts, faults, ..plan }.replicated()
    }

    /// Whether a log may lose its beginning, or its bits.
    pub(super) fn may_lose_old_records(&self) -> bool {
        self.retains() || self.rots()
    }

    /// Whether a log may lose its beginning.
    pub(super) fn retains(&self) -> bool {
        self.faults.iter().any(|(_, fault)| matches!(fault, ClusterFault::Retain { .. }))
    }

    /// Whether a log may lose its bits where nobody looks.
    pub(super) fn rots(&self) -> bool {
        self.faults.iter().any(|(_, fault)| matches!(fault, ClusterFault::OldBitRot { .. }))
    }

    pub(super) fn machines(&self) -> u16 {
        self.groups * self.replicas
    }

    pub(super) fn targets(&self) -> Targets {
        let clients = self.groups * (self.producers + self.consumers);
        Targets { nodes: (0..self.machines()).map(host).collect(), clients: (0..clients).map(client_host).collect() }
    }

    pub(super) fn route(&self, group: u16) -> Route {
        (group * self.replicas..(group + 1) * self.replicas).map(host).collect()
    }

    pub(super) fn place(&self, machine: u16) -> Option<Place> {
        let (group, number) = (machine / self.replicas, machine % self.replicas);
        let replicates = self.replicas > 1 && self.pair.is_none();
        replicates.then(|| Place { number, hosts: self.route(group), founders: self.founders })
    }

    /// Draws everything.
    pub fn draw(seed: u64) -> Self {
        let rng = &mut StdRng::seed_from_u64(salted(seed, "run"));
        let flush = if rng.random_bool(0.5) { FlushMode::Sync } else { FlushMode::Async };
        let has_ring = flush == FlushMode::Async && rng.random_bool(0.7);
        let is_stable = flush == FlushMode::Sync && rng.random_bool(0.5);
        let log = LogOptions {
            // A change of topics or groups asks for 64 KiB in one entry.
            segment_bytes: [128 << 10, 256 << 10, 512 << 10][rng.random_range(0..3)],
            flush,
            cache_bytes: [0, 16 << 10, 256 << 10][rng.random_range(0..3)],
            is_replicated: false,
            is_copied: false,
        };
        let settings = StoreSettings {
            log,
            log_writes: if is_stable { LogWrites::Stable } else { LogWrites::Seen },
            ring_bytes: has_ring.then(|| [256 << 10, 1 << 20][rng.random_range(0..2)]),
        };
        let (groups, producers, consumers) =
            (rng.random_range(1..=2), rng.random_range(1..=3), rng.random_range(1..=2));
        let lasts = Duration::from_secs_f64(rng.random_range(3.0..12.0));
        let plan = Self { groups, settings, producers, consumers, lasts, ..Self::calm(seed, flush) };
        let targets = plan.targets();
        let faults = (0..rng.random_range(1..=8))
            .map(|_| (lasts.mul_f64(rng.random_range(0.0..1.0)), targets.draw(rng)))
            .collect();
        let crash = if rng.random_bool(0.5) { Crash::Kill } else { Crash::PowerLoss };
        let last_crash = rng.random_bool(0.5).then_some(crash);
        // Drawn apart: what seeds have found before stays what it was.
        let pays = StdRng::seed_from_u64(salted(seed, "payers of a run")).random_bool(0.5);
        let mut rng = StdRng::seed_from_u64(salted(seed, "times and locks of a run"));
        let (plans, locks) = (rng.random_bool(0.5), rng.random_bool(0.3));
        let checks_max = if rng.random_bool(0.4) { rng.random_range(1..5) } else { CHECKS_WITHOUT_END };
        let pops = StdRng::seed_from_u64(salted(seed, "poppers of a run")).random_bool(0.4);
        Self { faults, last_crash, pays, checks_max, plans, locks, pops, ..plan }
    }
}

/// Whether it is one of those that are tried while members change, see [`super::promise`]. Where a sync fails in ASYNC_FLUSH,
/// nobody knows before the process ends what it has forgotten.
fn goes_with_changing_members(fault: &ClusterFault, flush: FlushMode) -> bool {
    match fault {
        ClusterFault::BitRot { .. } | ClusterFault::MisdirectWrite { .. } => false,
        ClusterFault::FailingDisk { .. } => flush == FlushMode::Sync,
        _ => true,
    }
}
