//! Installing a store: a replica whose part of the log the leader no longer has fetches a checkpoint, piece by piece.
//!
//! ```text
//! request: offset u64 | bytes wanted u32 | name text
//! piece:   offset u64 | total u64 | body crc u32 | name text;   body: so much of the checkpoint
//! ```

use super::error::WireError;
use super::fields::{FieldReader, FieldWriter};
use super::forward::check_body;

/// Longest name of a checkpoint, bytes.
pub const CHECKPOINT_NAME_BYTES_MAX: usize = 128;

/// Asks for a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointRequest<'a> {
    /// First byte wanted; where an interrupted transfer goes on.
    pub offset: u64,
    /// How many bytes the sender takes at most.
    pub bytes_wanted: u32,
    /// Which one; empty for the newest, which the answer names.
    pub name: &'a str,
}

/// One piece, the answer to a [`CheckpointRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointPiece<'a> {
    /// Where in the checkpoint the piece begins.
    pub offset: u64,
    /// Bytes of the whole checkpoint; 0, with an empty name, if there is none of that name (any more): ask for the newest.
    pub total: u64,
    /// A plain file name, or empty.
    pub name: &'a str,
    /// The piece; does not go beyond `total`.
    pub bytes: &'a [u8],
}

impl<'a> CheckpointRequest<'a> {
    pub(super) fn decode(fields: &mut FieldReader<'a>) -> Result<Self, WireError> {
        let (offset, bytes_wanted) = (fields.u64("offset")?, fields.u32("bytes wanted")?);
        Ok(Self { offset, bytes_wanted, name: read_name(fields)? })
    }

    pub(super) fn encode(&self, mut fields: FieldWriter<'_>) {
        fields.u64(self.offset);
        fields.u32(self.bytes_wanted);
        write_name(self.name, &mut fields);
    }
}

impl<'a> CheckpointPiece<'a> {
    /// The answer where there is no such checkpoint.
    pub const NONE: CheckpointPiece<'static> = CheckpointPiece { offset: 0, total: 0, name: "", bytes: &[] };

    pub(super) fn decode(fields: &mut FieldReader<'a>, bytes: &'a [u8]) -> Result<Self, WireError> {
        let (offset, total) = (fields.u64("offset")?, fields.u64("total")?);
        check_body(fields.u32("body crc")?, bytes)?;
        if !fits(offset, total, bytes) {
            let expected = total.saturating_sub(offset);
            return Err(WireError::BodyLength { expected, found: bytes.len() });
        }
        Ok(Self { offset, total, name: read_name(fields)?, bytes })
    }

    pub(super) fn encode(&self, mut fields: FieldWriter<'_>) {
        assert!(fits(self.offset, self.total, self.bytes), "{} bytes at {}", self.bytes.len(), self.offset);
        fields.u64(self.offset);
        fields.u64(self.total);
        fields.u32(crc32fast::hash(self.bytes));
        write_name(self.name, &mut fields);
    }
}

fn fits(offset: u64, total: u64, bytes: &[u8]) -> bool {
    offset.checked_add(bytes.len() as u64).is_some_and(|end| end <= total)
}

fn read_name<'a>(fields: &mut FieldReader<'a>) -> Result<&'a str, WireError> {
    let name = fields.text("name", CHECKPOINT_NAME_BYTES_MAX)?;
    if is_file_name(name) { Ok(name) } else { Err(WireError::BadName) }
}

fn write_name(name: &str, fields: &mut FieldWriter<'_>) {
    assert!(is_file_name(name), "{name:?}");
    fields.text(name, CHECKPOINT_NAME_BYTES_MAX);
}

/// Whoever takes the name for a file's must not be led out of its folder.
fn is_file_name(name: &str) -> bool {
    !name.starts_with('.') && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_to_no_other_folder() {
        for name in ["", "checkpoint-00000000000000001024.bin", "a_b"] {
            assert!(is_file_name(name), "{name}");
        }
        for name in ["..", ".hidden", "../etc", "a/b", "a\\b", "a b", "华"] {
            assert!(!is_file_name(name), "{name}");
        }
    }

    #[test]
    fn a_piece_that_goes_beyond_its_checkpoint_is_refused() {
        let piece = CheckpointPiece { offset: 6, total: 8, name: "a", bytes: b"hh" };
        let mut fields = Vec::new();
        piece.encode(FieldWriter(&mut fields));
        assert_eq!(CheckpointPiece::decode(&mut FieldReader::new(&fields), b"hh"), Ok(piece));
        fields[7] = 7;
        let error = CheckpointPiece::decode(&mut FieldReader::new(&fields), b"hh").unwrap_err();
        assert_eq!(error, WireError::BodyLength { expected: 1, found: 2 });
        fields[..8].fill(0xFF);
        assert!(CheckpointPiece::decode(&mut FieldReader::new(&fields), b"hh").is_err());
    }
}
