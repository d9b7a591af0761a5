//! Connections to the other replicas of a shard: who dials whom, who may speak, where a message goes.
//!
//! Of a pair, the node with the higher id dials, once for each [`ConnectionClass`]; both speak on either connection. Each
//! side's first frame says who it is; what does not belong is refused, with the reason, and logged once. The clock and
//! the sockets are the caller's.
//!
//! A node of the group's name that is no member, not yet or no more, is a *guest*: it is told who the members are, now and
//! whenever that changes, and nothing that it says is taken.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::ops::Range;
use std::rc::Rc;

use protocol::frame::Frame;
use runtime::{CloseReason, ConnectionId, Outbox};

use super::members::{GroupMembers, node_name};
use super::wire::{ConnectionClass, Envelope, Hello, Link, MemberNotice, Refused, ReplicaMessage};
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
    /// `None` while it is not known.
    address: Option<SocketAddr>,
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
    /// Which process of the other node it leads to; 0 before its hello.
    run: u64,
    /// Whether the other node has told how far its log goes. Before that it is told nothing but the same: what a forgetful
    /// replica may be told rests on it.
    has_report: bool,
    /// The other node is no member.
    is_guest: bool,
    /// The other side does not want it.
    is_refused: bool,
}

impl Connection {
    fn new(link: Link, class: ConnectionClass) -> Self {
        Self { link, class, awaits_hello: None, run: 0, has_report: false, is_guest: false, is_refused: false }
    }
}

/// What a frame on a replica connection is to the caller.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "one at a time, on the stack; a box would be an allocation a message")]
pub(crate) enum Heard<'a> {
    /// Node `.0` can be talked to from here on, on its connection of this class.
    Up(u64, ConnectionClass),
    /// Node `.0` said something.
    Message(u64, ReplicaMessage<'a>),
    /// It came from one that is no member: nothing of it is taken.
    Guest,
}

/// See the module's text.
pub(crate) struct Links {
    own: Introduction,
    members: BTreeMap<u64, Member>,
    connections: HashMap<ConnectionId, Connection>,
    shard: u32,
    /// The list of members that is told, to those that connect, too.
    notice: String,
    /// Since which index that list holds. Above 0 it has to be told: members have been changed since the group was founded.
    told_index: u64,
    /// Whether nodes are dialed too that should dial this one.
    dials_all: bool,
    /// Messages that were lost because too much waits.
    dropped: u64,
}

impl Links {
    /// Nobody is connected yet.
    pub(crate) fn new(own: Introduction, members: &GroupMembers, shard: u32) -> Self {
        let mut links = Self {
            own,
            members: BTreeMap::new(),
            connections: HashMap::new(),
            shard,
            notice: members.encode(),
            told_index: members.index,
            dials_all: false,
            dropped: 0,
        };
        links.note_members(members, &[]);
        links
    }

    fn note_members(&mut self, members: &GroupMembers, counted: &[u64]) {
        let mut listeners = members.listeners(self.shard);
        for id in counted {
            let known = self.members.get(id).and_then(|member| member.address);
            listeners.entry(*id).or_insert(known);
        }
        listeners.remove(&self.own.node);
        self.members.retain(|id, _| listeners.contains_key(id));
        for (id, address) in listeners {
            let channels = CLASSES.map(|_| Channel::Down { from_ms: 0 });
            let new = || Member { address, channels, client_address: None };
            self.members.entry(id).or_insert_with(new).address = address;
        }
    }

    /// From now on these are the members; what another one says that is no member any more is not taken from here on. Nodes
    /// that Raft counts here, by `counted`, are heard as members are: before this replica's log has a change that others told,
    /// it needs the votes of those before it.
    pub(crate) fn set_members(&mut self, members: &GroupMembers, counted: &[u64]) {
        self.note_members(members, counted);
        for known in self.connections.values_mut() {
            known.is_guest |= !self.members.contains_key(&known.link.peer());
        }
    }

    /// Tells these members to those that are connected, unless newer ones were told; one that has become a member connects
    /// anew.
    pub(crate) fn tell_members(&mut self, members: &GroupMembers, outbox: &Outbox) {
        if members.index < self.told_index {
            return;
        }
        (self.notice, self.told_index) = (members.encode(), members.index);
        let mut anew = Vec::new();
        // In an order that does not depend on chance.
        let mut ids: Vec<ConnectionId> = self.connections.keys().copied().collect();
        ids.sort_unstable_by_key(|id| id.to_u64());
        for id in ids {
            let Some(known) = self.connections.get_mut(&id) else { continue };
            let is_member = self.members.contains_key(&known.link.peer());
            if known.awaits_hello.is_none() && is_told_members(known.class) {
                put(outbox, id, &mut known.link, &ReplicaMessage::Members(MemberNotice { list: &self.notice }));
            }
            if known.is_guest && is_member {
                anew.push(id);
            }
        }
        for id in anew {
            self.connections.remove(&id);
            outbox.close(id, CloseReason("replication: the other node is a member from now on".into()));
        }
    }

    /// Tells the members to one that asks.
    pub(crate) fn tell(&mut self, node: u64, outbox: &Outbox) {
        let list = self.notice.clone();
        self.send(node, ConnectionClass::Log, &ReplicaMessage::Members(MemberNotice { list: &list }), outbox);
    }

    /// Whether nodes are dialed too that should dial this one: that may be removed without having heard of it.
    pub(crate) fn dial_all(&mut self, dials_all: bool) {
        self.dials_all = dials_all;
    }

    /// Dials whom this node has to dial and who is not connected. `now_ms`, here and below, is of a clock that never goes
    /// back.
    pub(crate) fn dial_due(&mut self, now_ms: i64, outbox: &Outbox) {
        let below = if self.dials_all { u64::MAX } else { self.own.node };
        for (id, member) in self.members.range_mut(..below) {
            let Some(address) = member.address else { continue };
            for class in CLASSES {
                let channel = member.channel(class);
                if matches!(channel, Channel::Down { from_ms } if *from_ms <= now_ms) {
                    *channel = Channel::Dialing;
                    outbox.dial(address, ticket(*id, class));
                }
            }
        }
    }

    /// A dialed connection is there: says hello on it, unless the other node's own dial was faster.
    pub(crate) fn connected(&mut self, ticket: u64, connection: ConnectionId, nonce: u64, outbox: &Outbox) {
        let (id, class) = of_ticket(ticket);
        let Some(member) = self.members.get_mut(&id) else { return };
        let channel = member.channel(class);
        if matches!(channel, Channel::Up(_) | Channel::Greeting(_)) {
            outbox.close(connection, CloseReason("replication: the other side has connected meanwhile".into()));
            return;
        }
        *channel = Channel::Greeting(connection);
        let mut link = Link::dialed(self.own.node, id, self.own.log_id);
        let hello = ReplicaMessage::Hello(self.own.hello(class, nonce));
        put(outbox, connection, &mut link, &hello);
        let known = Connection { awaits_hello: Some(nonce), ..Connection::new(link, class) };
        self.connections.insert(connection, known);
    }

    /// A connection was not made.
    pub(crate) fn dial_failed(&mut self, ticket: u64, now_ms: i64) {
        let (id, class) = of_ticket(ticket);
        let Some(member) = self.members.get_mut(&id) else { return };
        let channel = member.channel(class);
        // The other node may have connected by itself meanwhile.
        if matches!(channel, Channel::Dialing) {
            *channel = Channel::Down { from_ms: now_ms + REDIAL_MS };
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
                if self.told_index > 0 && is_told_members(class) {
                    let notice = MemberNotice { list: &self.notice };
                    put(outbox, connection, &mut known.link, &ReplicaMessage::Members(notice));
                }
                self.up(connection, peer, class, &hello, outbox);
                Ok(Heard::Up(peer, class))
            }
            (message, None) if known.is_guest => {
                if matches!(message, ReplicaMessage::LogEnd(_)) {
                    let notice = MemberNotice { list: &self.notice };
                    put(outbox, connection, &mut known.link, &ReplicaMessage::Members(notice));
                }
                Ok(Heard::Guest)
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
        let class = hello.class;
        // What differs in the settings says more than that the logs differ.
        let accepted = match hello.mismatch(&self.own.hello(class, nonce)) {
            Some(mismatch) => Err(mismatch),
            None => self.accept_link(envelope),
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
        let peer = link.peer();
        let is_member = self.members.contains_key(&peer);
        put(outbox, connection, &mut link, &ReplicaMessage::Hello(self.own.hello(class, nonce)));
        link.establish(hello.nonce, nonce);
        if !is_member || (self.told_index > 0 && is_told_members(class)) {
            put(outbox, connection, &mut link, &ReplicaMessage::Members(MemberNotice { list: &self.notice }));
        }
        let known = Connection { run: hello.run, is_guest: !is_member, ..Connection::new(link, class) };
        if is_member {
            self.up(connection, peer, class, hello, outbox);
        } else if class == ConnectionClass::Log {
            let (node, group, from) = (node_name(peer), &self.own.broker_name, hello.client_address);
            tracing::info!(
                node,
                group,
                from,
                "a node is connected that is no member of its group: nothing it says is taken"
            );
        }
        self.connections.insert(connection, known);
        Ok(if is_member { Heard::Up(peer, class) } else { Heard::Guest })
    }

    /// The link to a node whose settings are right; an error says why it is refused.
    fn accept_link(&self, envelope: &Envelope) -> Result<Link, String> {
        let (peer, own) = (envelope.from, self.own.node);
        let link = Link::accepted(own, self.own.log_id, envelope).map_err(|error| error.to_string())?;
        if peer == own {
            return Err(format!("{} is this node's own name", node_name(own)));
        }
        if peer < own && self.members.contains_key(&peer) {
            return Err(format!("{} dials {}, not the other way round", node_name(own), node_name(peer)));
        }
        Ok(link)
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

/// Whether members are told on connections of this class: what holds them may come on it, and has to come behind them.
fn is_told_members(class: ConnectionClass) -> bool {
    class != ConnectionClass::Beat
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
