//! What a replica must never forget: its term, whom it voted for, who the members are, and whether its word outlives the
//! machine.

use std::io;

use raft_driver::eraftpb::ConfState;
use raft_driver::{Memory, SavedState};
use serde::{Deserialize, Serialize};
use storage::StorageError;
use storage::file::{Disk, read_file, replace_file};

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
    pub members: Members,
    /// What this replica still knew of what it had confirmed when it started, until it is trusted again.
    pub memory: KeptMemory,
    /// Entries were confirmed that only this machine's memory holds. After a crash of the machine they are forgotten.
    pub confirmed_in_memory: bool,
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

/// Raft ids of the members of a group.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Members {
    voters: Vec<u64>,
    learners: Vec<u64>,
    voters_outgoing: Vec<u64>,
    learners_next: Vec<u64>,
    auto_leave: bool,
}

impl From<ConfState> for Members {
    fn from(members: ConfState) -> Self {
        let ConfState { voters, learners, voters_outgoing, learners_next, auto_leave, .. } = members;
        Self { voters, learners, voters_outgoing, learners_next, auto_leave }
    }
}

impl From<Members> for ConfState {
    fn from(members: Members) -> Self {
        let Members { voters, learners, voters_outgoing, learners_next, auto_leave } = members;
        Self { voters, learners, voters_outgoing, learners_next, auto_leave, ..Self::default() }
    }
}

impl ReplicaState {
    /// What Raft wants to have back at the next start.
    pub(crate) fn saved(&self) -> SavedState {
        let members = self.members.clone().into();
        SavedState { term: self.term, vote: self.vote, members_index: self.members_index, members }
    }

    /// The same with what Raft wants to have saved.
    pub(crate) fn with(&self, saved: SavedState) -> Self {
        let SavedState { term, vote, members_index, members } = saved;
        Self { term, vote, members_index, members: members.into(), ..self.clone() }
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
    use super::*;

    #[test]
    fn the_state_reads_back_and_a_changed_digit_is_noticed() {
        let saved = SavedState {
            members: ConfState { voters: vec![1, 2, 4], ..ConfState::default() },
            term: 117,
            vote: 2,
            members_index: 9,
        };
        let state = ReplicaState { confirmed_in_memory: true, ..ReplicaState::default() }.with(saved.clone());
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
