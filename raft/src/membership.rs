//! Membership changes: their bytes in the log, and which of them raft can take.

use std::collections::BTreeSet;

use protobuf::Message as _;
use raft::eraftpb::{ConfChangeSingle, ConfChangeType, ConfChangeV2, ConfState};
use raft::{Changer, ProgressTracker};

use crate::start::{StartError, check_number};

/// Why a membership change is not made.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MembershipError {
    /// Another replica leads, or none.
    #[error("this replica does not lead (the leader is {leader}, 0 if unknown): ask that one")]
    NotLeader {
        /// Who leads, 0 if unknown.
        leader: u64,
    },
    /// Leadership is being handed over.
    #[error("leadership is being handed over: ask the next leader")]
    TransferUnderWay,
    /// One at a time.
    #[error("an earlier membership change (index {index} at most) is not applied yet: try again later")]
    Pending {
        /// Where it is at most.
        index: u64,
    },
    /// A leader does not remove itself: its followers would not hear that it is done.
    #[error("replica {id} leads and cannot remove itself: hand leadership over first")]
    RemovesLeader {
        /// The leader.
        id: u64,
    },
    /// It does not fit the members as they are.
    #[error("the change does not fit the present members: {reason}")]
    Impossible {
        /// In what.
        reason: String,
    },
    /// Its bytes are not one.
    #[error("entry {index} holds no membership change: {reason}")]
    Undecodable {
        /// The entry.
        index: u64,
        /// Why not.
        reason: String,
    },
}

/// A part of a membership change.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum MemberStep {
    /// This replica gets the log without counting for a majority.
    Learner(u64),
    /// This replica has a vote.
    Voter(u64),
    /// This replica is no member.
    Out(u64),
}

/// A change of these parts: one that changes several is made by way of a joint membership, which is left by itself. `context`
/// travels with it, unread.
pub fn membership_change(steps: &[MemberStep], context: Vec<u8>) -> ConfChangeV2 {
    let single = |step: &MemberStep| {
        let (kind, id) = match step {
            MemberStep::Learner(id) => (ConfChangeType::AddLearnerNode, *id),
            MemberStep::Voter(id) => (ConfChangeType::AddNode, *id),
            MemberStep::Out(id) => (ConfChangeType::RemoveNode, *id),
        };
        let mut single = ConfChangeSingle { node_id: id, ..ConfChangeSingle::default() };
        single.set_change_type(kind);
        single
    };
    let mut change = ConfChangeV2::default();
    change.set_changes(steps.iter().map(single).collect::<Vec<_>>().into());
    change.context = context.into();
    change
}

/// What travels with the membership change of an entry; empty where nothing does, as where a joint membership is left.
pub fn context_of(bytes: &[u8]) -> Vec<u8> {
    decode(bytes).map(|change| change.context.to_vec()).unwrap_or_default()
}

/// Whether raft survives these members.
/// # Errors
/// [`StartError::Membership`], or [`StartError::Number`] for an id beyond every possible one.
pub fn check_members(members: &ConfState) -> Result<(), StartError> {
    check_conf_state(members)
}

/// Reads the bytes of a membership entry. No bytes: leave a joint membership.
pub(crate) fn decode(bytes: &[u8]) -> Result<ConfChangeV2, String> {
    let mut change = ConfChangeV2::default();
    change.merge_from_bytes(bytes).map_err(|error| error.to_string())?;
    match change.changes.iter().find(|single| check_number("a member", single.node_id).is_err()) {
        Some(single) => Err(format!("member {} is beyond every possible id", single.node_id)),
        None => Ok(change),
    }
}

/// The members after `change`, if raft will be able to apply it.
pub(crate) fn preview(members: &ProgressTracker, change: &ConfChangeV2) -> Result<ConfState, String> {
    let mut changer = Changer::new(members);
    let outcome = if change.leave_joint() {
        changer.leave_joint()
    } else if let Some(auto_leave) = change.enter_joint() {
        changer.enter_joint(auto_leave, &change.changes)
    } else {
        changer.simple(&change.changes)
    };
    outcome.map(|(members, _)| members.to_conf_state()).map_err(|error| error.to_string())
}

/// Whether `id` has a vote, in either half of a joint membership.
pub(crate) fn is_voter(members: &ConfState, id: u64) -> bool {
    members.voters.contains(&id) || members.voters_outgoing.contains(&id)
}

/// # Errors
/// For members that raft does not survive when it starts with them.
pub(crate) fn check_conf_state(members: &ConfState) -> Result<(), StartError> {
    let impossible = |reason: &str| Err(StartError::Membership { reason: reason.into() });
    let groups = [&members.voters, &members.learners, &members.voters_outgoing, &members.learners_next];
    for ids in groups {
        for id in ids {
            check_number("a member", *id)?;
            if *id == 0 {
                return impossible("0 is nobody's id");
            }
        }
        if ids.iter().collect::<BTreeSet<_>>().len() != ids.len() {
            return impossible("a member is named twice");
        }
    }
    let is_joint = !members.voters_outgoing.is_empty();
    if members.voters.is_empty() && (is_joint || !members.learners.is_empty()) {
        return impossible("there are members but no voter");
    }
    if members.learners.iter().any(|id| is_voter(members, *id)) {
        return impossible("a learner is a voter too");
    }
    let is_staged = |id: &u64| members.voters_outgoing.contains(id) && !members.voters.contains(id);
    if !members.learners_next.iter().all(is_staged) || (members.auto_leave && !is_joint) {
        return impossible("what follows a joint membership is set outside of one");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(voters: &[u64], learners: &[u64], outgoing: &[u64], next: &[u64]) -> ConfState {
        let mut members = ConfState::from((voters.to_vec(), learners.to_vec()));
        members.voters_outgoing = outgoing.to_vec();
        members.learners_next = next.to_vec();
        members
    }

    #[test]
    fn possible_members_are_taken() {
        for possible in
            [members(&[], &[], &[], &[]), members(&[1, 2, 3], &[4], &[], &[]), members(&[1, 2], &[5], &[1, 2, 4], &[4])]
        {
            assert_eq!(check_conf_state(&possible), Ok(()), "{possible:?}");
        }
    }

    #[test]
    fn members_that_contradict_each_other_are_refused() {
        for impossible in [
            members(&[1, 0], &[], &[], &[]),
            members(&[1, 1], &[], &[], &[]),
            members(&[], &[1], &[], &[]),
            members(&[1, 2], &[2], &[], &[]),
            members(&[1], &[2], &[2], &[]),
            members(&[1], &[], &[], &[2]),
            members(&[1, 2], &[], &[1, 2], &[2]),
        ] {
            assert!(check_conf_state(&impossible).is_err(), "{impossible:?}");
        }
    }

    #[test]
    fn what_travels_with_a_change_comes_out_as_it_went_in() {
        let change = membership_change(&[MemberStep::Voter(4), MemberStep::Out(2)], b"who is where".to_vec());
        assert_eq!(change.enter_joint(), Some(true), "two at once, by way of a joint membership that ends by itself");
        assert_eq!(context_of(&change.write_to_bytes().unwrap()), b"who is where");
        assert_eq!(membership_change(&[MemberStep::Learner(4)], vec![]).enter_joint(), None);
        assert!(context_of(&[]).is_empty() && context_of(&[0xFF; 5]).is_empty());
    }

    #[test]
    fn bytes_that_are_no_change_are_refused() {
        assert!(decode(&[0xFF; 5]).is_err());
        assert!(decode(&[]).unwrap().leave_joint());
    }
}
