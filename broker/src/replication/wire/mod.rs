//! What the replicas of a shard tell each other: frames in, [`ReplicaMessage`]s out, and back. No I/O and no clock.
//!
//! A frame has the outer shape of all frames (`protocol/src/frame.rs`) with the encoding byte 0, and a limit of its own,
//! [`FRAME_BYTES_MAX`]. Its header is ours; its body is raw bytes that are not looked into here.
//!
//! ```text
//! length u32 | 0 u8 | header length u24 | header: envelope, fields of the kind | body      (big-endian)
//! ```
//! Start reading at [`replica_message`]; [`envelope`] says what every header begins with, [`link`] what a connection
//! demands of it. A text among the fields is its length in bytes as u16, then UTF-8 without control characters.
//!
//! The header is covered by a CRC. A body that is a piece of the log is not: every entry in it carries its own, which
//! whoever takes the entry checks. Any other body is covered by a CRC among the fields. So no damage on the way turns a
//! frame into another one that is believed.
//!
//! Decoding borrows from the receive buffer, allocates only what a Raft message has to own, and that after its length was
//! checked against the bytes that are there.

pub mod checkpoint;
pub mod copy;
pub mod entry;
pub mod envelope;
pub mod error;
mod fields;
pub mod forward;
pub mod hello;
pub mod link;
pub mod log_end;
pub mod member_notice;
pub mod pull;
pub mod raft_step;
pub mod replica_message;
#[cfg(test)]
mod tests;

pub use self::checkpoint::{CheckpointPiece, CheckpointRequest};
pub use self::copy::{CopyPiece, CopyRequest, CopyStatus};
pub use self::entry::{EntryGiven, EntryWanted};
pub use self::envelope::{Envelope, Kind};
pub use self::error::WireError;
pub use self::forward::{Forward, Forwarded};
pub use self::hello::{ConnectionClass, Hello, Refused};
pub use self::link::Link;
pub use self::log_end::LogEnd;
pub use self::member_notice::MemberNotice;
pub use self::pull::{Pull, PullStatus, Pulled};
pub use self::raft_step::{EntryLengths, RaftStep};
pub use self::replica_message::ReplicaMessage;

/// Longest frame between replicas, its first 4 bytes included: the largest entry of a log, and room around it.
pub const FRAME_BYTES_MAX: usize = 32 << 20;
/// Longest header. Far more than any has: the longest is an append of [`raft_step::APPEND_ENTRIES_MAX`] entries.
pub const HEADER_BYTES_MAX: usize = 32 << 10;
/// Longest body: what the longest header leaves of a frame.
pub const BODY_BYTES_MAX: usize = FRAME_BYTES_MAX - HEADER_BYTES_MAX - protocol::frame::FRAME_PREFIX_BYTES;

const _: () = assert!(storage::commit_log::ENTRY_BYTES_MAX <= BODY_BYTES_MAX);
const _: () = assert!(
    envelope::ENVELOPE_BYTES + raft_step::FIELDS_BYTES_MAX + 4 * raft_step::APPEND_ENTRIES_MAX <= HEADER_BYTES_MAX
);
