//! A folder of a disk as a disk of its own: a store that is made beside another one is made by the same code.

use std::io;

use super::Disk;

/// See the module's text. Clones are the same folder.
#[derive(Clone)]
pub struct Below<D> {
    disk: D,
    folder: &'static str,
}

impl<D> Below<D> {
    /// The folder `folder` of `disk`; it need not be there.
    pub fn new(disk: D, folder: &'static str) -> Self {
        Self { disk, folder }
    }

    fn path(&self, path: &str) -> String {
        if path.is_empty() { self.folder.to_owned() } else { format!("{}/{path}", self.folder) }
    }
}

impl<D: Disk> Disk for Below<D> {
    type Buffer = D::Buffer;
    type LogFile = D::LogFile;
    type PlainFile = D::PlainFile;

    fn buffer(&self, bytes: usize) -> D::Buffer {
        self.disk.buffer(bytes)
    }

    async fn open_log(&self, path: &str) -> io::Result<D::LogFile> {
        self.disk.open_log(&self.path(path)).await
    }

    async fn create_log(&self, path: &str) -> io::Result<D::LogFile> {
        self.disk.create_log(&self.path(path)).await
    }

    async fn open_plain(&self, path: &str, create: bool) -> io::Result<D::PlainFile> {
        self.disk.open_plain(&self.path(path), create).await
    }

    async fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        self.disk.list(&self.path(directory)).await
    }

    async fn file_lengths(&self, directory: &str) -> io::Result<Vec<(String, u64)>> {
        self.disk.file_lengths(&self.path(directory)).await
    }

    async fn remove(&self, path: &str) -> io::Result<()> {
        self.disk.remove(&self.path(path)).await
    }

    async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(&self.path(from), &self.path(to)).await
    }

    async fn create_directory(&self, path: &str) -> io::Result<()> {
        self.disk.create_directory(&self.path(path)).await
    }

    async fn sync_directory(&self, directory: &str) -> io::Result<()> {
        self.disk.sync_directory(&self.path(directory)).await
    }
}
