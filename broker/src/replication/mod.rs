//! Replication of a shard: how its copies on several nodes come to hold the same log.
//!
//! [`wire`] is what replicas tell each other, as bytes; `links` who is connected to whom. Raft itself is the crate
//! `raft_driver`; `drive` does what it wants done. A leader's appends are in queues and tables at once and are acknowledged
//! when a majority has them; a follower applies (`apply`) what is committed. `role` says what clients may do where; `forward` brings requests to the
//! leader, and `hand_over` the lead to another node.

mod apply;
mod catch_up;
mod connect;
mod drive;
mod forward;
mod hand_over;
mod links;
mod look;
mod open;
mod raw_entries;
mod replica;
mod role;
mod send_later;
mod state_file;
mod status;
pub mod wire;
mod write_later;

pub use look::ReplicaView;
pub use open::{ReplicaOptions, open_replica};
pub use replica::Replica;
pub(crate) use role::Answerer;
