//! The ring in shared memory: a file on tmpfs, mapped, that stays when the process goes.
//!
//! ```text
//! 0 magic u64 `TPRING01` | 8 log id u64 | 16 capacity u64 | zero up to one page, then the ring
//! ```

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::ptr::NonNull;

use rustix::fs::{FallocateFlags, fallocate, statfs};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::{Ring, split};
use crate::commit_log::LogId;

const MAGIC: &[u8; 8] = b"TPRING01";
const HEADER_BYTES: usize = 4096;
const TMPFS_MAGIC: u64 = 0x0102_1994;

/// Why there is no ring. The broker acknowledges after the direct write then, and says so at start.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// The folder is not in memory, so writes to it cost what they are to save.
    #[error("{folder} is no tmpfs")]
    NotMemory {
        /// The folder.
        folder: String,
    },
    /// What lies in the ring's place is another store's, or cut short, or damaged at its start.
    #[error("{path} is no whole ring of this store")]
    NotWhole {
        /// The file.
        path: String,
    },
    /// The memory cannot be had.
    #[error("{op} {path} ({bytes} bytes) failed: {source}")]
    Io {
        /// What was tried.
        op: &'static str,
        /// The ring's file.
        path: String,
        /// Its size.
        bytes: u64,
        /// The cause.
        source: io::Error,
    },
}

/// A mapped ring. See the module's text.
pub struct ShmRing {
    map: NonNull<u8>,
    capacity: usize,
    path: PathBuf,
    file: File,
}

impl ShmRing {
    /// Maps the ring that an earlier process of the log `id` left in `folder`; `None` if it left none.
    /// # Errors
    /// Something is there and is no whole ring of this log, or cannot be mapped.
    pub fn open_left(folder: &Path, id: LogId) -> Result<Option<Self>, RingError> {
        let path = ring_path(folder, id);
        let failed = |op, bytes| {
            let path = path.display().to_string();
            move |source: io::Error| RingError::Io { op, path, bytes, source }
        };
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("opening", 0)(error)),
        };
        match left_capacity(&file, id).map_err(failed("reading", 0))? {
            Some(capacity) => Self::map(file, path.clone(), capacity).map(Some),
            None => Err(RingError::NotWhole { path: path.display().to_string() }),
        }
    }

    /// Makes a ring of `capacity` bytes in `folder` in place of whatever is there.
    /// # Errors
    /// The memory cannot be had; nothing is left behind.
    pub fn create(folder: &Path, id: LogId, capacity: usize) -> Result<Self, RingError> {
        let path = ring_path(folder, id);
        let bytes = (HEADER_BYTES + capacity) as u64;
        let failed = |op| {
            let path = path.display().to_string();
            move |source: io::Error| RingError::Io { op, path, bytes, source }
        };
        let stat = statfs(folder).map_err(|errno| failed("looking at")(errno.into()))?;
        if stat.f_type as u64 != TMPFS_MAGIC {
            return Err(RingError::NotMemory { folder: folder.display().to_string() });
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o600);
        let file = options.open(&path).map_err(failed("creating"))?;
        // Reserved up front: a page that could not be had later would end the process at the first touch.
        let reserved = fallocate(&file, FallocateFlags::empty(), 0, bytes).map_err(io::Error::from);
        if let Err(source) = reserved.and_then(|()| file.write_all_at(&header_bytes(id, capacity), 0)) {
            // Best effort: what matters is said by the error.
            let _ = std::fs::remove_file(&path);
            return Err(failed("reserving")(source));
        }
        Self::map(file, path.clone(), capacity)
    }

    fn map(file: File, path: PathBuf, capacity: usize) -> Result<Self, RingError> {
        let bytes = HEADER_BYTES + capacity;
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: a fresh mapping at an address of the kernel's choice; the file is that long and nobody shortens it.
        let mapped = unsafe { mmap(std::ptr::null_mut(), bytes, protection, flags, &file, 0) };
        let mapped = mapped.map_err(|errno| {
            let path = path.display().to_string();
            RingError::Io { op: "mapping", path, bytes: bytes as u64, source: errno.into() }
        })?;
        let Some(map) = NonNull::new(mapped.cast::<u8>()) else { unreachable!("mmap never maps address 0") };
        Ok(Self { map, capacity, path, file })
    }

    /// Removes the ring's file: the log holds everything that was in it.
    /// # Errors
    /// The file stays.
    pub fn remove(folder: &Path, id: LogId) -> io::Result<()> {
        match std::fs::remove_file(ring_path(folder, id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// Where the ring lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: mapped for HEADER_BYTES + capacity bytes until drop; no other reference to it is handed out.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().add(HEADER_BYTES), self.capacity) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and `&mut self` makes this the only reference.
        unsafe { std::slice::from_raw_parts_mut(self.map.as_ptr().add(HEADER_BYTES), self.capacity) }
    }
}

fn ring_path(folder: &Path, id: LogId) -> PathBuf {
    folder.join(format!("turbopump-{:016x}", id.0))
}

/// Capacity of a whole ring of the log `id`.
fn left_capacity(file: &File, id: LogId) -> io::Result<Option<usize>> {
    let length = file.metadata()?.size();
    let mut header = [0; 24];
    if length <= HEADER_BYTES as u64 || file.read_exact_at(&mut header, 0).is_err() {
        return Ok(None);
    }
    let capacity = length as usize - HEADER_BYTES;
    Ok((header == header_bytes(id, capacity)).then_some(capacity))
}

fn header_bytes(id: LogId, capacity: usize) -> [u8; 24] {
    let mut header = [0; 24];
    header[..8].copy_from_slice(MAGIC);
    header[8..16].copy_from_slice(&id.0.to_be_bytes());
    header[16..].copy_from_slice(&(capacity as u64).to_be_bytes());
    header
}

impl Ring for ShmRing {
    fn capacity(&self) -> u64 {
        self.capacity as u64
    }

    fn write(&mut self, position: u64, bytes: &[u8]) {
        let (range, wrapped) = split(self.capacity as u64, position, bytes.len());
        let (head, rest) = bytes.split_at(range.len());
        let ring = self.bytes_mut();
        ring[range].copy_from_slice(head);
        ring[..wrapped].copy_from_slice(rest);
    }

    fn read(&self, position: u64, out: &mut [u8]) {
        let (range, wrapped) = split(self.capacity as u64, position, out.len());
        let (head, rest) = out.split_at_mut(range.len());
        let ring = self.bytes();
        head.copy_from_slice(&ring[range]);
        rest.copy_from_slice(&ring[..wrapped]);
    }

    /// systemd removes the files of a user in shared memory when the user's last session or service ends.
    fn outlives_process(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.nlink() > 0)
    }
}

impl Drop for ShmRing {
    fn drop(&mut self) {
        // SAFETY: this mapping and no reference into it is left. The file stays: it is the point of the ring.
        let unmapped = unsafe { munmap(self.map.as_ptr().cast(), HEADER_BYTES + self.capacity) };
        debug_assert!(unmapped.is_ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shm() -> tempfile::TempDir {
        tempfile::tempdir_in("/dev/shm").unwrap()
    }

    #[test]
    fn bytes_outlive_the_mapping_and_wrap_around_its_end() {
        let folder = shm();
        assert!(ShmRing::open_left(folder.path(), LogId(5)).unwrap().is_none());
        let mut ring = ShmRing::create(folder.path(), LogId(5), 8192).unwrap();
        ring.write(8190, b"abcd");
        drop(ring);
        let ring = ShmRing::open_left(folder.path(), LogId(5)).unwrap().unwrap();
        let mut out = [0; 4];
        ring.read(8190, &mut out);
        assert_eq!((&out, ring.capacity()), (b"abcd", 8192));
    }

    #[test]
    fn a_ring_that_was_removed_says_that_it_outlives_nothing() {
        let folder = shm();
        let ring = ShmRing::create(folder.path(), LogId(5), 8192).unwrap();
        assert!(ring.outlives_process());
        std::fs::remove_file(ring.path()).unwrap();
        assert!(!ring.outlives_process());
    }

    #[test]
    fn another_stores_ring_or_half_of_one_is_not_taken_over() {
        let folder = shm();
        let ring = ShmRing::create(folder.path(), LogId(5), 8192).unwrap();
        let path = ring.path().to_owned();
        drop(ring);
        let foreign = folder.path().join("turbopump-0000000000000006");
        std::fs::rename(path, &foreign).unwrap();
        let is_refused = || matches!(ShmRing::open_left(folder.path(), LogId(6)), Err(RingError::NotWhole { .. }));
        assert!(is_refused());
        ShmRing::create(folder.path(), LogId(6), 8192).unwrap();
        OpenOptions::new().write(true).open(&foreign).unwrap().set_len(6000).unwrap();
        assert!(is_refused());
    }

    #[test]
    fn a_new_ring_holds_nothing_of_the_old_one() {
        let folder = shm();
        ShmRing::create(folder.path(), LogId(5), 8192).unwrap().write(0, b"abcd");
        let ring = ShmRing::create(folder.path(), LogId(5), 8192).unwrap();
        let mut out = [0xFF; 4];
        ring.read(0, &mut out);
        assert_eq!(out, [0; 4]);
    }

    #[test]
    fn a_folder_on_disk_is_no_place_for_a_ring() {
        let Err(error) = ShmRing::create(Path::new("/"), LogId(5), 8192) else { panic!("the root is no tmpfs") };
        assert!(matches!(error, RingError::NotMemory { .. }), "{error}");
    }
}
