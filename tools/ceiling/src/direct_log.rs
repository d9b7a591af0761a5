//! One log file, written past the page cache in whole blocks.

use std::path::{Path, PathBuf};

use glommio::GlommioError;
use glommio::io::{DmaFile, OpenOptions};

use crate::error::CeilingError;

/// Writes begin and end at multiples of this.
const BLOCK_BYTES: usize = 4096;
/// The file is begun anew when it is full. As large as a segment of the broker.
const FILE_BYTES: u64 = 1 << 30;
/// Piece in which the file is written once before it is used, so that no write waits for the file system's journal.
const FILL_BYTES: usize = 1 << 20;

const _: () = assert!(FILE_BYTES.is_multiple_of(FILL_BYTES as u64));

/// Where a write goes: its first block, and how much of that the write before has filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Place {
    position: u64,
    tail: usize,
}

impl Place {
    /// Where `bytes` more begin: here, or at the file's start when they would pass its end.
    fn for_bytes(self, bytes: usize) -> Self {
        let end = self.position + blocks(self.tail + bytes) as u64;
        if end > FILE_BYTES { Self { position: 0, tail: self.tail } } else { self }
    }

    /// Behind `bytes` more. A partly filled block is written again with the next.
    fn behind(self, bytes: usize) -> Self {
        let end = self.tail + bytes;
        let tail = end % BLOCK_BYTES;
        Self { position: self.position + (end - tail) as u64, tail }
    }
}

fn blocks(bytes: usize) -> usize {
    bytes.next_multiple_of(BLOCK_BYTES)
}

/// The log.
pub(crate) struct DirectLog {
    file: DmaFile,
    path: PathBuf,
    place: Place,
}

impl DirectLog {
    /// A file of full length at `path`, written once.
    pub(crate) async fn create(path: &Path) -> Result<Self, CeilingError> {
        let options = OpenOptions::new().create(true).truncate(true).read(true).write(true).dma_open(path).await;
        let file = options.map_err(|error| failed("the opening for direct I/O", path, error))?;
        let log = Self { file, path: path.to_owned(), place: Place::default() };
        log.file.pre_allocate(FILE_BYTES, false).await.map_err(|error| log.failed("the allocation", error))?;
        for position in (0..FILE_BYTES).step_by(FILL_BYTES) {
            let mut buffer = log.file.alloc_dma_buffer(FILL_BYTES);
            buffer.as_bytes_mut().fill(0);
            let written = log.file.write_at(buffer, position).await;
            written.map_err(|error| log.failed("the first writing", error))?;
        }
        log.file.fdatasync().await.map_err(|error| log.failed("the data sync", error))?;
        Ok(log)
    }

    /// Writes `bytes` behind what was written before, as one write.
    pub(crate) async fn append(&mut self, bytes: &[u8], sync: bool) -> Result<(), CeilingError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let place = self.place.for_bytes(bytes.len());
        let end = place.tail + bytes.len();
        let mut buffer = self.file.alloc_dma_buffer(blocks(end));
        // What the tail held does not matter here, only that it is written again.
        buffer.as_bytes_mut()[place.tail..end].copy_from_slice(bytes);
        self.file.write_at(buffer, place.position).await.map_err(|error| self.failed("a direct write", error))?;
        if sync {
            self.file.fdatasync().await.map_err(|error| self.failed("the data sync", error))?;
        }
        self.place = place.behind(bytes.len());
        Ok(())
    }

    fn failed(&self, what: &'static str, error: GlommioError<()>) -> CeilingError {
        failed(what, &self.path, error)
    }
}

fn failed(what: &'static str, path: &Path, error: GlommioError<()>) -> CeilingError {
    CeilingError::Log { what, file: path.to_owned(), source: error.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partly_filled_block_is_written_again_with_the_next() {
        let place = Place::default().behind(5000);
        assert_eq!(place, Place { position: 4096, tail: 904 });
        assert_eq!(place.behind(3192), Place { position: 8192, tail: 0 });
    }

    #[test]
    fn a_write_that_would_pass_the_end_begins_at_the_start() {
        let last = Place { position: FILE_BYTES - 8192, tail: 100 };
        assert_eq!(last.for_bytes(8092), last);
        assert_eq!(last.for_bytes(8093), Place { position: 0, tail: 100 });
    }
}
