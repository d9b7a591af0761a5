//! What the checks can find: what, where, how much, and what to do.

use std::path::PathBuf;

use super::facts::{KernelVersion, Process};
use super::requirements::PortUse;

/// Something that stops the start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PreflightError {
    /// Somebody listens on a port.
    #[error(
        "{} ({}) is taken by {}: stop it, or set another {}",
        .port.address, .port.what, holder_text(.holder.as_ref()), .port.property
    )]
    PortTaken {
        /// The port.
        port: PortUse,
        /// Who has it, if this user may know.
        holder: Option<Process>,
    },
    /// The address is none of this machine's.
    #[error("{} ({}) cannot be bound: this machine has no such address; set bindAddress", .port.address, .port.what)]
    NoSuchAddress {
        /// The port.
        port: PortUse,
    },
    /// This user may not bind the port.
    #[error(
        "{} ({}) cannot be bound: not permitted; ports below 1024 need the capability CAP_NET_BIND_SERVICE, others are \
         set by {}",
        .port.address, .port.what, .port.property
    )]
    PortNotPermitted {
        /// The port.
        port: PortUse,
    },
    /// Binding a port fails.
    #[error("{} ({}) cannot be bound: {cause}; set another {}", .port.address, .port.what, .port.property)]
    PortFailed {
        /// The port.
        port: PortUse,
        /// The system's words.
        cause: String,
    },
    /// Nothing can be kept.
    #[error(
        "the store {} is not writable: cannot {step} {}: {cause}; make it writable for this user, or choose another \
         folder with --store (storePathRootDir)",
        .root.display(), .path.display()
    )]
    StoreNotWritable {
        /// The store's folder.
        root: PathBuf,
        /// What was tried.
        step: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's words.
        cause: String,
    },
    /// The kernel lacks operations that every shard uses.
    #[error("kernel {found} is too old: io_uring as used here needs {needed} or newer")]
    KernelTooOld {
        /// The running one.
        found: KernelVersion,
        /// The oldest that works.
        needed: KernelVersion,
    },
    /// The administrator switched io_uring off for everybody.
    #[error(
        "io_uring is forbidden: the sysctl kernel.io_uring_disabled is 2 (off for everybody); run `sysctl -w \
         kernel.io_uring_disabled=0` as root and set it in /etc/sysctl.d"
    )]
    IoUringDisabled,
    /// The administrator allows io_uring to a group.
    #[error(
        "io_uring is forbidden for this user: the sysctl kernel.io_uring_disabled is 1; add the user to the group named \
         by kernel.io_uring_group, or run `sysctl -w kernel.io_uring_disabled=0` as root and set it in /etc/sysctl.d"
    )]
    IoUringForGroup,
    /// A filter on system calls forbids it.
    #[error(
        "io_uring is forbidden by a seccomp filter{}: allow the system calls io_uring_setup, io_uring_enter and \
         io_uring_register in the container's seccomp profile (docker run --security-opt seccomp=PROFILE) or in systemd's \
         SystemCallFilter",
        if *.in_container { " of the container" } else { "" }
    )]
    IoUringFiltered {
        /// Whether this is a container.
        in_container: bool,
    },
    /// Something unknown forbids it.
    #[error(
        "io_uring is forbidden although the sysctl kernel.io_uring_disabled allows it and no seccomp filter is there: \
         look for denials of SELinux or AppArmor in the audit log"
    )]
    IoUringDenied,
    /// The kernel was built without io_uring.
    #[error("kernel {found} is built without io_uring (CONFIG_IO_URING)")]
    IoUringMissing {
        /// The running one.
        found: KernelVersion,
    },
    /// Making an io_uring fails.
    #[error("io_uring does not work: {cause}")]
    IoUringFailed {
        /// The system's words.
        cause: String,
    },
    /// A shard's executor does not start below this limit.
    #[error(
        "the limit on locked memory is {limit_bytes} bytes, io_uring needs at least {needed_bytes}: raise it with \
         `ulimit -l {}`, in /etc/security/limits.d (memlock), or with LimitMEMLOCK= in the systemd unit",
        needed_bytes.div_ceil(1024)
    )]
    LockedMemoryTooLow {
        /// The limit.
        limit_bytes: u64,
        /// The least that works.
        needed_bytes: u64,
    },
}

/// Something the user should know, with which the broker starts all the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PreflightWarning {
    /// The log goes through the page cache.
    #[error(
        "the file system of {} knows no direct I/O ({cause}): the log is written through the page cache, with the same \
         promises but less speed; ext4 and XFS know it",
        .root.display()
    )]
    NoDirectIo {
        /// The store's folder.
        root: PathBuf,
        /// The system's words.
        cause: String,
    },
    /// Segments are made at full size.
    #[error(
        "{} has {free_bytes} bytes free, {shards} shards of mappedFileSizeCommitLog={segment_bytes} take {needed_bytes} \
         for their next segments: free space or use smaller segments",
        .root.display()
    )]
    DiskSmall {
        /// The store's folder.
        root: PathBuf,
        /// Free there.
        free_bytes: u64,
        /// Number of shards.
        shards: u32,
        /// Bytes of a segment.
        segment_bytes: u32,
        /// One segment for each.
        needed_bytes: u64,
    },
    /// Buffers stay unregistered.
    #[error(
        "the limit on locked memory is {limit_bytes} bytes, {shards} shards register up to {needed_bytes} with io_uring \
         (all processes of a user together): without, every transfer maps its memory anew; raise it with `ulimit -l {}`, \
         in /etc/security/limits.d (memlock), or with LimitMEMLOCK= in the systemd unit",
        needed_bytes.div_ceil(1024)
    )]
    LockedMemoryShort {
        /// The limit.
        limit_bytes: u64,
        /// Number of shards.
        shards: u32,
        /// What they register together.
        needed_bytes: u64,
    },
    /// Fewer connections than configured.
    #[error(
        "the limit on open files is {limit}, {shards} shards with connectionsMax={connections_max} need {needed}: \
         {reachable} connections a shard are taken; raise it with `ulimit -n {needed}`, in /etc/security/limits.d \
         (nofile), or with LimitNOFILE= in the systemd unit, or lower connectionsMax"
    )]
    OpenFilesLow {
        /// The limit.
        limit: u64,
        /// Number of shards.
        shards: u32,
        /// Connections a shard as configured.
        connections_max: u32,
        /// Files needed together.
        needed: u64,
        /// Connections a shard that the limit allows.
        reachable: u64,
    },
    /// Caches take most of the memory.
    #[error(
        "{shards} shards take up to {needed_bytes} bytes for log caches and rings, this process may use {memory_bytes}: \
         lower logCacheBytes, shmRingBytes or shards"
    )]
    MemorySmall {
        /// Number of shards.
        shards: u32,
        /// What they take together.
        needed_bytes: u64,
        /// What there is.
        memory_bytes: u64,
    },
    /// No file can be made in the rings' folder.
    #[error("no ring in shared memory: {} is not usable ({cause}); set shmRingDir. {NO_RING}", .folder.display())]
    RingFolder {
        /// The folder.
        folder: PathBuf,
        /// The system's words.
        cause: String,
    },
    /// The rings' folder is not in memory.
    #[error("no ring in shared memory: {} is no tmpfs; set shmRingDir to one. {NO_RING}", .folder.display())]
    RingNotMemory {
        /// The folder.
        folder: PathBuf,
    },
    /// The rings would go with the container.
    #[error(
        "no ring in shared memory: {} belongs to this container and goes with it; share the host's (--ipc=host, or a \
         volume on a tmpfs of the host) or, if it outlives the broker, name it with shmRingDir. {NO_RING}",
        .folder.display()
    )]
    RingPrivate {
        /// The folder.
        folder: PathBuf,
    },
    /// The rings do not fit.
    #[error(
        "no ring in shared memory: {} has {free_bytes} bytes free, {shards} shards with shmRingBytes={ring_bytes} need \
         {needed_bytes}; enlarge it (docker run --shm-size) or lower shmRingBytes. {NO_RING}",
        .folder.display()
    )]
    RingTooLarge {
        /// The folder.
        folder: PathBuf,
        /// Free there.
        free_bytes: u64,
        /// Number of shards.
        shards: u32,
        /// Bytes of a ring.
        ring_bytes: u64,
        /// All of them.
        needed_bytes: u64,
    },
}

/// What going without a ring means.
pub(super) const NO_RING: &str =
    "ASYNC_FLUSH acknowledges after the direct write instead, which takes longer and is no less safe";

fn holder_text(holder: Option<&Process>) -> String {
    match holder {
        Some(Process { id, name }) => format!("process {id} ({name})"),
        None => "a process that this user may not see (`ss -ltnp` as root names it)".to_owned(),
    }
}
