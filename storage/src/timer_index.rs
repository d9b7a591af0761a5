//! Which timers are pending, by due time: on disk, so that many of them cost disk and not memory.
//!
//! Derived from the ConsumeQueue of the timer topic, whose units say when each of its messages is due: [`TimerIndex::feed`]
//! takes them in their order. Entries lie in *buckets*, a file each, which cover a span of due times: 65.5 s, 70 min or 3.1
//! days, the longer the farther away. What comes near is moved to shorter ones; the next [`WINDOW_ENTRIES_MAX`] are in
//! memory, in order ([`TimerIndex::advance`], a bounded step at a time). An entry stays in its file until its span is over.
//!
//! What is done is not marked here: the caller knows it from the log, and skips what it is given again. So an entry may stand
//! here twice, after a crash too, and may be one of a message that the log lost; it is never missing: [`TimerIndex::begin_save`] says
//! durably how much of the queue the files have, and the rest is fed again. If a file is damaged, all of it is made again.

mod entry;
mod save;
mod state;
#[cfg(test)]
mod tests;
mod window;

use std::collections::BTreeMap;

use crate::error::StorageError;
use crate::file::{Disk, PlainFile, read_file};

pub use entry::{TimerEntry, TimerKey, TimerPlace};
pub use save::{Save, Saved};
pub use state::Fed;

use entry::ENTRY_BYTES;
use state::{State, StoredBucket};
use window::Window;

/// Files lie here, below the shard's folder.
pub const DIRECTORY: &str = "timers";
const STATE_PATH: &str = "timers/state";
/// Timers in memory, about 48 bytes each.
pub const WINDOW_ENTRIES_MAX: usize = 1 << 17;
/// Entries that wait in memory to be written to their buckets, 32 bytes each, at most; an eighth of it is worth writing.
pub const UNWRITTEN_MAX: usize = 1 << 16;
/// Files that are written in one step: each costs some tens of microseconds at least, and timers may be due meanwhile.
const FLUSHED_BUCKETS: usize = 8;
/// Entries of one step of [`TimerIndex::advance`].
const STEP_ENTRIES: u64 = 1 << 12;
/// The window reaches at least this far ahead, or is full.
const LEAD_MS: i64 = 60_000;
/// Spans of buckets by level: 65.5 s, 70 min, 3.1 days, as powers of two in ms.
const SPAN_BITS: [u32; 3] = [16, 22, 28];
const NEAREST: u32 = 0;
const FARTHEST: u32 = SPAN_BITS.len() as u32 - 1;

/// Start and level. Of one start, longer spans come later.
type BucketKey = (i64, u32);

#[derive(Debug)]
struct Bucket {
    file: u64,
    /// Entries in the file.
    written: u64,
    unwritten: Vec<TimerEntry>,
    is_synced: bool,
}

/// Moves the entries of a bucket to those of the next shorter spans.
#[derive(Debug)]
struct Move {
    from: BucketKey,
    read: u64,
}

/// Gathers the next timers into the window.
#[derive(Debug)]
struct Pass {
    /// The bucket that is read; the next one there is, if it is gone.
    at: i64,
    read: u64,
    end_ms: i64,
}

/// See the module's text.
#[derive(Debug)]
pub struct TimerIndex<D: Disk> {
    disk: D,
    buckets: BTreeMap<BucketKey, Bucket>,
    fed: Fed,
    next_file: u64,
    unwritten: usize,
    window: Window,
    moving: Option<Move>,
    pass: Option<Pass>,
    /// Files that the state on disk may still name.
    left_files: Vec<u64>,
    /// Of messages that were stored again under a later number, and need not be kept under the old one.
    superseded_below: u64,
    is_saved: bool,
}

impl<D: Disk> TimerIndex<D> {
    /// The index on `disk`, or an empty one; why one that is there cannot be used.
    /// # Errors
    /// I/O.
    pub async fn open(disk: D) -> Result<(Self, Option<String>), StorageError> {
        Self::open_bounded(disk, WINDOW_ENTRIES_MAX).await
    }

    async fn open_bounded(disk: D, window_max: usize) -> Result<(Self, Option<String>), StorageError> {
        let stored = read_file(&disk, STATE_PATH).await.map_err(StorageError::io("read", STATE_PATH))?;
        let lengths = disk.file_lengths(DIRECTORY).await.map_err(StorageError::io("list", DIRECTORY))?;
        let lengths: BTreeMap<String, u64> = lengths.into_iter().collect();
        let (state, damage) = match stored.as_deref().map(State::decode) {
            None => (State::default(), None),
            Some(Err(what)) => (State::default(), Some(format!("{STATE_PATH}: {what}"))),
            Some(Ok(state)) => match missing(&state, &lengths) {
                None => (state, None),
                Some(what) => (State::default(), Some(what)),
            },
        };
        let mut index = Self {
            disk,
            buckets: BTreeMap::new(),
            fed: state.fed,
            next_file: state.next_file,
            unwritten: 0,
            window: Window::new(window_max),
            moving: None,
            pass: None,
            left_files: Vec::new(),
            superseded_below: 0,
            is_saved: true,
        };
        for StoredBucket { start_ms, level, file, entries } in state.buckets {
            let bucket = Bucket { file, written: entries, unwritten: Vec::new(), is_synced: true };
            index.buckets.insert((start_ms, level), bucket);
        }
        let used: Vec<u64> = index.buckets.values().map(|bucket| bucket.file).collect();
        let files = lengths.keys().filter_map(|name| name.parse().ok());
        index.left_files = files.filter(|file| !used.contains(file)).collect();
        // A name that is there is not given again before the file is gone.
        index.next_file = index.left_files.iter().chain(&used).map(|file| file + 1).fold(index.next_file, u64::max);
        Ok((index, damage))
    }

    /// Forgets everything; the whole queue, from `queue_offset` on, is to be fed again.
    /// # Errors
    /// I/O.
    pub async fn reset(&mut self, queue_offset: u64) -> Result<(), StorageError> {
        self.left_files.extend(self.buckets.values().map(|bucket| bucket.file));
        self.buckets.clear();
        self.unwritten = 0;
        self.window = Window::new(self.window.entries_max());
        (self.moving, self.pass) = (None, None);
        self.fed = Fed { queue_offset, ..Fed::default() };
        let save = self.begin_save(self.fed);
        let mut saved = save.run().await;
        let error = saved.error.take();
        self.finish_save(saved);
        error.map_or(Ok(()), Err)
    }

    /// How much of the queue it has.
    pub fn fed(&self) -> Fed {
        self.fed
    }

    /// Goes on at a later queue offset: the units between are gone.
    pub fn skip_to(&mut self, queue_offset: u64) {
        assert!(queue_offset >= self.fed.queue_offset, "feeding only goes forward");
        self.fed = Fed { queue_offset, ..Fed::default() };
        self.is_saved = false;
    }

    /// Takes in the next unit of the queue. `now_ms` decides how far away it is; a wrong one costs time, nothing else.
    /// # Panics
    /// Units are missing between, or [`Self::is_full`] was not asked.
    pub fn feed(&mut self, entry: &TimerEntry, tags_code: i64, now_ms: i64) {
        assert!(!self.is_full(), "entries are written first");
        self.pass_over(entry, tags_code);
        self.put(entry, level_of(entry.key.due_ms, now_ms));
        self.window.offer(entry);
    }

    /// The next unit of the queue is one of a timer that is done.
    /// # Panics
    /// Units are missing between.
    pub fn pass_over(&mut self, entry: &TimerEntry, tags_code: i64) {
        let queue_offset = entry.key.queue_offset();
        assert_eq!(queue_offset, self.fed.queue_offset, "units are fed in order");
        self.fed =
            Fed { queue_offset: queue_offset + 1, last_position: entry.place.position, last_tags_code: tags_code };
        self.is_saved = false;
    }

    /// Whether entries have to be written before more are fed.
    pub fn is_full(&self) -> bool {
        self.unwritten >= UNWRITTEN_MAX
    }

    /// Whether entries should be written soon.
    pub fn should_flush(&self) -> bool {
        self.unwritten >= UNWRITTEN_MAX / 8
    }

    fn put(&mut self, entry: &TimerEntry, level: u32) {
        let key = (start_of(entry.key.due_ms, level), level);
        let next_file = &mut self.next_file;
        let bucket = self.buckets.entry(key).or_insert_with(|| {
            let file = *next_file;
            *next_file += 1;
            Bucket { file, written: 0, unwritten: Vec::new(), is_synced: true }
        });
        bucket.unwritten.push(*entry);
        self.unwritten += 1;
    }

    /// Writes entries that wait in memory to the files of some buckets. False: none wait any more.
    /// # Errors
    /// I/O; what was not written stays in memory.
    pub async fn flush_some(&mut self) -> Result<bool, StorageError> {
        let waiting = self.buckets.values_mut().filter(|bucket| !bucket.unwritten.is_empty());
        for bucket in waiting.take(FLUSHED_BUCKETS) {
            let mut bytes = Vec::with_capacity(bucket.unwritten.len() * ENTRY_BYTES);
            bucket.unwritten.iter().for_each(|entry| entry.encode(&mut bytes));
            let path = path_of(bucket.file);
            let file = self.disk.open_plain(&path, true).await.map_err(StorageError::io("open", &path))?;
            let written = file.write_all_at(bucket.written * ENTRY_BYTES as u64, bytes).await;
            written.map_err(StorageError::io("write to", &path))?;
            file.close().await.map_err(StorageError::io("close", &path))?;
            bucket.is_synced = false;
            bucket.written += bucket.unwritten.len() as u64;
            self.unwritten -= bucket.unwritten.len();
            bucket.unwritten = Vec::new();
        }
        Ok(self.unwritten > 0)
    }

    /// Writes all entries that wait in memory.
    /// # Errors
    /// As [`Self::flush_some`].
    pub async fn flush(&mut self) -> Result<(), StorageError> {
        while self.flush_some().await? {}
        Ok(())
    }

    /// All that are due before `due_ms` are done.
    pub fn forget_before(&mut self, due_ms: i64) {
        self.window.forget_before(due_ms);
        let begun = self.buckets.range(..(due_ms, NEAREST)).map(|(key, _)| *key);
        let over: Vec<BucketKey> = begun.filter(|(start, level)| end_of(*start, *level) <= due_ms).collect();
        for key in over {
            let Some(bucket) = self.buckets.remove(&key) else { continue };
            self.unwritten -= bucket.unwritten.len();
            self.left_files.push(bucket.file);
            self.is_saved = false;
        }
    }

    /// Messages with lower queue offsets were stored again: entries of them are left out when their bucket is moved.
    pub fn supersede_below(&mut self, queue_offset: u64) {
        self.superseded_below = self.superseded_below.max(queue_offset);
    }

    /// The first timer that is not done, if it is known: see [`Self::advance`].
    pub fn first(&self) -> Option<TimerEntry> {
        self.window.first()
    }

    /// That one and those behind it, as far as they are known, ascending.
    pub fn upcoming(&self) -> impl Iterator<Item = TimerEntry> {
        self.window.upcoming()
    }

    /// This one is done.
    pub fn remove(&mut self, key: TimerKey) {
        self.window.remove(key);
    }

    /// Timers in memory.
    pub fn count_in_memory(&self) -> usize {
        self.window.count() + self.unwritten
    }

    /// Does a bounded part of what is needed to know the next timers. False: there is nothing to do now.
    /// # Errors
    /// I/O. [`StorageError::Malformed`]: a file is damaged, and [`Self::reset`] is needed.
    pub async fn advance(&mut self, now_ms: i64) -> Result<bool, StorageError> {
        // Moving puts entries into memory too.
        if self.unwritten + STEP_ENTRIES as usize > UNWRITTEN_MAX {
            self.flush_some().await?;
            return Ok(true);
        }
        if let Some(moving) = self.moving.take() {
            self.step_move(moving).await?;
            return Ok(true);
        }
        if let Some(pass) = self.pass.take() {
            self.step_pass(pass).await?;
            return Ok(true);
        }
        let is_near = self.window.horizon().due_ms < now_ms + LEAD_MS / 2;
        if !is_near || !(self.window.is_low() || self.window.first().is_none()) {
            return Ok(false);
        }
        let end_ms = end_of(start_of(now_ms + LEAD_MS, NEAREST), NEAREST);
        let far = self.buckets.range(..(end_ms, NEAREST)).map(|(key, _)| *key).find(|(_, level)| *level > NEAREST);
        if let Some(from) = far {
            self.moving = Some(Move { from, read: 0 });
            return Ok(true);
        }
        self.window.open_up_to(TimerKey::end_of(end_ms - 1));
        // What is known already need not be read again, nor what is done.
        let known_ms = self.window.horizon().due_ms.max(self.window.done_before_ms());
        self.pass = Some(Pass { at: start_of(known_ms, NEAREST), read: 0, end_ms });
        Ok(true)
    }

    async fn step_move(&mut self, mut moving: Move) -> Result<(), StorageError> {
        let (done_before_ms, superseded_below) = (self.window.done_before_ms(), self.superseded_below);
        let is_kept = |entry: &TimerEntry| {
            entry.key.due_ms >= done_before_ms
                && (entry.key.is_recall() || entry.key.queue_offset() >= superseded_below)
        };
        let level = moving.from.1 - 1;
        let Some(bucket) = self.buckets.get(&moving.from) else { return Ok(()) };
        if moving.read < bucket.written {
            let (file, count) = (bucket.file, STEP_ENTRIES.min(bucket.written - moving.read));
            let entries = read_entries(&self.disk, file, moving.read, count).await?;
            entries.iter().filter(|entry| is_kept(entry)).for_each(|entry| self.put(entry, level));
            moving.read += count;
            self.moving = Some(moving);
        } else if let Some(bucket) = self.buckets.remove(&moving.from) {
            self.unwritten -= bucket.unwritten.len();
            self.left_files.push(bucket.file);
            bucket.unwritten.iter().filter(|entry| is_kept(entry)).for_each(|entry| self.put(entry, level));
        }
        self.is_saved = false;
        Ok(())
    }

    async fn step_pass(&mut self, mut pass: Pass) -> Result<(), StorageError> {
        let mut next = self.buckets.range((pass.at, NEAREST)..(pass.end_ms, NEAREST));
        let Some((&(start, _), bucket)) = next.find(|((_, level), _)| *level == NEAREST) else {
            self.window.complete();
            return Ok(());
        };
        if start != pass.at {
            pass.read = 0;
        }
        pass.at = start;
        if pass.read < bucket.written {
            let (file, count) = (bucket.file, STEP_ENTRIES.min(bucket.written - pass.read));
            let entries = read_entries(&self.disk, file, pass.read, count).await?;
            let horizon = self.window.horizon();
            entries.iter().filter(|entry| entry.key > horizon).for_each(|entry| self.window.offer(entry));
            pass.read += count;
        } else {
            let horizon = self.window.horizon();
            let (window, unwritten) = (&mut self.window, &bucket.unwritten);
            unwritten.iter().filter(|entry| entry.key > horizon).for_each(|entry| window.offer(entry));
            pass = Pass { at: end_of(start, NEAREST), read: 0, ..pass };
        }
        self.pass = Some(pass);
        Ok(())
    }

    /// Whether what is on disk has everything.
    pub fn is_saved(&self) -> bool {
        self.is_saved
    }

    /// Begins to make durable what was fed and lies in files, after [`Self::flush`]. `safe` is how much of it the log cannot
    /// lose any more: a start after a crash feeds from there. One at a time.
    /// # Panics
    /// Entries wait in memory.
    pub fn begin_save(&mut self, safe: Fed) -> Save<D> {
        assert!(safe.queue_offset <= self.fed.queue_offset, "what is safe was fed");
        assert_eq!(self.unwritten, 0, "entries are written first");
        let mut unsynced = Vec::new();
        for bucket in self.buckets.values_mut().filter(|bucket| !bucket.is_synced) {
            unsynced.push(bucket.file);
            bucket.is_synced = true;
        }
        let stored = |(&(start_ms, level), bucket): (&BucketKey, &Bucket)| {
            let (file, entries) = (bucket.file, bucket.written);
            StoredBucket { start_ms, level, file, entries }
        };
        let buckets = self.buckets.iter().map(stored).collect();
        let state = State { fed: safe, next_file: self.next_file, buckets };
        self.is_saved = safe == self.fed;
        Save { disk: self.disk.clone(), state, unsynced, left_files: std::mem::take(&mut self.left_files) }
    }

    /// What [`Self::begin_save`] began has ended, well or not.
    pub fn finish_save(&mut self, saved: Saved) {
        self.left_files.extend(saved.left_files);
        if !saved.is_durable {
            self.is_saved = false;
            let unsynced = |bucket: &&mut Bucket| saved.unsynced.contains(&bucket.file);
            self.buckets.values_mut().filter(unsynced).for_each(|bucket| bucket.is_synced = false);
        }
    }
}

/// What of the files that a state names is not there.
fn missing(state: &State, lengths: &BTreeMap<String, u64>) -> Option<String> {
    state.buckets.iter().find_map(|bucket| {
        let held = lengths.get(&name_of(bucket.file)).copied().unwrap_or(0);
        let needed = bucket.entries.saturating_mul(ENTRY_BYTES as u64);
        let is_wrong = bucket.level > FARTHEST || held < needed;
        is_wrong.then(|| format!("{} holds {held} of {needed} bytes", path_of(bucket.file)))
    })
}

async fn read_entries<D: Disk>(disk: &D, file: u64, from: u64, count: u64) -> Result<Vec<TimerEntry>, StorageError> {
    let path = path_of(file);
    let opened = disk.open_plain(&path, false).await.map_err(StorageError::io("open", &path))?;
    let bytes = (count * ENTRY_BYTES as u64) as usize;
    let read = opened.read_at(from * ENTRY_BYTES as u64, bytes).await.map_err(StorageError::io("read from", &path))?;
    opened.close().await.map_err(StorageError::io("close", &path))?;
    let malformed = |what| StorageError::Malformed { path: path.clone(), what };
    if read.len() < bytes {
        return Err(malformed(format!("entry {from} and the next {count} hold {} of {bytes} bytes", read.len())));
    }
    let (entries, _) = read.as_chunks::<ENTRY_BYTES>();
    let decode = |(number, bytes): (usize, &[u8; ENTRY_BYTES])| {
        let damaged = || malformed(format!("entry {} does not match its checksum", from + number as u64));
        TimerEntry::decode(bytes).ok_or_else(damaged)
    };
    entries.iter().enumerate().map(decode).collect()
}

fn name_of(file: u64) -> String {
    format!("{file:020}")
}

fn path_of(file: u64) -> String {
    format!("{DIRECTORY}/{}", name_of(file))
}

fn start_of(due_ms: i64, level: u32) -> i64 {
    let bits = SPAN_BITS[level as usize];
    (due_ms >> bits) << bits
}

fn end_of(start_ms: i64, level: u32) -> i64 {
    start_ms + (1 << SPAN_BITS[level as usize])
}

/// Spans as long as the time until then, about, so that few files cover a year.
fn level_of(due_ms: i64, now_ms: i64) -> u32 {
    let away_ms = due_ms.saturating_sub(now_ms);
    let is_near = |level: &u32| *level == FARTHEST || away_ms < 1 << SPAN_BITS[*level as usize + 1];
    (NEAREST..=FARTHEST).find(is_near).unwrap_or(FARTHEST)
}
