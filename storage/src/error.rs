//! What can go wrong in a store: what, where, how much, and the cause.

use std::fmt;
use std::io;

/// Why bytes are not a log entry.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum DamageReason {
    /// Fewer bytes than an entry needs.
    CutShort,
    /// No entry begins here.
    NoMagic,
    /// The header's checksum does not fit it, or it is another store's.
    HeaderCrc,
    /// A kind this version does not know.
    UnknownKind {
        /// The kind as written.
        byte: u8,
    },
    /// A layout this version does not know.
    UnknownVersion {
        /// The version as written.
        byte: u8,
    },
    /// The header was made for another place.
    Misplaced {
        /// The physical offset it claims.
        claims: u64,
    },
    /// Its lengths contradict each other, or reach past the segment.
    Lengths,
    /// The payload's checksum does not fit it.
    PayloadCrc,
    /// The index does not follow the entry before it.
    Index {
        /// The index the next entry must have.
        expected: u64,
        /// The index it has.
        found: u64,
    },
    /// The term is below that of the entry before it: left over from before a truncation.
    Term {
        /// Term of the entry before.
        before: u64,
        /// The term it has.
        found: u64,
    },
    /// It came after another entry than the one before it: left over from a longer log.
    Previous,
    /// A message record inside a sound entry does not decode.
    Record,
}

impl fmt::Display for DamageReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CutShort => f.write_str("it is cut short"),
            Self::NoMagic => f.write_str("no entry begins there"),
            Self::HeaderCrc => f.write_str("its header's checksum does not match"),
            Self::UnknownKind { byte } => write!(f, "its kind {byte} is unknown"),
            Self::UnknownVersion { byte } => write!(f, "its layout version {byte} is unknown"),
            Self::Misplaced { claims } => write!(f, "its header belongs to physical offset {claims}"),
            Self::Lengths => f.write_str("its lengths contradict each other"),
            Self::PayloadCrc => f.write_str("its payload's checksum does not match"),
            Self::Index { expected, found } => write!(f, "its index is {found}, {expected} must follow"),
            Self::Term { before, found } => write!(f, "its term {found} is below the term {before} before it"),
            Self::Previous => f.write_str("it came after another entry than the one before it"),
            Self::Record => f.write_str("a message record in it does not decode"),
        }
    }
}

/// Why an entry of another replica was not taken over.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// It is not what has to come next.
    #[error("an entry of another replica was not taken over: {0}")]
    Refused(DamageReason),
    /// The log takes nothing now.
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl From<DamageReason> for AdoptError {
    fn from(reason: DamageReason) -> Self {
        Self::Refused(reason)
    }
}

/// A failure of a store.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// A call to the operating system failed.
    #[error("{op} {path} failed: {source}")]
    Io {
        /// What was tried, as a verb with its preposition: `write to`, `open`.
        op: &'static str,
        /// The file or folder, relative to the shard's folder.
        path: String,
        /// The cause.
        source: io::Error,
    },
    /// Several files failed while they were worked on side by side.
    #[error("{} files failed: {}", failures.len(), one_after_the_other(failures))]
    Several {
        /// Each with its file and cause; never empty.
        failures: Vec<StorageError>,
    },
    /// Bytes could not be made durable.
    #[error("{op} of the log from {from} to {up_to} failed, this shard takes no more writes: {source}")]
    Flush {
        /// `write` or `data sync`.
        op: &'static str,
        /// Where the bytes begin.
        from: u64,
        /// Where they end.
        up_to: u64,
        /// The cause.
        source: io::Error,
    },
    /// The log is damaged where it is known to have been on stable storage.
    #[error(
        "the log is damaged in {file} at byte {at}: the entry there cannot be read, {reason}; the log was known to be on stable \
         storage up to physical offset {stable}, so this is no torn write. Restore the file from a replica or a backup"
    )]
    Damaged {
        /// Segment file, relative to the shard's folder.
        file: String,
        /// Byte in that file.
        at: u64,
        /// What is wrong there.
        reason: DamageReason,
        /// Physical offset up to which the log was on stable storage.
        stable: u64,
    },
    /// A record read back is not what was written.
    #[error("the message record at physical offset {at} ({file}) cannot be read: {what}")]
    DamagedRecord {
        /// Physical offset of the record.
        at: u64,
        /// Segment file, relative to the shard's folder.
        file: String,
        /// What is wrong with it.
        what: String,
    },
    /// Segment files do not form one log.
    #[error(
        "segment {missing} is missing between {before} and {after}: the log has a hole. Restore it from a replica or a backup"
    )]
    MissingSegment {
        /// File that should be there.
        missing: String,
        /// File before the hole.
        before: String,
        /// File behind it.
        after: String,
    },
    /// The log begins behind offset 0 and the state before its begin is lost.
    #[error(
        "neither checkpoint nor checkpoint.prev can be read ({why}) and the log begins at {first}, not 0: topics, groups and consumer \
         offsets from before cannot be rebuilt. Restore a checkpoint from a backup"
    )]
    CheckpointLost {
        /// Physical offset of the oldest segment.
        first: u64,
        /// What is wrong with the checkpoints.
        why: String,
    },
    /// The store was made by another version.
    #[error(
        "the store in {path} has format {found}, this version reads {expected}. Use the version that made it, or another store"
    )]
    Format {
        /// The store's folder.
        path: String,
        /// Its format.
        found: u32,
        /// Ours.
        expected: u32,
    },
    /// The store holds more shards than are configured.
    #[error(
        "the store in {path} holds {found} shards, {configured} are configured: the messages of the others would be out of reach. Start with --shards {found} or more"
    )]
    TooFewShards {
        /// The store's folder.
        path: String,
        /// Shards in the store.
        found: u32,
        /// Shards configured.
        configured: u32,
    },
    /// Another process uses the store.
    #[error("the store in {path} is locked by another process{holder}: stop it, or use another --store")]
    Locked {
        /// The store's folder.
        path: String,
        /// ` (pid N)` where known.
        holder: String,
    },
    /// A file of the store does not hold what it should.
    #[error("{path} is not what this version wrote: {what}")]
    Malformed {
        /// The file.
        path: String,
        /// What is wrong.
        what: String,
    },
    /// A queue offset outside the queue.
    #[error("queue offset {asked} is outside {first}..{end}")]
    OutOfRange {
        /// What was asked for.
        asked: u64,
        /// First offset there is.
        first: u64,
        /// One past the last.
        end: u64,
    },
}

impl StorageError {
    /// Attaches what was tried and where to an [`io::Error`].
    pub(crate) fn io(op: &'static str, path: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { op, path, source }
    }

    /// Whether the cause is a full disk.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Io { source, .. } | Self::Flush { source, .. } => source.kind() == io::ErrorKind::StorageFull,
            Self::Several { failures } => failures.iter().any(Self::is_disk_full),
            _ => false,
        }
    }
}

fn one_after_the_other(failures: &[StorageError]) -> String {
    failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Why an append was not taken. Nothing of it is in the log.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AppendError {
    /// The bytes not yet written reached their limit; wait for a flush.
    #[error("{waiting_bytes} bytes wait to be written, the limit is {limit_bytes}")]
    Backlog {
        /// Bytes appended and not yet written.
        waiting_bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// The next segment is still being made; wait for it.
    #[error("the next log segment is not ready yet")]
    SegmentPending,
    /// The next segment cannot be made.
    #[error("no room for the next log segment: {cause}")]
    DiskFull {
        /// What the operating system said.
        cause: String,
    },
    /// Longer than an entry may be.
    #[error("{bytes} bytes do not fit an entry, the limit is {limit_bytes}")]
    TooLong {
        /// Bytes of the unit.
        bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// An earlier write failed; the shard takes no more.
    #[error("the log takes no more writes: {cause}")]
    Failed {
        /// The first failure.
        cause: String,
    },
}
