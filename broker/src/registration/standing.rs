//! As what a shard is registered: which broker of its group it is, and since when.

/// `brokerId` of a master.
pub const MASTER_ID: i64 = 0;

/// As what name servers are to know a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// `brokerId`: 0 is the master, which producers send to; any other is a slave, which may be read from.
    pub broker_id: i64,
    /// `stateVersion` of the registered DataVersion: where two addresses claim one id, the larger version has it. 0
    /// where nobody else claims it; with replicas the term in which the claim was won.
    pub state_version: i64,
}

/// A replica's part in its group at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replica {
    /// `brokerId` while it does not lead: 1 for `n0`, 2 for `n1` and so on, so never 0.
    pub slave_id: i64,
    /// Its term.
    pub term: u64,
    /// What it does in that term.
    pub role: ReplicaRole,
}

/// What a replica does in its term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicaRole {
    /// It leads and serves: the first entry of its term is committed and applied.
    Leading,
    /// It follows a leader that it knows.
    Following,
    /// It knows no leader, is a candidate, or does not serve yet as the leader it has become.
    Undecided,
    /// It is no member of its group: not yet, or no more.
    Outside,
    /// It takes no part any more, and serves nobody, until its process is started again.
    Stopped,
}

impl Standing {
    /// A broker that has its id from its configuration and shares it with nobody.
    pub fn fixed(broker_id: i64) -> Self {
        Self { broker_id, state_version: 0 }
    }

    /// As what a replica is to be registered that was registered as `last`. `None`: as nothing, since no leader has told it
    /// yet that it belongs to the group, or since it is no member of it or has stopped.
    ///
    /// A leader's version is larger than every version that the same replica was registered with before. A name server
    /// needs that to take the leader's topics: where the id has another holder still, Apache's takes them only with a
    /// version that this address has not registered yet.
    #[must_use]
    pub fn of_replica(last: Option<Self>, replica: Replica) -> Option<Self> {
        let Replica { slave_id, term, role } = replica;
        debug_assert_ne!(slave_id, MASTER_ID, "only the leader has the master's id");
        let state_version = i64::try_from(term).unwrap_or(i64::MAX);
        match role {
            ReplicaRole::Leading => Some(Self { broker_id: MASTER_ID, state_version }),
            ReplicaRole::Following => Some(Self { broker_id: slave_id, state_version }),
            // It led and does so no longer. Its present term may be the one that it is elected in again.
            ReplicaRole::Undecided => last.map(|last| match last.broker_id {
                MASTER_ID => Self { broker_id: slave_id, ..last },
                _ => last,
            }),
            ReplicaRole::Outside | ReplicaRole::Stopped => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(broker_id: i64, state_version: i64) -> Option<Standing> {
        Some(Standing { broker_id, state_version })
    }

    /// As what a replica with the slave's id 2 is registered after each of the steps.
    fn registered(steps: &[(ReplicaRole, u64)]) -> Vec<Option<Standing>> {
        let mut last = None;
        let step = |(role, term): &(ReplicaRole, u64)| {
            last = Standing::of_replica(last, Replica { slave_id: 2, term: *term, role: *role });
            last
        };
        steps.iter().map(step).collect()
    }

    use ReplicaRole::{Following, Leading, Outside, Stopped, Undecided};

    #[test]
    fn a_replica_that_is_no_member_is_registered_as_nothing() {
        let steps = registered(&[(Outside, 0), (Following, 4), (Outside, 5), (Undecided, 5), (Following, 6)]);
        assert_eq!(steps, [None, standing(2, 4), None, None, standing(2, 6)]);
    }

    #[test]
    fn a_replica_that_has_stopped_is_registered_as_nothing() {
        assert_eq!(registered(&[(Leading, 5), (Stopped, 5)]), [standing(0, 5), None]);
        assert_eq!(registered(&[(Following, 5), (Stopped, 5)]), [standing(2, 5), None]);
    }

    #[test]
    fn a_replica_without_a_leader_is_registered_as_nothing_yet() {
        assert_eq!(registered(&[(Undecided, 0), (Undecided, 3), (Following, 4)]), [None, None, standing(2, 4)]);
        assert_eq!(registered(&[(Undecided, 1), (Leading, 1)]), [None, standing(0, 1)]);
    }

    #[test]
    fn a_leader_is_the_master_and_a_follower_has_its_own_id_each_with_the_term() {
        let steps = registered(&[(Following, 5), (Leading, 6), (Following, 7), (Following, 8)]);
        assert_eq!(steps, [standing(2, 5), standing(0, 6), standing(2, 7), standing(2, 8)]);
    }

    #[test]
    fn a_follower_that_lost_its_leader_stays_what_it_is_until_there_is_another() {
        let steps = registered(&[(Following, 5), (Undecided, 5), (Undecided, 6), (Following, 6)]);
        assert_eq!(steps, [standing(2, 5), standing(2, 5), standing(2, 5), standing(2, 6)]);
    }

    #[test]
    fn a_leader_that_lost_its_followers_is_a_slave_at_once() {
        let steps = registered(&[(Leading, 5), (Undecided, 5), (Undecided, 6), (Leading, 6)]);
        assert_eq!(steps, [standing(0, 5), standing(2, 5), standing(2, 5), standing(0, 6)]);
    }

    #[test]
    fn a_leader_has_a_version_that_it_was_never_registered_with_before() {
        // Elected again before anybody saw it without a part, and not serving yet.
        let steps = registered(&[(Leading, 5), (Undecided, 7), (Leading, 7)]);
        assert_eq!(steps, [standing(0, 5), standing(2, 5), standing(0, 7)]);
    }
}
