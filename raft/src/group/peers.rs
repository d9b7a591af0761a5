//! What is known of other replicas beside raft's messages.

use raft::eraftpb::{ConfState, Entry, MessageType};
use raft::{ProgressState, SnapshotStatus};

use super::propose::proposal;
use super::{Group, SNAPSHOT_PATIENCE};
use crate::refusal::Refusal;
use crate::trust::PeerReport;

impl Group {
    /// What to tell `peer` of this replica: first on every connection, again when the peer's first report on it has
    /// arrived, and when a catch-up is done.
    pub fn report_to(&self, peer: u64) -> PeerReport {
        PeerReport {
            from: self.id(),
            life: self.trust.life(),
            answers: self.trust.life_of(peer),
            current_term: self.node.raft.term,
            end: self.end(),
            is_trusted: self.is_trusted(),
            knows_terms: self.knows_terms(),
            last_change: self.node.store().window.last_membership().max(self.trust.last_change()),
            lets_in: self.lets_in(peer),
        }
    }

    /// Takes what a peer tells of itself. After the first report of a new life no message of an earlier life of that
    /// peer may be stepped, and before the first report of a connection nothing may be sent on it: the rules by which a
    /// forgetful replica is trusted again rest on both. While the replica writes, the report is kept.
    /// # Errors
    /// [`Refusal::Stranger`] if it makes no sense.
    pub fn peer_report(&mut self, report: PeerReport) -> Result<(), Refusal> {
        if !report.is_possible() || report.from == self.id() {
            return Err(Refusal::Stranger { kind: MessageType::MsgAppendResponse, from: report.from });
        }
        match &mut self.writing {
            Some(writing) => writing.reports.push(report),
            None => {
                self.note_report(report);
                self.after_call();
            }
        }
        Ok(())
    }

    /// These are the members since `index`, as this replica or another says, and not those that founded the group: a replica
    /// that may have forgotten something votes by them, be its own older. To be said again after a start.
    pub fn note_changed_members(&mut self, index: u64, members: &ConfState) {
        self.trust.note_changed_members(index, members);
    }

    /// Peers that this leader lets in from now on: a report to each is due at once.
    pub fn take_let_in(&mut self) -> Vec<u64> {
        let (term, committed) = (self.node.raft.term, self.committed());
        if self.is_leader() { self.newcomers.take_let_in(term, committed) } else { Vec::new() }
    }

    fn lets_in(&self, peer: u64) -> bool {
        let (term, committed) = (self.node.raft.term, self.committed());
        self.is_leader() && self.newcomers.is_let_in(peer, self.trust.life_of(peer), term, committed)
    }

    /// With every tick of a leader: appends the entry with which newcomers are let in.
    pub(super) fn tend_newcomers(&mut self) {
        if !self.is_leader() || self.node.raft.lead_transferee.is_some() {
            return;
        }
        let term = self.node.raft.term;
        let due: Vec<(u64, u64)> = self.newcomers.due(term, self.trust.newcomers()).collect();
        if due.is_empty() {
            return;
        }
        let mut message = proposal(self.id());
        message.set_entries(vec![Entry::default()].into());
        if self.node.step(message).is_ok() {
            self.newcomers.appended(term, self.end().index, due);
        }
    }

    /// A message to `peer` was lost. Without effect while the replica writes: raft finds out by itself, later.
    pub fn report_unreachable(&mut self, peer: u64) {
        if !self.is_writing() {
            self.node.report_unreachable(peer);
        }
    }

    /// A catch-up of `peer` has come to an end: with `is_done` it has what its snapshot message asked for. Not needed if
    /// the peer reports then. Without effect while the replica writes.
    pub fn report_snapshot(&mut self, peer: u64, is_done: bool) {
        if !self.is_writing() {
            self.node.report_snapshot(peer, if is_done { SnapshotStatus::Finish } else { SnapshotStatus::Failure });
        }
    }

    pub(super) fn note_report(&mut self, report: PeerReport) {
        let is_new_life = self.trust.take(report);
        self.learn_terms();
        if self.is_leader() {
            self.probe(&report, is_new_life);
        }
    }

    /// Takes part once enough others have told their terms.
    pub(super) fn learn_terms(&mut self) {
        if let Some(term) = self.trust.learns_terms(&self.node.store().conf_state)
            && term > self.node.raft.term
        {
            // It may have voted in that term, so it does not vote in it again.
            self.node.raft.become_follower(term, 0);
            self.node.raft.vote = self.id();
        }
    }

    /// Goes on with a follower from where it says its log ends, instead of from where messages got lost.
    fn probe(&mut self, report: &PeerReport, is_new_life: bool) {
        let last = self.end().index;
        let Some(progress) = self.node.raft.mut_prs().get_mut(report.from) else { return };
        if is_new_life && !report.is_trusted {
            progress.matched = 0; // what it confirmed earlier no longer counts
        } else if !is_new_life && progress.state == ProgressState::Replicate {
            if !report.is_trusted {
                self.node.raft.send_append(report.from); // where nothing is written, nobody else tells it what is committed
            }
            return;
        }
        progress.become_probe();
        progress.next_idx = report.end.index.min(last).max(progress.matched) + 1;
        self.node.raft.send_append(report.from);
    }

    /// Followers that no append message has told what is committed by now hear of it after a tick.
    pub(super) fn tell_commit(&mut self) {
        let committed = self.committed();
        let before = std::mem::replace(&mut self.committed_a_tick_ago, committed);
        if !self.is_leader() || self.options.commit_is_told_at_once {
            return;
        }
        let raft = &self.node.raft;
        let is_behind = |(id, progress): &(&u64, &raft::Progress)| {
            **id != raft.id && progress.state == ProgressState::Replicate && progress.committed_index < before
        };
        let mut behind: Vec<u64> = raft.prs().iter().filter(is_behind).map(|(id, _)| *id).collect();
        behind.sort_unstable();
        behind.into_iter().for_each(|id| self.node.raft.send_append(id));
    }

    /// A snapshot message gets no answer of its own; one that was lost must not stop a follower for ever.
    pub(super) fn repeat_snapshots(&mut self) {
        if !self.is_leader() {
            return self.snapshot_ticks.clear();
        }
        let waiting = self.node.raft.prs().iter().filter(|(_, progress)| progress.state == ProgressState::Snapshot);
        let waiting: Vec<u64> = waiting.map(|(id, _)| *id).collect();
        self.snapshot_ticks.retain(|id, _| waiting.contains(id));
        for id in waiting {
            let ticks = self.snapshot_ticks.entry(id).or_default();
            *ticks += 1;
            if *ticks > SNAPSHOT_PATIENCE * self.options.election_ticks {
                *ticks = 0;
                self.node.report_snapshot(id, SnapshotStatus::Failure);
            }
        }
    }
}
