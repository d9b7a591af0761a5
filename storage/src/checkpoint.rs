//! The checkpoint: what the log says up to a position, so that recovery reads only what comes behind it.
//!
//! ```text
//! 0 magic u32 `TPCP` | 4 version u32 | 8 log id u64 | 16 payload bytes u64 | 24 payload crc u32 | 28 zero u32 | 32 payload
//! ```
//! Big-endian; the payload is a [`Checkpoint`] as rkyv writes it, checked before it is used. The one before is kept as
//! `checkpoint.prev`: the log is held back to its position, so either will do.

use std::io;

use rkyv::util::AlignedVec;
use rkyv::vec::VecResolver;
use rkyv::{Archive, Deserialize, Serialize, rancor};

use crate::commit_log::LogId;
use crate::error::StorageError;
use crate::file::{Disk, PlainFile, Replacement, read_file};
use crate::pieces::{EncodeInTurns, PIECE_BYTES, Pieces, encode_at, encode_root};

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
    pub state: Pieces,
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

/// Makes `checkpoint` the newest one; the newest so far becomes the previous one. Others go on meanwhile: it may be tens of
/// megabytes.
/// # Errors
/// I/O; the checkpoints on disk are still usable then.
pub async fn save<D: Disk>(disk: &D, id: LogId, checkpoint: &Checkpoint) -> Result<(), StorageError> {
    keep_newest_as_previous(disk, id).await?;
    let (before, behind) = encode_around_state(checkpoint, &mut futures_lite::future::yield_now).await;
    let written = write(disk, id, &[&before, &checkpoint.state, &behind]).await;
    written.map_err(StorageError::io("write", PATH))
}

async fn write<D: Disk>(disk: &D, id: LogId, payload: &[&Pieces]) -> io::Result<()> {
    let mut file = Replacement::begin(disk, PATH).await?;
    file.leave(HEADER_BYTES as u64);
    let mut crc = crc32fast::Hasher::new();
    for piece in payload.iter().flat_map(|pieces| pieces.iter()) {
        crc.update(piece);
        file.append(piece.to_vec()).await?;
    }
    let bytes = payload.iter().map(|pieces| pieces.len()).sum();
    file.write_at(0, header(id, bytes, crc.finalize()).to_vec()).await?;
    file.finish().await
}

/// A copy, not a rename: at no moment is there no newest checkpoint. One that cannot be read takes no other's place.
async fn keep_newest_as_previous<D: Disk>(disk: &D, id: LogId) -> Result<(), StorageError> {
    let file = match disk.open_plain(PATH, false).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(StorageError::io("read", PATH))?,
    };
    if is_sound(id, &file).await.map_err(StorageError::io("read", PATH))? {
        copy(disk, &file).await.map_err(StorageError::io("write", PREVIOUS_PATH))?;
    }
    file.close().await.map_err(StorageError::io("close", PATH))
}

/// Whether it holds what was written.
async fn is_sound(id: LogId, file: &impl PlainFile) -> io::Result<bool> {
    let length = file.length().await?;
    let head = file.read_at(0, HEADER_BYTES).await?;
    let Some(head) = head.first_chunk().filter(|_| length >= HEADER_BYTES as u64) else { return Ok(false) };
    let Ok(wanted) = check_header(id, head, length - HEADER_BYTES as u64) else { return Ok(false) };
    let (mut at, mut crc) = (HEADER_BYTES as u64, crc32fast::Hasher::new());
    while at < length {
        let piece = file.read_at(at, PIECE_BYTES.min((length - at) as usize)).await?;
        if piece.is_empty() {
            return Ok(false);
        }
        crc.update(&piece);
        at += piece.len() as u64;
    }
    Ok(crc.finalize() == wanted)
}

async fn copy<D: Disk>(disk: &D, file: &impl PlainFile) -> io::Result<()> {
    let mut previous = Replacement::begin(disk, PREVIOUS_PATH).await?;
    let mut at = 0;
    loop {
        let piece = file.read_at(at, PIECE_BYTES).await?;
        if piece.is_empty() {
            return previous.finish().await;
        }
        at += piece.len() as u64;
        previous.append(piece).await?;
    }
}

/// What of the payload comes before the broker's state, and what behind it.
async fn encode_around_state(checkpoint: &Checkpoint, turn: &mut impl AsyncFnMut()) -> (Pieces, Pieces) {
    let mut queues = VecResolver::from_pos(0);
    let before = encode_at(0, async |serializer| {
        queues = checkpoint.queues.encode_in_turns(serializer, turn).await;
    })
    .await;
    let state = VecResolver::from_pos(before.len());
    let resolver = CheckpointResolver { position: (), index: (), term: (), previous: (), stable: (), queues, state };
    let behind = encode_at(before.len() + checkpoint.state.len(), async |serializer| {
        // SAFETY: the queues were encoded to their resolver above, and the state lies between.
        unsafe { encode_root(checkpoint, resolver, serializer) };
    })
    .await;
    (before, behind)
}

fn header(id: LogId, payload_bytes: usize, payload_crc: u32) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..4].copy_from_slice(&MAGIC.to_be_bytes());
    header[4..8].copy_from_slice(&VERSION.to_be_bytes());
    header[8..16].copy_from_slice(&id.0.to_be_bytes());
    header[16..24].copy_from_slice(&(payload_bytes as u64).to_be_bytes());
    header[24..28].copy_from_slice(&payload_crc.to_be_bytes());
    header
}

/// The bytes of a checkpoint file, all at once.
pub fn encode(id: LogId, checkpoint: &Checkpoint) -> Vec<u8> {
    let payload = match rkyv::to_bytes::<rancor::Error>(checkpoint) {
        Ok(payload) => payload,
        Err(error) => unreachable!("plain data always encodes: {error}"),
    };
    let header = header(id, payload.len(), crc32fast::hash(&payload));
    [&header[..], &payload].concat()
}

/// Decodes a checkpoint file; the error says what is wrong with it.
pub fn decode(id: LogId, bytes: &[u8]) -> Result<Checkpoint, String> {
    let Some((header, payload)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Err(format!("it has {} bytes, fewer than its header", bytes.len()));
    };
    let crc = check_header(id, header, payload.len() as u64)?;
    if crc32fast::hash(payload) != crc {
        return Err("its checksum does not match".to_owned());
    }
    let mut aligned = AlignedVec::<16>::with_capacity(payload.len());
    aligned.extend_from_slice(payload);
    rkyv::from_bytes::<Checkpoint, rancor::Error>(&aligned).map_err(|error| error.to_string())
}

/// The checksum that a payload of this length must have; the error says what is wrong with the header.
fn check_header(id: LogId, header: &[u8; HEADER_BYTES], payload_bytes: u64) -> Result<u32, String> {
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
    if u64_at(16) != payload_bytes {
        return Err(format!("it holds {payload_bytes} of {} bytes", u64_at(16)));
    }
    Ok(u32_at(24))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::sim::{SimDisk, block_on};

    fn checkpoint(queues: u32, state_bytes: usize) -> Checkpoint {
        let queue = |number: u32| QueueCheckpoint {
            topic: format!("topic {}", number / 8),
            queue_id: number % 8,
            first: u64::from(number),
            end: u64::from(number) * 3,
        };
        let mut state = Pieces::default();
        (0..state_bytes).for_each(|at| state.push(&[(at % 249) as u8]));
        let queues = (0..queues).map(queue).collect();
        Checkpoint { position: 77, index: 5, term: 2, previous: 3, stable: 70, queues, state }
    }

    #[test]
    fn a_file_that_is_written_piece_by_piece_is_what_is_encoded_at_once() {
        for (queues, state_bytes) in [(0, 0), (1, 1), (7, 3), (20_000, 3 * PIECE_BYTES + 5)] {
            let (disk, made) = (SimDisk::new(3), checkpoint(queues, state_bytes));
            let (at_once, written) = (encode(LogId(9), &made), disk.clone());
            block_on(3, async move { save(&written, LogId(9), &made).await.unwrap() });
            assert!(disk.content(PATH).unwrap() == at_once, "{queues} queues, {state_bytes} bytes");
            assert_eq!(decode(LogId(9), &at_once), Ok(checkpoint(queues, state_bytes)));
        }
    }

    #[test]
    fn the_one_before_is_kept_unless_it_is_damaged() {
        let disk = SimDisk::new(4);
        let next = |position: u64| {
            let disk = disk.clone();
            let made = Checkpoint { position, ..checkpoint(100, PIECE_BYTES + 1) };
            block_on(position, async move { save(&disk, LogId(9), &made).await.unwrap() });
        };
        let positions =
            || [PATH, PREVIOUS_PATH].map(|path| decode(LogId(9), &disk.content(path).unwrap()).unwrap().position);
        next(1);
        next(2);
        assert_eq!(positions(), [2, 1]);
        let payload = HEADER_BYTES as u64..disk.content(PATH).unwrap().len() as u64;
        disk.flip_bits(PATH, payload, 1).unwrap();
        next(3);
        assert_eq!(positions(), [3, 1]);
    }

    #[test]
    fn a_checkpoint_reads_back_and_any_change_of_a_byte_is_noticed() {
        let queues = vec![QueueCheckpoint { topic: "T".to_owned(), queue_id: 3, first: 1, end: 9 }];
        let checkpoint = Checkpoint {
            position: 77,
            index: 5,
            term: 2,
            previous: 3,
            stable: 70,
            queues,
            state: vec![1, 2, 3].into(),
        };
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
