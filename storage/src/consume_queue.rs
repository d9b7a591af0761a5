//! ConsumeQueues: for each MessageQueue, where in the log its n-th message lies.
//!
//! On disk, as RocketMQ has it: `consumequeue/{topic}/{queueId}/{20-digit byte offset}`, [`FILE_UNITS`] units of
//! [`UNIT_BYTES`] bytes a file: physical offset i64 | record size i32 | tags code i64, big-endian. Derived from the log:
//! new units live in memory until a checkpoint writes them out. An idle queue holds no descriptor and no memory
//! besides its [`ConsumeQueue`].

mod write_out;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;

use crate::error::StorageError;
use crate::file::{Disk, PlainFile};

pub use self::write_out::FILES_AT_ONCE;
pub(crate) use self::write_out::write_out;

/// Bytes of one unit.
pub const UNIT_BYTES: u64 = 20;
/// Units a file; 6,000,000 bytes, as RocketMQ's.
pub const FILE_UNITS: u64 = 300_000;
/// Files lie here, below the shard's folder.
pub const DIRECTORY: &str = "consumequeue";
/// Units of an active queue that stay in memory when a checkpoint has written them.
const KEEP_UNITS: usize = 2048;
/// Units of one read from a file.
const WINDOW_UNITS: u64 = 2048;
/// Windows kept a shard; more consumers of old messages than this read some units twice.
const WINDOWS_MAX: usize = 64;

/// Where one message lies.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Unit {
    /// Physical offset of the record.
    pub physical_offset: u64,
    /// Bytes of the record.
    pub bytes: u32,
    /// Hash of the tags; in a delay queue the delivery time, ms.
    pub tags_code: i64,
}

impl Unit {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.physical_offset.to_be_bytes());
        out.extend_from_slice(&self.bytes.to_be_bytes());
        out.extend_from_slice(&self.tags_code.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Self {
        let mut fixed = [0; UNIT_BYTES as usize];
        fixed.copy_from_slice(bytes);
        let (offset, rest) = fixed.split_at(8);
        let (size, tags) = rest.split_at(4);
        let read = |bytes: &[u8]| bytes.iter().fold(0u64, |value, byte| (value << 8) | u64::from(*byte));
        Self { physical_offset: read(offset), bytes: read(size) as u32, tags_code: read(tags) as i64 }
    }
}

/// Names a queue of this shard for the life of the process; never given twice.
#[derive(Copy, Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct QueueIndex(u32);

impl QueueIndex {
    /// Where tables by queue have its row: queues are numbered from 0.
    pub fn number(self) -> usize {
        self.0 as usize
    }
}

/// One MessageQueue. Queue offsets are message numbers.
#[derive(Debug, Default)]
pub struct ConsumeQueue {
    first: u64,
    end: u64,
    /// No unit points below this in the log.
    points_from: u64,
    /// Consumers see the queue end here: what lies behind may not be acknowledged yet.
    readable: u64,
    /// Units below this are in the files.
    persisted: u64,
    /// The units up to `end`.
    tail: VecDeque<Unit>,
    /// `end` when the last checkpoint was made: a queue that has not grown since is idle.
    end_at_checkpoint: u64,
}

impl ConsumeQueue {
    /// First queue offset that is still there.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Queue offset of the next message appended.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// One past the last queue offset that consumers may read.
    pub fn readable(&self) -> u64 {
        self.readable
    }

    fn tail_start(&self) -> u64 {
        self.end - self.tail.len() as u64
    }

    fn push(&mut self, unit: Unit) {
        self.tail.push_back(unit);
        self.end += 1;
    }

    fn unit(&self, at: u64) -> Option<Unit> {
        let from_tail = at.checked_sub(self.tail_start())?;
        self.tail.get(from_tail as usize).copied()
    }

    /// The units from `at` on, as far as they lie side by side in memory.
    fn units(&self, at: u64) -> &[Unit] {
        let Some(from_tail) = at.checked_sub(self.tail_start()) else { return &[] };
        let (older, newer) = self.tail.as_slices();
        let from = from_tail as usize;
        older.get(from..).filter(|units| !units.is_empty()).or_else(|| newer.get(from - older.len()..)).unwrap_or(&[])
    }
}

struct Slot {
    topic: Rc<str>,
    queue_id: u32,
    queue: ConsumeQueue,
}

struct Window {
    queue: QueueIndex,
    start: u64,
    units: Vec<Unit>,
}

/// All ConsumeQueues of a shard.
#[derive(Default)]
pub struct ConsumeQueues {
    slots: Vec<Option<Slot>>,
    by_topic: HashMap<Rc<str>, BTreeMap<u32, QueueIndex>>,
    windows: VecDeque<Window>,
    removed_folders: Vec<String>,
    times_gone_back: u64,
}

/// Units of one queue that a checkpoint writes out.
pub struct Unpersisted {
    queue: QueueIndex,
    topic: Rc<str>,
    queue_id: u32,
    start: u64,
    units: Vec<Unit>,
}

impl ConsumeQueues {
    /// The queue, if it has ever held a message.
    pub fn find(&self, topic: &str, queue_id: u32) -> Option<QueueIndex> {
        self.by_topic.get(topic)?.get(&queue_id).copied()
    }

    /// The queue, made empty if it is not there.
    pub fn find_or_add(&mut self, topic: &str, queue_id: u32) -> QueueIndex {
        if let Some(found) = self.find(topic, queue_id) {
            return found;
        }
        let index = QueueIndex(self.slots.len() as u32);
        let name = self.by_topic.get_key_value(topic).map_or_else(|| Rc::from(topic), |(name, _)| name.clone());
        self.slots.push(Some(Slot { topic: name.clone(), queue_id, queue: ConsumeQueue::default() }));
        self.by_topic.entry(name).or_default().insert(queue_id, index);
        index
    }

    /// The queue; `None` once its topic was removed.
    pub fn get(&self, queue: QueueIndex) -> Option<&ConsumeQueue> {
        self.slots.get(queue.0 as usize)?.as_ref().map(|slot| &slot.queue)
    }

    fn get_mut(&mut self, queue: QueueIndex) -> Option<&mut ConsumeQueue> {
        self.slots.get_mut(queue.0 as usize)?.as_mut().map(|slot| &mut slot.queue)
    }

    /// Whether the queue of this [`QueueIndex::number`] is there: its topic was not removed.
    pub fn is_there(&self, number: usize) -> bool {
        self.slots.get(number).is_some_and(Option::is_some)
    }

    /// Topic and queue id of a queue.
    pub fn name(&self, queue: QueueIndex) -> Option<(&Rc<str>, u32)> {
        self.slots.get(queue.0 as usize)?.as_ref().map(|slot| (&slot.topic, slot.queue_id))
    }

    /// The queues of a topic: queue id and index, ascending.
    pub fn of_topic(&self, topic: &str) -> impl Iterator<Item = (u32, QueueIndex)> {
        self.by_topic.get(topic).into_iter().flatten().map(|(id, index)| (*id, *index))
    }

    /// Topics that have a queue, in no order.
    pub fn topics(&self) -> impl Iterator<Item = &Rc<str>> {
        self.by_topic.keys()
    }

    /// Number of queues.
    pub fn count(&self) -> usize {
        self.slots.iter().flatten().count()
    }

    /// Adds the next message of a queue.
    pub fn push(&mut self, queue: QueueIndex, unit: Unit) {
        let Some(queue) = self.get_mut(queue) else { unreachable!("appends go to live queues") };
        queue.push(unit);
    }

    /// Adds a message as recovery finds it. False if it does not continue the queue.
    pub fn replay(&mut self, queue: QueueIndex, queue_offset: u64, unit: Unit) -> bool {
        let Some(queue) = self.get_mut(queue) else { return false };
        if queue.end == 0 && queue.tail.is_empty() {
            // The log begins behind the queue's first messages.
            (queue.first, queue.end, queue.persisted) = (queue_offset, queue_offset, queue_offset);
        }
        if queue.end != queue_offset {
            return false;
        }
        queue.push(unit);
        queue.readable = queue.end;
        true
    }

    /// Goes back to what a checkpoint has of the queues. Those that are there keep their index.
    pub fn go_back(&mut self, checkpoint: &[crate::checkpoint::QueueCheckpoint]) {
        for slot in self.slots.iter_mut().flatten() {
            slot.queue = ConsumeQueue::default();
        }
        self.windows.clear();
        self.removed_folders.clear();
        self.times_gone_back += 1;
        for queue in checkpoint {
            self.restore(&queue.topic, queue.queue_id, queue.first, queue.end);
        }
    }

    /// Changes when [`Self::go_back`] is called and when that is over: what somebody made of units before may be of messages
    /// that are gone.
    pub fn times_gone_back(&self) -> u64 {
        self.times_gone_back
    }

    /// What came behind the checkpoint is here again, as far as it counts.
    pub fn end_going_back(&mut self) {
        self.times_gone_back += 1;
    }

    /// A queue as a checkpoint has it.
    pub fn restore(&mut self, topic: &str, queue_id: u32, first: u64, end: u64) {
        let index = self.find_or_add(topic, queue_id);
        let Some(queue) = self.get_mut(index) else { unreachable!("just made") };
        *queue = ConsumeQueue {
            first,
            end,
            readable: end,
            persisted: end,
            end_at_checkpoint: end,
            ..ConsumeQueue::default()
        };
    }

    /// Lets consumers read up to `end` and returns where they could before; `None` for a queue that was removed.
    pub fn set_readable(&mut self, queue: QueueIndex, end: u64) -> Option<u64> {
        let queue = self.get_mut(queue)?;
        assert!(end <= queue.end && end >= queue.readable, "reading only moves forward");
        Some(std::mem::replace(&mut queue.readable, end))
    }

    /// The unit at `at` if it is in memory.
    pub fn unit(&self, index: QueueIndex, at: u64) -> Option<Unit> {
        match self.get(index)?.unit(at) {
            Some(unit) => Some(unit),
            None => self.units_of_windows(index, at).first().copied(),
        }
    }

    /// The units from `at` on that are in memory side by side: at least one, if that at `at` is.
    pub fn units(&self, index: QueueIndex, at: u64) -> &[Unit] {
        match self.get(index).map(|queue| queue.units(at)) {
            None => &[],
            Some([]) => self.units_of_windows(index, at),
            Some(units) => units,
        }
    }

    fn units_of_windows(&self, index: QueueIndex, at: u64) -> &[Unit] {
        let held = |window: &&Window| {
            window.queue == index && window.start <= at && at < window.start + window.units.len() as u64
        };
        // The newest windows are at the back, where a consumer that works through a queue finds its own.
        let window = self.windows.iter().rev().find(held);
        window.map_or(&[], |window| &window.units[(at - window.start) as usize..])
    }

    /// Forgets the queues of a topic. Their files go with the next checkpoint: until then a crash may bring the topic
    /// back, and nothing may be removed under a checkpoint that is being made.
    pub fn remove_topic(&mut self, topic: &str) {
        let Some(queues) = self.by_topic.remove(topic) else { return };
        for index in queues.into_values() {
            self.slots[index.0 as usize] = None;
            self.windows.retain(|window| window.queue != index);
        }
        self.removed_folders.push(format!("{DIRECTORY}/{topic}"));
    }

    /// Folders of topics that were removed and have files left, oldest first.
    pub fn removed_folders(&self) -> Vec<String> {
        self.removed_folders.clone()
    }

    /// The first `count` of those folders are gone, durably.
    pub fn forget_removed_folders(&mut self, count: usize) {
        self.removed_folders.drain(..count);
    }

    /// Moves `first` of every queue past units that point below `log_first`, as far as memory knows them.
    /// Returns queues whose first unit has to be looked up in the files.
    pub fn drop_below(&mut self, log_first: u64) -> Vec<QueueIndex> {
        let mut unknown = Vec::new();
        for (at, slot) in self.slots.iter_mut().enumerate() {
            let Some(Slot { queue, .. }) = slot else { continue };
            while queue.points_from < log_first && queue.first < queue.end {
                match queue.unit(queue.first) {
                    Some(unit) if unit.physical_offset < log_first => queue.first += 1,
                    Some(unit) => queue.points_from = unit.physical_offset,
                    None => {
                        unknown.push(QueueIndex(at as u32));
                        break;
                    }
                }
            }
        }
        unknown
    }

    /// Sets the first queue offset that is still there, found in the files, and where in the log it points.
    pub fn set_first(&mut self, queue: QueueIndex, first: u64, points_from: u64) {
        if let Some(queue) = self.get_mut(queue) {
            assert!(first >= queue.first && first <= queue.end);
            (queue.first, queue.points_from) = (first, points_from);
        }
    }

    /// A rebuild found units from `found` on, or none: then the log holds none of those that had been in the files.
    pub fn set_first_found(&mut self, queue: QueueIndex, found: Option<u64>) {
        if let Some(queue) = self.get_mut(queue) {
            queue.first = queue.first.max(found.unwrap_or(queue.persisted));
        }
    }

    /// What a checkpoint made now has to write, and the table it records.
    pub fn begin_checkpoint(&mut self) -> (Vec<Unpersisted>, Vec<crate::checkpoint::QueueCheckpoint>) {
        let mut unpersisted = Vec::new();
        let mut table = Vec::with_capacity(self.slots.len());
        for (at, slot) in self.slots.iter_mut().enumerate() {
            let Some(Slot { topic, queue_id, queue }) = slot else { continue };
            if queue.persisted < queue.end {
                let skip = (queue.persisted - queue.tail_start()) as usize;
                let units = queue.tail.iter().skip(skip).copied().collect();
                let queue_index = QueueIndex(at as u32);
                let (topic, queue_id, start) = (topic.clone(), *queue_id, queue.persisted);
                unpersisted.push(Unpersisted { queue: queue_index, topic, queue_id, start, units });
            }
            let (first, end) = (queue.first, queue.end);
            table.push(crate::checkpoint::QueueCheckpoint {
                topic: topic.to_string(),
                queue_id: *queue_id,
                first,
                end,
            });
        }
        (unpersisted, table)
    }

    /// The units of `written` are in the files now. Memory of queues that stay idle is given back.
    pub fn finish_checkpoint(&mut self, written: &[Unpersisted]) {
        for written in written {
            if let Some(queue) = self.get_mut(written.queue) {
                queue.persisted = queue.persisted.max(written.start + written.units.len() as u64);
            }
        }
        for Slot { queue, .. } in self.slots.iter_mut().flatten() {
            let idle = queue.end == queue.end_at_checkpoint;
            let keep = if idle { 0 } else { KEEP_UNITS };
            let unpersisted = (queue.end - queue.persisted) as usize;
            let excess = queue.tail.len().saturating_sub(keep.max(unpersisted));
            if excess > 0 {
                queue.tail.drain(..excess);
                // A busy queue fills the same memory again until the next checkpoint.
                if idle {
                    queue.tail.shrink_to(2 * queue.tail.len());
                }
            }
            queue.end_at_checkpoint = queue.end;
        }
    }

    /// Where in the files the unit at `at` lies: path, byte in the file, and how many units to read there.
    pub fn locate(&self, queue: QueueIndex, at: u64) -> Option<Located> {
        let slot = self.slots.get(queue.0 as usize)?.as_ref()?;
        let (file, within) = (at / FILE_UNITS, at % FILE_UNITS);
        let path = file_path(&format!("{DIRECTORY}/{}/{}", slot.topic, slot.queue_id), file);
        let units = WINDOW_UNITS.min(FILE_UNITS - within).min(slot.queue.persisted.saturating_sub(at));
        (units > 0).then_some(Located { path, byte: within * UNIT_BYTES, units })
    }

    /// Keeps what was read from a file for the reads that follow.
    pub fn keep_window(&mut self, queue: QueueIndex, start: u64, units: Vec<Unit>) {
        if self.windows.len() == WINDOWS_MAX {
            self.windows.pop_front();
        }
        self.windows.push_back(Window { queue, start, units });
    }

    /// Queues whose files do not hold all that a checkpoint says they do, given the files there are.
    pub fn damaged(&self, lengths: &HashMap<String, u64>) -> Vec<QueueIndex> {
        let whole = |slot: &Slot| {
            let queue = &slot.queue;
            if queue.first == queue.persisted {
                return true;
            }
            let files = queue.first / FILE_UNITS..=(queue.persisted - 1) / FILE_UNITS;
            files.into_iter().all(|file| {
                let needed = (queue.persisted - file * FILE_UNITS).min(FILE_UNITS) * UNIT_BYTES;
                let name = file_path(&format!("{}/{}", slot.topic, slot.queue_id), file);
                lengths.get(&name).is_some_and(|length| *length >= needed)
            })
        };
        let damaged = self.slots.iter().enumerate().filter(|(_, slot)| slot.as_ref().is_some_and(|slot| !whole(slot)));
        damaged.map(|(at, _)| QueueIndex(at as u32)).collect()
    }

    /// A piece of a queue to be written again from the log.
    pub fn rebuilt(&self, queue: QueueIndex, start: u64, units: Vec<Unit>) -> Option<Unpersisted> {
        let (topic, queue_id) = self.name(queue)?;
        Some(Unpersisted { queue, topic: topic.clone(), queue_id, start, units })
    }
}

/// A place in a ConsumeQueue file.
pub struct Located {
    path: String,
    byte: u64,
    units: u64,
}

impl Located {
    /// Reads the units there.
    /// # Errors
    /// I/O, or a file that is too short.
    pub async fn read<D: Disk>(&self, disk: &D) -> Result<Vec<Unit>, StorageError> {
        let path = &self.path;
        let file = disk.open_plain(path, false).await.map_err(StorageError::io("open", path))?;
        let bytes = (self.units * UNIT_BYTES) as usize;
        let read = file.read_at(self.byte, bytes).await.map_err(StorageError::io("read from", path))?;
        file.close().await.map_err(StorageError::io("close", path))?;
        if read.len() < bytes {
            let what = format!(
                "it holds {} of {bytes} bytes at byte {}. Restart: it is then rebuilt from the log",
                read.len(),
                self.byte
            );
            return Err(StorageError::Malformed { path: path.clone(), what });
        }
        Ok(read.chunks_exact(UNIT_BYTES as usize).map(Unit::decode).collect())
    }
}

fn file_path(folder: &str, file: u64) -> String {
    format!("{folder}/{:020}", file * FILE_UNITS * UNIT_BYTES)
}

#[cfg(test)]
mod tests;
