//! A machine of a broker group: power, disk, clock and shared memory, and the process on it, if one runs.

mod disk;
mod start;

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use broker::config::{BrokerConfig, MachineDefaults, Mode, Sources};
use broker::master_slave::master_search::Search;
use broker::registration::RegistrationReceiver;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use runtime::Dial;
use storage::StorageError;
use storage::commit_log::{FlushMode, LogId, LogOptions};
use storage::file::LogWrites;
use storage::file::sim::{Counts, Executor, RunEnd, SimDisk, SimRing, Task, salted};

use self::start::Opened;
use super::clock::Clock;
use super::frame_meddler::FrameMeddler;
use super::meddler::Meddler;
use super::message_faults::MessageFaults;
use super::network::{Arrival, End, HostId};
use super::pair::Pair;
use super::place::Place;
use super::process::{CLIENT_PORT, Outgoing, Process, address};
use super::process_mischief::ProcessMischief;
use super::sim_env::{SimEnv, WallClock};
use super::sockets::LifeNumber;
use super::timed_disk::{Pace, TimedDisk};
use crate::machine::Machine;
use crate::plan::Crash;

/// Tasks polled in one step at most; then what has arrived gets its turn.
const POLLS_MAX: u32 = 24;
/// Longest time that a step takes a machine.
const STEP_MAX: Duration = Duration::from_micros(150);
/// Offsets that consumers commit are logged this often, ms.
const OFFSETS_EVERY_MS: u32 = 500;

/// The disk that a shard sees.
pub type NodeDisk<M> = TimedDisk<<M as Machine>::Disk>;
/// The world that it runs in.
pub type NodeEnv<M> = SimEnv<NodeDisk<M>>;

/// How a node keeps what it is sent.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// When a send is acknowledged, and more of the log.
    pub log: LogOptions,
    /// How segments are opened.
    pub log_writes: LogWrites,
    /// The ring in shared memory, bytes, if there is one.
    pub ring_bytes: Option<usize>,
}

/// What a node is made of.
pub struct NodeParts<M: Machine> {
    /// Its place in the network.
    pub host: HostId,
    /// Everything not said here is drawn from this.
    pub seed: u64,
    /// The cluster's time.
    pub clock: Clock,
    /// What its disk and ring really do.
    pub hardware: M,
    /// How it stores.
    pub settings: StoreSettings,
    /// What its broker does wrong.
    pub meddler: Meddler,
    /// What replicas tell it wrong.
    pub frame_meddler: FrameMeddler,
    /// What its processes do wrong.
    pub mischief: ProcessMischief,
    /// A half message that producers were asked about so often is given up.
    pub checks_max: u32,
    /// Its place in a group of replicas; `None`: it stands alone.
    pub place: Option<Place>,
    /// Its place among a master and its slaves; `None`: it is neither.
    pub pair: Option<Pair>,
}

enum State<M: Machine> {
    /// No process.
    Down,
    /// A process opens its store.
    Starting { executor: Executor, opened: Task<Result<Opened<M>, StorageError>> },
    /// A process serves.
    Serving(Box<Process<NodeEnv<M>>>),
}

/// What came of a step.
pub(super) enum Stepped {
    /// Nothing was to be done.
    Idle,
    /// Something was done; there may be more.
    Busy,
    /// The process serves clients from now on.
    Started,
    /// The process has ended by itself: its store does not open.
    Ended(StorageError),
    /// The disk has stopped in the middle of a call: the machine is to be crashed.
    Stopped,
}

/// See the module's text.
pub struct Node<M: Machine> {
    parts: NodeParts<M>,
    config: Arc<BrokerConfig>,
    /// The same as master, of one among a master and its slaves.
    master_config: Arc<BrokerConfig>,
    /// What its process says to name servers.
    announcements: Option<RegistrationReceiver>,
    rng: StdRng,
    sim: SimDisk,
    ring: Option<SimRing>,
    pace: Pace,
    wall_clock: WallClock,
    state: State<M>,
    inbox: VecDeque<(End, Arrival)>,
    life: LifeNumber,
    is_paused: bool,
    /// Before this it is busy with what it did last.
    busy_until: Duration,
    may_have_work: bool,
    /// Failed syncs when the process began.
    syncs_failed_before: u64,
    /// What the disks did that it had before.
    lost_counts: Counts,
    /// Something was done to its disk in the present life that a broker may give up for.
    disk_is_troubled: bool,
    /// The life in which its disk was damaged.
    damaged_in: Option<LifeNumber>,
    /// The life in which it was looked at last whether it is so still.
    looked_in: LifeNumber,
    times_forgot: u32,
    message_faults: MessageFaults,
}

fn broker_config(host: HostId, flush: FlushMode, checks_max: u32, replication: &str) -> BrokerConfig {
    static MACHINE: OnceLock<MachineDefaults> = OnceLock::new();
    let machine = MACHINE.get_or_init(|| {
        // What matters of the machine is said here, so that it is the same on each.
        let (host_name, home) = ("broker".to_owned(), Some("/nonexistent".into()));
        MachineDefaults { host_name, home, cpus: vec![0], cpus_usable: 1, ..MachineDefaults::gather() }
    });
    let ip = address(host, 0).ip();
    let flush = if flush == FlushMode::Sync { "SYNC_FLUSH" } else { "ASYNC_FLUSH" };
    let properties = format!(
        "brokerIP1={ip}\nbrokerName=broker\nlistenPort={CLIENT_PORT}\nflushConsumerOffsetInterval={OFFSETS_EVERY_MS}\n\
         storePathRootDir=/nonexistent/{host:?}\nflushDiskType={flush}\n\
         recallMessageEnable=true\n\
         transactionTimeOut=300\ntransactionCheckInterval=400\ntransactionCheckMax={checks_max}\n{replication}"
    );
    let mut sources = Sources::new(Mode::Server, None);
    sources.add_text("simulation", &properties).expect("properties text");
    BrokerConfig::load(&sources, machine.clone()).expect("good settings").0
}

impl<M: Machine> Node<M> {
    /// A machine with power, an empty disk, and no process yet.
    pub fn new(parts: NodeParts<M>) -> Self {
        let seed = parts.seed;
        let sim = SimDisk::new(seed).with_log_writes(parts.settings.log_writes);
        let message_faults = MessageFaults::new(seed);
        let pace = Pace::new(seed, parts.clock.clone());
        let wall_clock = WallClock::new(parts.clock.clone());
        let (host, flush, checks_max) = (parts.host, parts.settings.log.flush, parts.checks_max);
        let configured = |replication: &str| Arc::new(broker_config(host, flush, checks_max, replication));
        let (config, master_config) = match (&parts.place, &parts.pair) {
            (Some(place), _) => (configured(&place.properties()), configured("")),
            (None, Some(pair)) => (configured(&pair.properties(pair.number == 0)), configured(&pair.properties(true))),
            (None, None) => (configured(""), configured("")),
        };
        let rng = StdRng::seed_from_u64(salted(seed, "node"));
        Self {
            parts,
            config,
            master_config,
            announcements: None,
            rng,
            sim,
            ring: None,
            pace,
            wall_clock,
            state: State::Down,
            inbox: VecDeque::new(),
            life: 0,
            is_paused: false,
            busy_until: Duration::ZERO,
            may_have_work: false,
            syncs_failed_before: 0,
            lost_counts: Counts::default(),
            disk_is_troubled: false,
            damaged_in: None,
            looked_in: 0,
            times_forgot: 0,
            message_faults,
        }
    }

    pub(super) fn rng(&mut self) -> &mut StdRng {
        &mut self.rng
    }

    pub(super) fn segment_bytes(&self) -> u64 {
        self.parts.settings.log.segment_bytes
    }

    /// How often it may have forgotten what it had said that it keeps.
    pub fn times_forgot(&self) -> u32 {
        self.times_forgot
    }

    pub(super) fn forgot(&mut self) {
        self.times_forgot += 1;
    }

    /// What is done to the messages that it receives of other replicas.
    pub fn message_faults(&self) -> &MessageFaults {
        &self.message_faults
    }

    /// Whether its replica has given up.
    pub fn has_stopped_replica(&self) -> bool {
        let Some(process) = self.process() else { return false };
        let is_stuck = process.shard().master_slave_view().is_some_and(|view| view.stuck.is_some());
        is_stuck || process.shard().replica_view().is_some_and(|view| view.is_stopped)
    }

    /// What its process wants to know of its master; `None`: nothing, or there is no process.
    pub(super) fn search(&self) -> Option<Search> {
        let announced = self.announcements.as_ref().filter(|_| self.process().is_some())?;
        announced.borrow().search().map(|search| (*search).clone())
    }

    /// Whether it takes for granted that nobody else is the master.
    pub(super) fn asks_nobody(&self) -> bool {
        self.parts.mischief == ProcessMischief::AsksNobody
    }

    /// Among a master and its slaves, the others.
    pub(super) fn others(&self) -> Vec<HostId> {
        let hosts = self.parts.pair.iter().flat_map(|pair| &pair.hosts);
        hosts.copied().filter(|host| *host != self.parts.host).collect()
    }

    /// The id of its log.
    pub fn log_id(&self) -> LogId {
        let first = self.parts.place.as_ref().map_or(self.parts.host, |place| place.hosts[0]);
        LogId(u64::from(first.0) + 1)
    }

    /// Its ring, while a process has one.
    pub fn ring(&self) -> Option<&SimRing> {
        self.ring.as_ref()
    }

    /// Its place in the network.
    pub fn host(&self) -> HostId {
        self.parts.host
    }

    /// How fast its disk is.
    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    /// What its clock shows.
    pub fn wall_clock(&self) -> &WallClock {
        &self.wall_clock
    }

    /// When it acknowledges.
    pub fn flush_mode(&self) -> FlushMode {
        self.parts.settings.log.flush
    }

    /// The process, if it serves.
    pub fn process(&self) -> Option<&Process<NodeEnv<M>>> {
        match &self.state {
            State::Serving(process) => Some(process),
            State::Down | State::Starting { .. } => None,
        }
    }

    /// Whether a process runs, serving or not.
    pub fn is_up(&self) -> bool {
        !matches!(self.state, State::Down)
    }

    /// The present or last life.
    pub fn life(&self) -> LifeNumber {
        self.life
    }

    /// Whether the machine is stopped in its tracks.
    pub fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Stops the process in its tracks, or lets it go on.
    pub fn set_paused(&mut self, paused: bool) {
        self.is_paused = paused;
        self.may_have_work = true;
    }

    /// Something arrived; the process sees it when it runs next.
    pub(super) fn arrive(&mut self, end: End, arrival: Arrival) {
        if self.is_up() {
            self.inbox.push_back((end, arrival));
            self.may_have_work = true;
        }
    }

    /// Some of its tasks may have been woken.
    pub(super) fn wake(&mut self) {
        self.may_have_work = true;
    }

    /// A dial for the process is under way.
    pub(super) fn dials(&mut self, end: End, dial: Dial) {
        if let State::Serving(process) = &mut self.state {
            process.dials(end, dial);
        }
    }

    /// When it can run next, if it may have something to do.
    pub(super) fn next_step(&self) -> Option<Duration> {
        if self.is_paused || !self.is_up() {
            return None;
        }
        let deadline = self.process().and_then(Process::next_deadline);
        let work = self.may_have_work.then_some(self.busy_until);
        work.into_iter().chain(deadline.map(|deadline| deadline.max(self.busy_until))).min()
    }

    /// Lets tasks run a while, then sweeps. `accepted` is told of each client that is let in; `out` gets what is to go
    /// out.
    pub(super) fn step(&mut self, out: &mut Vec<Outgoing>, accepted: impl FnMut(End)) -> Stepped {
        let now = self.parts.clock.now();
        if self.next_step().is_none_or(|due| due > now) {
            return Stepped::Idle;
        }
        let executor = match &self.state {
            State::Down => return Stepped::Idle,
            State::Starting { executor, .. } => executor.clone(),
            State::Serving(process) => process.executor().clone(),
        };
        let (limit, mut polls) = (self.rng.random_range(1..=POLLS_MAX), 0);
        let end = executor.run(|| {
            polls += 1;
            polls > limit
        });
        let stepped = self.sweep_after(end, polls > 1, out, accepted);
        if !matches!(stepped, Stepped::Idle) {
            self.busy_until = now + STEP_MAX.mul_f64(self.rng.random_range(0.01..1.0));
        }
        stepped
    }

    fn sweep_after(
        &mut self,
        end: RunEnd,
        has_polled: bool,
        out: &mut Vec<Outgoing>,
        accepted: impl FnMut(End),
    ) -> Stepped {
        if self.sim.is_stopped() {
            return Stepped::Stopped;
        }
        match &mut self.state {
            State::Down => Stepped::Idle,
            State::Starting { opened, executor } => {
                let Some(opened) = opened.take() else {
                    self.may_have_work = end == RunEnd::Reached;
                    return Stepped::Busy;
                };
                match opened {
                    Ok(opened) => {
                        let executor = executor.clone();
                        self.serve(opened, executor);
                        Stepped::Started
                    }
                    Err(error) => Stepped::Ended(error),
                }
            }
            State::Serving(process) => {
                let is_late = process.next_deadline().is_some_and(|deadline| deadline <= self.parts.clock.now());
                if !has_polled && !is_late && self.inbox.is_empty() {
                    self.may_have_work = false;
                    return Stepped::Idle;
                }
                let swept = process.sweep(self.inbox.drain(..), accepted);
                if self.sim.is_stopped() {
                    // It died in there: what it said last was never heard.
                    return Stepped::Stopped;
                }
                out.extend(swept);
                Stepped::Busy
            }
        }
    }

    /// The process has ended in order: nothing is in the ring that is not in the files.
    pub(super) fn remove_ring(&mut self) {
        self.ring = None;
    }

    /// The process ends, and with [`Crash::PowerLoss`] the machine too.
    pub(super) fn crash(&mut self, crash: Crash) {
        self.mend_hidden_damage();
        if let State::Starting { executor, .. } = &self.state {
            executor.abandon();
        }
        // Its tasks go before its disk does.
        self.state = State::Down;
        self.inbox.clear();
        self.is_paused = false;
        let ring = self.ring.take();
        match crash {
            Crash::Kill => {
                self.sim = self.sim.kill();
                self.ring = ring.map(|ring| ring.kill());
            }
            Crash::PowerLoss => self.sim = self.sim.power_loss(),
        }
    }
}
