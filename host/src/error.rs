//! What can go wrong when a host is looked at.

use std::path::PathBuf;

/// A figure could not be had.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A file of the kernel could not be read or is not as it should be.
    #[error("cannot read {what} of this host ({source}); is {path} mounted and readable here?")]
    Kernel {
        /// The figure, as in "CPU times".
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The parser's or the system's words.
        source: procfs::ProcError,
    },
    /// A process is gone or belongs to somebody else.
    #[error("cannot read {what} of process {pid} ({source}); does it run, and under this user?")]
    Process {
        /// The process id asked for.
        pid: u32,
        /// The figure.
        what: &'static str,
        /// The parser's or the system's words.
        source: procfs::ProcError,
    },
    /// A path, or the nearest folder above it that exists, cannot be looked at.
    #[error("cannot look at {path}, to find its device ({source})")]
    Path {
        /// The path asked for.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A path lies on something that no disk stands behind, or none that can be seen from here.
    #[error(
        "{path} lies on {file_system} ({mount_source}), behind which no disk can be seen from here; name the disk by hand (lsblk lists them)"
    )]
    NoDisk {
        /// The path asked for.
        path: PathBuf,
        /// As `tmpfs` or `overlay`; "an unknown file system" if not even the mount is listed.
        file_system: String,
        /// What is mounted there.
        mount_source: String,
    },
}
