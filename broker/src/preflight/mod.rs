//! What is checked before anything starts: that this machine can run this configuration.
//!
//! `gather` asks the machine and fills [`HostFacts`]; `decide` turns facts into findings and capabilities and asks
//! nobody. A finding says what, where, how much, and what to do. Nothing is left behind on the machine.

mod decide;
mod facts;
mod finding;
mod gather;
mod io_uring_probe;
mod mount_table;
mod port_probe;
mod requirements;
mod shared_memory_probe;
mod socket_table;
mod store_probe;

pub use self::decide::decide;
pub use self::facts::{
    DirectIo, HostFacts, IoUring, KernelVersion, Limit, PortFact, PortState, Process, SharedMemory, StoreState,
};
pub use self::finding::{PreflightError, PreflightWarning};
pub use self::gather::{gather, raise_limits};
pub use self::requirements::{PortUse, Requirements, RingRequirement};

/// How the log's files are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileIo {
    /// Past the page cache.
    Direct,
    /// Through the page cache: the file system knows no direct I/O. The promises are the same.
    Buffered,
}

/// What the machine offers, for those who use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// How the log's files are opened.
    pub file_io: FileIo,
    /// Whether rings in shared memory can be had. False too when none is asked for.
    pub shared_ring: bool,
    /// Connections that a shard may take: as configured, or as the limit on open files allows.
    pub connections_max: u32,
}

/// The outcome. The broker starts only without errors.
#[derive(Debug)]
pub struct PreflightReport {
    /// What stops the start, all of it.
    pub errors: Vec<PreflightError>,
    /// What the user should know.
    pub warnings: Vec<PreflightWarning>,
    /// What the machine offers.
    pub capabilities: Capabilities,
}

/// Asks the machine and decides. Raises the process's own soft limits first, as far as it may.
pub fn run(requirements: &Requirements) -> PreflightReport {
    raise_limits();
    decide(requirements, &gather(requirements))
}
