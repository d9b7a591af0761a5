//! A simulated disk whose calls take virtual time.
//!
//! A call is given to the disk below at once and takes effect there within its time; whoever made it hears of that when
//! the time is over. What is under way at a crash has happened, or not, or in part, as the disk below decides.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_lite::future::poll_once;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use storage::file::sim::salted;
use storage::file::{Disk, LogFile, PlainFile};

use super::clock::Clock;

/// Longest usual time of a call that moves data.
const TRANSFER_MAX: Duration = Duration::from_micros(150);
/// Longest usual time of a call that waits for the device's cache, or changes a folder.
const SYNC_MAX: Duration = Duration::from_millis(2);
/// Once in so many calls ...
const HICCUP_EVERY: u32 = 200;
/// ... one takes this many times as long.
const HICCUP_FACTOR: u32 = 30;

/// However slow a disk is, a call is over after this.
const LONGEST: Duration = Duration::from_secs(3);

/// How fast a disk is. Clones are the same disk's.
#[derive(Clone)]
pub struct Pace {
    clock: Clock,
    rng: Rc<RefCell<StdRng>>,
    factor: Rc<Cell<u32>>,
}

impl Pace {
    /// The usual pace.
    pub fn new(seed: u64, clock: Clock) -> Self {
        let rng = StdRng::seed_from_u64(salted(seed, "pace"));
        Self { clock, rng: Rc::new(RefCell::new(rng)), factor: Rc::new(Cell::new(1)) }
    }

    /// Every call takes `factor` times as long from now on.
    pub fn slow_down(&self, factor: u32) {
        self.factor.set(factor);
    }

    fn draw(&self, usual_max: Duration) -> Duration {
        let rng = &mut *self.rng.borrow_mut();
        let usual = usual_max.mul_f64(rng.random_range(0.05..1.0));
        let hiccup = if rng.random_range(0..HICCUP_EVERY) == 0 { HICCUP_FACTOR } else { 1 };
        (usual * hiccup * self.factor.get()).min(LONGEST)
    }

    async fn take<T>(&self, usual_max: Duration, call: impl Future<Output = T>) -> T {
        let mut call = pin!(call);
        let early = poll_once(call.as_mut()).await;
        self.clock.sleep(self.draw(usual_max)).await;
        match early {
            Some(result) => result,
            None => call.await,
        }
    }
}

/// See the module's text.
#[derive(Clone)]
pub struct TimedDisk<D> {
    disk: D,
    pace: Pace,
}

impl<D> TimedDisk<D> {
    /// `disk` at that pace.
    pub fn new(disk: D, pace: Pace) -> Self {
        Self { disk, pace }
    }

    fn file<F>(&self, file: F) -> TimedFile<F> {
        TimedFile { file, pace: self.pace.clone() }
    }
}

impl<D: Disk> Disk for TimedDisk<D> {
    type Buffer = D::Buffer;
    type LogFile = TimedFile<D::LogFile>;
    type PlainFile = TimedFile<D::PlainFile>;

    fn buffer(&self, bytes: usize) -> D::Buffer {
        self.disk.buffer(bytes)
    }

    async fn open_log(&self, path: &str) -> io::Result<Self::LogFile> {
        self.pace.take(TRANSFER_MAX, self.disk.open_log(path)).await.map(|file| self.file(file))
    }

    async fn create_log(&self, path: &str) -> io::Result<Self::LogFile> {
        self.pace.take(TRANSFER_MAX, self.disk.create_log(path)).await.map(|file| self.file(file))
    }

    async fn open_plain(&self, path: &str, create: bool) -> io::Result<Self::PlainFile> {
        self.pace.take(TRANSFER_MAX, self.disk.open_plain(path, create)).await.map(|file| self.file(file))
    }

    async fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        self.pace.take(TRANSFER_MAX, self.disk.list(directory)).await
    }

    async fn file_lengths(&self, directory: &str) -> io::Result<Vec<(String, u64)>> {
        self.pace.take(TRANSFER_MAX, self.disk.file_lengths(directory)).await
    }

    async fn remove(&self, path: &str) -> io::Result<()> {
        self.pace.take(SYNC_MAX, self.disk.remove(path)).await
    }

    async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.pace.take(SYNC_MAX, self.disk.rename(from, to)).await
    }

    async fn create_directory(&self, path: &str) -> io::Result<()> {
        self.pace.take(TRANSFER_MAX, self.disk.create_directory(path)).await
    }

    async fn sync_directory(&self, directory: &str) -> io::Result<()> {
        self.pace.take(SYNC_MAX, self.disk.sync_directory(directory)).await
    }
}

/// A file of either kind on such a disk.
pub struct TimedFile<F> {
    file: F,
    pace: Pace,
}

impl<F: LogFile> LogFile for TimedFile<F> {
    type Buffer = F::Buffer;

    async fn write_at(&self, offset: u64, buffer: Rc<F::Buffer>) -> io::Result<usize> {
        self.pace.take(TRANSFER_MAX, self.file.write_at(offset, buffer)).await
    }

    async fn read_at(&self, offset: u64, bytes: usize) -> io::Result<Rc<F::Buffer>> {
        self.pace.take(TRANSFER_MAX, self.file.read_at(offset, bytes)).await
    }

    fn writes_are_stable(&self) -> bool {
        self.file.writes_are_stable()
    }

    async fn sync_data(&self) -> io::Result<()> {
        self.pace.take(SYNC_MAX, self.file.sync_data()).await
    }

    async fn allocate(&self, bytes: u64) -> io::Result<()> {
        self.pace.take(TRANSFER_MAX, self.file.allocate(bytes)).await
    }

    async fn length(&self) -> io::Result<u64> {
        self.pace.take(TRANSFER_MAX, self.file.length()).await
    }
}

impl<F: PlainFile> PlainFile for TimedFile<F> {
    async fn write_all_at(&self, offset: u64, bytes: Vec<u8>) -> io::Result<()> {
        self.pace.take(TRANSFER_MAX, self.file.write_all_at(offset, bytes)).await
    }

    async fn read_at(&self, offset: u64, bytes: usize) -> io::Result<Vec<u8>> {
        self.pace.take(TRANSFER_MAX, self.file.read_at(offset, bytes)).await
    }

    async fn sync_data(&self) -> io::Result<()> {
        self.pace.take(SYNC_MAX, self.file.sync_data()).await
    }

    async fn length(&self) -> io::Result<u64> {
        self.pace.take(TRANSFER_MAX, self.file.length()).await
    }

    async fn close(self) -> io::Result<()> {
        let Self { file, pace } = self;
        pace.take(TRANSFER_MAX, file.close()).await
    }
}
