//! Connections that a shard asks for itself: to the other replicas of its group.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// A connection that is not made within this is given up. Long enough for one lost first packet, which Linux sends again
/// after 1 s.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(2);

/// A connection asked for by [`Outbox::dial`](crate::Outbox::dial).
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Dial {
    /// Whom to connect to.
    pub remote: SocketAddr,
    /// The caller's name for it.
    pub ticket: u64,
}

/// Why a connection was not made.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// This process or machine cannot have another socket, or not one of this kind.
    #[error("no socket for a connection to {remote}: {source}{advice}")]
    NoSocket {
        /// Whom it was for.
        remote: SocketAddr,
        /// What to do, where that is known.
        advice: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The other end, or the network before it, said no.
    #[error("cannot connect to {remote}: {source}{advice}")]
    Failed {
        /// Whom it was for.
        remote: SocketAddr,
        /// What to do, where that is known.
        advice: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// Neither yes nor no in time.
    #[error(
        "cannot connect to {remote}: no answer within {} ms. Is that machine up, and does no packet filter drop what goes to this port?",
        DIAL_TIMEOUT.as_millis()
    )]
    TimedOut {
        /// Whom it was for.
        remote: SocketAddr,
    },
    /// TCP connects a socket to itself when nothing listens on a port that the kernel happens to choose as the socket's own.
    #[error(
        "cannot connect to {remote}: it met itself there, for nothing listens on that port. Choose ports outside net.ipv4.ip_local_port_range"
    )]
    MetItself {
        /// Whom it was for.
        remote: SocketAddr,
    },
    /// More are not dialed at a time.
    #[error("not connecting to {remote}: {limit} dialed connections are open or under way, more are not allowed")]
    TooMany {
        /// Whom it was for.
        remote: SocketAddr,
        /// [`REPLICA_CONNECTIONS_MAX`](crate::REPLICA_CONNECTIONS_MAX)
        limit: usize,
    },
    /// The shard was told to stop.
    #[error("not connecting to {remote}: this shard ends")]
    Ended {
        /// Whom it was for.
        remote: SocketAddr,
    },
}
