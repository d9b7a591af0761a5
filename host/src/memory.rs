//! The machine's memory.

use procfs::Meminfo;
use serde::{Deserialize, Serialize};

use crate::HostError;
use crate::roots::HostRoots;

/// The machine's memory, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// All that the kernel manages.
    pub total_bytes: u64,
    /// What could be had without swapping, as the kernel estimates it.
    pub available_bytes: u64,
    /// What nothing uses.
    pub free_bytes: u64,
    /// The page cache.
    pub cached_bytes: u64,
    /// Written to the page cache, not yet to a disk.
    pub dirty_bytes: u64,
    /// On its way to a disk.
    pub writeback_bytes: u64,
    /// Swapped out.
    pub swap_used_bytes: u64,
}

impl Memory {
    /// What is in use and could not be had: `total - available`.
    pub fn used_bytes(&self) -> u64 {
        self.total_bytes.saturating_sub(self.available_bytes)
    }

    pub(crate) fn read(roots: &HostRoots) -> Result<Self, HostError> {
        let info: Meminfo = roots.read("memory", "meminfo")?;
        Ok(Self {
            total_bytes: info.mem_total,
            // Kernels before 3.14 do not estimate it.
            available_bytes: info.mem_available.unwrap_or(info.mem_free + info.buffers + info.cached),
            free_bytes: info.mem_free,
            cached_bytes: info.cached,
            dirty_bytes: info.dirty,
            writeback_bytes: info.writeback,
            swap_used_bytes: info.swap_total.saturating_sub(info.swap_free),
        })
    }
}
