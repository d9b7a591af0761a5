//! Faults of replicas, put into the frames between them: each must be found out, or nobody would see that a replica breaks
//! its word.

use std::borrow::Cow;
use std::collections::BTreeMap;

use broker::replication::wire::{CopyPiece, CopyRequest, EntryLengths, Envelope, RaftStep, ReplicaMessage};
use protocol::frame::{Frame, decode_frame_up_to};
use raft_driver::eraftpb::MessageType;
use runtime::REPLICA_FRAME_BYTES_MAX;
use storage::commit_log::copy::CopiedEntry;
use storage::commit_log::entry::{EntryHeader, EntryKind, HEADER_BYTES, crc_of};
use storage::commit_log::{LogId, LogPosition};

use super::meddler::Treatment;

/// A leader's first entry is held back this often.
const HELD_BACK: u32 = 20;

/// Where an entry's header has its physical offset.
const POSITION_AT: usize = 24;

/// What goes wrong.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum FrameMischief {
    /// A follower confirms entries that it does not store: the leader acknowledges before a majority has them.
    ConfirmedUnstored,
    /// A follower takes all that it is sent for committed, and lets consumers read it.
    ReadBeyondCommit,
    /// A follower takes what ends where its log ends for what it has, and what begins there for its continuation, of
    /// whatever terms they are. It hears the first entry of a leader late, so that logs differ at all.
    OffsetTrusted,
    /// A slave confirms what it does not store: its master answers before the slave has it.
    CopyUnstored,
    /// A master takes a slave's log for its own where that ends, if an entry of its own begins there, whatever came before.
    PlaceTrusted,
    /// A slave has more than its master gave it: a control entry twice.
    GivenMore,
}

/// Does mischief at every `every`-th occasion.
#[derive(Clone, Debug)]
pub struct FrameMeddler {
    mischief: Option<FrameMischief>,
    every: u32,
    occasions: u32,
    /// What was left out of what a leader sent: its term, and the last index. By the leader's id.
    unstored: BTreeMap<u64, (u64, u64)>,
    /// How often the first entry of a term was held back.
    held_back: BTreeMap<u64, u32>,
    /// Where what a slave was sent and has not stored ends.
    claimed: Option<LogPosition>,
}

impl FrameMeddler {
    /// Never does any.
    pub fn idle() -> Self {
        Self {
            mischief: None,
            every: 1,
            occasions: 0,
            unstored: BTreeMap::new(),
            held_back: BTreeMap::new(),
            claimed: None,
        }
    }

    /// Does this at every `every`-th occasion.
    pub fn new(mischief: FrameMischief, every: u32) -> Self {
        Self { mischief: Some(mischief), every, ..Self::idle() }
    }

    fn strikes(&mut self, mischief: FrameMischief) -> bool {
        if self.mischief != Some(mischief) {
            return false;
        }
        self.occasions += 1;
        self.occasions.is_multiple_of(self.every)
    }

    /// What to do with a frame of a slave or master; `place` is where the own log stands before the entry that begins at a
    /// position.
    fn copy_received(&mut self, frame: &Frame<'_>, place: impl FnOnce(u64) -> Option<LogPosition>) -> Treatment {
        match ReplicaMessage::decode(frame) {
            Ok((envelope, ReplicaMessage::CopyPiece(piece))) if !piece.log.is_empty() => {
                if self.mischief == Some(FrameMischief::GivenMore) {
                    return match with_one_more(&piece).filter(|_| self.strikes(FrameMischief::GivenMore)) {
                        Some(log) => {
                            let more = ReplicaMessage::CopyPiece(CopyPiece { log: &log, ..piece });
                            Treatment::Instead(encode_message(&envelope, &more))
                        }
                        None => Treatment::Honest,
                    };
                }
                if !self.strikes(FrameMischief::CopyUnstored) {
                    return Treatment::Honest;
                }
                let (mut at, mut rest) = (LogPosition::default(), piece.log);
                at.position = piece.first_position;
                while let Ok(entry) = CopiedEntry::first_of(LogId(piece.log_id), at.position, rest) {
                    at = entry.position_behind(rest);
                    rest = &rest[entry.bytes..];
                }
                self.claimed = Some(at);
                let nothing = ReplicaMessage::CopyPiece(CopyPiece { log: &[], ..piece });
                Treatment::Instead(encode_message(&envelope, &nothing))
            }
            Ok((envelope, ReplicaMessage::CopyRequest(request))) => {
                let own = place(request.end.position).filter(|own| own.previous != request.end.previous);
                match own {
                    Some(own) if self.strikes(FrameMischief::PlaceTrusted) => {
                        let trusted = ReplicaMessage::CopyRequest(CopyRequest { end: own, ..request });
                        Treatment::Instead(encode_message(&envelope, &trusted))
                    }
                    _ => Treatment::Honest,
                }
            }
            _ => Treatment::Honest,
        }
    }

    /// What to do with a frame of another replica; the own log ends at `end`, and stands at `place` before the entry that begins
    /// at a position.
    pub(super) fn received(
        &mut self,
        frame: &Frame<'_>,
        id: LogId,
        end: impl FnOnce() -> LogPosition,
        place: impl FnOnce(u64) -> Option<LogPosition>,
    ) -> Treatment {
        match self.mischief {
            None => return Treatment::Honest,
            Some(FrameMischief::CopyUnstored | FrameMischief::PlaceTrusted | FrameMischief::GivenMore) => {
                return self.copy_received(frame, place);
            }
            Some(_) => {}
        }
        let end = end();
        let Ok((envelope, ReplicaMessage::Raft(step))) = ReplicaMessage::decode(frame) else {
            return Treatment::Honest;
        };
        if step.message.msg_type != MessageType::MsgAppend || step.log.is_empty() {
            return Treatment::Honest;
        }
        let mut message = step.message.clone().into_owned();
        let count = step.entry_bytes.count() as u64;
        if self.strikes(FrameMischief::ConfirmedUnstored) {
            self.unstored.insert(message.from, (message.term, message.index + count));
            return Treatment::Instead(encode(&envelope, RaftStep::bare(&message)));
        }
        if self.strikes(FrameMischief::ReadBeyondCommit) {
            message.commit = message.index + count;
            return Treatment::Instead(encode(&envelope, RaftStep { message: Cow::Owned(message), ..step }));
        }
        if self.mischief == Some(FrameMischief::OffsetTrusted)
            && let Some((lengths, log)) = joined(&step, id, end)
            && self.strikes(FrameMischief::OffsetTrusted)
        {
            (message.index, message.log_term) = (end.index, end.term);
            message.commit = message.commit.max(end.index);
            let entry_bytes = EntryLengths::Numbers(&lengths);
            return Treatment::Instead(encode(
                &envelope,
                RaftStep { message: Cow::Owned(message), entry_bytes, log: &log },
            ));
        }
        if self.mischief == Some(FrameMischief::OffsetTrusted) && step.log.len() == HEADER_BYTES {
            let held_back = self.held_back.entry(message.term).or_default();
            *held_back += 1;
            if *held_back <= HELD_BACK {
                return Treatment::Instead(encode(&envelope, RaftStep::bare(&message)));
            }
        }
        Treatment::Honest
    }

    /// What goes out instead of what a replica says: whole frames.
    pub(super) fn sent(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        if self.unstored.is_empty() && self.claimed.is_none() {
            return bytes;
        }
        let mut out = Vec::new();
        let mut rest = &bytes[..];
        while let Ok(Some((frame, used))) = decode_frame_up_to(rest, REPLICA_FRAME_BYTES_MAX) {
            match ReplicaMessage::decode(&frame) {
                Ok((envelope, ReplicaMessage::Raft(step))) if self.is_about_unstored(&step) => {
                    let mut message = step.message.into_owned();
                    message.index = self.unstored.get(&message.to).map_or(0, |(_, last)| *last).max(message.index);
                    out.extend(encode(&envelope, RaftStep::bare(&message)));
                }
                Ok((envelope, ReplicaMessage::CopyRequest(request))) if request.bytes_wanted > 0 => {
                    let claimed = self.claimed.filter(|claimed| claimed.position > request.end.position);
                    let end = claimed.unwrap_or(request.end);
                    let request = ReplicaMessage::CopyRequest(CopyRequest { end, ..request });
                    out.extend(encode_message(&envelope, &request));
                }
                _ => out.extend_from_slice(&rest[..used]),
            }
            rest = &rest[used..];
        }
        out
    }

    fn is_about_unstored(&self, step: &RaftStep<'_>) -> bool {
        let message = &step.message;
        let is_confirmation = message.msg_type == MessageType::MsgAppendResponse && !message.reject;
        is_confirmation && self.unstored.get(&message.to).is_some_and(|(term, _)| *term == message.term)
    }
}

/// The entries of a message from the one on that begins where the log ends, made to look like its continuation; `None`:
/// none begins or ends there, or they are what they should be.
fn joined(step: &RaftStep<'_>, id: LogId, end: LogPosition) -> Option<(Vec<u32>, Vec<u8>)> {
    let (mut lengths, mut log) = (Vec::new(), Vec::new());
    let mut previous = None;
    for entry in step.entries() {
        let position = u64::from_be_bytes(*entry.get(POSITION_AT..)?.first_chunk()?);
        let header = EntryHeader::decode(id, position, entry).ok()?;
        if previous.is_none() {
            let is_end = header.end() == end.position && header.index == end.index;
            let is_next = position == end.position && header.index == end.index + 1;
            if is_end && crc_of(entry) == end.previous || is_next && header.previous == end.previous {
                return None;
            }
            previous = (is_end || is_next).then_some(end.previous);
            if !is_next {
                continue;
            }
        }
        let mut changed = entry.to_vec();
        let header = EntryHeader { previous: previous?, ..header };
        previous = Some(header.encode(id, &mut changed[..HEADER_BYTES]));
        lengths.push(changed.len() as u32);
        log.extend_from_slice(&changed);
    }
    previous.map(|_| (lengths, log))
}

/// The log of a piece with its last entry once more behind it; `None`: that is no control entry, which says the same twice.
fn with_one_more(piece: &CopyPiece<'_>) -> Option<Vec<u8>> {
    let id = LogId(piece.log_id);
    let (mut position, mut rest, mut last) = (piece.first_position, piece.log, None);
    while let Ok(entry) = CopiedEntry::first_of(id, position, rest) {
        last = Some((entry, &rest[..entry.bytes]));
        (position, rest) = (entry.header.end(), &rest[entry.bytes..]);
    }
    let (entry, bytes) = last.filter(|(entry, bytes)| is_control(&entry.header, bytes))?;
    let header = EntryHeader { position, index: entry.header.index + 1, previous: crc_of(bytes), ..entry.header };
    let mut more = bytes.to_vec();
    header.encode(id, &mut more[..HEADER_BYTES]);
    Some([piece.log, &more[..]].concat())
}

fn is_control(header: &EntryHeader, bytes: &[u8]) -> bool {
    header.kind == EntryKind::Control && bytes.len() > HEADER_BYTES
}

fn encode(envelope: &Envelope, step: RaftStep<'_>) -> Vec<u8> {
    encode_message(envelope, &ReplicaMessage::Raft(step))
}

fn encode_message(envelope: &Envelope, message: &ReplicaMessage<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.encode(envelope, &mut bytes);
    bytes
}
