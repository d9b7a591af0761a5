//! Replication of a shard: how its copies on several nodes come to hold the same log.
//!
//! [`wire`] is what replicas tell each other, as bytes; `links` who is connected to whom. Raft itself is the crate
//! `raft_driver`; `drive` does what it wants done. A leader's appends are in queues and tables at once and are acknowledged
//! when a majority has them; a follower applies (`apply`) what is committed. `role` says what clients may do where; `forward` brings requests to the
//! leader, and `hand_over` the lead to another node. A replica that lacks more than the leader has in memory gets it by `catch_up` (on the leader's side `give_log`), and
//! with `install` where the leader's log begins behind its end; `mend` fetches what cannot be read any more. What it takes to
//! fetch a store (`installing`) and to give one away (`giving`, `offer`) is there for slaves and masters too.

mod apply;
mod catch_up;
mod catch_up_budget;
mod change_members;
mod checkpoint_fetch;
mod checkpoint_image;
mod connect;
mod drive;
mod forward;
mod give_log;
mod giving;
mod hand_over;
mod install;
mod installing;
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
mod read_ahead;
mod replica;
mod role;
mod send_later;
mod state_file;
mod status;
pub mod wire;
mod write_later;

pub(crate) use change_members::MemberRequest;
pub(crate) use checkpoint_fetch::Fetched;
pub(crate) use checkpoint_image::{CheckpointImage, Preface};
pub(crate) use drive::waits;
pub(crate) use giving::Giving;
pub(crate) use installing::{Installing, Rest, Stage, WholeStore};
pub use look::ReplicaView;
pub(crate) use members::GroupMembers;
pub use open::{ReplicaOptions, open_replica};
pub use replica::Replica;
pub(crate) use role::Answerer;
pub(crate) use status::{AppendTimes, TransferRate};
