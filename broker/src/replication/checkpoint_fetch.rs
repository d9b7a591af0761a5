//! A checkpoint that comes in pieces from whoever has the log. No I/O here.

use super::wire::{CheckpointPiece, CheckpointRequest};

/// Longest checkpoint that is taken; fifty thousand queues take some MiB.
const CHECKPOINT_BYTES_MAX: u64 = 1 << 30;
/// Of a checkpoint in one answer.
const PIECE_BYTES: u32 = 1 << 20;

/// The pieces so far. The first one names the checkpoint; the others have to be of the same.
#[derive(Debug, Default)]
pub(crate) struct CheckpointFetch {
    name: String,
    total: u64,
    bytes: Vec<u8>,
}

/// What became of a piece.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Fetched {
    /// It is not the one that was asked for.
    Stray,
    /// The next one is to be asked for.
    Part,
    /// The other side has another checkpoint by now, or none yet: it begins anew.
    Gone,
    /// It would be longer than is taken.
    TooLong { total: u64, limit: u64 },
    /// All of it.
    Whole(Vec<u8>),
}

impl CheckpointFetch {
    /// What to ask for next.
    pub(crate) fn request(&self) -> CheckpointRequest<'_> {
        CheckpointRequest { offset: self.bytes.len() as u64, bytes_wanted: PIECE_BYTES, name: &self.name }
    }

    /// Takes a piece.
    pub(crate) fn take(&mut self, piece: &CheckpointPiece<'_>) -> Fetched {
        if piece.total == 0 {
            *self = Self::default();
            return Fetched::Gone;
        }
        if self.name.is_empty() {
            (self.name, self.total) = (piece.name.to_owned(), piece.total);
        }
        if self.name != piece.name || self.total != piece.total || piece.offset != self.bytes.len() as u64 {
            return Fetched::Stray;
        }
        if self.total > CHECKPOINT_BYTES_MAX {
            return Fetched::TooLong { total: self.total, limit: CHECKPOINT_BYTES_MAX };
        }
        self.bytes.extend_from_slice(piece.bytes);
        if self.bytes.len() as u64 == self.total {
            return Fetched::Whole(std::mem::take(&mut self.bytes));
        }
        Fetched::Part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece<'a>(offset: u64, name: &'a str, bytes: &'a [u8]) -> CheckpointPiece<'a> {
        CheckpointPiece { offset, total: 5, name, bytes }
    }

    #[test]
    fn pieces_of_one_checkpoint_are_put_together_in_order() {
        let mut fetch = CheckpointFetch::default();
        assert_eq!((fetch.request().offset, fetch.request().name), (0, ""));
        assert_eq!(fetch.take(&piece(0, "a", b"ab")), Fetched::Part);
        assert_eq!((fetch.request().offset, fetch.request().name), (2, "a"));
        assert_eq!(fetch.take(&piece(0, "a", b"ab")), Fetched::Stray, "it came twice");
        assert_eq!(fetch.take(&piece(2, "b", b"cde")), Fetched::Stray, "it is another's");
        assert_eq!(fetch.take(&piece(2, "a", b"cde")), Fetched::Whole(b"abcde".to_vec()));
    }

    #[test]
    fn one_that_the_other_side_has_no_more_is_begun_anew() {
        let mut fetch = CheckpointFetch::default();
        fetch.take(&piece(0, "a", b"ab"));
        assert_eq!(fetch.take(&CheckpointPiece::NONE), Fetched::Gone);
        assert_eq!((fetch.request().offset, fetch.request().name), (0, ""));
    }

    #[test]
    fn one_that_is_too_long_is_not_begun() {
        let total = CHECKPOINT_BYTES_MAX + 1;
        let piece = CheckpointPiece { offset: 0, total, name: "a", bytes: b"ab" };
        assert_eq!(CheckpointFetch::default().take(&piece), Fetched::TooLong { total, limit: CHECKPOINT_BYTES_MAX });
    }
}
