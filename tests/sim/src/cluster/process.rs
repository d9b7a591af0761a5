//! One life of a broker's process: a whole shard, its tasks and its connections, swept as the real one is.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use broker::env::Env;
use broker::maintenance;
use broker::master_slave::MasterSlave;
use broker::replication::Replica;
use broker::service::ShardService;
use broker::shard::{Shard, ShardParts};
use protocol::frame::{FRAME_BYTES_MAX, Frame, decode_frame_up_to};
use runtime::loopback::Loopback;
use runtime::{
    ConnectionId, DIAL_TIMEOUT, Dial, DialError, Flow, Origin, Outbox, Peer, REPLICA_FRAME_BYTES_MAX,
    REPLICA_IDLE_TIMEOUT, Service,
};
use storage::commit_log::entry::{EntryHeader, HEADER_BYTES};
use storage::commit_log::{LogId, LogPosition};
use storage::file::sim::Executor;

use super::clock::Clock;
use super::frame_meddler::FrameMeddler;
use super::meddler::{Meddler, Treatment};
use super::message_faults::MessageFaults;
use super::network::{Arrival, End, HostId};

/// Where clients dial; any other port is for replicas.
pub const CLIENT_PORT: u16 = 10911;
/// Port of whoever dials, as a shard sees it.
const DIALER_PORT: u16 = 40_000;

/// A host's address, as a shard sees it.
pub fn address(host: HostId, port: u16) -> SocketAddr {
    let [high, low] = host.0.to_be_bytes();
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, high, low)), port)
}

/// The host that [`address`] gives such an address.
pub fn host_of(address: SocketAddr) -> Option<HostId> {
    match address.ip() {
        IpAddr::V4(ip) => {
            let [ten, zero, high, low] = ip.octets();
            (ten == 10 && zero == 0).then(|| HostId(u16::from_be_bytes([high, low])))
        }
        IpAddr::V6(_) => None,
    }
}

/// What a process wants of the network.
pub(super) enum Outgoing {
    Send { end: End, bytes: Vec<u8> },
    Close { end: End },
    Dial(Dial),
}

/// A connection, a client's or another replica's.
struct Held {
    peer: Peer,
    /// Received and not taken by the shard yet.
    bytes: Vec<u8>,
    /// When something was received last.
    heard: Duration,
}

/// How far a process is that ends in order.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub(super) enum Ending {
    /// It serves.
    #[default]
    NotYet,
    /// No client needs it any more: it says what is due, and hangs up.
    HangsUp,
    /// It has no connections any more.
    Alone,
}

/// What a process is made of beside its shard.
pub(super) struct Surroundings {
    pub(super) executor: Executor,
    pub(super) clock: Clock,
    pub(super) meddler: Meddler,
    pub(super) frame_meddler: FrameMeddler,
    pub(super) message_faults: MessageFaults,
    pub(super) host: HostId,
    pub(super) log_id: LogId,
}

/// See the module's text.
pub struct Process<E: Env> {
    shard: Rc<Shard<E>>,
    service: ShardService<E>,
    around: Surroundings,
    outbox: Outbox,
    loopback: Loopback,
    connections: BTreeMap<End, Held>,
    ends: BTreeMap<ConnectionId, End>,
    /// Under way, and when they are given up.
    dials: BTreeMap<End, (Dial, Duration)>,
    ending: Rc<Cell<Ending>>,
}

impl<E: Env> Process<E> {
    /// A shard that is about to serve, as the replica, master or slave given if it is one.
    pub(super) fn start(
        parts: ShardParts<E>,
        around: Surroundings,
        replica: Option<Replica>,
        master_slave: Option<MasterSlave>,
    ) -> Self {
        let outbox = parts.outbox.clone();
        let shard = Rc::new(Shard::new(parts));
        if let Some(replica) = replica {
            shard.join_group(replica);
            around.executor.spawn(shard.clone().run_replica());
        }
        if let Some(master_slave) = master_slave {
            shard.join_master_slave(master_slave);
        }
        around.executor.spawn(shard.clone().run_committer());
        around.executor.spawn(maintenance::run(shard.clone()));
        around.executor.spawn(maintenance::run_background(shard.clone()));
        around.executor.spawn(shard.clone().prewrite_first_segment());
        shard.sweep_end();
        let (service, loopback) = (ShardService(shard.clone()), Loopback::new(outbox.clone()));
        let (connections, ends, dials, ending) = Default::default();
        Self { shard, service, around, outbox, loopback, connections, ends, dials, ending }
    }

    /// The shard, for chores and for looking at it.
    pub fn shard(&self) -> &Rc<Shard<E>> {
        &self.shard
    }

    pub(super) fn executor(&self) -> &Executor {
        &self.around.executor
    }

    /// Runs a task of the process.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.around.executor.spawn(task);
    }

    /// When a dial is given up.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.dials.values().map(|(_, deadline)| *deadline).min()
    }

    /// One sweep: takes in what has arrived, lets the shard commit, and returns what is to go out. `accepted` is told of
    /// each new connection.
    pub(super) fn sweep(
        &mut self,
        arrived: impl IntoIterator<Item = (End, Arrival)>,
        mut accepted: impl FnMut(End),
    ) -> Vec<Outgoing> {
        let mut out = Vec::new();
        if self.ending.get() == Ending::Alone {
            return out;
        }
        self.service.sweep_began(self.now());
        // What the log, or a client's full buffer, did not let in before.
        let waiting: Vec<End> =
            self.connections.iter().filter(|(_, held)| !held.bytes.is_empty()).map(|(end, _)| *end).collect();
        waiting.into_iter().for_each(|end| self.take_frames(end, &mut out));
        for (end, arrival) in arrived {
            self.arrive(end, arrival, &mut out, &mut accepted);
        }
        self.give_up_dials(&mut out);
        self.give_up_silent(&mut out);
        self.loopback.take_due();
        self.service.sweep_end();
        self.drain(&mut out);
        for (id, _) in self.loopback.take_closing() {
            if let Some(end) = self.ends.get(&id).copied() {
                self.forget(end);
                out.push(Outgoing::Close { end });
            }
        }
        self.service.sweep_sent(0);
        out.extend(self.loopback.take_dials().into_iter().map(Outgoing::Dial));
        if self.ending.get() == Ending::HangsUp {
            self.hang_up(&mut out);
        }
        out
    }

    /// How far it is with its end, which it is told to come to by this.
    pub(super) fn ending(&self) -> Rc<Cell<Ending>> {
        self.ending.clone()
    }

    fn hang_up(&mut self, out: &mut Vec<Outgoing>) {
        out.retain(|outgoing| !matches!(outgoing, Outgoing::Dial(_)));
        let ends: Vec<End> = self.connections.keys().chain(self.dials.keys()).copied().collect();
        self.dials.clear();
        for end in ends {
            self.forget(end);
            out.push(Outgoing::Close { end });
        }
        self.ending.set(Ending::Alone);
    }

    /// Replicas say something to each other all the time.
    fn give_up_silent(&mut self, out: &mut Vec<Outgoing>) {
        let now = self.around.clock.now();
        let is_silent =
            |held: &Held| held.peer.origin.is_replica() && now.saturating_sub(held.heard) >= REPLICA_IDLE_TIMEOUT;
        let silent: Vec<End> =
            self.connections.iter().filter(|(_, held)| is_silent(held)).map(|(end, _)| *end).collect();
        for end in silent {
            self.forget(end);
            out.push(Outgoing::Close { end });
        }
    }

    fn now(&self) -> Instant {
        self.around.clock.instant()
    }

    /// A dial that the shard asked for is under way.
    pub(super) fn dials(&mut self, end: End, dial: Dial) {
        self.dials.insert(end, (dial, self.around.clock.now() + DIAL_TIMEOUT));
    }

    fn give_up_dials(&mut self, out: &mut Vec<Outgoing>) {
        let now = self.around.clock.now();
        let late: Vec<End> =
            self.dials.iter().filter(|(_, (_, deadline))| *deadline <= now).map(|(end, _)| *end).collect();
        for end in late {
            if let Some((Dial { remote, ticket }, _)) = self.dials.remove(&end) {
                out.push(Outgoing::Close { end });
                self.service.dialed(ticket, Err(DialError::TimedOut { remote }));
            }
        }
    }

    fn arrive(&mut self, end: End, arrival: Arrival, out: &mut Vec<Outgoing>, accepted: &mut impl FnMut(End)) {
        match arrival {
            Arrival::Accepted { from, port } => {
                let origin = if port == CLIENT_PORT { Origin::Client } else { Origin::ReplicaAccepted };
                self.add(end, address(from, DIALER_PORT), port, origin);
                accepted(end);
            }
            Arrival::Connected => {
                if let Some((Dial { remote, ticket }, _)) = self.dials.remove(&end) {
                    let peer = self.add(end, remote, DIALER_PORT, Origin::ReplicaDialed { ticket });
                    self.service.dialed(ticket, Ok(&peer));
                }
            }
            Arrival::Bytes(bytes) => {
                if let Some(held) = self.connections.get_mut(&end) {
                    held.heard = self.around.clock.now();
                    held.bytes.extend_from_slice(&bytes);
                    self.take_frames(end, out);
                }
            }
            Arrival::Closed => match self.dials.remove(&end) {
                Some((Dial { remote, ticket }, _)) => {
                    let source = io::Error::from(io::ErrorKind::ConnectionRefused);
                    self.service.dialed(ticket, Err(DialError::Failed { remote, advice: "", source }));
                }
                None => self.forget(end),
            },
        }
    }

    fn add(&mut self, end: End, remote: SocketAddr, port: u16, origin: Origin) -> Peer {
        let peer = Peer { id: self.loopback.connect(), remote, local: address(self.around.host, port), origin };
        self.ends.insert(peer.id, end);
        self.connections.insert(end, Held { peer, bytes: Vec::new(), heard: self.around.clock.now() });
        self.service.connected(&peer);
        peer
    }

    /// Hands whole frames to the shard, as far as it takes them.
    fn take_frames(&mut self, end: End, out: &mut Vec<Outgoing>) {
        let Some(held) = self.connections.get_mut(&end) else { return };
        let bytes = std::mem::take(&mut held.bytes);
        let peer = held.peer;
        let is_replica = peer.origin.is_replica();
        let bytes_max = if is_replica { REPLICA_FRAME_BYTES_MAX } else { FRAME_BYTES_MAX };
        let mut at = 0;
        let mut is_over = false;
        while !is_over && (is_replica || !self.outbox.is_congested(peer.id)) {
            let decoded = decode_frame_up_to(&bytes[at..], bytes_max);
            is_over = decoded.is_err();
            let Ok(Some((frame, used))) = decoded else { break };
            let treatment =
                if is_replica { self.treat_replica(end, &frame) } else { self.around.meddler.treat(end, &frame) };
            let flow = match treatment {
                Treatment::Honest => self.service.frame(&peer, &frame),
                Treatment::Instead(others) => self.frames(&peer, &others),
                Treatment::Answered(answer) => {
                    out.push(Outgoing::Send { end, bytes: answer });
                    Flow::Continue
                }
            };
            match flow {
                Flow::Continue => at += used,
                Flow::Stall if !is_replica => break,
                Flow::Stall | Flow::Close(_) => is_over = true,
            }
        }
        if is_over {
            self.forget(end);
            out.push(Outgoing::Close { end });
        } else if let Some(held) = self.connections.get_mut(&end) {
            held.bytes = bytes[at..].to_vec();
        }
    }

    fn treat_replica(&mut self, end: End, frame: &Frame<'_>) -> Treatment {
        let Surroundings { frame_meddler, message_faults, log_id, .. } = &mut self.around;
        let log_end = || self.shard.replica_view().map(|view| view.end).unwrap_or_default();
        let place = |position| {
            let head = self.shard.newest_bytes(position, HEADER_BYTES)?;
            let id = self.shard.master_slave_view()?.log_id;
            let EntryHeader { index, term, previous, .. } = EntryHeader::decode(id, position, &head).ok()?;
            Some(LogPosition { position, index: index.checked_sub(1)?, term, previous })
        };
        match frame_meddler.received(frame, *log_id, log_end, place) {
            Treatment::Honest => message_faults.received(end, frame),
            Treatment::Instead(frames) => Treatment::Instead(message_faults.renumber(end, frames)),
            answered => answered,
        }
    }

    fn frames(&self, peer: &Peer, mut bytes: &[u8]) -> Flow {
        let mut flow = Flow::Continue;
        let bytes_max = if peer.origin.is_replica() { REPLICA_FRAME_BYTES_MAX } else { FRAME_BYTES_MAX };
        while let Ok(Some((frame, used))) = decode_frame_up_to(bytes, bytes_max) {
            flow = self.service.frame(peer, &frame);
            if matches!(flow, Flow::Close(_)) {
                break;
            }
            bytes = &bytes[used..];
        }
        flow
    }

    fn forget(&mut self, end: End) {
        if let Some(held) = self.connections.remove(&end) {
            self.ends.remove(&held.peer.id);
            self.loopback.disconnect(held.peer.id);
            self.around.message_faults.forget(end);
            self.service.closed(&held.peer);
        }
    }

    fn drain(&mut self, out: &mut Vec<Outgoing>) {
        let mut queued: Vec<(End, Vec<u8>)> = Vec::new();
        self.loopback.drain(|id, bytes| {
            let Some(end) = self.ends.get(&id) else { return };
            match queued.last_mut() {
                Some((last, queued)) if last == end => queued.extend_from_slice(bytes),
                _ => queued.push((*end, bytes.to_vec())),
            }
        });
        for (end, bytes) in queued {
            let is_client = self.connections.get(&end).is_some_and(|held| !held.peer.origin.is_replica());
            let bytes =
                if is_client { self.around.meddler.answers(bytes) } else { self.around.frame_meddler.sent(bytes) };
            out.push(Outgoing::Send { end, bytes });
        }
    }
}

impl<E: Env> Drop for Process<E> {
    /// Its tasks end where they stand. They hold the shard, which holds the executor that holds them.
    fn drop(&mut self) {
        self.around.executor.abandon();
    }
}
