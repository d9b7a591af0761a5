//! The device that a path lies on.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use procfs::process::{MountInfo, MountInfos};
use serde::{Deserialize, Serialize};

use crate::disk_counters::partition_of;
use crate::roots::HostRoots;
use crate::{HostError, sys_file};

/// The device and file system that a path lies on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoreDevice {
    /// The path asked for.
    pub path: PathBuf,
    /// The device, as [`crate::DiskCounters::name`]: a part of a disk, a whole one, or one made of others.
    pub device: String,
    /// The whole disk if `device` is a part of one, else `device`. What its limits are is to be read here.
    pub disk: String,
    /// `ext4`, `xfs`, …
    pub file_system: String,
    /// Whether the disk has moving parts, as it says of itself; virtual disks often say so without.
    pub rotational: Option<bool>,
    /// How requests are put in order: `none`, `mq-deadline`, …
    pub scheduler: Option<String>,
}

/// The name of the whole disk that `path` (or, if it does not exist yet, the nearest folder above it that does) lies on.
///
/// # Errors
/// [`HostError::NoDisk`] on file systems in memory or over the network, and where a container hides the device;
/// [`HostError::Path`] if the path cannot be looked at.
pub fn disk_of(path: &Path) -> Result<String, HostError> {
    StoreDevice::of(path, &HostRoots::default()).map(|store| store.disk)
}

impl StoreDevice {
    /// As [`disk_of`], with more about it.
    ///
    /// # Errors
    /// [`HostError::NoDisk`], [`HostError::Path`], and [`HostError::Kernel`] if the mount table cannot be read.
    pub fn of(path: &Path, roots: &HostRoots) -> Result<Self, HostError> {
        let failed = |source| HostError::Path { path: path.to_owned(), source };
        let absolute = std::path::absolute(path).map_err(failed)?;
        let existing = std::fs::canonicalize(nearest_existing(&absolute)).map_err(failed)?;
        let number = std::fs::metadata(&existing).map_err(failed)?.dev();
        let mounts: MountInfos = roots.read("mounted file systems", "self/mountinfo")?;
        let mount = mount_of(&mounts.0, &existing);
        let source = mount.and_then(|mount| mount.mount_source.as_deref());
        // File systems that span devices (btrfs) or lie on a network number themselves; then only what was mounted tells.
        let device = device_by_number(number, &roots.sys).or_else(|| device_by_node(source?, &roots.sys));
        let file_system = mount.map_or("an unknown file system", |mount| &mount.fs_type).to_owned();
        let Some(device) = device else {
            let mount_source = source.unwrap_or("nothing is known of it").to_owned();
            return Err(HostError::NoDisk { path: path.to_owned(), file_system, mount_source });
        };
        let disk = partition_of(&device, &roots.sys).unwrap_or_else(|| device.clone());
        let queue = roots.sys.join("class/block").join(&disk).join("queue");
        Ok(Self {
            path: path.to_owned(),
            rotational: sys_file::value::<u8>(&queue.join("rotational")).map(|rotational| rotational != 0),
            scheduler: sys_file::text(&queue.join("scheduler")).map(|line| sys_file::marked(&line)),
            device,
            disk,
            file_system,
        })
    }
}

/// A store's folder may not exist yet. The root always does.
fn nearest_existing(path: &Path) -> &Path {
    path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("/"))
}

/// The mount that `path` lies on: the one with the longest mount point; of several there, the last covers the others.
fn mount_of<'a>(mounts: &'a [MountInfo], path: &Path) -> Option<&'a MountInfo> {
    let above = mounts.iter().filter(|mount| path.starts_with(&mount.mount_point));
    above.max_by_key(|mount| mount.mount_point.components().count())
}

/// `/sys/dev/block/8:1` is a link to the device's folder.
fn device_by_number(number: u64, sys: &Path) -> Option<String> {
    let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
    let folder = std::fs::canonicalize(sys.join(format!("dev/block/{major}:{minor}"))).ok()?;
    Some(folder.file_name()?.to_str()?.to_owned())
}

/// What was mounted, if it is a device here: `/dev/sda1`, or `/dev/mapper/data`, a link to `/dev/dm-0`.
fn device_by_node(source: &str, sys: &Path) -> Option<String> {
    let node = std::fs::canonicalize(Path::new(source)).unwrap_or_else(|_| PathBuf::from(source));
    let name = node.strip_prefix("/dev").ok()?.to_str()?.to_owned();
    sys.join("class/block").join(&name).exists().then_some(name)
}

#[cfg(test)]
mod tests {
    use procfs::FromRead;

    use super::*;

    #[test]
    fn the_deepest_and_last_mount_decides() {
        let table = "\
            500 400 0:50 / / rw,relatime master:1 - overlay overlay rw,lowerdir=/a\n\
            501 500 8:1 / /data rw - ext4 /dev/sda1 rw\n\
            502 500 8:2 / /data rw - xfs /dev/sda2 rw\n\
            503 500 0:52 / /dataset rw - tmpfs tmpfs rw\n";
        let mounts = MountInfos::from_read(table.as_bytes()).unwrap();
        let source = |path: &str| mount_of(&mounts.0, Path::new(path)).and_then(|mount| mount.mount_source.clone());
        assert_eq!(source("/data/store").as_deref(), Some("/dev/sda2"));
        assert_eq!(source("/dataset").as_deref(), Some("tmpfs"));
        assert_eq!(source("/other").as_deref(), Some("overlay"));
    }

    #[test]
    fn a_file_system_in_memory_has_no_disk() {
        let error = disk_of(Path::new("/proc/self")).unwrap_err();
        assert!(matches!(error, HostError::NoDisk { .. }), "{error}");
        assert!(error.to_string().contains("lsblk"), "{error}");
    }

    #[test]
    fn a_path_that_is_not_there_yet_lies_where_its_folder_does() {
        let folder = tempfile::tempdir().unwrap();
        let now = disk_of(folder.path()).ok();
        assert_eq!(disk_of(&folder.path().join("not/there/yet")).ok(), now);
    }
}
