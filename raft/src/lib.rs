//! Drives one Raft group's replica: messages, ticks and what is persisted come in; writes, messages and the commit index
//! go out. No clock, no disk, no socket, no thread; the same calls in the same order give the same behaviour.
//!
//! Consensus itself is raft-rs's; this crate decides what of it a CommitLog needs and keeps it from its panics. Start
//! reading at [`Group`]; the README beside this crate has the order of calls.

mod check;
mod election_timer;
mod entry;
mod group;
mod held_messages;
mod log_view;
mod logger;
mod membership;
mod newcomers;
mod options;
mod outgoing;
mod refusal;
mod start;
mod trust;
mod window;
mod work;

pub use raft::StateRole;
pub use raft::eraftpb;

pub use check::NUMBER_MAX;
pub use entry::{EntryId, EntryInfo};
pub use group::Group;
pub use group::propose::{ProposeError, TransferError};
pub use membership::{MemberStep, MembershipError, check_members, context_of, membership_change};
pub use options::{GroupOptions, INFLIGHT_MESSAGES_MAX, MESSAGE_BYTES_MAX, MESSAGE_ENTRIES_MAX};
pub use refusal::Refusal;
pub use start::{Memory, SavedState, Start, StartError};
pub use trust::PeerReport;
pub use work::{CatchUp, CatchUpNews, NewEntry, Outgoing, PeerProgress, RoleView, Source, Work, Writes};
