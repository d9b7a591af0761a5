//! The two small files of a name server, behind a trait so that tests bring their own disk.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Whole small files, read at start and replaced as one.
///
/// Calls block. They happen at start and on administration requests that change a file, never on the way of a
/// registration or a route query.
pub trait FileStore: Send {
    /// The whole file; `None` when there is none.
    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>>;

    /// Replaces the whole file. After an error or a crash the file holds either the old bytes or the new ones.
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
}

/// Files of the machine.
#[derive(Debug, Default, Clone, Copy)]
pub struct DiskFileStore;

impl FileStore for DiskFileStore {
    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        match fs::read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        fs::create_dir_all(folder)?;
        let new = new_path(path);
        let mut file = File::create(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        // The rename itself is durable only once the folder is.
        File::open(folder)?.sync_all()
    }
}

fn new_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(DiskFileStore.read(&folder.path().join("kvConfig.json")).unwrap(), None);
    }

    #[test]
    fn a_replaced_file_holds_the_new_bytes_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("namesrv").join("kvConfig.json");
        DiskFileStore.replace(&path, b"first, and longer").unwrap();
        DiskFileStore.replace(&path, b"second").unwrap();
        assert_eq!(DiskFileStore.read(&path).unwrap().unwrap(), b"second");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_replacement_keeps_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kvConfig.json");
        DiskFileStore.replace(&path, b"old").unwrap();
        fs::create_dir(new_path(&path)).unwrap();
        assert!(DiskFileStore.replace(&path, b"new").is_err());
        assert_eq!(DiskFileStore.read(&path).unwrap().unwrap(), b"old");
    }
}
