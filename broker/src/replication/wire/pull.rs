//! Catching up: a replica that is far behind asks for the log as it lies on the leader's disk.
//!
//! Pulls come in *rounds*. The first of a round says where to begin; each is answered with piece after piece, until the round
//! has got as much as its last pull gives leave for, or there is no more.
//!
//! ```text
//! pull:   round u64 | end, applied: each position u64 | index u64 | term u64 | previous u32 | bytes wanted u32
//! pulled: round u64 | status u8 | first position u64 | commit index u64 | end position u64;   body: raw log
//! ```

use storage::commit_log::LogPosition;

use super::error::WireError;
use super::fields::{FieldReader, FieldWriter};

/// Asks for the log behind the sender's last entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pull {
    /// A round that the other side answers goes on, by what is in it already; any other begins at `end`.
    pub round: u64,
    /// Where the sender's log ends.
    pub end: LogPosition,
    /// Behind the last entry that it has applied: from there, at worst, it starts anew.
    pub applied: LogPosition,
    /// About how many bytes of the log behind `end` may be on their way; at least one entry comes.
    pub bytes_wanted: u32,
}

/// What becomes of a [`Pull`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PullStatus {
    /// The body is the log behind the asker's last entry, or behind what it has applied if that entry is none of this log;
    /// empty when there is no more. The round is over then.
    Entries,
    /// The leader's log does not go back that far: a checkpoint is needed first.
    TooOld,
    /// Nothing can be said now, as by one who does not lead; ask later.
    NotNow,
}

/// In the order of their numbers, from 0.
const STATUSES: [PullStatus; 3] = [PullStatus::Entries, PullStatus::TooOld, PullStatus::NotNow];

/// A piece of the answer to the pulls of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulled<'a> {
    /// That round.
    pub round: u64,
    /// What becomes of it.
    pub status: PullStatus,
    /// Physical offset of the body's first byte.
    pub first_position: u64,
    /// The leader's commit index.
    pub commit_index: u64,
    /// Physical offset behind the leader's last entry: how much is still to come.
    pub end_position: u64,
    /// The log as it lies there: whole entries, none beyond a filler. Empty unless the status is `Entries`.
    pub log: &'a [u8],
}

impl Pull {
    pub(super) fn decode(fields: &mut FieldReader<'_>) -> Result<Self, WireError> {
        let round = fields.u64("round")?;
        let (end, applied) = (fields.position()?, fields.position()?);
        Ok(Self { round, end, applied, bytes_wanted: fields.u32("bytes wanted")? })
    }

    pub(super) fn encode(&self, mut fields: FieldWriter<'_>) {
        fields.u64(self.round);
        fields.position(self.end);
        fields.position(self.applied);
        fields.u32(self.bytes_wanted);
    }
}

impl<'a> Pulled<'a> {
    pub(super) fn decode(fields: &mut FieldReader<'a>, log: &'a [u8]) -> Result<Self, WireError> {
        let round = fields.u64("round")?;
        let found = fields.u8("status")?;
        let status = STATUSES.get(usize::from(found)).copied();
        let status = status.ok_or(WireError::BadValue {
            field: "status",
            found: found.into(),
            allowed: "a number from 0 to 2",
        })?;
        if status != PullStatus::Entries && !log.is_empty() {
            return Err(WireError::BodyLength { expected: 0, found: log.len() });
        }
        Ok(Self {
            round,
            status,
            first_position: fields.u64("first position")?,
            commit_index: fields.u64("commit index")?,
            end_position: fields.u64("end position")?,
            log,
        })
    }

    pub(super) fn encode(&self, mut fields: FieldWriter<'_>) {
        fields.u64(self.round);
        fields.u8(self.status as u8);
        fields.u64s([self.first_position, self.commit_index, self.end_position]);
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
    fn an_answer_without_entries_has_no_body() {
        let mut fields = Vec::new();
        let (round, status) = (1, PullStatus::NotNow);
        let answer = Pulled { round, status, first_position: 0, commit_index: 0, end_position: 0, log: &[] };
        answer.encode(FieldWriter(&mut fields));
        assert_eq!(Pulled::decode(&mut FieldReader::new(&fields), &[]), Ok(answer));
        let error = Pulled::decode(&mut FieldReader::new(&fields), &[1, 2]).unwrap_err();
        assert_eq!(error, WireError::BodyLength { expected: 0, found: 2 });
    }
}
