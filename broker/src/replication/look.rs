//! What a replica is and has at this moment, for whoever looks at all replicas of a group at once, as tests do.

use raft_driver::StateRole;
use storage::commit_log::LogPosition;

use super::mend;
use super::replica::Phase;
use crate::control_tables::ControlTablesSnapshot;
use crate::env::Env;
use crate::shard::Shard;

/// See the module's text.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct ReplicaView {
    /// Its Raft id.
    pub node: u64,
    /// The term it is in.
    pub term: u64,
    /// Whether it was elected in that term, serving yet or not.
    pub is_leader: bool,
    /// Whether clients may change anything here.
    pub serves: bool,
    /// Whether it takes no part any more, because its disk or its log is not what it should be.
    pub is_stopped: bool,
    /// Whether it votes without reserve.
    pub is_trusted: bool,
    /// Whether it gets what it lacks from the leader's files.
    pub is_catching_up: bool,
    /// Whether it puts a fetched store in the place of its own at this moment.
    pub is_installing: bool,
    /// Physical offset of the first byte of its log that is still there.
    pub first: u64,
    /// Where its log ends.
    pub end: LogPosition,
    /// Physical offset up to which it keeps its log whatever befalls it that its flush mode speaks of.
    pub kept: u64,
    /// Physical offset up to which it knows the log to be committed.
    pub committed: u64,
    /// Index of the last entry that queues and tables reflect for good.
    pub applied: u64,
    /// Catch-ups of this process that needed a checkpoint.
    pub installations: u64,
    /// Places of the log that this process has mended from others.
    pub mended: u64,
    /// Who votes as far as it has applied, a bit for each Raft id, that of id 1 the lowest.
    pub voters: u64,
    /// The same of those whose majority is needed too while voters change.
    pub voters_before: u64,
    /// The same of all members, by the newest that it has heard.
    pub members: u64,
}

/// A bit for each id; ids beyond 64 have none.
fn bits(ids: impl IntoIterator<Item = u64>) -> u64 {
    ids.into_iter().filter(|id| (1..=64).contains(id)).fold(0, |bits, id| bits | 1 << (id - 1))
}

impl<E: Env> Shard<E> {
    /// Looks at this shard's replica; `None` for one that stands alone.
    pub fn replica_view(&self) -> Option<ReplicaView> {
        let replica = self.replica.get()?;
        let group = replica.group.borrow();
        let (role, log) = (group.role(), self.store.log());
        Some(ReplicaView {
            node: replica.node,
            term: role.term,
            is_leader: role.role == StateRole::Leader,
            serves: replica.leads(),
            is_stopped: replica.phase() == Phase::Stopped,
            is_trusted: group.is_trusted(),
            is_catching_up: replica.catching_up.get().is_some(),
            is_installing: replica.phase() == Phase::Installs,
            first: log.first(),
            end: log.end(),
            kept: log.kept(),
            committed: log.acknowledgeable(),
            applied: replica.applied.get().index,
            installations: replica.watch.history.installations(),
            mended: mend::counts(&replica.mendings.borrow()).0,
            voters: bits(group.conf_state().voters.iter().copied()),
            voters_before: bits(group.conf_state().voters_outgoing.iter().copied()),
            members: bits(replica.members.borrow().all_ids()),
        })
    }

    /// What its tables hold now.
    pub fn tables_snapshot(&self) -> ControlTablesSnapshot {
        self.tables.borrow().snapshot()
    }

    /// Physical offset behind the last message of a topic that consumers can read here; 0 for none in memory.
    pub fn readable_end(&self, topic: &str) -> u64 {
        let queues = self.store.queues().borrow();
        let of_topic: Vec<_> = queues.of_topic(topic).map(|(_, queue)| queue).collect();
        let ends = of_topic.into_iter().filter_map(|queue| {
            let last = queues.get(queue)?.readable().checked_sub(1)?;
            queues.unit(queue, last).map(|unit| unit.physical_offset + u64::from(unit.bytes))
        });
        ends.max().unwrap_or(0)
    }

    /// Bytes of the log, if they are in the newest part of it, which is in memory.
    pub fn newest_bytes(&self, position: u64, bytes: usize) -> Option<Vec<u8>> {
        self.store.log().with_newest(position, bytes, <[u8]>::to_vec)
    }

    /// Where that part begins. What lies below is in the files; behind it they may hold what was taken back.
    pub fn newest_from(&self) -> u64 {
        self.store.log().cached_from()
    }

    /// Physical offset up to which the log is on stable storage.
    pub fn stable_end(&self) -> u64 {
        self.store.log().stable()
    }
}
