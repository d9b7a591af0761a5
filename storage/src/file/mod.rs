//! The files a store is made of, as a trait, so that the same storage code runs on io_uring and on a simulated disk.
//!
//! Two kinds of file: a [`LogFile`] takes aligned buffers and bypasses the page cache (CommitLog segments); a
//! [`PlainFile`] takes any bytes through the page cache (ConsumeQueue files, checkpoint, identity).

use std::io;
use std::rc::Rc;

pub mod below;
pub mod dma;
#[cfg(any(test, feature = "sim"))]
pub mod sim;

/// Offsets, lengths and memory of a [`LogFile`] transfer are multiples of this, whatever the device would allow.
pub const BLOCK_BYTES: usize = 4096;

/// `offset` rounded down to a block.
pub const fn align_down(offset: u64) -> u64 {
    offset & !(BLOCK_BYTES as u64 - 1)
}

/// `offset` rounded up to a block.
pub const fn align_up(offset: u64) -> u64 {
    align_down(offset + BLOCK_BYTES as u64 - 1)
}

/// What a completed write to a [`LogFile`] has reached; chosen when a disk is made.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum LogWrites {
    /// Reads see it; a sync puts it on stable storage.
    Seen,
    /// It is on stable storage, where the disk can do that: [`LogFile::writes_are_stable`].
    Stable,
}

/// Memory that a [`LogFile`] can transfer directly: block-aligned address.
pub trait AlignedBuffer: AsRef<[u8]> + AsMut<[u8]> + 'static {
    /// Cuts the buffer to its first `bytes` bytes, a multiple of [`BLOCK_BYTES`] not above the present length.
    fn trim(&mut self, bytes: usize);
}

/// A directory tree that belongs to one shard. Paths are relative to its root, `/` between the parts.
#[expect(async_fn_in_trait, reason = "a shard is one thread, its futures are never Send")]
pub trait Disk: Clone + 'static {
    /// Memory for direct transfers.
    type Buffer: AlignedBuffer;
    /// A CommitLog segment.
    type LogFile: LogFile<Buffer = Self::Buffer>;
    /// A small or unaligned file.
    type PlainFile: PlainFile;

    /// A buffer of `bytes` bytes, a multiple of [`BLOCK_BYTES`]; what it holds means nothing.
    fn buffer(&self, bytes: usize) -> Self::Buffer;
    /// Opens an existing segment for reading and writing.
    async fn open_log(&self, path: &str) -> io::Result<Self::LogFile>;
    /// Creates a segment that must not exist yet.
    async fn create_log(&self, path: &str) -> io::Result<Self::LogFile>;
    /// Opens a plain file for reading and writing; with `create` an absent one is made, its parent folders too.
    async fn open_plain(&self, path: &str, create: bool) -> io::Result<Self::PlainFile>;
    /// Names in `directory`, unsorted; an absent directory is empty.
    async fn list(&self, directory: &str) -> io::Result<Vec<String>>;
    /// Every file below `directory`, at any depth: path from `directory` on, and length; an absent directory is empty.
    async fn file_lengths(&self, directory: &str) -> io::Result<Vec<(String, u64)>>;
    /// Removes a file, or a folder with all it holds; an absent one is fine.
    async fn remove(&self, path: &str) -> io::Result<()>;
    /// Replaces `to` by `from` atomically.
    async fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Makes a directory and its parents; an existing one is fine.
    async fn create_directory(&self, path: &str) -> io::Result<()>;
    /// Makes creations, renames and removals in `directory` survive a power loss.
    async fn sync_directory(&self, directory: &str) -> io::Result<()>;
}

/// A file written and read in whole blocks, past the page cache.
#[expect(async_fn_in_trait, reason = "a shard is one thread, its futures are never Send")]
pub trait LogFile: 'static {
    /// Memory for direct transfers.
    type Buffer: AlignedBuffer;

    /// Writes the whole buffer at `offset` (block-aligned) and returns how many bytes were written; may be short.
    async fn write_at(&self, offset: u64, buffer: Rc<Self::Buffer>) -> io::Result<usize>;
    /// Reads up to `bytes` bytes (whole blocks) at `offset` (block-aligned); short only at the end of the file.
    async fn read_at(&self, offset: u64, bytes: usize) -> io::Result<Rc<Self::Buffer>>;
    /// Whether the bytes that a completed [`Self::write_at`] says it has written are on stable storage by themselves,
    /// with what is needed to read them back. Neither earlier writes nor the file's name are, nor what a failed write
    /// left; those still need a sync.
    fn writes_are_stable(&self) -> bool;
    /// Puts every completed write on stable storage.
    async fn sync_data(&self) -> io::Result<()>;
    /// Reserves space so that later writes below `bytes` cannot fail for lack of it, and sets the length.
    async fn allocate(&self, bytes: u64) -> io::Result<()>;
    /// Length in bytes.
    async fn length(&self) -> io::Result<u64>;
}

/// A file of any bytes, through the page cache.
#[expect(async_fn_in_trait, reason = "a shard is one thread, its futures are never Send")]
pub trait PlainFile: 'static {
    /// Writes all of `bytes` at `offset`; a gap before it reads as zeros.
    async fn write_all_at(&self, offset: u64, bytes: Vec<u8>) -> io::Result<()>;
    /// Reads up to `bytes` bytes at `offset`; short only at the end of the file.
    async fn read_at(&self, offset: u64, bytes: usize) -> io::Result<Vec<u8>>;
    /// Puts every completed write on stable storage.
    async fn sync_data(&self) -> io::Result<()>;
    /// Length in bytes.
    async fn length(&self) -> io::Result<u64>;
    /// Gives the descriptor back; an error of a deferred write shows here at the latest.
    async fn close(self) -> io::Result<()>;
}

/// Replaces the file at `path` by `bytes` so that a crash at any moment leaves the old content or the new.
/// # Errors
/// Any step's; the old content is still there then.
pub async fn replace_file<D: Disk>(disk: &D, path: &str, bytes: Vec<u8>) -> io::Result<()> {
    let mut new = Replacement::begin(disk, path).await?;
    new.append(bytes).await?;
    new.finish().await
}

/// As [`replace_file`], of a file that is written piece by piece.
pub struct Replacement<'a, D: Disk> {
    disk: &'a D,
    path: &'a str,
    file: D::PlainFile,
    end: u64,
}

impl<'a, D: Disk> Replacement<'a, D> {
    /// An empty file that is to take the place of the one at `path`.
    /// # Errors
    /// I/O.
    pub async fn begin(disk: &'a D, path: &'a str) -> io::Result<Self> {
        let new = new_path(path);
        disk.remove(&new).await?;
        let file = disk.open_plain(&new, true).await?;
        Ok(Self { disk, path, file, end: 0 })
    }

    /// Leaves this many bytes for [`Self::write_at`].
    pub fn leave(&mut self, bytes: u64) {
        self.end += bytes;
    }

    /// Writes at the end.
    /// # Errors
    /// I/O.
    pub async fn append(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        let at = self.end;
        self.end += bytes.len() as u64;
        self.write_at(at, bytes).await
    }

    /// Writes at `offset`.
    /// # Errors
    /// I/O.
    pub async fn write_at(&self, offset: u64, bytes: Vec<u8>) -> io::Result<()> {
        self.file.write_all_at(offset, bytes).await
    }

    /// It is whole: the old content goes.
    /// # Errors
    /// Any step's; the old content is still there then.
    pub async fn finish(self) -> io::Result<()> {
        self.file.sync_data().await?;
        self.file.close().await?;
        self.disk.rename(&new_path(self.path), self.path).await?;
        let directory = self.path.rsplit_once('/').map_or("", |(directory, _)| directory);
        self.disk.sync_directory(directory).await
    }
}

fn new_path(path: &str) -> String {
    format!("{path}.new")
}

/// Reads a whole file; `None` if it is not there.
/// # Errors
/// It is there and cannot be read.
pub async fn read_file<D: Disk>(disk: &D, path: &str) -> io::Result<Option<Vec<u8>>> {
    let file = match disk.open_plain(path, false).await {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let length = file.length().await?;
    let bytes = file.read_at(0, length as usize).await?;
    file.close().await?;
    Ok(Some(bytes))
}
