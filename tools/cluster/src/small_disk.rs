//! A disk of limited size: an ext4 file system in a file, which can be filled to the last block. It does direct I/O.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

use crate::error::ClusterError;
use crate::run_folder::RunFolder;
use crate::run_folder::made::Made;
use crate::tool;

/// What fills it.
const BALLAST: &str = "ballast";
/// The ballast grows by what is free, then by less and less, down to a block.
const BLOCK_BYTES: u64 = 4096;

/// A mounted disk. It is gone when the [`RunFolder`] is dropped.
#[derive(Debug)]
pub struct SmallDisk {
    mounted: PathBuf,
}

impl SmallDisk {
    /// Makes a disk of `bytes` and mounts it at `folder`/disk. Its file beside takes only the room that is used.
    /// # Errors
    /// Whoever runs this may not mount, or the kernel has no loop devices.
    pub fn make(run: &mut RunFolder, folder: &Path, bytes: u64) -> Result<Self, ClusterError> {
        let (image, mounted) = (folder.join("disk.ext4"), folder.join("disk"));
        fs::create_dir_all(&mounted).map_err(ClusterError::file("create", &mounted))?;
        let file = File::create(&image).and_then(|file| file.set_len(bytes));
        file.map_err(ClusterError::file("create", &image))?;
        tool::run_with("mkfs.ext4 -q -F -m 0", &[&image], "")?;
        run.note(Made::Mount(mounted.clone()))?;
        tool::run_with("mount -o loop", &[&image, &mounted], "")?;
        Ok(Self { mounted })
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.mounted
    }

    /// Bytes that can still be written.
    /// # Errors
    /// The disk does not say.
    pub fn free_bytes(&self) -> Result<u64, ClusterError> {
        let stat =
            statvfs(&self.mounted).map_err(|error| ClusterError::file("look at", &self.mounted)(error.into()))?;
        Ok(stat.f_bavail * stat.f_frsize)
    }

    /// Takes all that is free.
    /// # Errors
    /// For another reason than that nothing is free.
    pub fn fill(&self) -> Result<(), ClusterError> {
        let path = self.mounted.join(BALLAST);
        let file = File::create(&path).map_err(ClusterError::file("create", &path))?;
        let (mut end, mut step) = (0, self.free_bytes()?.max(BLOCK_BYTES));
        while step >= BLOCK_BYTES {
            match fallocate(&file, FallocateFlags::empty(), end, step).map_err(io::Error::from) {
                Ok(()) => end += step,
                Err(error) if error.kind() == io::ErrorKind::StorageFull => step /= 2,
                Err(error) => return Err(ClusterError::file("fill", &path)(error)),
            }
        }
        Ok(())
    }

    /// Gives it back.
    /// # Errors
    /// The file cannot be removed.
    pub fn drain(&self) -> Result<(), ClusterError> {
        let path = self.mounted.join(BALLAST);
        fs::remove_file(&path).map_err(ClusterError::file("remove", &path))
    }
}
