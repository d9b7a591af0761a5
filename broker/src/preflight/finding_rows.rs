//! What [`decide`](super::decide) found, in columns. The log says the same in sentences (`finding.rs`).

use storage::StorageError;

use super::decide::KERNEL_MIN;
use super::facts::Process;
use super::finding::{NO_RING, PreflightError, PreflightWarning};
use super::requirements::PortUse;
use super::row::{Level, Row};

impl From<&PreflightError> for Row {
    fn from(error: &PreflightError) -> Self {
        let stops = |what: &str, found: String, wanted: String, mend: &str| Row {
            level: Level::Stops,
            what: what.to_owned(),
            found,
            wanted,
            cost: "the broker does not start".to_owned(),
            mend: mend.to_owned(),
        };
        let port = |port: &PortUse, found: String, mend: &str| {
            stops(&format!("{} ({})", port.address, port.what), found, "free".to_owned(), mend)
        };
        let io_uring = |found: String, mend: &str| stops("io_uring", found, "allowed".to_owned(), mend);
        match error {
            PreflightError::PortTaken { port: taken, holder } => {
                let found = match holder {
                    Some(Process { id, name }) => format!("taken by process {id} ({name})"),
                    None => "taken; `ss -ltnp` as root says by whom".to_owned(),
                };
                port(taken, found, &format!("stop that process, or set another {}", taken.property))
            }
            PreflightError::NoSuchAddress { port: taken } => {
                port(taken, "no address of this machine".to_owned(), "set bindAddress")
            }
            PreflightError::PortNotPermitted { port: taken } => {
                let mend = format!("set another {}, or give CAP_NET_BIND_SERVICE", taken.property);
                port(taken, "not permitted".to_owned(), &mend)
            }
            PreflightError::PortFailed { port: taken, cause } => {
                port(taken, cause.clone(), &format!("set another {}", taken.property))
            }
            PreflightError::StoreNotWritable { root, step, path, cause } => stops(
                "store",
                format!("cannot {step} {}: {cause}", path.display()),
                format!("{} writable", root.display()),
                "make it writable for this user, or choose another folder with --store",
            ),
            PreflightError::KernelTooOld { found, needed } => {
                stops("kernel", found.to_string(), format!("{needed} or newer"), "a newer kernel")
            }
            PreflightError::IoUringDisabled => io_uring(
                "kernel.io_uring_disabled is 2: off for everybody".to_owned(),
                "`sysctl -w kernel.io_uring_disabled=0` as root, and in /etc/sysctl.d",
            ),
            PreflightError::IoUringForGroup => io_uring(
                "kernel.io_uring_disabled is 1: for a group only".to_owned(),
                "add this user to the group of kernel.io_uring_group",
            ),
            PreflightError::IoUringFiltered { in_container } => io_uring(
                format!("forbidden by a seccomp filter{}", if *in_container { " of the container" } else { "" }),
                "allow io_uring_setup, io_uring_enter and io_uring_register: docker run --security-opt \
                 seccomp=PROFILE, \
                 SystemCallFilter= in systemd",
            ),
            PreflightError::IoUringDenied => {
                io_uring("forbidden".to_owned(), "look for denials of SELinux or AppArmor in the audit log")
            }
            PreflightError::IoUringMissing { found } => {
                io_uring(format!("not in kernel {found}"), "a kernel with CONFIG_IO_URING")
            }
            PreflightError::IoUringFailed { cause } => io_uring(cause.clone(), "what the system says; then try again"),
            PreflightError::LockedMemoryTooLow { limit_bytes, needed_bytes } => stops(
                "limit on locked memory",
                format!("{limit_bytes} bytes"),
                format!("at least {needed_bytes} bytes"),
                &memlock_mend(*needed_bytes),
            ),
        }
    }
}

impl From<&PreflightWarning> for Row {
    fn from(warning: &PreflightWarning) -> Self {
        let row = |what: &str, found: String, wanted: String, cost: String, mend: String| Row {
            level: Level::Warning,
            what: what.to_owned(),
            found,
            wanted,
            cost,
            mend,
        };
        let ring = |found: String, wanted: &str, mend: &str| {
            row("ring in shared memory", found, wanted.to_owned(), NO_RING.to_owned(), mend.to_owned())
        };
        match warning {
            PreflightWarning::NoDirectIo { root, cause } => row(
                "direct I/O of the store",
                format!("refused by the file system of {} ({cause})", root.display()),
                "known".to_owned(),
                "the log goes through the page cache: the same promises, less speed".to_owned(),
                "put the store on XFS or ext4".to_owned(),
            ),
            PreflightWarning::DiskSmall { root, free_bytes, shards, needed_bytes, .. } => row(
                "free space of the store",
                format!("{free_bytes} bytes in {}", root.display()),
                format!("at least {needed_bytes} bytes"),
                format!("the next segments of {shards} shards do not fit; a shard without one takes no messages"),
                "free space, or a smaller mappedFileSizeCommitLog".to_owned(),
            ),
            PreflightWarning::LockedMemoryShort { limit_bytes, needed_bytes, .. } => row(
                "limit on locked memory",
                format!("{limit_bytes} bytes"),
                format!("{needed_bytes} bytes, for all processes of this user"),
                "buffers are not registered with io_uring: every transfer maps its memory anew".to_owned(),
                memlock_mend(*needed_bytes),
            ),
            PreflightWarning::OpenFilesLow { limit, needed, reachable, connections_max, .. } => row(
                "limit on open files",
                limit.to_string(),
                needed.to_string(),
                format!("a shard takes {reachable} connections, not {connections_max}"),
                format!("`ulimit -n {needed}`, limits.d (nofile), LimitNOFILE= in systemd; or lower connectionsMax"),
            ),
            PreflightWarning::MemorySmall { needed_bytes, memory_bytes, shards } => row(
                "memory",
                format!("{memory_bytes} bytes"),
                format!("more than {needed_bytes} bytes"),
                format!(
                    "caches and rings of {shards} shards leave too little for the rest; the kernel may end the process"
                ),
                "lower logCacheBytes, shmRingBytes or shards".to_owned(),
            ),
            PreflightWarning::RingFolder { folder, cause } => ring(
                format!("{} is not usable ({cause})", folder.display()),
                "a writable folder on a tmpfs",
                "set shmRingDir",
            ),
            PreflightWarning::RingNotMemory { folder } => {
                ring(format!("{} is no tmpfs", folder.display()), "a folder on a tmpfs", "set shmRingDir to one")
            }
            PreflightWarning::RingPrivate { folder } => ring(
                format!("{} goes with this container", folder.display()),
                "memory that outlives the broker",
                "share the host's (--ipc=host, or a volume on a tmpfs of the host); if it does outlive the broker, \
                 name it with shmRingDir",
            ),
            PreflightWarning::RingTooLarge { folder, free_bytes, needed_bytes, .. } => ring(
                format!("{} has {free_bytes} bytes free", folder.display()),
                &format!("{needed_bytes} bytes"),
                "enlarge it (docker run --shm-size, mount -o remount,size=), or lower shmRingBytes",
            ),
        }
    }
}

/// Why the store that is there already is not opened.
pub(super) fn existing_store(error: &StorageError) -> Row {
    let (found, wanted, mend) = match error {
        StorageError::Locked { holder, .. } => (
            format!("in use by another process{holder}"),
            "free".to_owned(),
            "stop that process, or use another --store".to_owned(),
        ),
        StorageError::TooFewShards { found, configured, .. } => {
            (format!("{found} shards"), format!("at most {configured}"), format!("--shards {found}"))
        }
        other => (
            other.to_string(),
            "a whole store of this version".to_owned(),
            "restore it, or use another --store".to_owned(),
        ),
    };
    let cost = "the broker does not start".to_owned();
    Row { level: Level::Stops, what: "existing store".to_owned(), found, wanted, cost, mend }
}

fn memlock_mend(needed_bytes: u64) -> String {
    format!("`ulimit -l {}`, limits.d (memlock), LimitMEMLOCK= in systemd", needed_bytes.div_ceil(1024))
}

/// What [`decide`](super::decide) found nothing wrong with, as rows.
pub(super) fn fine_rows(requirements: &super::Requirements, facts: &super::HostFacts, wrong: &[Row]) -> Vec<Row> {
    let mut rows = vec![
        Row::fine("kernel", format!("{}, {KERNEL_MIN} or newer is needed", facts.kernel)),
        Row::fine("io_uring", "allowed"),
        Row::fine("limit on locked memory", limit_text(facts.locked_memory, " bytes")),
        Row::fine("limit on open files", limit_text(facts.open_files, "")),
        Row::fine("store", format!("{} is writable", requirements.store_root.display())),
        Row::fine("direct I/O of the store", "known"),
    ];
    if let super::StoreState::Writable { free_bytes, .. } = facts.store {
        rows.push(Row::fine("free space of the store", format!("{free_bytes} bytes")));
    }
    rows.extend(facts.memory_bytes.map(|bytes| Row::fine("memory", format!("{bytes} bytes"))));
    let ring = match (&requirements.ring, &facts.shared_memory) {
        (Some(ring), Some(super::SharedMemory::Writable { free_bytes, .. })) => {
            format!("{} is a tmpfs with {free_bytes} bytes free", ring.folder.display())
        }
        _ => "not wanted".to_owned(),
    };
    rows.push(Row::fine("ring in shared memory", ring));
    rows.push(Row::fine("ports", format!("{} to listen on", requirements.ports.len())));
    // A file that could not be written says nothing about direct I/O.
    let store_is_wrong = wrong.iter().any(|row| row.what == "store");
    let ports_are_wrong = wrong.iter().any(|row| row.what.contains(" port") || row.what.contains("name server"));
    rows.retain(|row| {
        let is_wrong = wrong.iter().any(|other| other.what == row.what);
        let is_unknown = (store_is_wrong && row.what.contains("store")) || (ports_are_wrong && row.what == "ports");
        !is_wrong && !is_unknown
    });
    rows
}

fn limit_text(limit: super::Limit, unit: &str) -> String {
    limit.map_or_else(|| "unlimited".to_owned(), |limit| format!("{limit}{unit}"))
}
