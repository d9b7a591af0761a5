//! How a replica is doing, for those who look after it. Nothing here decides anything.

mod append_times;
mod follower_watch;
mod history;
mod transfer_rate;

use std::cell::RefCell;

use protocol::body::{
    FollowerStatus, LogPlace, MemberPlace, MembersStatus, ReplicaHistory, ReplicaRole, ReplicationStatus,
};
use raft_driver::{Group, PeerProgress, StateRole};
use storage::commit_log::LogPosition;

pub(crate) use self::append_times::AppendTimes;
use self::follower_watch::{End, FollowerWatch};
use self::history::History;
pub(crate) use self::transfer_rate::TransferRate;
use super::hand_over::BEHIND_BYTES_MAX;
use super::members::node_name as name;
use super::mend;
use super::replica::{Phase, Replica};
use crate::env::Env;
use crate::shard::Shard;

/// What a replica remembers only to show it.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) history: History,
    followers: RefCell<FollowerWatch>,
    rate: RefCell<TransferRate>,
}

impl Watch {
    pub(crate) fn new(node: u64, term: u64) -> Self {
        Self { history: History::new(node, term), followers: RefCell::default(), rate: RefCell::default() }
    }

    /// A follower asks for the leader's files, its own log ending at `end`.
    pub(super) fn pulled(&self, now_ms: i64, node: u64, end: &LogPosition) {
        self.followers.borrow_mut().pulled(now_ms, node, End { index: end.index, offset: end.position });
    }
}

impl Watch {
    /// Whether a leader has heard of a follower just now.
    pub(super) fn is_active(&self, node: u64, now_ms: i64) -> bool {
        self.followers.borrow().is_active(node, now_ms)
    }
}

impl<E: Env> Shard<E> {
    /// Looks around, at every tick.
    pub(super) fn watch(&self, replica: &Replica) {
        let now_ms = self.env.now_ms();
        let end = self.log_end();
        replica.watch.history.tick(replica.is_ahead_of_commit(), now_ms);
        replica.watch.rate.borrow_mut().note(now_ms, end.offset);
        let group = replica.group.borrow();
        let mut followers = replica.watch.followers.borrow_mut();
        if group.is_leader() {
            let offset_behind =
                |index| if index == end.index { Some(end.offset) } else { offset_behind(&group, index) };
            followers.tick(now_ms, group.role().term, end, &group.progress(), offset_behind);
        } else {
            followers.stand_down();
        }
    }

    /// How this shard's replica is doing; `None` for one that stands alone.
    pub(crate) fn replication_status(&self) -> Option<ReplicationStatus> {
        if let Some(ms) = self.master_slave.get() {
            return self.master_slave_status(ms);
        }
        let replica = self.replica.get()?;
        let group = replica.group.borrow();
        let role = group.role();
        let leader = Some(role.leader).filter(|leader| *leader != 0);
        let (end, applied) = (self.log_end(), replica.applied.get());
        // What a catch-up brought is applied, and so committed, before raft knows.
        let committed = match group.committed() {
            index if index <= applied.index => place(applied.index, Some(applied.position)),
            index => place(index, offset_behind(&group, index)),
        };
        Some(ReplicationStatus {
            role: role_of(replica, &group),
            node: name(replica.node),
            group: self.config.replication.raft().map(|raft| raft.group.clone()).unwrap_or_default(),
            shard: self.identity.index,
            shards: self.config.shards.count,
            members: self.members_status(replica),
            leader: leader.map(name),
            leader_address: leader.and_then(|leader| self.address_of(replica, leader)),
            leader_heard_ms: replica.watch.history.heard_ms(),
            term: role.term,
            committed,
            applied: place(applied.index, Some(applied.position)),
            end: place(end.index, Some(end.offset)),
            is_trusted: group.is_trusted(),
            is_catching_up: replica.catching_up.get().is_some(),
            bytes_per_second: replica.watch.rate.borrow().bytes_per_second(),
            entries_in_memory: (end.index + 1).saturating_sub(first_known(&group, 1, end)),
            followers: group.progress().iter().map(|follower| self.follower(replica, &group, follower)).collect(),
            history: {
                let (mended, unmended) = mend::counts(&replica.mendings.borrow());
                ReplicaHistory { mended, unmended, ..replica.watch.history.counts() }
            },
        })
    }

    /// What the leader knows of one follower.
    pub(super) fn follower_of(&self, replica: &Replica, node: u64) -> Option<FollowerStatus> {
        let group = replica.group.borrow();
        let progress = group.progress().into_iter().find(|follower| follower.id == node)?;
        Some(self.follower(replica, &group, &progress))
    }

    /// Whether a follower is there and has the log but for what is on its way.
    pub(super) fn has_almost_all(&self, replica: &Replica, node: u64) -> bool {
        let near = |follower: FollowerStatus| {
            let is_near = follower.lag.is_some_and(|lag| lag.bytes.known() <= BEHIND_BYTES_MAX);
            follower.is_active && !follower.is_catching_up && is_near
        };
        self.follower_of(replica, node).is_some_and(near)
    }

    fn members_status(&self, replica: &Replica) -> MembersStatus {
        let members = replica.members.borrow();
        let place = |id: &u64| MemberPlace {
            node: name(*id),
            address: members.notes.addresses.get(id).map(ToString::to_string),
        };
        let places = |ids: &[u64]| {
            let mut ids = ids.to_vec();
            ids.sort_unstable();
            ids.iter().map(place).collect()
        };
        MembersStatus {
            index: members.index,
            voters: places(&members.roles.voters),
            learners: places(&members.roles.learners),
            voters_before: places(&members.roles.voters_outgoing),
            change: self.member_change(replica),
        }
    }

    fn follower(&self, replica: &Replica, group: &Group, follower: &PeerProgress) -> FollowerStatus {
        let (now_ms, end, watch) = (self.env.now_ms(), self.log_end(), replica.watch.followers.borrow());
        let has = watch.has(follower);
        let first_known = |index| {
            let first = group.entry(first_known(group, index, end));
            first.map_or(end.offset, |entry| entry.position)
        };
        FollowerStatus {
            node: name(follower.id),
            address: self.address_of(replica, follower.id),
            has,
            lag: has.map(|has| watch.lag(now_ms, end, has, || first_known(has.index + 1))),
            bytes_per_second: watch.bytes_per_second(follower.id),
            is_active: watch.is_active(follower.id, now_ms),
            is_catching_up: watch.is_catching_up(follower),
            is_learner: follower.is_learner,
        }
    }

    fn address_of(&self, replica: &Replica, node: u64) -> Option<String> {
        if node == replica.node {
            return Some(self.identity.advertised_address.clone());
        }
        replica.links.borrow().client_address(node).map(str::to_owned)
    }

    fn log_end(&self) -> End {
        let LogPosition { index, position, .. } = self.store.log().end();
        End { index, offset: position }
    }
}

fn place(index: u64, offset: Option<u64>) -> LogPlace {
    LogPlace { index, offset }
}

fn role_of(replica: &Replica, group: &Group) -> ReplicaRole {
    match (replica.phase(), group.role().role) {
        (phase, _) if phase != Phase::Stopped && replica.is_outside() => ReplicaRole::Outside,
        (Phase::Stopped, _) => ReplicaRole::Stopped,
        (Phase::TakesBack, _) => ReplicaRole::TakesBack,
        (Phase::HandsOver, _) => ReplicaRole::HandsOver,
        (Phase::Leads, _) => ReplicaRole::Leader,
        (Phase::Follows, StateRole::Leader) => ReplicaRole::Elected,
        (Phase::Follows | Phase::Installs, _) if replica.leader().is_some() => ReplicaRole::Follower,
        (Phase::Follows | Phase::Installs, _) => ReplicaRole::NoLeader,
    }
}

/// Physical offset behind an entry that raft remembers.
fn offset_behind(group: &Group, index: u64) -> Option<u64> {
    group.entry(index).map(|entry| entry.position + u64::from(entry.bytes))
}

/// The first entry from `index` on that raft remembers; it remembers all that follow that one. One behind the end if it
/// remembers none.
fn first_known(group: &Group, index: u64, end: End) -> u64 {
    let (mut low, mut high) = (index, end.index + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        if group.entry(middle).is_some() { high = middle } else { low = middle + 1 }
    }
    low
}
