//! Disks that do not hold what was written: bits flip, a write lands where it should not.
//!
//! A replica can notice damage only where something says that there had been something else: an entry behind it on
//! stable storage. At the very end of a log, damage looks like a write that never ended, and a write that landed elsewhere
//! like one that was never made. So damage is done only below the last entry that is stable, and what a crash would hide is
//! mended before it.

use std::ops::Range;

use rand::RngExt;
use storage::checkpoint;
use storage::commit_log;
use storage::commit_log::entry::{EntryHeader, EntryKind, HEADER_BYTES, MAGIC, crc_of};
use storage::file::BLOCK_BYTES;

use super::action::RESTART;
use super::cluster::Cluster;
use super::group_watch::LogReader;
use super::node::Node;
use crate::machine::Machine;

/// What a replica must not forget; it has a checksum.
const STATE_PATH: &str = "raft-state";

/// First physical offset of a segment.
fn first_of(path: &str) -> Option<u64> {
    path.strip_prefix(commit_log::DIRECTORY)?.strip_prefix('/')?.parse().ok()
}

impl<M: Machine> Node<M> {
    /// Physical offset of the last entry that is on stable storage: damage below it is noticed.
    fn last_stable(&self) -> u64 {
        let Some(shard) = self.process().map(|process| process.shard()) else { return 0 };
        let (Some(view), stable) = (shard.replica_view(), shard.stable_end()) else { return 0 };
        let mut last = 0;
        for path in self.sim().files() {
            let Some(first) = first_of(&path) else { continue };
            let content = self.sim().content(&path).unwrap_or_default();
            for at in content.windows(4).enumerate().filter(|(_, word)| *word == MAGIC.to_be_bytes()).map(|(at, _)| at)
            {
                let header = EntryHeader::decode(self.log_id(), first + at as u64, &content[at..]);
                let Ok(header) = header else { continue };
                if header.end() <= stable && header.index <= view.end.index {
                    last = last.max(header.position);
                }
            }
        }
        last
    }

    /// A segment, and which of its bytes may be damaged.
    fn draw_place(&mut self) -> Option<(String, Range<u64>)> {
        let last = self.last_stable();
        let places = self.sim().files().into_iter().filter_map(|path| {
            let first = first_of(&path)?;
            let bytes = last.checked_sub(first)?.min(self.segment_bytes());
            (bytes > 0).then_some((path, 0..bytes))
        });
        let places: Vec<_> = places.collect();
        let at = (!places.is_empty()).then(|| self.rng().random_range(0..places.len()))?;
        places.into_iter().nth(at)
    }

    /// Flips bits of something that it could do without. False: nothing is there.
    fn rot(&mut self, bits: u32) -> bool {
        let place = match self.rng().random_range(0..10) {
            0 => Some(STATE_PATH.to_owned()),
            1 => Some(checkpoint::PATH.to_owned()),
            _ => None,
        };
        let place = match place {
            Some(path) => self.sim().content(&path).ok().map(|content| (path, 0..content.len() as u64)),
            None => self.draw_place(),
        };
        let Some((path, mut range)) = place.filter(|(_, range)| !range.is_empty()) else { return false };
        if self.rng().random_bool(0.5) {
            // All in one block.
            let block = self.rng().random_range(range.clone()) / BLOCK_BYTES as u64 * BLOCK_BYTES as u64;
            range = block..range.end.min(block + BLOCK_BYTES as u64);
        }
        self.sim().flip_bits(&path, range, bits).is_ok()
    }

    /// One of its next writes lands on what was written long before. False: nothing is there.
    fn misdirect(&mut self) -> bool {
        let Some((path, range)) = self.draw_place() else { return false };
        let end = range.end / BLOCK_BYTES as u64 * BLOCK_BYTES as u64;
        end > 0 && self.sim().misdirect_write(&path, 0..end).is_ok()
    }

    /// Before a crash: what nobody could notice after it has not happened.
    pub(super) fn mend_hidden_damage(&self) {
        self.sim().call_off_misdirection();
        let missing = self.sim().missing_writes();
        if missing.is_empty() {
            return;
        }
        let last = self.last_stable();
        let is_hidden = |(path, end): &(String, u64)| first_of(path).is_none_or(|first| first + end > last);
        if missing.iter().any(is_hidden) {
            self.sim().mend_missing();
        }
    }

    /// Where its log, as far as it is not in memory, is not what it should be.
    fn first_damage(&self) -> Option<u64> {
        let shard = self.process()?.shard();
        let (reader, end) = (LogReader::new(self), shard.replica_view()?.end.position.min(shard.newest_from()));
        let (mut at, mut previous) = (0, 0);
        while at < end {
            let head = reader.header(at);
            let header = head.as_ref().and_then(|head| EntryHeader::decode(self.log_id(), at, head).ok());
            let (Some(head), Some(header)) = (head, header) else { return Some(at) };
            let is_sound = |payload: Vec<u8>| header.check_payload(&payload).is_ok();
            let is_whole = header.kind == EntryKind::Filler
                || reader.bytes(at + HEADER_BYTES as u64, header.payload_bytes as usize).is_some_and(is_sound);
            if header.previous != previous || !is_whole {
                return Some(at);
            }
            (at, previous) = (header.end(), crc_of(&head));
        }
        None
    }
}

/// How a disk is damaged.
#[derive(Copy, Clone, Debug)]
pub(super) enum Damage {
    BitRot { bits: u32 },
    MisdirectedWrite,
}

impl<M: Machine> Cluster<M> {
    /// Damages a replica's disk, if the others can make up for it.
    pub(super) fn damage(&mut self, number: usize, damage: Damage) {
        let member = &mut self.members[number];
        let promise = self.promises.get_mut(&member.group).filter(|promise| promise.allows_damage(number));
        let Some(promise) = promise else { return };
        let is_done = match damage {
            Damage::BitRot { bits } => member.node.rot(bits),
            Damage::MisdirectedWrite => member.node.misdirect(),
        };
        if is_done {
            promise.is_damaged(number);
            member.node.set_damaged();
            self.world.oracle.borrow_mut().disk_is_damaged(member.node.life());
            self.summary.rotten_disks += u64::from(matches!(damage, Damage::BitRot { .. }));
        }
    }

    /// Looks after damaged replicas: one that was started anew and is trusted again has repaired itself, unless there is
    /// damage that no start looks at. Somebody starts anew what has stopped, and replaces a disk at last.
    pub(super) fn look_after_damaged(&mut self) {
        let damaged: Vec<usize> =
            (0..self.members.len()).filter(|number| self.members[*number].node.is_damaged()).collect();
        for number in damaged {
            let node = &mut self.members[number].node;
            let Some(view) = node.process().and_then(|process| process.shard().replica_view()) else { continue };
            if view.is_stopped {
                match self.is_healed && node.was_started_since_damage() {
                    true => self.replace_disk(number),
                    false => self.restart_if_stopped(number),
                }
            } else if view.is_trusted && node.is_first_look_since_damage() {
                match node.first_damage() {
                    None => {
                        node.set_sound();
                        self.summary.repaired_disks += 1;
                        if let Some(promise) = self.promises.get_mut(&self.members[number].group) {
                            promise.is_sound(number);
                        }
                    }
                    // It lies below what a start looks at.
                    Some(at) => {
                        self.trace(&format!("node {number} is damaged at {at} of its log: {view:?}"));
                        if self.is_healed {
                            self.replace_disk(number);
                        }
                    }
                }
            }
        }
    }

    /// A damaged disk is replaced by an empty one.
    pub(super) fn replace_disk(&mut self, number: usize) {
        self.summary.replaced_disks += 1;
        self.empty_disk(number, RESTART);
    }
}
