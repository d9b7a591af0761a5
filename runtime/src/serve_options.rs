//! Where a shard serves and what it holds at most.

use std::net::TcpListener;
use std::time::Duration;

/// Longest frame between replicas, its first 4 bytes included: a piece of the log with room around it. A longer one closes
/// the connection. Clients are held to [`FRAME_BYTES_MAX`](protocol::FRAME_BYTES_MAX).
pub const REPLICA_FRAME_BYTES_MAX: u32 = 32 << 20;

/// Connections of replicas that a shard holds at most, of those it accepted and of those it dialed (under way ones too)
/// each: strangers on its port do not keep it from reaching the others. Further ones are closed at once, or not dialed.
pub const REPLICA_CONNECTIONS_MAX: usize = 64;

/// What [`ServeOptions::replica_idle_timeout`] is where nothing else was wished for.
pub const REPLICA_IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// Where and how to serve.
pub struct ServeOptions {
    /// Bound sockets; [`listen`](crate::listener::listen) makes them.
    pub listeners: Vec<TcpListener>,
    /// A connection without traffic in either direction for this long is closed.
    pub idle_timeout: Duration,
    /// Connections a shard holds at most; further ones are closed at once. Those of replicas do not count.
    pub connections_max: usize,
    /// Bound sockets for the other replicas of the shard's group; see [`Origin::ReplicaAccepted`](crate::Origin).
    ///
    /// Connections of replicas, accepted or dialed, are served in the same sweep, with these differences: frames up to
    /// [`REPLICA_FRAME_BYTES_MAX`], a limit of their own on how many there are ([`REPLICA_CONNECTIONS_MAX`]), an idle
    /// timeout of their own; and they are read whatever is queued to them, for answers that make what is queued
    /// superfluous may be among what they send. Who writes to one sees to a limit: [`Outbox::queued_bytes`](crate::Outbox).
    pub replica_listeners: Vec<TcpListener>,
    /// A replica's connection without traffic in either direction for this long is closed, and so is one over which
    /// nothing that was sent is confirmed for this long: what the kernel takes for sending is no traffic with a peer that is
    /// cut off. It is noticed at most half as long again later.
    pub replica_idle_timeout: Duration,
}
