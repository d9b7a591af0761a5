//! A message of Raft, and with an append the entries of the log that it is about.
//!
//! ```text
//! type u8 | flags u8 (1 reject, 2 context, 4 snapshot) | term u64 | log term u64 | index u64 | commit u64
//! | commit term u64 | request snapshot u64 | reject hint u64 | priority i64 | old priority u64
//! | [context: bytes u16, bytes]
//! | [snapshot: index u64 | term u64 | auto leave u8 | voters, learners, outgoing voters, next learners: each u8, u64s
//!    | data: bytes u16, bytes]
//! | entries u32 | bytes u32 of each;   body: the entries as they lie in the log, one after the other
//! ```
//! Written by hand and not as protobuf: the decoder of protobuf 2 makes room for as many members as a length claims, and
//! keeps fields that it does not know.

use std::borrow::Cow;

use raft::eraftpb::{ConfState, Message, MessageType, Snapshot};
use storage::commit_log::entry::HEADER_BYTES;

use super::envelope::Envelope;
use super::error::WireError;
use super::fields::{FieldReader, FieldWriter};

/// Entries of one append.
pub const APPEND_ENTRIES_MAX: usize = 4096;
const _: () = assert!(raft_driver::MESSAGE_ENTRIES_MAX <= APPEND_ENTRIES_MAX, "what is sent can be told");
/// Longest context of a message, bytes. Raft's own say that a vote is for a transfer, or which read is meant.
pub const CONTEXT_BYTES_MAX: usize = 256;
/// Longest data of a snapshot, bytes: it only tells that one is needed, and where it would begin.
pub const SNAPSHOT_DATA_BYTES_MAX: usize = 1024;
/// Members of a group in each role: nine, and room for those that come and go.
pub const MEMBERS_MAX: usize = 32;
/// All fields but the lengths of entries take less.
pub(super) const FIELDS_BYTES_MAX: usize =
    128 + CONTEXT_BYTES_MAX + SNAPSHOT_DATA_BYTES_MAX + 32 + 4 * (1 + 8 * MEMBERS_MAX);

const REJECT: u8 = 1;
const CONTEXT: u8 = 2;
const SNAPSHOT: u8 = 4;

/// One message of Raft between two nodes.
#[derive(Debug, Clone, PartialEq)]
pub struct RaftStep<'a> {
    /// The message. Its entries are not written, and there are none in one that was read: what an entry says of itself
    /// stands in `log`. `from` and `to` travel in the envelope.
    pub message: Cow<'a, Message>,
    /// Bytes of each entry in `log`. None unless the message is an append.
    pub entry_bytes: EntryLengths<'a>,
    /// The entries, header and payload, one after the other.
    pub log: &'a [u8],
}

/// How long the entries of an append are, in their order.
#[derive(Debug, Clone, Copy)]
pub enum EntryLengths<'a> {
    /// To be sent.
    Numbers(&'a [u32]),
    /// As received, big-endian.
    Received(&'a [[u8; 4]]),
}

impl<'a> EntryLengths<'a> {
    /// For messages without entries.
    pub const NONE: EntryLengths<'static> = EntryLengths::Numbers(&[]);

    /// How many entries there are.
    pub fn count(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Received(numbers) => numbers.len(),
        }
    }

    /// The bytes of each.
    pub fn iter(self) -> impl Iterator<Item = u32> + 'a {
        (0..self.count()).map(move |at| match self {
            Self::Numbers(numbers) => numbers[at],
            Self::Received(numbers) => u32::from_be_bytes(numbers[at]),
        })
    }

    /// Bytes of all of them.
    pub fn total(self) -> u64 {
        self.iter().map(u64::from).sum()
    }
}

impl PartialEq for EntryLengths<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'a> RaftStep<'a> {
    /// A message without entries.
    pub fn bare(message: &'a Message) -> Self {
        Self { message: Cow::Borrowed(message), entry_bytes: EntryLengths::NONE, log: &[] }
    }

    /// The raw entries, each with its header. Of a step that was read, whose `log` is there and fits.
    pub fn entries(&self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.log;
        self.entry_bytes.iter().map(move |bytes| {
            let (entry, behind) = rest.split_at(bytes as usize);
            rest = behind;
            entry
        })
    }

    /// Whether it belongs on the connection for beats: it is small, and somebody is taken for dead when it comes late.
    pub fn is_beat(message: &Message) -> bool {
        use MessageType::*;
        matches!(
            message.msg_type,
            MsgHeartbeat
                | MsgHeartbeatResponse
                | MsgRequestVote
                | MsgRequestVoteResponse
                | MsgRequestPreVote
                | MsgRequestPreVoteResponse
                | MsgTimeoutNow
        )
    }

    pub(super) fn decode(envelope: &Envelope, fields: &mut FieldReader<'a>, log: &'a [u8]) -> Result<Self, WireError> {
        let mut message = Message { msg_type: read_type(fields)?, ..Message::default() };
        (message.from, message.to) = (envelope.from, envelope.to);
        let flags = fields.u8("flags")?;
        if flags & !(REJECT | CONTEXT | SNAPSHOT) != 0 {
            return Err(WireError::BadValue { field: "flags", found: flags.into(), allowed: "a sum of 1, 2 and 4" });
        }
        message.reject = flags & REJECT != 0;
        message.term = fields.u64("term")?;
        message.log_term = fields.u64("log term")?;
        message.index = fields.u64("index")?;
        message.commit = fields.u64("commit")?;
        message.commit_term = fields.u64("commit term")?;
        message.request_snapshot = fields.u64("request snapshot")?;
        message.reject_hint = fields.u64("reject hint")?;
        message.priority = fields.i64("priority")?;
        message.deprecated_priority = fields.u64("old priority")?;
        if flags & CONTEXT != 0 {
            let context = fields.bytes("context", CONTEXT_BYTES_MAX)?;
            if context.is_empty() {
                return Err(WireError::BadValue { field: "context", found: 0, allowed: "at least 1 byte" });
            }
            message.context = context.to_vec().into();
        }
        if flags & SNAPSHOT != 0 {
            message.set_snapshot(read_snapshot(fields)?);
        }
        let entry_bytes = read_entry_lengths(message.msg_type, fields, log)?;
        Ok(Self { message: Cow::Owned(message), entry_bytes, log })
    }

    pub(super) fn encode(&self, envelope: &Envelope, body_bytes: usize, mut fields: FieldWriter<'_>) {
        let message = &*self.message;
        assert_eq!((message.from, message.to), (envelope.from, envelope.to), "sent to whom it is for");
        let count = self.entry_bytes.count();
        assert!(count <= APPEND_ENTRIES_MAX, "{count} entries");
        assert!(count == 0 || message.msg_type == MessageType::MsgAppend, "{:?} with entries", message.msg_type);
        assert_eq!(self.entry_bytes.total(), body_bytes as u64, "the body is the entries");
        fields.u8(type_to_wire(message.msg_type).expect("Raft's messages to itself stay here"));
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        fields.u8(flag(message.reject, REJECT)
            | flag(!message.context.is_empty(), CONTEXT)
            | flag(message.has_snapshot(), SNAPSHOT));
        fields.u64s([message.term, message.log_term, message.index, message.commit]);
        fields.u64s([message.commit_term, message.request_snapshot, message.reject_hint]);
        fields.i64(message.priority);
        fields.u64(message.deprecated_priority);
        if !message.context.is_empty() {
            fields.bytes(&message.context, CONTEXT_BYTES_MAX);
        }
        if message.has_snapshot() {
            write_snapshot(message.get_snapshot(), &mut fields);
        }
        fields.u32(u32::try_from(count).expect("the limit is checked"));
        self.entry_bytes.iter().for_each(|bytes| fields.u32(bytes));
    }
}

fn read_entry_lengths<'a>(
    kind: MessageType,
    fields: &mut FieldReader<'a>,
    log: &[u8],
) -> Result<EntryLengths<'a>, WireError> {
    let count = fields.u32("entries")?;
    let max = if kind == MessageType::MsgAppend { APPEND_ENTRIES_MAX } else { 0 };
    let found = usize::try_from(count).unwrap_or(usize::MAX);
    if found > max {
        return Err(WireError::TooLong { field: "entries", found, max });
    }
    let (lengths, _) = fields.take("bytes of entries", 4 * found)?.as_chunks();
    let lengths = EntryLengths::Received(lengths);
    if let Some(bytes) = lengths.iter().find(|bytes| (*bytes as usize) < HEADER_BYTES) {
        let allowed = "at least the bytes of an entry's header";
        return Err(WireError::BadValue { field: "bytes of an entry", found: bytes.into(), allowed });
    }
    // A sum of at most APPEND_ENTRIES_MAX numbers of 32 bits does not overflow.
    if lengths.total() != log.len() as u64 {
        return Err(WireError::BodyLength { expected: lengths.total(), found: log.len() });
    }
    Ok(lengths)
}

fn read_snapshot(fields: &mut FieldReader<'_>) -> Result<Snapshot, WireError> {
    let mut snapshot = Snapshot::default();
    let metadata = snapshot.mut_metadata();
    metadata.index = fields.u64("snapshot index")?;
    metadata.term = fields.u64("snapshot term")?;
    let mut members = ConfState { auto_leave: fields.bool("auto leave")?, ..ConfState::default() };
    members.voters = fields.ids("voters", MEMBERS_MAX)?;
    members.learners = fields.ids("learners", MEMBERS_MAX)?;
    members.voters_outgoing = fields.ids("outgoing voters", MEMBERS_MAX)?;
    members.learners_next = fields.ids("next learners", MEMBERS_MAX)?;
    metadata.set_conf_state(members);
    snapshot.data = fields.bytes("snapshot data", SNAPSHOT_DATA_BYTES_MAX)?.to_vec().into();
    Ok(snapshot)
}

fn write_snapshot(snapshot: &Snapshot, fields: &mut FieldWriter<'_>) {
    let metadata = snapshot.get_metadata();
    let members = metadata.get_conf_state();
    fields.u64(metadata.index);
    fields.u64(metadata.term);
    fields.bool(members.auto_leave);
    for ids in [&members.voters, &members.learners, &members.voters_outgoing, &members.learners_next] {
        fields.ids(ids, MEMBERS_MAX);
    }
    fields.bytes(&snapshot.data, SNAPSHOT_DATA_BYTES_MAX);
}

/// The types that travel, with their numbers. The others are what a node tells its own Raft; from outside they would make
/// it stand for election or take a peer for dead. Nothing is proposed over the wire either: clients' requests are forwarded.
const TYPES: [(u8, MessageType); 13] = [
    (3, MessageType::MsgAppend),
    (4, MessageType::MsgAppendResponse),
    (5, MessageType::MsgRequestVote),
    (6, MessageType::MsgRequestVoteResponse),
    (7, MessageType::MsgSnapshot),
    (8, MessageType::MsgHeartbeat),
    (9, MessageType::MsgHeartbeatResponse),
    (13, MessageType::MsgTransferLeader),
    (14, MessageType::MsgTimeoutNow),
    (15, MessageType::MsgReadIndex),
    (16, MessageType::MsgReadIndexResp),
    (17, MessageType::MsgRequestPreVote),
    (18, MessageType::MsgRequestPreVoteResponse),
];

fn read_type(fields: &mut FieldReader<'_>) -> Result<MessageType, WireError> {
    let found = fields.u8("type")?;
    let row = TYPES.iter().find(|(number, _)| *number == found);
    let allowed = "the number of a Raft message that travels between nodes";
    row.map(|(_, kind)| *kind).ok_or(WireError::BadValue { field: "type", found: found.into(), allowed })
}

fn type_to_wire(kind: MessageType) -> Option<u8> {
    TYPES.iter().find(|(_, each)| *each == kind).map(|(number, _)| *number)
}
