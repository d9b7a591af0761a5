//! What clients of a cluster saw, and whether it may be so. It knows no machine: it is told what was sent, answered and
//! read, and which lives of processes may have forgotten what.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::lock_watch::LockWatch;
use super::positions::Positions;
use super::sends::Sends;
use super::sockets::LifeNumber;
use crate::Violation;

/// A broker that reads a message from a file checks the whole entry around it: queue, times, hosts and properties have no
/// other checksum.
const HEADS_ARE_CHECKED: bool = true;

/// Broker groups, from 0.
pub type GroupNumber = u16;

/// A MessageQueue of a broker group; all messages go to one topic.
#[derive(Copy, Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Queue {
    /// Which group.
    pub group: GroupNumber,
    /// Which of the topic's queues there.
    pub queue_id: u32,
}

/// When something was seen, and who had said it.
#[derive(Copy, Clone, Debug)]
pub struct Told {
    /// The life that said it.
    pub by: LifeNumber,
    /// When the question was sent: what others were told later, the answer need not know.
    pub asked: Duration,
    /// When the answer was there.
    pub heard: Duration,
}

/// How far the clocks of a group's machines ever were off, ms.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct ClockSpan {
    /// The most that any was behind, not above 0.
    pub earliest_ms: i64,
    /// The most that any was ahead, not below 0.
    pub latest_ms: i64,
}

/// One life of a process.
#[derive(Copy, Clone, Debug)]
struct Life {
    group: GroupNumber,
    /// Its group has replicas: any of them may have said something that others do not know yet, and what is committed
    /// outlives it.
    is_replicated: bool,
    /// What it said may be forgotten.
    is_forgiven: bool,
    /// Its disk fails: what it reads from there may be damaged.
    has_failing_disk: bool,
    /// What is on its disk is not what was written, somewhere.
    has_damaged_disk: bool,
    /// Commits of consumers that it answered by then survive it; `None`: it goes on.
    commits_kept: Option<Duration>,
    /// It answers a send when slaves have the message too.
    waits_for_copies: bool,
}

/// Of a master and its slaves: a promotion takes back what was not copied, so it is only the word of the present master that
/// counts, and what it has answered when slaves had it.
#[derive(Debug, Default)]
struct Pair {
    /// Who is the master, and since when.
    master: Option<(LifeNumber, Duration)>,
    /// What these lives said of copies may be forgotten.
    forgiven_lives: LifeNumber,
}

/// All lives so far.
#[derive(Default)]
pub(super) struct Lives(Vec<Life>, BTreeMap<GroupNumber, Pair>);

impl Lives {
    fn life(&self, number: LifeNumber) -> Option<&Life> {
        self.0.get((number as usize).checked_sub(1)?)
    }

    fn pair_of(&self, number: LifeNumber) -> Option<&Pair> {
        self.1.get(&self.life(number)?.group)
    }

    /// Whether this was said by somebody whose word counts when it was asked for, and when it was heard.
    pub(super) fn counts(&self, told: &Told) -> bool {
        let Some(pair) = self.pair_of(told.by) else { return true };
        pair.master.is_some_and(|(master, since)| master == told.by && told.asked >= since)
    }

    /// Whether an answer that all is well says that slaves have it too.
    pub(super) fn promises_copies(&self, told: &Told) -> bool {
        let waits = self.life(told.by).is_some_and(|life| life.waits_for_copies);
        waits && self.pair_of(told.by).is_some_and(|pair| told.by > pair.forgiven_lives)
    }

    /// Whether what it said may be forgotten.
    pub(super) fn is_forgiven(&self, number: LifeNumber) -> bool {
        self.life(number).is_some_and(|life| life.is_forgiven)
    }

    /// Whether it may know less than what was heard from others.
    pub(super) fn may_lag(&self, number: LifeNumber) -> bool {
        self.life(number).is_some_and(|life| life.is_replicated)
    }

    /// Whether what it reads from its disk may be damaged. A broker checks what it reads, but not yet what lies beside
    /// that and came with it.
    pub(super) fn may_read_damage(&self, number: LifeNumber) -> bool {
        self.life(number).is_some_and(|life| life.has_failing_disk)
    }

    /// Whether a commit that `by` answered at `heard` is known to the life `later`.
    pub(super) fn keeps_commit(&self, by: LifeNumber, heard: Duration, later: LifeNumber) -> bool {
        let Some(life) = self.life(by) else { return false };
        if self.1.contains_key(&life.group) {
            return by == later;
        }
        if life.is_replicated {
            // It was answered when a majority had it.
            return !life.is_forgiven;
        }
        by == later || life.commits_kept.is_some_and(|until| heard <= until)
    }
}

/// See the module's text.
#[derive(Default)]
pub struct Oracle {
    lives: Lives,
    /// What was sent and what became of it.
    pub(super) sends: Sends,
    /// Where consumers said they are.
    pub(super) positions: Positions,
    replicated: BTreeSet<GroupNumber>,
    forgiven: BTreeMap<GroupNumber, u64>,
    clocks: BTreeMap<GroupNumber, ClockSpan>,
    /// Terms that replicas lead, by the life that does.
    leads: BTreeMap<LifeNumber, u64>,
    /// Who was told to hold which queue.
    pub(super) locks: LockWatch,
    violation: Option<Violation>,
}

impl Oracle {
    /// A process of the group begins; returns its number.
    pub fn life_began(&mut self, group: GroupNumber) -> LifeNumber {
        let is_replicated = self.replicated.contains(&group);
        let life = Life {
            group,
            is_replicated,
            is_forgiven: false,
            has_failing_disk: false,
            has_damaged_disk: false,
            commits_kept: None,
            waits_for_copies: false,
        };
        self.lives.0.push(life);
        self.lives.0.len() as LifeNumber
    }

    /// A process has ended. Commits of consumers that it answered up to `commits_kept` must survive it.
    pub fn life_ended(&mut self, number: LifeNumber, commits_kept: Duration) {
        if let Some(life) = self.lives.0.get_mut(number as usize - 1) {
            life.commits_kept = Some(commits_kept);
        }
    }

    /// The disk under a process begins to fail.
    pub fn disk_fails(&mut self, number: LifeNumber) {
        if let Some(life) = (number as usize).checked_sub(1).and_then(|at| self.lives.0.get_mut(at)) {
            life.has_failing_disk = true;
        }
    }

    /// The disk under a process does not hold what was written.
    pub fn disk_is_damaged(&mut self, number: LifeNumber) {
        if let Some(life) = (number as usize).checked_sub(1).and_then(|at| self.lives.0.get_mut(at)) {
            life.has_damaged_disk = true;
        }
    }

    /// Whether a life may answer messages whose body is right and what stands around it is not.
    pub(super) fn may_read_around_damage(&self, number: LifeNumber) -> bool {
        !HEADS_ARE_CHECKED && self.lives.life(number).is_some_and(|life| life.has_damaged_disk)
    }

    /// Whether a life may answer damaged messages.
    pub(super) fn may_read_damage(&self, number: LifeNumber) -> bool {
        self.lives.may_read_damage(number)
    }

    /// From now on the group may have lost the end of its log, of all that its lives so far said: it was set to promise
    /// no more.
    pub fn forgive(&mut self, group: GroupNumber) {
        if self.lives.1.contains_key(&group) {
            return self.promoted(group, 0, false);
        }
        *self.forgiven.entry(group).or_default() += 1;
        for life in self.lives.0.iter_mut().filter(|life| life.group == group) {
            life.is_forgiven = true;
            life.commits_kept = Some(Duration::ZERO);
        }
    }

    /// A group is a master and its slaves.
    pub fn is_pair(&mut self, group: GroupNumber) {
        self.lives.1.insert(group, Pair::default());
    }

    /// A life is master, and answers sends when slaves have it too, or does not wait for that.
    pub fn waits_for_copies(&mut self, number: LifeNumber, waits: bool) {
        if let Some(life) = (number as usize).checked_sub(1).and_then(|at| self.lives.0.get_mut(at)) {
            life.waits_for_copies = waits;
        }
    }

    /// Who is the master from now on, if it is not so already.
    pub fn master_is(&mut self, group: GroupNumber, life: Option<LifeNumber>, now: Duration) {
        if let Some(pair) = self.lives.1.get_mut(&group)
            && pair.master.map(|(master, _)| master) != life
        {
            pair.master = life.map(|life| (life, now));
        }
    }

    /// A slave is the master now, whose log is that of the one before up to `shared`: what lies behind is gone, but, if it
    /// `keeps_copies`, for what was acknowledged when slaves had it too.
    pub fn promoted(&mut self, group: GroupNumber, shared: u64, keeps_copies: bool) {
        *self.forgiven.entry(group).or_default() += 1;
        let lives = self.lives.0.len() as LifeNumber;
        if let Some(pair) = self.lives.1.get_mut(&group) {
            pair.master = None;
            if !keeps_copies {
                pair.forgiven_lives = lives;
            }
        }
        self.sends.forget(group, shared, keeps_copies);
        self.positions.forget(group);
    }

    /// Whether what was told counts: see [`Lives::counts`].
    pub(super) fn counts(&self, told: &Told) -> bool {
        self.lives.counts(told)
    }

    /// How often that was said of a group.
    pub fn times_forgiven(&self, group: GroupNumber) -> u64 {
        self.forgiven.get(&group).copied().unwrap_or_default()
    }

    /// Whether what a life said may be forgotten.
    pub(super) fn is_forgiven(&self, number: LifeNumber) -> bool {
        self.lives.is_forgiven(number)
    }

    /// A machine's clock is set, and ahead by so much from now on, ms.
    pub(super) fn clock_is_set(&mut self, group: GroupNumber, ahead_ms: i64) {
        let span = self.clocks.entry(group).or_default();
        *span = ClockSpan { earliest_ms: span.earliest_ms.min(ahead_ms), latest_ms: span.latest_ms.max(ahead_ms) };
    }

    /// How far the clocks of a group ever were off.
    pub(super) fn clocks(&self, group: GroupNumber) -> ClockSpan {
        self.clocks.get(&group).copied().unwrap_or_default()
    }

    /// A life of a replica leads this term, or none.
    pub(super) fn leads(&mut self, number: LifeNumber, term: Option<u64>) {
        match term {
            Some(term) => self.leads.insert(number, term),
            None => self.leads.remove(&number),
        };
    }

    /// Since when a life alone answers for its group: the term that it leads, 0 for one that stands alone.
    pub(super) fn lead_of(&self, number: LifeNumber) -> Option<u64> {
        if self.lives.may_lag(number) { self.leads.get(&number).copied() } else { Some(0) }
    }

    /// A group has replicas.
    pub fn is_replicated(&mut self, group: GroupNumber) {
        self.replicated.insert(group);
    }

    /// See [`Sends::settle`].
    pub(super) fn settle(&mut self, queue: Queue, first: u64, end: u64) -> Result<u64, Violation> {
        let is_replicated = self.replicated.contains(&queue.group);
        let is_pair = self.lives.1.contains_key(&queue.group);
        self.sends.settle(queue, first, end, !is_replicated, is_pair)
    }

    /// The first thing that was wrong.
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Keeps the first violation.
    pub fn note(&mut self, result: Result<(), Violation>) {
        if let Err(violation) = result {
            self.violation.get_or_insert(violation);
        }
    }

    /// Runs a check with all lives known.
    pub(super) fn check(&mut self, check: impl FnOnce(&mut Sends, &mut Positions, &Lives) -> Result<(), Violation>) {
        let result = check(&mut self.sends, &mut self.positions, &self.lives);
        self.note(result);
    }
}
