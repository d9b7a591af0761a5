//! What can go wrong, with what was attempted.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the server or the load ended early.
#[derive(Debug, thiserror::Error)]
pub enum CeilingError {
    /// The server's socket.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// One of the load's connections.
    #[error("cannot connect to {address}: is the server running?")]
    Connect {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// An epoll set or a socket in use.
    #[error("{what} failed")]
    Socket {
        /// What was attempted.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The server has gone.
    #[error("the server closed a connection after {replies} replies")]
    Closed {
        /// Replies over all connections until then.
        replies: u64,
    },
    /// A peer that does not speak this.
    #[error("a frame claims {length} bytes, more than {length_max}")]
    FrameTooLong {
        /// Claimed bytes.
        length: usize,
        /// The most.
        length_max: usize,
    },
    /// The log file.
    #[error("{what} of {file} failed")]
    Log {
        /// What was attempted.
        what: &'static str,
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The executor's thread.
    #[error("no executor on processor {cpu}; io_uring has to be permitted and 512 KiB of memory lockable: {reason}")]
    Executor {
        /// The processor it was to run on.
        cpu: usize,
        /// Why.
        reason: String,
    },
    /// The process whose processor time was to be measured.
    #[error("cannot read the processor time of process {pid}")]
    ProcessCpu {
        /// Its number.
        pid: u32,
        /// Why.
        source: io::Error,
    },
    /// The processor to run the load on.
    #[error("cannot run on processor {cpu}")]
    Affinity {
        /// Its number.
        cpu: usize,
        /// Why.
        source: io::Error,
    },
}
