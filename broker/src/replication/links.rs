//! Connections to the other replicas of a shard: who dials whom, who may speak, where a message goes.
//!
//! Of a pair, the node with the higher id dials, once for each [`ConnectionClass`]; both speak on either connection. Each
//! side's first frame says who it is; what does not belong is refused, with the reason, and logged once. The clock and
//! the sockets are the caller's.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::ops::Range;
use std::rc::Rc;

use protocol::frame::Frame;
use runtime::{CloseReason, ConnectionId, Outbox};

use super::wire::{ConnectionClass, Envelope, Hello, Link, Refused, ReplicaMessage};
use crate::config::FlushDiskType;

/// A connection that failed is dialed again after this ...
const REDIAL_MS: i64 = 200;
/// ... and one that was refused after this: an operator has to mend something first.
const REFUSED_REDIAL_MS: i64 = 5_000;
/// What waits to be sent to a replica is bounded by this; further messages are lost, as on a network that is down.
const QUEUED_BYTES_MAX: usize = 24 << 20;
pub(super) const CLASSES: [ConnectionClass; 3] = [ConnectionClass::Log, ConnectionClass::Beat, ConnectionClass::Bulk];

/// What this replica says of itself in every hello.
#[derive(Clone, Debug)]
pub(crate) struct Introduction {
    pub(crate) node: u64,
    pub(crate) log_id: u64,
    pub(crate) flush: FlushDiskType,
    pub(crate) segment_bytes: u64,
    /// Drawn when the process started.
    pub(crate) run: u64,
    pub(crate) cluster: String,
    pub(crate) group: String,
    pub(crate) broker_name: String,
    pub(crate) client_address: String,
}

impl Introduction {
    fn hello(&self, class: ConnectionClass, nonce: u64) -> Hello<'_> {
        Hello {
            class,
            flush: self.flush,
            segment_bytes: self.segment_bytes,
            run: self.run,
            nonce,
            cluster: &self.cluster,
            group: &self.group,
            broker_name: &self.broker_name,
            client_address: &self.client_address,
        }
    }
}

#[derive(Debug)]
enum Channel {
    /// Dialed, or waited for, from this moment on.
    Down { from_ms: i64 },
    /// A connection is being made.
    Dialing,
    /// Hellos are under way.
    Greeting(ConnectionId),
    /// Messages go here.
    Up(ConnectionId),
}

struct Member {
    address: SocketAddr,
    /// By class.
    channels: [Channel; CLASSES.len()],
    client_address: Option<String>,
}

impl Member {
    fn channel(&mut self, class: ConnectionClass) -> &mut Channel {
        &mut self.channels[class as usize]
    }
}

struct Connection {
    link: Link,
    class: ConnectionClass,
    /// What this side said in its hello, as long as the other's is awaited.
    awaits_hello: Option<u64>,
    /// The other side does not want it.
    is_refused: bool,
    /// Which process of the other node it leads to; 0 before its hello.
    run: u64,
    /// Whether the other node has told how far its log goes. Before that it is told nothing but the same: what a forgetful
    /// replica may be told rests on it.
    has_report: bool,
}

/// What a frame on a replica connection is to the caller.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "one at a time, on the stack; a box would be an allocation a message")]
pub(crate) enum Heard<'a> {
    /// Node `.0` can be talked to from here on, on its connection of this class.
    Up(u64, ConnectionClass),
    /// Node `.0` said something.
    Message(u64, ReplicaMessage<'a>),
}

/// See the module's text.
pub(crate) struct Links {
    own: Introduction,
    members: BTreeMap<u64, Member>,
    connections: HashMap<ConnectionId, Connection>,
    /// Messages that were lost because too much waits.
    dropped: u64,
}

impl Links {
    /// Nobody is connected yet. `members` are the other nodes and where their replicas listen.
    pub(crate) fn new(own: Introduction, members: impl IntoIterator<Item = (u64, SocketAddr)>) -> Self {
        let member =
            |address| Member { address, channels: CLASSES.map(|_| Channel::Down { from_ms: 0 }), client_address: None };
        let members = members.into_iter().map(|(id, address)| (id, member(address))).collect();
        Self { own, members, connections: HashMap::new(), dropped: 0 }
    }

    /// Dials whom this node has to dial and who is not connected. `now_ms`, here and below, is of a clock that never goes
    /// back.
    pub(crate) fn dial_due(&mut self, now_ms: i64, outbox: &Outbox) {
        for (id, member) in self.members.range_mut(..self.own.node) {
            for class in CLASSES {
                let address = member.address;
                let channel = member.channel(class);
                if matches!(channel, Channel::Down { from_ms } if *from_ms <= now_ms) {
                    *channel = Channel::Dialing;
                    outbox.dial(address, ticket(*id, class));
                }
            }
        }
    }

    /// A dialed connection is there: says hello on it.
    pub(crate) fn connected(&mut self, ticket: u64, connection: ConnectionId, nonce: u64, outbox: &Outbox) {
        let (id, class) = of_ticket(ticket);
        let Some(member) = self.members.get_mut(&id) else { return };
        *member.channel(class) = Channel::Greeting(connection);
        let mut link = Link::dialed(self.own.node, id, self.own.log_id);
        let hello = ReplicaMessage::Hello(self.own.hello(class, nonce));
        put(outbox, connection, &mut link, &hello);
        let known = Connection { link, class, awaits_hello: Some(nonce), is_refused: false, run: 0, has_report: false };
        self.connections.insert(connection, known);
    }

    /// A connection was not made.
    pub(crate) fn dial_failed(&mut self, ticket: u64, now_ms: i64) {
        let (id, class) = of_ticket(ticket);
        if let Some(member) = self.members.get_mut(&id) {
            *member.channel(class) = Channel::Down { from_ms: now_ms + REDIAL_MS };
        }
    }

    /// A connection is gone. Returns the node it led to and what it was for, if messages went there.
    pub(crate) fn closed(&mut self, connection: ConnectionId, now_ms: i64) -> Option<(u64, ConnectionClass)> {
        let Connection { link, class, is_refused, .. } = self.connections.remove(&connection)?;
        let channel = self.members.get_mut(&link.peer())?.channel(class);
        // Another one may have taken its place.
        let (is_own, was_up) = match channel {
            Channel::Greeting(own) => (*own == connection, false),
            Channel::Up(own) => (*own == connection, true),
            Channel::Down { .. } | Channel::Dialing => (false, false),
        };
        if is_own {
            let pause_ms = if is_refused { REFUSED_REDIAL_MS } else { REDIAL_MS };
            *channel = Channel::Down { from_ms: now_ms + pause_ms };
        }
        (is_own && was_up).then(|| (link.peer(), class))
    }

    /// A frame arrived on a replica connection. `nonce` is used where this is a hello that is answered.
    /// # Errors
    /// The connection is to be closed, for this reason.
    pub(crate) fn heard<'a>(
        &mut self,
        connection: ConnectionId,
        frame: &Frame<'a>,
        nonce: u64,
        outbox: &Outbox,
    ) -> Result<Heard<'a>, CloseReason> {
        let closing = |error: &dyn std::fmt::Display| CloseReason(format!("replication: {error}").into());
        let (envelope, message) = ReplicaMessage::decode(frame).map_err(|error| closing(&error))?;
        let Some(known) = self.connections.get_mut(&connection) else {
            return self.accept(connection, &envelope, &message, nonce, outbox);
        };
        known.link.accept(&envelope).map_err(|error| closing(&error))?;
        let (peer, class) = (known.link.peer(), known.class);
        match (message, known.awaits_hello.take()) {
            (ReplicaMessage::Refused(Refused { reason }), _) => {
                known.is_refused = true;
                Err(closing(&format_args!("node {peer} refuses this one: {reason}")))
            }
            (ReplicaMessage::Hello(hello), Some(own_nonce)) => {
                known.link.establish(own_nonce, hello.nonce);
                known.run = hello.run;
                self.up(connection, peer, class, &hello, outbox);
                Ok(Heard::Up(peer, class))
            }
            (message, None) if !matches!(message, ReplicaMessage::Hello(_)) => {
                known.has_report |= matches!(message, ReplicaMessage::LogEnd(_));
                Ok(Heard::Message(peer, message))
            }
            (message, _) => Err(closing(&format_args!("{:?} is out of turn", message.kind()))),
        }
    }

    /// The first frame on an accepted connection.
    fn accept<'a>(
        &mut self,
        connection: ConnectionId,
        envelope: &Envelope,
        message: &ReplicaMessage<'a>,
        nonce: u64,
        outbox: &Outbox,
    ) -> Result<Heard<'a>, CloseReason> {
        let closing = |why: &str| CloseReason(format!("replication: {why}").into());
        let ReplicaMessage::Hello(hello) = message else {
            return Err(closing("the first frame is no hello"));
        };
        let (peer, class) = (envelope.from, hello.class);
        let is_member = peer > self.own.node && self.members.contains_key(&peer);
        // What differs in the settings says more than that the logs differ.
        let accepted = match hello.mismatch(&self.own.hello(class, nonce)) {
            Some(mismatch) => Err(mismatch),
            None => match Link::accepted(self.own.node, self.own.log_id, envelope) {
                Err(error) => Err(error.to_string()),
                Ok(_) if !is_member => {
                    Err(format!("node {peer} is no member of this group that would dial node {}", self.own.node))
                }
                Ok(link) => Ok(link),
            },
        };
        let mut link = match accepted {
            Ok(link) => link,
            Err(reason) => {
                // As whom it dialed, or it would not listen.
                let mut link = Link::dialed(envelope.to, envelope.from, envelope.log_id);
                put(outbox, connection, &mut link, &ReplicaMessage::Refused(Refused::because(&reason)));
                return Err(closing(&reason));
            }
        };
        put(outbox, connection, &mut link, &ReplicaMessage::Hello(self.own.hello(class, nonce)));
        link.establish(hello.nonce, nonce);
        self.up(connection, peer, class, hello, outbox);
        let known =
            Connection { link, class, awaits_hello: None, is_refused: false, run: hello.run, has_report: false };
        self.connections.insert(connection, known);
        Ok(Heard::Up(peer, class))
    }

    /// Messages to `peer` go over `connection` from here on. What else is connected to an earlier process of it, or for
    /// the same, is closed: nothing that an earlier process said may be heard after this one.
    fn up(&mut self, connection: ConnectionId, peer: u64, class: ConnectionClass, hello: &Hello<'_>, outbox: &Outbox) {
        let Some(member) = self.members.get_mut(&peer) else { return };
        member.client_address = Some(hello.client_address.to_owned());
        *member.channel(class) = Channel::Up(connection);
        let is_old = |(id, known): &(&ConnectionId, &Connection)| {
            let is_earlier = known.run != 0 && known.run != hello.run;
            **id != connection && known.link.peer() == peer && (is_earlier || known.class == class)
        };
        let old: Vec<ConnectionId> = self.connections.iter().filter(is_old).map(|(id, _)| *id).collect();
        for id in old {
            let Some(known) = self.connections.remove(&id) else { continue };
            if let Some(member) = self.members.get_mut(&peer)
                && matches!(member.channel(known.class), Channel::Up(own) | Channel::Greeting(own) if *own == id)
            {
                *member.channel(known.class) = Channel::Down { from_ms: 0 };
            }
            outbox.close(id, CloseReason("replication: the other side has connected again".into()));
        }
    }

    /// Sends a message; false: the node is not connected, has not said how far its log goes, or too much waits already.
    pub(crate) fn send(
        &mut self,
        to: u64,
        class: ConnectionClass,
        message: &ReplicaMessage<'_>,
        outbox: &Outbox,
    ) -> bool {
        let body = message.body();
        self.send_body(to, class, message, body.len(), outbox, |buffer| buffer.extend_from_slice(body))
    }

    /// As [`Self::send`], where `write` appends the `body_bytes` bytes of the body: straight from where they lie.
    pub(crate) fn send_body(
        &mut self,
        to: u64,
        class: ConnectionClass,
        message: &ReplicaMessage<'_>,
        body_bytes: usize,
        outbox: &Outbox,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> bool {
        let Some(connection) = self.open_to(to, class, message, body_bytes, outbox) else { return false };
        let Some(known) = self.connections.get_mut(&connection) else { return false };
        let envelope = known.link.next_envelope();
        outbox.with_buffer(connection, |buffer| {
            message.encode_head(&envelope, body_bytes, buffer);
            let begins = buffer.len();
            write(buffer);
            assert_eq!(buffer.len() - begins, body_bytes, "the body is as long as its frame says");
        })
    }

    /// The connection that a message can go over now.
    fn open_to(
        &mut self,
        to: u64,
        class: ConnectionClass,
        message: &ReplicaMessage<'_>,
        body_bytes: usize,
        outbox: &Outbox,
    ) -> Option<ConnectionId> {
        let Channel::Up(connection) = *self.members.get_mut(&to)?.channel(class) else { return None };
        if outbox.queued_bytes(connection) + body_bytes > QUEUED_BYTES_MAX {
            self.dropped += 1;
            if self.dropped.is_power_of_two() {
                let dropped = self.dropped;
                tracing::warn!(
                    node = to,
                    dropped,
                    limit = QUEUED_BYTES_MAX,
                    "a replica reads too slowly: messages to it are dropped"
                );
            }
            return None;
        }
        let known = self.connections.get(&connection)?;
        (known.has_report || matches!(message, ReplicaMessage::LogEnd(_))).then_some(connection)
    }

    /// Sends a message whose body is the bytes `range` of `owner`, which are not copied. False: as for [`Self::send`].
    pub(crate) fn share_body(
        &mut self,
        to: u64,
        class: ConnectionClass,
        message: &ReplicaMessage<'_>,
        (owner, range): (Rc<dyn AsRef<[u8]>>, Range<usize>),
        outbox: &Outbox,
    ) -> bool {
        let Some(connection) = self.open_to(to, class, message, range.len(), outbox) else { return false };
        let Some(known) = self.connections.get_mut(&connection) else { return false };
        let envelope = known.link.next_envelope();
        outbox.with_buffer(connection, |buffer| message.encode_head(&envelope, range.len(), buffer))
            && (range.is_empty() || outbox.share(connection, owner, range))
    }

    /// Bytes that wait on the connection of this class to a node.
    pub(crate) fn queued_bytes(&self, to: u64, class: ConnectionClass, outbox: &Outbox) -> usize {
        match self.members.get(&to).map(|member| &member.channels[class as usize]) {
            Some(Channel::Up(connection)) => outbox.queued_bytes(*connection),
            _ => 0,
        }
    }

    /// Whether messages of this class can go to a node.
    pub(crate) fn is_up(&self, node: u64, class: ConnectionClass) -> bool {
        let channel = self.members.get(&node).map(|member| &member.channels[class as usize]);
        matches!(channel, Some(Channel::Up(_)))
    }

    /// Which process of a node is connected: the number it drew when it started.
    pub(crate) fn run_of(&self, node: u64) -> Option<u64> {
        let member = self.members.get(&node)?;
        let up = member.channels.iter().find_map(|channel| match channel {
            Channel::Up(connection) => Some(connection),
            _ => None,
        });
        self.connections.get(up?).map(|known| known.run)
    }

    /// The other nodes.
    pub(crate) fn nodes(&self) -> Vec<u64> {
        self.members.keys().copied().collect()
    }

    /// Where clients reach a node, once it has said so.
    pub(crate) fn client_address(&self, node: u64) -> Option<&str> {
        self.members.get(&node)?.client_address.as_deref()
    }
}

fn put(outbox: &Outbox, connection: ConnectionId, link: &mut Link, message: &ReplicaMessage<'_>) -> bool {
    let envelope = link.next_envelope();
    outbox.with_buffer(connection, |buffer| message.encode(&envelope, buffer))
}

fn ticket(node: u64, class: ConnectionClass) -> u64 {
    CLASSES.len() as u64 * node + class as u64
}

fn of_ticket(ticket: u64) -> (u64, ConnectionClass) {
    let classes = CLASSES.len() as u64;
    (ticket / classes, CLASSES[(ticket % classes) as usize])
}

#[cfg(test)]
mod tests;
