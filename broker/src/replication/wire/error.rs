//! Why bytes of a replica are not taken.

use super::envelope::{MAGIC, VERSION};

/// Why bytes of a replica are not taken. The connection is closed: what else it would say is not to be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A frame of another make.
    #[error("the frame has the encoding byte {found}, those of replicas have {expected}")]
    Encoding {
        /// As received.
        found: u8,
        /// Of replicas.
        expected: u8,
    },
    /// Something else talks to this port.
    #[error("the frame is none of a replica: it begins with {found:#010x}, not {MAGIC:#010x}")]
    Magic {
        /// The first four bytes of the header.
        found: u32,
    },
    /// A replica of another version.
    #[error("the replica speaks version {found}, this one {VERSION}; run the same version on all nodes of the group")]
    Version {
        /// The version as received.
        found: u8,
    },
    /// No kind has this number.
    #[error("frame kind {found} is unknown")]
    Kind {
        /// The number as received.
        found: u8,
    },
    /// A header longer than any.
    #[error("header of {bytes} bytes is over the limit of {max}")]
    HeaderTooLong {
        /// Its bytes.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The header is damaged.
    #[error("the header's checksum is {found:#010x}, its bytes have {computed:#010x}")]
    HeaderCrc {
        /// As received.
        found: u32,
        /// Of the bytes received.
        computed: u32,
    },
    /// The body is damaged.
    #[error("the body's checksum is {found:#010x}, its {bytes} bytes have {computed:#010x}")]
    BodyCrc {
        /// As received.
        found: u32,
        /// Of the bytes received.
        computed: u32,
        /// Bytes of the body.
        bytes: usize,
    },
    /// The header ends within a field.
    #[error("{field} takes {need} bytes of the header, {have} are left")]
    Cut {
        /// The field.
        field: &'static str,
        /// Bytes it takes.
        need: usize,
        /// Bytes that are left.
        have: usize,
    },
    /// The header goes on behind its last field.
    #[error("{bytes} bytes of the header are left behind its last field")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// A field is longer than allowed.
    #[error("{field} has {found}, over the limit of {max}")]
    TooLong {
        /// The field.
        field: &'static str,
        /// Its bytes, or members of a list.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// A text that is none.
    #[error("{field} is no UTF-8 text without control characters")]
    NoText {
        /// The field.
        field: &'static str,
    },
    /// A field has a value that means nothing.
    #[error("{field} is {found}, allowed is {allowed}")]
    BadValue {
        /// The field.
        field: &'static str,
        /// As received.
        found: u64,
        /// Completes "allowed is …".
        allowed: &'static str,
    },
    /// A name that cannot be a file's.
    #[error("the name of a checkpoint is no file name of letters, digits and any of .-_")]
    BadName,
    /// The body is not as long as the header says.
    #[error("the body has {found} bytes, the header says {expected}")]
    BodyLength {
        /// By the header.
        expected: u64,
        /// As received.
        found: usize,
    },
    /// The other side is of another group, shard or cluster.
    #[error("the frame is of the log {found:#018x}, this replica is of {expected:#018x}: the groups differ")]
    ForeignLog {
        /// The frame's.
        found: u64,
        /// This replica's.
        expected: u64,
    },
    /// Not who is at the other end of this connection.
    #[error("the frame is from node {found}, this connection leads to node {expected}")]
    WrongSender {
        /// The frame's, as a Raft id.
        found: u64,
        /// The peer's, as a Raft id.
        expected: u64,
    },
    /// Meant for another node.
    #[error("the frame is for node {found}, this is node {expected}; compare dLegerPeers of both nodes")]
    WrongReceiver {
        /// The frame's, as a Raft id.
        found: u64,
        /// This node's, as a Raft id.
        expected: u64,
    },
    /// Of another connection: recorded there and replayed here.
    #[error("the frame is of the connection {found:#018x}, this one is {expected:#018x}")]
    OtherSession {
        /// The frame's.
        found: u64,
        /// This connection's.
        expected: u64,
    },
    /// A frame is missing, or comes again.
    #[error("the frame has number {found} of its connection, {expected} is next")]
    OutOfSequence {
        /// The frame's.
        found: u64,
        /// The next one's.
        expected: u64,
    },
}
