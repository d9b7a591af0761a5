//! The [`PlainFile`] of the simulated disk.

use std::io;

use super::namespace::NodeId;
use super::state::Effect;
use super::{CallKind, SimDisk};
use crate::file::PlainFile;

/// A plain file on the simulated disk.
pub struct SimPlainFile {
    pub(super) disk: SimDisk,
    pub(super) path: String,
    pub(super) file: NodeId,
}

impl PlainFile for SimPlainFile {
    async fn write_all_at(&self, offset: u64, bytes: Vec<u8>) -> io::Result<()> {
        let effect = Effect::PlainWrite { file: self.file, offset, bytes };
        self.disk.call(CallKind::PlainWrite, &self.path, effect).await.map(drop)
    }

    async fn read_at(&self, offset: u64, bytes: usize) -> io::Result<Vec<u8>> {
        self.disk.call(CallKind::PlainRead, &self.path, Effect::Look).await?;
        Ok(self.disk.with(|state| state.read(self.file, offset, bytes)))
    }

    async fn sync_data(&self) -> io::Result<()> {
        self.disk.call(CallKind::PlainSync, &self.path, Effect::Sync { file: self.file }).await.map(drop)
    }

    async fn length(&self) -> io::Result<u64> {
        self.disk.call(CallKind::Length, &self.path, Effect::Look).await?;
        Ok(self.disk.with(|state| state.content(self.file).length()))
    }

    async fn close(self) -> io::Result<()> {
        self.disk.call(CallKind::Close, &self.path, Effect::Look).await.map(drop)
    }
}
