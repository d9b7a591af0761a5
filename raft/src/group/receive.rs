//! Messages of other replicas.

use raft::eraftpb::{Message, MessageType};
use raft::{Error, StateRole};

use super::Group;
use crate::check::check;
use crate::entry::{EntryId, EntryInfo, Origin, to_raft};
use crate::refusal::Refusal;
use crate::work::{CatchUp, CatchUpNews};

impl Group {
    /// Takes a message of another replica; `entries` are those of an append message, as read from the raw bytes behind
    /// it. The bytes are kept until [`crate::Source::Received`] asks for them, or no work is left: raft may find that it
    /// has the entries already.
    /// # Errors
    /// [`Refusal`] says why it was not taken. It can be dropped; only [`Refusal::WorkUnderWay`],
    /// [`Refusal::TermsUnknown`], [`Refusal::NotTrusted`] and [`Refusal::NotReady`] are ordinary.
    pub fn step(&mut self, mut message: Message, entries: &[EntryInfo]) -> Result<(), Refusal> {
        if self.is_writing() {
            return Err(Refusal::WorkUnderWay);
        }
        check(&self.node.raft, &message, entries)?;
        if !self.trust.knows_terms() {
            return Err(Refusal::TermsUnknown);
        }
        let (from, term, commit) = (message.from, message.term, message.commit);
        let kind = message.get_msg_type();
        match kind {
            MessageType::MsgSnapshot => {
                self.step_snapshot(message)?;
                self.after_call();
                return Ok(());
            }
            MessageType::MsgRequestVote | MessageType::MsgRequestPreVote => {
                let end = EntryId { term: message.log_term, index: message.index };
                if !self.trust.allows(end, self.conf_state()) {
                    return Err(Refusal::NotTrusted { candidate: from });
                }
            }
            MessageType::MsgTimeoutNow if !self.may_campaign() => return Err(Refusal::NotReady),
            MessageType::MsgAppend => {
                self.void_catch_up_if_joined(&message);
                if message.index > self.end().index && message.log_term == 0 {
                    message.log_term = term; // raft-rs would find that an entry it does not have is of term 0
                }
                let to_raft = |info| to_raft(info, Origin::Received);
                message.set_entries(entries.iter().map(to_raft).collect::<Vec<_>>().into());
            }
            _ => {}
        }
        self.step_checked(message)?;
        if kind == MessageType::MsgAppend {
            self.note_commit_of(from, term, commit);
        }
        self.after_call();
        Ok(())
    }

    fn step_checked(&mut self, message: Message) -> Result<(), Refusal> {
        let (kind, from) = (message.get_msg_type(), message.from);
        match self.node.step(message) {
            Ok(()) => Ok(()),
            Err(Error::StepPeerNotFound) => Err(Refusal::Stranger { kind, from }),
            Err(_) => Err(Refusal::NotServed { kind }),
        }
    }

    /// A snapshot message whose entry the log has is stepped: raft takes it for news about the commit index. Any other
    /// would make raft forget its log before another is there; it is heard as a heartbeat, and a catch-up is due.
    fn step_snapshot(&mut self, message: Message) -> Result<(), Refusal> {
        let metadata = message.get_snapshot().get_metadata();
        let target = EntryId { term: metadata.term, index: metadata.index };
        let (from, term) = (message.from, message.term);
        let log = &self.node.raft.raft_log;
        if term < self.node.raft.term
            || target.index <= log.committed
            || (target.index <= log.last_index() && log.match_term(target.index, target.term))
        {
            return self.step_checked(message);
        }
        let mut heartbeat = Message::default();
        heartbeat.set_msg_type(MessageType::MsgHeartbeat);
        (heartbeat.from, heartbeat.to, heartbeat.term) = (from, self.id(), term);
        self.step_checked(heartbeat)?;
        let due = CatchUp { leader: from, leader_term: term, target };
        if self.catch_up.replace(due) != Some(due) {
            self.catch_up_news = Some(CatchUpNews::Due(due));
        }
        Ok(())
    }

    /// An append message that raft will confirm makes a catch-up void: from now on a leader counts on this log.
    fn void_catch_up_if_joined(&mut self, message: &Message) {
        let raft = &self.node.raft;
        let joins = message.term >= raft.term
            && message.index >= raft.raft_log.committed
            && message.index <= raft.raft_log.last_index()
            && raft.raft_log.match_term(message.index, message.log_term);
        if joins && self.catch_up.take().is_some() {
            self.catch_up_news = Some(CatchUpNews::Void);
        }
    }

    /// Trust comes back with everything that a leader had committed, an entry of its own term among it.
    fn note_commit_of(&mut self, leader: u64, term: u64, commit: u64) {
        let raft = &self.node.raft;
        let follows = raft.state == StateRole::Follower && raft.term == term && raft.leader_id == leader;
        let has_all = commit > 0 && raft.raft_log.committed >= commit;
        if follows && has_all && raft.raft_log.match_term(commit, term) {
            self.trust.note_reached(leader, commit);
        }
    }
}
