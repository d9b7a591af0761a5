//! How far a replica's log goes: what replicas compare that may have forgotten something. And whether it can go on.
//!
//! ```text
//! life u64 | answers u64 | current term u64 | term u64 | index u64 | last change u64
//! | is trusted u8 | knows terms u8 | lets in u8 | takes lead u8
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
    /// Index of the last change of the members that the sender knows of, 0 for none.
    pub last_change: u64,
    /// Whether this log holds for certain everything that its replica ever confirmed.
    pub is_trusted: bool,
    /// Whether the sender takes part: not if its disk is lost and nobody has let it in.
    pub knows_terms: bool,
    /// Whether the sender, a leader, lets the receiver in.
    pub lets_in: bool,
    /// Whether a lead may go to the sender: its disk has room, and its process is not about to end.
    pub takes_lead: bool,
}

impl LogEnd {
    pub(super) fn decode(fields: &mut FieldReader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            life: fields.u64("life")?,
            answers: fields.u64("answers")?,
            current_term: fields.u64("current term")?,
            term: fields.u64("term")?,
            index: fields.u64("index")?,
            last_change: fields.u64("last change")?,
            is_trusted: fields.bool("is trusted")?,
            knows_terms: fields.bool("knows terms")?,
            lets_in: fields.bool("lets in")?,
            takes_lead: fields.bool("takes lead")?,
        })
    }

    pub(super) fn encode(&self, mut fields: FieldWriter<'_>) {
        fields.u64s([self.life, self.answers, self.current_term]);
        fields.u64(self.term);
        fields.u64(self.index);
        fields.u64(self.last_change);
        fields.bool(self.is_trusted);
        fields.bool(self.knows_terms);
        fields.bool(self.lets_in);
        fields.bool(self.takes_lead);
    }
}
