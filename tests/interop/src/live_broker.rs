//! A broker that serves, seen from outside: its ports, its memory, its log.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::broker_start::Reserved;
use crate::process::Process;
use crate::until::until;

const ENDS_WITHIN: Duration = Duration::from_secs(60);
const LOGS_WITHIN: Duration = Duration::from_secs(20);

/// A running `mqbroker --standalone`. Killed when dropped.
#[derive(Debug)]
pub struct LiveBroker {
    pub(crate) process: Process,
    pub(crate) main: SocketAddr,
    pub(crate) fast: SocketAddr,
    pub(crate) name_server: SocketAddr,
    pub(crate) store: PathBuf,
    pub(crate) _reserved: Arc<Reserved>,
}

/// A moment in a broker's log.
#[derive(Debug, Clone, Copy)]
pub struct LogMark(usize);

impl LiveBroker {
    /// The port of shard 0.
    #[must_use]
    pub fn main(&self) -> SocketAddr {
        self.main
    }

    /// The port of shard 0 for urgent requests.
    #[must_use]
    pub fn fast(&self) -> SocketAddr {
        self.fast
    }

    /// The name server in the same process.
    #[must_use]
    pub fn name_server(&self) -> SocketAddr {
        self.name_server
    }

    /// The process's number, as the store's lock has it.
    ///
    /// # Panics
    /// When the lock does not hold a number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        let lock = self.store.join("lock");
        let text = fs::read_to_string(&lock).unwrap_or_else(|error| panic!("cannot read {}: {error}", lock.display()));
        text.trim().parse().unwrap_or_else(|_| panic!("{} holds {text:?}", lock.display()))
    }

    /// Everything it has written since it started.
    #[must_use]
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// The log's end now.
    #[must_use]
    pub fn mark(&self) -> LogMark {
        LogMark(self.output().len())
    }

    /// Lines written since `mark` that contain `text`.
    #[must_use]
    pub fn lines_since(&self, mark: LogMark, text: &str) -> Vec<String> {
        let output = self.output();
        output[mark.0..].lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
    }

    /// Waits until at least `count` lines with `text` were written since `mark`, and returns them.
    ///
    /// # Panics
    /// When they do not come.
    pub fn wait_for_lines(&self, mark: LogMark, text: &str, count: usize) -> Vec<String> {
        until(&format!("{count} log lines with {text:?}"), LOGS_WITHIN, || {
            let lines = self.lines_since(mark, text);
            if lines.len() >= count { Ok(lines) } else { Err(format!("{lines:?}")) }
        })
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.process.ended().is_none()
    }

    /// SIGKILL, and its end.
    pub fn kill_nine(mut self) {
        self.process.kill_nine();
    }

    /// SIGTERM, and its end with code 0.
    ///
    /// # Panics
    /// When it ends otherwise, or not in time.
    pub fn terminate(mut self) {
        let status = self.process.terminate(ENDS_WITHIN);
        assert!(status.success(), "mqbroker ended with {status} after SIGTERM\n{}", self.process.tail());
    }
}
