//! Folders for stores, configurations, logs and homes.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use tempfile::TempDir;

/// Folder of everything a test writes. It lies in the target folder, on a file system that can do direct I/O, and not
/// in /tmp, which often is memory.
#[must_use]
pub fn root() -> PathBuf {
    target_folder().join("interop")
}

/// Cargo's target folder: the test binary runs from `target/<profile>/deps`.
pub(crate) fn target_folder() -> PathBuf {
    let exe = env::current_exe().unwrap_or_else(|error| panic!("cannot find this program's own path: {error}"));
    exe.ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").exists())
        .unwrap_or_else(|| panic!("{} is not inside a cargo target folder", exe.display()))
        .to_owned()
}

/// A test's own folder. Removed at the end of a test that passed, kept and named after one that failed.
#[derive(Debug)]
pub struct Scratch {
    folder: Option<TempDir>,
}

impl Scratch {
    /// A fresh folder whose name starts with `name`.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn new(name: &str) -> Self {
        fs::create_dir_all(root()).unwrap_or_else(|error| panic!("cannot create {}: {error}", root().display()));
        let folder = tempfile::Builder::new().prefix(&format!("{name}-")).tempdir_in(root());
        Self { folder: Some(folder.unwrap_or_else(|error| panic!("no folder in {}: {error}", root().display()))) }
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.as_ref().expect("taken only on drop").path()
    }

    /// A folder below, made if it is not there.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(&path).unwrap_or_else(|error| panic!("cannot create {}: {error}", path.display()));
        path
    }

    /// Writes a file into the folder and returns its path.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, content).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if thread::panicking()
            && let Some(folder) = self.folder.take()
        {
            eprintln!("kept for a look: {}", folder.keep().display());
        }
    }
}
