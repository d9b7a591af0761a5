//! Who is connected.

use std::fmt;
use std::net::SocketAddr;

/// Set in the slot of a connection without a socket; the slots of sockets stay below.
const DETACHED: u64 = 1 << 31;

/// Names one connection of a shard for the life of the process; never given twice.
#[derive(Copy, Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnectionId(u64);

impl ConnectionId {
    /// The `generation`-th connection in table slot `slot`.
    pub(crate) fn new(slot: usize, generation: u32) -> Self {
        Self((u64::from(generation) << 32) | slot as u64)
    }

    /// Names no connection: what is written to it is gone.
    pub const NOBODY: Self = Self(DETACHED);

    /// The `number`-th connection without a socket; `number` is not 0, which is [`Self::NOBODY`]'s.
    pub(crate) fn detached(number: u64) -> Self {
        Self(((number / DETACHED) << 32) | DETACHED | (number % DETACHED))
    }

    /// Whether it has no socket: see [`Outbox::open_detached`](crate::Outbox::open_detached).
    pub fn is_detached(self) -> bool {
        self.0 & DETACHED != 0
    }

    pub(crate) fn slot(self) -> usize {
        (self.0 & u64::from(u32::MAX)) as usize
    }

    /// As a number, for tables that are kept apart from sockets.
    pub fn to_u64(self) -> u64 {
        self.0
    }

    /// What [`Self::to_u64`] gave.
    pub fn from_u64(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot(), self.0 >> 32)
    }
}

/// How a connection came to be, and so what it is for.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// Accepted by one of [`ServeOptions::listeners`](crate::ServeOptions).
    Client,
    /// Accepted by one of [`ServeOptions::replica_listeners`](crate::ServeOptions). Who it is, it has yet to say.
    ReplicaAccepted,
    /// Made by [`Outbox::dial`](crate::Outbox::dial) with this ticket.
    ReplicaDialed {
        /// As it was given to `dial`.
        ticket: u64,
    },
}

impl Origin {
    /// Whether it is a connection among replicas, with their limits: see [`ServeOptions`](crate::ServeOptions).
    pub fn is_replica(self) -> bool {
        !matches!(self, Self::Client)
    }
}

/// The two ends of a connection.
#[derive(Copy, Clone, Debug)]
pub struct Peer {
    /// Its name.
    pub id: ConnectionId,
    /// The other end's address.
    pub remote: SocketAddr,
    /// Ours: tells which of a shard's ports was used.
    pub local: SocketAddr,
    /// How it came to be.
    pub origin: Origin,
}
