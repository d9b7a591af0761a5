//! A leader that gives its lead away: because its process is to end, because another node should lead, or because its disk is
//! full and another one's is not.
//!
//! Requests wait meanwhile. What was appended is committed first, then Raft hands over to a follower that has all of it, so
//! nobody's request is lost or in doubt; those that waited are handed on to the new leader. A process that is to end
//! then stays for a while and hands on what clients with an old route still send.

mod linger;
mod move_back;
mod room;
mod successor;
mod takers;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use raft_driver::ProposeError;
use raft_driver::eraftpb::{Message, MessageType};

use self::linger::{LINGER_TICKS, Linger};
pub(super) use self::move_back::BEHIND_BYTES_MAX;
use self::move_back::MoveBack;
use self::room::RoomWatch;
use self::successor::successor;
use self::takers::LeadTakers;
use super::replica::{Phase, Replica};
use super::wire::ConnectionClass;
use crate::config::replication::RaftTiming;
use crate::env::Env;
use crate::shard::Shard;

/// A lead that nobody has taken after this is kept, in ticks: 3 s.
const WITHIN_TICKS: u64 = 60;
/// The same where only one node is to have it and this one need not give it away: 0.5 s.
const WANTED_WITHIN_TICKS: u64 = 10;
/// How often it is looked at what has become of it.
const LOOK: Duration = Duration::from_millis(1);
/// So long after it led, name servers are not told that it follows before they can be told who leads, in ticks: 2 s.
const SILENT_TICKS: u64 = 40;

/// What a replica knows of leads that were handed over.
#[derive(Default)]
pub(crate) struct HandingOver {
    /// When this replica last led.
    led_tick: Cell<Option<u64>>,
    /// Its process is to end.
    leaves: Cell<bool>,
    is_under_way: Cell<bool>,
    move_back: Cell<MoveBack>,
    room: RefCell<RoomWatch>,
    takers: RefCell<LeadTakers>,
}

impl HandingOver {
    /// Whether the replica takes a lead that is handed to it.
    pub(super) fn takes(&self, message: &Message) -> bool {
        message.get_msg_type() != MessageType::MsgTimeoutNow || !self.leaves.get()
    }

    /// Whether its process is to end.
    pub(super) fn leaves(&self) -> bool {
        self.leaves.get()
    }

    /// Another node says whether a lead may go to it.
    pub(super) fn heard(&self, node: u64, takes_lead: bool, now: u64) {
        self.takers.borrow_mut().said(node, takes_lead, now);
    }
}

impl<E: Env> Shard<E> {
    /// The process is to end: hands the lead over, if there is somebody to take it, and returns when no client needs this
    /// replica any more.
    pub(crate) async fn make_way(self: Rc<Self>) {
        let Some(replica) = self.replica.get() else { return };
        let state = &replica.handing_over;
        state.leaves.set(true);
        self.note_lead(replica);
        let members = replica.group.borrow().conf_state().voters.len();
        let led = state.led_tick.get().filter(|led| replica.ticks.get() - led < LINGER_TICKS);
        if members <= 1 || led.is_none() {
            return;
        }
        while replica.phase() != Phase::Stopped {
            let keeps = replica.leads() && !state.is_under_way.get() && !self.hand_over(replica, None).await;
            if keeps && replica.leads() {
                let shard = &self.identity.broker_name;
                tracing::warn!(shard, "nobody took the lead of this replica; it is free when the process has ended");
                return;
            }
            let linger = Linger {
                led: state.led_tick.get().unwrap_or_default(),
                forwarded: replica.forwarding.last_tick(replica.ticks.get()),
                clients: self.metrics.connections.get(),
            };
            if linger.is_over(replica.ticks.get()) {
                return;
            }
            self.env.sleep(RaftTiming::TICK).await;
        }
    }

    /// With every tick: notes that it leads, or gives its lead to the node that should have it.
    pub(super) fn tend_lead(self: &Rc<Self>, replica: &Replica) {
        let (state, now) = (&replica.handing_over, replica.ticks.get());
        self.note_lead(replica);
        if state.led_tick.get().is_some_and(|led| led + SILENT_TICKS == now) {
            self.announce_role(replica);
        }
        let mut watch = state.move_back.get();
        match self.preferred_elsewhere(replica) {
            Some(preferred) if replica.leads() && !state.leaves.get() && !state.is_under_way.get() => {
                if watch.is_due(now, self.is_fit(replica, preferred)) {
                    watch.reset();
                    let shard = self.clone();
                    self.env.spawn(async move { shard.move_lead_back(preferred).await });
                }
            }
            _ => watch.reset(),
        }
        state.move_back.set(watch);
        self.tend_room(replica);
    }

    /// Whether this node can take sends for longer than the log's present segment lasts.
    pub(super) fn has_room(&self) -> bool {
        !self.disk_is_full.get() && !self.store.log().failed_next_segment()
    }

    /// Gives the lead to a node that has room, where this one has none.
    fn tend_room(self: &Rc<Self>, replica: &Replica) {
        let (state, now) = (&replica.handing_over, replica.ticks.get());
        let leads = replica.leads() && !state.leaves.get() && !state.is_under_way.get();
        let is_due = state.room.borrow_mut().is_due(now, leads, !self.has_room());
        if !is_due {
            return;
        }
        let mut progress = replica.group.borrow().progress();
        progress.retain(|peer| state.takers.borrow().has(peer.id, now));
        // Where nobody has room, sends are refused here as anywhere.
        if let Some(node) = successor(&progress, &[]) {
            let shard = self.clone();
            self.env.spawn(async move { shard.leave_for_want_of_room(node).await });
        }
    }

    async fn leave_for_want_of_room(self: Rc<Self>, node: u64) {
        let Some(replica) = self.replica.get() else { return };
        let shard = &self.identity.broker_name;
        tracing::warn!(shard, node, "this replica's disk is full: it gives its lead to a node that has room");
        if !self.hand_over(replica, Some(node)).await {
            replica.handing_over.room.borrow_mut().failed(replica.ticks.get());
        }
    }

    fn note_lead(&self, replica: &Replica) {
        if replica.is_ahead_of_commit() || replica.group.borrow().is_leader() {
            replica.handing_over.led_tick.set(Some(replica.ticks.get()));
        }
    }

    /// Whether it led a moment ago and nobody else serves yet: clients find nobody better.
    pub(super) fn is_last_known_leader(&self, replica: &Replica) -> bool {
        let group = replica.group.borrow();
        let serves = replica.leader().is_some() && group.term_of(group.committed()) == Some(group.role().term);
        let led = replica.handing_over.led_tick.get();
        !serves && led.is_some_and(|led| replica.ticks.get() - led < SILENT_TICKS)
    }

    /// The node that should lead this shard, if it is another one.
    fn preferred_elsewhere(&self, replica: &Replica) -> Option<u64> {
        let raft = self.config.replication.raft()?;
        let members = replica.members.borrow();
        let goes = members.notes.joining.and_then(|joining| joining.replaces);
        let mut voters: Vec<u64> = members.roles.voters.iter().copied().filter(|id| Some(*id) != goes).collect();
        voters.sort_unstable();
        raft.preferred_leader(&voters, self.identity.index).filter(|node| *node != replica.node)
    }

    fn is_fit(&self, replica: &Replica, node: u64) -> bool {
        let group = replica.group.borrow();
        let Some(peer) = group.progress().into_iter().find(|peer| peer.id == node) else { return false };
        let links = replica.links.borrow();
        let behind_bytes = match group.entry(peer.matched) {
            _ if peer.matched == group.end().index => Some(0),
            Some(entry) => Some(self.store.log().end().position - entry.position - u64::from(entry.bytes)),
            None => None,
        };
        let is_there = peer.is_active && links.is_up(node, ConnectionClass::Log);
        let takes_lead = replica.handing_over.takers.borrow().has(node, replica.ticks.get());
        let can_lead = !peer.is_catching_up && !peer.is_learner && takes_lead;
        is_there && can_lead && behind_bytes.is_some_and(|bytes| bytes <= BEHIND_BYTES_MAX)
    }

    /// Gives the lead to whom it fits best, because this node is to be removed.
    pub(super) async fn hand_lead_over(self: Rc<Self>) {
        let Some(replica) = self.replica.get().filter(|replica| replica.leads()) else { return };
        self.hand_over(replica, None).await;
    }

    async fn move_lead_back(self: Rc<Self>, node: u64) {
        let Some(replica) = self.replica.get() else { return };
        tracing::info!(
            shard = self.identity.broker_name,
            node,
            "this replica gives its lead to the node that should have it"
        );
        if !self.hand_over(replica, Some(node)).await {
            let state = &replica.handing_over;
            let mut watch = state.move_back.get();
            watch.failed(replica.ticks.get());
            state.move_back.set(watch);
        }
    }

    /// Hands the lead to `wanted`, or to whom it fits best. False: this replica leads still, or did not.
    async fn hand_over(self: &Rc<Self>, replica: &Replica, wanted: Option<u64>) -> bool {
        let state = &replica.handing_over;
        if state.is_under_way.replace(true) {
            return false;
        }
        let within = if wanted.is_some() { WANTED_WITHIN_TICKS } else { WITHIN_TICKS };
        let (began, until) = (self.env.instant(), replica.ticks.get() + within);
        let is_handed = self.stop_appends(replica, until).await
            && self.until_all_committed(replica, until).await
            && self.transfer(replica, wanted, until).await;
        // No transfer is under way any more.
        if replica.phase() == Phase::HandsOver {
            replica.enter(Phase::Leads);
        }
        state.is_under_way.set(false);
        let (shard, took_us) = (&self.identity.broker_name, (self.env.instant() - began).as_micros() as u64);
        tracing::info!(shard, is_handed, took_us, "hand-over of the lead");
        self.resume_stalled();
        is_handed
    }

    /// Enters [`Phase::HandsOver`] with everything in the log that tables hold: an entry that is made while a transfer is under
    /// way cannot be proposed. A log without room takes none of that any more; who waits for it is refused, and tables are taken back.
    async fn stop_appends(self: &Rc<Self>, replica: &Replica, until: u64) -> bool {
        while replica.leads() && replica.ticks.get() < until {
            let are_logged = self.log_changes() && self.log_offsets();
            if replica.group.borrow().can_propose() && (are_logged || !self.has_room()) {
                replica.enter(Phase::HandsOver);
                self.sweep_end();
                return true;
            }
            self.env.sleep(LOOK).await;
        }
        false
    }

    async fn until_all_committed(self: &Rc<Self>, replica: &Replica, until: u64) -> bool {
        let end = self.store.log().end().index;
        while replica.phase() == Phase::HandsOver && replica.ticks.get() < until {
            if replica.applied.get().index >= end {
                return true;
            }
            self.env.sleep(LOOK).await;
        }
        false
    }

    async fn transfer(self: &Rc<Self>, replica: &Replica, wanted: Option<u64>, until: u64) -> bool {
        let mut tried = Vec::new();
        while replica.phase() == Phase::HandsOver {
            if replica.ticks.get() >= until || wanted.is_some_and(|node| tried.contains(&node)) {
                return false;
            }
            match self.begin_transfer(replica, wanted, &tried) {
                Some(node) => tried.push(node),
                // Those that did not take it may a little later, and one may be there again.
                None => tried.clear(),
            }
            self.env.sleep(LOOK).await;
            while replica.phase() == Phase::HandsOver && is_transferring(replica) {
                self.env.sleep(LOOK).await;
            }
        }
        matches!(replica.phase(), Phase::Follows | Phase::TakesBack)
    }

    fn begin_transfer(self: &Rc<Self>, replica: &Replica, wanted: Option<u64>, tried: &[u64]) -> Option<u64> {
        let node = {
            let mut group = replica.group.borrow_mut();
            if group.is_writing() {
                return None;
            }
            let mut progress = group.progress();
            progress.retain(|peer| wanted.is_none_or(|wanted| peer.id == wanted));
            let node = successor(&progress, tried)?;
            group.transfer_to(node).ok()?;
            node
        };
        self.replicate();
        Some(node)
    }
}

fn is_transferring(replica: &Replica) -> bool {
    replica.group.borrow().next_entry() == Err(ProposeError::TransferUnderWay)
}
