//! One run: a cluster and its clients, a time in which things go wrong, a time in which everything must become well, and
//! a last look at all there is.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use broker::replication::ReplicaView;
use protocol::frame::HeaderEncoding;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use storage::commit_log::{FlushMode, LogOptions};
use storage::file::LogWrites;
use storage::file::sim::{Task, salted};

use super::appointments::Appointments;
use super::cluster::Cluster;
use super::cluster_summary::ClusterSummary;
use super::consumer::Consumer;
use super::fault_plan::{ClusterFault, Targets};
use super::frame_meddler::FrameMeddler;
use super::group_watch::GroupWatch;
use super::locker::Locker;
use super::meddler::Meddler;
use super::network::HostId;
use super::node::{Node, NodeParts, StoreSettings};
use super::operator::{Operator, Wish};
use super::pair_watch::PairWatch;
use super::parcels::Parcels;
use super::payer::Payer;
use super::payments::Payments;
use super::place::Place;
use super::planner::Planner;
use super::process_mischief::ProcessMischief;
use super::producer::{Producer, ProducerPlan, Route};
use super::workload_counts::WorkloadCounts;
use crate::Violation;
use crate::machine::{Honest, Liar, Machine};
use crate::plan::Crash;

/// Everything must be well this long after nothing goes wrong any more.
pub(super) const LIVE_WITHIN: Duration = Duration::from_secs(20);
/// Clients come to an end within this.
const CLIENTS_END_WITHIN: Duration = Duration::from_secs(10);
/// What clients sent last has been done, or lost, after this.
const QUIET: Duration = Duration::from_secs(3);
/// First host of clients; brokers are before.
const CLIENT_HOSTS: u16 = 1000;
/// First of those that pay: others keep theirs.
const PAYER_HOSTS: u16 = 2000;
/// First of those that make appointments ...
const PLANNER_HOSTS: u16 = 3000;
/// ... and of those that lock queues, ...
const LOCKER_HOSTS: u16 = 4000;
/// ... so many in each group.
const LOCKERS: u16 = 3;
/// A half message is asked about so often where it is never to be given up.
const CHECKS_WITHOUT_END: u32 = 1_000_000;

/// What a run is made of. Drawn from a seed, or set by a test.
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

fn host(number: u16) -> HostId {
    HostId(number + 1)
}

fn client_host(number: u16) -> HostId {
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
    fn may_lose_old_records(&self) -> bool {
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

    fn place(&self, machine: u16) -> Option<Place> {
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

/// Runs the plan of a seed.
/// # Errors
/// The first thing that was wrong.
pub fn run_seed(seed: u64) -> Result<ClusterSummary, Violation> {
    run_plan(RunPlan::draw(seed))
}

/// Runs the plan of a seed for a group of replicas.
/// # Errors
/// The first thing that was wrong.
pub fn run_group_seed(seed: u64) -> Result<ClusterSummary, Violation> {
    run_plan(RunPlan::draw_group(seed))
}

/// Runs the plan of a seed for a group whose members change.
/// # Errors
/// The first thing that was wrong.
pub fn run_members_seed(seed: u64) -> Result<ClusterSummary, Violation> {
    run_plan(RunPlan::draw_members(seed))
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

/// Runs a plan on machines that keep their word.
/// # Errors
/// The first thing that was wrong.
pub fn run_plan(plan: RunPlan) -> Result<ClusterSummary, Violation> {
    run_on(plan, &Honest)
}

/// Runs a plan on machines that do not.
/// # Errors
/// The first thing that was wrong.
pub fn run_plan_on_liars(plan: RunPlan, liar: &Liar) -> Result<ClusterSummary, Violation> {
    run_on(plan, liar)
}

// Of this crate alone: whoever else calls something generic compiles all of a broker once more.
fn run_on<M: Machine + Clone>(plan: RunPlan, hardware: &M) -> Result<ClusterSummary, Violation> {
    if std::env::var_os("TRACE").is_some() {
        eprintln!("{plan:#?}");
    }
    let mut run = Run::new(plan, hardware);
    run.suffer()?;
    run.recover()?;
    run.audit()?;
    if let Some(crash) = run.plan.last_crash {
        run.crash_all(crash)?;
        run.audit()?;
    }
    let views: Vec<ReplicaView> = run.views().into_iter().flatten().collect();
    let (installations, mended) =
        views.iter().fold((0, 0), |sum, view| (sum.0 + view.installations, sum.1 + view.mended));
    let workload = run.workload();
    let (entries, leaders) =
        run.watch.as_ref().map_or((0, 0), |watch| (watch.borrow().committed() as u64, watch.borrow().leaders() as u64));
    let (installations, entries, leaders) = match &run.pair {
        Some(pair) => {
            let pair = pair.borrow();
            (run.installations(), pair.compared, pair.epoch())
        }
        None => (installations, entries, leaders),
    };
    let (audited, compared, longest_recovery) = (run.audited, run.compared, run.recovery);
    let member_changes = run.member_changes.get();
    let ran = ClusterSummary { audited, compared, longest_recovery, member_changes, ..run.cluster.summary() };
    Ok(ClusterSummary { workload, entries, leaders, installations, mended, ..ran })
}

/// One run on its way.
pub(super) struct Run<M: Machine> {
    pub(super) plan: RunPlan,
    pub(super) cluster: Cluster<M>,
    pub(super) clients: Vec<Task<()>>,
    pub(super) rng: StdRng,
    pub(super) audited: u64,
    pub(super) compared: u64,
    pub(super) recovery: Duration,
    pub(super) watch: Option<Rc<RefCell<GroupWatch>>>,
    member_changes: Rc<Cell<u64>>,
    /// Machines that were members when all of those had everything.
    pub(super) members: Vec<usize>,
    /// By group.
    pub(super) payments: Vec<Rc<RefCell<Payments>>>,
    pub(super) pair: Option<Rc<RefCell<PairWatch>>>,
    /// By group.
    pub(super) appointments: Vec<Rc<RefCell<Appointments>>>,
    /// By group.
    pub(super) parcels: Vec<Rc<RefCell<Parcels>>>,
}

impl<M: Machine + Clone> Run<M> {
    fn new(plan: RunPlan, hardware: &M) -> Self {
        let mut rng = StdRng::seed_from_u64(salted(plan.seed, "clients of a run"));
        let mut cluster = Cluster::new(plan.seed);
        for number in 0..plan.machines() {
            let parts = NodeParts {
                host: host(number),
                seed: salted(plan.seed.wrapping_add(u64::from(number)), "node of a run"),
                clock: cluster.clock().clone(),
                hardware: hardware.clone(),
                settings: plan.settings.clone(),
                meddler: plan.meddler.clone(),
                frame_meddler: plan.frame_meddler.clone(),
                mischief: plan.mischief,
                checks_max: plan.checks_max,
                place: plan.place(number),
                pair: plan.pair_of(number),
            };
            let replicas = if plan.pair.is_some() { 1 } else { plan.replicas };
            cluster.add(Node::new(parts), number / plan.replicas, usize::from(replicas));
        }
        if plan.founders < plan.replicas {
            cluster.changes_members(0);
        }
        let pair = plan.pair.map(|_| {
            let oracle = cluster.world().oracle.clone();
            let watch = PairWatch::new(0, usize::from(plan.replicas), cluster.clock().clone(), oracle);
            let watch = Rc::new(RefCell::new(watch));
            cluster.watch_pair(watch.clone());
            watch
        });
        let watch = (plan.replicas > 1 && pair.is_none()).then(|| watch_group(&mut cluster, &plan));
        for (at, fault) in &plan.faults {
            cluster.plan(*at, fault.clone());
        }
        let mut clients = Vec::new();
        let payments: Vec<Rc<RefCell<Payments>>> = (0..plan.groups).map(|_| Rc::default()).collect();
        let appointments: Vec<Rc<RefCell<Appointments>>> = (0..plan.groups).map(|_| Rc::default()).collect();
        let parcels: Vec<Rc<RefCell<Parcels>>> = (0..plan.groups).map(|_| Rc::default()).collect();
        // A log that loses its beginning gives up first what it would lose.
        let may_be_given_up = plan.checks_max < CHECKS_WITHOUT_END || plan.may_lose_old_records();
        payments.iter().for_each(|payments| payments.borrow_mut().may_be_given_up = may_be_given_up);
        parcels.iter().for_each(|parcels| parcels.borrow_mut().may_lose_old = plan.retains());
        for group in 0..plan.groups {
            for producer in 0..plan.producers {
                let producer = Producer {
                    world: cluster.world().clone(),
                    host: client_host(group * (plan.producers + plan.consumers) + producer),
                    group,
                    route: plan.route(group),
                    plan: draw_producer(&mut rng),
                    rng: StdRng::from_rng(&mut rng),
                };
                clients.push(cluster.spawn_client(producer.run()));
            }
            if plan.pays {
                clients.push(cluster.spawn_client(Self::payer(&plan, &cluster, &payments, group).run()));
            }
            if plan.plans {
                clients.push(cluster.spawn_client(Self::planner(&plan, &cluster, &appointments, group).run()));
            }
            if plan.locks {
                let lockers = (0..LOCKERS).map(|number| Self::locker(&plan, &cluster, group, number));
                clients.extend(lockers.map(|locker| cluster.spawn_client(locker.run())));
            }
            if plan.pops {
                let poppers = Self::poppers(&plan, &cluster, &parcels, group);
                clients.extend(poppers.map(|popper| cluster.spawn_client(popper.run())));
            }
            for consumer in 0..plan.consumers {
                let consumer = Self::consumer(&plan, &cluster, &mut rng, group, consumer);
                clients.push(cluster.spawn_client(consumer.run()));
            }
        }
        let member_changes = Rc::<Cell<u64>>::default();
        if plan.founders < plan.replicas {
            let operator = Operator {
                world: cluster.world().clone(),
                host: client_host(plan.groups * (plan.producers + plan.consumers)),
                route: plan.route(0),
                wishes: plan.wishes.clone(),
                rng: StdRng::from_rng(&mut rng),
                done: member_changes.clone(),
            };
            clients.push(cluster.spawn_client(operator.run()));
        }
        Self {
            plan,
            cluster,
            clients,
            rng,
            audited: 0,
            compared: 0,
            recovery: Duration::ZERO,
            watch,
            pair,
            member_changes,
            members: Vec::new(),
            payments,
            appointments,
            parcels,
        }
    }

    pub(super) fn payer(plan: &RunPlan, cluster: &Cluster<M>, payments: &[Rc<RefCell<Payments>>], group: u16) -> Payer {
        let mut rng = StdRng::seed_from_u64(salted(plan.seed.wrapping_add(u64::from(group)), "payer of a run"));
        Payer {
            world: cluster.world().clone(),
            host: HostId(PAYER_HOSTS + group),
            group,
            route: plan.route(group),
            encoding: draw_encoding(&mut rng),
            payments: payments[usize::from(group)].clone(),
            may_lose_old_records: plan.may_lose_old_records(),
            unanswered: Vec::new(),
            rng,
        }
    }

    pub(super) fn planner(
        plan: &RunPlan,
        cluster: &Cluster<M>,
        appointments: &[Rc<RefCell<Appointments>>],
        group: u16,
    ) -> Planner {
        let mut rng = StdRng::seed_from_u64(salted(plan.seed.wrapping_add(u64::from(group)), "planner of a run"));
        Planner {
            world: cluster.world().clone(),
            host: HostId(PLANNER_HOSTS + group),
            group,
            route: plan.route(group),
            encoding: draw_encoding(&mut rng),
            appointments: appointments[usize::from(group)].clone(),
            may_lose_old_records: plan.may_lose_old_records(),
            rng,
        }
    }

    pub(super) fn locker(plan: &RunPlan, cluster: &Cluster<M>, group: u16, number: u16) -> Locker {
        let of_all = group * LOCKERS + number;
        let mut rng = StdRng::seed_from_u64(salted(plan.seed.wrapping_add(u64::from(of_all)), "locker of a run"));
        Locker {
            world: cluster.world().clone(),
            host: HostId(LOCKER_HOSTS + of_all),
            group,
            route: plan.route(group),
            number,
            encoding: draw_encoding(&mut rng),
            rng,
        }
    }

    pub(super) fn consumer(
        plan: &RunPlan,
        cluster: &Cluster<M>,
        rng: &mut StdRng,
        group: u16,
        number: u16,
    ) -> Consumer {
        Consumer {
            world: cluster.world().clone(),
            host: client_host(group * (plan.producers + plan.consumers) + plan.producers + number),
            group,
            route: plan.route(group),
            consumer_group: number,
            encoding: draw_encoding(rng),
            rng: StdRng::from_rng(rng),
        }
    }

    fn suffer(&mut self) -> Result<(), Violation> {
        self.cluster.run(self.plan.lasts, || false).map(drop)
    }

    /// Heals everything and waits until each group takes sends again.
    fn recover(&mut self) -> Result<(), Violation> {
        self.cluster.heal();
        let healed = self.cluster.clock().now();
        let oracle = self.cluster.world().oracle.clone();
        let groups = self.plan.groups;
        let all_live = move || {
            let oracle = oracle.borrow();
            (0..groups).all(|group| oracle.sends.acknowledged_since(group, healed))
        };
        if !self.cluster.run(LIVE_WITHIN, all_live)? {
            let (views, pair) = (self.views(), self.pair.as_ref().map(|pair| pair.borrow().describe()));
            return Err(Violation(format!(
                "{LIVE_WITHIN:?} after everything was healed a group still takes no sends: {views:#?} {pair:?}"
            )));
        }
        self.recovery = self.cluster.clock().now() - healed;
        // Consumers see the end of it too.
        self.cluster.run(QUIET, || false)?;
        self.cluster.world().is_stopping.set(true);
        let clients = std::mem::take(&mut self.clients);
        if !self.cluster.run(CLIENTS_END_WITHIN, || clients.iter().all(Task::is_done))? {
            return Err(Violation(format!("a client did not end within {CLIENTS_END_WITHIN:?}")));
        }
        self.cluster.run(QUIET, || false).map(drop)
    }

    fn workload(&self) -> WorkloadCounts {
        let mut counts = WorkloadCounts::default();
        self.payments.iter().for_each(|payments| counts.add_payments(payments.borrow().counts()));
        self.appointments.iter().for_each(|appointments| counts.add_appointments(appointments.borrow().counts()));
        self.parcels.iter().for_each(|parcels| counts.add_parcels(parcels.borrow().counts()));
        counts.add_locks(&self.cluster.world().oracle.borrow().locks);
        counts
    }

    fn crash_all(&mut self, crash: Crash) -> Result<(), Violation> {
        let now = self.cluster.clock().now();
        for node in 0..usize::from(self.plan.machines()) {
            self.cluster.plan(now, ClusterFault::Crash { node, crash, down: Duration::from_millis(100) });
        }
        self.cluster.run(Duration::from_millis(200), || false).map(drop)
    }

    /// Numbers of the machines that are members, by the account of their leader.
    pub(super) fn member_machines(&self) -> Vec<usize> {
        let views = only_members(self.views().into_iter().flatten().collect());
        if self.plan.replicas == 1 || views.is_empty() {
            return (0..usize::from(self.plan.replicas)).collect();
        }
        views.iter().map(|view| view.node as usize - 1).collect()
    }

    pub(super) fn views(&self) -> Vec<Option<ReplicaView>> {
        let view = |number: u16| {
            let process = self.cluster.node(usize::from(number)).process()?;
            process.shard().replica_view()
        };
        (0..self.plan.machines()).map(view).collect()
    }
}

/// Those that are members by the account of who leads; none if nobody does, or a change of them is under way, which would go on
/// by itself.
pub(super) fn only_members(views: Vec<ReplicaView>) -> Vec<ReplicaView> {
    let leader = views.iter().filter(|view| view.serves).max_by_key(|view| view.term);
    let settled = leader.filter(|leader| leader.members == leader.voters && leader.voters_before == 0);
    let Some(members) = settled.map(|leader| leader.members) else { return Vec::new() };
    views.into_iter().filter(|view| members >> (view.node - 1) & 1 == 1).collect()
}

fn watch_group<M: Machine>(cluster: &mut Cluster<M>, plan: &RunPlan) -> Rc<RefCell<GroupWatch>> {
    assert_eq!(plan.groups, 1, "all nodes are replicas of each other");
    let id = cluster.node(0).log_id();
    let oracle = cluster.world().oracle.clone();
    let watch = Rc::new(RefCell::new(GroupWatch::new(0, usize::from(plan.replicas), id, oracle)));
    let looking = watch.clone();
    cluster.require_always(Box::new(move |nodes| looking.borrow_mut().look(nodes)));
    watch
}

fn draw_encoding(rng: &mut StdRng) -> HeaderEncoding {
    if rng.random_bool(0.5) { HeaderEncoding::Json } else { HeaderEncoding::RocketMq }
}

fn draw_producer(rng: &mut StdRng) -> ProducerPlan {
    ProducerPlan {
        window: rng.random_range(1..=8),
        pause: Duration::from_millis(rng.random_range(5..80)),
        timeout: Duration::from_millis(rng.random_range(300..3000)),
        encoding: draw_encoding(rng),
    }
}
