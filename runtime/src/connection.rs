//! Who is connected.

use std::fmt;
use std::net::SocketAddr;

/// Names one connection of a shard for the life of the process; never given twice.
#[derive(Copy, Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnectionId(u64);

impl ConnectionId {
    /// The `generation`-th connection in table slot `slot`.
    pub(crate) fn new(slot: usize, generation: u32) -> Self {
        Self((u64::from(generation) << 32) | slot as u64)
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

/// The two ends of a connection.
#[derive(Copy, Clone, Debug)]
pub struct Peer {
    /// Its name.
    pub id: ConnectionId,
    /// The client's address.
    pub remote: SocketAddr,
    /// Ours: tells which of a shard's ports was used.
    pub local: SocketAddr,
}
