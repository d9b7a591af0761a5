//! Between Raft's driver and the shard: what was appended is proposed, what Raft wants written is written, what a
//! majority has is applied and acknowledged, what the others have to know is sent.

use std::borrow::Cow;
use std::rc::Rc;

use raft_driver::{EntryInfo, NewEntry, Outgoing, Source, StateRole, Work, Writes};
use storage::commit_log::LogPosition;
use storage::commit_log::entry::EntryKind;
use storage::{AdoptError, AppendError};

use super::raw_entries::{RawEntries, info_of};
use super::replica::{Phase, Replica};
use super::send_later::report_lost;
use super::wire::{ConnectionClass, EntryLengths, RaftStep, ReplicaMessage};
use super::write_later::PendingWrites;
use crate::env::Env;
use crate::shard::Shard;

impl<E: Env> Shard<E> {
    /// After a sweep's entries are sealed, after a tick, and when the log keeps more than before.
    pub(crate) fn replicate(self: &Rc<Self>) {
        let Some(replica) = self.replica.get() else { return };
        self.propose_made(replica);
        self.drive(replica, &RawEntries::default());
    }

    /// Makes an entry of what was appended since the last one, before something may change who leads.
    pub(crate) fn seal_and_propose(&self, replica: &Replica) {
        self.seal();
        self.propose_made(replica);
    }

    fn propose_made(&self, replica: &Replica) {
        let mut made = replica.made.borrow_mut();
        self.store.log().take_made(&mut made);
        for header in made.drain(..) {
            let info = info_of(&header, || unreachable!("members are changed by Raft's own entries"));
            replica.appended(&info);
            let proposed = replica.group.borrow_mut().propose(&info);
            replica.appends_are_told();
            assert_eq!(proposed, Ok(()), "appends are taken only while this replica leads");
        }
    }

    /// Does what Raft wants done until it wants nothing more, or waits for the disk. `raw` are the entries of the message
    /// that it was just given.
    pub(crate) fn drive(self: &Rc<Self>, replica: &Replica, raw: &RawEntries<'_>) {
        loop {
            if matches!(replica.phase(), Phase::Stopped | Phase::Installs) {
                return;
            }
            if let Some(cause) = self.store.log().failure() {
                return self.stop_replica(replica, &cause);
            }
            // What is being written may be kept before Raft has been told that it is there.
            if replica.group.borrow().is_writing() {
                break;
            }
            self.note_kept(replica);
            self.apply_committed(replica);
            let Some(work) = replica.group.borrow_mut().next_work() else { break };
            self.note_role(replica, &work);
            if let Some(news) = work.catch_up {
                self.note_catch_up(replica, news);
            }
            if let Some(writes) = work.writes {
                self.write(replica, writes, raw);
            }
        }
        self.send_messages(replica);
    }

    /// Tells Raft what this machine keeps by now.
    fn note_kept(&self, replica: &Replica) {
        if let Some(index) = replica.kept(self.store.log().kept()) {
            replica.group.borrow_mut().persisted(index);
        }
    }

    fn write(self: &Rc<Self>, replica: &Replica, writes: Writes, raw: &RawEntries<'_>) {
        let Writes { save_state, truncate_after, entries } = writes;
        let mut pending = PendingWrites::new(save_state, truncate_after);
        let mut entries = entries.into_iter();
        if pending.is_empty() {
            for entry in entries.by_ref() {
                let bytes = raw.bytes(entry.index);
                match self.write_entry(replica, &entry, bytes) {
                    Ok(made) => pending.made.extend(made),
                    Err(error) if waits(&error) => {
                        pending.push(entry, bytes);
                        break;
                    }
                    Err(error) => return self.stop_replica(replica, &error),
                }
            }
        }
        entries.for_each(|entry| {
            let bytes = raw.bytes(entry.index);
            pending.push(entry, bytes);
        });
        if pending.is_empty() {
            replica.group.borrow_mut().finish_work(pending.made);
            replica.appends_are_told();
            return;
        }
        let shard = self.clone();
        self.env.spawn(async move { shard.write_later(pending).await });
    }

    /// Puts one entry into the log; returns it if it was made here.
    /// # Errors
    /// Nothing was appended; see [`waits`].
    pub(super) fn write_entry(
        &self,
        replica: &Replica,
        entry: &NewEntry,
        raw: Option<&[u8]>,
    ) -> Result<Option<EntryInfo>, AdoptError> {
        let log = self.store.log();
        let made_here = |kind, payload: &[u8]| {
            log.start_term(entry.term);
            let header = log.append_marker(kind, payload)?;
            // It is none of those that are proposed.
            let made = &mut *replica.made.borrow_mut();
            log.take_made(made);
            made.clear();
            let info = info_of(&header, || payload.to_vec());
            assert_eq!((info.index, info.term), (entry.index, entry.term), "log and Raft agree on what comes next");
            replica.appended(&info);
            Ok(Some(info))
        };
        match &entry.source {
            Source::Proposed(_) => Ok(None),
            Source::Empty => made_here(EntryKind::Control, &[]),
            Source::Membership(change) => made_here(EntryKind::Membership, change),
            Source::Received(info) => {
                let Some(raw) = raw else { unreachable!("the entries of a message stay until Raft is done with it") };
                // What was pulled meanwhile is there already: only what is committed is.
                if info.index > log.end().index {
                    log.adopt(raw)?;
                }
                replica.appended(info);
                Ok(None)
            }
        }
    }

    /// What changed of who leads.
    fn note_role(self: &Rc<Self>, replica: &Replica, work: &Work) {
        replica.watch.history.note_role(&work.role, self.env.now_ms());
        if work.became_trusted {
            tracing::info!(
                shard = self.identity.broker_name,
                "this replica has all again that it may have forgotten, and votes"
            );
            let shard = self.clone();
            self.env.spawn(async move { shard.note_trusted().await });
        }
        if replica.is_ahead_of_commit() && work.role.role != StateRole::Leader {
            self.step_down(replica);
        }
        self.announce_role(replica);
    }

    /// Another one may lead: what was appended here and no majority has is taken back.
    fn step_down(self: &Rc<Self>, replica: &Replica) {
        let shard = &self.identity.broker_name;
        let term = replica.term();
        tracing::info!(shard, term, "this replica leads no more");
        self.commit.borrow_mut().fail("the replica lost its lead before a majority had it", |ticket, refusal| {
            ticket.refuse(self, refusal);
        });
        let end = self.store.log().end();
        // Tables may be ahead of the log too, where it was full.
        if replica.applied.get().index == end.index && !self.has_unlogged_changes() {
            replica.applied.set(end);
            replica.applied_start.set(None);
            replica.enter(Phase::Follows);
            return;
        }
        replica.enter(Phase::TakesBack);
        let shard = self.clone();
        self.env.spawn(async move { shard.take_back().await });
    }

    /// Applies what a majority has and this replica has not applied, as far as it is in memory.
    pub(super) fn apply_committed(self: &Rc<Self>, replica: &Replica) {
        if replica.phase() == Phase::TakesBack || replica.is_reading.get() {
            return;
        }
        let committed = replica.group.borrow().applicable();
        let Some(end) = self.end_of(replica, committed) else { return };
        self.store.log().set_committed(end);
        let changes_members = replica.group.borrow().next_membership().is_some_and(|at| at <= committed);
        if changes_members && replica.is_ahead_of_commit() {
            // A joint membership is left with an entry that Raft makes when it is told of this one: it names it as the next.
            self.seal_and_propose(replica);
        }
        if replica.is_ahead_of_commit() {
            self.note_own_committed(replica, committed);
        } else {
            self.apply_from_memory(replica, committed);
        }
        // A catch-up applies what Raft does not know yet.
        let applied = replica.applied.get().index.min(committed);
        self.apply_members(replica, applied);
        self.tell_applied_members(replica);
        let mut group = replica.group.borrow_mut();
        if applied > group.applied_index() {
            group.applied(applied);
        }
        let serves = replica.phase() == Phase::Follows && group.has_own_commit() && applied == committed;
        drop(group);
        if serves {
            self.lead(replica);
        }
    }

    /// What this replica appended as the leader is applied already.
    fn note_own_committed(&self, replica: &Replica, index: u64) {
        if index == replica.applied.get().index {
            return;
        }
        self.apply_members(replica, index);
        let group = replica.group.borrow();
        let Some(entry) = group.entry(index) else { unreachable!("Raft knows every entry that is not applied") };
        let position = entry.position + u64::from(entry.bytes);
        replica.applied.set(LogPosition { position, index, term: entry.term, previous: 0 });
        replica.applied_start.set(Some(entry.position));
    }

    /// Physical offset behind the entry with this index; `None` for what is applied and forgotten.
    fn end_of(&self, replica: &Replica, index: u64) -> Option<u64> {
        let applied = replica.applied.get();
        if index == applied.index {
            return Some(applied.position);
        }
        let group = replica.group.borrow();
        group.entry(index).map(|entry| entry.position + u64::from(entry.bytes))
    }

    fn apply_from_memory(self: &Rc<Self>, replica: &Replica, committed: u64) {
        let mut woken = std::mem::take(&mut self.scratch.borrow_mut().woken);
        while replica.applied.get().index < committed {
            let next = replica.applied.get().index + 1;
            self.apply_members(replica, next);
            let Some((position, bytes)) =
                replica.group.borrow().entry(next).map(|entry| (entry.position, entry.bytes as usize))
            else {
                unreachable!("Raft knows every entry that is not applied")
            };
            // Not what a read of the files brought along: that may be damaged, and nobody checks it here.
            match self.store.log().with_newest(position, bytes, |bytes| self.apply_entry(bytes, position, &mut woken)) {
                Some(Ok(at)) => replica.applied.set(at),
                Some(Err(error)) => {
                    self.stop_replica(replica, &error);
                    break;
                }
                None => {
                    let shard = self.clone();
                    replica.is_reading.set(true);
                    self.env.spawn_background(async move { shard.apply_from_files(committed).await });
                    break;
                }
            }
        }
        for job in woken.drain(..) {
            crate::processor::pull::run_again(self, job);
        }
        self.scratch.borrow_mut().woken = woken;
    }

    /// This replica serves from here on: all that earlier leaders committed is applied.
    fn lead(self: &Rc<Self>, replica: &Replica) {
        let (shard, term) = (&self.identity.broker_name, replica.term());
        tracing::info!(shard, term, "this replica leads");
        replica.enter(Phase::Leads);
        replica.changing.leads_from.set(replica.ticks.get());
        replica.watch.history.led(self.env.now_ms());
        self.tables.borrow_mut().create_system_entries(self.env.now_ms());
        self.note_topics_changed();
        self.announce_role(replica);
        self.register_changes();
        self.resume_stalled();
    }

    /// Sends what Raft wants to say.
    fn send_messages(self: &Rc<Self>, replica: &Replica) {
        self.note_cached(replica);
        let messages = replica.group.borrow_mut().take_messages();
        let mut lost = Vec::new();
        for outgoing in messages {
            let Outgoing { message, entries } = &outgoing;
            let class = if RaftStep::is_beat(message) { ConnectionClass::Beat } else { ConnectionClass::Log };
            let log = self.store.log();
            // Looked for before: what a buffer holds already cannot be taken back.
            let is_cached = |entry: &EntryInfo| log.with_cached(entry.position, entry.bytes as usize, |_| ()).is_some();
            if !entries.iter().all(is_cached) {
                let shard = self.clone();
                self.env.spawn_background(async move { shard.send_from_files(outgoing).await });
                continue;
            }
            let lengths: Vec<u32> = entries.iter().map(|entry| entry.bytes).collect();
            let entry_bytes = EntryLengths::Numbers(&lengths);
            let bytes = entry_bytes.total() as usize;
            let step = ReplicaMessage::Raft(RaftStep { message: Cow::Borrowed(message), entry_bytes, log: &[] });
            let is_sent =
                replica.links.borrow_mut().send_body(message.to, class, &step, bytes, &self.outbox, |buffer| {
                    for entry in entries {
                        log.with_cached(entry.position, entry.bytes as usize, |entry| buffer.extend_from_slice(entry));
                    }
                });
            if !is_sent && !lost.contains(&message.to) {
                lost.push(message.to);
            }
        }
        report_lost(replica, lost);
    }

    /// Tells Raft which entries can still be sent from memory.
    fn note_cached(&self, replica: &Replica) {
        let mut group = replica.group.borrow_mut();
        let cached_from = self.store.log().cached_from();
        let mut index = replica.cached_from.get();
        let end = group.end().index;
        while index <= end && group.entry(index).is_none_or(|entry| entry.position < cached_from) {
            index += 1;
        }
        replica.cached_from.set(index);
        group.set_available_from(index);
    }

    /// This replica cannot go on; the others can.
    pub(super) fn stop_replica(&self, replica: &Replica, error: &dyn std::fmt::Display) {
        let shard = &self.identity.broker_name;
        tracing::error!(%error, shard, "this replica takes no part in its group any more; restart it when the cause is mended");
        replica.enter(Phase::Stopped);
        self.commit.borrow_mut().fail("the replica stopped", |ticket, refusal| ticket.refuse(self, refusal));
        self.announce_role(replica);
    }
}

/// Whether an entry that was not taken over will be, later.
pub(crate) fn waits(error: &AdoptError) -> bool {
    let AdoptError::Append(error) = error else { return false };
    matches!(error, AppendError::Backlog { .. } | AppendError::SegmentPending | AppendError::DiskFull { .. })
}
