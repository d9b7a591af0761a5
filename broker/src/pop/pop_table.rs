//! Which messages of one shard are invisible to a group because they were popped, and until when. No clock and no I/O here.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::{HandleUse, OrderedPop, PopTableSnapshot, StoredOrderedPop, StoredPop, StoredPopEnds};
use crate::control_record::{CONTROL_RECORD_BYTES_MAX, ControlRecord};

/// Messages that one shard keeps invisible; while there are so many, a pop is answered 209, POLLING_FULL. A row takes less than
/// 160 bytes of memory with its place in the order of due times, and 8 to 40 in a checkpoint: at most 40 MiB.
pub const INVISIBLE_MAX: usize = 262_144;

/// Queue offsets in one record: 8 bytes each.
const OFFSETS_PER_RECORD_MAX: usize = 1_024;
/// A record is ended when its names and offsets take this much.
const RECORD_BYTES_TARGET: usize = 16 << 10;

// What is beyond the target is one more queue's worth at most, with the longest names there are.
const _: () = assert!(RECORD_BYTES_TARGET + 8 * OFFSETS_PER_RECORD_MAX + 4_096 < CONTROL_RECORD_BYTES_MAX);

/// A queue and a group that pops it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PopKey<'a> {
    /// The group.
    pub group: &'a str,
    /// The topic that messages lie in, which may be a retry topic.
    pub topic: &'a str,
    /// The queue.
    pub queue_id: i32,
}

/// One invisible message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Invisible {
    /// When it was popped, or its time changed last, ms since 1970. What tells handles apart.
    pub pop_ms: i64,
    /// When it is visible again, ms since 1970.
    pub due_ms: i64,
    /// Being visible again does not count as consumed in vain.
    pub is_suspended: bool,
}

/// A message whose time is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueMessage {
    /// The group.
    pub group: Rc<str>,
    /// The topic that it lies in.
    pub topic: Rc<str>,
    /// Its queue.
    pub queue_id: i32,
    /// Its queue offset.
    pub offset: u64,
    /// As popped.
    pub row: Invisible,
}

impl DueMessage {
    /// Where it lies, and for whom.
    pub fn key(&self) -> PopKey<'_> {
        PopKey { group: &self.group, topic: &self.topic, queue_id: self.queue_id }
    }
}

/// Number of a [`PopQueue`], used once.
type Slot = u64;

/// By group, topic and queue id.
type Slots = BTreeMap<Rc<str>, BTreeMap<Rc<str>, BTreeMap<i32, Slot>>>;

/// What is popped of one queue by one group.
#[derive(Debug)]
struct PopQueue {
    group: Rc<str>,
    topic: Rc<str>,
    queue_id: i32,
    rows: BTreeMap<u64, Invisible>,
    ordered: Option<OrderedPop>,
    /// When the ordered pop gives way, as it stands in `ordered_due`.
    ordered_due_ms: Option<i64>,
}

/// The rows of one shard. Changes are marked and gather until [`PopTable::take_records`], which writes down how what is marked
/// stands by then.
#[derive(Debug, Default)]
pub struct PopTable {
    slots: Slots,
    queues: BTreeMap<Slot, PopQueue>,
    next_slot: Slot,
    /// All rows, the first one to be visible first.
    due: BTreeSet<(i64, Slot, u64)>,
    /// Ordered pops by when they give way; each is told once.
    ordered_due: BTreeSet<(i64, Slot)>,
    /// Rows that changed; some more than once.
    dirty: Vec<(Slot, u64)>,
    /// Queues whose ordered pop changed.
    dirty_ordered: BTreeSet<Slot>,
    /// Removals, which come before what is marked.
    records: Vec<ControlRecord>,
}

impl PopTable {
    /// Nothing is invisible.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many messages may be popped now.
    pub fn room(&self) -> usize {
        INVISIBLE_MAX.saturating_sub(self.due.len())
    }

    /// How many are invisible.
    pub fn len(&self) -> usize {
        self.due.len()
    }

    /// Whether none is, and nothing is held in order.
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// How many are invisible of one queue to one group.
    pub fn len_of(&self, key: PopKey<'_>) -> usize {
        self.queue(key).map_or(0, |queue| queue.rows.len())
    }

    /// The row of a message.
    pub fn get(&self, key: PopKey<'_>, offset: u64) -> Option<Invisible> {
        self.queue(key)?.rows.get(&offset).copied()
    }

    /// A message is popped, or its time is changed.
    pub fn put(&mut self, key: PopKey<'_>, offset: u64, row: Invisible) {
        let slot = self.slot_or_new(key);
        self.insert(slot, offset, row);
        self.dirty.push((slot, offset));
    }

    /// A handle says that a message is done.
    pub fn ack(&mut self, key: PopKey<'_>, offset: u64, pop_ms: i64) -> HandleUse {
        match self.get(key, offset) {
            None => HandleUse::Gone,
            Some(row) if row.pop_ms != pop_ms => HandleUse::Replaced,
            Some(_) => {
                self.end(key, offset);
                HandleUse::Done
            }
        }
    }

    /// Queue offsets within a range that one pop gave out.
    pub fn popped_at(&self, key: PopKey<'_>, offsets: std::ops::Range<u64>, pop_ms: i64) -> Vec<u64> {
        let rows = self.queue(key).into_iter().flat_map(|queue| queue.rows.range(offsets.clone()));
        rows.filter(|(_, row)| row.pop_ms == pop_ms).map(|(offset, _)| *offset).collect()
    }

    /// A message is invisible no more. Nothing happens where it is not.
    pub fn end(&mut self, key: PopKey<'_>, offset: u64) {
        let Some(slot) = self.slot(key) else { return };
        if self.remove(slot, offset) {
            self.dirty.push((slot, offset));
        }
    }

    /// As [`PopTable::end`], where the record that says so is in the log already.
    pub fn end_recorded(&mut self, key: PopKey<'_>, offset: u64) {
        let Some(slot) = self.slot(key) else { return };
        self.remove(slot, offset);
        if !self.is_dirty() {
            self.drop_if_empty(slot);
        }
    }

    /// Messages that are visible again at `now_ms`, the first ones first.
    pub fn due(&self, now_ms: i64, messages_max: usize) -> Vec<DueMessage> {
        let due = self.due.iter().take_while(|(due_ms, ..)| *due_ms <= now_ms).take(messages_max);
        let message = |(_, slot, offset): &(i64, Slot, u64)| {
            let queue = self.queues.get(slot)?;
            let (group, topic) = (queue.group.clone(), queue.topic.clone());
            Some(DueMessage { group, topic, queue_id: queue.queue_id, offset: *offset, row: *queue.rows.get(offset)? })
        };
        due.filter_map(message).collect()
    }

    /// When the first message is visible again, ms since 1970.
    pub fn first_due_ms(&self) -> Option<i64> {
        self.due.first().map(|(due_ms, ..)| *due_ms)
    }

    /// Whether a message is visible again at `now_ms`.
    pub fn is_due(&self, now_ms: i64) -> bool {
        self.first_due_ms().is_some_and(|due_ms| due_ms <= now_ms)
    }

    /// The ordered pop of a queue.
    pub fn ordered(&self, key: PopKey<'_>) -> Option<&OrderedPop> {
        self.queue(key)?.ordered.as_ref()
    }

    /// Replaces it.
    pub fn put_ordered(&mut self, key: PopKey<'_>, state: OrderedPop) {
        let slot = self.slot_or_new(key);
        self.set_ordered(slot, Some(state));
        self.dirty_ordered.insert(slot);
    }

    /// Ends it: its position was set by somebody else.
    pub fn end_ordered(&mut self, key: PopKey<'_>) {
        if let Some(slot) = self.slot(key).filter(|_| self.ordered(key).is_some()) {
            self.set_ordered(slot, None);
            self.dirty_ordered.insert(slot);
        }
    }

    /// A handle changes the ordered pop of a queue. Returns what it did, and the position of the group then; `None` where there is no
    /// ordered pop. When all is acknowledged there is none any more.
    pub fn use_ordered(
        &mut self,
        key: PopKey<'_>,
        change: impl FnOnce(&mut OrderedPop) -> HandleUse,
    ) -> Option<(HandleUse, u64)> {
        let slot = self.slot(key)?;
        let mut state = self.queues.get_mut(&slot)?.ordered.take()?;
        let used = change(&mut state);
        let position = state.position();
        let is_done = state.is_done();
        self.set_ordered(slot, (!is_done).then_some(state));
        if used == HandleUse::Done {
            self.dirty_ordered.insert(slot);
        }
        Some((used, position))
    }

    /// Topic and queue of ordered pops that gave way up to `now_ms`, each once.
    pub fn take_released(&mut self, now_ms: i64) -> Vec<(Rc<str>, i32)> {
        let mut released = Vec::new();
        while let Some(&(due_ms, slot)) = self.ordered_due.first().filter(|(due_ms, _)| *due_ms <= now_ms) {
            self.ordered_due.remove(&(due_ms, slot));
            if let Some(queue) = self.queues.get_mut(&slot) {
                queue.ordered_due_ms = None;
                released.push((queue.topic.clone(), queue.queue_id));
            }
        }
        released
    }

    /// Forgets a topic.
    pub fn remove_topic(&mut self, topic: &str) {
        if self.drop_topic(topic) {
            self.records.push(ControlRecord::PopsOfTopicRemoved(topic.to_owned()));
        }
    }

    /// Forgets a group.
    pub fn remove_group(&mut self, group: &str) {
        if self.drop_group(group) {
            self.records.push(ControlRecord::PopsOfGroupRemoved(group.to_owned()));
        }
    }

    /// Whether [`PopTable::take_records`] has anything to write.
    pub fn is_dirty(&self) -> bool {
        !(self.dirty.is_empty() && self.dirty_ordered.is_empty() && self.records.is_empty())
    }

    /// About how many changes wait to be written.
    pub fn dirty_count(&self) -> usize {
        self.dirty.len() + self.dirty_ordered.len() + self.records.len()
    }

    /// Moves all changes since the last call to the end of `records`.
    pub fn take_records(&mut self, records: &mut Vec<ControlRecord>) {
        records.append(&mut self.records);
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.sort_unstable();
        dirty.dedup();
        self.append_taken(&dirty, records);
        self.append_ends(&dirty, records);
        let ordered = std::mem::take(&mut self.dirty_ordered);
        self.append_ordered(&ordered, records);
        let seen = dirty.iter().map(|(slot, _)| *slot).chain(ordered);
        for slot in seen {
            self.drop_if_empty(slot);
        }
        dirty.clear();
        self.dirty = dirty;
    }

    fn append_taken(&self, dirty: &[(Slot, u64)], records: &mut Vec<ControlRecord>) {
        let mut part: Parts<StoredPop> = Parts::default();
        let mut last_slot = None;
        for (slot, offset) in dirty {
            let Some(queue) = self.queues.get(slot) else { continue };
            let Some(row) = queue.rows.get(offset) else { continue };
            if last_slot.replace(*slot) == Some(*slot)
                && let Some(last) = part.stored.last_mut()
                && last.row() == *row
                && last.offsets.len() < OFFSETS_PER_RECORD_MAX
            {
                last.offsets.push(*offset);
                part.bytes += 8;
            } else {
                let bytes = queue.name_bytes() + 40;
                part.push(queue.stored(*row, *offset), bytes, records, ControlRecord::PopsTaken);
            }
        }
        part.finish(records, ControlRecord::PopsTaken);
    }

    fn append_ends(&self, dirty: &[(Slot, u64)], records: &mut Vec<ControlRecord>) {
        let mut part: Parts<StoredPopEnds> = Parts::default();
        let mut last_slot = None;
        for (slot, offset) in dirty {
            // What was forgotten with its topic or group is in a record of its own.
            let Some(queue) = self.queues.get(slot) else { continue };
            if queue.rows.contains_key(offset) {
                continue;
            }
            if last_slot.replace(*slot) == Some(*slot)
                && let Some(last) = part.stored.last_mut()
                && last.offsets.len() < OFFSETS_PER_RECORD_MAX
            {
                last.offsets.push(*offset);
                part.bytes += 8;
            } else {
                let bytes = queue.name_bytes() + 24;
                part.push(queue.stored_end(*offset), bytes, records, ControlRecord::PopsEnded);
            }
        }
        part.finish(records, ControlRecord::PopsEnded);
    }

    fn append_ordered(&self, ordered: &BTreeSet<Slot>, records: &mut Vec<ControlRecord>) {
        let mut part: Parts<StoredOrderedPop> = Parts::default();
        for queue in ordered.iter().filter_map(|slot| self.queues.get(slot)) {
            let messages = queue.ordered.as_ref().map_or(0, |state| state.messages.len());
            let bytes = queue.name_bytes() + 200 + 24 * messages;
            part.push(queue.stored_ordered(), bytes, records, ControlRecord::OrderedPops);
        }
        part.finish(records, ControlRecord::OrderedPops);
    }

    /// Replays [`ControlRecord::PopsTaken`].
    pub fn apply_taken(&mut self, taken: &[StoredPop]) {
        for stored in taken {
            let key = PopKey { group: &stored.group, topic: &stored.topic, queue_id: stored.queue_id };
            let slot = self.slot_or_new(key);
            for offset in &stored.offsets {
                self.insert(slot, *offset, stored.row());
            }
        }
    }

    /// Replays [`ControlRecord::PopsEnded`].
    pub fn apply_ended(&mut self, ended: &[StoredPopEnds]) {
        for stored in ended {
            let key = PopKey { group: &stored.group, topic: &stored.topic, queue_id: stored.queue_id };
            let Some(slot) = self.slot(key) else { continue };
            for offset in &stored.offsets {
                self.remove(slot, *offset);
            }
            self.drop_if_empty(slot);
        }
    }

    /// Replays [`ControlRecord::OrderedPops`].
    pub fn apply_ordered(&mut self, ordered: &[StoredOrderedPop]) {
        for stored in ordered {
            let key = PopKey { group: &stored.group, topic: &stored.topic, queue_id: stored.queue_id };
            let slot = self.slot_or_new(key);
            self.set_ordered(slot, stored.state.clone());
            self.drop_if_empty(slot);
        }
    }

    /// Replays [`ControlRecord::PopsOfTopicRemoved`]; false where there was nothing.
    pub fn drop_topic(&mut self, topic: &str) -> bool {
        let slots: Vec<Slot> = self
            .slots
            .values()
            .filter_map(|topics| topics.get(topic))
            .flat_map(|queues| queues.values().copied())
            .collect();
        self.drop_slots(&slots)
    }

    /// Replays [`ControlRecord::PopsOfGroupRemoved`]; false where there was nothing.
    pub fn drop_group(&mut self, group: &str) -> bool {
        let topics = self.slots.get(group).into_iter().flat_map(|topics| topics.values());
        let slots: Vec<Slot> = topics.flat_map(|queues| queues.values().copied()).collect();
        self.drop_slots(&slots)
    }

    /// All that survives a restart.
    pub fn snapshot(&self) -> PopTableSnapshot {
        let mut snapshot = PopTableSnapshot::default();
        let slots = self.slots.values().flat_map(BTreeMap::values).flat_map(BTreeMap::values);
        for queue in slots.filter_map(|slot| self.queues.get(slot)) {
            let mut rows: Vec<(Invisible, u64)> = queue.rows.iter().map(|(offset, row)| (*row, *offset)).collect();
            rows.sort_unstable();
            let mut last_row = None;
            for (row, offset) in rows {
                match snapshot.invisible.last_mut() {
                    Some(last) if last_row == Some(row) => last.offsets.push(offset),
                    _ => snapshot.invisible.push(queue.stored(row, offset)),
                }
                last_row = Some(row);
            }
            if queue.ordered.is_some() {
                snapshot.ordered.push(queue.stored_ordered());
            }
        }
        snapshot
    }

    /// As it was when the snapshot was taken. Nothing counts as changed.
    pub fn restore(snapshot: &PopTableSnapshot) -> Self {
        let mut table = Self::default();
        table.apply_taken(&snapshot.invisible);
        table.apply_ordered(&snapshot.ordered);
        table
    }

    fn slot(&self, key: PopKey<'_>) -> Option<Slot> {
        self.slots.get(key.group)?.get(key.topic)?.get(&key.queue_id).copied()
    }

    fn queue(&self, key: PopKey<'_>) -> Option<&PopQueue> {
        self.queues.get(&self.slot(key)?)
    }

    fn slot_or_new(&mut self, key: PopKey<'_>) -> Slot {
        if let Some(slot) = self.slot(key) {
            return slot;
        }
        let slot = self.next_slot;
        self.next_slot += 1;
        let (group, topic): (Rc<str>, Rc<str>) = (key.group.into(), key.topic.into());
        let topics = self.slots.entry(group.clone()).or_default();
        topics.entry(topic.clone()).or_default().insert(key.queue_id, slot);
        let queue_id = key.queue_id;
        let (rows, ordered) = (BTreeMap::new(), None);
        self.queues.insert(slot, PopQueue { group, topic, queue_id, rows, ordered, ordered_due_ms: None });
        slot
    }

    fn insert(&mut self, slot: Slot, offset: u64, row: Invisible) {
        let Some(queue) = self.queues.get_mut(&slot) else { return };
        if let Some(before) = queue.rows.insert(offset, row) {
            self.due.remove(&(before.due_ms, slot, offset));
        }
        self.due.insert((row.due_ms, slot, offset));
    }

    fn remove(&mut self, slot: Slot, offset: u64) -> bool {
        let row = self.queues.get_mut(&slot).and_then(|queue| queue.rows.remove(&offset));
        row.is_some_and(|row| self.due.remove(&(row.due_ms, slot, offset)))
    }

    fn set_ordered(&mut self, slot: Slot, state: Option<OrderedPop>) {
        let Some(queue) = self.queues.get_mut(&slot) else { return };
        if let Some(due_ms) = queue.ordered_due_ms.take() {
            self.ordered_due.remove(&(due_ms, slot));
        }
        if let Some(state) = &state {
            queue.ordered_due_ms = Some(state.free_ms());
            self.ordered_due.insert((state.free_ms(), slot));
        }
        queue.ordered = state;
    }

    fn drop_if_empty(&mut self, slot: Slot) {
        let is_empty = |queue: &PopQueue| queue.rows.is_empty() && queue.ordered.is_none();
        if self.queues.get(&slot).is_some_and(is_empty) {
            self.drop_slots(&[slot]);
        }
    }

    fn drop_slots(&mut self, slots: &[Slot]) -> bool {
        for slot in slots {
            self.set_ordered(*slot, None);
            let Some(queue) = self.queues.remove(slot) else { continue };
            for (offset, row) in &queue.rows {
                self.due.remove(&(row.due_ms, *slot, *offset));
            }
            let Some(topics) = self.slots.get_mut(&queue.group) else { continue };
            if let Some(queues) = topics.get_mut(&queue.topic) {
                queues.remove(&queue.queue_id);
                if queues.is_empty() {
                    topics.remove(&queue.topic);
                }
            }
            if topics.is_empty() {
                self.slots.remove(&queue.group);
            }
        }
        !slots.is_empty()
    }
}

impl PopQueue {
    fn name_bytes(&self) -> usize {
        24 + self.group.len() + self.topic.len()
    }

    fn stored(&self, row: Invisible, offset: u64) -> StoredPop {
        StoredPop {
            group: self.group.to_string(),
            topic: self.topic.to_string(),
            queue_id: self.queue_id,
            pop_ms: row.pop_ms,
            due_ms: row.due_ms,
            is_suspended: row.is_suspended,
            offsets: vec![offset],
        }
    }

    fn stored_end(&self, offset: u64) -> StoredPopEnds {
        let (group, topic) = (self.group.to_string(), self.topic.to_string());
        StoredPopEnds { group, topic, queue_id: self.queue_id, offsets: vec![offset] }
    }

    fn stored_ordered(&self) -> StoredOrderedPop {
        let (group, topic) = (self.group.to_string(), self.topic.to_string());
        StoredOrderedPop { group, topic, queue_id: self.queue_id, state: self.ordered.clone() }
    }
}

impl StoredPop {
    fn row(&self) -> Invisible {
        Invisible { pop_ms: self.pop_ms, due_ms: self.due_ms, is_suspended: self.is_suspended }
    }
}

/// What becomes one record.
#[derive(Debug)]
struct Parts<T> {
    stored: Vec<T>,
    bytes: usize,
}

impl<T> Default for Parts<T> {
    fn default() -> Self {
        Self { stored: Vec::new(), bytes: 0 }
    }
}

impl<T> Parts<T> {
    fn push(&mut self, stored: T, bytes: usize, records: &mut Vec<ControlRecord>, record: fn(Vec<T>) -> ControlRecord) {
        if self.bytes >= RECORD_BYTES_TARGET {
            records.push(record(std::mem::take(&mut self.stored)));
            self.bytes = 0;
        }
        self.stored.push(stored);
        self.bytes += bytes;
    }

    fn finish(self, records: &mut Vec<ControlRecord>, record: fn(Vec<T>) -> ControlRecord) {
        if !self.stored.is_empty() {
            records.push(record(self.stored));
        }
    }
}

#[cfg(test)]
mod tests;
