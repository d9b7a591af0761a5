//! Mending a log: an entry that cannot be read any more is fetched from another replica, whose log has the same bytes there.
//!
//! ```text
//! wanted: position u64
//! given:  position u64;   body: the entry as it lies in the log, header and payload
//! ```

use super::error::WireError;
use super::fields::{FieldReader, FieldWriter};

/// Asks for the committed entry that a byte of the log is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryWanted {
    /// Physical offset of the byte. Where the entry begins may be just what the asker cannot read.
    pub position: u64,
}

/// The answer to an [`EntryWanted`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryGiven<'a> {
    /// As asked for.
    pub position: u64,
    /// The whole entry, with the checksums in its header; empty if the sender has none there, or none that is sound.
    pub entry: &'a [u8],
}

impl EntryWanted {
    pub(super) fn decode(fields: &mut FieldReader<'_>) -> Result<Self, WireError> {
        Ok(Self { position: fields.u64("position")? })
    }

    pub(super) fn encode(&self, mut fields: FieldWriter<'_>) {
        fields.u64(self.position);
    }
}

impl<'a> EntryGiven<'a> {
    pub(super) fn decode(fields: &mut FieldReader<'a>, entry: &'a [u8]) -> Result<Self, WireError> {
        Ok(Self { position: fields.u64("position")?, entry })
    }

    pub(super) fn encode(&self, mut fields: FieldWriter<'_>) {
        fields.u64(self.position);
    }
}
