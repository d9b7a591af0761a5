//! The mount table (`/proc/self/mountinfo`).

use std::path::Path;

/// The source of the mount that `folder` lies on: the one with the longest mount point, the last of several.
///
/// Line: `id parent major:minor root mount-point options [optional …] - type source options`.
pub(super) fn mount_source<'a>(table: &'a str, folder: &Path) -> Option<&'a str> {
    mount_field(table, folder, 1)
}

/// The type of that mount's file system.
pub(super) fn mount_type<'a>(table: &'a str, folder: &Path) -> Option<&'a str> {
    mount_field(table, folder, 0)
}

/// A field behind the dash.
fn mount_field<'a>(table: &'a str, folder: &Path, index: usize) -> Option<&'a str> {
    let mounts = table.lines().filter_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let point = Path::new(before.split(' ').nth(4)?);
        folder.starts_with(point).then_some((point.components().count(), after.split(' ').nth(index)?))
    });
    mounts.max_by_key(|(depth, _)| *depth).map(|(_, field)| field)
}

/// What container engines name the tmpfs that they mount on a container's own `/dev/shm`.
pub(super) const CONTAINER_SHM_SOURCE: &str = "shm";

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
        500 400 0:50 / / rw,relatime master:1 - overlay overlay rw,lowerdir=/a\n\
        501 500 0:51 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k\n\
        502 501 0:52 / /dev/shm rw,nosuid shared:7 - tmpfs shm rw,size=65536k\n\
        503 500 0:24 / /mnt/rings rw - tmpfs tmpfs rw\n";

    #[test]
    fn the_deepest_mount_decides() {
        assert_eq!(mount_source(TABLE, Path::new("/dev/shm")), Some("shm"));
        assert_eq!(mount_source(TABLE, Path::new("/dev/shm/rings")), Some("shm"));
        assert_eq!(mount_source(TABLE, Path::new("/dev/shmoo")), Some("tmpfs"));
        assert_eq!(mount_source(TABLE, Path::new("/mnt/rings")), Some("tmpfs"));
        assert_eq!(mount_source(TABLE, Path::new("/data")), Some("overlay"));
        assert_eq!(mount_type(TABLE, Path::new("/dev/shm")), Some("tmpfs"));
    }

    #[test]
    fn of_two_mounts_on_one_point_the_later_covers_the_earlier() {
        let table = format!("{TABLE}504 501 0:53 / /dev/shm rw - tmpfs tmpfs rw\n");
        assert_eq!(mount_source(&table, Path::new("/dev/shm")), Some("tmpfs"));
    }

    #[test]
    fn an_empty_table_has_no_source() {
        assert_eq!(mount_source("", Path::new("/dev/shm")), None);
    }
}
