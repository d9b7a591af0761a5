//! Replicas, network and time.

use std::collections::BTreeMap;

use raft_driver::StateRole;
use raft_driver::eraftpb::ConfState;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::network::{Envelope, Network};
use crate::oracle::Oracle;
use crate::replica::{Mutation, Replica, Turn};
use crate::summary::Summary;

/// Units of time in a tick.
pub(crate) const TICK: u64 = 10;

enum Event {
    Tick,
    Deliver { to: u64, envelope: Box<Envelope> },
    Persisted { id: u64, starts: u64, index: u64, truncations: u64 },
    WritesDone { id: u64, starts: u64 },
}

pub(crate) struct World {
    pub(crate) now: u64,
    events: BTreeMap<(u64, u64), Event>,
    event_count: u64,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) network: Network,
    pub(crate) oracle: Oracle,
    pub(crate) random: StdRng,
    /// Until when a replica stands still; what is for it waits.
    pub(crate) paused: BTreeMap<u64, u64>,
    is_traced: bool,
    life_count: u64,
    message_count: u64,
    pub(crate) summary: Summary,
}

impl World {
    /// Replicas `1..=count`; the log begins with `voters` as members.
    pub(crate) fn new(seed: u64, count: u64, voters: &[u64], mutation: Mutation) -> Self {
        let replica = |id| Replica::new(id, seed, ConfState::from((voters.to_vec(), vec![])), mutation);
        let mut world = Self {
            now: 0,
            events: BTreeMap::new(),
            event_count: 0,
            replicas: (1..=count).map(replica).collect(),
            network: Network::new(seed),
            oracle: Oracle::default(),
            random: StdRng::seed_from_u64(seed),
            paused: BTreeMap::new(),
            is_traced: std::env::var_os("TRACE").is_some(),
            life_count: 0,
            message_count: 0,
            summary: Summary { seeds: 1, ..Summary::default() },
        };
        (1..=count).for_each(|id| world.start(id));
        world.push(TICK, Event::Tick);
        world
    }

    pub(crate) fn replica(&mut self, id: u64) -> &mut Replica {
        &mut self.replicas[id as usize - 1]
    }

    fn push(&mut self, at: u64, event: Event) {
        self.event_count += 1;
        self.events.insert((at, self.event_count), event);
    }

    /// Starts a process with a life of its own.
    pub(crate) fn start(&mut self, id: u64) {
        self.life_count += 1;
        let life = self.life_count;
        self.trace_start(id, life);
        self.replica(id).start(life);
    }

    fn trace_start(&self, id: u64, life: u64) {
        if self.is_traced {
            eprintln!("{:6} replica {id} starts as life {life}: {}", self.now, self.replicas[id as usize - 1].disk());
        }
    }

    /// Starts a process that connects as the same: what is on its way to it still arrives.
    pub(crate) fn start_again(&mut self, id: u64) {
        let life = self.replica(id).life;
        self.trace_start(id, life);
        self.replica(id).start(life);
    }

    pub(crate) fn crash(&mut self, id: u64) {
        self.paused.remove(&id);
        self.summary.crashes += 1;
        self.replicas[id as usize - 1].crash(&mut self.random);
    }

    /// Plays until `ticks` have passed.
    pub(crate) fn run(&mut self, ticks: u64) {
        let end = self.now + ticks * TICK;
        while let Some(((at, _), event)) = self.events.pop_first() {
            if at > end {
                self.push(at, event);
                break;
            }
            self.now = at;
            self.play(event);
        }
        self.now = end;
    }

    fn play(&mut self, event: Event) {
        match event {
            Event::Tick => {
                self.push(self.now + TICK, Event::Tick);
                let ids: Vec<u64> = (1..=self.replicas.len() as u64).collect();
                for id in &ids {
                    if self.paused_until(*id).is_none() {
                        self.turn(*id, |replica, turn| {
                            replica.report(&ids, turn);
                            replica.tick(turn);
                        });
                    }
                }
            }
            Event::Deliver { to, envelope } => match self.paused_until(to) {
                Some(until) => self.push(until, Event::Deliver { to, envelope }),
                None => self.turn(to, |replica, turn| replica.receive(*envelope, turn)),
            },
            Event::Persisted { id, starts, index, truncations } => {
                if self.replica(id).starts == starts {
                    self.turn(id, |replica, turn| replica.persist_done(index, truncations, turn));
                }
            }
            Event::WritesDone { id, starts } => {
                if self.replica(id).starts == starts {
                    self.turn(id, |replica, turn| replica.writes_done(turn));
                }
            }
        }
    }

    fn paused_until(&self, id: u64) -> Option<u64> {
        self.paused.get(&id).copied().filter(|until| *until > self.now)
    }

    /// Lets a replica do something, and carries out what that leads to.
    pub(crate) fn turn<T>(&mut self, id: u64, act: impl FnOnce(&mut Replica, &mut Turn<'_>) -> T) -> T {
        let mut turn = Turn {
            now: self.now,
            is_traced: self.is_traced,
            oracle: &mut self.oracle,
            random: &mut self.random,
            out: Vec::new(),
            persists: Vec::new(),
            writes_done: None,
        };
        let replica = &mut self.replicas[id as usize - 1];
        let done = act(replica, &mut turn);
        let starts = replica.starts;
        let Turn { out, persists, writes_done, .. } = turn;
        for envelope in out {
            let (from, to) = (envelope.from, envelope.to);
            for delay in self.network.send(from, to) {
                self.push(self.now + delay, Event::Deliver { to, envelope: Box::new(envelope.clone()) });
            }
        }
        for (at, index, truncations) in persists {
            self.push(at, Event::Persisted { id, starts, index, truncations });
        }
        if let Some(at) = writes_done {
            self.push(at, Event::WritesDone { id, starts });
        }
        done
    }

    /// Proposes a message at every replica that takes itself for the leader; the number of the last one.
    pub(crate) fn propose(&mut self) -> Option<u64> {
        let mut last = None;
        for id in 1..=self.replicas.len() as u64 {
            if self.paused_until(id).is_some() {
                continue;
            }
            self.message_count += 1;
            let number = self.message_count;
            let batch = self.random.random_range(1..=3);
            let is_proposed = self.turn(id, |replica, turn| {
                let is_proposed = (0..batch).any(|_| replica.propose(number, turn));
                if is_proposed {
                    replica.turn(turn);
                }
                is_proposed
            });
            last = is_proposed.then_some(number).or(last);
        }
        last
    }

    /// The leader of the highest term that has one. A replica that was removed without hearing of it may be in a higher
    /// term.
    pub(crate) fn leader(&self) -> Option<u64> {
        let roles = self.replicas.iter().filter_map(|replica| Some((replica.id, replica.live.as_ref()?.group.role())));
        let leaders = roles.filter(|(_, role)| role.role == StateRole::Leader);
        leaders.max_by_key(|(_, role)| role.term).map(|(id, _)| id)
    }

    /// Whether an election is under way.
    pub(crate) fn has_candidate(&self) -> bool {
        let roles = self.replicas.iter().filter_map(|replica| Some(replica.live.as_ref()?.group.role().role));
        roles.into_iter().any(|role| role == StateRole::Candidate || role == StateRole::PreCandidate)
    }

    /// The highest term that has a leader, 0 if none has.
    pub(crate) fn leader_term(&self) -> u64 {
        let live = self.leader().and_then(|id| self.replicas[id as usize - 1].live.as_ref());
        live.map_or(0, |live| live.group.role().term)
    }

    /// Replicas that may have forgotten something.
    pub(crate) fn untrusted(&self) -> usize {
        self.replicas.iter().filter(|replica| !replica.remembers()).count()
    }

    /// Whether every one of `members` runs, is trusted, and has applied all that is committed.
    pub(crate) fn has_settled(&self, members: &[u64]) -> bool {
        let committed = self.oracle.committed.len() as u64;
        members.iter().all(|id| {
            let live = self.replicas[*id as usize - 1].live.as_ref();
            live.is_some_and(|live| live.group.is_trusted() && live.group.applied_index() == committed)
        })
    }

    pub(crate) fn finish(mut self) -> Summary {
        self.oracle.check_acknowledged();
        self.summary.elections = self.oracle.elections();
        self.summary.committed = self.oracle.committed.len() as u64;
        self.summary.acknowledged = self.oracle.acknowledged_count;
        self.summary.truncations = self.oracle.truncations;
        self.summary.lost_messages = self.network.lost;
        for replica in &self.replicas {
            self.summary.catch_ups += replica.counts.catch_ups;
            self.summary.cuts += replica.counts.cuts;
            self.summary.void_catch_ups += replica.counts.void_catch_ups;
            self.summary.membership_changes += replica.counts.membership_changes;
            self.summary.votes_withheld += replica.counts.votes_withheld;
        }
        self.summary
    }
}
