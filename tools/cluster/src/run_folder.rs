//! What a run has made outside its process, so that it is taken back: at its end, and by the next run after a crash.
//!
//! `BASE/PID-N/` is one run. `lock` in it is held as long as the run lives; `made` has a line for each thing, written before
//! the thing is made. The kernel gives the lock back however the process ends, so a folder whose lock is free is a
//! dead run's.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{FlockOperation, flock};
use rustix::process::getuid;

use crate::error::ClusterError;
use crate::run_folder::made::Made;

pub mod made;

/// Runs of this process that have not ended.
static LIVING: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Of everything that is made: folders, namespaces, links.
pub const PREFIX: &str = "turbopump";
/// Held while a run begins or a dead one is taken away.
const TURNSTILE: &str = "turnstile";
const LOCK: &str = "lock";
const MADE: &str = "made";

/// A run of this process. Dropping it takes back what it has made, the last thing first.
#[derive(Debug)]
pub struct RunFolder {
    name: String,
    path: PathBuf,
    made: Vec<Made>,
    list: File,
    lock: Option<File>,
    swept: Vec<String>,
}

impl RunFolder {
    /// Takes away what dead runs have left behind, and begins one.
    /// # Errors
    /// A folder or file cannot be made.
    pub fn begin() -> Result<Self, ClusterError> {
        Self::begin_in(&base())
    }

    fn begin_in(base: &Path) -> Result<Self, ClusterError> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        fs::create_dir_all(base).map_err(ClusterError::file("create", base))?;
        let _turn = locked(&base.join(TURNSTILE))?;
        let swept = sweep(base);
        let name = format!("{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = base.join(&name);
        fs::create_dir_all(&path).map_err(ClusterError::file("create", &path))?;
        let lock = Some(locked(&path.join(LOCK))?);
        let list = OpenOptions::new().create(true).append(true).open(path.join(MADE));
        let list = list.map_err(ClusterError::file("create", path.join(MADE)))?;
        living().push(path.clone());
        Ok(Self { name, path, made: Vec::new(), list, lock, swept })
    }

    /// Process id and number of the run in it: no other run of this machine has the same.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where small files of the run can lie; gone with it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names of dead runs that were taken away when this one began.
    #[must_use]
    pub fn swept(&self) -> &[String] {
        &self.swept
    }

    /// Notes what is about to be made.
    /// # Errors
    /// It cannot be written down; it should not be made then.
    pub fn note(&mut self, made: Made) -> Result<(), ClusterError> {
        writeln!(self.list, "{made}").map_err(ClusterError::file("write", self.path.join(MADE)))?;
        self.made.push(made);
        Ok(())
    }

    /// Takes back one thing that this run has made.
    /// # Errors
    /// It is still there.
    pub fn take_back(&mut self, made: &Made) -> Result<(), ClusterError> {
        made.take_back()?;
        self.made.retain(|each| each != made);
        Ok(())
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        // No panic here: a test may be failing already. What could not be taken back is tried again by the next run.
        if take_all_back(&self.name, &self.made) {
            let _ = fs::remove_dir_all(&self.path);
        }
        living().retain(|path| *path != self.path);
        drop(self.lock.take());
    }
}

/// For a process that ends without dropping what it has: takes back all that its runs have made.
pub fn take_back_all_of_this_process() {
    for path in living().iter() {
        if take_back_by_list(path) {
            let _ = fs::remove_dir_all(path);
        }
    }
}

fn living() -> MutexGuard<'static, Vec<PathBuf>> {
    LIVING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether everything is gone that a run's folder tells of.
fn take_back_by_list(path: &Path) -> bool {
    let text = fs::read_to_string(path.join(MADE)).unwrap_or_default();
    let made: Vec<Made> = text.lines().filter_map(Made::parse).collect();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    take_all_back(&name, &made)
}

/// Whether everything is gone.
fn take_all_back(run: &str, made: &[Made]) -> bool {
    let mut all = true;
    // First whoever may hold something else of it open.
    made.iter().for_each(Made::end_processes);
    for each in made.iter().rev() {
        if let Err(error) = each.take_back() {
            eprintln!("left behind by run {run}: {each}: {error}");
            all = false;
        }
    }
    all
}

/// Takes away what dead runs have left behind; returns their names.
fn sweep(base: &Path) -> Vec<String> {
    let mut swept = Vec::new();
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_dead = path.is_dir() && try_locked(&path.join(LOCK)).is_some();
        if !is_dead {
            continue;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        if take_back_by_list(&path) && fs::remove_dir_all(&path).is_ok() {
            swept.push(name);
        }
    }
    swept
}

/// Where runs are noted: gone when the machine starts anew, as is all that they make. Temporary files where /run is not to
/// be written.
fn base() -> PathBuf {
    let user = getuid();
    let run = Path::new("/run").join(PREFIX);
    if user.is_root() && fs::create_dir_all(&run).is_ok() {
        return run;
    }
    std::env::temp_dir().join(format!("{PREFIX}-{}", user.as_raw()))
}

fn locked(path: &Path) -> Result<File, ClusterError> {
    let file = File::create(path).map_err(ClusterError::file("create", path))?;
    flock(&file, FlockOperation::LockExclusive).map_err(|error| ClusterError::file("lock", path)(error.into()))?;
    Ok(file)
}

/// None while somebody else holds it, or where there is no such file yet.
fn try_locked(path: &Path) -> Option<File> {
    let file = OpenOptions::new().write(true).open(path).ok()?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
    Some(file)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn what_a_run_has_made_is_gone_after_it() {
        let base = tempfile::tempdir().expect("a folder");
        let mut run = RunFolder::begin_in(base.path()).expect("a run");
        let folder = base.path().join("store");
        run.note(Made::Folder(folder.clone())).expect("noted");
        fs::create_dir_all(folder.join("deep")).expect("made");
        let path = run.path().to_owned();
        drop(run);
        assert!(!folder.exists() && !path.exists());
    }

    #[test]
    fn a_run_that_died_is_taken_away_by_the_next_and_a_living_one_is_not() {
        let base = tempfile::tempdir().expect("a folder");
        let living = RunFolder::begin_in(base.path()).expect("a run");
        let mut sleeper = Command::new("sleep").arg("1000").spawn().expect("sleep is everywhere");
        let dead = base.path().join("4194305-0");
        fs::create_dir_all(&dead).expect("made");
        fs::write(dead.join(LOCK), "").expect("written");
        let left = Made::process(sleeper.id()).expect("it runs");
        fs::write(dead.join(MADE), format!("{left}\nsomething a later version makes\n")).expect("written");
        let next = RunFolder::begin_in(base.path()).expect("another run");
        assert_eq!(next.swept(), ["4194305-0"]);
        assert!(!dead.exists() && living.path().exists());
        assert!(!sleeper.wait().expect("it was started here").success(), "it was killed");
    }
}
