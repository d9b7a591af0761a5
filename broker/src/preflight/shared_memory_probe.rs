//! Whether rings can be kept in a folder.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{statfs, statvfs};

use super::facts::SharedMemory;
use super::mount_table::{CONTAINER_SHM_SOURCE, mount_source};

const TMPFS_MAGIC: u64 = 0x0102_1994;
/// Rings are named so (`storage::ring::shm`).
const RING_NAME_PREFIX: &str = "turbopump-";

/// Makes a file in `folder` for a moment and looks at what kind of memory it is. Rings of `ring_bytes` that an earlier
/// run of this user left count as free: they are taken over.
pub(super) fn probe(folder: &Path, ring_bytes: u64) -> SharedMemory {
    match probe_folder(folder, ring_bytes) {
        Ok(found) => found,
        Err(error) => SharedMemory::NotWritable { cause: error.to_string() },
    }
}

fn probe_folder(folder: &Path, ring_bytes: u64) -> io::Result<SharedMemory> {
    let path = folder.join(format!(".preflight-{}", std::process::id()));
    File::create(&path)?;
    fs::remove_file(&path)?;
    let space = statvfs(folder)?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let folder = fs::canonicalize(folder)?;
    Ok(SharedMemory::Writable {
        is_memory: statfs(&folder)?.f_type as u64 == TMPFS_MAGIC,
        is_private: mount_source(&mounts, &folder) == Some(CONTAINER_SHM_SOURCE),
        free_bytes: space.f_bavail.saturating_mul(space.f_frsize).saturating_add(old_ring_bytes(&folder, ring_bytes)?),
    })
}

fn old_ring_bytes(folder: &Path, ring_bytes: u64) -> io::Result<u64> {
    let user = rustix::process::geteuid().as_raw();
    let sizes = fs::read_dir(folder)?.filter_map(|entry| {
        let entry = entry.ok()?;
        let metadata = entry.metadata().ok()?;
        let is_ring = entry.file_name().to_str()?.starts_with(RING_NAME_PREFIX) && metadata.len() >= ring_bytes;
        (is_ring && metadata.uid() == user).then_some(metadata.len())
    });
    Ok(sizes.sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_folder_is_not_usable() {
        assert!(matches!(probe(Path::new("/nowhere/shm"), 1), SharedMemory::NotWritable { .. }));
    }

    #[test]
    fn rings_of_an_earlier_run_count_as_free_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("turbopump-0011"), vec![0; 8192]).unwrap();
        fs::write(folder.path().join("turbopump-small"), vec![0; 10]).unwrap();
        fs::write(folder.path().join("other"), vec![0; 8192]).unwrap();
        assert_eq!(old_ring_bytes(folder.path(), 4096).unwrap(), 8192);
        assert!(matches!(probe(folder.path(), 4096), SharedMemory::Writable { .. }));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
