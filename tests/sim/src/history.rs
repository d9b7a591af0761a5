//! What was done to a store, in the order of its log.

use std::collections::BTreeMap;

use crate::message::{Message, QueueName, TOPICS};

/// Control records begin with their number, counted over the log.
pub const CONTROL_NUMBER_BYTES: usize = 8;
/// Follows the number in a control record that deletes a topic; the topic's number is the next byte.
pub const DELETE_TOPIC: u8 = 1;

/// A message in the log.
#[derive(Clone, Debug)]
pub struct Stored {
    /// As it was sent.
    pub message: Message,
    /// Where its record begins.
    pub physical_offset: u64,
    /// Bytes of its record.
    pub bytes: u32,
    /// Its number in its queue.
    pub queue_offset: u64,
}

/// What one append brought: the messages of a batch, a control record, or both.
#[derive(Clone, Debug)]
pub struct Unit {
    /// Adjacent records of one queue.
    pub messages: Vec<Stored>,
    /// The control record.
    pub control: Option<Vec<u8>>,
    /// Its entry ends here or before; `None` until it is sealed.
    pub sealed: Option<u64>,
}

impl Unit {
    /// The topic that its control record deletes.
    pub fn deleted_topic(&self) -> Option<usize> {
        let control = self.control.as_ref()?;
        let is_delete = control.get(CONTROL_NUMBER_BYTES) == Some(&DELETE_TOPIC);
        is_delete.then(|| usize::from(control[CONTROL_NUMBER_BYTES + 1]))
    }

    /// Once the log is safe up to here, so is the unit; `None` while nobody can tell.
    pub fn safe_at(&self) -> Option<u64> {
        self.messages_end().or(self.sealed)
    }

    /// Where its last message ends.
    pub fn messages_end(&self) -> Option<u64> {
        self.messages.last().map(|stored| stored.physical_offset + u64::from(stored.bytes))
    }
}

/// Number and running hash of control records: the state a broker would keep.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct ControlState {
    /// Records applied.
    pub count: u64,
    /// Over all of them, in order.
    pub hash: u64,
}

impl ControlState {
    /// Applies the next record.
    pub fn apply(&mut self, record: &[u8]) {
        self.count += 1;
        self.hash = record
            .iter()
            .fold(self.hash.rotate_left(5), |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    }

    /// As a checkpoint keeps it.
    pub fn encode(&self) -> Vec<u8> {
        [self.count.to_be_bytes(), self.hash.to_be_bytes()].concat()
    }

    /// Reads what [`Self::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (count, hash) = bytes.split_first_chunk::<8>()?;
        Some(Self { count: u64::from_be_bytes(*count), hash: u64::from_be_bytes(hash.try_into().ok()?) })
    }
}

/// See the module's text.
#[derive(Clone, Debug, Default)]
pub struct History {
    units: Vec<Unit>,
    controls: ControlState,
    /// Messages of each queue since its topic was last deleted: unit and place in it.
    queues: BTreeMap<QueueName, Vec<(usize, usize)>>,
    /// The log below this may have been removed.
    pub removable: u64,
    next_message: u64,
}

impl History {
    /// The units, oldest first.
    pub fn units(&self) -> &[Unit] {
        &self.units
    }

    /// State after all control records.
    pub fn controls(&self) -> ControlState {
        self.controls
    }

    /// Number of messages in a queue's life.
    pub fn queue_end(&self, queue: QueueName) -> u64 {
        self.queues.get(&queue).map_or(0, |messages| messages.len() as u64)
    }

    /// Queues that have held a message since their topic was last deleted.
    pub fn queues(&self) -> impl Iterator<Item = QueueName> {
        self.queues.keys().copied()
    }

    /// A message of a queue.
    pub fn message(&self, queue: QueueName, queue_offset: u64) -> Option<&Stored> {
        let (unit, place) = self.queues.get(&queue)?.get(queue_offset as usize)?;
        self.units[*unit].messages.get(*place)
    }

    /// A number no message of this run has.
    pub fn next_message_number(&mut self) -> u64 {
        self.next_message += 1;
        self.next_message
    }

    /// The next control record with this content.
    pub fn next_control(&self, content: &[u8]) -> Vec<u8> {
        [&self.controls.count.to_be_bytes(), content].concat()
    }

    /// Adds what was appended.
    pub fn push(&mut self, unit: Unit) {
        if let Some(control) = &unit.control {
            self.controls.apply(control);
        }
        for (place, stored) in unit.messages.iter().enumerate() {
            self.queues.entry(stored.message.queue).or_default().push((self.units.len(), place));
        }
        if let Some(topic) = unit.deleted_topic() {
            self.queues.retain(|(of, _), _| *of != topic);
        }
        self.units.push(unit);
    }

    /// Every unit so far lies below `position`: the log was sealed there.
    pub fn seal(&mut self, position: u64) {
        for unit in self.units.iter_mut().rev().take_while(|unit| unit.sealed.is_none()) {
            unit.sealed = Some(position);
        }
    }

    /// Forgets everything behind the first `count` units: it did not survive.
    pub fn cut(&mut self, count: usize) {
        let units = std::mem::take(&mut self.units);
        let mut kept = Self { removable: self.removable, next_message: self.next_message, ..Self::default() };
        units.into_iter().take(count).for_each(|unit| kept.push(unit));
        *self = kept;
    }
}

/// Name of a queue's topic.
pub fn topic_name(queue: QueueName) -> &'static str {
    TOPICS[queue.0]
}
