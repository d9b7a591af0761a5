//! A shard behind sockets.

use std::rc::Rc;
use std::time::{Duration, Instant};

use protocol::frame::Frame;
use runtime::{Awaited, DialError, Flow, Peer, Service};

use crate::env::Env;
use crate::replication::Replica;
use crate::shard::Shard;
use crate::shard_message::ShardMessage;

/// Hands what arrives to a [`Shard`].
pub struct ShardService<E: Env>(pub Rc<Shard<E>>);

impl<E: Env> Service for ShardService<E> {
    type Message = ShardMessage;

    fn sweep_began(&self, now: Instant) {
        self.0.metrics.sweep_began(now);
    }

    fn looked_in_vain(&self, for_so_long: Duration) {
        let looked = &self.0.metrics.looked;
        looked.set(looked.get() + for_so_long);
    }

    fn sweep_sent(&self, stalled: usize) {
        self.0.metrics.sweep_sent(stalled, || self.0.env.instant());
    }

    fn connected(&self, peer: &Peer) {
        if peer.origin.is_replica() {
            return;
        }
        let connections = &self.0.metrics.connections;
        connections.set(connections.get() + 1);
    }

    fn frame(&self, peer: &Peer, frame: &Frame<'_>) -> Flow {
        match self.0.master_slave.get() {
            _ if !peer.origin.is_replica() => self.0.handle(peer, frame),
            Some(ms) => self.0.copy_frame(ms, peer, frame),
            None => self.0.replica_frame(peer, frame),
        }
    }

    fn dialed(&self, ticket: u64, dialed: Result<&Peer, DialError>) {
        match self.0.master_slave.get() {
            Some(ms) => self.0.master_dialed(ms, ticket, dialed),
            None => self.0.replica_dialed(ticket, dialed),
        }
    }

    fn closed(&self, peer: &Peer) {
        if peer.origin.is_replica() {
            match self.0.master_slave.get() {
                Some(ms) => self.0.copy_link_closed(ms, peer.id),
                None => self.0.replica_closed(peer.id),
            }
            return;
        }
        let connections = &self.0.metrics.connections;
        connections.set(connections.get() - 1);
        self.0.forget(peer);
    }

    fn sweep_end(&self) {
        self.0.sweep_end();
    }

    fn has_pending(&self) -> bool {
        self.0.has_pending()
    }

    fn awaited(&self) -> Awaited {
        if self.has_pending() {
            Awaited::Answers
        } else if self.0.replica.get().is_some_and(Replica::awaits_followers) {
            Awaited::LateNodes
        } else {
            Awaited::Requests
        }
    }

    fn message(&self, message: ShardMessage) {
        self.0.receive(message);
    }
}
