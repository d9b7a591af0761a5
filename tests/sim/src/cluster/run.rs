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

use super::cluster::Cluster;
use super::cluster_summary::ClusterSummary;
use super::consumer::Consumer;
use super::fault_plan::{ClusterFault, Targets};
use super::frame_meddler::FrameMeddler;
use super::group_watch::GroupWatch;
use super::meddler::Meddler;
use super::network::HostId;
use super::node::{Node, NodeParts, StoreSettings};
use super::operator::{Operator, Wish};
use super::payer::{Payer, Payments};
use super::place::Place;
use super::producer::{Producer, ProducerPlan, Route};
use crate::Violation;
use crate::machine::{Honest, Machine};
use crate::plan::Crash;

/// Everything must be well this long after nothing goes wrong any more.
const LIVE_WITHIN: Duration = Duration::from_secs(20);
/// Clients come to an end within this.
const CLIENTS_END_WITHIN: Duration = Duration::from_secs(10);
/// What clients sent last has been done, or lost, after this.
const QUIET: Duration = Duration::from_secs(3);
/// How often it is looked whether all is well.
const LOOK: Duration = Duration::from_millis(20);
/// First host of clients; brokers are before.
const CLIENT_HOSTS: u16 = 1000;
/// First of those that pay: others keep theirs.
const PAYER_HOSTS: u16 = 2000;

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
    /// How they store.
    pub settings: StoreSettings,
    /// Producers of each group.
    pub producers: u16,
    /// Whether each group has a client that sends transactions.
    pub pays: bool,
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
            settings: StoreSettings { log, log_writes: LogWrites::Seen, ring_bytes },
            producers: 2,
            pays: false,
            consumers: 2,
            lasts: Duration::from_secs(5),
            faults: Vec::new(),
            last_crash: None,
            meddler: Meddler::idle(),
            frame_meddler: FrameMeddler::idle(),
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

    fn machines(&self) -> u16 {
        self.groups * self.replicas
    }

    fn targets(&self) -> Targets {
        let clients = self.groups * (self.producers + self.consumers);
        Targets { nodes: (0..self.machines()).map(host).collect(), clients: (0..clients).map(client_host).collect() }
    }

    fn route(&self, group: u16) -> Route {
        (group * self.replicas..(group + 1) * self.replicas).map(host).collect()
    }

    fn place(&self, machine: u16) -> Option<Place> {
        let (group, number) = (machine / self.replicas, machine % self.replicas);
        (self.replicas > 1).then(|| Place { number, hosts: self.route(group), founders: self.founders })
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
        Self { faults, last_crash, pays, ..plan }
    }
}

/// Runs the plan of a seed.
/// # Errors
/// The first thing that was wrong.
pub fn run_seed(seed: u64) -> Result<ClusterSummary, Violation> {
    run_plan(RunPlan::draw(seed), &Honest)
}

/// Runs the plan of a seed for a group of replicas.
/// # Errors
/// The first thing that was wrong.
pub fn run_group_seed(seed: u64) -> Result<ClusterSummary, Violation> {
    run_plan(RunPlan::draw_group(seed), &Honest)
}

/// Runs the plan of a seed for a group whose members change.
/// # Errors
/// The first thing that was wrong.
pub fn run_members_seed(seed: u64) -> Result<ClusterSummary, Violation> {
    run_plan(RunPlan::draw_members(seed), &Honest)
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

/// Runs a plan on machines that do what `hardware` does.
/// # Errors
/// The first thing that was wrong.
pub fn run_plan<M: Machine + Clone>(plan: RunPlan, hardware: &M) -> Result<ClusterSummary, Violation> {
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
    let (entries, leaders) =
        run.watch.map_or((0, 0), |watch| (watch.borrow().committed() as u64, watch.borrow().leaders() as u64));
    let (audited, compared, longest_recovery) = (run.audited, run.compared, run.recovery);
    let member_changes = run.member_changes.get();
    let ran = ClusterSummary { audited, compared, longest_recovery, member_changes, ..run.cluster.summary() };
    Ok(ClusterSummary { entries, leaders, installations, mended, ..ran })
}

struct Run<M: Machine> {
    plan: RunPlan,
    cluster: Cluster<M>,
    clients: Vec<Task<()>>,
    rng: StdRng,
    audited: u64,
    compared: u64,
    recovery: Duration,
    watch: Option<Rc<RefCell<GroupWatch>>>,
    member_changes: Rc<Cell<u64>>,
    /// Machines that were members when all of those had everything.
    members: Vec<usize>,
    /// By group.
    payments: Vec<Rc<RefCell<Payments>>>,
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
                place: plan.place(number),
            };
            cluster.add(Node::new(parts), number / plan.replicas, usize::from(plan.replicas));
        }
        if plan.founders < plan.replicas {
            cluster.changes_members(0);
        }
        let watch = (plan.replicas > 1).then(|| watch_group(&mut cluster, &plan));
        for (at, fault) in &plan.faults {
            cluster.plan(*at, fault.clone());
        }
        let mut clients = Vec::new();
        let payments: Vec<Rc<RefCell<Payments>>> = (0..plan.groups).map(|_| Rc::default()).collect();
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
            member_changes,
            members: Vec::new(),
            payments,
        }
    }

    fn payer(plan: &RunPlan, cluster: &Cluster<M>, payments: &[Rc<RefCell<Payments>>], group: u16) -> Payer {
        let mut rng = StdRng::seed_from_u64(salted(plan.seed.wrapping_add(u64::from(group)), "payer of a run"));
        let loses =
            |fault: &ClusterFault| matches!(fault, ClusterFault::Retain { .. } | ClusterFault::OldBitRot { .. });
        Payer {
            world: cluster.world().clone(),
            host: HostId(PAYER_HOSTS + group),
            group,
            route: plan.route(group),
            encoding: draw_encoding(&mut rng),
            payments: payments[usize::from(group)].clone(),
            may_lose_old_records: plan.faults.iter().any(|(_, fault)| loses(fault)),
            rng,
        }
    }

    fn consumer(plan: &RunPlan, cluster: &Cluster<M>, rng: &mut StdRng, group: u16, number: u16) -> Consumer {
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
            let views = self.views();
            return Err(Violation(format!(
                "{LIVE_WITHIN:?} after everything was healed a group still takes no sends: {views:#?}"
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

    /// Ends what is open, and compares what was meant with what is there.
    fn audit_payments(&mut self, group: u16) -> Result<(), Violation> {
        let mut payer = Self::payer(&self.plan, &self.cluster, &self.payments, group);
        let world = self.cluster.world().clone();
        let task = self.cluster.spawn_client(async move {
            loop {
                let audited = payer.audit().await;
                match world.accept(audited) {
                    Some(None) => world.clock.sleep(Duration::from_millis(100)).await,
                    Some(Some(_)) | None => return,
                }
            }
        });
        if !self.cluster.run(LIVE_WITHIN, || task.is_done())? {
            return Err(Violation(format!(
                "payments of group {group} are not what they were meant to be within {LIVE_WITHIN:?}"
            )));
        }
        Ok(())
    }

    fn crash_all(&mut self, crash: Crash) -> Result<(), Violation> {
        let now = self.cluster.clock().now();
        for node in 0..usize::from(self.plan.machines()) {
            self.cluster.plan(now, ClusterFault::Crash { node, crash, down: Duration::from_millis(100) });
        }
        self.cluster.run(Duration::from_millis(200), || false).map(drop)
    }

    /// Reads all there is, and compares.
    fn audit(&mut self) -> Result<(), Violation> {
        self.wait_for_replicas()?;
        for group in 0..self.plan.groups {
            for number in 0..self.plan.consumers.max(self.plan.replicas) {
                self.audit_as(group, number)?;
            }
            let is_rotten = |fault: &ClusterFault| matches!(fault, ClusterFault::OldBitRot { .. });
            if self.plan.pays && !self.plan.faults.iter().any(|(_, fault)| is_rotten(fault)) {
                self.audit_payments(group)?;
            }
        }
        Ok(())
    }

    /// Numbers of the machines that are members, by the account of their leader.
    fn member_machines(&self) -> Vec<usize> {
        let views = only_members(self.views().into_iter().flatten().collect());
        if self.plan.replicas == 1 || views.is_empty() {
            return (0..usize::from(self.plan.replicas)).collect();
        }
        views.iter().map(|view| view.node as usize - 1).collect()
    }

    fn views(&self) -> Vec<Option<ReplicaView>> {
        let view = |number: u16| {
            let process = self.cluster.node(usize::from(number)).process()?;
            process.shard().replica_view()
        };
        (0..self.plan.machines()).map(view).collect()
    }

    /// Waits until every replica has all that any has.
    fn wait_for_replicas(&mut self) -> Result<(), Violation> {
        if self.plan.replicas == 1 {
            return Ok(());
        }
        let until = self.cluster.clock().now() + LIVE_WITHIN;
        while self.cluster.clock().now() < until {
            let views: Option<Vec<ReplicaView>> = self.views().into_iter().collect();
            let views = views.map(only_members);
            let is_whole = views.is_some_and(|views| {
                let end = views.iter().map(|view| view.end).max_by_key(|end| (end.term, end.index));
                let has_all = |view: &ReplicaView| Some(view.end) == end && view.applied == view.end.index;
                !views.is_empty() && views.iter().all(|view| has_all(view) && view.is_trusted && !view.is_stopped)
            });
            if is_whole && !self.nodes().iter().any(|node| node.is_damaged()) {
                self.members = self.member_machines();
                return self.compare_replicas();
            }
            self.cluster.run(LOOK, || false)?;
        }
        let views = self.views();
        Err(Violation(format!("{LIVE_WITHIN:?} after everything was healed the replicas are not the same: {views:#?}")))
    }

    fn nodes(&self) -> Vec<&Node<M>> {
        (0..self.plan.machines()).map(|number| self.cluster.node(usize::from(number))).collect()
    }

    fn compare_replicas(&mut self) -> Result<(), Violation> {
        let Some(watch) = &self.watch else { return Ok(()) };
        let may_rot = self.plan.faults.iter().any(|(_, fault)| matches!(fault, ClusterFault::OldBitRot { .. }));
        let members: Vec<&Node<M>> =
            self.member_machines().into_iter().map(|number| self.cluster.node(number)).collect();
        self.compared = watch.borrow().compare_logs(&members, may_rot)?;
        Ok(())
    }

    /// As a consumer group, or again as the last of them; from another machine of the broker group each.
    fn audit_as(&mut self, group: u16, number: u16) -> Result<(), Violation> {
        let consumer = number.min(self.plan.consumers - 1);
        let mut auditor = Self::consumer(&self.plan, &self.cluster, &mut self.rng, group, consumer);
        let members = if self.members.is_empty() { self.member_machines() } else { self.members.clone() };
        let machine = members[usize::from(number) % members.len()];
        auditor.route = vec![auditor.route[machine]];
        let (world, messages) = (self.cluster.world().clone(), Rc::<RefCell<Option<u64>>>::default());
        let found = messages.clone();
        let task = self.cluster.spawn_client(async move {
            while found.borrow().is_none() {
                let audited = auditor.audit().await;
                match world.accept(audited) {
                    Some(messages) => *found.borrow_mut() = messages,
                    None => return,
                }
                world.clock.sleep(Duration::from_millis(100)).await;
            }
        });
        if !self.cluster.run(LIVE_WITHIN, || task.is_done())? {
            return Err(Violation(format!("group {group} cannot be read within {LIVE_WITHIN:?}")));
        }
        self.audited += messages.borrow().unwrap_or(0);
        Ok(())
    }
}

/// Those that are members by the account of who leads; none if nobody does, or a change of them is under way, which would go on
/// by itself.
fn only_members(views: Vec<ReplicaView>) -> Vec<ReplicaView> {
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
