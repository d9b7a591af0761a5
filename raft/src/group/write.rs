//! From raft's readies to writes and messages.

use raft::eraftpb::{ConfState, Message};
use raft::{RawNode, Ready};

use super::Group;
use crate::entry::{self, EntryInfo};
use crate::held_messages::HeldMessages;
use crate::log_view::LogView;
use crate::outgoing::outgoing;
use crate::start::SavedState;
use crate::trust::PeerReport;
use crate::work::{NewEntry, Outgoing, Source, Work, Writes};

/// Writes under way.
pub(super) struct Writing {
    /// What raft waits for; `None` when the caller cuts its log for a catch-up.
    ready: Option<Ready>,
    writes: Writes,
    /// Told meanwhile, of the log before these writes.
    pub(super) persisted: u64,
    /// Told meanwhile.
    pub(super) reports: Vec<PeerReport>,
}

impl Writing {
    pub(super) fn new(ready: Option<Ready>, writes: Writes) -> Self {
        Self { ready, writes, persisted: 0, reports: Vec::new() }
    }
}

impl Group {
    /// What the calls since the last work have led to; `None`: nothing, or only messages, see
    /// [`Group::take_messages`]. To be asked until it says so.
    ///
    /// With [`Work::writes`] the caller does these in order, then calls [`Group::finish_work`].
    /// # Panics
    /// While the replica writes.
    pub fn next_work(&mut self) -> Option<Work> {
        self.assert_idle();
        let mut writes = None;
        while writes.is_none() && (self.node.has_ready() || self.unsaved().is_some()) {
            writes = self.take_ready();
        }
        if writes.is_none() {
            self.trim();
        }
        let told = (self.committed(), self.role());
        let is_news = std::mem::replace(&mut self.told, told) != told;
        let work = Work {
            writes,
            committed: told.0,
            role: told.1,
            catch_up: self.catch_up_news.take(),
            became_trusted: std::mem::take(&mut self.trust_news),
        };
        let is_work = is_news || work.writes.is_some() || work.catch_up.is_some() || work.became_trusted;
        is_work.then_some(work)
    }

    /// The writes of the last work are done: the state is durable, the log is cut, the entries are appended (they need
    /// not be persisted). `made` are the entries the caller had to make ([`NewEntry::is_made_here`]), in order.
    /// # Panics
    /// If no writes are under way, or `made` are other entries.
    pub fn finish_work(&mut self, made: Vec<EntryInfo>) {
        let Some(writing) = self.writing.take() else { panic!("no writes are under way") };
        let Writes { save_state, truncate_after, entries } = writing.writes;
        self.log_persisted = self.log_persisted.max(writing.persisted);
        if let Some(state) = save_state {
            self.saved = state;
            self.has_members_news = false;
        }
        if let Some(index) = truncate_after {
            self.held.truncate_after(index);
            self.outbox.retain(|message| !HeldMessages::needs_above(message, index));
            self.node.mut_store().window.truncate_after(index);
            self.log_last = index;
            self.log_persisted = self.log_persisted.min(index);
        }
        let mut made = made.into_iter();
        for entry in entries {
            let info = place(entry, &mut made);
            self.log_last = self.log_last.max(info.index);
            self.node.mut_store().window.push(info);
        }
        assert_eq!(made.next(), None, "every entry that was made was asked for");
        match writing.ready {
            Some(ready) => self.advance(ready),
            None => self.release(),
        }
        for report in writing.reports {
            self.note_report(report);
        }
        self.trim();
        self.after_call();
    }

    /// Hands one ready of raft on: returns what has to be written for it, or is done with it.
    fn take_ready(&mut self) -> Option<Writes> {
        let mut ready = self.node.ready();
        assert!(ready.snapshot().is_empty(), "snapshots are not stepped");
        let entries: Vec<NewEntry> = ready.take_entries().into_iter().map(entry::from_raft).collect();
        let save_state = self.unsaved();
        if entries.is_empty() && save_state.is_none() {
            self.advance(ready);
            return None;
        }
        let is_there = |entry: &&NewEntry| matches!(entry.source, Source::Proposed(_));
        let first_new = entries.iter().find(|entry| !is_there(entry)).map(|entry| entry.index);
        let truncate_after = first_new.filter(|index| *index <= self.log_last).map(|index| index - 1);
        assert!(truncate_after.is_none_or(|index| index >= self.told.0), "what is committed is never cut");
        let writes = Writes { save_state, truncate_after, entries };
        self.writing = Some(Writing::new(Some(ready), writes.clone()));
        Some(writes)
    }

    /// The ready's entries are in the log and its state is saved: its messages leave, or wait for persistence.
    fn advance(&mut self, mut ready: Ready) {
        let mut messages = self.outgoing(ready.take_messages());
        self.outbox.append(&mut messages);
        let mut waiting = self.outgoing(ready.take_persisted_messages());
        // What a leader of an earlier term was told within this ready may have been replaced before it was written.
        waiting.retain(|out| out.message.term >= self.node.raft.term || !HeldMessages::needs_above(out, 0));
        let (free, waiting) = waiting.into_iter().partition(HeldMessages::is_free);
        self.outbox.extend::<Vec<_>>(free);
        let number = ready.number();
        let needs = unpersisted_end(&self.node);
        self.node.advance_append_async(ready);
        self.held.push(number, needs, waiting);
        self.release();
    }

    fn outgoing(&self, messages: Vec<Message>) -> Vec<Outgoing> {
        outgoing(messages, &self.node.store().window, &self.options)
    }

    /// What the state file does not have.
    fn unsaved(&self) -> Option<SavedState> {
        let (raft, saved) = (&self.node.raft, &self.saved);
        // It is asked for all the time, and nearly always nothing has changed.
        let votes_as_saved = (raft.term, raft.vote) == (saved.term, saved.vote);
        if votes_as_saved && !self.has_unsaved_members() {
            return None;
        }
        let (members_index, members) = (self.members_index, self.conf_state().clone());
        Some(SavedState { term: raft.term, vote: raft.vote, members_index, members })
    }

    /// Forgets entries that nobody needs. Only between works: raft's messages under way name entries.
    fn trim(&mut self) {
        let raft_applied = self.node.raft.raft_log.applied;
        let view = self.node.mut_store();
        let first = view.first_available().min(raft_applied + 1);
        if self.node.raft.msgs.is_empty() {
            self.node.mut_store().window.trim_to(first);
        }
    }
}

/// Last index of the entries that raft hands out with its present ready, 0 if it has none.
fn unpersisted_end(node: &RawNode<LogView>) -> u64 {
    node.raft.raft_log.unstable_entries().last().map_or(0, |entry| entry.index)
}

/// Where `entry` lies now.
fn place(entry: NewEntry, made: &mut impl Iterator<Item = EntryInfo>) -> EntryInfo {
    let change = match entry.source {
        Source::Proposed(info) | Source::Received(info) => return info,
        Source::Empty => None,
        Source::Membership(change) => Some(change),
    };
    let Some(info) = made.next() else { panic!("entry {} was not made", entry.index) };
    assert_eq!((info.index, info.term), (entry.index, entry.term), "entries are made as asked for");
    assert_eq!(info.membership, change, "a membership change keeps its bytes");
    info
}

/// Number by number: for a handful of them, a comparison of memory costs several times as much.
pub(super) fn is_same(one: &ConfState, other: &ConfState) -> bool {
    let is_same_list =
        |one: &[u64], other: &[u64]| one.len() == other.len() && one.iter().zip(other).all(|(a, b)| a == b);
    is_same_list(&one.voters, &other.voters)
        && is_same_list(&one.learners, &other.learners)
        && is_same_list(&one.voters_outgoing, &other.voters_outgoing)
        && is_same_list(&one.learners_next, &other.learners_next)
        && one.auto_leave == other.auto_leave
}
