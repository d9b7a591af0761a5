//! A disk that answers at once. Plain files keep what is written; of a log segment only the length is kept, since what
//! is counted reads from memory, never from the disk.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use storage::file::{AlignedBuffer, BLOCK_BYTES, Disk, LogFile, PlainFile};

/// Buffers all have this much memory behind them, so that each can be handed out again for any size up to it.
const BUFFER_BYTES: usize = 2 << 20;

type Pool = Rc<RefCell<Vec<Vec<u8>>>>;
type Content = Rc<RefCell<Vec<u8>>>;

/// See the module's text.
#[derive(Clone, Default)]
pub struct MemoryDisk {
    plain: Rc<RefCell<BTreeMap<String, Content>>>,
    segments: Rc<RefCell<BTreeMap<String, Rc<Cell<u64>>>>>,
    pool: Pool,
    written: Rc<Cell<u64>>,
}

impl MemoryDisk {
    /// Bytes written to segments since this was last asked.
    pub fn take_written(&self) -> u64 {
        self.written.take()
    }
}

/// Memory that goes back to its disk, as the real one's goes back to an allocator of its own.
pub struct PooledBuffer {
    memory: Vec<u8>,
    bytes: usize,
    pool: Pool,
}

impl Drop for PooledBuffer {
    fn drop(&mut self) {
        self.pool.borrow_mut().push(std::mem::take(&mut self.memory));
    }
}

impl AsRef<[u8]> for PooledBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.memory[..self.bytes]
    }
}

impl AsMut<[u8]> for PooledBuffer {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.memory[..self.bytes]
    }
}

impl AlignedBuffer for PooledBuffer {
    fn trim(&mut self, bytes: usize) {
        assert!(bytes.is_multiple_of(BLOCK_BYTES) && bytes <= self.bytes);
        self.bytes = bytes;
    }
}

/// A segment that remembers its length.
pub struct Segment {
    length: Rc<Cell<u64>>,
    disk: MemoryDisk,
}

/// A file of any bytes.
pub struct MemoryFile(Content);

fn not_found(path: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{path} is not there"))
}

impl Disk for MemoryDisk {
    type Buffer = PooledBuffer;
    type LogFile = Segment;
    type PlainFile = MemoryFile;

    fn buffer(&self, bytes: usize) -> PooledBuffer {
        assert!(bytes <= BUFFER_BYTES, "a buffer of {bytes} bytes: raise BUFFER_BYTES");
        let memory = self.pool.borrow_mut().pop().unwrap_or_else(|| vec![0; BUFFER_BYTES]);
        PooledBuffer { memory, bytes, pool: self.pool.clone() }
    }

    async fn open_log(&self, path: &str) -> io::Result<Segment> {
        let length = self.segments.borrow().get(path).cloned().ok_or_else(|| not_found(path))?;
        Ok(Segment { length, disk: self.clone() })
    }

    async fn create_log(&self, path: &str) -> io::Result<Segment> {
        let length = Rc::new(Cell::new(0));
        self.segments.borrow_mut().insert(path.to_owned(), length.clone());
        Ok(Segment { length, disk: self.clone() })
    }

    async fn open_plain(&self, path: &str, create: bool) -> io::Result<MemoryFile> {
        let mut files = self.plain.borrow_mut();
        match files.get(path) {
            Some(content) => Ok(MemoryFile(content.clone())),
            None if create => Ok(MemoryFile(files.entry(path.to_owned()).or_default().clone())),
            None => Err(not_found(path)),
        }
    }

    async fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let files = self.file_lengths(directory).await?;
        let names = files.into_iter().map(|(path, _)| path.rsplit('/').next().unwrap_or_default().to_owned());
        Ok(names.collect())
    }

    async fn file_lengths(&self, directory: &str) -> io::Result<Vec<(String, u64)>> {
        let below = |path: &String| path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'));
        let (plain, segments) = (self.plain.borrow(), self.segments.borrow());
        let plain = plain.iter().map(|(path, content)| (path.clone(), content.borrow().len() as u64));
        let segments = segments.iter().map(|(path, length)| (path.clone(), length.get()));
        Ok(plain.chain(segments).filter(|(path, _)| below(path)).collect())
    }

    async fn remove(&self, path: &str) -> io::Result<()> {
        self.plain.borrow_mut().remove(path);
        self.segments.borrow_mut().remove(path);
        Ok(())
    }

    async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = self.plain.borrow_mut();
        let content = files.remove(from).ok_or_else(|| not_found(from))?;
        files.insert(to.to_owned(), content);
        Ok(())
    }

    async fn create_directory(&self, _path: &str) -> io::Result<()> {
        Ok(())
    }

    async fn sync_directory(&self, _path: &str) -> io::Result<()> {
        Ok(())
    }
}

impl LogFile for Segment {
    type Buffer = PooledBuffer;

    async fn write_at(&self, offset: u64, buffer: Rc<PooledBuffer>) -> io::Result<usize> {
        let bytes = (*buffer).as_ref().len();
        self.length.set(self.length.get().max(offset + bytes as u64));
        self.disk.written.set(self.disk.written.get() + bytes as u64);
        Ok(bytes)
    }

    async fn read_at(&self, offset: u64, bytes: usize) -> io::Result<Rc<PooledBuffer>> {
        let there = self.length.get().saturating_sub(offset).min(bytes as u64) as usize;
        let mut buffer = self.disk.buffer(there);
        buffer.as_mut().fill(0);
        Ok(Rc::new(buffer))
    }

    fn writes_are_stable(&self) -> bool {
        false
    }

    async fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    async fn allocate(&self, bytes: u64) -> io::Result<()> {
        self.length.set(bytes);
        Ok(())
    }

    async fn length(&self) -> io::Result<u64> {
        Ok(self.length.get())
    }
}

impl PlainFile for MemoryFile {
    async fn write_all_at(&self, offset: u64, bytes: Vec<u8>) -> io::Result<()> {
        let (start, end) = (offset as usize, offset as usize + bytes.len());
        let mut content = self.0.borrow_mut();
        let length = content.len().max(end);
        content.resize(length, 0);
        content[start..end].copy_from_slice(&bytes);
        Ok(())
    }

    async fn read_at(&self, offset: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let content = self.0.borrow();
        let start = (offset as usize).min(content.len());
        let end = (start + bytes).min(content.len());
        Ok(content[start..end].to_vec())
    }

    async fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    async fn length(&self) -> io::Result<u64> {
        Ok(self.0.borrow().len() as u64)
    }

    async fn close(self) -> io::Result<()> {
        Ok(())
    }
}
