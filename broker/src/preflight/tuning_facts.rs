//! What was found on the machine that only speed or comfort depend on. Plain data, as [`HostFacts`](super::HostFacts).

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::placement::Topology;

/// What was found on the machine. `None` and missing entries are what the kernel does not tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TuningFacts {
    /// Kernel settings by name; of those with three numbers the last, which is the largest allowed.
    pub sysctls: BTreeMap<&'static str, u64>,
    /// Swap space.
    pub swap: Option<Swap>,
    /// Mode of transparent huge pages: `always`, `madvise`, `never`.
    pub huge_pages: Option<String>,
    /// The clock that the kernel reads: `tsc`, `hpet`.
    pub clock_source: Option<String>,
    /// Frequency governor of each processor that has one.
    pub governors: BTreeMap<usize, String>,
    /// How the processors are made up.
    pub topology: Topology,
    /// Processors that this process may run on, ascending.
    pub mask: Vec<usize>,
    /// How many of them it may keep busy.
    pub cpus_usable: usize,
    /// Whether this is a container, as far as one can tell.
    pub in_container: bool,
    /// Interrupts of network interfaces.
    pub network_interrupts: Vec<Interrupt>,
    /// What the store lies on.
    pub store: Option<StoreDisk>,
    /// Who this process runs as.
    pub user: u32,
    /// Whether systemd-logind removes a user's shared memory when the user logs out (`RemoveIPC=`).
    pub logout_removes_memory: bool,
}

/// Swap space, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swap {
    /// All of it.
    pub total_bytes: u64,
    /// What holds pages.
    pub used_bytes: u64,
}

/// An interrupt of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interrupt {
    /// Its number.
    pub number: u32,
    /// The interface that it belongs to.
    pub device: String,
    /// Processors that handle it.
    pub cpus: Vec<usize>,
}

/// What the store lies on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreDisk {
    /// The store's folder.
    pub root: PathBuf,
    /// Type of its file system, as `ext4`.
    pub file_system: String,
    /// The disk below it, if one can be seen.
    pub disk: Option<Disk>,
}

/// A disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// As in `/sys/block`.
    pub name: String,
    /// Its I/O scheduler.
    pub scheduler: Option<String>,
    /// Whether it says of itself that it turns; virtual disks say so too.
    pub rotational: Option<bool>,
}
