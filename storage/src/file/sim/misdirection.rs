//! Writes that land where they should not: a device that confuses addresses confirms them all the same.

use std::collections::BTreeMap;
use std::ops::Range;

use rand::RngExt;
use rand::rngs::StdRng;

use super::namespace::NodeId;
use crate::file::BLOCK_BYTES;

/// A write to come that will land elsewhere.
pub(super) struct Misdirection {
    file: NodeId,
    range: Range<u64>,
}

impl Misdirection {
    pub(super) fn new(file: NodeId, range: Range<u64>) -> Self {
        let is_whole = |offset: u64| offset.is_multiple_of(BLOCK_BYTES as u64);
        assert!(is_whole(range.start) && is_whole(range.end), "{range:?} is not in whole blocks");
        Self { file, range }
    }

    /// Where a write of so many bytes lands; `None`: it is too long.
    pub(super) fn target(&self, bytes: u64, rng: &mut StdRng) -> Option<(NodeId, u64)> {
        let room = (self.range.end - self.range.start).checked_sub(bytes)?;
        let block = rng.random_range(0..=room / BLOCK_BYTES as u64);
        Some((self.file, self.range.start + block * BLOCK_BYTES as u64))
    }
}

/// Blocks that should have been written, and were not.
#[derive(Default)]
pub(super) struct MissingBlocks(BTreeMap<(NodeId, u64), Vec<u8>>);

impl MissingBlocks {
    pub(super) fn left_out(&mut self, file: NodeId, offset: u64, bytes: &[u8]) {
        let blocks = bytes.chunks(BLOCK_BYTES).zip((offset..).step_by(BLOCK_BYTES));
        self.0.extend(blocks.map(|(block, at)| ((file, at), block.to_vec())));
    }

    /// A later write makes up for what was left out there.
    pub(super) fn written(&mut self, file: NodeId, range: Range<u64>) {
        self.0.retain(|(missing, at), _| *missing != file || !range.contains(at));
    }

    pub(super) fn end_of(&self, file: NodeId) -> Option<u64> {
        let last = self.0.range((file, 0)..=(file, u64::MAX)).next_back();
        last.map(|((_, at), block)| at + block.len() as u64)
    }

    pub(super) fn take(&mut self) -> Vec<((NodeId, u64), Vec<u8>)> {
        std::mem::take(&mut self.0).into_iter().collect()
    }
}
