//! Faults of replicas, put into the frames between them: each must be found out, or nobody would see that a replica breaks
//! its word.

use std::borrow::Cow;
use std::collections::BTreeMap;

use broker::replication::wire::{EntryLengths, Envelope, RaftStep, ReplicaMessage};
use protocol::frame::{Frame, decode_frame_up_to};
use raft_driver::eraftpb::MessageType;
use runtime::REPLICA_FRAME_BYTES_MAX;
use storage::commit_log::entry::{EntryHeader, HEADER_BYTES, crc_of};
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
}

impl FrameMeddler {
    /// Never does any.
    pub fn idle() -> Self {
        Self { mischief: None, every: 1, occasions: 0, unstored: BTreeMap::new(), held_back: BTreeMap::new() }
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

    /// What to do with a frame of another replica; the own log ends at `end`.
    pub(super) fn received(&mut self, frame: &Frame<'_>, id: LogId, end: impl FnOnce() -> LogPosition) -> Treatment {
        if self.mischief.is_none() {
            return Treatment::Honest;
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
        if self.unstored.is_empty() {
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

fn encode(envelope: &Envelope, step: RaftStep<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    ReplicaMessage::Raft(step).encode(envelope, &mut bytes);
    bytes
}
