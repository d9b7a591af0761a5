//! Changes of a shard's state as they stand in its log.
//!
//! Layout: format version u8 | kind u8 | payload (rkyv, of the struct of that kind). A new kind of change gets the
//! next number. The struct of a kind is not changed once a release wrote it: its successor is a new kind.

use crate::assignment::StoredRequestMode;
use crate::consumer_offsets::StoredOffsets;
use crate::pop::{StoredOrderedPop, StoredPop, StoredPopEnds};
use crate::subscription_group_table::StoredGroup;
use crate::topic_table::StoredTopic;
use protocol::body::DataVersion;
use rkyv::api::high::{HighDeserializer, HighSerializer, HighValidator};
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor;
use rkyv::ser::allocator::ArenaHandle;
use rkyv::util::AlignedVec;
use rkyv::{Archive, Deserialize, Serialize};
use storage::pieces::EncodeInTurns;
use thiserror::Error;

/// First byte of every record.
pub const CONTROL_RECORD_VERSION: u8 = 1;

/// No record is longer: the tables split what would be, and refuse what cannot be split.
pub const CONTROL_RECORD_BYTES_MAX: usize = 64 << 10;

/// Bytes before the payload.
const HEAD_BYTES: usize = 2;

/// Why bytes are not a control record.
#[derive(Debug, Error)]
pub enum ControlRecordError {
    /// Not even version and kind.
    #[error("a control record of {bytes} bytes; the shortest has {HEAD_BYTES}")]
    TooShort {
        /// How many there are.
        bytes: usize,
    },
    /// Written by another release, or not a control record.
    #[error("control record of format version {version}; this release reads {CONTROL_RECORD_VERSION}")]
    UnknownVersion {
        /// As stored.
        version: u8,
    },
    /// Written by a later release, or not a control record.
    #[error("control record of unknown kind {kind}")]
    UnknownKind {
        /// As stored.
        kind: u8,
    },
    /// The payload is damaged.
    #[error("control record of kind {kind}: {bytes} bytes of payload are damaged")]
    Damaged {
        /// Which struct it should be.
        kind: u8,
        /// Of the payload.
        bytes: usize,
        /// Where validation failed.
        source: rancor::Error,
    },
}

/// Version of a table, as it is kept on disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct StoredVersion {
    /// Replication term in the reference; 0 here.
    pub state_version: i64,
    /// When the last change was made, ms since 1970.
    pub timestamp_ms: i64,
    /// How many changes were made.
    pub counter: i64,
}

impl EncodeInTurns for StoredVersion {}

/// A topic was created or changed.
#[derive(Debug, Clone, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct TopicPut {
    /// As it is now.
    pub topic: StoredTopic,
    /// Of the table after it.
    pub version: StoredVersion,
}

/// A topic was deleted. Its offsets have a record of their own.
#[derive(Debug, Clone, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct TopicDelete {
    /// Its name.
    pub topic: String,
    /// Of the table after it.
    pub version: StoredVersion,
}

/// A group was created or changed.
#[derive(Debug, Clone, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct GroupPut {
    /// As it is now.
    pub group: StoredGroup,
    /// Of the table after it.
    pub version: StoredVersion,
}

/// A group was deleted. Its offsets have a record of their own.
#[derive(Debug, Clone, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct GroupDelete {
    /// Its name.
    pub group: String,
    /// Of the table after it.
    pub version: StoredVersion,
}

/// A level of the schedule topic was delivered up to a queue offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct ScheduleProgressed {
    /// From 1.
    pub level: i32,
    /// The next message to deliver.
    pub queue_offset: i64,
}

/// A half message has its end: its row goes, whatever the end was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct TransactionEnded {
    /// Its queue offset in the half topic.
    pub queue_offset: u64,
    /// How, for whoever reads the log; the message of a commit stands before this record.
    pub how: TransactionEnd,
}

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub enum TransactionEnd {
    /// Its message was stored where it was sent to.
    Commit,
    /// It is as if it had never been sent.
    Rollback,
    /// Nobody said how: it was copied to `TRANS_CHECK_MAX_TIME_TOPIC`.
    GivenUp,
    /// Its record can no longer be read.
    Lost,
}

/// Producers were asked how transactions end.
#[derive(Debug, Clone, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct TransactionsChecked {
    /// Queue offset in the half topic, and how often was asked with this time.
    pub halves: Vec<(u64, u32)>,
}

/// A timer message or a recall of one was stored in the timer topic.
#[derive(Debug, Clone, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct TimerStored {
    /// Where it goes when due; `None` for a recall.
    pub topic: Option<String>,
    /// Of its record.
    pub bytes: u32,
    /// ms since 1970.
    pub at_ms: i64,
}

/// A timer is done, and all before it in the order of keys: see [`storage::timer_index::TimerKey`].
#[derive(Debug, Clone, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct TimerDone {
    /// When it was due, ms since 1970.
    pub due_ms: i64,
    /// Its place among those.
    pub order: u64,
    /// Where it went; `None` for a recall, and where that cannot be told.
    pub topic: Option<String>,
    /// Of its record.
    pub bytes: u32,
    /// ms since 1970.
    pub at_ms: i64,
}

/// Pending timers of the timer topic below a queue offset were stored again behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct TimersRolled {
    /// The first that is not.
    pub queue_offset: u64,
}

/// One change. Replaying all of them in order rebuilds the tables; see [`crate::control_tables::ControlTables`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlRecord {
    /// A topic was created or changed.
    TopicPut(TopicPut),
    /// A topic was deleted.
    TopicDelete(TopicDelete),
    /// A group was created or changed.
    GroupPut(GroupPut),
    /// A group was deleted.
    GroupDelete(GroupDelete),
    /// Consumers committed.
    Offsets(Vec<StoredOffsets>),
    /// One group's offsets in one topic were replaced as a whole.
    OffsetsReplaced(StoredOffsets),
    /// An operator reset these queues; their next pull is to be told.
    OffsetReset(StoredOffsets),
    /// A pull of these queues was told.
    OffsetResetTaken(StoredOffsets),
    /// A group's offsets were removed.
    OffsetsOfGroupRemoved(String),
    /// A topic's offsets were removed in all groups.
    OffsetsOfTopicRemoved(String),
    /// Delayed messages were delivered.
    ScheduleProgressed(ScheduleProgressed),
    /// A half message has its end.
    TransactionEnded(TransactionEnded),
    /// Producers were asked how transactions end.
    TransactionsChecked(TransactionsChecked),
    /// A timer was stored.
    TimerStored(TimerStored),
    /// A timer is done.
    TimerDone(TimerDone),
    /// Timers were stored again.
    TimersRolled(TimersRolled),
    /// Messages are invisible to groups, until the times that are named.
    PopsTaken(Vec<StoredPop>),
    /// Messages are invisible no more.
    PopsEnded(Vec<StoredPopEnds>),
    /// What ordered pops hold.
    OrderedPops(Vec<StoredOrderedPop>),
    /// What was popped of a topic was forgotten.
    PopsOfTopicRemoved(String),
    /// What a group popped was forgotten.
    PopsOfGroupRemoved(String),
    /// How a group gets a topic's messages was set.
    RequestModePut(StoredRequestMode),
}

impl ControlRecord {
    /// Appends the record to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::TopicPut(payload) => encode_payload(1, payload, out),
            Self::TopicDelete(payload) => encode_payload(2, payload, out),
            Self::GroupPut(payload) => encode_payload(3, payload, out),
            Self::GroupDelete(payload) => encode_payload(4, payload, out),
            Self::Offsets(payload) => encode_payload(5, payload, out),
            Self::OffsetsReplaced(payload) => encode_payload(6, payload, out),
            Self::OffsetReset(payload) => encode_payload(7, payload, out),
            Self::OffsetResetTaken(payload) => encode_payload(8, payload, out),
            Self::OffsetsOfGroupRemoved(payload) => encode_payload(9, payload, out),
            Self::OffsetsOfTopicRemoved(payload) => encode_payload(10, payload, out),
            Self::ScheduleProgressed(payload) => encode_payload(11, payload, out),
            Self::TransactionEnded(payload) => encode_payload(20, payload, out),
            Self::TransactionsChecked(payload) => encode_payload(21, payload, out),
            Self::TimerStored(payload) => encode_payload(22, payload, out),
            Self::TimerDone(payload) => encode_payload(23, payload, out),
            Self::TimersRolled(payload) => encode_payload(24, payload, out),
            Self::PopsTaken(payload) => encode_payload(30, payload, out),
            Self::PopsEnded(payload) => encode_payload(31, payload, out),
            Self::OrderedPops(payload) => encode_payload(32, payload, out),
            Self::PopsOfTopicRemoved(payload) => encode_payload(33, payload, out),
            Self::PopsOfGroupRemoved(payload) => encode_payload(34, payload, out),
            Self::RequestModePut(payload) => encode_payload(40, payload, out),
        }
    }

    /// Reads one record that takes all of `bytes`.
    ///
    /// # Errors
    /// [`ControlRecordError`]; nothing in `bytes` makes this panic.
    pub fn decode(bytes: &[u8]) -> Result<Self, ControlRecordError> {
        let too_short = ControlRecordError::TooShort { bytes: bytes.len() };
        let (&[version, kind], payload) = bytes.split_first_chunk::<HEAD_BYTES>().ok_or(too_short)?;
        if version != CONTROL_RECORD_VERSION {
            return Err(ControlRecordError::UnknownVersion { version });
        }
        let record = match kind {
            1 => Self::TopicPut(decode_payload(kind, payload)?),
            2 => Self::TopicDelete(decode_payload(kind, payload)?),
            3 => Self::GroupPut(decode_payload(kind, payload)?),
            4 => Self::GroupDelete(decode_payload(kind, payload)?),
            5 => Self::Offsets(decode_payload(kind, payload)?),
            6 => Self::OffsetsReplaced(decode_payload(kind, payload)?),
            7 => Self::OffsetReset(decode_payload(kind, payload)?),
            8 => Self::OffsetResetTaken(decode_payload(kind, payload)?),
            9 => Self::OffsetsOfGroupRemoved(decode_payload(kind, payload)?),
            10 => Self::OffsetsOfTopicRemoved(decode_payload(kind, payload)?),
            11 => Self::ScheduleProgressed(decode_payload(kind, payload)?),
            20 => Self::TransactionEnded(decode_payload(kind, payload)?),
            21 => Self::TransactionsChecked(decode_payload(kind, payload)?),
            22 => Self::TimerStored(decode_payload(kind, payload)?),
            23 => Self::TimerDone(decode_payload(kind, payload)?),
            24 => Self::TimersRolled(decode_payload(kind, payload)?),
            30 => Self::PopsTaken(decode_payload(kind, payload)?),
            31 => Self::PopsEnded(decode_payload(kind, payload)?),
            32 => Self::OrderedPops(decode_payload(kind, payload)?),
            33 => Self::PopsOfTopicRemoved(decode_payload(kind, payload)?),
            34 => Self::PopsOfGroupRemoved(decode_payload(kind, payload)?),
            40 => Self::RequestModePut(decode_payload(kind, payload)?),
            _ => return Err(ControlRecordError::UnknownKind { kind }),
        };
        Ok(record)
    }
}

fn encode_payload<T>(kind: u8, payload: &T, out: &mut Vec<u8>)
where
    T: for<'a> Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, rancor::Error>>,
{
    let payload = rkyv::to_bytes::<rancor::Error>(payload).expect("plain data in memory always serializes");
    out.reserve(HEAD_BYTES + payload.len());
    out.extend_from_slice(&[CONTROL_RECORD_VERSION, kind]);
    out.extend_from_slice(&payload);
}

fn decode_payload<T>(kind: u8, payload: &[u8]) -> Result<T, ControlRecordError>
where
    T: Archive,
    T::Archived: for<'a> CheckBytes<HighValidator<'a, rancor::Error>> + Deserialize<T, HighDeserializer<rancor::Error>>,
{
    // rkyv reads in place and needs its alignment, which a position in the log does not have.
    let mut aligned = AlignedVec::<16>::with_capacity(payload.len());
    aligned.extend_from_slice(payload);
    rkyv::from_bytes::<T, rancor::Error>(&aligned).map_err(|source| ControlRecordError::Damaged {
        kind,
        bytes: payload.len(),
        source,
    })
}

impl From<DataVersion> for StoredVersion {
    fn from(version: DataVersion) -> Self {
        let DataVersion { state_version, timestamp, counter } = version;
        Self { state_version, timestamp_ms: timestamp, counter }
    }
}

impl From<StoredVersion> for DataVersion {
    fn from(version: StoredVersion) -> Self {
        let StoredVersion { state_version, timestamp_ms, counter } = version;
        Self { state_version, timestamp: timestamp_ms, counter }
    }
}

#[cfg(test)]
mod tests;
