//! What every header between replicas begins with.
//!
//! ```text
//!  0 magic u32     4 version u8 | kind u8 | zero u16     8 header crc u32     12 body bytes u32
//! 16 from u64     24 to u64                             32 log id u64        40 session u64
//! 48 sequence u64                                       56 fields of the kind
//! ```
//! Big-endian. The CRC-32 covers the header without its own four bytes. With the body's bytes in it, it covers what a frame's
//! length says too.

use protocol::frame::FRAME_PREFIX_BYTES;

use super::error::WireError;
use super::fields::{FieldReader, FieldWriter};
use super::{BODY_BYTES_MAX, HEADER_BYTES_MAX};

/// First bytes of every header: `TPRF`. No JSON and no header of a client begins like this.
pub const MAGIC: u32 = 0x5450_5246;
/// The only version that is spoken.
pub const VERSION: u8 = 1;
/// Bytes of an envelope.
pub const ENVELOPE_BYTES: usize = 56;
const CRC_AT: usize = 8;
const CRC_END: usize = 12;
const BODY_BYTES_AT: usize = CRC_END;
const BODY_BYTES_END: usize = 16;

/// What a frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// See [`Hello`](super::Hello).
    Hello,
    /// See [`Refused`](super::Refused).
    Refused,
    /// See [`RaftStep`](super::RaftStep).
    Raft,
    /// See [`LogEnd`](super::LogEnd).
    LogEnd,
    /// See [`Pull`](super::Pull).
    Pull,
    /// See [`Pulled`](super::Pulled).
    Pulled,
    /// See [`CheckpointRequest`](super::CheckpointRequest).
    CheckpointRequest,
    /// See [`CheckpointPiece`](super::CheckpointPiece).
    CheckpointPiece,
    /// See [`Forward`](super::Forward).
    Forward,
    /// See [`Forwarded`](super::Forwarded).
    Forwarded,
    /// See [`EntryWanted`](super::EntryWanted).
    EntryWanted,
    /// See [`EntryGiven`](super::EntryGiven).
    EntryGiven,
    /// See [`CopyRequest`](super::CopyRequest).
    CopyRequest,
    /// See [`CopyPiece`](super::CopyPiece).
    CopyPiece,
    /// See [`MemberNotice`](super::MemberNotice).
    Members,
}

/// In the order of their numbers, the first has number 1.
const KINDS: [Kind; 15] = [
    Kind::Hello,
    Kind::Refused,
    Kind::Raft,
    Kind::LogEnd,
    Kind::Pull,
    Kind::Pulled,
    Kind::CheckpointRequest,
    Kind::CheckpointPiece,
    Kind::Forward,
    Kind::Forwarded,
    Kind::EntryWanted,
    Kind::EntryGiven,
    Kind::CopyRequest,
    Kind::CopyPiece,
    Kind::Members,
];

impl Kind {
    fn from_wire(found: u8) -> Result<Self, WireError> {
        let index = usize::from(found).checked_sub(1);
        index.and_then(|index| KINDS.get(index)).copied().ok_or(WireError::Kind { found })
    }

    fn to_wire(self) -> u8 {
        self as u8 + 1
    }
}

/// Who says something to whom, about which log, and where in their conversation. [`Link`](super::Link) makes and checks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// The sender's Raft id, not 0.
    pub from: u64,
    /// The receiver's Raft id, not 0.
    pub to: u64,
    /// Id of the log that both replicate.
    pub log_id: u64,
    /// The connection, see [`Link`](super::Link); 0 until both have said hello.
    pub session: u64,
    /// Frames that the sender sent over this connection before.
    pub sequence: u64,
}

impl Envelope {
    /// Reads what a header begins with, for a body of `body_bytes`; the fields of its kind follow.
    /// # Errors
    /// The first thing that is wrong. The checksum has been compared when there is none.
    pub(super) fn decode(header: &[u8], body_bytes: usize) -> Result<(Kind, Self, FieldReader<'_>), WireError> {
        if header.len() > HEADER_BYTES_MAX {
            return Err(WireError::HeaderTooLong { bytes: header.len(), max: HEADER_BYTES_MAX });
        }
        let mut fields = FieldReader::new(header);
        // In this order: who is no replica at all, or one of another version, shall hear that, not of a checksum.
        let found = fields.u32("magic")?;
        if found != MAGIC {
            return Err(WireError::Magic { found });
        }
        let version = fields.u8("version")?;
        if version != VERSION {
            return Err(WireError::Version { found: version });
        }
        let kind = fields.u8("kind")?;
        let zero = fields.u16("zero")?;
        let found = fields.u32("header crc")?;
        let computed = crc(header);
        if found != computed {
            return Err(WireError::HeaderCrc { found, computed });
        }
        if zero != 0 {
            return Err(WireError::BadValue { field: "zero", found: zero.into(), allowed: "0" });
        }
        let expected = fields.u32("body bytes")?.into();
        if expected != body_bytes as u64 {
            return Err(WireError::BodyLength { expected, found: body_bytes });
        }
        let kind = Kind::from_wire(kind)?;
        let (from, to) = (node(fields.u64("from")?, "from")?, node(fields.u64("to")?, "to")?);
        let (log_id, session) = (fields.u64("log id")?, fields.u64("session")?);
        let sequence = fields.u64("sequence")?;
        Ok((kind, Self { from, to, log_id, session, sequence }, fields))
    }

    /// Begins a frame at the end of `out` and returns where it begins; the fields of the kind are to follow.
    pub(super) fn begin(&self, kind: Kind, out: &mut Vec<u8>) -> usize {
        assert!(self.from != 0 && self.to != 0, "a node's Raft id is never 0");
        let frame = out.len();
        out.extend_from_slice(&[0; FRAME_PREFIX_BYTES]);
        let mut fields = FieldWriter(out);
        fields.u32(MAGIC);
        fields.u32(u32::from_be_bytes([VERSION, kind.to_wire(), 0, 0]));
        fields.u64(0); // the checksum and the body's bytes: `end` puts them in
        fields.u64s([self.from, self.to, self.log_id, self.session, self.sequence]);
        assert_eq!(out.len(), frame + FRAME_PREFIX_BYTES + ENVELOPE_BYTES);
        frame
    }
}

/// Ends the head of the frame that begins at `frame`: lengths and checksum. A body of `body_bytes` is to follow.
pub(super) fn end(frame: usize, body_bytes: usize, out: &mut [u8]) {
    let (prefix, header) = out[frame..].split_at_mut(FRAME_PREFIX_BYTES);
    assert!(header.len() <= HEADER_BYTES_MAX, "a header of {} bytes", header.len());
    assert!(body_bytes <= BODY_BYTES_MAX, "a body of {body_bytes} bytes");
    let bytes = u32::try_from(body_bytes).expect("the limit is checked");
    header[BODY_BYTES_AT..BODY_BYTES_END].copy_from_slice(&bytes.to_be_bytes());
    let crc = crc(header);
    header[CRC_AT..CRC_END].copy_from_slice(&crc.to_be_bytes());
    // The length does not count itself. Encoding 0 is the top byte of the second word.
    let length = u32::try_from(FRAME_PREFIX_BYTES - 4 + header.len() + body_bytes).expect("limits are checked");
    let header_bytes = u32::try_from(header.len()).expect("the limit is checked");
    prefix[..4].copy_from_slice(&length.to_be_bytes());
    prefix[4..].copy_from_slice(&header_bytes.to_be_bytes());
}

/// Gives a header that was changed the right checksum, and number of bytes of its body, as far as it reaches.
#[cfg(test)]
pub(super) fn mend(header: &mut [u8], body_bytes: usize) {
    if let Some(bytes) = header.get_mut(BODY_BYTES_AT..BODY_BYTES_END) {
        bytes.copy_from_slice(&(body_bytes as u32).to_be_bytes());
    }
    if header.len() >= CRC_END {
        let crc = crc(header);
        header[CRC_AT..CRC_END].copy_from_slice(&crc.to_be_bytes());
    }
}

/// Of a header that holds at least the place of the checksum.
fn crc(header: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&header[..CRC_AT]);
    hasher.update(&header[CRC_END..]);
    hasher.finalize()
}

fn node(found: u64, field: &'static str) -> Result<u64, WireError> {
    if found == 0 { Err(WireError::BadValue { field, found, allowed: "a Raft id from 1" }) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Behind the last number.
    const NO_KIND: u8 = KINDS.len() as u8 + 1;
    const ENVELOPE: Envelope = Envelope { from: 1, to: 2, log_id: 0xABCD, session: 7, sequence: 9 };

    fn encoded(envelope: Envelope) -> Vec<u8> {
        let mut out = vec![0xEE; 3];
        let frame = envelope.begin(Kind::LogEnd, &mut out);
        assert_eq!(frame, 3);
        end(frame, 5, &mut out);
        out.split_off(3)
    }

    /// With the checksum that its bytes have.
    fn with_right_crc(mut header: Vec<u8>) -> Vec<u8> {
        mend(&mut header, 5);
        header
    }

    #[test]
    fn the_numbers_of_the_kinds_are_what_stands_on_the_wire() {
        for (kind, number) in KINDS.into_iter().zip(1..) {
            assert_eq!(kind.to_wire(), number);
            assert_eq!(Kind::from_wire(number), Ok(kind));
        }
        assert_eq!(Kind::from_wire(0), Err(WireError::Kind { found: 0 }));
        assert_eq!(Kind::from_wire(NO_KIND), Err(WireError::Kind { found: NO_KIND }));
    }

    #[test]
    fn an_envelope_reads_back_as_it_was_written() {
        let bytes = encoded(ENVELOPE);
        assert_eq!(bytes[..8], [0, 0, 0, 65, 0, 0, 0, 56], "length without itself, encoding and header length");
        assert_eq!(bytes[8..16], *b"TPRF\x01\x04\0\0");
        let (kind, envelope, fields) = Envelope::decode(&bytes[8..], 5).unwrap();
        assert_eq!((kind, envelope), (Kind::LogEnd, ENVELOPE));
        fields.finish().unwrap();
    }

    #[test]
    fn what_is_no_replica_is_told_from_a_damaged_one() {
        let header = &encoded(ENVELOPE)[8..];
        let changed = |at: usize, byte: u8| {
            let mut header = header.to_vec();
            header[at] = byte;
            header
        };
        let error = |header: &[u8]| Envelope::decode(header, 5).map(|decoded| decoded.1).unwrap_err();
        assert_eq!(error(b"{\"code\":310}"), WireError::Magic { found: 0x7B22_636F });
        assert_eq!(error(&changed(4, 2)), WireError::Version { found: 2 });
        assert!(matches!(error(&changed(33, 1)), WireError::HeaderCrc { .. }));
        assert_eq!(error(&with_right_crc(changed(5, NO_KIND))), WireError::Kind { found: NO_KIND });
        assert!(matches!(error(&with_right_crc(changed(7, 1))), WireError::BadValue { field: "zero", .. }));
        assert!(matches!(error(&with_right_crc(changed(23, 0))), WireError::BadValue { field: "from", .. }));
        assert_eq!(error(&header[..10]), WireError::Cut { field: "header crc", need: 4, have: 2 });
        assert_eq!(error(&[]), WireError::Cut { field: "magic", need: 4, have: 0 });
        let other_body = Envelope::decode(header, 4).map(|decoded| decoded.1);
        assert_eq!(other_body, Err(WireError::BodyLength { expected: 5, found: 4 }));
        let long = vec![0; HEADER_BYTES_MAX + 1];
        assert_eq!(error(&long), WireError::HeaderTooLong { bytes: HEADER_BYTES_MAX + 1, max: HEADER_BYTES_MAX });
    }
}
