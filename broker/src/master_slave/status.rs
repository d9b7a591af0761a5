//! How master and slaves are doing, in the form that replicas of a group have it in too.

use protocol::body::{
    Extent, FollowerStatus, Lag, LogPlace, MembersStatus, ReplicaHistory, ReplicaRole, ReplicationStatus,
};

use super::slaves::SlaveLink;
use super::{MasterSlave, Part};
use crate::env::Env;
use crate::registration::MASTER_ID;
use crate::shard::Shard;

/// A slave that asks for pieces this far from the end is catching up.
const CATCHING_UP_BYTES: u64 = 16 << 20;

impl<E: Env> Shard<E> {
    /// `None`: a master that has never had a slave.
    pub(crate) fn master_slave_status(&self, ms: &MasterSlave) -> Option<ReplicationStatus> {
        if ms.part() == Part::Serves && ms.state.borrow().slaves.is_empty() && ms.sync.is_none() {
            return None;
        }
        let (log, now_ms) = (self.store.log(), self.uptime_ms());
        let end = log.end();
        let place = LogPlace { index: end.index, offset: Some(end.position) };
        let is_master = matches!(ms.part(), Part::Serves | Part::Asks);
        let master = ms.master.borrow();
        let role = match ms.part() {
            Part::Serves => ReplicaRole::Leader,
            Part::Asks => ReplicaRole::Elected,
            Part::Changes => ReplicaRole::TakesBack,
            Part::Copies if ms.stuck.borrow().is_some() => ReplicaRole::Stopped,
            Part::Copies if master.is_alive(now_ms) => ReplicaRole::Follower,
            Part::Copies => ReplicaRole::NoLeader,
        };
        let is_catching_up =
            master.end_position.is_some_and(|master_end| master_end.saturating_sub(end.position) > CATCHING_UP_BYTES)
                || self.installing.is_under_way();
        let heard_ms = if is_master { Some(now_ms) } else { master.heard_ms };
        let known_master = is_master || master.has_target();
        Some(ReplicationStatus {
            role,
            node: if is_master { MASTER_ID } else { ms.slave_id.get() }.to_string(),
            group: String::new(),
            shard: self.identity.index,
            shards: self.config.shards.count,
            // Of slaves that come as they like there is no list.
            members: MembersStatus::default(),
            leader: known_master.then(|| MASTER_ID.to_string()),
            leader_address: if is_master {
                Some(self.identity.advertised_address.clone())
            } else {
                master.address.clone()
            },
            leader_heard_ms: heard_ms.map(|heard_ms| self.env.now_ms() - (now_ms - heard_ms)),
            term: end.term,
            committed: place,
            applied: place,
            end: place,
            is_trusted: ms.stuck.borrow().is_none() && !ms.state.borrow().lacks_log,
            is_catching_up: !is_master && is_catching_up,
            bytes_per_second: if is_master { 0 } else { master.rate.bytes_per_second() },
            entries_in_memory: 0,
            followers: ms.slaves.borrow().sorted().into_iter().map(|slave| self.slave_status(ms, slave)).collect(),
            history: ReplicaHistory { installations: ms.installations.get(), ..ReplicaHistory::default() },
        })
    }

    fn slave_status(&self, ms: &MasterSlave, slave: &SlaveLink) -> FollowerStatus {
        let (end, now_ms) = (self.store.log().end(), self.uptime_ms());
        let lag = slave.confirmed.map(|confirmed| {
            let entries = end.index.saturating_sub(confirmed.index);
            let ms = match entries {
                0 => Extent::Exactly(0),
                _ => ms.times.borrow().age(confirmed.index + 1, now_ms),
            };
            Lag { entries, bytes: Extent::Exactly(end.position.saturating_sub(confirmed.position)), ms }
        });
        FollowerStatus {
            node: slave.id.to_string(),
            address: Some(slave.address.clone()),
            has: slave.confirmed.map(|confirmed| LogPlace { index: confirmed.index, offset: Some(confirmed.position) }),
            lag,
            bytes_per_second: slave.rate.bytes_per_second(),
            is_active: now_ms - slave.heard_ms < super::master_link::MASTER_SILENCE_MS,
            is_catching_up: lag.is_some_and(|lag| lag.bytes.known() > CATCHING_UP_BYTES),
            is_learner: false,
        }
    }
}
