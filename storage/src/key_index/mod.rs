//! The key index: which records of the log have a key. Derived data, one file a log segment, made behind the appends from what
//! the log holds, gone with its segment, and made again where it is missing or wrong.
//!
//! A file is a sequence of runs (see `run`), each of which speaks of one stretch of its segment. The newest run is in memory
//! only; after a start it is collected again. Nothing is synced: a run whose checksums do not match, or whose last entry the
//! log does not have, is none.
//!
//! What it costs: 8 bytes of disk a key (a message has its unique key, its keys, its tag), and in memory the newest run of
//! at most [`RUN_KEYS_MAX`](run) keys or 64 MiB of log, a second such while older segments are made up for, and 64 bytes for each
//! 64 MiB of log.

mod record_keys;
mod run;
#[cfg(test)]
mod tests;
mod walk;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

pub use self::record_keys::{KEYS_PER_MESSAGE_MAX, KeyHash, KeyKind, has_key};
use self::run::{HEAD_BYTES, LastEntry, RUN_KEYS_MAX, RunHead};
use self::walk::{Stop, Walk};
use crate::commit_log::entry::HEADER_BYTES;
use crate::commit_log::{CommitLog, OwnWindow, segment_first};
use crate::error::StorageError;
use crate::file::{Disk, PlainFile};

/// Index files lie here, below the shard's folder, named as the segments.
pub const DIRECTORY: &str = "index";
/// Records that one turn collects: some tens of microseconds.
const RECORDS_A_TURN: usize = 256;

/// The keys of one log. See the module's text.
pub struct KeyIndex {
    state: RefCell<State>,
    /// Where the log ended when it was opened: what a file says of more is of another time.
    opened_end: Cell<u64>,
    run_keys_max: usize,
}

struct State {
    /// By first byte, as far as they are in files.
    segments: BTreeMap<u64, SegmentIndex>,
    /// Segments whose files are still to be looked at.
    unread: Option<BTreeSet<u64>>,
    /// The one task's two places in the log: near its end, and in older segments that lack something.
    tail: Option<Walk>,
    older: Option<Walk>,
    /// Segments in which something cannot be read: what comes behind it is not found by key.
    given_up: BTreeSet<u64>,
}

#[derive(Default)]
struct SegmentIndex {
    runs: Vec<WrittenRun>,
    /// Bytes of the file that are runs.
    bytes: u64,
}

impl SegmentIndex {
    /// Up to where the segment's keys are in the file.
    fn to(&self, base: u64) -> u64 {
        self.runs.last().map_or(base, |run| run.to)
    }

    fn pop(&mut self) {
        if let Some(run) = self.runs.pop() {
            self.bytes = run.at;
        }
    }
}

#[derive(Copy, Clone, Debug)]
struct WrittenRun {
    /// Where it begins in the file.
    at: u64,
    from: u64,
    to: u64,
    last: LastEntry,
}

/// What a look into one run brought.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Found {
    /// Physical offsets of records that may have the key, newest first; older ones lie below `below`.
    Candidates {
        /// Where they are.
        positions: Vec<u64>,
        /// What to ask with next.
        below: u64,
    },
    /// The run there turned out to be damaged: the segment's index is made again.
    Damaged,
    /// There is none below.
    Nothing,
}

impl Found {
    /// Of a run that began before `below`: where files were made again meanwhile, it may hold what was told already.
    fn candidates(mut positions: Vec<u64>, from: u64, below: u64) -> Self {
        positions.retain(|position| *position < below);
        Self::Candidates { positions, below: from }
    }
}

/// Which of the two walks.
#[derive(Copy, Clone, Eq, PartialEq)]
enum Place {
    Tail,
    Older,
}

impl KeyIndex {
    /// The index of a log that ended at `opened_end` when it was opened.
    pub fn new(opened_end: u64) -> Self {
        let state =
            State { segments: BTreeMap::new(), unread: None, tail: None, older: None, given_up: BTreeSet::new() };
        Self { state: RefCell::new(state), opened_end: Cell::new(opened_end), run_keys_max: RUN_KEYS_MAX }
    }

    /// The same with shorter runs, so that a small log has many.
    #[cfg(any(test, feature = "sim"))]
    pub fn with_run_keys_max(self, run_keys_max: usize) -> Self {
        Self { run_keys_max, ..self }
    }

    /// Up to where every key of the log's kept segments is found, and the store time (ms) and physical offset of the last
    /// message below.
    pub fn reached<D: Disk>(&self, log: &CommitLog<D>) -> (u64, i64, u64) {
        let state = self.state.borrow();
        let newest = state.tail.as_ref().map_or((0, 0), |tail| (tail.newest_ms, tail.newest));
        (state.reached(log), newest.0, newest.1)
    }

    /// One turn of the one task that keeps the index: a stretch of records, or a file. Returns whether there is more to do now.
    /// # Errors
    /// I/O; or something of the log cannot be read, which is passed over from then on.
    pub async fn advance<D: Disk>(&self, log: &CommitLog<D>) -> Result<bool, StorageError> {
        self.follow_cuts(log);
        if self.remove_gone(log).await? || self.read_file_of_next(log).await? {
            return Ok(true);
        }
        let Some(place) = self.state.borrow_mut().choose(log) else { return Ok(false) };
        let stop = self.state.borrow_mut().go(place, log, self.run_keys_max);
        match stop {
            Ok(Stop::Paused) => {}
            Ok(Stop::Missing { position, bytes }) => {
                match log.read_own(position, bytes).await {
                    Ok(window) => self.state.borrow_mut().bring(place, window),
                    // Its segment was removed meanwhile.
                    Err(_) if position < log.first() => {}
                    // What the disk does not give now it may give later.
                    Err(error @ StorageError::Io { .. }) => return Err(error),
                    Err(error) => {
                        self.state.borrow_mut().give_up(place);
                        return Err(error);
                    }
                }
            }
            Ok(Stop::RunEnds) => self.write_run(place, log).await?,
            Ok(Stop::Caught) => self.state.borrow_mut().caught(place),
            Err(error) => {
                self.state.borrow_mut().give_up(place);
                return Err(error);
            }
        }
        Ok(true)
    }

    /// Looks into the newest run that has something below `below` (a physical offset; at first `u64::MAX`) for records that
    /// were stored in `begin_ms..=end_ms`.
    /// # Errors
    /// I/O.
    pub async fn find<D: Disk>(
        &self,
        log: &CommitLog<D>,
        key: KeyHash,
        (begin_ms, end_ms): (i64, i64),
        below: u64,
    ) -> Result<Found, StorageError> {
        self.follow_cuts(log);
        let times = (begin_ms, end_ms);
        let (base, written) = match self.state.borrow().newest_below(below) {
            None => return Ok(Found::Nothing),
            Some(Newest::Collected(run)) => {
                return Ok(Found::candidates(run.find(key, times), run.from(), below));
            }
            Some(Newest::Written(base, written)) => (base, written),
        };
        let path = path(base);
        let file = match log.disk().open_plain(&path, false).await {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(self.damaged(base)),
            Err(error) => return Err(StorageError::io("open", path)(error)),
        };
        let found = find_in_file(&file, log, base, written, key, times).await;
        file.close().await.map_err(StorageError::io("close", &path))?;
        match found.map_err(StorageError::io("read from", &path))? {
            Some(positions) => Ok(Found::candidates(positions, written.from, below)),
            None => Ok(self.damaged(base)),
        }
    }

    /// Whatever the files of a segment say is forgotten; they are written again.
    fn damaged(&self, base: u64) -> Found {
        self.state.borrow_mut().forget_segment(base, base);
        tracing::warn!(file = path(base), "an index of keys is damaged; it is made again from the log");
        Found::Damaged
    }

    /// What the log has taken back is found no more.
    fn follow_cuts<D: Disk>(&self, log: &CommitLog<D>) {
        let Some(position) = log.take_cut() else { return };
        self.opened_end.set(self.opened_end.get().min(position));
        let mut state = self.state.borrow_mut();
        if position <= log.first() {
            // Another log may have taken its place.
            state.given_up.clear();
        }
        let bases: Vec<u64> = state.segments.keys().copied().collect();
        for base in
            bases.into_iter().chain(state.tail.iter().chain(&state.older).map(|walk| walk.base).collect::<Vec<_>>())
        {
            state.forget_segment(base, position);
        }
    }

    /// Removes the file of a segment that is gone. False: there was none.
    async fn remove_gone<D: Disk>(&self, log: &CommitLog<D>) -> Result<bool, StorageError> {
        // Between the oldest and the newest there are no gaps.
        let (first, end) = (log.first(), log.end().position);
        let gone = {
            let state = self.state.borrow();
            let (oldest, newest) = (state.segments.keys().next(), state.segments.keys().next_back());
            oldest.filter(|base| **base < first).or(newest.filter(|base| **base > end)).copied()
        };
        if let Some(base) = gone {
            {
                let mut state = self.state.borrow_mut();
                state.segments.remove(&base);
                state.given_up.remove(&base);
            }
            let path = path(base);
            log.disk().remove(&path).await.map_err(StorageError::io("remove", &path))?;
        }
        Ok(gone.is_some())
    }

    /// Looks at the files that are there, one a call. False: all are known.
    async fn read_file_of_next<D: Disk>(&self, log: &CommitLog<D>) -> Result<bool, StorageError> {
        if self.state.borrow().unread.is_none() {
            let names = log.disk().list(DIRECTORY).await.map_err(StorageError::io("list", DIRECTORY))?;
            let found = names.iter().filter_map(|name| segment_first(name)).collect();
            self.state.borrow_mut().unread = Some(found);
        }
        let base = self.state.borrow_mut().unread.as_mut().and_then(BTreeSet::pop_last);
        let Some(base) = base else { return Ok(false) };
        let is_kept = log.segments().iter().any(|(first, _)| *first == base);
        let mut found = match is_kept {
            true => read_heads(log, base, self.opened_end.get()).await?,
            // Of a segment that is gone: it is removed with the next call.
            false => SegmentIndex::default(),
        };
        // If the log has the last run's last entry, it has all before.
        while let Some(run) = found.runs.last() {
            if log
                .copy(run.last.position, HEADER_BYTES)
                .await
                .is_ok_and(|header| header_crc(&header) == run.last.header_crc)
            {
                break;
            }
            found.pop();
        }
        self.follow_cuts(log);
        let mut state = self.state.borrow_mut();
        while found.runs.last().is_some_and(|run| run.to > self.opened_end.get()) {
            found.pop();
        }
        state.segments.insert(base, found);
        Ok(true)
    }

    async fn write_run<D: Disk>(&self, place: Place, log: &CommitLog<D>) -> Result<(), StorageError> {
        let (base, at, run, bytes) = {
            let mut state = self.state.borrow_mut();
            let Some(walk) = state.walk(place).as_ref() else { return Ok(()) };
            let (base, to, last) = (walk.base, walk.next, walk.last);
            let (from, bytes) = (walk.run.from(), walk.run.encode(log.id(), to, last));
            let at = state.segments.entry(base).or_default().bytes;
            (base, at, WrittenRun { at, from, to, last }, bytes)
        };
        let path = path(base);
        let (disk, length) = (log.disk(), bytes.len() as u64);
        let file = disk.open_plain(&path, true).await.map_err(StorageError::io("open", &path))?;
        let written = file.write_all_at(at, bytes).await;
        file.close().await.map_err(StorageError::io("close", &path))?;
        written.map_err(StorageError::io("write to", &path))?;
        self.follow_cuts(log);
        let mut state = self.state.borrow_mut();
        let is_as_before = state.walk(place).as_ref().is_some_and(|walk| {
            (walk.base, walk.run.from(), walk.next, walk.last) == (base, run.from, run.to, run.last)
        });
        let segment = state.segments.entry(base).or_default();
        // Meanwhile it may have turned out that something before it is damaged, or taken back.
        if is_as_before && segment.bytes == at {
            segment.runs.push(run);
            segment.bytes += length;
            if let Some(walk) = state.walk(place) {
                walk.begin(base, walk.end, run.to);
            }
        }
        Ok(())
    }
}

enum Newest<'a> {
    Collected(&'a run::Run),
    Written(u64, WrittenRun),
}

impl State {
    fn walk(&mut self, place: Place) -> &mut Option<Walk> {
        match place {
            Place::Tail => &mut self.tail,
            Place::Older => &mut self.older,
        }
    }

    /// Where there is something to do; makes the walk for it.
    fn choose<D: Disk>(&mut self, log: &CommitLog<D>) -> Option<Place> {
        let (segments, limit) = (log.segments(), log.acknowledgeable());
        let (newest, newest_bytes) = *segments.last()?;
        self.tail.take_if(|tail| !segments.iter().any(|(first, _)| *first == tail.base));
        if self.tail.is_none() {
            self.tail = Some(self.walk_of(newest, newest + newest_bytes));
        }
        if let Some(tail) = &self.tail
            && (tail.is_done() && tail.run.from() == tail.next || self.given_up.contains(&tail.base))
        {
            let next = segments.iter().find(|(first, _)| *first == tail.end);
            if let Some((first, bytes)) = next {
                let mut walk = self.walk_of(*first, first + bytes);
                (walk.newest_ms, walk.newest) = (tail.newest_ms, tail.newest);
                self.tail = Some(walk);
            }
        }
        let tail_base = match &self.tail {
            Some(tail) if self.has_work(tail, limit) => return Some(Place::Tail),
            Some(tail) => tail.base,
            None => newest,
        };
        if self.older.is_none() {
            let lacks = segments.iter().rev().find(|(first, bytes)| {
                let to = self.segments.get(first).map_or(*first, |segment| segment.to(*first));
                *first < tail_base && to < first + bytes && !self.given_up.contains(first)
            });
            self.older = lacks.map(|(first, bytes)| self.walk_of(*first, first + bytes));
        }
        self.older.is_some().then_some(Place::Older)
    }

    fn has_work(&self, walk: &Walk, limit: u64) -> bool {
        !self.given_up.contains(&walk.base)
            && (walk.next < limit.min(walk.end) || walk.next > walk.run.from() && walk.is_done())
    }

    fn walk_of(&self, base: u64, end: u64) -> Walk {
        let mut walk = Walk::new(base, end);
        let next = self.segments.get(&base).map_or(base, |segment| segment.to(base));
        walk.begin(base, end, next);
        walk
    }

    fn go<D: Disk>(&mut self, place: Place, log: &CommitLog<D>, run_keys_max: usize) -> Result<Stop, StorageError> {
        let limit = log.acknowledgeable();
        let first = log.first();
        match self.walk(place) {
            // Its segment is gone.
            Some(walk) if walk.base < first => {
                *self.walk(place) = None;
                Ok(Stop::Paused)
            }
            Some(walk) => walk.go(log, limit, RECORDS_A_TURN, run_keys_max),
            None => Ok(Stop::Paused),
        }
    }

    /// What the walk there missed; by now it may be elsewhere, and misses something else then.
    fn bring(&mut self, place: Place, window: OwnWindow) {
        if let Some(walk) = self.walk(place) {
            walk.bring(window);
        }
    }

    fn caught(&mut self, place: Place) {
        // An older segment is whole then; the tail stays where it is.
        if place == Place::Older {
            self.older = None;
        }
    }

    fn give_up(&mut self, place: Place) {
        if let Some(walk) = self.walk(place) {
            let base = walk.base;
            self.given_up.insert(base);
        }
        // What the tail has collected so far is found all the same.
        if place == Place::Older {
            self.older = None;
        }
    }

    /// What is known of a segment's keys ends at `position` or before.
    fn forget_segment(&mut self, base: u64, position: u64) {
        let segment = self.segments.entry(base).or_default();
        while segment.runs.last().is_some_and(|run| run.to > position) {
            segment.pop();
        }
        let to = segment.to(base);
        for walk in [&mut self.tail, &mut self.older].into_iter().flatten() {
            if walk.base == base && (walk.next > position || walk.run.from() > to) {
                walk.begin(base, walk.end, to);
            }
        }
        // A tail that has gone on is not called back: the older segments' walk makes up for it.
        if self.older.as_ref().is_some_and(|older| older.base < base) {
            self.older = None;
        }
    }

    fn reached<D: Disk>(&self, log: &CommitLog<D>) -> u64 {
        let mut reached = log.first();
        if self.unread.as_ref().is_none_or(|unread| !unread.is_empty()) {
            return reached;
        }
        for (first, bytes) in log.segments() {
            let written = self.segments.get(&first).map_or(first, |segment| segment.to(first));
            let walked = [&self.tail, &self.older].into_iter().flatten().filter(|walk| walk.base == first);
            let to = walked.map(|walk| walk.next).fold(written, u64::max);
            reached = if self.given_up.contains(&first) { first + bytes } else { to };
            if reached < first + bytes {
                break;
            }
        }
        reached
    }

    fn newest_below(&self, below: u64) -> Option<Newest<'_>> {
        let collected = [&self.tail, &self.older].into_iter().flatten().map(|walk| &walk.run);
        let collected = collected.filter(|run| run.from() < below).max_by_key(|run| run.from());
        let written = self.segments.range(..below).rev().find_map(|(base, segment)| {
            segment.runs.iter().rev().find(|run| run.from < below).map(|run| (*base, *run))
        });
        match (collected, written) {
            (Some(run), Some((_, written))) if run.from() > written.from => Some(Newest::Collected(run)),
            (Some(run), None) => Some(Newest::Collected(run)),
            (_, Some((base, written))) => Some(Newest::Written(base, written)),
            (None, None) => None,
        }
    }
}

fn path(base: u64) -> String {
    format!("{DIRECTORY}/{base:020}")
}

fn header_crc(header: &[u8]) -> u32 {
    header[HEADER_BYTES - 4..].iter().fold(0, |value, byte| (value << 8) | u32::from(*byte))
}

/// The runs that a file begins with and that follow each other.
async fn read_heads<D: Disk>(log: &CommitLog<D>, base: u64, opened_end: u64) -> Result<SegmentIndex, StorageError> {
    let path = path(base);
    let file = log.disk().open_plain(&path, false).await.map_err(StorageError::io("open", &path))?;
    let mut found = SegmentIndex::default();
    let read = async {
        let length = file.length().await?;
        while found.bytes + HEAD_BYTES as u64 <= length {
            let head = file.read_at(found.bytes, HEAD_BYTES).await?;
            let Some(head) = RunHead::decode(log.id(), &head) else { break };
            let follows = head.from == found.to(base) && head.to <= opened_end;
            if !follows || found.bytes + head.bytes() > length {
                break;
            }
            found.runs.push(WrittenRun { at: found.bytes, from: head.from, to: head.to, last: head.last });
            found.bytes += head.bytes();
        }
        std::io::Result::Ok(())
    };
    let read = read.await;
    file.close().await.map_err(StorageError::io("close", &path))?;
    read.map_err(StorageError::io("read from", &path))?;
    Ok(found)
}

/// `None`: it is damaged.
async fn find_in_file<D: Disk>(
    file: &D::PlainFile,
    log: &CommitLog<D>,
    base: u64,
    written: WrittenRun,
    key: KeyHash,
    times: (i64, i64),
) -> std::io::Result<Option<Vec<u64>>> {
    let head = file.read_at(written.at, HEAD_BYTES).await?;
    let head = RunHead::decode(log.id(), &head).filter(|head| (head.from, head.to) == (written.from, written.to));
    let Some(head) = head else { return Ok(None) };
    let tables = file.read_at(written.at + HEAD_BYTES as u64, head.tables_bytes()).await?;
    let Some((at, bytes, crc)) = head.bucket(&tables, key) else { return Ok(None) };
    if bytes == 0 {
        return Ok(Some(Vec::new()));
    }
    let bucket = file.read_at(written.at + at, bytes).await?;
    if bucket.len() != bytes || crc32fast::hash(&bucket) != crc {
        return Ok(None);
    }
    Ok(Some(head.find(base, &tables, &bucket, key.hash, times)))
}
