//! An installed store takes the place of the one that was there.

use super::{FOLDER, MARKER};
use crate::checkpoint;
use crate::error::StorageError;
use crate::file::{Disk, PlainFile};
use crate::{commit_log, consume_queue};

/// What is replaced waits here to be removed, which may take long.
const REPLACED: &str = "replaced";

/// Moves a whole installation into place. What is there goes; of a crash in between nothing shows after the next call.
/// Returns whether there was one.
/// # Errors
/// I/O; it goes on with the next call.
pub async fn finish<D: Disk>(disk: &D) -> Result<bool, StorageError> {
    let marker = format!("{FOLDER}/{MARKER}");
    let is_whole = match disk.open_plain(&marker, false).await {
        Ok(file) => file.close().await.map(|()| true).map_err(StorageError::io("close", &marker))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => return Err(StorageError::io("open", &marker)(error)),
    };
    if is_whole {
        remove(disk, checkpoint::PREVIOUS_PATH).await?;
        sync(disk, "").await?;
        for folder in [commit_log::DIRECTORY, consume_queue::DIRECTORY] {
            move_folder(disk, folder).await?;
        }
        if has(disk, FOLDER, checkpoint::PATH).await? {
            rename(disk, &format!("{FOLDER}/{}", checkpoint::PATH), checkpoint::PATH).await?;
            sync(disk, FOLDER).await?;
            sync(disk, "").await?;
        }
        // From here on it is the store. What is left goes at once, marker and all.
        let rest = format!("{REPLACED}/{FOLDER}");
        remove(disk, &rest).await?;
        disk.create_directory(REPLACED).await.map_err(StorageError::io("create", REPLACED))?;
        rename(disk, FOLDER, &rest).await?;
        sync(disk, REPLACED).await?;
        sync(disk, "").await?;
    }
    if is_whole || has(disk, "", REPLACED).await? {
        remove(disk, REPLACED).await?;
        sync(disk, "").await?;
    }
    Ok(is_whole)
}

/// Forgets an installation that is not whole.
/// # Errors
/// I/O.
pub async fn abandon<D: Disk>(disk: &D) -> Result<(), StorageError> {
    if has(disk, "", FOLDER).await? {
        remove(disk, FOLDER).await?;
        sync(disk, "").await?;
    }
    Ok(())
}

/// While the new one lies below the installation's folder, what is in its place is the old one.
async fn move_folder<D: Disk>(disk: &D, folder: &str) -> Result<(), StorageError> {
    if !has(disk, FOLDER, folder).await? {
        return Ok(());
    }
    if has(disk, "", folder).await? {
        let replaced = format!("{REPLACED}/{folder}");
        remove(disk, &replaced).await?;
        disk.create_directory(REPLACED).await.map_err(StorageError::io("create", REPLACED))?;
        rename(disk, folder, &replaced).await?;
        sync(disk, REPLACED).await?;
        sync(disk, "").await?;
    }
    rename(disk, &format!("{FOLDER}/{folder}"), folder).await?;
    sync(disk, FOLDER).await?;
    sync(disk, "").await
}

async fn has<D: Disk>(disk: &D, folder: &str, name: &str) -> Result<bool, StorageError> {
    let names = disk.list(folder).await.map_err(StorageError::io("list", folder))?;
    Ok(names.iter().any(|found| found == name))
}

async fn remove<D: Disk>(disk: &D, path: &str) -> Result<(), StorageError> {
    disk.remove(path).await.map_err(StorageError::io("remove", path))
}

async fn rename<D: Disk>(disk: &D, from: &str, to: &str) -> Result<(), StorageError> {
    disk.rename(from, to).await.map_err(StorageError::io("rename to", to))
}

async fn sync<D: Disk>(disk: &D, directory: &str) -> Result<(), StorageError> {
    disk.sync_directory(directory).await.map_err(StorageError::io("sync", directory))
}
