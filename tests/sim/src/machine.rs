//! What a store runs on: the simulated disk and ring, or something that lies about them.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use storage::file::sim::{SimBuffer, SimDisk, SimLogFile, SimPlainFile, SimRing};
use storage::file::{Disk, LogFile, PlainFile};
use storage::ring::Ring;

/// Makes what the store sees of the simulated machine.
pub trait Machine: 'static {
    /// The store's disk.
    type Disk: Disk;
    /// The disk of the next process.
    fn disk(&self, sim: SimDisk) -> Self::Disk;
    /// The ring of the next process.
    fn ring(&self, sim: SimRing) -> Box<dyn Ring>;
}

/// Does what it says.
#[derive(Copy, Clone, Debug)]
pub struct Honest;

impl Machine for Honest {
    type Disk = SimDisk;

    fn disk(&self, sim: SimDisk) -> SimDisk {
        sim
    }

    fn ring(&self, sim: SimRing) -> Box<dyn Ring> {
        Box::new(sim)
    }
}

/// A promise that is broken.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Lie {
    /// A data sync of a segment does nothing.
    SkippedSync,
    /// A write to a segment that should be stable by itself is not.
    UnstableWrite,
    /// A write to a segment does nothing.
    LostWrite,
    /// Only the first half of a write to a segment happens.
    HalfWrite,
    /// A read of a segment gives zeros.
    ZeroRead,
    /// A data sync of a plain file does nothing.
    SkippedPlainSync,
    /// A write to a plain file does nothing.
    LostPlainWrite,
    /// A directory sync does nothing.
    SkippedDirectorySync,
    /// A rename does nothing.
    LostRename,
    /// A write to the ring does nothing.
    LostRingWrite,
}

/// Breaks one kind of promise, each time or now and then. A store on it must be found out, or the oracle checks nothing.
#[derive(Clone, Debug)]
pub struct Liar {
    lie: Lie,
    every: u64,
    calls: Rc<Cell<u64>>,
}

impl Liar {
    /// Lies at every `every`-th call that `lie` is about.
    pub fn new(lie: Lie, every: u64) -> Self {
        Self { lie, every, calls: Rc::default() }
    }

    fn lies(&self, lie: Lie) -> bool {
        if self.lie != lie {
            return false;
        }
        self.calls.set(self.calls.get() + 1);
        self.calls.get().is_multiple_of(self.every)
    }
}

impl Machine for Liar {
    type Disk = LyingDisk;

    fn disk(&self, sim: SimDisk) -> LyingDisk {
        LyingDisk { sim, liar: self.clone() }
    }

    fn ring(&self, sim: SimRing) -> Box<dyn Ring> {
        Box::new(LyingRing { sim, liar: self.clone() })
    }
}

/// A disk that lies.
#[derive(Clone)]
pub struct LyingDisk {
    sim: SimDisk,
    liar: Liar,
}

impl LyingDisk {
    fn log_file(&self, file: SimLogFile) -> LyingLogFile {
        LyingLogFile { file, disk: self.clone() }
    }
}

impl Disk for LyingDisk {
    type Buffer = SimBuffer;
    type LogFile = LyingLogFile;
    type PlainFile = LyingPlainFile;

    fn buffer(&self, bytes: usize) -> SimBuffer {
        self.sim.buffer(bytes)
    }

    async fn open_log(&self, path: &str) -> io::Result<LyingLogFile> {
        self.sim.open_log(path).await.map(|file| self.log_file(file))
    }

    async fn create_log(&self, path: &str) -> io::Result<LyingLogFile> {
        self.sim.create_log(path).await.map(|file| self.log_file(file))
    }

    async fn open_plain(&self, path: &str, create: bool) -> io::Result<LyingPlainFile> {
        let file = self.sim.open_plain(path, create).await?;
        Ok(LyingPlainFile { file, liar: self.liar.clone() })
    }

    async fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        self.sim.list(directory).await
    }

    async fn file_lengths(&self, directory: &str) -> io::Result<Vec<(String, u64)>> {
        self.sim.file_lengths(directory).await
    }

    async fn remove(&self, path: &str) -> io::Result<()> {
        self.sim.remove(path).await
    }

    async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        if self.liar.lies(Lie::LostRename) {
            return Ok(());
        }
        self.sim.rename(from, to).await
    }

    async fn create_directory(&self, path: &str) -> io::Result<()> {
        self.sim.create_directory(path).await
    }

    async fn sync_directory(&self, directory: &str) -> io::Result<()> {
        if self.liar.lies(Lie::SkippedDirectorySync) {
            return Ok(());
        }
        self.sim.sync_directory(directory).await
    }
}

/// A segment on a disk that lies.
pub struct LyingLogFile {
    file: SimLogFile,
    disk: LyingDisk,
}

impl LogFile for LyingLogFile {
    type Buffer = SimBuffer;

    async fn write_at(&self, offset: u64, buffer: Rc<SimBuffer>) -> io::Result<usize> {
        let bytes = (*buffer).as_ref().len();
        if self.disk.liar.lies(Lie::LostWrite) {
            return Ok(bytes);
        }
        let half = bytes / 2 / storage::file::BLOCK_BYTES * storage::file::BLOCK_BYTES;
        if half > 0 && self.disk.liar.lies(Lie::HalfWrite) {
            let mut first = self.disk.buffer(half);
            first.as_mut().copy_from_slice(&(*buffer).as_ref()[..half]);
            return self.file.write_at(offset, Rc::new(first)).await.map(|_| bytes);
        }
        if self.file.writes_are_stable() && self.disk.liar.lies(Lie::UnstableWrite) {
            return self.file.write_seen_at(offset, buffer).await;
        }
        self.file.write_at(offset, buffer).await
    }

    async fn read_at(&self, offset: u64, bytes: usize) -> io::Result<Rc<SimBuffer>> {
        let read = self.file.read_at(offset, bytes).await?;
        if self.disk.liar.lies(Lie::ZeroRead) {
            return Ok(Rc::new(self.disk.buffer((*read).as_ref().len())));
        }
        Ok(read)
    }

    fn writes_are_stable(&self) -> bool {
        self.file.writes_are_stable()
    }

    async fn sync_data(&self) -> io::Result<()> {
        if self.disk.liar.lies(Lie::SkippedSync) {
            return Ok(());
        }
        self.file.sync_data().await
    }

    async fn allocate(&self, bytes: u64) -> io::Result<()> {
        self.file.allocate(bytes).await
    }

    async fn length(&self) -> io::Result<u64> {
        self.file.length().await
    }
}

/// A plain file on a disk that lies.
pub struct LyingPlainFile {
    file: SimPlainFile,
    liar: Liar,
}

impl PlainFile for LyingPlainFile {
    async fn write_all_at(&self, offset: u64, bytes: Vec<u8>) -> io::Result<()> {
        if self.liar.lies(Lie::LostPlainWrite) {
            return Ok(());
        }
        self.file.write_all_at(offset, bytes).await
    }

    async fn read_at(&self, offset: u64, bytes: usize) -> io::Result<Vec<u8>> {
        self.file.read_at(offset, bytes).await
    }

    async fn sync_data(&self) -> io::Result<()> {
        if self.liar.lies(Lie::SkippedPlainSync) {
            return Ok(());
        }
        self.file.sync_data().await
    }

    async fn length(&self) -> io::Result<u64> {
        self.file.length().await
    }

    async fn close(self) -> io::Result<()> {
        self.file.close().await
    }
}

/// A ring that lies.
struct LyingRing {
    sim: SimRing,
    liar: Liar,
}

impl Ring for LyingRing {
    fn capacity(&self) -> u64 {
        self.sim.capacity()
    }

    fn write(&mut self, position: u64, bytes: &[u8]) {
        if !self.liar.lies(Lie::LostRingWrite) {
            self.sim.write(position, bytes);
        }
    }

    fn read(&self, position: u64, out: &mut [u8]) {
        self.sim.read(position, out);
    }
}
