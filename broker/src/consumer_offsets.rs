//! Where consumer groups continue: the committed offset of each group in each queue, and resets an operator asked for.

mod frozen;

use crate::control_record::{CONTROL_RECORD_BYTES_MAX, ControlRecord};
use protocol::body::{ConsumerOffsetTable, DataVersion};
use std::collections::BTreeMap;
use std::rc::Rc;
use storage::encode_fields_in_turns;

pub use self::frozen::FrozenOffsets;

/// Queues with an offset, over all groups. When full, a commit for a further queue is not stored.
pub const CONSUMER_OFFSETS_MAX: usize = 1_048_576;

/// Queues in one record of changed offsets: 16 bytes each.
pub const OFFSETS_PER_RECORD_MAX: usize = 1_024;

/// A record of changed offsets is ended when its names and offsets take this much.
const OFFSETS_RECORD_BYTES_TARGET: usize = 16 << 10;

// What is beyond the target is one more topic's worth at most, with the longest names there are.
const _: () = assert!(OFFSETS_RECORD_BYTES_TARGET + 16 * OFFSETS_PER_RECORD_MAX + 2_048 < CONTROL_RECORD_BYTES_MAX);

/// The offsets of one shard. Changes gather until [`ConsumerOffsets::take_records`].
#[derive(Debug, Default)]
pub struct ConsumerOffsets {
    /// By group. What a [`FrozenOffsets`] has too is copied, a group's topics and a topic's queues, before it is changed.
    groups: BTreeMap<Rc<str>, Rc<Topics>>,
    /// All positions in `groups`.
    count: usize,
    /// Those of them whose reset is pending: no pull has to look for one while there is none.
    pending_resets: usize,
    /// Positions with their `dirty` set, once each; some may be gone or clean again.
    dirty: Vec<(Rc<str>, Rc<str>, i32)>,
    /// Changes other than commits, in the order they happened.
    records: Vec<ControlRecord>,
}

/// By topic.
type Topics = BTreeMap<Rc<str>, Rc<Positions>>;
/// By queue id.
type Positions = BTreeMap<i32, Position>;

/// A group's position in one queue.
#[derive(Clone, Debug, Default)]
struct Position {
    committed: i64,
    /// An operator's reset that the next pull has to be told; commits are ignored until then.
    pending_reset: bool,
    /// `committed` changed since it was last logged.
    dirty: bool,
}

/// What a commit did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitOutcome {
    /// Stored, and different from before.
    Changed,
    /// The same as before.
    Unchanged,
    /// A reset is pending: ignored, which the client is not told.
    ResetPending,
    /// [`CONSUMER_OFFSETS_MAX`] is reached and the queue had no offset: ignored.
    Full,
}

/// Offsets by queue id of one group in one topic.
#[derive(Debug, Clone, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct StoredOffsets {
    /// The consumer group.
    pub group: String,
    /// The topic.
    pub topic: String,
    /// Queue id and offset, ascending by queue id.
    pub offsets: Vec<(i32, i64)>,
}

impl StoredOffsets {
    fn new(group: &str, topic: &str, offsets: &[(i32, i64)]) -> Self {
        Self { group: group.to_owned(), topic: topic.to_owned(), offsets: offsets.to_vec() }
    }

    /// What it adds to a record, about.
    fn stored_bytes(&self) -> usize {
        24 + self.group.len() + self.topic.len() + 16 * self.offsets.len()
    }
}

/// All that survives a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct ConsumerOffsetsSnapshot {
    /// Committed offsets, ascending by group, then topic.
    pub committed: Vec<StoredOffsets>,
    /// Those of them that are pending resets.
    pub pending_resets: Vec<StoredOffsets>,
}

encode_fields_in_turns!(ConsumerOffsetsSnapshot, ConsumerOffsetsSnapshotResolver { committed, pending_resets });

impl ConsumerOffsets {
    /// No offsets.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stores a consumer's commit. It may go backwards.
    pub fn commit(&mut self, group: &str, topic: &str, queue_id: i32, offset: i64) -> CommitOutcome {
        let Some(position) = self.position_mut(group, topic, queue_id) else {
            if self.count >= CONSUMER_OFFSETS_MAX {
                return CommitOutcome::Full;
            }
            self.insert(group, topic, queue_id, Position { committed: offset, dirty: true, ..Position::default() });
            self.mark_dirty(group, topic, queue_id);
            return CommitOutcome::Changed;
        };
        if position.pending_reset {
            return CommitOutcome::ResetPending;
        }
        if position.committed == offset {
            return CommitOutcome::Unchanged;
        }
        position.committed = offset;
        if !std::mem::replace(&mut position.dirty, true) {
            self.mark_dirty(group, topic, queue_id);
        }
        CommitOutcome::Changed
    }

    /// The committed offset.
    pub fn query(&self, group: &str, topic: &str, queue_id: i32) -> Option<i64> {
        self.position(group, topic, queue_id).map(|position| position.committed)
    }

    /// Where the group has been sent to, of a queue with an offset: as far as its last pull went on, which the caller has
    /// noted. The committed offset if there was none since the start, or an operator's reset came after it.
    pub fn query_pulled(&self, group: &str, topic: &str, queue_id: i32, pulled: Option<i64>) -> Option<i64> {
        let position = self.position(group, topic, queue_id)?;
        Some(pulled.filter(|_| !position.pending_reset).unwrap_or(position.committed))
    }

    /// All committed offsets of a group in a topic, ascending by queue id.
    pub fn committed<'a>(&'a self, group: &str, topic: &str) -> impl Iterator<Item = (i32, i64)> + use<'a> {
        let positions = self.groups.get(group).and_then(|topics| topics.get(topic));
        positions
            .into_iter()
            .flat_map(|positions| &**positions)
            .map(|(queue_id, position)| (*queue_id, position.committed))
    }

    /// The groups that have an offset anywhere, ascending.
    pub fn groups(&self) -> impl Iterator<Item = &Rc<str>> {
        self.groups.keys()
    }

    /// The groups that have an offset in the topic.
    pub fn groups_of_topic(&self, topic: &str) -> impl Iterator<Item = &str> {
        self.groups.iter().filter(move |(_, topics)| topics.contains_key(topic)).map(|(group, _)| &**group)
    }

    /// The topics in which the group has an offset.
    pub fn topics_of_group<'a>(&'a self, group: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.groups.get(group).into_iter().flat_map(|topics| topics.keys().map(|topic| &**topic))
    }

    /// An operator sets these queues' offsets: each is stored at once, and the next pull of the queue is told.
    /// Returns those that were set, which is all of them unless the table is full.
    pub fn set_reset(&mut self, group: &str, topic: &str, offsets: &[(i32, i64)]) -> Vec<(i32, i64)> {
        let offsets: Vec<_> =
            offsets.iter().copied().filter(|(queue_id, offset)| self.reset(group, topic, *queue_id, *offset)).collect();
        let parts = offsets.chunks(OFFSETS_PER_RECORD_MAX);
        self.records.extend(parts.map(|part| ControlRecord::OffsetReset(StoredOffsets::new(group, topic, part))));
        offsets
    }

    /// Whether any pull may have to be told of a reset.
    pub fn has_pending_resets(&self) -> bool {
        self.pending_resets > 0
    }

    /// The offset a pull of this queue has to be sent to, if one is pending. It is told once.
    pub fn take_reset(&mut self, group: &str, topic: &str, queue_id: i32) -> Option<i64> {
        let position = self.position_mut(group, topic, queue_id)?;
        if !std::mem::take(&mut position.pending_reset) {
            return None;
        }
        let offset = position.committed;
        self.pending_resets -= 1;
        let taken =
            StoredOffsets { group: group.to_owned(), topic: topic.to_owned(), offsets: vec![(queue_id, offset)] };
        self.records.push(ControlRecord::OffsetResetTaken(taken));
        Some(offset)
    }

    /// The destination group continues in the topic where the source group stands; what it had there is replaced.
    /// False if the source has no offset in the topic, or the table is full.
    pub fn clone_offsets(&mut self, source: &str, destination: &str, topic: &str) -> bool {
        let offsets: Vec<_> = self.committed(source, topic).collect();
        if offsets.is_empty() || self.count + offsets.len() > CONSUMER_OFFSETS_MAX {
            return false;
        }
        self.replace(&StoredOffsets::new(destination, topic, &offsets));
        for (number, part) in offsets.chunks(OFFSETS_PER_RECORD_MAX).enumerate() {
            let part = StoredOffsets::new(destination, topic, part);
            self.records.push(match number {
                0 => ControlRecord::OffsetsReplaced(part),
                _ => ControlRecord::Offsets(vec![part]),
            });
        }
        true
    }

    /// Forgets a group.
    pub fn remove_group(&mut self, group: &str) {
        if self.drop_group(group) {
            self.records.push(ControlRecord::OffsetsOfGroupRemoved(group.to_owned()));
        }
    }

    /// Forgets a topic in all groups.
    pub fn remove_topic(&mut self, topic: &str) {
        if self.drop_topic(topic) {
            self.records.push(ControlRecord::OffsetsOfTopicRemoved(topic.to_owned()));
        }
    }

    /// How many queues have an offset, over all groups.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether no group has an offset.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Committed offsets that changed since they were last taken, ascending by group, topic and queue; at most
    /// `queues_max` of them, the rest comes with the next call.
    pub fn take_dirty(&mut self, queues_max: usize) -> Vec<StoredOffsets> {
        let first = self.dirty.len().saturating_sub(queues_max);
        let mut taken = self.dirty.split_off(first);
        taken.sort_unstable();
        let mut changed: Vec<StoredOffsets> = Vec::new();
        for (group, topic, queue_id) in taken {
            let Some(position) = self.position_mut(&group, &topic, queue_id) else { continue };
            if !std::mem::take(&mut position.dirty) {
                continue;
            }
            let offset = (queue_id, position.committed);
            match changed.last_mut() {
                Some(last) if *last.group == *group && *last.topic == *topic => last.offsets.push(offset),
                _ => changed.push(StoredOffsets::new(&group, &topic, &[offset])),
            }
        }
        changed
    }

    /// Moves all changes since the last call to the end of `records`, in an order in which they rebuild this table.
    pub fn take_records(&mut self, records: &mut Vec<ControlRecord>) {
        records.append(&mut self.records);
        while !self.dirty.is_empty() {
            let mut part: Vec<StoredOffsets> = Vec::new();
            let mut part_bytes = 0;
            for changed in self.take_dirty(OFFSETS_PER_RECORD_MAX) {
                part_bytes += changed.stored_bytes();
                part.push(changed);
                if part_bytes >= OFFSETS_RECORD_BYTES_TARGET {
                    records.push(ControlRecord::Offsets(std::mem::take(&mut part)));
                    part_bytes = 0;
                }
            }
            if !part.is_empty() {
                records.push(ControlRecord::Offsets(part));
            }
        }
    }

    /// Body of request 43, for replicas of the reference. `pulled` tells where the last pull of a group, topic and queue
    /// went on to.
    pub fn table(&self, version: DataVersion, pulled: impl Fn(&str, &str, i32) -> Option<i64>) -> ConsumerOffsetTable {
        let mut table = ConsumerOffsetTable { data_version: version, ..ConsumerOffsetTable::default() };
        for (group, topics) in &self.groups {
            for (topic, positions) in &**topics {
                let key = format!("{topic}@{group}");
                let committed = positions.iter().map(|(queue_id, position)| (*queue_id, position.committed));
                let pulled =
                    positions.keys().filter_map(|queue_id| Some((*queue_id, pulled(group, topic, *queue_id)?)));
                table.offset_table.insert(key.clone(), committed.collect());
                table.pull_offset_table.insert(key, pulled.collect());
            }
            let topics = topics.keys().map(|topic| topic.to_string()).collect();
            table.group_topic_map.insert(group.to_string(), topics);
        }
        table
    }

    /// The table as it is now, for who looks at it a while: what changes here does not change there.
    pub fn freeze(&self) -> FrozenOffsets {
        FrozenOffsets::new(self.groups.clone(), self.pending_resets > 0)
    }

    /// All that survives a restart, made at once.
    pub fn snapshot(&self) -> ConsumerOffsetsSnapshot {
        self.freeze().snapshot()
    }

    /// The table as it was when the snapshot was taken. Nothing in it counts as changed.
    pub fn restore(snapshot: &ConsumerOffsetsSnapshot) -> Self {
        let mut offsets = Self::new();
        offsets.apply_offsets(&snapshot.committed);
        snapshot.pending_resets.iter().for_each(|reset| offsets.apply_reset(reset));
        offsets
    }

    /// Replays commits.
    pub(crate) fn apply_offsets(&mut self, changed: &[StoredOffsets]) {
        for changed in changed {
            for (queue_id, offset) in &changed.offsets {
                self.entry(&changed.group, &changed.topic, *queue_id).committed = *offset;
            }
        }
    }

    /// Replays a reset.
    pub(crate) fn apply_reset(&mut self, reset: &StoredOffsets) {
        for (queue_id, offset) in &reset.offsets {
            self.put_reset(&reset.group, &reset.topic, *queue_id, *offset);
        }
    }

    /// Replays that a pull was told of a reset.
    pub(crate) fn apply_reset_taken(&mut self, taken: &StoredOffsets) {
        for (queue_id, _) in &taken.offsets {
            let position = self.position_mut(&taken.group, &taken.topic, *queue_id);
            let was_pending = position.is_some_and(|position| std::mem::take(&mut position.pending_reset));
            self.pending_resets -= usize::from(was_pending);
        }
    }

    /// Replaces all offsets of one group in one topic.
    pub(crate) fn replace(&mut self, replaced: &StoredOffsets) {
        let topics = self.groups.get_mut(&*replaced.group).map(Rc::make_mut);
        if let Some(positions) = topics.and_then(|topics| topics.remove(&*replaced.topic)) {
            self.discount(&positions);
        }
        self.apply_offsets(std::slice::from_ref(replaced));
    }

    /// Forgets a group without recording it. Whether there was anything to forget.
    pub(crate) fn drop_group(&mut self, group: &str) -> bool {
        let Some(topics) = self.groups.remove(group) else { return false };
        topics.values().for_each(|positions| self.discount(positions));
        true
    }

    /// Forgets a topic without recording it. Whether there was anything to forget.
    pub(crate) fn drop_topic(&mut self, topic: &str) -> bool {
        let mut dropped = Vec::new();
        self.groups.retain(|_, topics| {
            if topics.contains_key(topic) {
                dropped.extend(Rc::make_mut(topics).remove(topic));
            }
            !topics.is_empty()
        });
        dropped.iter().for_each(|positions| self.discount(positions));
        !dropped.is_empty()
    }

    /// These are in the table no more.
    fn discount(&mut self, positions: &Positions) {
        self.count -= positions.len();
        self.pending_resets -= positions.values().filter(|position| position.pending_reset).count();
    }

    fn reset(&mut self, group: &str, topic: &str, queue_id: i32, offset: i64) -> bool {
        if self.count >= CONSUMER_OFFSETS_MAX && self.position(group, topic, queue_id).is_none() {
            return false;
        }
        self.put_reset(group, topic, queue_id, offset);
        true
    }

    /// Whatever was dirty is overwritten, and logged by the reset's own record.
    fn put_reset(&mut self, group: &str, topic: &str, queue_id: i32, offset: i64) {
        let reset = Position { committed: offset, pending_reset: true, dirty: false };
        let before = std::mem::replace(self.entry(group, topic, queue_id), reset);
        self.pending_resets += usize::from(!before.pending_reset);
    }

    fn position(&self, group: &str, topic: &str, queue_id: i32) -> Option<&Position> {
        self.groups.get(group)?.get(topic)?.get(&queue_id)
    }

    fn position_mut(&mut self, group: &str, topic: &str, queue_id: i32) -> Option<&mut Position> {
        let topics = Rc::make_mut(self.groups.get_mut(group)?);
        Rc::make_mut(topics.get_mut(topic)?).get_mut(&queue_id)
    }

    /// The queue's position, made if there is none. A new one is clean.
    fn entry(&mut self, group: &str, topic: &str, queue_id: i32) -> &mut Position {
        if self.position(group, topic, queue_id).is_none() {
            self.insert(group, topic, queue_id, Position::default());
        }
        self.position_mut(group, topic, queue_id).expect("inserted above")
    }

    /// The queue has no position yet.
    fn insert(&mut self, group: &str, topic: &str, queue_id: i32, position: Position) {
        if !self.groups.contains_key(group) {
            self.groups.insert(group.into(), Rc::default());
        }
        let topics = Rc::make_mut(self.groups.get_mut(group).expect("inserted above"));
        if !topics.contains_key(topic) {
            topics.insert(topic.into(), Rc::default());
        }
        let positions = Rc::make_mut(topics.get_mut(topic).expect("inserted above"));
        let before = positions.insert(queue_id, position);
        assert!(before.is_none(), "queue {queue_id} had no position");
        self.count += 1;
    }

    /// The queue's position just became dirty.
    fn mark_dirty(&mut self, group: &str, topic: &str, queue_id: i32) {
        let (group, topics) = self.groups.get_key_value(group).expect("a dirty position exists");
        let (topic, _) = topics.get_key_value(topic).expect("a dirty position exists");
        self.dirty.push((group.clone(), topic.clone(), queue_id));
    }
}

#[cfg(test)]
mod tests;
