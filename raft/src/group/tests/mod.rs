//! Each rule of a group on its own. What they make together is in `tests/simulation`.

use protobuf::Message as _;
use raft::eraftpb::{ConfChangeSingle, ConfChangeType, ConfChangeV2, ConfState, Message, MessageType};
use raft::{StateRole, eraftpb};

use super::propose::{ProposeError, TransferError};
use super::*;
use crate::membership::MembershipError;
use crate::refusal::Refusal;
use crate::start::Memory;
use crate::trust::PeerReport;
use crate::work::{NewEntry, Source, Work};

mod catching_up;
mod forgetting;
mod leading;
mod members;
mod refusals;
mod writing;

const ELECTION_TICKS_MAX: u32 = 20;

fn info(index: u64, term: u64) -> EntryInfo {
    EntryInfo { index, term, position: index * 100, bytes: 100, membership: None }
}

fn start(voters: &[u64]) -> Start {
    Start {
        saved: SavedState::default(),
        memory: Memory::Whole,
        life: 1,
        conf_state: ConfState::from((voters.to_vec(), vec![])),
        applied: EntryId::default(),
        entries: vec![],
    }
}

fn group_on(id: u64, start: Start) -> Group {
    let mut group = Group::new(GroupOptions::new(id, id), start).unwrap();
    settle(&mut group);
    group
}

fn group(id: u64, voters: &[u64]) -> Group {
    group_on(id, start(voters))
}

/// Makes the entries that raft asks for.
fn made(entries: &[NewEntry]) -> Vec<EntryInfo> {
    let make = |entry: &NewEntry| match &entry.source {
        Source::Membership(change) => EntryInfo { membership: Some(change.clone()), ..info(entry.index, entry.term) },
        _ => info(entry.index, entry.term),
    };
    entries.iter().filter(|entry| entry.is_made_here()).map(make).collect()
}

/// Does all work, without persisting entries; returns it.
fn settle(group: &mut Group) -> Vec<Work> {
    let mut works = Vec::new();
    while let Some(work) = group.next_work() {
        if let Some(writes) = &work.writes {
            group.finish_work(made(&writes.entries));
        }
        works.push(work);
    }
    works
}

/// Does all work, and persists and applies it.
fn settle_all(group: &mut Group) {
    settle(group);
    group.persisted(group.end().index);
    settle(group);
    while let Some(index) = group.next_membership().filter(|index| *index <= group.committed()) {
        group.apply_membership(index).unwrap();
    }
    group.applied(group.committed());
    settle(group);
}

fn kinds(group: &mut Group) -> Vec<MessageType> {
    group.take_messages().iter().map(|out| out.message.get_msg_type()).collect()
}

fn message(kind: MessageType, from: u64, to: u64, term: u64) -> Message {
    let mut message = Message::default();
    message.set_msg_type(kind);
    (message.from, message.to, message.term) = (from, to, term);
    message
}

fn append(from: u64, to: u64, term: u64, before: (u64, u64), commit: u64) -> Message {
    let mut append = message(MessageType::MsgAppend, from, to, term);
    (append.log_term, append.index, append.commit) = (before.0, before.1, commit);
    append
}

fn ack(from: u64, to: u64, term: u64, index: u64) -> Message {
    let mut ack = message(MessageType::MsgAppendResponse, from, to, term);
    ack.index = index;
    ack
}

fn snapshot(from: u64, to: u64, term: u64, at: (u64, u64)) -> Message {
    let mut message = message(MessageType::MsgSnapshot, from, to, term);
    let metadata = message.mut_snapshot().mut_metadata();
    (metadata.term, metadata.index) = at;
    metadata.set_conf_state(ConfState::from((vec![from, to], vec![])));
    message
}

fn vote(kind: MessageType, from: u64, to: u64, term: u64) -> Message {
    message(kind, from, to, term)
}

fn tick_until_candidate(group: &mut Group) {
    for _ in 0..ELECTION_TICKS_MAX {
        group.tick();
        settle(group);
    }
    assert_eq!(group.role().role, StateRole::PreCandidate);
}

/// Leads term 1 of three replicas; its first entry is in the log, persisted, and committed by replica 2.
fn leader() -> Group {
    let mut group = group(1, &[1, 2, 3]);
    tick_until_candidate(&mut group);
    group.step(vote(MessageType::MsgRequestPreVoteResponse, 2, 1, 1), &[]).unwrap();
    settle(&mut group);
    group.step(vote(MessageType::MsgRequestVoteResponse, 2, 1, 1), &[]).unwrap();
    settle_all(&mut group);
    group.step(ack(2, 1, 1, 1), &[]).unwrap();
    settle_all(&mut group);
    assert!(group.has_own_commit() && group.applied_index() == 1);
    group.take_messages();
    group
}

/// Follows leader 1 of term 1, with entries 1 to 3 persisted and the first two of them committed and applied.
fn follower() -> Group {
    let mut group = group(2, &[1, 2, 3]);
    group.step(append(1, 2, 1, (0, 0), 2), &[info(1, 1), info(2, 1), info(3, 1)]).unwrap();
    settle_all(&mut group);
    group.take_messages();
    group
}

fn report(from: u64, life: u64, end: (u64, u64), is_trusted: bool) -> PeerReport {
    let end = EntryId { term: end.0, index: end.1 };
    let (knows_terms, last_change, lets_in) = (true, 0, false);
    PeerReport { from, life, answers: 1, current_term: 1, end, is_trusted, knows_terms, last_change, lets_in }
}

fn change(changes: &[(u64, ConfChangeType)]) -> ConfChangeV2 {
    let single = |(id, kind): &(u64, ConfChangeType)| {
        let mut single = ConfChangeSingle { node_id: *id, ..ConfChangeSingle::default() };
        single.set_change_type(*kind);
        single
    };
    let mut change = ConfChangeV2::default();
    change.set_changes(changes.iter().map(single).collect::<Vec<_>>().into());
    change
}
