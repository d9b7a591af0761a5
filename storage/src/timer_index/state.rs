//! The file that says what the index's files hold: `timers/state`, replaced as a whole.
//!
//! ```text
//! 0 magic u32 `TPTI` | 4 version u32 | 8 fed u64 | 16 last position u64 | 24 last tags code i64 | 32 next file u64
//! 40 buckets u32 | per bucket: start i64, level u32, file u64, entries u64 | crc32 of all before
//! ```
//! Big-endian. `last …` are those of the unit before `fed`, zeros where there is none: a queue that has another one there
//! is not the queue that the index was made from.

const MAGIC: u32 = 0x5450_5449;
const VERSION: u32 = 1;
const HEAD_BYTES: usize = 44;
const BUCKET_BYTES: usize = 28;
const CRC_BYTES: usize = 4;

#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct State {
    pub(super) fed: Fed,
    pub(super) next_file: u64,
    pub(super) buckets: Vec<StoredBucket>,
}

/// How much of the timer topic's queue the index has.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct Fed {
    /// All units before this queue offset.
    pub queue_offset: u64,
    /// Physical offset of the last of them, 0 if there is none.
    pub last_position: u64,
    /// Its tags code, 0 if there is none.
    pub last_tags_code: i64,
}

#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) struct StoredBucket {
    pub(super) start_ms: i64,
    pub(super) level: u32,
    pub(super) file: u64,
    pub(super) entries: u64,
}

impl State {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_BYTES + self.buckets.len() * BUCKET_BYTES + CRC_BYTES);
        out.extend_from_slice(&MAGIC.to_be_bytes());
        out.extend_from_slice(&VERSION.to_be_bytes());
        out.extend_from_slice(&self.fed.queue_offset.to_be_bytes());
        out.extend_from_slice(&self.fed.last_position.to_be_bytes());
        out.extend_from_slice(&self.fed.last_tags_code.to_be_bytes());
        out.extend_from_slice(&self.next_file.to_be_bytes());
        out.extend_from_slice(&(self.buckets.len() as u32).to_be_bytes());
        for bucket in &self.buckets {
            out.extend_from_slice(&bucket.start_ms.to_be_bytes());
            out.extend_from_slice(&bucket.level.to_be_bytes());
            out.extend_from_slice(&bucket.file.to_be_bytes());
            out.extend_from_slice(&bucket.entries.to_be_bytes());
        }
        let crc = crc32fast::hash(&out);
        out.extend_from_slice(&crc.to_be_bytes());
        out
    }

    /// The error says what is wrong.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let short = || format!("it has {} bytes, fewer than it says", bytes.len());
        let (content, crc) = bytes.split_last_chunk::<CRC_BYTES>().ok_or_else(short)?;
        if u32::from_be_bytes(*crc) != crc32fast::hash(content) {
            return Err("its checksum does not match".to_owned());
        }
        let read = |at: usize, end: usize| -> Result<u64, String> {
            let field = content.get(at..end).ok_or_else(short)?;
            Ok(field.iter().fold(0u64, |value, byte| (value << 8) | u64::from(*byte)))
        };
        let (magic, version) = (read(0, 4)?, read(4, 8)?);
        if magic != u64::from(MAGIC) || version != u64::from(VERSION) {
            return Err(format!("it begins with {magic:#x} and version {version}; this one reads {VERSION}"));
        }
        let fed =
            Fed { queue_offset: read(8, 16)?, last_position: read(16, 24)?, last_tags_code: read(24, 32)? as i64 };
        let (next_file, count) = (read(32, 40)?, read(40, 44)? as usize);
        if content.len() != HEAD_BYTES + count * BUCKET_BYTES {
            return Err(short());
        }
        let bucket = |number: usize| -> Result<StoredBucket, String> {
            let at = HEAD_BYTES + number * BUCKET_BYTES;
            Ok(StoredBucket {
                start_ms: read(at, at + 8)? as i64,
                level: read(at + 8, at + 12)? as u32,
                file: read(at + 12, at + 20)?,
                entries: read(at + 20, at + 28)?,
            })
        };
        let buckets = (0..count).map(bucket).collect::<Result<_, _>>()?;
        Ok(Self { fed, next_file, buckets })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_reads_back_and_any_change_of_a_byte_is_noticed() {
        let fed = Fed { queue_offset: 5, last_position: 900, last_tags_code: -7 };
        let bucket = |level| StoredBucket { start_ms: 1 << 40, level, file: 3, entries: 9 };
        for buckets in [Vec::new(), vec![bucket(0), bucket(2)]] {
            let state = State { fed, next_file: 4, buckets };
            let bytes = state.encode();
            assert_eq!(State::decode(&bytes), Ok(state));
            for at in 0..bytes.len() {
                let mut changed = bytes.clone();
                changed[at] ^= 0x20;
                assert!(State::decode(&changed).is_err(), "byte {at}");
                assert!(State::decode(&bytes[..at]).is_err(), "cut to {at}");
            }
        }
    }
}
