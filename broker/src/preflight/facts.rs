//! What was found on the machine. Plain data, so that decisions can be tested without one.

use std::path::PathBuf;

use super::requirements::PortUse;

/// What was found on the machine.
#[derive(Debug, Clone)]
pub struct HostFacts {
    /// The running kernel.
    pub kernel: KernelVersion,
    /// Whether this process runs in a container, as far as it can tell.
    pub in_container: bool,
    /// Whether a seccomp filter watches this process's system calls.
    pub seccomp_filter: bool,
    /// Whether limits on locked memory do not apply to this process (CAP_IPC_LOCK).
    pub may_lock_memory: bool,
    /// Limit on locked memory, bytes (RLIMIT_MEMLOCK).
    pub locked_memory: Limit,
    /// Limit on open files (RLIMIT_NOFILE).
    pub open_files: Limit,
    /// Memory this process may use, bytes: of the machine or of its control group.
    pub memory_bytes: Option<u64>,
    /// Whether io_uring can be used.
    pub io_uring: IoUring,
    /// Every port of the requirements.
    pub ports: Vec<PortFact>,
    /// The store's folder.
    pub store: StoreState,
    /// The rings' folder; `None` if no ring is wanted.
    pub shared_memory: Option<SharedMemory>,
}

/// A soft resource limit; `None` is unlimited.
pub type Limit = Option<u64>;

/// Version of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KernelVersion {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
}

impl KernelVersion {
    /// Reads `6.1.0-18-amd64`.
    pub fn parse(release: &str) -> Option<Self> {
        let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().ok());
        Some(Self { major: numbers.next()??, minor: numbers.next()?? })
    }
}

impl std::fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// What asking for an io_uring came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IoUring {
    /// One was made.
    Works,
    /// ENOSYS: the kernel does not know it, or a filter says so.
    Unknown,
    /// EPERM or EACCES, with the value of the sysctl `kernel.io_uring_disabled` where there is one.
    Forbidden {
        /// 0 allowed, 1 for a group, 2 for nobody.
        disabled: Option<u32>,
    },
    /// ENOMEM: the rings count as locked memory here, and there is not enough.
    OutOfLockedMemory,
    /// Something else.
    Failed {
        /// The system's words.
        cause: String,
    },
}

/// One port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortFact {
    /// What it is for.
    pub port: PortUse,
    /// What binding it came to.
    pub state: PortState,
}

/// What binding a port came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortState {
    /// It can be had.
    Free,
    /// Somebody listens on it.
    Taken {
        /// Who, if this user may know.
        holder: Option<Process>,
    },
    /// The address is none of this machine's.
    NoSuchAddress,
    /// This user may not.
    NotPermitted,
    /// Something else.
    Failed {
        /// The system's words.
        cause: String,
    },
}

/// A running process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Process id.
    pub id: u32,
    /// Name of its command.
    pub name: String,
}

/// The store's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreState {
    /// A file could be written into it.
    Writable {
        /// Whether a block could be written by direct I/O.
        direct_io: DirectIo,
        /// Free bytes of its file system, for this user.
        free_bytes: u64,
    },
    /// No file could be written.
    NotWritable {
        /// What was tried: completes "cannot …".
        step: &'static str,
        /// The path it was tried on.
        path: PathBuf,
        /// The system's words.
        cause: String,
    },
}

/// What writing a block by direct I/O came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DirectIo {
    /// It is there.
    Works,
    /// The file system refused.
    Refused {
        /// The system's words.
        cause: String,
    },
}

/// The rings' folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SharedMemory {
    /// A file could be made in it.
    Writable {
        /// Whether its content is memory (tmpfs).
        is_memory: bool,
        /// Whether it goes with this container, judged by how container engines mount it.
        is_private: bool,
        /// Free bytes, rings of an earlier run included.
        free_bytes: u64,
    },
    /// No file could be made in it.
    NotWritable {
        /// The system's words.
        cause: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_version_is_the_first_two_numbers() {
        assert_eq!(KernelVersion::parse("6.1.0-18-amd64"), Some(KernelVersion { major: 6, minor: 1 }));
        assert_eq!(KernelVersion::parse("5.10-rc1"), Some(KernelVersion { major: 5, minor: 10 }));
        assert_eq!(KernelVersion::parse("Linux"), None);
        assert!(KernelVersion { major: 5, minor: 10 } > KernelVersion { major: 5, minor: 8 });
    }
}
