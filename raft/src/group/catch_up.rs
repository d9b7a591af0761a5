//! Catching up from outside of raft: the log grows without it, and a new raft node takes it from there.

use raft::eraftpb::ConfState;

use super::write::Writing;
use super::{Group, hard_state, new_node};
use crate::entry::{EntryId, EntryInfo};
use crate::held_messages::HeldMessages;
use crate::log_view::LogView;
use crate::membership::check_conf_state;
use crate::start::{StartError, check_log, check_number};
use crate::window::Window;
use crate::work::Writes;

impl Group {
    /// The leader has `conflict` where this log has an entry of another term: forgets that entry and all above it. The
    /// caller then cuts its log there and calls [`Group::finish_work`]; the replica takes nothing in between.
    ///
    /// What conflicts with the leader that a catch-up is due from is not committed, however long ago the leader's answer
    /// was made, as long as the catch-up has not become void.
    /// # Errors
    /// [`StartError::CatchUpVoid`] without a catch-up, [`StartError::BelowCommit`] below what is committed,
    /// [`StartError::Other`] if nothing conflicts.
    /// # Panics
    /// If what stays is not persisted: the new raft node takes it for that.
    pub fn cut_log(&mut self, conflict: EntryId) -> Result<(), StartError> {
        let (index, found) = (conflict.index, self.term_of(conflict.index));
        if found.is_none() || found == Some(conflict.term) {
            let reason = "only entries that conflict with the leader's may go";
            return Err(StartError::Other { index, found, expected: conflict.term, reason });
        }
        let kept = index - 1;
        if kept < self.committed() {
            return Err(StartError::BelowCommit { last: kept, committed: self.committed() });
        }
        assert!(kept <= self.log_persisted, "entry {kept} stays, but only {} is persisted", self.log_persisted);
        let mut window = self.node.store().window.clone();
        window.truncate_after(kept);
        let (applied, raft_applied) = (self.applied_index(), self.node.raft.raft_log.applied);
        self.replace_log(window, applied, raft_applied)?;
        let writes = Writes { save_state: None, truncate_after: Some(kept), entries: Vec::new() };
        self.writing = Some(Writing::new(None, writes));
        Ok(())
    }

    /// As [`Group::reset_log_with_members`], with the members when everything up to `applied` is applied.
    /// # Errors
    /// As there.
    pub fn reset_log(
        &mut self,
        conf_state: ConfState,
        applied: EntryId,
        entries: Vec<EntryInfo>,
    ) -> Result<(), StartError> {
        self.reset_log_with_members(0, conf_state, applied, entries)
    }

    /// The catch-up is done: everything up to `applied` is applied, and the log, persisted, goes on with `entries`.
    /// `conf_state` are the members when everything up to the higher of `members_index` and `applied` is applied: those that a
    /// leader tells may be newer than what was pulled from it. Term and vote stay; messages that waited for persistence are
    /// dropped.
    /// # Errors
    /// [`StartError`] without a catch-up, or if the log makes no sense or lacks what it had before.
    pub fn reset_log_with_members(
        &mut self,
        members_index: u64,
        conf_state: ConfState,
        applied: EntryId,
        entries: Vec<EntryInfo>,
    ) -> Result<(), StartError> {
        check_number("the index of the members", members_index)?;
        check_log(applied, &entries)?;
        check_conf_state(&conf_state)?;
        let window = Window::new(applied, entries);
        let (last, end) = (window.last(), self.end());
        if applied.index < self.applied_index() {
            return Err(StartError::BelowCommit { last: applied.index, committed: self.applied_index() });
        }
        if self.catch_up.is_none() {
            return Err(StartError::CatchUpVoid);
        }
        let found = window.term(end.index);
        if last < end.index || found.is_some_and(|term| term != end.term) {
            let reason = "the log has to hold what it held before, or be cut first";
            return Err(StartError::Other { index: end.index, found, expected: end.term, reason });
        }
        let members_index = members_index.max(applied.index);
        if members_index > self.members_index {
            (self.members_index, self.node.mut_store().conf_state) = (members_index, conf_state);
        }
        self.replace_log(window, applied.index, applied.index)?;
        (self.log_last, self.log_persisted) = (last, last);
        self.catch_up = None;
        self.catch_up_news = None;
        self.after_call();
        Ok(())
    }

    /// Another replica tells that these are the members when everything up to `index` is applied. A replica that knows nothing
    /// of its past takes no part before it knows them, and they say whose word it has to wait for: it takes them if they are
    /// later than its own. Any other learns them from its log. True: taken.
    /// # Errors
    /// [`StartError`] for members that are impossible.
    /// # Panics
    /// While the replica writes.
    pub fn learn_members(&mut self, index: u64, conf_state: ConfState) -> Result<bool, StartError> {
        self.assert_idle();
        check_number("the index of the members", index)?;
        check_conf_state(&conf_state)?;
        let is_news = index > self.members_index || self.conf_state().voters.is_empty();
        if self.trust.knows_terms() || !is_news || self.node.has_ready() {
            return Ok(false);
        }
        (self.members_index, self.node.mut_store().conf_state) = (index, conf_state);
        self.has_members_news = true;
        let store = self.node.store();
        let (window, applied, raft_applied) = (store.window.clone(), store.applied, self.node.raft.raft_log.applied);
        self.remake_node(window, applied, raft_applied)?;
        self.learn_terms();
        self.after_call();
        Ok(true)
    }

    /// Makes the raft node anew on another log.
    fn replace_log(&mut self, window: Window, applied: u64, raft_applied: u64) -> Result<(), StartError> {
        self.assert_idle();
        assert!(!self.node.has_ready(), "next_work is asked until it has none before a log is replaced");
        if self.catch_up.is_none() {
            return Err(StartError::CatchUpVoid);
        }
        self.remake_node(window, applied, raft_applied)
    }

    fn remake_node(&mut self, window: Window, applied: u64, raft_applied: u64) -> Result<(), StartError> {
        let raft = &self.node.raft;
        let committed = self.committed().max(applied);
        let view = LogView {
            hard_state: hard_state(raft.term, raft.vote, committed, &window),
            window,
            conf_state: self.conf_state().clone(),
            applied,
            available_from: self.node.store().available_from,
        };
        self.node = new_node(&self.options, view, raft_applied, &self.logger)?;
        self.held = HeldMessages::default();
        Ok(())
    }
}
