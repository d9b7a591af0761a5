//! A child process whose output goes to a file, and that never outlives its guard.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::until::until;

/// The end of a log that goes into a failure message.
const LOG_TAIL_BYTES: usize = 6000;

/// A stopped process stands still within this, however busy the machine is.
const STOPPED_WITHIN: Duration = Duration::from_secs(10);

/// A running child. Dropping it kills it with -9 and reaps it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    /// Where this process's output starts: a restarted one appends to the file of the one before.
    log_start: u64,
}

impl Process {
    /// Starts `command`, with its output appended to `log` and a pipe to its stdin.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Self {
        let open = || {
            let file = OpenOptions::new().create(true).append(true).open(log);
            file.unwrap_or_else(|error| panic!("cannot open {}: {error}", log.display()))
        };
        let (out, err): (File, File) = (open(), open());
        let log_start = out.metadata().map_or(0, |metadata| metadata.len());
        let child = command.stdin(Stdio::piped()).stdout(out).stderr(err).spawn();
        let child = child.unwrap_or_else(|error| panic!("cannot start {name} ({command:?}): {error}"));
        Self { name: name.to_owned(), child, log: log.to_owned(), log_start }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What this process has written so far.
    #[must_use]
    pub fn output(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        let start = usize::try_from(self.log_start).expect("logs fit in memory").min(bytes.len());
        String::from_utf8_lossy(&bytes[start..]).into_owned()
    }

    /// The end of the output, for failure messages.
    #[must_use]
    pub fn tail(&self) -> String {
        let output = self.output();
        let start = output.len().saturating_sub(LOG_TAIL_BYTES);
        let start = (start..output.len()).find(|at| output.is_char_boundary(*at)).unwrap_or(output.len());
        format!("--- output of {} ({})\n{}\n---", self.name, self.log.display(), &output[start..])
    }

    /// Waits for a line of output that contains `text`.
    ///
    /// # Panics
    /// When the process ends first, or `limit` passes.
    pub fn wait_for_line(&mut self, text: &str, limit: Duration) {
        let what = format!("{} to print a line with {text:?}", self.name);
        until(&what, limit, || {
            if self.output().lines().any(|line| line.contains(text)) {
                return Ok(());
            }
            if let Some(status) = self.ended() {
                panic!("{} ended with {status} before it printed {text:?}\n{}", self.name, self.tail());
            }
            Err(self.tail())
        });
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap_or_else(|error| panic!("cannot wait for {}: {error}", self.name))
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When `limit` passes; the process is killed by the guard.
    pub fn wait_for_end(&mut self, limit: Duration) -> ExitStatus {
        let what = format!("{} to end", self.name);
        until(&what, limit, || self.ended().ok_or_else(|| self.tail()))
    }

    /// Writes a line to its stdin.
    ///
    /// # Panics
    /// When it does not read any more.
    pub fn say(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("started with a pipe");
        let written = stdin.write_all(format!("{line}\n").as_bytes()).and_then(|()| stdin.flush());
        written.unwrap_or_else(|error| panic!("cannot write to {}: {error}\n{}", self.name, self.tail()));
    }

    /// SIGKILL, and its end.
    pub fn kill_nine(&mut self) {
        if self.ended().is_none() {
            self.signal(Signal::KILL);
            self.wait_for_end(Duration::from_secs(30));
        }
    }

    /// SIGTERM, and its end.
    ///
    /// # Panics
    /// When it has not ended within `limit`.
    pub fn terminate(&mut self, limit: Duration) -> ExitStatus {
        if self.ended().is_none() {
            self.signal(Signal::TERM);
        }
        self.wait_for_end(limit)
    }

    /// SIGSTOP: it keeps its connections, and does nothing once this returns.
    ///
    /// # Panics
    /// When it goes on.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
        // The signal is taken by one thread; until it has run, the others go on.
        until(&format!("{} to stand still", self.name), STOPPED_WITHIN, || {
            let states = thread_states(self.child.id());
            if states.iter().all(|state| *state == 'T') { Ok(()) } else { Err(format!("{states:?}")) }
        });
    }

    /// SIGCONT: it goes on as if no time had passed.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a child has a pid");
        kill_process(pid, signal).unwrap_or_else(|error| panic!("cannot signal {}: {error}", self.name));
    }
}

/// One letter a thread, as in proc(5); `T` stands still.
fn thread_states(pid: u32) -> Vec<char> {
    let pid = i32::try_from(pid).expect("a pid is small");
    let tasks = procfs::process::Process::new(pid).and_then(|process| process.tasks());
    let states = tasks.and_then(|tasks| tasks.map(|task| Ok(task?.stat()?.state)).collect());
    states.unwrap_or_else(|error| panic!("the threads of {pid} cannot be seen: {error}"))
}

impl Drop for Process {
    fn drop(&mut self) {
        // No panic here: a test may be failing already. Both calls fail only when the process is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
