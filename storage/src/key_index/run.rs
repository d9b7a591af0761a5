//! A run: the keys of one stretch of the log, collected in memory and then written as a whole.
//!
//! ```text
//!  0 magic u32 `TPKI` | 4 version u32 | 8 log id u64 | 16 from u64 | 24 to u64     32 last entry u64
//! 40 its header's crc u32 | 44 keys u32 | 48 pieces u32 | 52 zero u32              56 tables crc u32 | 60 head crc u32
//! 64 pieces:  earliest store time i64 | latest i64, ms; one a MiB of the log from `from` on
//!    buckets: keys u32 | crc u32; one a bucket
//!    keys:    hash u32 | offset u32; bucket after bucket, within one in log order
//! ```
//! Big-endian. `from` and `to` are physical offsets, ends of entries; a key's offset is its record's from the segment's
//! first byte on. The last entry is the one that ends at `to`: if the log has it still, it has all that the run speaks of.

use super::record_keys::{BUCKETS, KeyHash};
use crate::commit_log::LogId;

/// Keys that a run collects; it ends with the entry that reaches this ...
pub(super) const RUN_KEYS_MAX: usize = 128 << 10;
/// ... or this many bytes of the log: so much is read again at the next start.
pub(super) const RUN_LOG_BYTES_MAX: u64 = 64 << 20;
/// Bytes of the log whose earliest and latest store time are kept together.
const PIECE_BYTES: u64 = 1 << 20;
/// A run of more pieces is none: it ends with the entry that reaches its limit.
const PIECES_MAX: usize = 256;
const _: () = assert!(RUN_LOG_BYTES_MAX + crate::commit_log::ENTRY_BYTES_MAX as u64 <= PIECES_MAX as u64 * PIECE_BYTES);

const MAGIC: u32 = 0x5450_4B49;
const VERSION: u32 = 1;
/// Bytes in front of the tables.
pub(super) const HEAD_BYTES: usize = 64;
const PIECE_ENTRY_BYTES: usize = 16;
const BUCKET_ENTRY_BYTES: usize = 8;
const KEY_BYTES: usize = 8;

/// Earliest and latest store time, ms.
type Times = (i64, i64);
const NO_TIMES: Times = (i64::MAX, i64::MIN);

/// Where the entry is whose end is a run's, and its header's checksum.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct LastEntry {
    pub(super) position: u64,
    pub(super) header_crc: u32,
}

/// A run that is being collected.
#[derive(Debug)]
pub(super) struct Run {
    /// Of the segment; offsets count from it.
    base: u64,
    from: u64,
    keys: usize,
    pieces: Vec<Times>,
    /// Hash and offset of each key, as they are written.
    buckets: Vec<Vec<u8>>,
}

impl Run {
    pub(super) fn new(base: u64, from: u64) -> Self {
        Self { base, from, keys: 0, pieces: Vec::new(), buckets: vec![Vec::new(); BUCKETS] }
    }

    /// Begins again at `from`, in the same memory.
    pub(super) fn begin(&mut self, base: u64, from: u64) {
        (self.base, self.from, self.keys) = (base, from, 0);
        self.pieces.clear();
        self.buckets.iter_mut().for_each(Vec::clear);
    }

    pub(super) fn from(&self) -> u64 {
        self.from
    }

    /// Whether it is time to write it, if it ends at `to`.
    pub(super) fn is_full(&self, to: u64, keys_max: usize) -> bool {
        self.keys >= keys_max || to - self.from >= RUN_LOG_BYTES_MAX
    }

    /// The record at `position` was stored then.
    pub(super) fn note_time(&mut self, position: u64, store_ms: i64) {
        let piece = ((position - self.from) / PIECE_BYTES) as usize;
        if self.pieces.len() <= piece {
            self.pieces.resize(piece + 1, NO_TIMES);
        }
        let (earliest, latest) = &mut self.pieces[piece];
        (*earliest, *latest) = ((*earliest).min(store_ms), (*latest).max(store_ms));
    }

    pub(super) fn push(&mut self, key: KeyHash, position: u64) {
        let bucket = &mut self.buckets[usize::from(key.bucket)];
        bucket.extend_from_slice(&key.hash.to_be_bytes());
        bucket.extend_from_slice(&((position - self.base) as u32).to_be_bytes());
        self.keys += 1;
    }

    /// Positions of records that may have the key and were stored in `times`, newest first.
    pub(super) fn find(&self, key: KeyHash, times: Times) -> Vec<u64> {
        let bucket = &self.buckets[usize::from(key.bucket)];
        matching(bucket, key.hash, Places { base: self.base, from: self.from, pieces: &self.pieces }, times)
    }

    pub(super) fn encode(&self, id: LogId, to: u64, last: LastEntry) -> Vec<u8> {
        let tables = self.pieces.len() * PIECE_ENTRY_BYTES + BUCKETS * BUCKET_ENTRY_BYTES;
        let mut out = Vec::with_capacity(HEAD_BYTES + tables + self.keys * KEY_BYTES);
        out.resize(HEAD_BYTES, 0);
        for (earliest, latest) in &self.pieces {
            out.extend_from_slice(&earliest.to_be_bytes());
            out.extend_from_slice(&latest.to_be_bytes());
        }
        for bucket in &self.buckets {
            out.extend_from_slice(&((bucket.len() / KEY_BYTES) as u32).to_be_bytes());
            out.extend_from_slice(&crc32fast::hash(bucket).to_be_bytes());
        }
        let tables_crc = crc32fast::hash(&out[HEAD_BYTES..]);
        self.buckets.iter().for_each(|bucket| out.extend_from_slice(bucket));
        let mut head = Vec::with_capacity(HEAD_BYTES);
        let words = [
            (u64::from(MAGIC) << 32) | u64::from(VERSION),
            id.0,
            self.from,
            to,
            last.position,
            (u64::from(last.header_crc) << 32) | self.keys as u64,
            (self.pieces.len() as u64) << 32,
        ];
        words.iter().for_each(|word| head.extend_from_slice(&word.to_be_bytes()));
        head.extend_from_slice(&tables_crc.to_be_bytes());
        head.extend_from_slice(&crc32fast::hash(&head).to_be_bytes());
        out[..HEAD_BYTES].copy_from_slice(&head);
        out
    }
}

/// The first bytes of a written run.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) struct RunHead {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) last: LastEntry,
    keys: u32,
    pieces: u32,
    tables_crc: u32,
}

impl RunHead {
    /// `None`: no run of this log begins with these bytes.
    pub(super) fn decode(id: LogId, bytes: &[u8]) -> Option<Self> {
        let head: &[u8; HEAD_BYTES] = bytes.first_chunk()?;
        let word = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let long = |at: usize| (u64::from(word(at)) << 32) | u64::from(word(at + 4));
        let is_whole = word(60) == crc32fast::hash(&head[..60]);
        if !is_whole || word(0) != MAGIC || word(4) != VERSION || long(8) != id.0 {
            return None;
        }
        let last = LastEntry { position: long(32), header_crc: word(40) };
        let (keys, pieces) = (word(44), word(48));
        let head = Self { from: long(16), to: long(24), last, keys, pieces, tables_crc: word(56) };
        let is_sound = head.from < head.to && pieces as usize <= PIECES_MAX;
        is_sound.then_some(head)
    }

    pub(super) fn tables_bytes(&self) -> usize {
        self.pieces as usize * PIECE_ENTRY_BYTES + BUCKETS * BUCKET_ENTRY_BYTES
    }

    /// All of the run.
    pub(super) fn bytes(&self) -> u64 {
        (HEAD_BYTES + self.tables_bytes()) as u64 + u64::from(self.keys) * KEY_BYTES as u64
    }

    /// Where the bucket of a key lies, bytes from the run's beginning and length, and its checksum. `None`: damaged.
    pub(super) fn bucket(&self, tables: &[u8], key: KeyHash) -> Option<(u64, usize, u32)> {
        if tables.len() != self.tables_bytes() || crc32fast::hash(tables) != self.tables_crc {
            return None;
        }
        let buckets = &tables[self.pieces as usize * PIECE_ENTRY_BYTES..];
        let mut at = (HEAD_BYTES + tables.len()) as u64;
        for (number, entry) in buckets.chunks_exact(BUCKET_ENTRY_BYTES).enumerate() {
            let (count, crc) = entry.split_first_chunk::<4>()?;
            let bytes = u32::from_be_bytes(*count) as usize * KEY_BYTES;
            if number == usize::from(key.bucket) {
                let crc = u32::from_be_bytes(*crc.first_chunk()?);
                return (at + bytes as u64 <= self.bytes()).then_some((at, bytes, crc));
            }
            at += bytes as u64;
        }
        None
    }

    /// As [`Run::find`], in a bucket as it was written.
    pub(super) fn find(&self, base: u64, tables: &[u8], bucket: &[u8], hash: u32, times: Times) -> Vec<u64> {
        let pieces: Vec<Times> = tables
            .chunks_exact(PIECE_ENTRY_BYTES)
            .take(self.pieces as usize)
            .filter_map(|piece| {
                let (earliest, latest) = piece.split_first_chunk::<8>()?;
                Some((i64::from_be_bytes(*earliest), i64::from_be_bytes(*latest.first_chunk()?)))
            })
            .collect();
        matching(bucket, hash, Places { base, from: self.from, pieces: &pieces }, times)
    }
}

struct Places<'a> {
    base: u64,
    from: u64,
    pieces: &'a [Times],
}

impl Places<'_> {
    fn may_be_of(&self, position: u64, (begin, end): Times) -> bool {
        let piece = position.checked_sub(self.from).map(|at| (at / PIECE_BYTES) as usize);
        let times = piece.and_then(|piece| self.pieces.get(piece));
        times.is_some_and(|(earliest, latest)| *earliest <= end && *latest >= begin)
    }
}

fn matching(bucket: &[u8], hash: u32, places: Places<'_>, times: Times) -> Vec<u64> {
    let mut found = Vec::new();
    for entry in bucket.chunks_exact(KEY_BYTES).rev() {
        let (found_hash, offset) = entry.split_at(4);
        if found_hash != hash.to_be_bytes() {
            continue;
        }
        let position = places.base + offset.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte));
        // A message that has a key twice is one message.
        if found.last() != Some(&position) && places.may_be_of(position, times) {
            found.push(position);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::record_keys::KeyKind;
    use super::*;

    const ID: LogId = LogId(7);
    const BASE: u64 = 1 << 30;
    const EVER: Times = (i64::MIN, i64::MAX);

    fn key(text: &str) -> KeyHash {
        KeyHash::new(KeyKind::Key, "t", text.as_bytes())
    }

    fn find_written(bytes: &[u8], wanted: KeyHash, times: Times) -> Option<Vec<u64>> {
        let head = RunHead::decode(ID, bytes)?;
        let tables = &bytes[HEAD_BYTES..HEAD_BYTES + head.tables_bytes()];
        let (at, length, crc) = head.bucket(tables, wanted)?;
        let bucket = bytes.get(at as usize..at as usize + length)?;
        (crc32fast::hash(bucket) == crc).then(|| head.find(BASE, tables, bucket, wanted.hash, times))
    }

    fn run() -> Run {
        let mut run = Run::new(BASE, BASE + 100);
        for number in 0..3000u64 {
            let position = BASE + 100 + number * 1000;
            run.note_time(position, number as i64);
            run.push(key(&format!("k{}", number % 1000)), position);
            run.push(key(&format!("k{}", number % 1000)), position);
        }
        run
    }

    #[test]
    fn what_is_collected_is_found_newest_first_before_and_after_it_is_written() {
        let (run, last) = (run(), LastEntry { position: 5, header_crc: 6 });
        let bytes = run.encode(ID, BASE + 4_000_000, last);
        let head = RunHead::decode(ID, &bytes).unwrap();
        assert_eq!((head.bytes(), head.last, head.from), (bytes.len() as u64, last, BASE + 100));
        for number in 0..1000 {
            let wanted = key(&format!("k{number}"));
            let all: Vec<u64> = [2000, 1000, 0].map(|round| BASE + 100 + (round + number) * 1000).to_vec();
            assert_eq!(run.find(wanted, EVER), all);
            assert_eq!(find_written(&bytes, wanted, EVER).unwrap(), all);
        }
        assert!(run.find(key("absent"), EVER).is_empty());
        assert!(RunHead::decode(LogId(8), &bytes).is_none(), "another log's");
    }

    #[test]
    fn pieces_of_another_time_are_left_out() {
        let run = run();
        let bytes = run.encode(ID, BASE + 4_000_000, LastEntry::default());
        // Each piece holds about a thousand messages, a millisecond apart.
        for (times, is_left) in
            [((2000, i64::MAX), true), ((i64::MIN, 900), false), ((1500, 1600), true), ((5000, 6000), false)]
        {
            let found = run.find(key("k7"), times);
            assert_eq!(found.contains(&(BASE + 100 + 2007 * 1000)), is_left, "{times:?} {found:?}");
            assert_eq!(find_written(&bytes, key("k7"), times).unwrap(), found);
        }
    }

    #[test]
    fn a_changed_byte_is_noticed_before_anything_wrong_is_found() {
        let run = run();
        let whole = run.encode(ID, BASE + 4_000_000, LastEntry::default());
        let wanted = key("k1");
        let expected = run.find(wanted, EVER);
        for at in (0..whole.len()).step_by(7) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            if let Some(found) = find_written(&bytes, wanted, EVER) {
                assert_eq!(found, expected, "byte {at}");
            }
        }
        for length in [0, 10, 63, 64, 100, whole.len() / 2] {
            let cut = &whole[..length];
            let head = RunHead::decode(ID, cut);
            assert!(head.is_none_or(|head| head.bytes() > length as u64), "{length}");
        }
    }
}
