//! Connections between a slave and its master: the slave dials the master's port for slaves; each side's first frame says
//! who it is. Frames are those between replicas (`replication/wire`).

use protocol::frame::Frame;
use runtime::{CloseReason, ConnectionId, DialError, Flow, Peer};

use super::slaves::SlaveLink;
use super::{MasterSlave, Part, Shared};
use crate::env::Env;
use crate::registration::MASTER_ID;
use crate::replication::TransferRate;
use crate::replication::wire::{ConnectionClass, Envelope, Hello, Link, Refused, ReplicaMessage};
use crate::shard::Shard;

/// What every frame names as its log, before the slave has one: no id of a Raft group's is likely to be the same.
const CONVERSATION: u64 = u64::from_be_bytes(*b"TPSLAVES");

/// Node numbers on the wire are never 0.
fn node(broker_id: i64) -> u64 {
    u64::try_from(broker_id).unwrap_or(0) + 1
}

/// Whom a connection leads to.
enum Sender {
    Master,
    Slave,
}

impl<E: Env> Shard<E> {
    fn own_hello(&self, nonce: u64) -> Hello<'_> {
        Hello {
            class: ConnectionClass::Log,
            flush: self.config.store.flush,
            segment_bytes: self.store.log().options().segment_bytes,
            run: nonce,
            nonce,
            cluster: &self.config.identity.cluster_name,
            group: "",
            broker_name: &self.identity.broker_name,
            client_address: &self.identity.advertised_address,
        }
    }

    /// A connection that was dialed to the master is there, or is not.
    pub(crate) fn master_dialed(&self, ms: &MasterSlave, ticket: u64, dialed: Result<&Peer, DialError>) {
        let mut master = ms.master.borrow_mut();
        match dialed {
            Ok(peer) => {
                let nonce = self.nonce();
                let link = Link::dialed(node(ms.slave_id.get()), node(MASTER_ID), CONVERSATION);
                if ms.part() == Part::Copies && master.connected(ticket, peer.id, link, nonce) {
                    master.send(&ReplicaMessage::Hello(self.own_hello(nonce)), &self.outbox);
                } else {
                    self.outbox.close(peer.id, CloseReason("replication: dialed in vain".into()));
                }
            }
            Err(error) => {
                master.dial_failed(ticket, self.uptime_ms());
                self.say_of_master(&mut master, &error.to_string());
            }
        }
    }

    fn say_of_master(&self, master: &mut super::master_link::MasterLink, what: &str) {
        if master.is_news(what) {
            tracing::warn!(shard = self.identity.broker_name, what, "the master cannot be copied from; trying again");
        }
    }

    /// A connection of master or slave is gone.
    pub(crate) fn copy_link_closed(&self, ms: &MasterSlave, connection: ConnectionId) {
        if ms.master.borrow_mut().closed(connection, self.uptime_ms()) {
            tracing::info!(shard = self.identity.broker_name, "the connection to the master is gone");
        }
        if let Some(slave) = ms.slaves.borrow_mut().remove(connection) {
            let (id, address) = (slave.id, slave.address);
            tracing::info!(shard = self.identity.broker_name, id, address, "a slave is gone");
        }
    }

    /// A frame of master or slave.
    pub(crate) fn copy_frame(self: &Shared<E>, ms: &MasterSlave, peer: &Peer, frame: &Frame<'_>) -> Flow {
        let close = |why: String| Flow::Close(CloseReason(format!("replication: {why}").into()));
        let (envelope, message) = match ReplicaMessage::decode(frame) {
            Ok(decoded) => decoded,
            Err(error) => return close(error.to_string()),
        };
        let heard = self.check_envelope(ms, peer.id, &envelope).and_then(|sender| match sender {
            Some(Sender::Master) => self.heard_master(ms, &message),
            Some(Sender::Slave) => self.heard_slave(ms, peer.id, &message),
            None => self.accept_slave(ms, peer.id, &envelope, &message),
        });
        match heard {
            Ok(()) => Flow::Continue,
            Err(why) => {
                if ms.master.borrow_mut().link_of(peer.id).is_some() {
                    self.say_of_master(&mut ms.master.borrow_mut(), &why);
                }
                close(why)
            }
        }
    }

    /// Who sends on a connection, if that has been said there.
    /// # Errors
    /// What came is not the next frame of this connection.
    fn check_envelope(
        &self,
        ms: &MasterSlave,
        connection: ConnectionId,
        envelope: &Envelope,
    ) -> Result<Option<Sender>, String> {
        let check = |link: &mut Link| link.accept(envelope).map_err(|error| error.to_string());
        if let Some(link) = ms.master.borrow_mut().link_of(connection) {
            return check(link).map(|()| Some(Sender::Master));
        }
        let mut slaves = ms.slaves.borrow_mut();
        let Some(slave) = slaves.get_mut(connection) else { return Ok(None) };
        check(&mut slave.link)?;
        slave.heard_ms = self.uptime_ms();
        Ok(Some(Sender::Slave))
    }

    fn heard_master(self: &Shared<E>, ms: &MasterSlave, message: &ReplicaMessage<'_>) -> Result<(), String> {
        match message {
            ReplicaMessage::Hello(hello) => {
                if let Some(mismatch) = hello.mismatch(&self.own_hello(0)) {
                    return Err(mismatch);
                }
                if !ms.master.borrow_mut().greeted(hello.nonce, hello.client_address) {
                    return Err("a second hello".to_owned());
                }
                let shard = &self.identity.broker_name;
                tracing::info!(shard, master = hello.client_address, "connected to the master");
                self.ask_master(ms);
                Ok(())
            }
            ReplicaMessage::Refused(Refused { reason }) => Err(format!("the master refuses this slave: {reason}")),
            ReplicaMessage::CopyPiece(piece) => self.take_copied(ms, piece),
            ReplicaMessage::CheckpointPiece(piece) => {
                self.take_checkpoint(ms, piece);
                Ok(())
            }
            other => Err(format!("{:?} is out of turn", other.kind())),
        }
    }

    fn heard_slave(
        self: &Shared<E>,
        ms: &MasterSlave,
        connection: ConnectionId,
        message: &ReplicaMessage<'_>,
    ) -> Result<(), String> {
        match message {
            ReplicaMessage::CopyRequest(request) => {
                self.copy_requested(ms, connection, *request);
                Ok(())
            }
            ReplicaMessage::CheckpointRequest(request) => {
                self.give_checkpoint_to_slave(ms, connection, request);
                Ok(())
            }
            other => Err(format!("{:?} is out of turn", other.kind())),
        }
    }

    /// The first frame on a connection to the port for slaves.
    fn accept_slave(
        self: &Shared<E>,
        ms: &MasterSlave,
        connection: ConnectionId,
        envelope: &Envelope,
        message: &ReplicaMessage<'_>,
    ) -> Result<(), String> {
        let ReplicaMessage::Hello(hello) = message else { return Err("the first frame is no hello".to_owned()) };
        let link = Link::accepted(node(MASTER_ID), CONVERSATION, envelope);
        let mut link = link.map_err(|error| error.to_string())?;
        let nonce = self.nonce();
        let id = i64::try_from(link.peer() - 1).unwrap_or(i64::MAX);
        let own = self.own_hello(nonce);
        let mismatch = hello.mismatch(&own).or_else(|| match ms.part() {
            _ if id == MASTER_ID => Some("a slave's brokerId is above 0".to_owned()),
            Part::Serves => None,
            Part::Asks => Some("this master does not know yet whether a slave was promoted".to_owned()),
            Part::Copies | Part::Changes => Some("this is no master".to_owned()),
        });
        let put = |link: &mut Link, message: &ReplicaMessage<'_>| {
            let envelope = link.next_envelope();
            self.outbox.with_buffer(connection, |buffer| message.encode(&envelope, buffer));
        };
        if let Some(reason) = mismatch {
            put(&mut link, &ReplicaMessage::Refused(Refused::because(&reason)));
            return Err(reason);
        }
        put(&mut link, &ReplicaMessage::Hello(own));
        link.establish(hello.nonce, nonce);
        let address = hello.client_address.to_owned();
        tracing::info!(shard = self.identity.broker_name, id, address, "a slave is connected");
        let slave = SlaveLink {
            link,
            id,
            address,
            confirmed: None,
            sent_to: None,
            waiting: None,
            heard_ms: self.uptime_ms(),
            rate: TransferRate::default(),
        };
        ms.slaves.borrow_mut().add(connection, slave, &self.outbox);
        Ok(())
    }
}
