//! One run: a cluster and its clients, a time in which things go wrong, a time in which everything must become well, and
//! a last look at all there is.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use broker::replication::ReplicaView;
use rand::SeedableRng;
use rand::rngs::StdRng;
use storage::file::sim::{Task, salted};

use super::clients::Ledgers;
use super::cluster::Cluster;
use super::cluster_summary::ClusterSummary;
use super::fault_plan::ClusterFault;
use super::group_watch::GroupWatch;
use super::node::{Node, NodeParts};
use super::pair_watch::PairWatch;
use super::run_plan::{RunPlan, host};
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
    let led_by_first = views.iter().filter(|view| view.is_leader && view.node == 1).count() as u64;
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
    Ok(ClusterSummary { workload, entries, leaders, led_by_first, installations, mended, ..ran })
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
    pub(super) member_changes: Rc<Cell<u64>>,
    /// Machines that were members when all of those had everything.
    pub(super) members: Vec<usize>,
    pub(super) pair: Option<Rc<RefCell<PairWatch>>>,
    /// By group.
    pub(super) ledgers: Vec<Ledgers>,
}

impl<M: Machine + Clone> Run<M> {
    fn new(plan: RunPlan, hardware: &M) -> Self {
        let rng = StdRng::seed_from_u64(salted(plan.seed, "clients of a run"));
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
        let ledgers = (0..plan.groups).map(|_| Ledgers::new(&plan)).collect();
        let mut run = Self {
            plan,
            cluster,
            clients: Vec::new(),
            rng,
            audited: 0,
            compared: 0,
            recovery: Duration::ZERO,
            watch,
            member_changes: Rc::default(),
            members: Vec::new(),
            pair,
            ledgers,
        };
        run.spawn_clients();
        run
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
        for Ledgers { payments, appointments, parcels } in &self.ledgers {
            counts.add_payments(payments.borrow().counts());
            counts.add_appointments(appointments.borrow().counts());
            counts.add_parcels(parcels.borrow().counts());
        }
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
