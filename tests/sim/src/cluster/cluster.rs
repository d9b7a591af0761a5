//! Machines, network and clients under one clock: what happens next is what is due next.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use broker::master_slave::MasterNews;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use storage::file::sim::{Executor, Task, salted};

use super::action::{Action, RESTART};
use super::client::ClientWorld;
use super::clock::Clock;
use super::cluster_summary::ClusterSummary;
use super::fault_plan::ClusterFault;
use super::member::{Member, Stopping};
use super::network::{Arrival, HostId, Reception, SimNetwork};
use super::node::{Node, Stepped};
use super::oracle::{GroupNumber, Oracle};
use super::pair_watch::PairWatch;
use super::process::{Outgoing, host_of};
use super::promise::Promise;
use super::sockets::{LifeNumber, Sockets};
use crate::Violation;
use crate::machine::Machine;
use crate::plan::Crash;

/// Something that happens over and over in one moment is an error.
const ROUNDS_MAX: u32 = 200_000;

/// Of what arrives, this much is printed for the replay of a seed.
const TRACED_BYTES: usize = 160;

/// A host that there is not.
const NOWHERE: HostId = HostId(u16::MAX);

/// Looks at all nodes after each moment in which something happened.
pub type Invariant<M> = Box<dyn FnMut(&[&Node<M>]) -> Result<(), Violation>>;

/// See the module's text.
pub struct Cluster<M: Machine> {
    pub(super) clock: Clock,
    pub(super) network: Rc<RefCell<SimNetwork>>,
    pub(super) members: Vec<Member<M>>,
    clients: Executor,
    pub(super) world: ClientWorld,
    rng: StdRng,
    pub(super) actions: BTreeMap<(Duration, u64), Action>,
    next_action: u64,
    invariants: Vec<Invariant<M>>,
    /// Of each group.
    pub(super) promises: BTreeMap<GroupNumber, Promise>,
    /// Of the master and slaves, if that is what there is.
    pub(super) pair: Option<Rc<RefCell<PairWatch>>>,
    /// What searches for masters have found: for which node, in which life.
    pub(super) news: Rc<RefCell<Vec<(usize, LifeNumber, MasterNews)>>>,
    pub(super) summary: ClusterSummary,
    pub(super) is_healed: bool,
    trace: bool,
}

impl<M: Machine> Cluster<M> {
    /// No machines yet.
    pub fn new(seed: u64) -> Self {
        let clock = Clock::default();
        let network = Rc::new(RefCell::new(SimNetwork::new(seed)));
        let world = ClientWorld {
            clock: clock.clone(),
            sockets: Sockets::new(network.clone(), clock.clone()),
            oracle: Rc::<RefCell<Oracle>>::default(),
            is_stopping: Rc::default(),
        };
        Self {
            clock,
            network,
            members: Vec::new(),
            clients: Executor::new(salted(seed, "clients")),
            world,
            rng: StdRng::seed_from_u64(salted(seed, "cluster")),
            actions: BTreeMap::new(),
            next_action: 0,
            invariants: Vec::new(),
            promises: BTreeMap::new(),
            pair: None,
            news: Rc::default(),
            summary: ClusterSummary::default(),
            is_healed: false,
            trace: std::env::var_os("TRACE").is_some(),
        }
    }

    /// The cluster's time.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What clients share.
    pub fn world(&self) -> &ClientWorld {
        &self.world
    }

    /// A node, by its number.
    pub fn node(&self, number: usize) -> &Node<M> {
        &self.members[number].node
    }

    /// The network.
    pub fn network(&self) -> &Rc<RefCell<SimNetwork>> {
        &self.network
    }

    /// Adds a machine to a group of so many replicas; its process begins at once.
    pub fn add(&mut self, node: Node<M>, group: GroupNumber, replicas: usize) {
        self.promises.entry(group).or_insert_with(|| Promise::new(replicas));
        if replicas > 1 {
            self.world.oracle.borrow_mut().is_replicated(group);
        }
        self.members.push(Member::new(node, group));
        self.do_at(self.clock.now(), Action::Start(self.members.len() - 1));
    }

    /// The members of a group come and go.
    pub fn changes_members(&mut self, group: GroupNumber) {
        if let Some(promise) = self.promises.get_mut(&group) {
            promise.note_electorates(BTreeSet::new());
        }
    }

    /// Adds something that must hold at every moment.
    pub fn require_always(&mut self, invariant: Invariant<M>) {
        self.invariants.push(invariant);
    }

    /// Runs a client.
    pub fn spawn_client<T: 'static>(&self, client: impl Future<Output = T> + 'static) -> Task<T> {
        self.clients.spawn(client)
    }

    /// Lets something go wrong at a moment.
    pub fn plan(&mut self, at: Duration, fault: ClusterFault) {
        self.do_at(at, Action::Begin(fault));
    }

    /// What happened so far.
    pub fn summary(&self) -> ClusterSummary {
        let mut summary = self.summary.clone();
        summary.runs = 1;
        summary.virtual_time = self.clock.now();
        let oracle = self.world.oracle.borrow();
        (summary.attempts, summary.acknowledged, summary.refused) = oracle.sends.counts();
        (summary.read, summary.forgiven) = (oracle.sends.read, oracle.sends.forgiven);
        (summary.positions, summary.positions_required) = (oracle.positions.compared, oracle.positions.required);
        summary.network = self.network.borrow().counts().clone();
        for member in &self.members {
            summary.disk.add(&member.node.disk_counts());
            summary.messages.add(&member.node.message_faults().counts());
        }
        summary
    }

    /// Goes on until `is_done` says so; false: not within `within`.
    /// # Errors
    /// The first thing that was wrong.
    pub fn run(&mut self, within: Duration, mut is_done: impl FnMut() -> bool) -> Result<bool, Violation> {
        let until = self.clock.now() + within;
        let mut rounds = 0;
        loop {
            while self.run_moment()? {
                rounds += 1;
                if rounds > ROUNDS_MAX {
                    return Err(Violation(format!("at {:?} something happens without end", self.clock.now())));
                }
            }
            if is_done() {
                return Ok(true);
            }
            let next = self.next_due().unwrap_or(until);
            if next > until {
                self.advance(until);
                return Ok(false);
            }
            rounds = 0;
            self.advance(next.max(self.clock.now()));
            if next == until && self.clock.now() >= until {
                return Ok(false);
            }
        }
    }

    fn advance(&mut self, to: Duration) {
        let has_timers = self.clock.next_due().is_some_and(|due| due <= to);
        self.clock.advance(to);
        if has_timers {
            self.members.iter_mut().for_each(|member| member.node.wake());
        }
    }

    fn next_due(&self) -> Option<Duration> {
        let steps = self.members.iter().filter_map(|member| member.node.next_step());
        let action = self.actions.keys().next().map(|(due, _)| *due);
        let others = [self.clock.next_due(), self.network.borrow().next_due(), action];
        steps.chain(others.into_iter().flatten()).min()
    }

    /// Whether something happened.
    fn run_moment(&mut self) -> Result<bool, Violation> {
        let now = self.clock.now();
        let mut happened = self.deliver(now);
        while let Some(entry) = self.actions.first_entry().filter(|entry| entry.key().0 <= now) {
            let action = entry.remove();
            self.act(now, action);
            happened = true;
        }
        self.clients.run(|| false);
        happened |= self.bring_news();
        let first = self.rng.random_range(0..self.members.len().max(1));
        for offset in 0..self.members.len() {
            happened |= self.step((first + offset) % self.members.len())?;
        }
        if happened {
            // First, for a replica whose disk is replaced now has kept until now.
            self.check_invariants()?;
            self.note_trust();
        }
        let violation = self.world.oracle.borrow().violation().cloned();
        match violation {
            Some(violation) => Err(violation),
            None => Ok(happened),
        }
    }

    /// Replicas that have got back what they forgot.
    fn note_trust(&mut self) {
        if !self.promises.values().any(Promise::is_weak) {
            return;
        }
        self.look_after_damaged();
        for (number, member) in self.members.iter().enumerate() {
            let Some(promise) = self.promises.get_mut(&member.group).filter(|promise| promise.is_weak()) else {
                continue;
            };
            let view = member.node.process().and_then(|process| process.shard().replica_view());
            if view.is_some_and(|view| view.is_trusted) {
                promise.remembers(number);
            }
        }
    }

    fn check_invariants(&mut self) -> Result<(), Violation> {
        if self.invariants.is_empty() {
            return Ok(());
        }
        let nodes: Vec<&Node<M>> = self.members.iter().map(|member| &member.node).collect();
        self.invariants.iter_mut().try_for_each(|invariant| invariant(&nodes))
    }

    fn deliver(&mut self, now: Duration) -> bool {
        let mut happened = false;
        loop {
            let arrived = self.network.borrow_mut().take_arrival(now);
            let Some((host, end, arrival)) = arrived else { return happened };
            happened = true;
            if self.trace {
                let what = match &arrival {
                    Arrival::Bytes(bytes) => format!(
                        "{} bytes {}",
                        bytes.len(),
                        String::from_utf8_lossy(&bytes[..bytes.len().min(TRACED_BYTES)]).escape_debug()
                    ),
                    other => format!("{other:?}"),
                };
                eprintln!("{now:?} {host:?} {end:?}: {what}");
            }
            self.summary.note(&(now, host, end, &arrival));
            match self.members.iter_mut().find(|member| member.node.host() == host) {
                Some(member) => member.node.arrive(end, arrival),
                None => self.world.sockets.arrive(end, arrival),
            }
        }
    }

    fn step(&mut self, number: usize) -> Result<bool, Violation> {
        let mut out = Vec::new();
        let member = &mut self.members[number];
        let (sockets, life) = (self.world.sockets.clone(), member.node.life());
        let stepped = member.node.step(&mut out, |end| sockets.served_by(end.other(), life));
        self.send(number, out);
        match stepped {
            Stepped::Idle => Ok(false),
            Stepped::Busy => {
                self.end_if_stopped(number);
                Ok(true)
            }
            Stepped::Started => {
                let now = self.clock.now();
                let member = &mut self.members[number];
                member.calm_since = now;
                self.network.borrow_mut().set_reception(member.node.host(), Reception::Listens);
                self.summary.starts += 1;
                self.trace(&format!("node {number} serves"));
                Ok(true)
            }
            Stepped::Stopped => {
                let (crash, down) = self.members[number].stop_as;
                self.crash(number, crash, down);
                Ok(true)
            }
            Stepped::Ended(error) => {
                let member = &self.members[number];
                self.trace(&format!("node {number} does not start: {error}"));
                if member.node.is_damaged() {
                    self.summary.failed_starts += 1;
                    self.replace_disk(number);
                    return Ok(true);
                }
                if !member.node.disk_is_troubled() && !error.is_disk_full() {
                    return Err(Violation(format!("the store of node {number} does not open: {error}")));
                }
                self.summary.failed_starts += 1;
                self.crash(number, Crash::Kill, RESTART);
                Ok(true)
            }
        }
    }

    fn send(&mut self, number: usize, out: Vec<Outgoing>) {
        let now = self.clock.now();
        let host = self.members[number].node.host();
        let mut network = self.network.borrow_mut();
        for outgoing in out {
            match outgoing {
                Outgoing::Send { end, bytes } => network.send(now, end, &bytes),
                Outgoing::Close { end } => network.close(now, end),
                Outgoing::Dial(dial) => {
                    // Where nobody is, nobody answers.
                    let to = host_of(dial.remote).unwrap_or(NOWHERE);
                    let end = network.dial(now, host, to, dial.remote.port());
                    self.members[number].node.dials(end, dial);
                }
            }
        }
    }

    fn end_if_stopped(&mut self, number: usize) {
        let member = &mut self.members[number];
        let stopped = member.stopping.take_if(|stopping| stopping.is_done.get().is_some());
        if let Some(Stopping { is_done, down }) = stopped {
            if is_done.get() == Some(true) {
                member.node.remove_ring();
            }
            self.crash(number, Crash::Kill, down);
        }
    }

    pub(super) fn do_at(&mut self, at: Duration, action: Action) {
        self.actions.insert((at, self.next_action), action);
        self.next_action += 1;
    }

    pub(super) fn trace(&self, what: &str) {
        if self.trace {
            eprintln!("{:?} {what}", self.clock.now());
        }
    }
}
