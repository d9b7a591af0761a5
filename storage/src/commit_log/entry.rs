//! The unit of the CommitLog: a header and a payload, checked by CRC.
//!
//! ```text
//!  0 magic u32           4 kind u8 | version u8 | zero u16      8 term u64            16 index u64
//! 24 position u64       32 stable u64                          40 payload bytes u32  44 message bytes u32
//! 48 message count u32  52 payload crc u32                     56 previous u32       60 header crc u32
//! 64 payload: message records (message bytes), then control records
//! ```
//! Big-endian. `position` is the physical offset of the header itself, so bytes left in a recycled segment never pass
//! for an entry. `stable` is how far the log was known to be on stable storage when this entry was made: damage below
//! it is damage, damage above it is a write that power loss tore; replicas, whose logs are the same byte for byte, leave
//! it 0. `previous` is the header CRC of the entry or filler right before, 0 for the first: what a longer log left behind
//! its end continues only the very entry that it came after. The header CRC is seeded with the log's id.

use crate::error::DamageReason;

/// Bytes of an entry header.
pub const HEADER_BYTES: usize = 64;
/// First bytes of every entry header: `TPLE`.
pub const MAGIC: u32 = 0x5450_4C45;
const VERSION: u8 = 2;
const CRC_AT: usize = 60;

/// What an entry holds.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum EntryKind {
    /// Message records, and the control records that belong to the same moment.
    Messages,
    /// Control records only.
    Control,
    /// Nothing: reaches to the end of its segment, whose bytes mean nothing. It has no index or term of its own but
    /// repeats those of the entry before it.
    Filler,
    /// A change of the members of a replicated log, in the encoding of whoever replicates it.
    Membership,
}

impl EntryKind {
    fn to_byte(self) -> u8 {
        match self {
            Self::Messages => 1,
            Self::Control => 2,
            Self::Filler => 3,
            Self::Membership => 4,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Messages),
            2 => Some(Self::Control),
            3 => Some(Self::Filler),
            4 => Some(Self::Membership),
            _ => None,
        }
    }
}

/// Identity of a store's log: entries of another store never continue it.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct LogId(pub u64);

/// A decoded entry header.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct EntryHeader {
    /// What the payload is.
    pub kind: EntryKind,
    /// Term in which the entry was made.
    pub term: u64,
    /// Log index; entries are numbered from 1 without gaps.
    pub index: u64,
    /// Physical offset of this header, bytes.
    pub position: u64,
    /// The log below this physical offset was on stable storage when the entry was made.
    pub stable: u64,
    /// Bytes after the header.
    pub payload_bytes: u32,
    /// How many of them are message records.
    pub message_bytes: u32,
    /// Number of message records.
    pub message_count: u32,
    /// CRC-32 of the payload; 0 for a filler.
    pub payload_crc: u32,
    /// Header CRC of the entry or filler before; 0 for the first.
    pub previous: u32,
}

impl EntryHeader {
    /// Physical offset of the first byte behind the entry.
    pub fn end(&self) -> u64 {
        self.position + HEADER_BYTES as u64 + u64::from(self.payload_bytes)
    }

    /// Physical offset of the first message record.
    pub fn payload_position(&self) -> u64 {
        self.position + HEADER_BYTES as u64
    }

    /// Writes the header into `out`, which is exactly [`HEADER_BYTES`] long, and returns its CRC.
    pub fn encode(&self, id: LogId, out: &mut [u8]) -> u32 {
        assert_eq!(out.len(), HEADER_BYTES);
        out[0..4].copy_from_slice(&MAGIC.to_be_bytes());
        out[4] = self.kind.to_byte();
        out[5] = VERSION;
        out[6..8].fill(0);
        out[8..16].copy_from_slice(&self.term.to_be_bytes());
        out[16..24].copy_from_slice(&self.index.to_be_bytes());
        out[24..32].copy_from_slice(&self.position.to_be_bytes());
        out[32..40].copy_from_slice(&self.stable.to_be_bytes());
        out[40..44].copy_from_slice(&self.payload_bytes.to_be_bytes());
        out[44..48].copy_from_slice(&self.message_bytes.to_be_bytes());
        out[48..52].copy_from_slice(&self.message_count.to_be_bytes());
        out[52..56].copy_from_slice(&self.payload_crc.to_be_bytes());
        out[56..CRC_AT].copy_from_slice(&self.previous.to_be_bytes());
        let crc = header_crc(id, &out[..CRC_AT]);
        out[CRC_AT..].copy_from_slice(&crc.to_be_bytes());
        crc
    }

    /// Reads a header that is expected at `position`.
    /// # Errors
    /// The first thing that is wrong with the bytes.
    pub fn decode(id: LogId, position: u64, bytes: &[u8]) -> Result<Self, DamageReason> {
        let Some(bytes) = bytes.first_chunk::<HEADER_BYTES>() else { return Err(DamageReason::CutShort) };
        let u32_at = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let u64_at = |at: usize| (u64::from(u32_at(at)) << 32) | u64::from(u32_at(at + 4));
        if u32_at(0) != MAGIC {
            return Err(DamageReason::NoMagic);
        }
        if u32_at(CRC_AT) != header_crc(id, &bytes[..CRC_AT]) {
            return Err(DamageReason::HeaderCrc);
        }
        let kind = EntryKind::from_byte(bytes[4]).ok_or(DamageReason::UnknownKind { byte: bytes[4] })?;
        if bytes[5] != VERSION {
            return Err(DamageReason::UnknownVersion { byte: bytes[5] });
        }
        let header = Self {
            kind,
            term: u64_at(8),
            index: u64_at(16),
            position: u64_at(24),
            stable: u64_at(32),
            payload_bytes: u32_at(40),
            message_bytes: u32_at(44),
            message_count: u32_at(48),
            payload_crc: u32_at(52),
            previous: u32_at(56),
        };
        if header.position != position {
            return Err(DamageReason::Misplaced { claims: header.position });
        }
        if header.message_bytes > header.payload_bytes {
            return Err(DamageReason::Lengths);
        }
        Ok(header)
    }

    /// Whether `payload` is what the entry was made with.
    pub fn check_payload(&self, payload: &[u8]) -> Result<(), DamageReason> {
        assert_eq!(payload.len(), self.payload_bytes as usize);
        if crc32fast::hash(payload) == self.payload_crc { Ok(()) } else { Err(DamageReason::PayloadCrc) }
    }
}

/// The CRC of the encoded header that `bytes` begin with: what the next one calls `previous`.
pub fn crc_of(bytes: &[u8]) -> u32 {
    let mut crc = [0; 4];
    crc.copy_from_slice(&bytes[CRC_AT..HEADER_BYTES]);
    u32::from_be_bytes(crc)
}

fn header_crc(id: LogId, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&id.0.to_be_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: LogId = LogId(7);

    fn header() -> EntryHeader {
        EntryHeader {
            kind: EntryKind::Messages,
            term: 3,
            index: 9,
            position: 4096,
            stable: 1024,
            payload_bytes: 5,
            message_bytes: 4,
            message_count: 1,
            payload_crc: crc32fast::hash(b"hello"),
            previous: 0xABCD,
        }
    }

    #[test]
    fn a_header_reads_back_as_it_was_written() {
        let mut bytes = [0; HEADER_BYTES];
        let crc = header().encode(ID, &mut bytes);
        assert_eq!(crc, crc_of(&bytes));
        assert_eq!(EntryHeader::decode(ID, 4096, &bytes), Ok(header()));
        assert_eq!(header().end(), 4096 + 64 + 5);
        assert_eq!(header().check_payload(b"hello"), Ok(()));
        assert_eq!(header().check_payload(b"hellp"), Err(DamageReason::PayloadCrc));
    }

    #[test]
    fn a_header_of_another_store_or_place_is_refused() {
        let mut bytes = [0; HEADER_BYTES];
        header().encode(ID, &mut bytes);
        assert_eq!(EntryHeader::decode(LogId(8), 4096, &bytes), Err(DamageReason::HeaderCrc));
        assert_eq!(EntryHeader::decode(ID, 8192, &bytes), Err(DamageReason::Misplaced { claims: 4096 }));
    }

    #[test]
    fn any_flipped_bit_of_a_header_is_noticed() {
        let mut bytes = [0; HEADER_BYTES];
        header().encode(ID, &mut bytes);
        for bit in 0..HEADER_BYTES * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(EntryHeader::decode(ID, 4096, &flipped).is_err(), "bit {bit}");
        }
    }
}
