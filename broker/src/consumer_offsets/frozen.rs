//! The table of offsets as it was at one moment, for a checkpoint that takes longer than that to make.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{ConsumerOffsetsSnapshot, Position, StoredOffsets, Topics};

/// Queues that are gone through in one go: less than a millisecond. A topic is never cut in two.
const QUEUES_A_TURN: usize = 4096;

/// Shares with the table what has not changed since: making one costs a count a group, and the table copies the queues of a group in
/// one topic when it changes the first of them.
#[derive(Debug)]
pub struct FrozenOffsets {
    groups: BTreeMap<Rc<str>, Rc<Topics>>,
    has_pending_resets: bool,
}

impl FrozenOffsets {
    pub(super) fn new(groups: BTreeMap<Rc<str>, Rc<Topics>>, has_pending_resets: bool) -> Self {
        Self { groups, has_pending_resets }
    }

    /// All of it at once.
    pub(super) fn snapshot(self) -> ConsumerOffsetsSnapshot {
        let mut snapshot = ConsumerOffsetsSnapshot::default();
        for (group, topics) in &self.groups {
            for (topic, positions) in &**topics {
                self.add(&mut snapshot, group, topic, positions);
            }
        }
        snapshot
    }

    /// All that survives a restart; `turn` is awaited between, whenever a good deal of it is done. What is done is not shared any more.
    pub async fn snapshot_in_turns(mut self, turn: &mut impl AsyncFnMut()) -> ConsumerOffsetsSnapshot {
        let mut snapshot = ConsumerOffsetsSnapshot::default();
        let mut queues = 0;
        while let Some((group, topics)) = self.groups.pop_first() {
            for (topic, positions) in &*topics {
                self.add(&mut snapshot, &group, topic, positions);
                queues += positions.len();
                if queues >= QUEUES_A_TURN {
                    queues = 0;
                    turn().await;
                }
            }
        }
        snapshot
    }

    fn add(
        &self,
        snapshot: &mut ConsumerOffsetsSnapshot,
        group: &str,
        topic: &str,
        positions: &BTreeMap<i32, Position>,
    ) {
        let offsets_of = |wanted: fn(&Position) -> bool| StoredOffsets {
            group: group.to_owned(),
            topic: topic.to_owned(),
            offsets: positions.iter().filter(|(_, p)| wanted(p)).map(|(id, p)| (*id, p.committed)).collect(),
        };
        snapshot.committed.push(offsets_of(|_| true));
        if !self.has_pending_resets {
            return;
        }
        let pending = offsets_of(|position| position.pending_reset);
        if !pending.offsets.is_empty() {
            snapshot.pending_resets.push(pending);
        }
    }
}
