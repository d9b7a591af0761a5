//! A simulated disk: the same traits as the real one, every delay, failure and loss drawn from a seed.
//!
//! - A write is seen by reads at once and durable after a sync that was called after it had completed. At a power loss
//!   every un-synced 512-byte sector survives or not; [`survival`] has the manners of devices.
//! - A write to a log file that was opened for stable writes is durable when it completes, and no other write with it.
//!   Cut off by a power loss it is torn as any; if it fails, a later sync may succeed without it.
//! - A failed sync forsakes the writes that it should have covered: a later sync succeeds without them, as on Linux.
//! - Creations, renames and removals are durable after a sync of their directory; at a power loss a prefix of the
//!   un-synced ones of each directory survives.
//! - A misdirected write is told to have happened, and happened somewhere else.
//! - A call takes effect when it completes, some polls after it was made. What is under way at a crash has happened, or
//!   not, or in part.
//!
//! [`SimRing`] is the shared memory of the same machine, [`Executor`] runs the store's futures in seeded order.

mod buffer;
mod content;
mod counts;
mod executor;
mod fault;
mod journal;
mod log_file;
mod misdirection;
mod namespace;
mod plain_file;
mod ring;
mod state;
mod survival;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::ops::Range;
use std::rc::Rc;
use std::task::Poll;

pub use buffer::SimBuffer;
pub use counts::Counts;
pub use executor::{Executor, RunEnd, Task, block_on, yield_now};
pub use fault::{CallKind, Fault, Faults, Injection};
pub use log_file::SimLogFile;
use misdirection::Misdirection;
use namespace::NodeId;
pub use plain_file::SimPlainFile;
pub use ring::SimRing;
use state::{DiskState, Effect, Ticket};

use super::{Disk, LogWrites};

/// What a device writes as a whole or not at all.
pub const SECTOR_BYTES: usize = 512;

/// A seed for one purpose, so that draws for one leave those for another alone.
pub fn salted(seed: u64, purpose: &str) -> u64 {
    // FNV-1a over the purpose, then over the seed: enough to keep the streams apart.
    let bytes = purpose.bytes().chain(seed.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// See the module's text. Clones are handles of the same process on the same disk.
#[derive(Clone)]
pub struct SimDisk {
    /// `None` once the process that this handle belongs to is dead.
    state: Rc<RefCell<Option<DiskState>>>,
    /// Of the log files that this handle opens.
    log_writes: LogWrites,
}

impl SimDisk {
    /// An empty disk without limit on which nothing fails, and whose log writes need a sync.
    pub fn new(seed: u64) -> Self {
        Self::holding(DiskState::new(seed), LogWrites::Seen)
    }

    fn holding(state: DiskState, log_writes: LogWrites) -> Self {
        Self { state: Rc::new(RefCell::new(Some(state))), log_writes }
    }

    /// The same disk, by a handle whose log files are opened for such writes. Later processes keep that.
    pub fn with_log_writes(self, log_writes: LogWrites) -> Self {
        Self { log_writes, ..self }
    }

    fn with<R>(&self, run: impl FnOnce(&mut DiskState) -> R) -> R {
        run(self.state.borrow_mut().as_mut().expect("a dead process makes no calls"))
    }

    /// Sets the bytes that files may take; more is answered with `ENOSPC`.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.with(|state| state.capacity = bytes);
    }

    /// A call yields up to this many times before it completes.
    pub fn set_delay_max(&self, polls: u32) {
        self.with(|state| state.delay_max = polls);
    }

    /// Sets the chances of faults; they end with the process.
    pub fn set_faults(&self, faults: Faults) {
        self.with(|state| state.faults = faults);
    }

    /// Adds a fault at an exact call; it ends with the process.
    pub fn inject(&self, injection: Injection) {
        self.with(|state| state.inject(injection));
    }

    /// Ends all faults, and calls off a stop that is still to come.
    pub fn heal(&self) {
        self.with(DiskState::heal);
    }

    /// Stops at the `nth` call from now, counted from 1: neither that call nor any after it completes, the process is
    /// to be crashed. The call itself is under way.
    pub fn stop_at(&self, nth: u64) {
        self.with(|state| state.stop_at(nth));
    }

    /// Stops now: no call completes any more.
    pub fn stop(&self) {
        self.with(DiskState::stop);
    }

    /// Whether [`Self::stop_at`] or [`Self::stop`] has taken effect.
    pub fn is_stopped(&self) -> bool {
        self.with(|state| state.is_stopped())
    }

    /// Prints every call to standard error, for the replay of a seed.
    pub fn set_trace(&self, on: bool) {
        self.with(|state| state.trace = on);
    }

    /// Totals over all lives of the disk.
    pub fn counts(&self) -> Counts {
        self.with(|state| state.counts.clone())
    }

    /// Most calls of one kind that were under way at the same time.
    pub fn at_once_max(&self, kind: CallKind) -> usize {
        self.with(|state| state.at_once_max[kind as usize])
    }

    /// Bytes that its files take.
    pub fn used(&self) -> u64 {
        self.with(|state| state.used())
    }

    /// Kills the process: un-synced data stays. Returns the disk for the next one; this handle is dead.
    pub fn kill(&self) -> Self {
        let mut state = self.state.borrow_mut().take().expect("a process dies once");
        state.counts.kills += 1;
        state.kill();
        Self::holding(state, self.log_writes)
    }

    /// Cuts the power. Returns the disk for the next process; this handle is dead.
    pub fn power_loss(&self) -> Self {
        let mut state = self.state.borrow_mut().take().expect("a process dies once");
        state.counts.power_losses += 1;
        state.lose_power();
        Self::holding(state, self.log_writes)
    }

    /// Flips `count` random bits in `range` of a file.
    /// # Errors
    /// If there is no such file.
    pub fn flip_bits(&self, path: &str, range: Range<u64>, count: u32) -> io::Result<()> {
        self.with(|state| {
            let file = state.names.find_file(path)?;
            state.flip_bits(file, range, count);
            Ok(())
        })
    }

    /// Takes a file or folder away for good, as an operator or a broken file system may.
    /// # Errors
    /// If there is none.
    pub fn lose(&self, path: &str) -> io::Result<()> {
        self.with(|state| state.names.lose(path))
    }

    /// Paths of all files, sorted.
    pub fn files(&self) -> Vec<String> {
        self.with(|state| state.names.files().into_iter().map(|(path, _)| path).collect())
    }

    /// All of a file as reads see it, past counting and faults.
    /// # Errors
    /// If there is no such file.
    pub fn content(&self, path: &str) -> io::Result<Vec<u8>> {
        self.with(|state| {
            let file = state.names.find_file(path)?;
            let content = state.content(file);
            Ok(content.read(0, content.length() as usize))
        })
    }

    /// At most `bytes` bytes of a file at `offset` as reads see them, past counting and faults.
    /// # Errors
    /// If there is no such file.
    pub fn peek(&self, path: &str, offset: u64, bytes: usize) -> io::Result<Vec<u8>> {
        self.with(|state| {
            let file = state.names.find_file(path)?;
            Ok(state.content(file).read(offset, bytes))
        })
    }

    /// The next write to a segment of the log that is not longer than `range` lands within `range` of the file `path`
    /// instead of where it should; nobody is told. `range` is in whole blocks.
    /// # Errors
    /// If there is no such file.
    pub fn misdirect_write(&self, path: &str, range: Range<u64>) -> io::Result<()> {
        self.with(|state| {
            let file = state.names.find_file(path)?;
            state.misdirection = Some(Misdirection::new(file, range));
            Ok(())
        })
    }

    /// What misdirected writes left out and nothing has overwritten since: in which file, and where it ends there.
    pub fn missing_writes(&self) -> Vec<(String, u64)> {
        self.with(|state| {
            let missing = |(path, file): (String, NodeId)| Some((path, state.missing.end_of(file)?));
            state.names.files().into_iter().filter_map(missing).collect()
        })
    }

    /// Calls off a misdirected write that is still to come.
    pub fn call_off_misdirection(&self) {
        self.with(|state| state.misdirection = None);
    }

    /// Writes durably, where it should be, what misdirected writes left out.
    pub fn mend_missing(&self) {
        self.with(DiskState::mend_missing);
    }

    async fn call(&self, kind: CallKind, place: &str, effect: Effect) -> io::Result<u64> {
        let ticket = self.with(|state| state.submit(kind, effect));
        let mut call = Call { disk: self, ticket: Some(ticket) };
        let mut polls = 0;
        let result = poll_fn(|context| {
            let delay = call.ticket.as_ref().and_then(|ticket| ticket.delay);
            let Some(delay) = delay.filter(|_| !self.is_stopped()) else { return Poll::Pending };
            if polls < delay {
                polls += 1;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            let ticket = call.ticket.take().expect("it completes once");
            Poll::Ready(self.with(|state| state.complete(&ticket)))
        })
        .await;
        if self.with(|state| state.trace) {
            eprintln!("{kind} {place}: {result:?}");
        }
        result
    }

    fn log_file(&self, path: &str, file: NodeId) -> SimLogFile {
        SimLogFile { disk: self.clone(), path: path.to_owned(), file, writes: self.log_writes }
    }

    fn plain_file(&self, path: &str, file: NodeId) -> SimPlainFile {
        SimPlainFile { disk: self.clone(), path: path.to_owned(), file }
    }
}

/// A call under way; if its future is dropped, it happens without anybody hearing of it.
struct Call<'a> {
    disk: &'a SimDisk,
    ticket: Option<Ticket>,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = &self.ticket
            && let Some(state) = self.disk.state.borrow_mut().as_mut()
        {
            state.orphan(ticket);
        }
    }
}

impl Disk for SimDisk {
    type Buffer = SimBuffer;
    type LogFile = SimLogFile;
    type PlainFile = SimPlainFile;

    fn buffer(&self, bytes: usize) -> SimBuffer {
        SimBuffer::zeroed(bytes)
    }

    async fn open_log(&self, path: &str) -> io::Result<SimLogFile> {
        self.call(CallKind::Open, path, Effect::Look).await?;
        let file = self.with(|state| state.names.find_file(path))?;
        Ok(self.log_file(path, file))
    }

    async fn create_log(&self, path: &str) -> io::Result<SimLogFile> {
        let node = self.call(CallKind::Create, path, Effect::CreateFile { path: path.to_owned() }).await?;
        Ok(self.log_file(path, NodeId(node)))
    }

    async fn open_plain(&self, path: &str, create: bool) -> io::Result<SimPlainFile> {
        let found = self.with(|state| state.names.find_file(path));
        match found {
            Err(error) if create && error.kind() == io::ErrorKind::NotFound => {
                let node = self.call(CallKind::Create, path, Effect::CreatePlain { path: path.to_owned() }).await?;
                Ok(self.plain_file(path, NodeId(node)))
            }
            _ => {
                self.call(CallKind::Open, path, Effect::Look).await?;
                let file = self.with(|state| state.names.find_file(path))?;
                Ok(self.plain_file(path, file))
            }
        }
    }

    async fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        self.call(CallKind::List, directory, Effect::Look).await?;
        self.with(|state| {
            let names = state.look_in(directory, |names, directory| names.names(directory))?;
            Ok(state.shuffled(names))
        })
    }

    async fn file_lengths(&self, directory: &str) -> io::Result<Vec<(String, u64)>> {
        self.call(CallKind::List, directory, Effect::Look).await?;
        self.with(|state| {
            let files = state.look_in(directory, |names, directory| names.files_below(directory))?;
            let lengths = files.into_iter().map(|(path, file)| (path, state.content(file).length())).collect();
            Ok(state.shuffled(lengths))
        })
    }

    async fn remove(&self, path: &str) -> io::Result<()> {
        self.call(CallKind::Remove, path, Effect::Remove { path: path.to_owned() }).await.map(drop)
    }

    async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let effect = Effect::Rename { from: from.to_owned(), to: to.to_owned() };
        self.call(CallKind::Rename, &format!("{from} to {to}"), effect).await.map(drop)
    }

    async fn create_directory(&self, path: &str) -> io::Result<()> {
        let effect = Effect::CreateDirectories { path: path.to_owned() };
        self.call(CallKind::CreateDirectory, path, effect).await.map(drop)
    }

    async fn sync_directory(&self, directory: &str) -> io::Result<()> {
        let effect = Effect::SyncDirectory { path: directory.to_owned() };
        self.call(CallKind::SyncDirectory, directory, effect).await.map(drop)
    }
}
