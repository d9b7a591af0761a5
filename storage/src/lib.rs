//! The store of one shard: CommitLog, ConsumeQueues, checkpoint. No clock, no socket; files come in as a trait.
//!
//! Start reading at [`store`], then `commit_log/entry.rs` for the layout on disk.

pub mod checkpoint;
pub mod commit_log;
pub mod consume_queue;
pub mod error;
pub mod file;
pub mod identity;
pub mod installation;
pub mod key_index;
pub mod pieces;
pub mod ring;
mod side_by_side;
pub mod store;
pub mod timer_index;

pub use error::{AdoptError, AppendError, DamageReason, StorageError};
