//! The shell around a shard: one pinned thread with one glommio executor, all of its sockets served in one sweep.
//!
//! A [`Service`] gets whole frames and writes answers into an [`Outbox`]; it knows no socket. [`sweep::serve`] reads
//! what has arrived on every ready connection, tells the service that the sweep is over (its group-commit point), then
//! sends what is due with one write a connection. Replicas of a shard are connected among each other in the same sweep, by
//! [`ServeOptions::replica_listeners`] and [`Outbox::dial`]. glommio is named in this crate and in `storage/src/file/dma.rs` only.

pub mod connection;
pub mod control;
pub mod dial;
mod epoll;
mod idle;
mod io_workers;
pub mod listener;
#[cfg(any(test, feature = "loopback"))]
pub mod loopback;
pub mod mailbox;
pub mod outbox;
pub mod serve_options;
pub mod service;
pub mod shard;
pub mod sweep;
pub mod time;

pub use connection::{ConnectionId, Origin, Peer};
pub use dial::{DIAL_TIMEOUT, Dial, DialError};
pub use mailbox::{Mailbox, MailboxSender, mailbox};
pub use outbox::{ExpectedBytes, Outbox};
pub use serve_options::{REPLICA_CONNECTIONS_MAX, REPLICA_FRAME_BYTES_MAX, REPLICA_IDLE_TIMEOUT, ServeOptions};
pub use service::{Awaited, CloseReason, Flow, Service};
pub use sweep::serve;
