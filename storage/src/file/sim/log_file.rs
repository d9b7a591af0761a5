//! The [`LogFile`] of the simulated disk.

use std::io;
use std::rc::Rc;

use super::namespace::NodeId;
use super::state::Effect;
use super::{CallKind, SimBuffer, SimDisk};
use crate::file::{BLOCK_BYTES, LogFile, LogWrites};

/// A segment on the simulated disk.
pub struct SimLogFile {
    pub(super) disk: SimDisk,
    pub(super) path: String,
    pub(super) file: NodeId,
    pub(super) writes: LogWrites,
}

fn assert_blocks(what: &str, bytes: u64) {
    assert!(bytes.is_multiple_of(BLOCK_BYTES as u64), "{what} {bytes} is not a multiple of {BLOCK_BYTES}");
}

impl SimLogFile {
    /// As [`LogFile::write_at`], and no more than seen however the file was opened: for disks that lie.
    /// # Errors
    /// The same.
    pub async fn write_seen_at(&self, offset: u64, buffer: Rc<SimBuffer>) -> io::Result<usize> {
        self.write(offset, buffer, LogWrites::Seen).await
    }

    async fn write(&self, offset: u64, buffer: Rc<SimBuffer>, writes: LogWrites) -> io::Result<usize> {
        assert_blocks("offset", offset);
        assert_blocks("length", buffer.bytes().len() as u64);
        assert!(!buffer.bytes().is_empty(), "a write of nothing");
        let effect = Effect::Write { file: self.file, offset, buffer, writes };
        self.disk.call(CallKind::Write, &self.path, effect).await.map(|written| written as usize)
    }
}

impl LogFile for SimLogFile {
    type Buffer = SimBuffer;

    async fn write_at(&self, offset: u64, buffer: Rc<SimBuffer>) -> io::Result<usize> {
        self.write(offset, buffer, self.writes).await
    }

    async fn read_at(&self, offset: u64, bytes: usize) -> io::Result<Rc<SimBuffer>> {
        assert_blocks("offset", offset);
        assert_blocks("length", bytes as u64);
        self.disk.call(CallKind::Read, &self.path, Effect::Look).await?;
        Ok(Rc::new(SimBuffer::from_bytes(self.disk.with(|state| state.read(self.file, offset, bytes)))))
    }

    fn writes_are_stable(&self) -> bool {
        self.writes == LogWrites::Stable
    }

    async fn sync_data(&self) -> io::Result<()> {
        self.disk.call(CallKind::Sync, &self.path, Effect::Sync { file: self.file }).await.map(drop)
    }

    async fn allocate(&self, bytes: u64) -> io::Result<()> {
        assert_blocks("length", bytes);
        self.disk.call(CallKind::Allocate, &self.path, Effect::Allocate { file: self.file, bytes }).await.map(drop)
    }

    async fn length(&self) -> io::Result<u64> {
        self.disk.call(CallKind::Length, &self.path, Effect::Look).await?;
        Ok(self.disk.with(|state| state.content(self.file).length()))
    }
}
