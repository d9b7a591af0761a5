//! Timer messages: kept in the timer topic until they are due, then put where they were sent to.
//!
//! The log has all of it: the record in the timer topic, and with each delivery, in one entry, that it is done
//! ([`timer_table`]). Which one comes next is looked up in [`storage::timer_index`], made from the topic's ConsumeQueue by
//! every replica; the one task here ([`run`]) feeds it, and where the shard leads, delivers. A recall is a record of the same
//! topic with the same due time, and comes first in its order. Old records are stored again before their segment goes
//! ([`roll`]).

mod deliver;
pub mod due_time;
mod feed;
mod look_ahead;
mod recalled_keys;
mod roll;
mod signals;
mod task;
pub mod timer_properties;
pub mod timer_table;

pub(crate) use signals::TimerSignals;
pub(crate) use task::run;
pub use timer_table::{TimerTable, TimerTableSnapshot};

/// Pending recalls a shard; further ones are refused as busy. All may be of one millisecond, whose keys are in memory while
/// it is delivered, 40 bytes each.
pub const RECALLS_MAX: u64 = 1_000_000;
