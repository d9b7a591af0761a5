//! What is checked before anything starts: that this machine can run this configuration.
//!
//! `gather` asks the machine and fills [`HostFacts`]; `decide` turns facts into findings and capabilities and asks
//! nobody. A finding says what, where, how much, and what to do. Nothing is left behind on the machine.
//!
//! `mqbroker --preflight` shows the same as a [`Table`] and adds what only speed or comfort depend on: [`TuningFacts`] are
//! gathered by `tuning_gather`, and `advise` turns them into rows. A start does not ask for those.

mod advise;
mod decide;
mod facts;
mod finding;
mod finding_rows;
mod gather;
mod io_uring_probe;
mod mount_table;
mod port_probe;
mod requirements;
mod row;
mod shared_memory_probe;
mod socket_table;
mod store_probe;
mod table;
mod tuning_facts;
mod tuning_gather;

use std::fs;
use std::path::{Path, PathBuf};

pub use self::advise::advise;
pub use self::decide::decide;
pub use self::facts::{
    DirectIo, HostFacts, IoUring, KernelVersion, Limit, PortFact, PortState, Process, SharedMemory, StoreState,
};
pub use self::finding::{PreflightError, PreflightWarning};
pub(crate) use self::gather::memory_bytes;
pub use self::gather::{gather, raise_limits};
pub use self::requirements::{PortUse, Requirements, RingRequirement};
pub use self::row::{Level, Row};
pub use self::table::Table;
pub use self::tuning_facts::{Disk, Interrupt, StoreDisk, Swap, TuningFacts};
pub use self::tuning_gather::gather_tuning;
use storage::identity::StoreFolder;

use crate::config::MachineDefaults;

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

/// Looks at everything and starts nothing. Folders that had to be made to try the store are removed again.
pub fn survey(requirements: &Requirements, machine: &MachineDefaults) -> Table {
    raise_limits();
    let made = missing_folders(&requirements.store_root);
    let facts = gather(requirements);
    let tuning = gather_tuning(Path::new("/"), requirements, machine, &facts);
    for folder in made {
        // One that is not empty was made by somebody else meanwhile.
        let _ = fs::remove_dir(folder);
    }
    let store = StoreFolder::check(&requirements.store_root, requirements.shards);
    let report = decide(requirements, &facts);
    let mut rows: Vec<Row> = report.errors.iter().map(Row::from).collect();
    rows.extend(store.err().map(|error| finding_rows::existing_store(&error)));
    rows.extend(report.warnings.iter().map(Row::from));
    rows.extend(finding_rows::fine_rows(requirements, &facts, &rows));
    rows.extend(advise(requirements, &tuning));
    Table::new(rows)
}

/// Folders of `path` that do not exist, the innermost first.
fn missing_folders(path: &Path) -> Vec<PathBuf> {
    path.ancestors().take_while(|folder| fs::symlink_metadata(folder).is_err()).map(Path::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requirements(root: PathBuf) -> Requirements {
        Requirements {
            ports: Vec::new(),
            store_root: root,
            shards: 1,
            shard_cpus: Vec::new(),
            segment_bytes: 1 << 20,
            io_memory_bytes: 1 << 20,
            connections_max: 100,
            log_cache_bytes: 1 << 20,
            ring: None,
        }
    }

    #[test]
    fn a_survey_leaves_no_folder_behind_and_takes_none_away() {
        let folder = tempfile::tempdir().unwrap();
        let table = survey(&requirements(folder.path().join("a/b/store")), &MachineDefaults::gather());
        assert!(table.rows.iter().any(|row| row.what == "kernel"), "{table:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        survey(&requirements(folder.path().to_owned()), &MachineDefaults::gather());
        assert!(folder.path().exists());
    }

    #[test]
    fn a_store_that_cannot_be_made_stops_and_is_not_called_fine_as_well() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let table = survey(&requirements(file.path().join("store")), &MachineDefaults::gather());
        assert!(!table.would_start);
        let about_store: Vec<&Row> =
            table.rows.iter().filter(|row| row.what == "store" || row.what.ends_with("of the store")).collect();
        assert!(
            about_store.iter().filter(|row| row.level == Level::Fine).all(|row| row.what.starts_with("file system")),
            "{about_store:?}"
        );
        assert_eq!(about_store[0].level, Level::Stops);
    }

    #[test]
    fn a_store_with_more_shards_than_configured_would_not_start_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        drop(StoreFolder::open(folder.path(), 3, 7).unwrap());
        let table = survey(&requirements(folder.path().to_owned()), &MachineDefaults::gather());
        let row = table.rows.iter().find(|row| row.what == "existing store").unwrap();
        assert_eq!((row.level, row.found.as_str(), row.mend.as_str()), (Level::Stops, "3 shards", "--shards 3"));
        assert!(!table.would_start);
        assert!(StoreFolder::check(folder.path(), 3).is_ok());
    }
}
