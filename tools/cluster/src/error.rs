//! Why a cluster could not be set up.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// Every failure of this crate.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A program of the system that is not there.
    #[error(
        "cannot run `{command}`: {source}. On Debian: apt-get install iproute2 nftables util-linux e2fsprogs mount"
    )]
    NoTool {
        /// What was tried.
        command: String,
        /// Why not.
        source: io::Error,
    },
    /// A program of the system that refused.
    #[error("`{command}` ended with {status}: {said}")]
    Tool {
        /// What was run.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// What it printed.
        said: String,
    },
    /// A file or folder.
    #[error("cannot {what} {path}: {source}", path = path.display())]
    File {
        /// What was attempted.
        what: &'static str,
        /// Its path.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// All private networks that were tried are in use.
    #[error("no private network is free: {tried} were tried; `ip route` and `ip netns` show what uses them")]
    NoNetwork {
        /// How many.
        tried: usize,
    },
    /// One of our own programs.
    #[error("no {program} at {path}: build it with `make build`, or say with --bin-dir where it is", path = path.display())]
    NoProgram {
        /// Its name.
        program: &'static str,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// No ports.
    #[error("no free ports for {what} on 127.0.0.1 after {tries} tries")]
    NoPorts {
        /// For whom.
        what: String,
        /// How often it was tried.
        tries: usize,
    },
    /// A process that could not be started.
    #[error("cannot start {name}: {source}")]
    Start {
        /// What it is.
        name: String,
        /// Why not.
        source: io::Error,
    },
    /// A process that ended before it served.
    #[error("{name} ended with {status}; the end of {log}:\n{tail}", log = log.display())]
    Ended {
        /// What it is.
        name: String,
        /// How it ended.
        status: ExitStatus,
        /// Where all of its output is.
        log: PathBuf,
        /// The end of it.
        tail: String,
    },
    /// A process that takes too long.
    #[error("{name} is not ready after {} s; the end of {log}:\n{tail}", limit.as_secs(), log = log.display())]
    Late {
        /// What it is.
        name: String,
        /// How long was waited.
        limit: Duration,
        /// Where all of its output is.
        log: PathBuf,
        /// The end of it.
        tail: String,
    },
    /// The client's connections.
    #[error("{0}")]
    Client(String),
}

impl ClusterError {
    /// For `map_err`: what was attempted with which path.
    pub fn file(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { what, path, source }
    }
}
