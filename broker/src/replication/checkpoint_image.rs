//! What a replica is sent that lacks the beginning of what the leader's log still holds: where that begins, the members of the
//! group, and the leader's checkpoint as it lies on its disk.
//!
//! ```text
//! 0 preface bytes u32 | 4 crc u32 of all that follows | 8 preface | checkpoint file
//! ```
//! Big-endian. The preface is JSON, so that more can be added that older versions pass over.

use serde::{Deserialize, Serialize};
use storage::checkpoint::{self, Checkpoint};
use storage::commit_log::{LogId, LogPosition};

use super::members::GroupMembers;

const HEAD_BYTES: usize = 8;

/// What is not in a checkpoint file.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Preface {
    /// Physical offset of the first entry that the log still has.
    position: u64,
    /// Index of the entry before it.
    index: u64,
    /// A term that is not below that entry's.
    term: u64,
    /// CRC of the header before it.
    previous: u32,
    /// The members that hold for what the leader had applied, and where they listen.
    pub(crate) members: GroupMembers,
}

impl Preface {
    pub(crate) fn new(first: LogPosition, members: GroupMembers) -> Self {
        let LogPosition { position, index, term, previous } = first;
        Self { position, index, term, previous, members }
    }

    /// Where the log stood before its first entry.
    pub(crate) fn first(&self) -> LogPosition {
        let Self { position, index, term, previous, .. } = *self;
        LogPosition { position, index, term, previous }
    }
}

/// See the module's text.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct CheckpointImage {
    pub(crate) preface: Preface,
    pub(crate) checkpoint: Checkpoint,
}

impl CheckpointImage {
    /// The bytes that are sent, of a checkpoint file that has been decoded, and their name: equal names, equal bytes.
    pub(crate) fn encode(preface: &Preface, position: u64, file: &[u8]) -> (String, Vec<u8>) {
        let preface = serde_json::to_vec(preface).unwrap_or_default();
        let mut bytes = Vec::with_capacity(HEAD_BYTES + preface.len() + file.len());
        bytes.extend_from_slice(&(preface.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&preface);
        bytes.extend_from_slice(file);
        let crc = crc32fast::hash(&bytes[HEAD_BYTES..]);
        bytes[4..HEAD_BYTES].copy_from_slice(&crc.to_be_bytes());
        (format!("checkpoint-{position:020}-{crc:08x}"), bytes)
    }

    /// # Errors
    /// What is wrong with it, as the rest of a sentence.
    pub(crate) fn decode(id: LogId, bytes: &[u8]) -> Result<Self, String> {
        let (preface_bytes, rest) = bytes.split_first_chunk::<4>().ok_or("it is cut short")?;
        let (crc, rest) = rest.split_first_chunk::<4>().ok_or("it is cut short")?;
        if crc32fast::hash(rest) != u32::from_be_bytes(*crc) {
            return Err("its checksum does not match".to_owned());
        }
        let preface = rest.split_at_checked(u32::from_be_bytes(*preface_bytes) as usize);
        let (preface, file) = preface.ok_or("its preface is cut short")?;
        let preface: Preface = serde_json::from_slice(preface).map_err(|error| format!("its preface: {error}"))?;
        preface.members.check().map_err(|error| format!("its preface: {error}"))?;
        let checkpoint = checkpoint::decode(id, file)?;
        if checkpoint.position < preface.position {
            let (at, first) = (checkpoint.position, preface.position);
            return Err(format!("it was made at physical offset {at}, the log begins at {first}"));
        }
        Ok(Self { preface, checkpoint })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replication::members::Roles;

    const ID: LogId = LogId(7);

    fn encoded(first: u64) -> (String, Vec<u8>) {
        let checkpoint =
            Checkpoint { position: 5000, index: 9, term: 2, state: vec![1, 2].into(), ..Checkpoint::default() };
        let first = LogPosition { position: first, index: 4, term: 1, previous: 77 };
        let members = GroupMembers::founders(&[(1, "10.0.0.1:40911".parse().unwrap())]);
        let preface = Preface::new(first, GroupMembers { index: 3, ..members });
        CheckpointImage::encode(&preface, 5000, &checkpoint::encode(ID, &checkpoint))
    }

    #[test]
    fn an_image_reads_back_and_any_change_of_a_byte_is_noticed() {
        let (name, bytes) = encoded(4096);
        assert!(name.starts_with("checkpoint-00000000000000005000-"), "{name}");
        let image = CheckpointImage::decode(ID, &bytes).unwrap();
        assert_eq!((image.preface.first().index, image.checkpoint.index), (4, 9));
        let members = image.preface.members;
        assert_eq!((members.index, members.listeners(1)[&1]), (3, Some("10.0.0.1:40921".parse().unwrap())));
        assert!(CheckpointImage::decode(LogId(8), &bytes).is_err());
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x20;
            assert!(CheckpointImage::decode(ID, &changed).is_err(), "byte {at}");
            assert!(CheckpointImage::decode(ID, &bytes[..at]).is_err(), "{at} bytes");
        }
    }

    #[test]
    fn a_checkpoint_from_before_the_log_s_beginning_is_of_no_use() {
        assert!(CheckpointImage::decode(ID, &encoded(6000).1).is_err());
    }

    #[test]
    fn a_preface_with_more_in_it_is_read_all_the_same() {
        let json = r#"{"position":1,"index":2,"term":3,"previous":4,"members":{"index":5,"roles":{"voters":[1],"learners":[],
            "votersOutgoing":[],"learnersNext":[],"autoLeave":false},"notes":{}},"more":true}"#;
        let preface: Preface = serde_json::from_str(json).unwrap();
        assert_eq!((preface.members.index, preface.first().previous), (5, 4));
    }

    #[test]
    fn an_image_whose_members_can_be_no_nodes_is_refused() {
        let first = LogPosition::default();
        let roles = Roles { voters: vec![0], ..Roles::default() };
        let preface = Preface::new(first, GroupMembers { roles, ..GroupMembers::default() });
        let file = checkpoint::encode(ID, &Checkpoint::default());
        assert!(CheckpointImage::decode(ID, &CheckpointImage::encode(&preface, 0, &file).1).is_err());
    }
}
