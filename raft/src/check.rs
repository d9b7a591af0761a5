//! Checks of what arrives, before raft-rs sees it: raft-rs trusts its peers and panics when it should not have.
//!
//! Every panic of raft-rs 0.7 that a call of this crate could reach, and what keeps it away:
//!
//! | where | it panics when | kept away by |
//! |---|---|---|
//! | `raft.rs` `send` | a vote has no term; another message has one | term 0 is refused; `MsgPropose`, `MsgReadIndex`, `MsgTransferLeader` are not served, so nothing is forwarded |
//! | `raft.rs` `prepare_send_snapshot` | the storage fails, or the snapshot is at 0 | `LogView::snapshot` is memory and never at 0 |
//! | `raft.rs` `step_candidate` | a leader's message is of another term | term 0 is refused |
//! | `raft.rs` `step_leader` | a proposal is empty; a read has no entry | not served; `Group::propose` makes one entry |
//! | `raft.rs` `handle_append_entries` | no term is known at or below the reject hint | the window always knows the entry before it |
//! | `raft.rs` `become_leader` | the log is not persisted to its end | `Group` lets nobody campaign before, and refuses `MsgTimeoutNow` |
//! | `raft.rs` `maybe_commit`, `on_persist_entries`, `become_leader` | the leader is not a member | `Group::apply_membership` makes it a follower |
//! | `raft.rs` `restore` | the members of a snapshot are impossible | such a snapshot is never stepped: `Group` makes a catch-up of it |
//! | `raft.rs` `hup`, `maybe_commit_by_vote` | unapplied entries cannot be read | the window keeps all of them |
//! | `raft.rs` `load_state`, `new` | commit index or members do not fit | `Start::check` |
//! | `raft_log.rs` `maybe_append`, `append` | an entry conflicts with a committed one | entries must begin right behind `index`; raft-rs itself ignores an `index` below the commit index |
//! | `raft_log.rs` `commit_to` | the commit index is beyond the log | a heartbeat's is checked here; an append's is cut by raft-rs to its entries, which it has: entries of term 0, and an `index` of term 0 beyond the log, would match what is not there (see `Group::step`) |
//! | `raft_log.rs` `applied_to` | applied is not committed and persisted | `Group` gives raft the lesser |
//! | `raft_log.rs` `term`, `slice`, `next_entries_since`, `commit_info`, `last_term` | the storage fails or is shorter than it said | `LogView` is memory; the window is not cut below what raft has applied |
//! | `raft_log.rs` `maybe_persist_snap`, `restore`; `log_unstable.rs` `stable_snap`; `raw_node.rs` `ready` | a snapshot is mishandled | none is ever unstable |
//! | `log_unstable.rs` `stable_entries` | the entries changed since the ready | between the two `Group` takes nothing |
//! | `raw_node.rs` `ready` | unpersisted entries of a new leader | as `become_leader` |
//! | `raw_node.rs` `advance_append` | not called | |
//! | `read_only.rs` | reads by index | not served; heartbeats with a context are refused |
//! | `tracker/progress.rs`, `tracker/inflights.rs` | sending to a paused follower | raft-rs asks before; requested snapshots are refused |
//! | arithmetic on indexes and terms | overflow | [`NUMBER_MAX`] |

use raft::eraftpb::{Message, MessageType};
use raft::{Raft, StateRole};

use crate::entry::{EntryId, EntryInfo};
use crate::log_view::LogView;
use crate::membership;
use crate::refusal::Refusal;

/// Terms, indexes and ids stay below this: raft adds to them without a check.
pub const NUMBER_MAX: u64 = u64::MAX >> 2;

/// # Errors
/// Unless raft-rs survives the message in its present state.
pub(crate) fn check(raft: &Raft<LogView>, message: &Message, entries: &[EntryInfo]) -> Result<(), Refusal> {
    check_envelope(raft.id, message)?;
    let kind = message.get_msg_type();
    if kind != MessageType::MsgAppend && !entries.is_empty() {
        return Err(Refusal::Superfluous { kind, what: "entries" });
    }
    check_entries(message, entries)?;
    if message.term < raft.term {
        return Ok(()); // raft only tells the sender its own term
    }
    match kind {
        MessageType::MsgAppend => {
            check_leader(raft, message)?;
            check_against_log(raft, message, entries)
        }
        MessageType::MsgHeartbeat => {
            check_leader(raft, message)?;
            check_within_log(raft, kind, "commit", message.commit)
        }
        MessageType::MsgSnapshot => {
            check_leader(raft, message)?;
            let metadata = message.get_snapshot().get_metadata();
            check_committed(raft, EntryId { term: metadata.term, index: metadata.index })
        }
        // One that has started again hears late answers to what it sent, and forgot, as the leader of this term.
        MessageType::MsgAppendResponse if raft.state == StateRole::Leader && message.term == raft.term => {
            check_within_log(raft, kind, "index", message.index)
        }
        MessageType::MsgTimeoutNow if message.term != raft.term || message.from != raft.leader_id => {
            Err(Refusal::Stranger { kind, from: message.from })
        }
        _ => Ok(()),
    }
}

/// What can be judged without knowing the log.
fn check_envelope(id: u64, message: &Message) -> Result<(), Refusal> {
    let kind = message.get_msg_type();
    let is_vote = matches!(kind, MessageType::MsgRequestVote | MessageType::MsgRequestPreVote);
    match kind {
        MessageType::MsgAppend
        | MessageType::MsgAppendResponse
        | MessageType::MsgRequestVote
        | MessageType::MsgRequestVoteResponse
        | MessageType::MsgSnapshot
        | MessageType::MsgHeartbeat
        | MessageType::MsgHeartbeatResponse
        | MessageType::MsgTimeoutNow
        | MessageType::MsgRequestPreVote
        | MessageType::MsgRequestPreVoteResponse => {}
        MessageType::MsgHup
        | MessageType::MsgBeat
        | MessageType::MsgPropose
        | MessageType::MsgUnreachable
        | MessageType::MsgSnapStatus
        | MessageType::MsgCheckQuorum
        | MessageType::MsgTransferLeader
        | MessageType::MsgReadIndex
        | MessageType::MsgReadIndexResp => return Err(Refusal::NotServed { kind }),
    }
    if message.to != id {
        return Err(Refusal::NotForUs { to: message.to });
    }
    if message.from == 0 || message.from == id {
        return Err(Refusal::Stranger { kind, from: message.from });
    }
    let metadata = message.get_snapshot().get_metadata();
    for (field, value) in [
        ("from", message.from),
        ("term", message.term),
        ("log term", message.log_term),
        ("index", message.index),
        ("commit", message.commit),
        ("commit term", message.commit_term),
        ("reject hint", message.reject_hint),
        ("snapshot index", metadata.index),
        ("snapshot term", metadata.term),
    ] {
        if value > NUMBER_MAX {
            return Err(Refusal::Number { kind, field, value });
        }
    }
    if message.term == 0 {
        return Err(Refusal::Number { kind, field: "term", value: 0 });
    }
    if kind == MessageType::MsgSnapshot && metadata.index == 0 {
        return Err(Refusal::Number { kind, field: "snapshot index", value: 0 });
    }
    if metadata.term > message.term {
        return Err(Refusal::Term { index: metadata.index, term: metadata.term, low: 0, high: message.term });
    }
    let what = if !message.entries.is_empty() {
        "raft's own form of entries"
    } else if message.request_snapshot != 0 {
        "a request for a snapshot"
    } else if !message.context.is_empty() && !is_vote {
        "a context"
    } else {
        return Ok(());
    };
    Err(Refusal::Superfluous { kind, what })
}

/// The entries of an append message among themselves.
fn check_entries(message: &Message, entries: &[EntryInfo]) -> Result<(), Refusal> {
    if matches!(message.get_msg_type(), MessageType::MsgAppend) && message.log_term > message.term {
        return Err(Refusal::Term { index: message.index, term: message.log_term, low: 0, high: message.term });
    }
    let mut before = EntryId { term: message.log_term, index: message.index };
    let mut end = 0;
    for entry in entries {
        let EntryInfo { index, term, position, bytes, .. } = *entry;
        if index != before.index + 1 {
            return Err(Refusal::Gap { expected: before.index + 1, found: index });
        }
        let low = before.term.max(1); // raft-rs takes term 0 for that of every entry it does not have
        if term < low || term > message.term {
            return Err(Refusal::Term { index, term, low, high: message.term });
        }
        let next_end = position.checked_add(u64::from(bytes));
        if bytes == 0 || position < end || next_end.is_none() {
            return Err(Refusal::Place { index, position, bytes });
        }
        if let Some(change) = &entry.membership {
            membership::decode(change).map_err(|reason| Refusal::Membership { index, reason })?;
        }
        end = next_end.unwrap_or(u64::MAX);
        before = entry.id();
    }
    Ok(())
}

/// A term has one leader.
fn check_leader(raft: &Raft<LogView>, message: &Message) -> Result<(), Refusal> {
    let leader = raft.leader_id;
    if message.term == raft.term && leader != 0 && leader != message.from {
        return Err(Refusal::SecondLeader { from: message.from, term: message.term, leader });
    }
    Ok(())
}

/// The entries of an append message of a leader that raft will follow, against the log.
fn check_against_log(raft: &Raft<LogView>, message: &Message, entries: &[EntryInfo]) -> Result<(), Refusal> {
    check_committed(raft, EntryId { term: message.log_term, index: message.index })?;
    for entry in entries {
        check_committed(raft, entry.id())?;
        let own = raft.store().window.get(entry.index);
        if let Some(own) = own.filter(|own| own.term == entry.term)
            && own != entry
        {
            let EntryInfo { index, position, bytes, .. } = *entry;
            return Err(Refusal::Place { index, position, bytes });
        }
    }
    Ok(())
}

/// What a leader says of an entry must not contradict a committed one that is still known by its term.
fn check_committed(raft: &Raft<LogView>, EntryId { term, index }: EntryId) -> Result<(), Refusal> {
    let is_known = (raft.store().window.first() - 1..=raft.raft_log.committed).contains(&index);
    match raft.raft_log.term(index) {
        Ok(committed_term) if is_known && committed_term != term => {
            Err(Refusal::ConflictsWithCommitted { index, committed_term, term })
        }
        _ => Ok(()),
    }
}

fn check_within_log(raft: &Raft<LogView>, kind: MessageType, field: &'static str, index: u64) -> Result<(), Refusal> {
    let last = raft.raft_log.last_index();
    if index > last { Err(Refusal::BeyondLog { kind, field, index, last }) } else { Ok(()) }
}
