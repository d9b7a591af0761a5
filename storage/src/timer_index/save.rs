//! Making the index durable, beside its use.

use super::state::State;
use super::{DIRECTORY, STATE_PATH, path_of};
use crate::error::StorageError;
use crate::file::{Disk, PlainFile, replace_file};

/// What is to become durable: as it was when it began. It needs the disk, not the index.
#[derive(Debug)]
pub struct Save<D: Disk> {
    pub(super) disk: D,
    pub(super) state: State,
    pub(super) unsynced: Vec<u64>,
    /// Files that only the state before may name.
    pub(super) left_files: Vec<u64>,
}

/// What became of a [`Save`].
#[derive(Debug)]
pub struct Saved {
    pub(super) is_durable: bool,
    pub(super) unsynced: Vec<u64>,
    /// Files that could not be removed.
    pub(super) left_files: Vec<u64>,
    /// Why it is not durable, or files are left.
    pub error: Option<StorageError>,
}

impl<D: Disk> Save<D> {
    /// Syncs files, replaces the state, removes files that nobody names any more.
    pub async fn run(self) -> Saved {
        let Self { disk, state, unsynced, mut left_files } = self;
        if let Err(error) = make_durable(&disk, &state, &unsynced).await {
            return Saved { is_durable: false, unsynced, left_files, error: Some(error) };
        }
        while let Some(file) = left_files.last() {
            let path = path_of(*file);
            if let Err(error) = disk.remove(&path).await.map_err(StorageError::io("remove", &path)) {
                return Saved { is_durable: true, unsynced, left_files, error: Some(error) };
            }
            left_files.pop();
        }
        Saved { is_durable: true, unsynced, left_files, error: None }
    }
}

async fn make_durable<D: Disk>(disk: &D, state: &State, unsynced: &[u64]) -> Result<(), StorageError> {
    disk.create_directory(DIRECTORY).await.map_err(StorageError::io("create", DIRECTORY))?;
    for file in unsynced {
        let path = path_of(*file);
        let file = disk.open_plain(&path, false).await.map_err(StorageError::io("open", &path))?;
        file.sync_data().await.map_err(StorageError::io("sync", &path))?;
        file.close().await.map_err(StorageError::io("close", &path))?;
    }
    disk.sync_directory(DIRECTORY).await.map_err(StorageError::io("sync", DIRECTORY))?;
    disk.sync_directory("").await.map_err(StorageError::io("sync", "the shard's folder"))?;
    replace_file(disk, STATE_PATH, state.encode()).await.map_err(StorageError::io("write", STATE_PATH))
}
