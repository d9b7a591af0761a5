//! What goes wrong in a run, and when.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use storage::file::sim::{CallKind, Fault, Faults};

use super::message_faults::MessageChances;
use super::network::HostId;
use crate::plan::Crash;

/// Something that goes wrong. Nodes are numbered from 0.
#[derive(Clone, Debug)]
pub enum ClusterFault {
    /// A process dies, or its machine.
    Crash {
        /// Whose.
        node: usize,
        /// How.
        crash: Crash,
        /// Until a new process begins.
        down: Duration,
    },
    /// A machine loses its power, and its disk is replaced by an empty one. Only for machines whose group has others; left
    /// out where those could not make up for it.
    LoseDisk {
        /// Whose.
        node: usize,
        /// Until a new process begins.
        down: Duration,
    },
    /// An operator makes a slave the master.
    Promote {
        /// Whom.
        node: usize,
        /// Though its master is there, or it lacks much.
        is_forced: bool,
    },
    /// The same in the middle of a disk call.
    CrashInCall {
        /// Whose.
        node: usize,
        /// How.
        crash: Crash,
        /// In which call from now on.
        nth: u64,
        /// Until a new process begins.
        down: Duration,
    },
    /// A process dies in the middle of a write to its ring.
    CrashInRing {
        /// Whose.
        node: usize,
        /// In which write from now on.
        nth: u64,
        /// Until a new process begins.
        down: Duration,
    },
    /// A process is told to end: it makes a checkpoint first.
    Stop {
        /// Which.
        node: usize,
        /// Until a new process begins.
        down: Duration,
    },
    /// Nothing runs on a machine; what arrives waits, and its clock goes on.
    Pause {
        /// Which.
        node: usize,
        /// For how long.
        lasts: Duration,
    },
    /// What some hosts send is not heard by others.
    Silence {
        /// Directed links.
        links: Vec<(HostId, HostId)>,
        /// For how long.
        lasts: Duration,
        /// Chance that a connection over such a link breaks.
        breaks: f64,
    },
    /// Connections between two hosts break.
    Break {
        /// One.
        one: HostId,
        /// The other.
        other: HostId,
    },
    /// Everything between two hosts takes longer.
    SlowLink {
        /// One.
        one: HostId,
        /// The other.
        other: HostId,
        /// How many times as long.
        factor: u32,
        /// For how long.
        lasts: Duration,
    },
    /// Every disk call takes longer.
    SlowDisk {
        /// Whose.
        node: usize,
        /// How many times as long.
        factor: u32,
        /// For how long.
        lasts: Duration,
    },
    /// The disk takes little more.
    FullDisk {
        /// Whose.
        node: usize,
        /// Bytes that it still takes.
        room: u64,
        /// Until somebody makes room.
        lasts: Duration,
    },
    /// Disk calls fail by chance; at the end the process is started anew.
    FailingDisk {
        /// Whose.
        node: usize,
        /// Which.
        faults: Box<Faults>,
        /// For how long.
        lasts: Duration,
    },
    /// A machine's clock is set.
    ClockJump {
        /// Whose.
        node: usize,
        /// Milliseconds forward.
        by_ms: i64,
    },
    /// Messages of Raft that a machine receives are lost, come twice, or late.
    LoseMessages {
        /// Whose.
        node: usize,
        /// How often.
        chances: MessageChances,
        /// For how long.
        lasts: Duration,
    },
    /// A write to the log lands where another one was. Only for machines whose group has others; left out where those
    /// could not make up for it.
    MisdirectWrite {
        /// Whose.
        node: usize,
    },
    /// Bits of what a machine has on its disk flip. In a group of replicas left out where the others could not make up for
    /// it.
    BitRot {
        /// Whose.
        node: usize,
        /// How many.
        bits: u32,
    },
    /// Bits of the oldest segment of a log, which is committed everywhere, change by themselves.
    OldBitRot {
        /// Whose.
        node: usize,
        /// How many.
        bits: u32,
    },
    /// A process makes two checkpoints and removes all segments that nothing needs any more.
    Retain {
        /// Whose.
        node: usize,
    },
    /// A process makes a checkpoint: no fault, but a moment for others.
    Checkpoint {
        /// Whose.
        node: usize,
    },
}

fn seconds(rng: &mut StdRng, from: f64, to: f64) -> Duration {
    Duration::from_secs_f64(rng.random_range(from..to))
}

fn draw_crash(rng: &mut StdRng) -> Crash {
    if rng.random_bool(0.5) { Crash::Kill } else { Crash::PowerLoss }
}

/// Who can be struck.
#[derive(Clone, Debug)]
pub struct Targets {
    /// Brokers' machines, in the order of their numbers.
    pub nodes: Vec<HostId>,
    /// Clients' machines.
    pub clients: Vec<HostId>,
}

impl Targets {
    fn any_host(&self, rng: &mut StdRng) -> HostId {
        let all = self.nodes.len() + self.clients.len();
        let at = rng.random_range(0..all);
        self.nodes.iter().chain(&self.clients).nth(at).copied().unwrap_or(self.nodes[0])
    }

    fn all(&self) -> impl Iterator<Item = HostId> + Clone {
        self.nodes.iter().chain(&self.clients).copied()
    }

    /// Directed links that are not heard: between two halves, in one direction or in both, or around one host that both
    /// halves hear.
    fn draw_partition(&self, rng: &mut StdRng) -> Vec<(HostId, HostId)> {
        let bridge = rng.random_bool(0.2).then(|| self.any_host(rng));
        let one_way = rng.random_bool(0.4);
        let halves: Vec<(HostId, bool)> = self.all().map(|host| (host, rng.random_bool(0.5))).collect();
        let mut links = Vec::new();
        for (from, from_half) in &halves {
            for (to, to_half) in &halves {
                let is_cut = if one_way { *from_half && !*to_half } else { from_half != to_half };
                if is_cut && bridge != Some(*from) && bridge != Some(*to) {
                    links.push((*from, *to));
                }
            }
        }
        links
    }

    /// Some nodes apart from all others; clients hear everybody.
    fn draw_split(&self, rng: &mut StdRng) -> Vec<(HostId, HostId)> {
        let apart: Vec<bool> = self.nodes.iter().map(|_| rng.random_bool(0.4)).collect();
        let one_way = rng.random_bool(0.3);
        let pairs = |from: usize| (0..self.nodes.len()).map(move |to| (from, to));
        let is_cut =
            |(from, to): &(usize, usize)| apart[*from] && !apart[*to] || !one_way && apart[*to] && !apart[*from];
        // Somebody whom both sides hear.
        let bridge = rng.random_bool(0.2).then(|| rng.random_range(0..self.nodes.len()));
        let is_bridged = |(from, to): &(usize, usize)| bridge == Some(*from) || bridge == Some(*to);
        let cut = (0..self.nodes.len()).flat_map(pairs).filter(|pair| is_cut(pair) && !is_bridged(pair));
        cut.map(|(from, to)| (self.nodes[from], self.nodes[to])).collect()
    }

    /// Draws one fault for a group of replicas.
    pub fn draw_group(&self, rng: &mut StdRng) -> ClusterFault {
        let node = rng.random_range(0..self.nodes.len());
        match rng.random_range(0..14) {
            0 => ClusterFault::LoseDisk { node, down: seconds(rng, 0.02, 3.0) },
            3 => ClusterFault::BitRot { node, bits: 1 << rng.random_range(0..6) },
            4 => ClusterFault::MisdirectWrite { node },
            5 => ClusterFault::LoseMessages { node, chances: draw_chances(rng), lasts: seconds(rng, 0.2, 5.0) },
            // Changes of members have their place here.
            1 | 2 => ClusterFault::Silence {
                links: self.draw_split(rng),
                lasts: seconds(rng, 0.2, 5.0),
                breaks: [0.0, 0.5, 1.0][rng.random_range(0..3)],
            },
            _ => self.draw(rng),
        }
    }

    /// Draws one fault for a master and its slaves.
    pub fn draw_pair(&self, rng: &mut StdRng) -> ClusterFault {
        let node = rng.random_range(0..self.nodes.len());
        match rng.random_range(0..14) {
            0 => ClusterFault::LoseDisk { node, down: seconds(rng, 0.02, 2.0) },
            1 => ClusterFault::Promote { node, is_forced: true },
            2 | 3 => ClusterFault::Promote { node, is_forced: false },
            4 | 5 => ClusterFault::Retain { node },
            6 => ClusterFault::Silence {
                links: self.draw_split(rng),
                lasts: seconds(rng, 0.2, 7.0),
                breaks: [0.0, 0.5, 1.0][rng.random_range(0..3)],
            },
            _ => self.draw(rng),
        }
    }

    /// Draws one fault.
    pub fn draw(&self, rng: &mut StdRng) -> ClusterFault {
        let node = rng.random_range(0..self.nodes.len());
        let (one, other) = (self.nodes[node], self.any_host(rng));
        let down = seconds(rng, 0.02, 3.0);
        match rng.random_range(0..22) {
            0..3 => ClusterFault::Crash { node, crash: draw_crash(rng), down },
            3..6 => ClusterFault::CrashInCall { node, crash: draw_crash(rng), nth: rng.random_range(1..60), down },
            6 => ClusterFault::CrashInRing { node, nth: rng.random_range(1..40), down },
            7 => ClusterFault::Stop { node, down },
            8 | 9 => ClusterFault::Pause { node, lasts: seconds(rng, 0.01, 5.0) },
            10..13 => ClusterFault::Silence {
                links: self.draw_partition(rng),
                lasts: seconds(rng, 0.05, 5.0),
                breaks: [0.0, 0.5, 1.0][rng.random_range(0..3)],
            },
            13 => ClusterFault::Break { one, other },
            14 => {
                ClusterFault::SlowLink { one, other, factor: rng.random_range(10..300), lasts: seconds(rng, 0.5, 4.0) }
            }
            15 => ClusterFault::SlowDisk { node, factor: rng.random_range(10..1500), lasts: seconds(rng, 0.2, 4.0) },
            16 => ClusterFault::FullDisk { node, room: rng.random_range(0..400 << 10), lasts: seconds(rng, 0.5, 5.0) },
            17 | 18 => {
                let (faults, lasts) = (Box::new(draw_disk_faults(rng)), seconds(rng, 0.2, 3.0));
                ClusterFault::FailingDisk { node, faults, lasts }
            }
            19 => {
                let by_ms = rng.random_range(1..600_000) * if rng.random_bool(0.5) { 1 } else { -1 };
                // Most clocks that are set are off by little.
                ClusterFault::ClockJump { node, by_ms: if rng.random_bool(0.5) { by_ms } else { by_ms / 300 } }
            }
            _ => ClusterFault::Checkpoint { node },
        }
    }
}

fn draw_chances(rng: &mut StdRng) -> MessageChances {
    let mut chance = || if rng.random_bool(0.6) { rng.random_range(0.01..0.4) } else { 0.0 };
    MessageChances { lost: chance(), twice: chance(), late: chance() }
}

fn draw_disk_faults(rng: &mut StdRng) -> Faults {
    match rng.random_range(0..4) {
        0 => Faults::none().with_all(Fault::Eio, 0.02).with_all(Fault::Enospc, 0.01),
        1 => Faults::none().with(CallKind::Write, Fault::Short, 0.3),
        2 => Faults::none().with(CallKind::Sync, Fault::Eio, 0.5).with(CallKind::PlainSync, Fault::Eio, 0.5),
        _ => {
            let kinds = (0..rng.random_range(1..4)).map(|_| CallKind::ALL[rng.random_range(0..CallKind::COUNT)]);
            kinds.fold(Faults::none(), |faults, kind| faults.with(kind, Fault::Eio, 0.3))
        }
    }
}
