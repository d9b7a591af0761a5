//! Why a comparison could not be made.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// Every failure of this crate. Requests that fail under load are in the report, not here.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// `--cases` names nothing.
    #[error("no case {name}; `mqcompare list` prints all, and a name may end in *")]
    NoSuchCase {
        /// As given.
        name: String,
    },
    /// A program that has to be there.
    #[error("no {program} at {path}: build it with `make compare`, or say with --bin-dir or --mqbench where it is")]
    NoProgram {
        /// Its name.
        program: &'static str,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Java or Maven.
    #[error(
        "cannot run `{command}`: {reason}. The peer needs a JDK (17 or newer) and Maven; on Debian: apt-get install default-jdk-headless maven"
    )]
    NoJava {
        /// What was tried.
        command: String,
        /// What came of it.
        reason: String,
    },
    /// Maven did not bring the peer's jars.
    #[error(
        "Maven could not fetch Apache RocketMQ's jars ({status}). It needs Maven Central, or a mirror of it named in \
         ~/.m2/settings.xml. What it said:\n{output}"
    )]
    Fetch {
        /// How it ended.
        status: ExitStatus,
        /// The end of its output.
        output: String,
    },
    /// Maven worked and the jars are not there.
    #[error("no {jar} in {folder} after Maven had fetched the peer; delete that folder and try again")]
    NoJar {
        /// The jar looked for.
        jar: &'static str,
        /// Where.
        folder: PathBuf,
    },
    /// A file or folder.
    #[error("cannot {what} {path}")]
    File {
        /// What was attempted.
        what: &'static str,
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that does not hold what it should.
    #[error("{path} is not {expected}")]
    Malformed {
        /// Its path.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
        /// Why not.
        source: serde_json::Error,
    },
    /// Raw data of another time.
    #[error("{path} holds raw data of form {found}; this program reads form {known}")]
    RecordSchema {
        /// Its path.
        path: PathBuf,
        /// The file's.
        found: u32,
        /// This program's.
        known: u32,
    },
    /// A process that could not be started.
    #[error("cannot start {name}")]
    Start {
        /// What it is.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// A process that ended too early or badly.
    #[error("{name} ended with {status}; the end of {log}:\n{tail}")]
    Ended {
        /// What it is.
        name: String,
        /// How.
        status: ExitStatus,
        /// Where all of its output is.
        log: PathBuf,
        /// The end of it.
        tail: String,
    },
    /// A process that takes too long.
    #[error("{name}: {what} took more than {} s; the end of {log}:\n{tail}", limit.as_secs())]
    Late {
        /// What it is.
        name: String,
        /// What was waited for.
        what: &'static str,
        /// How long.
        limit: Duration,
        /// Where all of its output is.
        log: PathBuf,
        /// The end of it.
        tail: String,
    },
    /// A group of which nobody runs.
    #[error("{what} took more than {} s, and no replica runs", limit.as_secs())]
    NoReplica {
        /// What was waited for.
        what: &'static str,
        /// How long.
        limit: Duration,
    },
    /// No ports.
    #[error("no free port with its neighbours {distances:?} from {first} on; name one with --first-port")]
    NoPort {
        /// Where the search began.
        first: u16,
        /// Neighbours that have to be free too.
        distances: Vec<i32>,
    },
    /// The disk is too small.
    #[error(
        "{folder} has {available_gib} GiB free, and this comparison needs {needed_gib}: name another folder with --work, \
         or lower --long-log-gib and --store-gib"
    )]
    DiskTooSmall {
        /// The work folder.
        folder: PathBuf,
        /// Free there.
        available_gib: u64,
        /// What it takes.
        needed_gib: u64,
    },
    /// `/proc`.
    #[error(transparent)]
    Host(#[from] host::HostError),
    /// A rate that depends on a measurement that is not there.
    #[error("{case} needs the rate that Apache reached in {needed}, which was not measured")]
    NoPeerMaximum {
        /// The case.
        case: &'static str,
        /// The other one.
        needed: &'static str,
    },
    /// A run of the bench that says nothing.
    #[error("{name} reported no {what}")]
    NoFigure {
        /// The run.
        name: String,
        /// What is missing.
        what: &'static str,
    },
    /// Ctrl-C, or a polite kill.
    #[error("interrupted; what was measured so far is in the work folder, and `mqcompare render` makes a table of it")]
    Interrupted,
}

impl CompareError {
    /// For `map_err`: what was attempted with which path.
    pub fn file(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { what, path, source }
    }
}

/// An error with what caused it, in one text.
#[must_use]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_stand_behind_what_they_caused() {
        let error = CompareError::file("open", "/nowhere")(io::Error::other("no luck"));
        assert_eq!(with_causes(&error), "cannot open /nowhere: no luck");
    }
}
