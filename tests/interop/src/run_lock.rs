//! One test at a time: a JVM, a broker and a name server are enough for a small machine, and latencies are measured.

use std::fs::{self, File};

use rustix::fs::{FlockOperation, flock};

use crate::scratch;

/// Held while a test runs. The lock is on a file, so that test binaries started side by side wait for each other too.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

impl RunLock {
    /// Waits for the turn.
    ///
    /// # Panics
    /// When the file cannot be made or locked.
    #[must_use]
    pub fn take() -> Self {
        Self::of("run.lock")
    }

    pub(crate) fn of(name: &str) -> Self {
        let folder = scratch::root();
        fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("cannot create {}: {error}", folder.display()));
        let path = folder.join(name);
        let file = File::create(&path).unwrap_or_else(|error| panic!("cannot create {}: {error}", path.display()));
        flock(&file, FlockOperation::LockExclusive)
            .unwrap_or_else(|error| panic!("cannot lock {}: {error}", path.display()));
        Self { _file: file }
    }
}
