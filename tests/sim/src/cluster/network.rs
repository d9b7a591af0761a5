//! A simulated network of byte streams, every delay and loss drawn from a seed. No clock and no I/O of its own: moments
//! are given to it, and what arrives is taken from it.
//!
//! As with TCP, a connection delivers what was sent, in order, once, in pieces of any size; or it breaks, and what was
//! under way is lost. A silent link loses nothing by itself: what is sent over it arrives after it is heard again, unless
//! an end has given the connection up by then. Links are directed, so one direction may be silent alone. An end whose
//! other end is gone learns of it when something of its own has arrived there, or never.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use storage::file::sim::salted;

/// Shortest and longest usual delay of a link.
const DELAY_MIN: Duration = Duration::from_micros(20);
const DELAY_MAX: Duration = Duration::from_millis(3);
/// Once in so many pieces ...
const LATE_EVERY: u32 = 100;
/// ... one is late by up to this: it was lost, and sent again.
const LATE_MAX: Duration = Duration::from_millis(250);
/// After a link is heard again, what was sent meanwhile arrives within this: senders try less and less often.
const RESUME_MAX: Duration = Duration::from_secs(2);
/// A send arrives in up to this many pieces.
const PIECES_MAX: usize = 3;

/// A machine of the network, a client's or a broker's.
#[derive(Copy, Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct HostId(pub u16);

/// One end of a connection.
#[derive(Copy, Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct End {
    connection: u64,
    is_dialer: bool,
}

impl End {
    /// The end at the other host.
    pub fn other(self) -> Self {
        Self { is_dialer: !self.is_dialer, ..self }
    }
}

/// What a host answers a stranger.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Reception {
    /// Its process listens.
    Listens,
    /// No process listens: dials are refused.
    Refuses,
    /// It has no power: nobody answers.
    Dark,
}

/// What happens at an end.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Arrival {
    /// Somebody dialed this host's port.
    Accepted {
        /// Who.
        from: HostId,
        /// Which port.
        port: u16,
    },
    /// The dialed host has accepted.
    Connected,
    /// Bytes of the stream.
    Bytes(Vec<u8>),
    /// The connection is over: refused, closed in order, or broken.
    Closed,
}

#[derive(Debug)]
enum Piece {
    Dial { port: u16 },
    Accept,
    Bytes(Vec<u8>),
    Close,
}

/// One direction of a connection.
#[derive(Default)]
struct Stream {
    pieces: VecDeque<(Duration, Piece)>,
}

impl Stream {
    fn last_due(&self) -> Duration {
        self.pieces.back().map_or(Duration::ZERO, |(due, _)| *due)
    }
}

struct Connection {
    dialer: HostId,
    listener: HostId,
    /// Whether each end knows the connection: the dialer's, the listener's.
    knows: [bool; 2],
    /// To the dialer, to the listener.
    streams: [Stream; 2],
}

impl Connection {
    fn host(&self, end: End) -> HostId {
        if end.is_dialer { self.dialer } else { self.listener }
    }
}

/// What happened in a network, so that a test that checks nothing shows.
#[derive(Clone, Debug, Default)]
pub struct NetworkCounts {
    /// Connections dialed.
    pub dials: u64,
    /// Pieces of streams that arrived.
    pub pieces: u64,
    /// Pieces that had to wait for a silent link.
    pub held: u64,
    /// Pieces lost with their connection.
    pub lost: u64,
    /// Ends that found the other end gone.
    pub found_gone: u64,
}

impl NetworkCounts {
    /// Adds those of another network.
    pub fn add(&mut self, other: &Self) {
        self.dials += other.dials;
        self.pieces += other.pieces;
        self.held += other.held;
        self.lost += other.lost;
        self.found_gone += other.found_gone;
    }
}

impl fmt::Display for NetworkCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dials, pieces, held, lost, found_gone } = self;
        write!(f, "{dials} dials, {pieces} pieces arrived, {held} held up, {lost} lost, {found_gone} found nobody")
    }
}

/// See the module's text.
pub struct SimNetwork {
    rng: StdRng,
    connections: BTreeMap<u64, Connection>,
    next_connection: u64,
    /// Ends that have just learned that their connection is over.
    given_up: VecDeque<End>,
    /// When to look at which stream; some entries are outdated.
    due: BTreeSet<(Duration, u64, End)>,
    next_look: u64,
    /// How many reasons a link has to be silent.
    silent: BTreeMap<(HostId, HostId), u32>,
    delays: BTreeMap<(HostId, HostId), Duration>,
    slowness: BTreeMap<(HostId, HostId), u32>,
    receptions: BTreeMap<HostId, Reception>,
    counts: NetworkCounts,
}

fn index(end: End) -> usize {
    usize::from(!end.is_dialer)
}

impl SimNetwork {
    /// A network in which every link is heard.
    pub fn new(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(salted(seed, "network")),
            connections: BTreeMap::new(),
            next_connection: 0,
            given_up: VecDeque::new(),
            due: BTreeSet::new(),
            next_look: 0,
            silent: BTreeMap::new(),
            delays: BTreeMap::new(),
            slowness: BTreeMap::new(),
            receptions: BTreeMap::new(),
            counts: NetworkCounts::default(),
        }
    }

    /// What happened so far.
    pub fn counts(&self) -> &NetworkCounts {
        &self.counts
    }

    /// How a host receives strangers from now on; at first they are refused.
    pub fn set_reception(&mut self, host: HostId, reception: Reception) {
        self.receptions.insert(host, reception);
    }

    /// Dials; [`Arrival::Connected`] or [`Arrival::Closed`] follows at the end returned, or nothing.
    pub fn dial(&mut self, now: Duration, from: HostId, to: HostId, port: u16) -> End {
        self.counts.dials += 1;
        let number = self.next_connection;
        self.next_connection += 1;
        let streams = [Stream::default(), Stream::default()];
        self.connections.insert(number, Connection { dialer: from, listener: to, knows: [true, false], streams });
        let dialer = End { connection: number, is_dialer: true };
        self.put(now, dialer.other(), Piece::Dial { port });
        dialer
    }

    /// Sends from an end. What its host does not know any more is not sent.
    pub fn send(&mut self, now: Duration, from: End, mut bytes: &[u8]) {
        if !self.knows(from) {
            return;
        }
        for left in (0..self.rng.random_range(0..PIECES_MAX)).rev() {
            if left == 0 || bytes.len() < 2 {
                break;
            }
            let (piece, rest) = bytes.split_at(self.rng.random_range(1..bytes.len()));
            self.put(now, from.other(), Piece::Bytes(piece.to_vec()));
            bytes = rest;
        }
        if !bytes.is_empty() {
            self.put(now, from.other(), Piece::Bytes(bytes.to_vec()));
        }
    }

    /// A process closes its end; what it sent before arrives first.
    pub fn close(&mut self, now: Duration, end: End) {
        if self.forget(end) {
            self.put(now, end.other(), Piece::Close);
        }
    }

    /// A process dies, its machine does not: the machine closes all its connections, some of them in order.
    pub fn process_died(&mut self, now: Duration, host: HostId) {
        for end in self.ends_of(host) {
            self.forget(end);
            if self.rng.random_bool(0.5) {
                self.lose_some(end.other());
            }
            self.put(now, end.other(), Piece::Close);
        }
    }

    /// A machine loses its power: nobody is told.
    pub fn power_lost(&mut self, host: HostId) {
        for end in self.ends_of(host) {
            self.forget(end);
            self.lose_some(end.other());
        }
    }

    /// Breaks each connection between two hosts with the chance given: either end may learn of it, or both.
    pub fn break_between(&mut self, one: HostId, other: HostId, chance: f64) {
        let between = |connection: &Connection| {
            let hosts = (connection.dialer, connection.listener);
            hosts == (one, other) || hosts == (other, one)
        };
        let numbers: Vec<u64> =
            self.connections.iter().filter(|(_, found)| between(found)).map(|(number, _)| *number).collect();
        for connection in numbers {
            if !self.rng.random_bool(chance) {
                continue;
            }
            let told = self.rng.random_range(0..3);
            for end in [End { connection, is_dialer: true }, End { connection, is_dialer: false }] {
                if told == 2 || told == index(end) {
                    self.give_up(end);
                }
            }
        }
    }

    /// Nothing that `from` sends is heard by `to`, until it is heard again as often as it was silenced.
    pub fn silence(&mut self, from: HostId, to: HostId) {
        *self.silent.entry((from, to)).or_default() += 1;
    }

    /// Takes one [`Self::silence`] back.
    pub fn unsilence(&mut self, now: Duration, from: HostId, to: HostId) {
        let Some(reasons) = self.silent.get_mut(&(from, to)) else { return };
        *reasons -= 1;
        if *reasons > 0 {
            return;
        }
        self.silent.remove(&(from, to));
        let ends = |(number, connection): (&u64, &Connection)| {
            let dialer = End { connection: *number, is_dialer: true };
            [dialer, dialer.other()]
                .into_iter()
                .find(|end| connection.host(*end) == to && connection.host(end.other()) == from)
        };
        let waiting: Vec<End> = self.connections.iter().filter_map(ends).collect();
        for end in waiting {
            let resumed = now + RESUME_MAX.mul_f64(self.rng.random_range(0.0..1.0));
            let Some(connection) = self.connections.get_mut(&end.connection) else { continue };
            for (due, _) in &mut connection.streams[index(end)].pieces {
                *due = (*due).max(resumed);
            }
            self.look(end);
        }
    }

    /// Everything between the two takes `factor` times as long, each way.
    pub fn slow_down(&mut self, one: HostId, other: HostId, factor: u32) {
        self.slowness.insert((one, other), factor);
        self.slowness.insert((other, one), factor);
    }

    /// When something arrives next; it may have already.
    pub fn next_due(&self) -> Option<Duration> {
        if self.given_up.is_empty() { self.due.first().map(|(due, ..)| *due) } else { Some(Duration::ZERO) }
    }

    /// The next of what has arrived by `now`, and where.
    pub fn take_arrival(&mut self, now: Duration) -> Option<(HostId, End, Arrival)> {
        while let Some(end) = self.given_up.pop_front() {
            if let Some(connection) = self.connections.get(&end.connection) {
                return Some((connection.host(end), end, Arrival::Closed));
            }
        }
        while let Some(look @ (due, _, end)) = self.due.first().copied() {
            if due > now {
                return None;
            }
            self.due.remove(&look);
            if let Some(arrived) = self.look_at(now, end) {
                return Some(arrived);
            }
        }
        None
    }

    fn look_at(&mut self, now: Duration, end: End) -> Option<(HostId, End, Arrival)> {
        let connection = self.connections.get_mut(&end.connection)?;
        let (to, from) = (connection.host(end), connection.host(end.other()));
        let stream = &mut connection.streams[index(end)];
        if stream.pieces.front().is_none_or(|(due, _)| *due > now) {
            return None;
        }
        if self.silent.contains_key(&(from, to)) {
            self.counts.held += 1;
            return None;
        }
        let (_, piece) = stream.pieces.pop_front()?;
        self.look(end);
        self.counts.pieces += 1;
        let arrival = self.arrive(now, end, from, piece);
        self.drop_if_over(end.connection);
        arrival.map(|arrival| (to, end, arrival))
    }

    fn arrive(&mut self, now: Duration, end: End, from: HostId, piece: Piece) -> Option<Arrival> {
        let host = self.connections.get(&end.connection)?.host(end);
        let reception = self.receptions.get(&host).copied().unwrap_or(Reception::Refuses);
        match piece {
            _ if reception == Reception::Dark => None,
            Piece::Dial { port } if reception == Reception::Listens => {
                self.connections.get_mut(&end.connection)?.knows[index(end)] = true;
                self.put(now, end.other(), Piece::Accept);
                Some(Arrival::Accepted { from, port })
            }
            Piece::Dial { .. } => {
                self.put(now, end.other(), Piece::Close);
                None
            }
            Piece::Close => self.forget(end).then_some(Arrival::Closed),
            Piece::Accept | Piece::Bytes(_) if !self.knows(end) => {
                self.counts.found_gone += 1;
                self.put(now, end.other(), Piece::Close);
                None
            }
            Piece::Accept => Some(Arrival::Connected),
            Piece::Bytes(bytes) => Some(Arrival::Bytes(bytes)),
        }
    }

    /// An end learns at once that its connection is over; the other may not hear the last of what it sent, and is not told.
    fn give_up(&mut self, end: End) {
        if self.forget(end) {
            self.given_up.push_back(end);
            self.lose_some(end.other());
        }
    }

    fn knows(&self, end: End) -> bool {
        self.connections.get(&end.connection).is_some_and(|connection| connection.knows[index(end)])
    }

    /// Whether it was known.
    fn forget(&mut self, end: End) -> bool {
        let connection = self.connections.get_mut(&end.connection);
        connection.is_some_and(|connection| std::mem::take(&mut connection.knows[index(end)]))
    }

    fn drop_if_over(&mut self, number: u64) {
        let over = self.connections.get(&number).is_some_and(|connection| {
            connection.knows == [false; 2] && connection.streams.iter().all(|stream| stream.pieces.is_empty())
        });
        if over {
            self.connections.remove(&number);
        }
    }

    fn ends_of(&self, host: HostId) -> Vec<End> {
        let ends = self.connections.iter().flat_map(|(number, connection)| {
            let dialer = End { connection: *number, is_dialer: true };
            [dialer, dialer.other()].into_iter().filter(|end| connection.host(*end) == host)
        });
        ends.collect()
    }

    /// Loses the last of what is under way to `end`.
    fn lose_some(&mut self, end: End) {
        let Some(connection) = self.connections.get_mut(&end.connection) else { return };
        let pieces = &mut connection.streams[index(end)].pieces;
        let kept = self.rng.random_range(0..=pieces.len());
        self.counts.lost += (pieces.len() - kept) as u64;
        pieces.truncate(kept);
    }

    fn put(&mut self, now: Duration, to: End, piece: Piece) {
        let Some(connection) = self.connections.get(&to.connection) else { return };
        let link = (connection.host(to.other()), connection.host(to));
        let due = now + self.draw_delay(link);
        let Some(connection) = self.connections.get_mut(&to.connection) else { return };
        let stream = &mut connection.streams[index(to)];
        let due = due.max(stream.last_due());
        stream.pieces.push_back((due, piece));
        self.look(to);
    }

    fn draw_delay(&mut self, link: (HostId, HostId)) -> Duration {
        let rng = &mut self.rng;
        let usual = *self.delays.entry(link).or_insert_with(|| {
            // Small delays are as likely as large ones, whatever their size.
            let (low, high) = (DELAY_MIN.as_secs_f64().ln(), DELAY_MAX.as_secs_f64().ln());
            Duration::from_secs_f64(rng.random_range(low..high).exp())
        });
        let late = if rng.random_range(0..LATE_EVERY) == 0 {
            LATE_MAX.mul_f64(rng.random_range(0.0..1.0))
        } else {
            Duration::ZERO
        };
        usual.mul_f64(rng.random_range(0.7..1.5)) * self.slowness.get(&link).copied().unwrap_or(1) + late
    }

    /// Looks at a stream when its first piece is due.
    fn look(&mut self, end: End) {
        let Some(connection) = self.connections.get(&end.connection) else { return };
        if let Some((due, _)) = connection.streams[index(end)].pieces.front() {
            self.due.insert((*due, self.next_look, end));
            self.next_look += 1;
        }
    }
}
