//! Who runs at the same time: a JVM, a broker and a name server are enough for a processor, and where latencies are measured nobody
//! else runs.

use std::fs::{self, File};
use std::thread::sleep;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use crate::scratch;

/// Places of tests that run side by side.
const PLACES: usize = 2;
/// How often it is looked whether a place is free.
const LOOK: Duration = Duration::from_millis(20);

/// Held while a test runs. The locks are on files, so that test binaries started side by side wait for each other too.
#[derive(Debug)]
pub struct RunLock {
    _files: Vec<File>,
}

impl RunLock {
    /// Waits until no other test runs, for one that judges how long something takes.
    ///
    /// # Panics
    /// When a file cannot be made or locked.
    #[must_use]
    pub fn alone() -> Self {
        // Who waits for all places is not overtaken by those that need one.
        let _next = Self::of("next.lock");
        Self { _files: (0..PLACES).map(|number| locked(&place(number))).collect() }
    }

    /// Waits until at most one other test runs, for one that judges what comes and not how soon.
    ///
    /// # Panics
    /// When a file cannot be made.
    #[must_use]
    pub fn beside_another() -> Self {
        let _next = Self::of("next.lock");
        let places: Vec<File> = (0..PLACES).map(|number| open(&place(number))).collect();
        loop {
            let free = places.iter().position(|file| flock(file, FlockOperation::NonBlockingLockExclusive).is_ok());
            if let Some(free) = free {
                return Self { _files: places.into_iter().skip(free).take(1).collect() };
            }
            sleep(LOOK);
        }
    }

    pub(crate) fn of(name: &str) -> Self {
        Self { _files: vec![locked(name)] }
    }
}

fn place(number: usize) -> String {
    format!("run-{number}.lock")
}

fn open(name: &str) -> File {
    let folder = scratch::root();
    fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("cannot create {}: {error}", folder.display()));
    let path = folder.join(name);
    File::create(&path).unwrap_or_else(|error| panic!("cannot create {}: {error}", path.display()))
}

fn locked(name: &str) -> File {
    let file = open(name);
    flock(&file, FlockOperation::LockExclusive).unwrap_or_else(|error| panic!("cannot lock {name}: {error}"));
    file
}
