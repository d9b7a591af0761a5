//! What goes wrong in a cluster: how each fault begins, how it ends, and how everything is healed.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use broker::shard_message::ShardMessage;
use futures_lite::future::or;
use storage::commit_log::{self, FlushMode};
use tokio::sync::oneshot;

use super::cluster::Cluster;
use super::damage::Damage;
use super::fault_plan::ClusterFault;
use super::member::{Member, Stopping};
use super::message_faults::MessageChances;
use super::network::{HostId, Reception};
use super::process::Ending;
use super::promise::Promise;
use crate::machine::Machine;
use crate::plan::Crash;

/// A process that ends by itself is started again after this.
pub(super) const RESTART: Duration = Duration::from_secs(1);

/// A process that is told to end waits this long for its clients to find another.
const LEAVES_WITHIN: Duration = Duration::from_secs(3);
/// How often it looks whether it has hung up.
const LOOK: Duration = Duration::from_millis(1);

/// Something to do at a moment.
pub(super) enum Action {
    Begin(ClusterFault),
    End(Undo),
    Start(usize),
    Search(usize),
}

/// How a fault ends.
pub(super) enum Undo {
    Resume(usize),
    Unsilence(Vec<(HostId, HostId)>),
    SpeedUpLink(HostId, HostId),
    SpeedUpDisk(usize),
    MakeRoom(usize),
    MendDisk(usize),
    ReceiveMessages(usize),
}

impl<M: Machine> Cluster<M> {
    pub(super) fn act(&mut self, now: Duration, action: Action) {
        match action {
            Action::Begin(fault) => {
                self.trace(&format!("{fault:?}"));
                self.begin(now, fault);
            }
            Action::End(undo) => self.end(now, undo),
            Action::Start(number) => self.start(number),
            Action::Search(number) => self.search(now, number),
        }
    }

    fn start(&mut self, number: usize) {
        let member = &mut self.members[number];
        if member.node.is_up() {
            return;
        }
        let life = self.world.oracle.borrow_mut().life_began(member.group);
        member.commits_kept = Duration::ZERO;
        if member.is_failing {
            self.world.oracle.borrow_mut().disk_fails(life);
        }
        if member.node.is_damaged() {
            self.world.oracle.borrow_mut().disk_is_damaged(life);
        }
        let disk_is_troubled = member.is_failing || member.is_full;
        member.node.start(life, disk_is_troubled);
        self.network.borrow_mut().set_reception(member.node.host(), Reception::Refuses);
    }

    fn begin(&mut self, now: Duration, fault: ClusterFault) {
        match fault {
            ClusterFault::Crash { node, crash, down } => self.crash(node, crash, down),
            ClusterFault::LoseDisk { node, down } => self.lose_disk(node, down),
            ClusterFault::Promote { node, is_forced } => self.promote(node, is_forced),
            ClusterFault::CrashInCall { node, crash, nth, down } => {
                self.members[node].stop_as = (crash, down);
                self.members[node].node.sim().stop_at(nth);
            }
            ClusterFault::CrashInRing { node, nth, down } => {
                let member = &mut self.members[node];
                if let Some(ring) = member.node.ring().filter(|_| member.node.process().is_some()) {
                    ring.die_in_write(nth, member.node.sim());
                    member.stop_as = (Crash::Kill, down);
                }
            }
            ClusterFault::Stop { node, down } => self.stop(node, down),
            ClusterFault::Checkpoint { node } => {
                if let Some(process) = self.members[node].node.process() {
                    let shard = process.shard().clone();
                    process.spawn(async move { _ = shard.checkpoint().await });
                    self.members[node].node.wake();
                    self.summary.checkpoints += 1;
                }
            }
            ClusterFault::Retain { node } => {
                if let Some(process) = self.members[node].node.process() {
                    let shard = process.shard().clone();
                    process.spawn(async move {
                        // The log is kept back to the last but one.
                        let _ = shard.checkpoint().await && shard.checkpoint().await;
                        // Where the disk fails, they stay.
                        let _ = shard.remove_segments_below(u64::MAX).await;
                    });
                    self.members[node].node.wake();
                }
            }
            ClusterFault::OldBitRot { node, bits } => {
                let sim = self.members[node].node.sim();
                let first = sim.files().into_iter().find(|path| path.starts_with(commit_log::DIRECTORY));
                if let Some(path) = first {
                    let length = sim.content(&path).map_or(0, |content| content.len() as u64);
                    let _ = sim.flip_bits(&path, 0..length.max(1), bits);
                }
            }
            ClusterFault::Pause { node, lasts } => {
                if self.members[node].node.is_up() && !self.members[node].node.is_paused() {
                    self.summary.pauses += 1;
                    self.trouble(node);
                    self.members[node].node.set_paused(true);
                    self.do_at(now + lasts, Action::End(Undo::Resume(node)));
                }
            }
            ClusterFault::Silence { links, lasts, breaks } => {
                self.summary.partitions += u64::from(!links.is_empty());
                for (from, to) in &links {
                    self.network.borrow_mut().silence(*from, *to);
                    self.network.borrow_mut().break_between(*from, *to, breaks);
                }
                self.do_at(now + lasts, Action::End(Undo::Unsilence(links)));
            }
            ClusterFault::Break { one, other } => {
                self.summary.breaks += 1;
                self.network.borrow_mut().break_between(one, other, 1.0);
            }
            ClusterFault::SlowLink { one, other, factor, lasts } => {
                self.summary.slow_links += 1;
                self.network.borrow_mut().slow_down(one, other, factor);
                self.do_at(now + lasts, Action::End(Undo::SpeedUpLink(one, other)));
            }
            ClusterFault::SlowDisk { node, factor, lasts } => {
                self.summary.slow_disks += 1;
                self.trouble(node);
                self.members[node].node.pace().slow_down(factor);
                self.do_at(now + lasts, Action::End(Undo::SpeedUpDisk(node)));
            }
            ClusterFault::FullDisk { node, room, lasts } => {
                self.summary.full_disks += 1;
                self.trouble(node);
                self.members[node].is_full = true;
                self.members[node].node.trouble_disk();
                let sim = self.members[node].node.sim();
                sim.set_capacity(Some(sim.used() + room));
                self.do_at(now + lasts, Action::End(Undo::MakeRoom(node)));
            }
            ClusterFault::FailingDisk { node, faults, lasts } => {
                self.summary.failing_disks += 1;
                self.trouble(node);
                self.members[node].is_failing = true;
                self.members[node].node.trouble_disk();
                self.world.oracle.borrow_mut().disk_fails(self.members[node].node.life());
                self.members[node].node.sim().set_faults(*faults);
                self.do_at(now + lasts, Action::End(Undo::MendDisk(node)));
            }
            ClusterFault::ClockJump { node, by_ms } => {
                self.summary.clock_jumps += 1;
                let member = &mut self.members[node];
                member.note_kept(now);
                member.node.wall_clock().jump(by_ms);
                let (life, ahead_ms) = (member.node.life(), member.node.wall_clock().ahead_ms());
                let mut oracle = self.world.oracle.borrow_mut();
                oracle.clock_is_set(member.group, ahead_ms);
                oracle.locks.clock_jumped(life, now, by_ms);
                // What is done by the clock waits until it shows again what it showed.
                let behind = Duration::from_millis((-by_ms).max(0) as u64);
                member.calm_since = member.calm_since.max(now) + behind;
            }
            ClusterFault::LoseMessages { node, chances, lasts } => {
                self.members[node].node.message_faults().set(chances);
                self.do_at(now + lasts, Action::End(Undo::ReceiveMessages(node)));
            }
            ClusterFault::MisdirectWrite { node } => self.damage(node, Damage::MisdirectedWrite),
            ClusterFault::BitRot { node, bits } if self.is_replica(node) => self.damage(node, Damage::BitRot { bits }),
            ClusterFault::BitRot { node, bits } => {
                let sim = self.members[node].node.sim();
                let segments: Vec<String> =
                    sim.files().into_iter().filter(|path| path.starts_with(commit_log::DIRECTORY)).collect();
                if let Some(path) = segments.last() {
                    let length = sim.content(path).map_or(0, |content| content.len() as u64);
                    // A file that has just gone has nothing to lose.
                    let _ = sim.flip_bits(path, 0..length.max(1), bits);
                }
            }
        }
    }

    fn is_replica(&self, number: usize) -> bool {
        self.promises.get(&self.members[number].group).is_some_and(Promise::is_of_replicas)
    }

    fn stop(&mut self, number: usize, down: Duration) {
        let member = &mut self.members[number];
        let Some(process) = member.node.process().filter(|_| member.stopping.is_none()) else { return };
        self.summary.stops += 1;
        let is_done = Rc::new(Cell::new(None));
        let (shard, done, clock) = (process.shard().clone(), is_done.clone(), self.clock.clone());
        let ending = process.ending();
        let (asked, answered) = oneshot::channel();
        process.spawn(async move {
            shard.receive(ShardMessage::HandOver(asked));
            let handed_over = async { _ = answered.await };
            or(handed_over, clock.sleep(LEAVES_WITHIN)).await;
            ending.set(Ending::HangsUp);
            while ending.get() != Ending::Alone {
                clock.sleep(LOOK).await;
            }
            done.set(Some(shard.leave_in_order().await));
        });
        member.stopping = Some(Stopping { is_done, down });
        member.node.wake();
    }

    fn trouble(&mut self, number: usize) {
        let now = self.clock.now();
        let member = &mut self.members[number];
        member.note_kept(now);
        member.troubles += 1;
    }

    fn trouble_over(&mut self, number: usize) {
        let now = self.clock.now();
        let member = &mut self.members[number];
        member.troubles -= 1;
        member.calm_since = member.calm_since.max(now);
    }

    fn end(&mut self, now: Duration, undo: Undo) {
        match undo {
            Undo::Resume(node) => {
                self.members[node].node.set_paused(false);
                self.trouble_over(node);
            }
            Undo::Unsilence(links) => {
                links.iter().for_each(|(from, to)| self.network.borrow_mut().unsilence(now, *from, *to));
            }
            Undo::ReceiveMessages(node) => self.members[node].node.message_faults().set(MessageChances::default()),
            Undo::SpeedUpLink(one, other) => self.network.borrow_mut().slow_down(one, other, 1),
            Undo::SpeedUpDisk(node) => {
                self.members[node].node.pace().slow_down(1);
                self.trouble_over(node);
            }
            Undo::MakeRoom(node) => {
                self.members[node].is_full = false;
                self.members[node].node.sim().set_capacity(None);
                self.trouble_over(node);
                self.restart_if_stopped(node);
            }
            Undo::MendDisk(node) => {
                self.members[node].is_failing = false;
                self.members[node].node.sim().set_faults(Default::default());
                self.trouble_over(node);
                // A log that has failed takes nothing any more: somebody starts the process anew.
                if self.members[node].node.is_up() {
                    self.crash(node, Crash::Kill, RESTART);
                }
            }
        }
    }

    /// Ends a process or a machine, whatever state it is in; it starts again after `down`.
    pub(super) fn crash(&mut self, number: usize, crash: Crash, down: Duration) {
        let now = self.clock.now();
        self.note_electorates(number);
        let crash = if self.has_to_remember(number) { Crash::Kill } else { crash };
        let member = &mut self.members[number];
        let was_up = member.node.is_up();
        if was_up {
            member.note_kept(now);
            self.world.oracle.borrow_mut().life_ended(member.node.life(), member.commits_kept);
        } else if crash == Crash::Kill {
            return;
        }
        // What a process that was killed before has left in memory goes with the power too.
        let may_forget = crash == Crash::PowerLoss || member.node.has_failed_sync();
        // What a damaged disk has lost, a process knows until it dies.
        if may_forget && member.node.flush_mode() == FlushMode::Async || member.node.is_damaged() {
            self.forget(number);
        }
        let member = &mut self.members[number];
        member.stopping = None;
        member.node.crash(crash);
        let host = member.node.host();
        let mut network = self.network.borrow_mut();
        match crash {
            Crash::Kill => {
                self.summary.kills += 1;
                network.process_died(now, host);
                network.set_reception(host, Reception::Refuses);
            }
            Crash::PowerLoss => {
                self.summary.power_losses += 1;
                network.power_lost(host);
                network.set_reception(host, Reception::Dark);
            }
        }
        drop(network);
        self.trace(&format!("node {number} is down: {crash:?}"));
        self.do_at(now + down, Action::Start(number));
    }

    /// Who votes in its group, where that changes.
    fn note_electorates(&mut self, number: usize) {
        let group = self.members[number].group;
        let Some(promise) = self.promises.get_mut(&group).filter(|promise| promise.is_of_changing_members()) else {
            return;
        };
        self.members.iter_mut().for_each(Member::note_electorates);
        let electorates = self.members.iter().flat_map(|member| member.electorates);
        promise.note_electorates(electorates.filter(|electorate| *electorate != 0).collect());
    }

    /// Whether its power must not go: its group's members change, and too many have forgotten something already.
    fn has_to_remember(&self, number: usize) -> bool {
        let member = &self.members[number];
        let promise = self.promises.get(&member.group).filter(|promise| promise.is_of_changing_members());
        let forgets = member.node.flush_mode() == FlushMode::Async;
        forgets && promise.is_some_and(|promise| !promise.allows_forgetting(number))
    }

    /// A node may have forgotten the end of its log.
    fn forget(&mut self, number: usize) {
        self.members[number].node.forgot();
        let group = self.members[number].group;
        let is_too_much = match &self.pair {
            Some(pair) => pair.borrow_mut().forgets(number),
            None => self.promises.get_mut(&group).is_none_or(|promise| promise.forgets(number)),
        };
        if is_too_much {
            self.trace(&format!("group {group} may have lost what it acknowledged last"));
            self.world.oracle.borrow_mut().forgive(group);
        }
    }

    /// The power goes, and the disk with it.
    fn lose_disk(&mut self, number: usize, down: Duration) {
        let group = self.members[number].group;
        self.note_electorates(number);
        let allows = match &self.pair {
            Some(pair) => pair.borrow().allows_lost_disk(number),
            None => self.promises.get(&group).is_some_and(|promise| promise.allows_lost_disk(number)),
        };
        if !allows {
            return self.trace(&format!("node {number} keeps its disk: too many have forgotten something"));
        }
        self.summary.lost_disks += 1;
        self.empty_disk(number, down);
    }

    pub(super) fn empty_disk(&mut self, number: usize, down: Duration) {
        self.crash(number, Crash::PowerLoss, down);
        self.forget(number);
        self.members[number].node.lose_disk();
        self.members[number].electorates = [0; 2];
        if let Some(promise) = self.promises.get_mut(&self.members[number].group) {
            promise.is_sound(number);
        }
    }

    /// A replica that gave up because of its disk takes part again when somebody starts its process anew.
    pub(super) fn restart_if_stopped(&mut self, number: usize) {
        if self.members[number].node.has_stopped_replica() {
            self.crash(number, Crash::Kill, RESTART);
        }
    }

    /// Ends everything that is wrong. Whatever has failed for good is started anew.
    pub fn heal(&mut self) {
        let now = self.clock.now();
        let actions = std::mem::take(&mut self.actions);
        for ((at, _), action) in actions {
            match action {
                Action::Begin(_) => {}
                Action::End(undo) => self.end(now, undo),
                Action::Start(_) => self.do_at(at.min(now + RESTART), action),
                Action::Search(_) => self.do_at(at, action),
            }
        }
        self.is_healed = true;
        for number in 0..self.members.len() {
            self.restart_if_stopped(number);
            let node = &mut self.members[number].node;
            node.look_again();
            if node.is_damaged() && !node.was_started_since_damage() {
                // It finds at its start what it can find.
                self.crash(number, Crash::Kill, RESTART);
            }
        }
        for number in 0..self.members.len() {
            let group = self.members[number].group;
            let of_group = self.members.iter().filter(|member| member.group == group);
            let ahead_ms = of_group.map(|member| member.node.wall_clock().ahead_max_ms()).max().unwrap_or(0);
            let member = &mut self.members[number];
            member.node.sim().heal();
            // A broker that does things by the clock waits as long as that was set back, or the clock of who led before is ahead.
            let (life, by_ms) = (member.node.life(), ahead_ms - member.node.wall_clock().ahead_ms());
            member.node.wall_clock().catch_up(ahead_ms);
            member.calm_since = member.calm_since.min(now);
            self.world.oracle.borrow_mut().locks.clock_jumped(life, now, by_ms);
        }
        self.trace("healed");
    }
}
