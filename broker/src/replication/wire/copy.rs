//! Copying a master's log: a slave asks with where its own ends, and gets what comes behind that place.
//!
//! ```text
//! copy request: log id u64 | epoch u64 | end: position u64, index u64, term u64, previous u32 | bytes wanted u32 | installs bool
//! copy piece:   status u8 | log id u64 | epoch u64 | first position u64 | end position u64;   body: raw log
//! ```

use storage::commit_log::LogPosition;

use super::error::WireError;
use super::fields::{FieldReader, FieldWriter};

/// Asks for the log behind a place. Unless it installs, everything below that place is safe at the sender, as its flush mode
/// wants it: the request confirms what came before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyRequest {
    /// Id of the sender's log; 0 as long as that is empty.
    pub log_id: u64,
    /// Promotions that the sender has heard of: see [`CopyPiece::epoch`].
    pub epoch: u64,
    /// Where the sender's log stands, or has stood.
    pub end: LogPosition,
    /// About how many bytes the sender takes in one answer; at least one entry comes. 0: it only wants to know whether the
    /// master's log has stood at `end` too, at once.
    pub bytes_wanted: u32,
    /// The sender fetches a store beside its own, and has nothing of that to serve or to show for it yet.
    pub installs: bool,
}

/// What becomes of a [`CopyRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CopyStatus {
    /// The master's log has stood at that place. The body is what comes behind; empty when nothing does.
    Entries,
    /// It never stood there: the slave's log has something else. The slave asks with an earlier place.
    Parted,
    /// The master's log begins later.
    TooOld,
    /// The slave's log is another one, and not a copy of the master's.
    OtherLog,
    /// Who was asked is no master.
    NoMaster,
}

/// In the order of their numbers, from 0.
const STATUSES: [CopyStatus; 5] =
    [CopyStatus::Entries, CopyStatus::Parted, CopyStatus::TooOld, CopyStatus::OtherLog, CopyStatus::NoMaster];

/// The answer to a [`CopyRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyPiece<'a> {
    /// What becomes of it.
    pub status: CopyStatus,
    /// Id of the master's log.
    pub log_id: u64,
    /// How many promotions led to this master: of two that take themselves for the master, the one with more is it.
    pub epoch: u64,
    /// Physical offset of the body's first byte.
    pub first_position: u64,
    /// Physical offset where the master's log ends.
    pub end_position: u64,
    /// The log as it lies there: whole entries, and of a filler its header. Empty unless the status is `Entries`.
    pub log: &'a [u8],
}

impl CopyRequest {
    pub(super) fn decode(fields: &mut FieldReader<'_>) -> Result<Self, WireError> {
        let (log_id, epoch) = (fields.u64("log id")?, fields.u64("epoch")?);
        let end = fields.position()?;
        let (bytes_wanted, installs) = (fields.u32("bytes wanted")?, fields.bool("installs")?);
        Ok(Self { log_id, epoch, end, bytes_wanted, installs })
    }

    pub(super) fn encode(&self, mut fields: FieldWriter<'_>) {
        fields.u64s([self.log_id, self.epoch]);
        fields.position(self.end);
        fields.u32(self.bytes_wanted);
        fields.bool(self.installs);
    }
}

impl<'a> CopyPiece<'a> {
    pub(super) fn decode(fields: &mut FieldReader<'a>, log: &'a [u8]) -> Result<Self, WireError> {
        let found = fields.u8("status")?;
        let status = STATUSES.get(usize::from(found)).copied();
        let status = status.ok_or(WireError::BadValue {
            field: "status",
            found: found.into(),
            allowed: "a number from 0 to 4",
        })?;
        if status != CopyStatus::Entries && !log.is_empty() {
            return Err(WireError::BodyLength { expected: 0, found: log.len() });
        }
        Ok(Self {
            status,
            log_id: fields.u64("log id")?,
            epoch: fields.u64("epoch")?,
            first_position: fields.u64("first position")?,
            end_position: fields.u64("end position")?,
            log,
        })
    }

    pub(super) fn encode(&self, mut fields: FieldWriter<'_>) {
        fields.u8(self.status as u8);
        fields.u64s([self.log_id, self.epoch, self.first_position]);
        fields.u64(self.end_position);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_the_statuses_are_what_stands_on_the_wire() {
        for (status, number) in STATUSES.into_iter().zip(0..) {
            assert_eq!(status as u8, number);
        }
    }

    #[test]
    fn a_request_is_read_as_it_was_written() {
        let end = LogPosition { position: 1, index: 2, term: 3, previous: 4 };
        let request = CopyRequest { log_id: 5, epoch: 6, end, bytes_wanted: 7, installs: true };
        let mut fields = Vec::new();
        request.encode(FieldWriter(&mut fields));
        let mut reader = FieldReader::new(&fields);
        assert_eq!(CopyRequest::decode(&mut reader), Ok(request));
        assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn an_answer_without_entries_has_no_body() {
        let (status, log_id, epoch) = (CopyStatus::Parted, 1, 2);
        let piece = CopyPiece { status, log_id, epoch, first_position: 3, end_position: 4, log: &[] };
        let mut fields = Vec::new();
        piece.encode(FieldWriter(&mut fields));
        assert_eq!(CopyPiece::decode(&mut FieldReader::new(&fields), &[]), Ok(piece));
        let error = CopyPiece::decode(&mut FieldReader::new(&fields), &[1]).unwrap_err();
        assert_eq!(error, WireError::BodyLength { expected: 0, found: 1 });
    }
}
