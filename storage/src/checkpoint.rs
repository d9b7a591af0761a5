//! The checkpoint: what the log says up to a position, so that recovery reads only what comes behind it.
//!
//! ```text
//! 0 magic u32 `TPCP` | 4 version u32 | 8 log id u64 | 16 payload bytes u64 | 24 payload crc u32 | 28 zero u32 | 32 payload
//! ```
//! Big-endian; the payload is a [`Checkpoint`] as rkyv writes it, checked before it is used. The one before is kept as
//! `checkpoint.prev`: the log is held back to its position, so either will do.

use rkyv::util::AlignedVec;
use rkyv::{Archive, Deserialize, Serialize, rancor};

use crate::commit_log::LogId;
use crate::error::StorageError;
use crate::file::{Disk, read_file, replace_file};

/// The newest checkpoint, below the shard's folder.
pub const PATH: &str = "checkpoint";
/// The one before it.
pub const PREVIOUS_PATH: &str = "checkpoint.prev";
const MAGIC: u32 = 0x5450_4350;
const VERSION: u32 = 4;
const HEADER_BYTES: usize = 32;

/// One queue's part of a checkpoint.
#[derive(Archive, Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct QueueCheckpoint {
    /// Topic name.
    pub topic: String,
    /// Queue id within the topic.
    pub queue_id: u32,
    /// First queue offset still there.
    pub first: u64,
    /// One past the last queue offset; all units below it are in the ConsumeQueue's files, synced.
    pub end: u64,
}

/// State of a shard at the end of one log entry.
#[derive(Archive, Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Checkpoint {
    /// Physical offset behind the last entry that is reflected here.
    pub position: u64,
    /// Index of that entry.
    pub index: u64,
    /// Term of that entry.
    pub term: u64,
    /// CRC of the last header before `position`, a filler's included.
    pub previous: u32,
    /// The log was on stable storage up to here.
    pub stable: u64,
    /// Every queue that has ever held a message.
    pub queues: Vec<QueueCheckpoint>,
    /// The broker's own state, in its own encoding.
    pub state: Vec<u8>,
}

/// Both checkpoints as found at start.
#[derive(Debug, Default)]
pub struct Found {
    /// The newest readable one.
    pub checkpoint: Option<Checkpoint>,
    /// Why a checkpoint that is there could not be used, for the start-up log.
    pub unreadable: Vec<String>,
}

/// Reads the newest checkpoint that can be read.
/// # Errors
/// I/O only; damage is reported in [`Found::unreadable`].
pub async fn load<D: Disk>(disk: &D, id: LogId) -> Result<Found, StorageError> {
    let mut found = Found::default();
    for path in [PATH, PREVIOUS_PATH] {
        let Some(bytes) = read_file(disk, path).await.map_err(StorageError::io("read", path))? else { continue };
        match decode(id, &bytes) {
            Ok(checkpoint) => {
                found.checkpoint = Some(checkpoint);
                return Ok(found);
            }
            Err(what) => found.unreadable.push(format!("{path}: {what}")),
        }
    }
    Ok(found)
}

/// Makes `checkpoint` the newest one; the newest so far becomes the previous one.
/// # Errors
/// I/O; the checkpoints on disk are still usable then.
pub async fn save<D: Disk>(disk: &D, id: LogId, checkpoint: &Checkpoint) -> Result<(), StorageError> {
    let bytes = encode(id, checkpoint);
    if let Some(newest) = read_file(disk, PATH).await.map_err(StorageError::io("read", PATH))? {
        // A copy, not a rename: at no moment is there no newest checkpoint.
        if decode(id, &newest).is_ok() {
            replace_file(disk, PREVIOUS_PATH, newest).await.map_err(StorageError::io("write", PREVIOUS_PATH))?;
        }
    }
    replace_file(disk, PATH, bytes).await.map_err(StorageError::io("write", PATH))
}

/// The bytes of a checkpoint file.
pub fn encode(id: LogId, checkpoint: &Checkpoint) -> Vec<u8> {
    let payload = match rkyv::to_bytes::<rancor::Error>(checkpoint) {
        Ok(payload) => payload,
        Err(error) => unreachable!("plain data always encodes: {error}"),
    };
    let mut bytes = Vec::with_capacity(HEADER_BYTES + payload.len());
    bytes.extend_from_slice(&MAGIC.to_be_bytes());
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&id.0.to_be_bytes());
    bytes.extend_from_slice(&(payload.len() as u64).to_be_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&payload).to_be_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&payload);
    bytes
}

/// Decodes a checkpoint file; the error says what is wrong with it.
pub fn decode(id: LogId, bytes: &[u8]) -> Result<Checkpoint, String> {
    let Some((header, payload)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Err(format!("it has {} bytes, fewer than its header", bytes.len()));
    };
    let u32_at = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let u64_at = |at: usize| (u64::from(u32_at(at)) << 32) | u64::from(u32_at(at + 4));
    if u32_at(0) != MAGIC {
        return Err("it does not begin as a checkpoint does".to_owned());
    }
    if u32_at(4) != VERSION {
        return Err(format!("it has version {}, this one reads {VERSION}", u32_at(4)));
    }
    if u64_at(8) != id.0 {
        return Err("it belongs to another store".to_owned());
    }
    if u64_at(16) != payload.len() as u64 {
        return Err(format!("it holds {} of {} bytes", payload.len(), u64_at(16)));
    }
    if crc32fast::hash(payload) != u32_at(24) {
        return Err("its checksum does not match".to_owned());
    }
    let mut aligned = AlignedVec::<16>::with_capacity(payload.len());
    aligned.extend_from_slice(payload);
    rkyv::from_bytes::<Checkpoint, rancor::Error>(&aligned).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_reads_back_and_any_change_of_a_byte_is_noticed() {
        let queues = vec![QueueCheckpoint { topic: "T".to_owned(), queue_id: 3, first: 1, end: 9 }];
        let checkpoint =
            Checkpoint { position: 77, index: 5, term: 2, previous: 3, stable: 70, queues, state: vec![1, 2, 3] };
        let bytes = encode(LogId(9), &checkpoint);
        assert_eq!(decode(LogId(9), &bytes), Ok(checkpoint));
        assert!(decode(LogId(8), &bytes).is_err());
        for at in (0..28).chain(32..bytes.len()) {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            assert!(decode(LogId(9), &changed).is_err(), "byte {at}");
        }
    }
}
