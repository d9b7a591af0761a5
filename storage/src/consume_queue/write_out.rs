//! Writing the new units of many queues into their files.
//!
//! Nearly all of the time goes into waiting for syncs, and syncs that wait together cost a file system little more than one:
//! they share a commit of its journal and a flush of the device. So several files are under way at once.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::{DIRECTORY, FILE_UNITS, UNIT_BYTES, Unpersisted, file_path};
use crate::error::StorageError;
use crate::file::{Disk, PlainFile};
use crate::side_by_side;

/// Files that are written and synced at once. Each sync takes a worker of the kernel's, of which a thread has four a core, and the
/// log's own syncs wait for one too.
pub const FILES_AT_ONCE: usize = 16;
/// Units of one write to a file: what a busy queue has gathered is encoded piece by piece, so that requests go on.
const WRITE_UNITS: usize = 4096;

/// What to do with a file that is not there or holds nothing.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum New {
    Make,
    Fill,
}

/// Writes what is given of each queue, which are all different, into their files; files and folders are synced when this returns.
///
/// A file holds nothing until its folders are synced: one that has bytes is found after a power loss, whatever failed meanwhile.
/// # Errors
/// I/O, with each file that failed; what was written is written again by the next try.
pub(crate) async fn write_out<D: Disk>(disk: &D, queues: &[Unpersisted]) -> Result<(), StorageError> {
    let begun = RefCell::new(Vec::new());
    side_by_side::for_each(queues, FILES_AT_ONCE, async |queue| {
        if queue.write(disk, New::Make).await? {
            begun.borrow_mut().push(queue);
        }
        Ok(())
    })
    .await?;
    let begun = begun.into_inner();
    let new_in: BTreeSet<String> = begun.iter().map(|queue| queue.folder()).collect();
    let folders: Vec<&str> = with_parents(&new_in).into_iter().collect();
    side_by_side::for_each(&folders, FILES_AT_ONCE, async |folder| {
        let name = if folder.is_empty() { "." } else { folder };
        disk.sync_directory(folder).await.map_err(StorageError::io("sync", name))
    })
    .await?;
    side_by_side::for_each(&begun, FILES_AT_ONCE, async |queue| queue.write(disk, New::Fill).await.map(drop)).await
}

/// The folders and all that they lie in, up to the shard's own, which is empty: each once.
fn with_parents(folders: &BTreeSet<String>) -> BTreeSet<&str> {
    let mut all = BTreeSet::new();
    for folder in folders {
        let mut folder = folder.as_str();
        // Where one is known already, so are its parents.
        while all.insert(folder) && !folder.is_empty() {
            folder = folder.rsplit_once('/').map_or("", |(parent, _)| parent);
        }
    }
    all
}

impl Unpersisted {
    fn folder(&self) -> String {
        format!("{DIRECTORY}/{}/{}", self.topic, self.queue_id)
    }

    /// Writes the units into their files and syncs these. Whether files were made and left empty.
    async fn write<D: Disk>(&self, disk: &D, new: New) -> Result<bool, StorageError> {
        let (folder, mut has_made) = (self.folder(), false);
        let mut at = self.start;
        let end = self.start + self.units.len() as u64;
        while at < end {
            let (file, within) = (at / FILE_UNITS, at % FILE_UNITS);
            let until = end.min((file + 1) * FILE_UNITS);
            let units = &self.units[(at - self.start) as usize..(until - self.start) as usize];
            let path = file_path(&folder, file);
            let plain = disk.open_plain(&path, true).await.map_err(StorageError::io("open", &path))?;
            if new == New::Make && plain.length().await.map_err(StorageError::io("measure", &path))? == 0 {
                plain.close().await.map_err(StorageError::io("close", &path))?;
                (has_made, at) = (true, until);
                continue;
            }
            let mut byte = within * UNIT_BYTES;
            for piece in units.chunks(WRITE_UNITS) {
                let mut bytes = Vec::with_capacity(piece.len() * UNIT_BYTES as usize);
                piece.iter().for_each(|unit| unit.encode(&mut bytes));
                let end = byte + bytes.len() as u64;
                plain.write_all_at(byte, bytes).await.map_err(StorageError::io("write to", &path))?;
                byte = end;
            }
            plain.sync_data().await.map_err(StorageError::io("sync", &path))?;
            plain.close().await.map_err(StorageError::io("close", &path))?;
            at = until;
        }
        Ok(has_made)
    }
}

#[cfg(test)]
mod tests;
