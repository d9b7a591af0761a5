//! What a replica must never forget: its term, whom it voted for, who the members are, and whether its word outlives the
//! machine.

use std::io;

use raft_driver::{Memory, SavedState};
use serde::{Deserialize, Serialize};
use storage::StorageError;
use storage::file::{Disk, read_file, replace_file};

use super::members::{GroupMembers, MemberNotes, Roles};

/// Below the shard's folder.
const PATH: &str = "raft-state";

/// See the module's text.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReplicaState {
    /// Highest term heard of.
    pub term: u64,
    /// Raft id of the node that got this replica's vote in it; 0: nobody.
    pub vote: u64,
    /// Index of the last change of the members that was applied; 0: none.
    pub members_index: u64,
    /// The members since then; empty before the first change.
    pub members: Roles,
    /// What this replica still knew of what it had confirmed when it started, until it is trusted again.
    pub memory: KeptMemory,
    /// Entries were confirmed that only this machine's memory holds. After a crash of the machine they are forgotten.
    pub confirmed_in_memory: bool,
    /// What the log says of the members beside; empty before the first change.
    #[serde(default, skip_serializing_if = "MemberNotes::is_empty")]
    pub notes: MemberNotes,
}

/// [`Memory`] as it is written.
#[derive(Copy, Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum KeptMemory {
    /// All.
    #[default]
    Whole,
    /// The end of its log may be gone.
    ShortLog,
    /// Nothing.
    Nothing,
}

impl From<Memory> for KeptMemory {
    fn from(memory: Memory) -> Self {
        match memory {
            Memory::Whole => Self::Whole,
            Memory::ShortLog => Self::ShortLog,
            Memory::Nothing => Self::Nothing,
        }
    }
}

impl ReplicaState {
    /// What Raft wants to have back at the next start.
    pub(crate) fn saved(&self) -> SavedState {
        let members = self.members.conf_state();
        SavedState { term: self.term, vote: self.vote, members_index: self.members_index, members }
    }

    /// The same with what Raft wants to have saved. Members that are newer than Raft's stay: what was pulled in a catch-up is
    /// applied before Raft hears of it.
    pub(crate) fn with(&self, saved: SavedState, newest: &GroupMembers) -> Self {
        let SavedState { term, vote, members_index, members } = saved;
        let state = Self { term, vote, ..self.clone() };
        if !self.members.is_empty() && members_index < self.members_index {
            return state;
        }
        let notes = if newest.index > 0 { newest.notes.clone() } else { MemberNotes::default() };
        Self { members_index, members: Roles::from(&members), notes, ..state }
    }

    /// The same with members that another replica told.
    pub(crate) fn with_members(&self, newest: &GroupMembers) -> Self {
        let GroupMembers { index, roles, notes } = newest.clone();
        Self { members_index: index, members: roles, notes, ..self.clone() }
    }

    /// The members as they were saved; of index 0 if they are those that founded the group.
    pub(crate) fn group_members(&self) -> GroupMembers {
        let index = if self.notes.is_empty() { 0 } else { self.members_index };
        GroupMembers { index, roles: self.members.clone(), notes: self.notes.clone() }
    }
}

#[derive(Deserialize, Serialize)]
struct StateFile {
    state: ReplicaState,
    /// CRC-32 of `state` as it is written here.
    crc: u32,
}

/// What was found at start.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Found {
    /// No replica ever ran here.
    Nothing,
    /// What the process before left.
    State(ReplicaState),
    /// It is there and cannot be read: term and vote are forgotten.
    Damaged,
}

/// Reads it.
/// # Errors
/// I/O.
pub(super) async fn load<D: Disk>(disk: &D) -> Result<Found, StorageError> {
    let read = read_file(disk, PATH).await.map_err(failed("read"))?;
    Ok(match read {
        None => Found::Nothing,
        Some(bytes) => decode(&bytes).map_or(Found::Damaged, Found::State),
    })
}

/// Replaces it, durably.
/// # Errors
/// I/O; the one before is still there.
pub(super) async fn save<D: Disk>(disk: &D, state: &ReplicaState) -> Result<(), StorageError> {
    replace_file(disk, PATH, encode(state)).await.map_err(failed("write"))
}

fn failed(op: &'static str) -> impl FnOnce(io::Error) -> StorageError {
    move |source| StorageError::Io { op, path: PATH.to_owned(), source }
}

fn crc(state: &ReplicaState) -> u32 {
    crc32fast::hash(&serde_json::to_vec(state).unwrap_or_default())
}

fn encode(state: &ReplicaState) -> Vec<u8> {
    serde_json::to_vec(&StateFile { state: state.clone(), crc: crc(state) }).unwrap_or_default()
}

fn decode(bytes: &[u8]) -> Option<ReplicaState> {
    let file: StateFile = serde_json::from_slice(bytes).ok()?;
    (file.crc == crc(&file.state)).then_some(file.state)
}

#[cfg(test)]
mod tests {
    use raft_driver::eraftpb::ConfState;

    use super::*;

    fn members(index: u64, voters: &[u64]) -> GroupMembers {
        let roles = Roles { voters: voters.to_vec(), ..Roles::default() };
        let addresses = voters.iter().map(|id| (*id, "10.0.0.1:40911".parse().unwrap())).collect();
        GroupMembers { index, roles, notes: MemberNotes { addresses, joining: None } }
    }

    #[test]
    fn members_that_were_told_are_not_replaced_by_older_ones_of_raft() {
        let told = members(20, &[1, 3, 4]);
        let state = ReplicaState::default().with_members(&told);
        let old = SavedState { term: 8, vote: 1, members_index: 9, members: members(9, &[1, 2, 3]).roles.conf_state() };
        let state = state.with(old, &told);
        assert_eq!((state.term, state.group_members()), (8, told.clone()));
        let later = members(30, &[1, 4]);
        let saved = SavedState { members_index: 30, members: later.roles.conf_state(), ..state.saved() };
        assert_eq!(state.with(saved, &later).group_members(), later);
        assert_eq!(decode(&encode(&state)), Some(state));
    }

    /// Such as versions before wrote, which knew no notes.
    #[test]
    fn a_state_without_notes_is_written_as_before() {
        let text = String::from_utf8(encode(&ReplicaState::default())).unwrap();
        assert!(!text.contains("notes"), "{text}");
    }

    #[test]
    fn the_state_reads_back_and_a_changed_digit_is_noticed() {
        let saved = SavedState {
            members: ConfState { voters: vec![1, 2, 4], ..ConfState::default() },
            term: 117,
            vote: 2,
            members_index: 9,
        };
        let state = ReplicaState { confirmed_in_memory: true, ..ReplicaState::default() };
        let state = state.with(saved.clone(), &GroupMembers::default());
        let bytes = encode(&state);
        assert_eq!(decode(&bytes).unwrap(), state);
        assert_eq!(state.saved(), saved);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] = if changed[at] == b'7' { b'8' } else { b'7' };
            assert!(decode(&changed).is_none_or(|read| read == state), "byte {at}");
        }
    }
}
