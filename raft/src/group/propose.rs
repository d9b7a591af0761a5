//! What only a leader does: propose entries and membership changes, hand leadership over.

use raft::StateRole;
use raft::eraftpb::{ConfChangeV2, ConfState, Message, MessageType};

use super::Group;
use crate::entry::{EntryId, EntryInfo, Origin, to_raft};
use crate::membership::{self, MembershipError};

/// Why an entry cannot be proposed.
#[derive(Copy, Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ProposeError {
    /// Another replica leads, or none.
    #[error("this replica does not lead (the leader is {leader}, 0 if unknown)")]
    NotLeader {
        /// Who leads, 0 if unknown.
        leader: u64,
    },
    /// Leadership is being handed over.
    #[error("leadership is being handed over")]
    TransferUnderWay,
    /// An entry of raft's own comes first.
    #[error("an entry of raft's own has to be written first: take the next work")]
    WorkDue,
}

/// Why leadership cannot be handed over.
#[derive(Copy, Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TransferError {
    /// Another replica leads, or none.
    #[error("this replica does not lead (the leader is {leader}, 0 if unknown)")]
    NotLeader {
        /// Who leads, 0 if unknown.
        leader: u64,
    },
    /// It is no other replica with a vote.
    #[error("replica {to} cannot lead: it is no other voter")]
    NotVoter {
        /// Who should lead.
        to: u64,
    },
}

impl Group {
    /// What the next proposed entry is called.
    /// # Errors
    /// [`ProposeError`] if nothing can be proposed now.
    pub fn next_entry(&self) -> Result<EntryId, ProposeError> {
        let raft = &self.node.raft;
        if !self.is_leader() {
            return Err(ProposeError::NotLeader { leader: raft.leader_id });
        }
        if raft.lead_transferee.is_some() {
            return Err(ProposeError::TransferUnderWay);
        }
        let is_unmade = |entry: &raft::eraftpb::Entry| entry.context.is_empty();
        if self.is_writing() || raft.raft_log.unstable_entries().iter().any(is_unmade) {
            return Err(ProposeError::WorkDue);
        }
        Ok(EntryId { term: raft.term, index: raft.raft_log.last_index() + 1 })
    }

    /// Whether an entry can be proposed now.
    pub fn can_propose(&self) -> bool {
        self.next_entry().is_ok()
    }

    /// Proposes an entry that the log has already, as [`Group::next_entry`] named it.
    /// # Errors
    /// [`ProposeError`] if nothing can be proposed now: the log's entry then is one that no raft knows, and has to go.
    /// # Panics
    /// If it is not the next entry, or changes the membership.
    pub fn propose(&mut self, info: &EntryInfo) -> Result<(), ProposeError> {
        let next = self.next_entry()?;
        assert_eq!(info.id(), next, "proposals are the next entry");
        assert_eq!(info.membership, None, "membership changes have their own call");
        assert!(info.bytes > 0, "an entry has a header");
        let mut message = proposal(self.id());
        message.set_entries(vec![to_raft(info, Origin::Proposed)].into());
        if self.node.step(message).is_err() {
            return Err(ProposeError::NotLeader { leader: 0 });
        }
        assert_eq!(self.end(), next, "raft takes a leader's proposal as it is");
        self.log_last = info.index;
        self.after_call();
        Ok(())
    }

    /// Proposes a membership change. Its entry comes with the next work; it holds when [`Group::apply_membership`] was
    /// called for it on each replica.
    /// # Errors
    /// [`MembershipError`] if raft could not make or later not apply it.
    pub fn propose_membership(&mut self, change: &ConfChangeV2) -> Result<(), MembershipError> {
        self.assert_idle();
        let raft = &self.node.raft;
        if !self.is_leader() {
            return Err(MembershipError::NotLeader { leader: raft.leader_id });
        }
        if raft.lead_transferee.is_some() {
            return Err(MembershipError::TransferUnderWay);
        }
        if raft.has_pending_conf() {
            return Err(MembershipError::Pending { index: raft.pending_conf_index });
        }
        let impossible = |reason| MembershipError::Impossible { reason };
        let after = membership::preview(raft.prs(), change).map_err(impossible)?;
        membership::check_conf_state(&after).map_err(|error| impossible(error.to_string()))?;
        if !after.voters.contains(&raft.id) {
            return Err(MembershipError::RemovesLeader { id: raft.id });
        }
        let end = self.end();
        self.node.propose_conf_change(Vec::new(), change.clone()).map_err(|error| impossible(error.to_string()))?;
        assert_eq!(self.end().index, end.index + 1, "raft takes a leader's membership change");
        self.after_call();
        Ok(())
    }

    /// Applies the membership change at `index`; returns the members after it, for checkpoints. It has to be the first
    /// that is not applied. An error is the same on every replica, changes nothing, and counts as applied.
    /// # Errors
    /// [`MembershipError`] if it does not fit the members.
    /// # Panics
    /// If `index` is not the next one, or not committed.
    pub fn apply_membership(&mut self, index: u64) -> Result<ConfState, MembershipError> {
        self.assert_idle();
        assert_eq!(self.next_membership(), Some(index), "membership changes are applied in order");
        assert!(index <= self.committed(), "only what is committed is applied");
        (self.members_index, self.has_members_news) = (index, true);
        let bytes = self.entry(index).and_then(|info| info.membership.as_deref()).unwrap_or_default();
        let change = membership::decode(bytes).map_err(|reason| MembershipError::Undecodable { index, reason })?;
        let (term, role) = (self.node.raft.term, self.node.raft.state);
        if role == StateRole::Candidate || role == StateRole::PreCandidate {
            self.node.raft.become_follower(term, 0); // it asked the old members for their votes
        }
        let members = self.node.apply_conf_change(&change);
        let members = members.map_err(|error| MembershipError::Impossible { reason: error.to_string() })?;
        self.node.mut_store().conf_state = members.clone();
        self.trust.note_changed_members(index, &members);
        if self.is_leader() && !membership::is_voter(&members, self.id()) {
            self.node.raft.become_follower(term, 0); // raft-rs does not survive a leader that is no member
        }
        self.after_call();
        Ok(members)
    }

    /// Hands leadership to a voter. Nothing can be proposed until another replica leads, or an election timeout has
    /// passed without that.
    /// # Errors
    /// [`TransferError`] if this replica does not lead, or `to` cannot.
    pub fn transfer_to(&mut self, to: u64) -> Result<(), TransferError> {
        self.assert_idle();
        if !self.is_leader() {
            return Err(TransferError::NotLeader { leader: self.node.raft.leader_id });
        }
        if to == self.id() || !membership::is_voter(self.conf_state(), to) {
            return Err(TransferError::NotVoter { to });
        }
        self.node.transfer_leader(to);
        self.after_call();
        Ok(())
    }
}

pub(super) fn proposal(id: u64) -> Message {
    let mut message = Message::default();
    message.set_msg_type(MessageType::MsgPropose);
    message.from = id;
    message
}
