//! Where the kernel's files are.

use std::fs::File;
use std::path::PathBuf;

use procfs::{FromRead, ProcError, ProcResult};

use crate::HostError;

/// Where `proc` and `sys` are mounted. Another place than the usual one is for containers that see the
/// host's under another path, and for tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRoots {
    /// Usually `/proc`.
    pub proc: PathBuf,
    /// Usually `/sys`.
    pub sys: PathBuf,
}

impl Default for HostRoots {
    fn default() -> Self {
        Self { proc: PathBuf::from("/proc"), sys: PathBuf::from("/sys") }
    }
}

impl HostRoots {
    /// Reads and parses `name` below `proc`; `what` is what an error calls it.
    pub(crate) fn read<T: FromRead>(&self, what: &'static str, name: &str) -> Result<T, HostError> {
        self.read_with(what, name, T::from_read)
    }

    /// As [`Self::read`], for what needs more than the file to be parsed.
    pub(crate) fn read_with<T>(
        &self,
        what: &'static str,
        name: &str,
        parse: impl FnOnce(File) -> ProcResult<T>,
    ) -> Result<T, HostError> {
        let path = self.proc.join(name);
        let opened = File::open(&path).map_err(|source| ProcError::Io(source, Some(path.clone())));
        opened.and_then(parse).map_err(|source| HostError::Kernel { what, path, source })
    }
}
