//! The bare ceiling: length-prefixed frames in, one log with group-committed direct writes, short replies out.
//!
//! The shape is a shard's: one pinned thread, one glommio executor, one epoll set whose ready sockets are served in one
//! sweep. What is missing is everything RocketMQ asks for. The distance between this and the broker, on the same machine
//! in the same minutes, is what the broker's own work costs. It shares no code with the broker: a slow part of the
//! broker that ran here too would not show.

pub mod cli;
pub mod commit;
mod connection;
mod direct_log;
mod epoll_set;
pub mod error;
pub mod frame;
pub mod load;
mod outgoing;
mod process_cpu;
pub mod report;
pub mod server;
