//! How far a replica's log goes: what replicas compare that may have forgotten something. And whether it can go on.
//!
//! ```text
//! life u64 | answers u64 | current term u64 | term u64 | index u64 | is trusted u8 | has room u8
//! ```

use super::error::WireError;
use super::fields::{FieldReader, FieldWriter};

/// The end of the sender's log, and who says so. All fields but the last are those of `raft_driver::PeerReport`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEnd {
    /// The sender's life: drawn at its start.
    pub life: u64,
    /// The receiver's life, as the sender has heard of it; 0: not yet.
    pub answers: u64,
    /// The sender's term.
    pub current_term: u64,
    /// Term of the last entry, 0 without one.
    pub term: u64,
    /// Index of the last entry, 0 without one.
    pub index: u64,
    /// Whether this log holds for certain everything that its replica ever confirmed.
    pub is_trusted: bool,
    /// Whether its disk has room for more.
    pub has_room: bool,
}

impl LogEnd {
    pub(super) fn decode(fields: &mut FieldReader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            life: fields.u64("life")?,
            answers: fields.u64("answers")?,
            current_term: fields.u64("current term")?,
            term: fields.u64("term")?,
            index: fields.u64("index")?,
            is_trusted: fields.bool("is trusted")?,
            has_room: fields.bool("has room")?,
        })
    }

    pub(super) fn encode(&self, mut fields: FieldWriter<'_>) {
        fields.u64s([self.life, self.answers, self.current_term]);
        fields.u64(self.term);
        fields.u64(self.index);
        fields.bool(self.is_trusted);
        fields.bool(self.has_room);
    }
}
