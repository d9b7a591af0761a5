//! Replication of a shard: how its copies on several nodes come to hold the same log.
//!
//! [`wire`] is what replicas tell each other, as bytes; `links` who is connected to whom. Raft itself is the crate
//! `raft_driver`; `drive` does what it wants done. A leader's appends are in queues and tables at once and are acknowledged
//! when a majority has them; a follower applies (`apply`) what is committed. `role` says what clients may do where; `forward` brings requests to the
//! leader, and `hand_over` the lead to another node. A replica that lacks more than the leader has in memory gets it by `catch_up` (on the leader's side `give_log`), and
//! with `install` where the leader's log begins behind its end; `mend` fetches what cannot be read any more.

mod apply;
mod catch_up;
mod catch_up_budget;
mod change_members;
mod checkpoint_image;
mod connect;
mod drive;
mod forward;
mod give_log;
mod hand_over;
mod install;
mod links;
mod look;
mod members;
mod members_told;
mod mend;
mod mendings;
mod offer;
mod open;
mod pull_rounds;
mod raw_entries;
mod replica;
mod role;
mod send_later;
mod state_file;
mod status;
pub mod wire;
mod write_later;

pub(crate) use change_members::MemberRequest;
pub(crate) use drive::waits;
pub(crate) use install::Installing;
pub use look::ReplicaView;
pub use open::{ReplicaOptions, open_replica};
pub use replica::Replica;
pub(crate) use role::Answerer;
pub(crate) use status::{AppendTimes, TransferRate};
