//! The folder a broker keeps its messages in, seen from outside.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, fadvise};

use crate::error::CompareError;

/// Space on the disk that all files below `folder` take, bytes. Files that vanish meanwhile take none.
/// # Errors
/// A folder cannot be read.
pub fn disk_bytes(folder: &Path) -> Result<u64, CompareError> {
    /// What `st_blocks` counts in, whatever the file system's block is.
    const UNIT_BYTES: u64 = 512;
    let mut sum = 0;
    for file in files(folder)? {
        match fs::symlink_metadata(&file) {
            Ok(metadata) => sum += metadata.blocks() * UNIT_BYTES,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(CompareError::file("look at", file)(error)),
        }
    }
    Ok(sum)
}

/// Takes all files below `folder` out of the page cache: what was not yet written is written and synced first, for only
/// clean pages can go. Pages that a process has mapped stay, so nobody may have the files open. Needs no privilege.
/// # Errors
/// A file cannot be opened or synced.
pub fn evict(folder: &Path) -> Result<(), CompareError> {
    for path in files(folder)? {
        let file = File::open(&path).map_err(CompareError::file("open", &path))?;
        file.sync_all().map_err(CompareError::file("sync", &path))?;
        let evicted = fadvise(&file, 0, None, Advice::DontNeed).map_err(io::Error::from);
        evicted.map_err(CompareError::file("evict from the page cache", &path))?;
    }
    Ok(())
}

/// Deletes the folder with all in it, and waits until the disk has nothing left to write. No folder is fine.
/// # Errors
/// Something cannot be deleted.
pub fn remove(folder: &Path) -> Result<(), CompareError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(CompareError::file("delete", folder)(error)),
        _ => {}
    }
    // Whoever is measured next does not pay for what this one left to be written.
    rustix::fs::sync();
    Ok(())
}

/// Bytes that an unprivileged process can still write below `folder`.
/// # Errors
/// The file system does not tell.
pub fn available_bytes(folder: &Path) -> Result<u64, CompareError> {
    let told = rustix::fs::statvfs(folder).map_err(io::Error::from);
    let told = told.map_err(CompareError::file("ask for the free space of", folder))?;
    Ok(told.f_bavail * told.f_frsize)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, CompareError> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            entries => entries.map_err(CompareError::file("read", &folder))?,
        };
        for entry in entries {
            let entry = entry.map_err(CompareError::file("read", &folder))?;
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_in_folders_below_count_and_a_missing_folder_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("commitlog/0");
        fs::create_dir_all(&below).unwrap();
        fs::write(below.join("a"), vec![1; 100_000]).unwrap();
        fs::write(folder.path().join("b"), vec![1; 50_000]).unwrap();
        evict(folder.path()).unwrap();
        let bytes = disk_bytes(folder.path()).unwrap();
        assert!((150_000..1_000_000).contains(&bytes), "{bytes}");
        remove(folder.path()).unwrap();
        assert_eq!(disk_bytes(folder.path()).unwrap(), 0);
        remove(folder.path()).unwrap();
    }

    #[test]
    fn a_file_with_holes_takes_only_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        File::create(folder.path().join("sparse")).unwrap().set_len(1 << 30).unwrap();
        assert!(disk_bytes(folder.path()).unwrap() < 1 << 20);
    }

    #[test]
    fn there_is_some_space_left() {
        assert!(available_bytes(Path::new(".")).unwrap() > 0);
    }
}
