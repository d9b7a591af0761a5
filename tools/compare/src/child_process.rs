//! A program in a process group of its own, which never outlives its guard.

use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::error::CompareError;
use crate::interrupt::{Interrupt, LOOK};

/// The end of an output that goes into an error.
const TAIL_BYTES: usize = 4000;

/// A running child. Dropping it kills its group with -9 and reaps it.
///
/// The group keeps a Ctrl-C at the terminal away from it: whoever holds the guard decides in which order things end.
#[derive(Debug)]
pub struct ChildProcess {
    name: String,
    child: Child,
    log: PathBuf,
    /// Where this process's output starts: a restarted one appends to the file of the one before.
    log_start: usize,
    interrupt: Interrupt,
}

impl ChildProcess {
    /// Starts `command` with its output appended to `log`.
    /// # Errors
    /// The program or the log is not to be had.
    pub fn start(name: &str, command: &mut Command, log: &Path, interrupt: &Interrupt) -> Result<Self, CompareError> {
        let out = OpenOptions::new().create(true).append(true).open(log).map_err(CompareError::file("open", log))?;
        let log_start = out.metadata().map_or(0, |metadata| metadata.len());
        let start = |source| CompareError::Start { name: name.to_owned(), source };
        let err = out.try_clone().map_err(start)?;
        let child = command.process_group(0).stdin(Stdio::null()).stdout(out).stderr(err).spawn().map_err(start)?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
            log_start: usize::try_from(log_start).unwrap_or(usize::MAX),
            interrupt: interrupt.clone(),
        })
    }

    /// Its number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written so far.
    #[must_use]
    pub fn output(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes[self.log_start.min(bytes.len())..]).into_owned()
    }

    /// # Errors
    /// [`CompareError::Ended`] if it runs no more.
    pub fn expect_running(&mut self) -> Result<(), CompareError> {
        match self.ended()? {
            None => Ok(()),
            Some(status) => Err(self.ended_with(status)),
        }
    }

    /// Waits for its end.
    /// # Errors
    /// It ends with a failure, not in time, or somebody wants the end of everything.
    pub fn wait_for_success(&mut self, limit: Duration) -> Result<(), CompareError> {
        let status = self.wait(limit)?;
        if status.success() { Ok(()) } else { Err(self.ended_with(status)) }
    }

    /// SIGINT to its group, as from a terminal.
    pub fn interrupt(&mut self) {
        self.signal(Signal::INT);
    }

    /// SIGTERM to its group, and its end, however it ends.
    /// # Errors
    /// It does not end in time.
    pub fn terminate(&mut self, limit: Duration) -> Result<(), CompareError> {
        if self.ended()?.is_none() {
            self.signal(Signal::TERM);
        }
        self.wait(limit).map(drop)
    }

    /// SIGKILL to its group, and its end.
    /// # Errors
    /// It cannot be waited for.
    pub fn kill_nine(&mut self) -> Result<(), CompareError> {
        self.signal(Signal::KILL);
        self.child.wait().map(drop).map_err(|source| CompareError::Start { name: self.name.clone(), source })
    }

    /// [`CompareError::Late`] about this process.
    pub(crate) fn late(&self, what: &'static str, limit: Duration) -> CompareError {
        CompareError::Late { name: self.name.clone(), what, limit, log: self.log.clone(), tail: self.tail() }
    }

    fn ended_with(&self, status: ExitStatus) -> CompareError {
        CompareError::Ended { name: self.name.clone(), status, log: self.log.clone(), tail: self.tail() }
    }

    fn wait(&mut self, limit: Duration) -> Result<ExitStatus, CompareError> {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            self.interrupt.check()?;
            if Instant::now() >= end {
                return Err(self.late("its work", limit));
            }
            thread::sleep(LOOK);
        }
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>, CompareError> {
        self.child.try_wait().map_err(|source| CompareError::Start { name: self.name.clone(), source })
    }

    /// Only while it is not reaped: afterwards the number may be somebody else's.
    fn signal(&mut self, signal: Signal) {
        let is_running = self.child.try_wait().is_ok_and(|status| status.is_none());
        let group = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let (true, Some(group)) = (is_running, group) {
            // It fails when the group is gone, which is what was wanted.
            let _ = kill_process_group(group, signal);
        }
    }

    fn tail(&self) -> String {
        let output = self.output();
        let start = output.len().saturating_sub(TAIL_BYTES);
        let start = (start..=output.len()).find(|at| output.is_char_boundary(*at)).unwrap_or(output.len());
        output[start..].to_owned()
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    fn start(script: &str, folder: &Path) -> ChildProcess {
        let mut command = Command::new("sh");
        command.arg("-c").arg(script);
        ChildProcess::start("a script", &mut command, &folder.join("log"), &Interrupt::default()).unwrap()
    }

    #[test]
    fn a_failure_shows_how_it_ended_and_what_it_said() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = start("echo from the first", folder.path());
        first.wait_for_success(LIMIT).unwrap();
        let error = start("echo no luck >&2; exit 3", folder.path()).wait_for_success(LIMIT).unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains("no luck"), "{error}");
        assert!(!error.contains("from the first"), "output of an earlier process: {error}");
    }

    #[test]
    fn the_whole_group_ends_with_its_guard() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grandchild");
        let script = format!("sleep 600 & echo $! > {0}.new; mv {0}.new {0}; wait", path.display());
        let child = start(&script, folder.path());
        let end = Instant::now() + LIMIT;
        while !path.exists() {
            assert!(Instant::now() < end, "the script has not started its child: {}", child.output());
            thread::sleep(LOOK);
        }
        let grandchild: i32 = fs::read_to_string(&path).unwrap().trim().parse().unwrap();
        drop(child);
        // Reaped by init, or by nobody yet: a zombie has no command line.
        while fs::read(format!("/proc/{grandchild}/cmdline")).is_ok_and(|line| !line.is_empty()) {
            assert!(Instant::now() < end, "process {grandchild} lives on");
            thread::sleep(LOOK);
        }
    }

    #[test]
    fn a_process_that_takes_too_long_is_an_error_and_is_ended_by_its_guard() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = start("sleep 600", folder.path());
        let error = child.wait_for_success(Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, CompareError::Late { .. }), "{error}");
        child.expect_running().unwrap();
        child.terminate(LIMIT).unwrap();
        assert!(child.expect_running().is_err());
    }

    #[test]
    fn waiting_ends_when_the_end_of_everything_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sleep");
        let interrupt = Interrupt::wanted();
        let log = folder.path().join("log");
        let mut child = ChildProcess::start("sleep", command.arg("600"), &log, &interrupt).unwrap();
        assert!(matches!(child.wait_for_success(LIMIT), Err(CompareError::Interrupted)));
    }
}
