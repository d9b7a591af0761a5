//! Who belongs to the group, as far as the sender knows: said on every connection before anything but the hello, and again
//! when it changes.
//!
//! ```text
//! list text
//! ```

use super::error::WireError;
use super::fields::{FieldReader, FieldWriter};
use crate::replication::members::MEMBERS_BYTES_MAX;

/// The members, as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberNotice<'a> {
    /// JSON: since which entry of the log they hold, their ids by roles, and where each listens.
    pub list: &'a str,
}

impl<'a> MemberNotice<'a> {
    pub(super) fn decode(fields: &mut FieldReader<'a>) -> Result<Self, WireError> {
        Ok(Self { list: fields.text("list", MEMBERS_BYTES_MAX)? })
    }

    pub(super) fn encode(&self, mut fields: FieldWriter<'_>) {
        fields.text(self.list, MEMBERS_BYTES_MAX);
    }
}
