//! Requests of clients whose route is old: a follower hands them to the leader, and its answers to the clients.
//!
//! A request is handed on once. A node that does not lead gives it back, and says with that that nothing of it is done;
//! then, and only then, it may go to another. Where the connection breaks or no answer comes, the client is told that it
//! may or may not be done. To the leader the client is one of its own, on a connection without a socket.

mod taken;
mod under_way;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;

use protocol::code::ResponseCode;
use protocol::frame::{FRAME_PREFIX_BYTES, Frame, decode_frame};
use protocol::header::Header;
use runtime::{ConnectionId, Flow, Origin, Peer};

use self::taken::{Asker, Held, Taken};
use self::under_way::{GivenUp, Handed, UnderWay};
use super::replica::{Phase, Replica};
use super::wire::{ConnectionClass, Forward, Forwarded, ReplicaMessage};
use crate::env::Env;
use crate::request::{Halt, Refusal, Request, Ticket};
use crate::shard::Shard;

/// Number of a request that nobody waits for an answer to.
const NO_ANSWER: u64 = 0;
/// A client waits so long for the group to have a leader that it can be handed on to, in ticks: 2 s. Elections take half of it.
const LEADERLESS_TICKS: u64 = 40;

/// What a replica has handed on and what it has taken.
#[derive(Default)]
pub(crate) struct Forwarding {
    under_way: RefCell<UnderWay>,
    taken: RefCell<Taken>,
    /// Requests handed on so far: the number of the last one.
    count: Cell<u64>,
    last_tick: Cell<Option<u64>>,
    /// The last tick at which there was a leader to hand on to, or this replica led.
    reachable_tick: Cell<u64>,
}

impl Forwarding {
    /// The tick at which the last request was handed on, or waited for its answer.
    pub(super) fn last_tick(&self, now: u64) -> Option<u64> {
        if self.under_way.borrow().is_empty() { self.last_tick.get() } else { Some(now) }
    }
}

/// What becomes of a request that another node handed on.
enum Offered {
    Taken,
    Waits,
}

impl<E: Env> Shard<E> {
    /// The leader that requests can be handed on to.
    fn forward_to(&self, replica: &Replica) -> Option<u64> {
        let leader = replica.leader()?;
        replica.links.borrow().is_up(leader, ConnectionClass::Log).then_some(leader)
    }

    /// Whom a follower hands a request on to that only the leader answers.
    /// # Errors
    /// [`Halt::Stall`] while there may be somebody in a moment.
    pub(super) fn leader_to_ask(&self, replica: &Replica, request: &Request<'_>) -> Result<u64, Halt> {
        if replica.group.borrow().is_leader() {
            // Elected; it serves when a majority has its first entry.
            return Err(Halt::Stall);
        }
        if request.peer.id.is_detached() {
            // Nodes of different minds would hand it to and fro.
            return Err(self.not_leading());
        }
        let waited = replica.ticks.get() - replica.forwarding.reachable_tick.get();
        match self.forward_to(replica) {
            Some(leader) => Ok(leader),
            None if waited < LEADERLESS_TICKS => Err(Halt::Stall),
            None => Err(self.not_leading()),
        }
    }

    /// Hands a client's request on to the leader.
    /// # Errors
    /// [`Halt::Stall`] if too much is under way already.
    pub(crate) fn forward(&self, leader: u64, request: &Request<'_>, frame: &Frame<'_>) -> Result<(), Halt> {
        let Some(replica) = self.replica.get() else { return Err(self.not_leading()) };
        let forwarding = &replica.forwarding;
        let is_oneway = request.header.is_oneway();
        let bytes = FRAME_PREFIX_BYTES + frame.header.len() + frame.body.len();
        let mut under_way = forwarding.under_way.borrow_mut();
        if !is_oneway && !under_way.has_room(bytes) {
            return Err(Halt::Stall);
        }
        let count = forwarding.count.get() + 1;
        let request_id = if is_oneway { NO_ANSWER } else { count };
        let handed = Handed { ticket: request.ticket(), client: request.peer.remote, frame: whole(frame) };
        if !self.send_forward(replica, leader, request_id, &handed) {
            return Err(Halt::Stall);
        }
        forwarding.count.set(count);
        forwarding.last_tick.set(Some(replica.ticks.get()));
        if !is_oneway {
            under_way.sent(request_id, leader, handed, replica.ticks.get());
        }
        Ok(())
    }

    fn send_forward(&self, replica: &Replica, to: u64, request_id: u64, handed: &Handed) -> bool {
        let client_address = handed.client.to_string();
        let forward = Forward { request_id, client_address: &client_address, frame: &handed.frame };
        let message = ReplicaMessage::Forward(forward);
        replica.links.borrow_mut().send(to, ConnectionClass::Log, &message, &self.outbox)
    }

    /// The leader answers a request that was handed on to it, or gives it back.
    /// # Errors
    /// What a sound replica never says.
    pub(super) fn take_forwarded(&self, replica: &Replica, node: u64, answer: &Forwarded<'_>) -> Result<(), String> {
        let Forwarded { request_id, frames } = *answer;
        if frames.is_empty() {
            replica.forwarding.under_way.borrow_mut().returned(request_id, node);
            return Ok(());
        }
        let code = code_of(frames)?;
        let Some(ticket) = replica.forwarding.under_way.borrow_mut().answered(request_id, node) else {
            return Ok(());
        };
        ticket.answered(self, code);
        self.outbox.with_buffer(ticket.connection, |buffer| buffer.extend_from_slice(frames));
        if replica.forwarding.under_way.borrow().has_much_room() {
            self.resume_stalled();
        }
        Ok(())
    }

    /// With every tick: gives up what takes too long, and sends on what came back.
    pub(super) fn tend_forwarding(&self, replica: &Replica) {
        let (forwarding, now) = (&replica.forwarding, replica.ticks.get());
        for id in forwarding.taken.borrow_mut().expired(now) {
            self.outbox.close_detached(id);
        }
        let leader = self.forward_to(replica);
        if leader.is_some() || replica.is_ahead_of_commit() {
            forwarding.reachable_tick.set(now);
        }
        if let Some(leader) = leader {
            let mut under_way = forwarding.under_way.borrow_mut();
            under_way.lead_is_at(leader, now);
            under_way.send_again(leader, |id, handed| self.send_forward(replica, leader, id, handed));
        }
        let given_up = forwarding.under_way.borrow_mut().given_up(now, replica.leads());
        for (ticket, what) in given_up {
            match what {
                GivenUp::Unknown => self.refuse_unknown(ticket, "the leader did not answer in time"),
                GivenUp::NotDone => {
                    let remark = "no leader took it while this replica handed it on; try again";
                    ticket.refuse(self, &Refusal::new(ResponseCode::SERVICE_NOT_AVAILABLE, remark));
                }
            }
        }
    }

    /// The connection to `node` over which requests and their answers go is gone, or another one than before.
    pub(super) fn forget_forwarded(&self, replica: &Replica, node: u64) {
        for id in replica.forwarding.taken.borrow_mut().forget(node) {
            self.outbox.close_detached(id);
        }
        let lost = replica.forwarding.under_way.borrow_mut().lost(node);
        for ticket in lost {
            self.refuse_unknown(ticket, "the connection to the leader broke");
        }
    }

    fn refuse_unknown(&self, ticket: Ticket, why: &str) {
        ticket.refuse(self, &Refusal::new(ResponseCode::SYSTEM_ERROR, format!("it may or may not be stored: {why}")));
    }

    /// Another node hands a request of one of its clients on.
    /// # Errors
    /// What a sound replica never says.
    pub(super) fn take_forward(
        self: &Rc<Self>,
        replica: &Replica,
        node: u64,
        forward: &Forward<'_>,
    ) -> Result<(), String> {
        let remote: SocketAddr = forward.client_address.parse().map_err(|_| "a client's address is none".to_owned())?;
        let frame = only_frame(forward.frame)?;
        let forwarding = &replica.forwarding;
        let id = match forward.request_id {
            NO_ANSWER => ConnectionId::NOBODY,
            request_id => {
                let id = self.outbox.open_detached();
                forwarding.taken.borrow_mut().add(id, Asker { node, request_id }, replica.ticks.get());
                id
            }
        };
        let peer = Peer { id, remote, local: self.store_host, origin: Origin::Client };
        let must_wait = forwarding.taken.borrow().holds_any();
        if !must_wait && matches!(self.offer(replica, &peer, &frame), Offered::Taken) {
            return Ok(());
        }
        let held = Held { peer, node, frame: forward.frame.to_vec() };
        if forwarding.taken.borrow_mut().hold(held).is_err() {
            let remark = "[OVERLOAD]too many requests of other nodes' clients wait for the log, try again";
            self.refuse_frame(&peer, &frame, &Refusal::new(ResponseCode::SYSTEM_BUSY, remark));
        }
        Ok(())
    }

    /// Handles a request as if the client had sent it here, if this node leads or does in a moment.
    fn offer(self: &Rc<Self>, replica: &Replica, peer: &Peer, frame: &Frame<'_>) -> Offered {
        let leads = replica.group.borrow().is_leader() && replica.phase() != Phase::Stopped;
        if !leads {
            self.give_back(replica, peer.id);
            return Offered::Taken;
        }
        match self.handle(peer, frame) {
            Flow::Continue => Offered::Taken,
            Flow::Stall => Offered::Waits,
            Flow::Close(reason) => {
                // The node that handed it on understood it, so it is of another version. It gives it up in time.
                tracing::debug!(remote = %peer.remote, %reason, "a request that another node handed on was left");
                Offered::Taken
            }
        }
    }

    /// Tells who handed a request on that nothing of it is done here.
    fn give_back(&self, replica: &Replica, id: ConnectionId) {
        self.outbox.close_detached(id);
        let asker = replica.forwarding.taken.borrow_mut().asker(id);
        if let Some(asker) = asker {
            self.send_forwarded(replica, asker, &[]);
        }
    }

    fn send_forwarded(&self, replica: &Replica, asker: Asker, frames: &[u8]) {
        let Asker { node, request_id } = asker;
        let message = ReplicaMessage::Forwarded(Forwarded { request_id, frames });
        if !replica.links.borrow_mut().send(node, ConnectionClass::Log, &message, &self.outbox) {
            tracing::debug!(node, bytes = frames.len(), "an answer to a request that was handed on is lost");
        }
    }

    fn refuse_frame(&self, peer: &Peer, frame: &Frame<'_>, refusal: &Refusal) {
        let mut header = Header::default();
        if header.decode(frame).is_ok() {
            Request::new(self, peer, frame, &header).ticket().refuse(self, refusal);
        }
    }

    /// At the beginning of a sweep's end: what waited for the log is offered again.
    pub(crate) fn offer_held(self: &Rc<Self>, replica: &Replica) {
        let taken = &replica.forwarding.taken;
        loop {
            let next = taken.borrow_mut().next_held();
            let Some(held) = next else { return };
            let offered = match only_frame(&held.frame) {
                Ok(frame) => self.offer(replica, &held.peer, &frame),
                Err(_) => Offered::Taken, // it was looked at when it came
            };
            if matches!(offered, Offered::Waits) {
                return taken.borrow_mut().hold_on(held);
            }
        }
    }

    /// At the end of a sweep: what was answered goes to who asked.
    pub(crate) fn send_answers(&self, replica: &Replica) {
        for (id, frames) in self.outbox.take_detached() {
            let asker = replica.forwarding.taken.borrow_mut().asker(id);
            if let Some(asker) = asker {
                self.send_forwarded(replica, asker, &frames);
            }
        }
    }
}

/// The frame's bytes as they came.
fn whole(frame: &Frame<'_>) -> Vec<u8> {
    let Frame { encoding, header, body } = *frame;
    let mut bytes = Vec::with_capacity(FRAME_PREFIX_BYTES + header.len() + body.len());
    let [_, high, middle, low] = (header.len() as u32).to_be_bytes();
    let length = (FRAME_PREFIX_BYTES - 4 + header.len() + body.len()) as u32;
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&[encoding.to_wire(), high, middle, low]);
    bytes.extend_from_slice(header);
    bytes.extend_from_slice(body);
    bytes
}

fn only_frame(bytes: &[u8]) -> Result<Frame<'_>, String> {
    match decode_frame(bytes) {
        Ok(Some((frame, used))) if used == bytes.len() => Ok(frame),
        Ok(_) => Err(format!("{} bytes handed on are not one frame", bytes.len())),
        Err(error) => Err(format!("what was handed on is no frame: {error}")),
    }
}

/// What an answer says.
fn code_of(frames: &[u8]) -> Result<ResponseCode, String> {
    let frame = only_frame(frames)?;
    let mut header = Header::default();
    header.decode(&frame).map_err(|error| format!("an answer to a request that was handed on: {error}"))?;
    if !header.is_response() {
        return Err("the answer to a request that was handed on is none".to_owned());
    }
    Ok(ResponseCode(header.code))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use protocol::command::CommandEncoder;
    use protocol::frame::HeaderEncoding;

    use super::*;
    use crate::metrics::ShardMetrics;

    pub(super) fn ticket(opaque: i32) -> Ticket {
        Ticket {
            connection: ConnectionId::NOBODY,
            opaque,
            encoding: HeaderEncoding::Json,
            is_oneway: false,
            is_held: false,
            number: 0,
            read_at: ShardMetrics::new(Instant::now()).read_at(),
        }
    }

    #[test]
    fn a_frame_is_handed_on_as_it_came() {
        for encoding in [HeaderEncoding::Json, HeaderEncoding::RocketMq] {
            let mut bytes = Vec::new();
            let mut encoder = CommandEncoder::request(&mut bytes, encoding, 310, 7, 0);
            encoder.field("a", "x").field("e", 3);
            encoder.finish_with_body(b"the body");
            let frame = only_frame(&bytes).unwrap();
            assert_eq!(whole(&frame), bytes);
        }
    }

    #[test]
    fn only_one_whole_frame_is_taken() {
        let mut bytes = Vec::new();
        CommandEncoder::response(&mut bytes, HeaderEncoding::Json, 14, 7, None).finish();
        assert_eq!(code_of(&bytes), Ok(ResponseCode(14)));
        assert!(only_frame(&bytes[..bytes.len() - 1]).is_err());
        let twice = [bytes.clone(), bytes].concat();
        assert!(only_frame(&twice).is_err());
        let mut request = Vec::new();
        CommandEncoder::request(&mut request, HeaderEncoding::Json, 14, 7, 0).finish();
        assert!(code_of(&request).is_err(), "a request answers nothing");
        assert!(code_of(&[0, 0, 0, 4, 9, 0, 0, 0]).is_err());
    }
}
