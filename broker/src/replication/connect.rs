//! What comes from and goes to the other replicas, and Raft's clock.

use std::rc::Rc;

use protocol::frame::Frame;
use raft_driver::{EntryId, PeerReport, Refusal};
use runtime::{CloseReason, ConnectionId, DialError, Flow, Peer};

use super::links::{CLASSES, Heard};
use super::raw_entries::RawEntries;
use super::replica::{Phase, Replica};
use super::wire::{ConnectionClass, LogEnd, RaftStep, ReplicaMessage};
use crate::config::replication::RaftTiming;
use crate::env::Env;
use crate::shard::Shard;

/// A connection on which nothing else is said is kept by a report this often, in ticks: 2.5 s.
const REPORT_TICKS: u64 = 50;
/// A node without a leader for so long, in ticks, may have been removed without hearing of it, and asks everybody: 5 s.
const LEADERLESS_TICKS: u64 = 100;

impl<E: Env> Shard<E> {
    /// Runs as long as the shard: dials, and lets Raft's clock tick.
    pub async fn run_replica(self: Rc<Self>) {
        loop {
            let Some(replica) = self.replica.get().filter(|replica| replica.phase() != Phase::Stopped) else { return };
            self.seal_and_propose_if_leading(replica);
            if replica.phase() != Phase::Installs && !replica.group.borrow().is_writing() {
                replica.group.borrow_mut().tick();
            }
            self.dial_others(replica);
            let ticks = replica.ticks.get() + 1;
            replica.ticks.set(ticks);
            if ticks.is_multiple_of(REPORT_TICKS) {
                self.report_to_all(replica);
            }
            let let_in = replica.group.borrow_mut().take_let_in();
            let_in.into_iter().for_each(|node| replica.owes_report(node));
            self.give_owed_reports(replica);
            self.replicate();
            self.pull_more(replica);
            self.tend_forwarding(replica);
            self.tend_lead(replica);
            self.tend_told_members(replica);
            self.tend_members(replica);
            self.watch(replica);
            self.tend_catch_ups(replica);
            self.confirm_and_resume();
            self.env.sleep(RaftTiming::TICK).await;
        }
    }

    fn dial_others(&self, replica: &Replica) {
        let now = replica.ticks.get();
        let knows_leader = replica.leader().is_some() || replica.group.borrow().is_leader();
        if knows_leader && !replica.is_outside() {
            replica.changing.led_tick.set(now);
        }
        let mut links = replica.links.borrow_mut();
        links.dial_all(now - replica.changing.led_tick.get() > LEADERLESS_TICKS);
        links.dial_due(self.uptime_ms(), &self.outbox);
    }

    fn seal_and_propose_if_leading(&self, replica: &Replica) {
        if replica.is_ahead_of_commit() {
            self.seal_and_propose(replica);
        }
    }

    /// A connection that was dialed for replication is there, or is not.
    pub fn replica_dialed(&self, ticket: u64, dialed: Result<&Peer, DialError>) {
        let Some(replica) = self.replica.get() else { return };
        let nonce = self.nonce();
        let mut links = replica.links.borrow_mut();
        match dialed {
            Ok(peer) => links.connected(ticket, peer.id, nonce, &self.outbox),
            Err(error) => {
                tracing::debug!(%error, shard = self.identity.broker_name, "a replica cannot be reached");
                links.dial_failed(ticket, self.uptime_ms());
            }
        }
    }

    /// A connection for replication is gone.
    pub fn replica_closed(&self, connection: ConnectionId) {
        let Some(replica) = self.replica.get() else { return };
        let led_to = replica.links.borrow_mut().closed(connection, self.uptime_ms());
        let Some((node, class)) = led_to else { return };
        match class {
            ConnectionClass::Log => self.forget_forwarded(replica, node),
            ConnectionClass::Bulk => {
                replica.rounds.borrow_mut().forget(node);
                // It says nothing of whether the node can be reached.
                return;
            }
            ConnectionClass::Beat => {}
        }
        let mut group = replica.group.borrow_mut();
        if group.is_leader() && !group.is_writing() {
            group.report_unreachable(node);
        }
    }

    /// A frame of another replica.
    pub fn replica_frame(self: &Rc<Self>, peer: &Peer, frame: &Frame<'_>) -> Flow {
        let close = |why: &dyn std::fmt::Display| Flow::Close(CloseReason(format!("replication: {why}").into()));
        let Some(replica) = self.replica.get() else { return close(&"this shard has no replicas") };
        let nonce = self.nonce();
        let heard = replica.links.borrow_mut().heard(peer.id, frame, nonce, &self.outbox);
        match heard {
            Err(reason) => {
                replica.watch.history.refused();
                Flow::Close(reason)
            }
            Ok(Heard::Guest) => Flow::Continue,
            Ok(_) if replica.phase() == Phase::Stopped => Flow::Continue,
            Ok(Heard::Up(node, class)) => {
                match class {
                    ConnectionClass::Log => self.forget_forwarded(replica, node),
                    ConnectionClass::Bulk => replica.rounds.borrow_mut().forget(node),
                    ConnectionClass::Beat => {}
                }
                self.report(replica, node, class);
                Flow::Continue
            }
            Ok(Heard::Message(node, message)) => match self.replica_message(replica, node, message) {
                Ok(()) => Flow::Continue,
                Err(why) => {
                    replica.watch.history.refused();
                    close(&format_args!("node {node}: {why}"))
                }
            },
        }
    }

    /// # Errors
    /// What a sound replica never says; its connection is closed.
    fn replica_message(
        self: &Rc<Self>,
        replica: &Replica,
        node: u64,
        message: ReplicaMessage<'_>,
    ) -> Result<(), String> {
        match message {
            ReplicaMessage::Raft(step) => self.replica_step(replica, step),
            ReplicaMessage::Forward(forward) => self.take_forward(replica, node, &forward),
            ReplicaMessage::Forwarded(answer) => self.take_forwarded(replica, node, &answer),
            ReplicaMessage::LogEnd(end) => {
                replica.handing_over.heard(node, end.takes_lead, replica.ticks.get());
                self.ask_for_members(replica, node);
                let report = PeerReport {
                    from: node,
                    life: end.life,
                    answers: end.answers,
                    current_term: end.current_term,
                    end: EntryId { term: end.term, index: end.index },
                    is_trusted: end.is_trusted,
                    knows_terms: end.knows_terms,
                    last_change: end.last_change,
                    lets_in: end.lets_in,
                };
                if replica.phase() == Phase::Installs {
                    self.installing.hold_report(report);
                    replica.owes_report(node);
                    return Ok(());
                }
                let own_life = replica.group.borrow().report_to(node).life;
                self.seal_and_propose_if_leading(replica);
                replica.group.borrow_mut().peer_report(report).map_err(|refusal| refusal.to_string())?;
                if report.answers != own_life {
                    // It has not heard of this process yet.
                    replica.owes_report(node);
                    self.give_owed_reports(replica);
                }
                self.drive(replica, &RawEntries::default());
                Ok(())
            }
            ReplicaMessage::Pull(pull) => {
                self.pulled_by(replica, node, pull);
                Ok(())
            }
            ReplicaMessage::Members(notice) => self.take_members(replica, node, notice.list),
            ReplicaMessage::Pulled(pulled) => self.take_piece(replica, node, &pulled),
            ReplicaMessage::CheckpointRequest(request) => {
                self.give_checkpoint(node, &request);
                Ok(())
            }
            ReplicaMessage::CheckpointPiece(piece) => {
                self.take_checkpoint_piece(replica, node, &piece);
                Ok(())
            }
            ReplicaMessage::EntryWanted(wanted) => {
                self.give_entry(replica, node, wanted);
                Ok(())
            }
            ReplicaMessage::EntryGiven(given) => {
                self.take_entry(replica, node, &given);
                Ok(())
            }
            other => Err(format!("{:?} is not served", other.kind())),
        }
    }

    fn replica_step(self: &Rc<Self>, replica: &Replica, step: RaftStep<'_>) -> Result<(), String> {
        let raw = RawEntries::check(self.store.log().id(), step.entries())
            .map_err(|reason| format!("an entry it sent is unsound: {reason}"))?;
        if step.message.term > replica.term() {
            // Another one may lead; what was appended here belongs to the term before.
            self.seal_and_propose_if_leading(replica);
        }
        if replica.phase() == Phase::Installs {
            return Ok(());
        }
        if !replica.handing_over.takes(&step.message) {
            tracing::debug!(shard = self.identity.broker_name, "a lead was not taken over: this process is to end");
            return Ok(());
        }
        replica.watch.history.heard(step.message.from);
        let stepped = replica.group.borrow_mut().step(step.message.into_owned(), raw.infos());
        match stepped {
            Ok(()) => {
                self.drive(replica, &raw);
                Ok(())
            }
            Err(
                refusal @ (Refusal::WorkUnderWay
                | Refusal::TermsUnknown
                | Refusal::NotTrusted { .. }
                | Refusal::NotReady
                | Refusal::Stranger { .. }),
            ) => {
                tracing::debug!(%refusal, shard = self.identity.broker_name, "a message of another replica was left");
                Ok(())
            }
            Err(refusal) => Err(refusal.to_string()),
        }
    }

    /// Tells a node how far this log goes. It is the first that is said on every connection.
    fn report(&self, replica: &Replica, node: u64, class: ConnectionClass) {
        let report = replica.group.borrow().report_to(node);
        let PeerReport { life, answers, current_term, end, is_trusted, knows_terms, last_change, lets_in, .. } = report;
        let EntryId { term, index } = end;
        let takes_lead = self.has_room() && !replica.handing_over.leaves();
        let report = ReplicaMessage::LogEnd(LogEnd {
            life,
            answers,
            current_term,
            term,
            index,
            last_change,
            is_trusted,
            knows_terms,
            lets_in,
            takes_lead,
        });
        replica.links.borrow_mut().send(node, class, &report, &self.outbox);
    }

    /// Answers the reports of other nodes. Not while the replica writes: what a node says of itself is noted only then, and
    /// an answer that does not show that it was heard is none.
    fn give_owed_reports(&self, replica: &Replica) {
        if replica.phase() != Phase::Installs && !replica.group.borrow().is_writing() {
            for node in replica.take_owed_reports() {
                self.report(replica, node, ConnectionClass::Log);
            }
        }
    }

    pub(super) fn report_to_all(&self, replica: &Replica) {
        let nodes = replica.links.borrow().nodes();
        for node in nodes {
            CLASSES.into_iter().for_each(|class| self.report(replica, node, class));
        }
    }

    /// Never 0, and hard to meet twice.
    pub(crate) fn nonce(&self) -> u64 {
        (u64::from(self.env.random_below(u32::MAX)) << 32) | u64::from(self.env.random_below(u32::MAX)) | 1
    }
}
