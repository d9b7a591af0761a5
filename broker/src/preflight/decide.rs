//! From facts to findings. Asks nobody.

use super::facts::{DirectIo, HostFacts, IoUring, KernelVersion, PortState, SharedMemory, StoreState};
use super::finding::{PreflightError, PreflightWarning};
use super::requirements::{Requirements, RingRequirement};
use super::{Capabilities, FileIo, PreflightReport};

/// glommio asks the kernel for its list of operations and needs what 5.8 has.
pub(super) const KERNEL_MIN: KernelVersion = KernelVersion { major: 5, minor: 8 };
/// From here on the rings themselves count for the control group instead of the limit on locked memory.
const KERNEL_OF_UNLOCKED_RINGS: KernelVersion = KernelVersion { major: 5, minor: 12 };
/// glommio starts no executor below this, whoever asks (its `sys/uring.rs`, `MIN_MEMLOCK_LIMIT`).
const LOCKED_BYTES_MIN: u64 = 512 * 1024;
/// An executor has three rings and registers its buffers with each; the kernel counts them each time (seen with glommio
/// 0.9 on 6.18: 4 MiB registered pin 12 MiB).
const RINGS_PER_SHARD: u64 = 3;
/// Submission and completion entries of three rings, rounded up.
const RING_ENTRIES_BYTES_PER_SHARD: u64 = 96 * 1024;
/// Segments, rings, listeners and what else a shard keeps open besides connections.
const FILES_PER_SHARD: u64 = 64;
/// Standard streams, libraries' files, control thread, name server connections.
const FILES_OF_PROCESS: u64 = 256;
/// A shard takes this many connections however few files there are.
const CONNECTIONS_MIN: u64 = 16;
/// A ring's file has this much in front of the ring.
const RING_HEADER_BYTES: u64 = 4096;

/// Decides whether `facts` meet `requirements`.
pub fn decide(requirements: &Requirements, facts: &HostFacts) -> PreflightReport {
    let mut errors = Vec::new();
    let mut warnings = Vec::new();
    errors.extend(facts.ports.iter().filter_map(port_error));
    let file_io = decide_store(requirements, &facts.store, &mut errors, &mut warnings);
    let io_uring_error = io_uring_error(requirements, facts);
    let locked_error = io_uring_error.is_none().then(|| locked_memory_error(requirements, facts)).flatten();
    if io_uring_error.is_none() && locked_error.is_none() {
        warnings.extend(locked_memory_warning(requirements, facts));
    }
    errors.extend(io_uring_error);
    errors.extend(locked_error);
    let files_warning = open_files_warning(requirements, facts);
    let connections_max = match &files_warning {
        // The rest of the files is for the log: connections must not be able to take them.
        Some(PreflightWarning::OpenFilesLow { reachable, .. }) => *reachable as u32,
        _ => requirements.connections_max,
    };
    warnings.extend(files_warning);
    warnings.extend(memory_warning(requirements, facts));
    let ring = requirements.ring.as_ref().zip(facts.shared_memory.as_ref());
    let ring_warning = ring.and_then(|(ring, found)| ring_warning(requirements.shards, ring, found, facts));
    let shared_ring = ring.is_some() && ring_warning.is_none();
    warnings.extend(ring_warning);
    PreflightReport { errors, warnings, capabilities: Capabilities { file_io, shared_ring, connections_max } }
}

fn port_error(fact: &super::PortFact) -> Option<PreflightError> {
    let port = fact.port.clone();
    match &fact.state {
        PortState::Free => None,
        PortState::Taken { holder } => Some(PreflightError::PortTaken { port, holder: holder.clone() }),
        PortState::NoSuchAddress => Some(PreflightError::NoSuchAddress { port }),
        PortState::NotPermitted => Some(PreflightError::PortNotPermitted { port }),
        PortState::Failed { cause } => Some(PreflightError::PortFailed { port, cause: cause.clone() }),
    }
}

fn decide_store(
    requirements: &Requirements,
    store: &StoreState,
    errors: &mut Vec<PreflightError>,
    warnings: &mut Vec<PreflightWarning>,
) -> FileIo {
    let root = requirements.store_root.clone();
    let (direct_io, free_bytes) = match store.clone() {
        StoreState::Writable { direct_io, free_bytes } => (direct_io, free_bytes),
        StoreState::NotWritable { step, path, cause } => {
            errors.push(PreflightError::StoreNotWritable { root, step, path, cause });
            return FileIo::Buffered;
        }
    };
    let (shards, segment_bytes) = (requirements.shards, requirements.segment_bytes);
    let needed_bytes = u64::from(shards) * u64::from(segment_bytes);
    if free_bytes < needed_bytes {
        let root = root.clone();
        warnings.push(PreflightWarning::DiskSmall { root, free_bytes, shards, segment_bytes, needed_bytes });
    }
    match direct_io {
        DirectIo::Works => FileIo::Direct,
        DirectIo::Refused { cause } => {
            warnings.push(PreflightWarning::NoDirectIo { root, cause });
            FileIo::Buffered
        }
    }
}

fn io_uring_error(requirements: &Requirements, facts: &HostFacts) -> Option<PreflightError> {
    let filtered = || PreflightError::IoUringFiltered { in_container: facts.in_container };
    let found = facts.kernel;
    if found < KERNEL_MIN {
        return Some(PreflightError::KernelTooOld { found, needed: KERNEL_MIN });
    }
    match &facts.io_uring {
        IoUring::Works => None,
        IoUring::Unknown if facts.seccomp_filter => Some(filtered()),
        IoUring::Unknown => Some(PreflightError::IoUringMissing { found }),
        IoUring::Forbidden { disabled: Some(2) } => Some(PreflightError::IoUringDisabled),
        IoUring::Forbidden { disabled: Some(1) } => Some(PreflightError::IoUringForGroup),
        IoUring::Forbidden { .. } if facts.seccomp_filter => Some(filtered()),
        IoUring::Forbidden { .. } => Some(PreflightError::IoUringDenied),
        IoUring::OutOfLockedMemory => Some(PreflightError::LockedMemoryTooLow {
            limit_bytes: facts.locked_memory.unwrap_or(u64::MAX),
            needed_bytes: locked_bytes_needed(requirements, found),
        }),
        IoUring::Failed { cause } => Some(PreflightError::IoUringFailed { cause: cause.clone() }),
    }
}

fn locked_memory_error(requirements: &Requirements, facts: &HostFacts) -> Option<PreflightError> {
    let limit_bytes = facts.locked_memory?;
    let rings_are_locked = facts.kernel < KERNEL_OF_UNLOCKED_RINGS && !facts.may_lock_memory;
    let rings = if rings_are_locked { u64::from(requirements.shards) * RING_ENTRIES_BYTES_PER_SHARD } else { 0 };
    let needed_bytes = LOCKED_BYTES_MIN.max(rings);
    (limit_bytes < needed_bytes).then_some(PreflightError::LockedMemoryTooLow { limit_bytes, needed_bytes })
}

fn locked_memory_warning(requirements: &Requirements, facts: &HostFacts) -> Option<PreflightWarning> {
    let limit_bytes = facts.locked_memory.filter(|_| !facts.may_lock_memory)?;
    let needed_bytes = locked_bytes_needed(requirements, facts.kernel);
    let shards = requirements.shards;
    (limit_bytes < needed_bytes).then_some(PreflightWarning::LockedMemoryShort { limit_bytes, shards, needed_bytes })
}

/// What all executors together lock when nothing stops them.
fn locked_bytes_needed(requirements: &Requirements, kernel: KernelVersion) -> u64 {
    let rings = if kernel < KERNEL_OF_UNLOCKED_RINGS { RING_ENTRIES_BYTES_PER_SHARD } else { 0 };
    let shard = RINGS_PER_SHARD * requirements.io_memory_bytes + rings;
    LOCKED_BYTES_MIN.max(u64::from(requirements.shards) * shard)
}

fn open_files_warning(requirements: &Requirements, facts: &HostFacts) -> Option<PreflightWarning> {
    let limit = facts.open_files?;
    let (shards, connections_max) = (requirements.shards, requirements.connections_max);
    let needed = FILES_OF_PROCESS + u64::from(shards) * (FILES_PER_SHARD + u64::from(connections_max));
    let reachable = (limit.saturating_sub(FILES_OF_PROCESS) / u64::from(shards)).saturating_sub(FILES_PER_SHARD);
    let reachable = reachable.max(CONNECTIONS_MIN).min(u64::from(connections_max));
    let warning = PreflightWarning::OpenFilesLow { limit, shards, connections_max, needed, reachable };
    (limit < needed).then_some(warning)
}

fn memory_warning(requirements: &Requirements, facts: &HostFacts) -> Option<PreflightWarning> {
    let memory_bytes = facts.memory_bytes?;
    let shards = requirements.shards;
    let ring_bytes = requirements.ring.as_ref().map_or(0, |ring| ring.bytes);
    let shard_bytes = requirements.log_cache_bytes + ring_bytes + requirements.io_memory_bytes;
    let needed_bytes = shard_bytes.saturating_mul(u64::from(shards));
    // A quarter is left for connections, tables and the rest of the machine.
    let is_small = needed_bytes > memory_bytes / 4 * 3;
    is_small.then_some(PreflightWarning::MemorySmall { shards, needed_bytes, memory_bytes })
}

fn ring_warning(
    shards: u32,
    ring: &RingRequirement,
    found: &SharedMemory,
    facts: &HostFacts,
) -> Option<PreflightWarning> {
    let folder = ring.folder.clone();
    let (is_memory, is_private, free_bytes) = match found {
        SharedMemory::Writable { is_memory, is_private, free_bytes } => (*is_memory, *is_private, *free_bytes),
        SharedMemory::NotWritable { cause } => {
            return Some(PreflightWarning::RingFolder { folder, cause: cause.clone() });
        }
    };
    if !is_memory {
        return Some(PreflightWarning::RingNotMemory { folder });
    }
    if is_private && facts.in_container && !ring.folder_is_chosen {
        return Some(PreflightWarning::RingPrivate { folder });
    }
    let needed_bytes = u64::from(shards) * (ring.bytes + RING_HEADER_BYTES);
    let ring_bytes = ring.bytes;
    let warning = PreflightWarning::RingTooLarge { folder, free_bytes, shards, ring_bytes, needed_bytes };
    (free_bytes < needed_bytes).then_some(warning)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::super::{PortFact, PortUse, Process};
    use super::*;

    const MIB: u64 = 1 << 20;

    fn requirements() -> Requirements {
        Requirements {
            ports: vec![port()],
            store_root: "/data/store".into(),
            shards: 2,
            shard_cpus: Vec::new(),
            segment_bytes: 1 << 30,
            io_memory_bytes: 4 * MIB,
            connections_max: 1000,
            log_cache_bytes: 256 * MIB,
            ring: Some(RingRequirement { folder: "/dev/shm".into(), folder_is_chosen: false, bytes: 16 * MIB }),
        }
    }

    fn port() -> PortUse {
        let address = SocketAddr::from(([0, 0, 0, 0], 10911));
        PortUse { what: "main port of shard 0".to_owned(), property: "listenPort", address }
    }

    /// A machine on which everything is fine.
    fn facts() -> HostFacts {
        HostFacts {
            kernel: KernelVersion { major: 6, minor: 1 },
            in_container: false,
            seccomp_filter: false,
            may_lock_memory: false,
            locked_memory: None,
            open_files: Some(1_000_000),
            memory_bytes: Some(8 << 30),
            io_uring: IoUring::Works,
            ports: vec![PortFact { port: port(), state: PortState::Free }],
            store: StoreState::Writable { direct_io: DirectIo::Works, free_bytes: 100 << 30 },
            shared_memory: Some(SharedMemory::Writable { is_memory: true, is_private: false, free_bytes: 1 << 30 }),
        }
    }

    fn error(facts: HostFacts) -> String {
        let report = decide(&requirements(), &facts);
        assert_eq!((report.errors.len(), report.warnings.len()), (1, 0), "{report:?}");
        report.errors[0].to_string()
    }

    fn warning(facts: HostFacts) -> (String, Capabilities) {
        let report = decide(&requirements(), &facts);
        assert_eq!((report.errors.len(), report.warnings.len()), (0, 1), "{report:?}");
        (report.warnings[0].to_string(), report.capabilities)
    }

    #[test]
    fn a_machine_that_has_everything_is_silent_and_fast() {
        let report = decide(&requirements(), &facts());
        assert_eq!((report.errors, report.warnings), (vec![], vec![]));
        let all = Capabilities { file_io: FileIo::Direct, shared_ring: true, connections_max: 1000 };
        assert_eq!(report.capabilities, all);
    }

    #[test]
    fn a_taken_port_names_its_holder_and_the_property_that_moves_it() {
        let taken = |holder| {
            let ports = vec![PortFact { port: port(), state: PortState::Taken { holder } }];
            error(HostFacts { ports, ..facts() })
        };
        assert_eq!(
            taken(Some(Process { id: 42, name: "java".to_owned() })),
            "0.0.0.0:10911 (main port of shard 0) is taken by process 42 (java): stop it, or set another listenPort"
        );
        assert!(taken(None).contains("may not see"));
    }

    #[test]
    fn ports_that_cannot_be_bound_say_why() {
        let with = |state| error(HostFacts { ports: vec![PortFact { port: port(), state }], ..facts() });
        assert!(with(PortState::NoSuchAddress).contains("set bindAddress"));
        assert!(with(PortState::NotPermitted).contains("CAP_NET_BIND_SERVICE"));
        assert!(with(PortState::Failed { cause: "odd".to_owned() }).contains("odd"));
    }

    #[test]
    fn a_store_that_cannot_be_written_stops_the_start() {
        let store = StoreState::NotWritable {
            step: "create the folder",
            path: "/data/store".into(),
            cause: "Permission denied".to_owned(),
        };
        let text = error(HostFacts { store, ..facts() });
        assert!(
            text.contains("/data/store") && text.contains("Permission denied") && text.contains("--store"),
            "{text}"
        );
    }

    #[test]
    fn without_direct_io_the_log_is_buffered_with_one_warning() {
        let direct_io = DirectIo::Refused { cause: "Invalid argument".to_owned() };
        let store = StoreState::Writable { direct_io, free_bytes: 100 << 30 };
        let (text, capabilities) = warning(HostFacts { store, ..facts() });
        assert!(text.contains("/data/store knows no direct I/O (Invalid argument)"), "{text}");
        assert_eq!(capabilities.file_io, FileIo::Buffered);
    }

    #[test]
    fn a_disk_without_room_for_a_segment_a_shard_warns() {
        let store = StoreState::Writable { direct_io: DirectIo::Works, free_bytes: 1 << 30 };
        let (text, _) = warning(HostFacts { store, ..facts() });
        assert!(text.contains("1073741824 bytes free") && text.contains("take 2147483648"), "{text}");
    }

    #[test]
    fn forbidden_io_uring_names_the_sysctl_the_filter_or_the_security_module() {
        let forbidden = |disabled, seccomp_filter, in_container| {
            error(HostFacts { io_uring: IoUring::Forbidden { disabled }, seccomp_filter, in_container, ..facts() })
        };
        assert!(forbidden(Some(2), true, true).contains("kernel.io_uring_disabled is 2"));
        assert!(forbidden(Some(1), false, false).contains("kernel.io_uring_group"));
        assert!(forbidden(Some(0), true, true).contains("seccomp filter of the container"));
        assert!(forbidden(None, true, false).contains("seccomp filter:"));
        assert!(forbidden(Some(0), false, false).contains("SELinux"));
    }

    #[test]
    fn unknown_io_uring_is_an_old_kernel_a_filter_or_a_kernel_without_it() {
        let unknown = |major, seccomp_filter| {
            let kernel = KernelVersion { major, minor: 4 };
            error(HostFacts { io_uring: IoUring::Unknown, kernel, seccomp_filter, ..facts() })
        };
        assert!(unknown(5, true).contains("kernel 5.4 is too old"));
        assert!(unknown(6, true).contains("seccomp"));
        assert!(unknown(6, false).contains("CONFIG_IO_URING"));
    }

    #[test]
    fn io_uring_that_fails_otherwise_says_how() {
        let io_uring = IoUring::Failed { cause: "Too many open files".to_owned() };
        assert!(error(HostFacts { io_uring, ..facts() }).contains("Too many open files"));
        let text = error(HostFacts { io_uring: IoUring::OutOfLockedMemory, locked_memory: Some(65_536), ..facts() });
        assert!(text.contains("65536 bytes") && text.contains("ulimit -l"), "{text}");
    }

    #[test]
    fn a_kernel_older_than_its_operations_is_refused_even_if_io_uring_is_there() {
        let kernel = KernelVersion { major: 5, minor: 6 };
        assert!(error(HostFacts { kernel, ..facts() }).contains("needs 5.8"));
    }

    #[test]
    fn too_little_locked_memory_names_the_limit_to_raise() {
        let text = error(HostFacts { locked_memory: Some(64 * 1024), may_lock_memory: true, ..facts() });
        assert_eq!(
            text,
            "the limit on locked memory is 65536 bytes, io_uring needs at least 524288: raise it with `ulimit -l 512`, in \
             /etc/security/limits.d (memlock), or with LimitMEMLOCK= in the systemd unit"
        );
    }

    #[test]
    fn old_kernels_lock_the_rings_too() {
        let old = |shards, locked_memory| {
            let kernel = KernelVersion { major: 5, minor: 10 };
            let facts = HostFacts { kernel, locked_memory: Some(locked_memory), ..facts() };
            let ring = None;
            let requirements =
                Requirements { shards, ring, log_cache_bytes: MIB, segment_bytes: 1 << 20, ..requirements() };
            decide(&requirements, &facts).errors
        };
        assert_eq!(old(2, 600 * 1024), []);
        assert_eq!(old(16, 600 * 1024).len(), 1);
        assert_eq!(old(16, 2 * MIB), []);
    }

    #[test]
    fn unregistered_buffers_warn_unless_the_process_may_lock_memory() {
        let short = HostFacts { locked_memory: Some(8 * MIB), ..facts() };
        let (text, _) = warning(short.clone());
        assert!(text.contains("8388608 bytes") && text.contains("25165824"), "{text}");
        let report = decide(&requirements(), &HostFacts { may_lock_memory: true, ..short });
        assert_eq!(report.warnings, []);
    }

    #[test]
    fn few_open_files_say_how_many_connections_work() {
        let (text, capabilities) = warning(HostFacts { open_files: Some(1024), ..facts() });
        assert!(text.contains("is 1024") && text.contains("need 2384") && text.contains("320 connections"), "{text}");
        assert_eq!(capabilities.connections_max, 320);
        let (_, capabilities) = warning(HostFacts { open_files: Some(64), ..facts() });
        assert_eq!(capabilities.connections_max, 16, "some always");
    }

    #[test]
    fn caches_larger_than_the_memory_warn() {
        let (text, _) = warning(HostFacts { memory_bytes: Some(512 * MIB), ..facts() });
        assert!(text.contains("logCacheBytes") && text.contains("536870912"), "{text}");
        let report = decide(&requirements(), &HostFacts { memory_bytes: None, ..facts() });
        assert_eq!(report.warnings, []);
    }

    #[test]
    fn a_ring_needs_memory_that_outlives_the_process() {
        let with = |shared_memory, in_container| {
            let (text, capabilities) =
                warning(HostFacts { shared_memory: Some(shared_memory), in_container, ..facts() });
            assert!(!capabilities.shared_ring);
            assert!(text.contains("ASYNC_FLUSH acknowledges after the direct write"), "{text}");
            text
        };
        let writable = |is_memory, is_private, free_bytes| SharedMemory::Writable { is_memory, is_private, free_bytes };
        assert!(with(SharedMemory::NotWritable { cause: "gone".to_owned() }, false).contains("gone"));
        assert!(with(writable(false, false, 1 << 30), false).contains("no tmpfs"));
        assert!(with(writable(true, true, 1 << 30), true).contains("--ipc=host"));
        assert!(with(writable(true, false, 20 * MIB), false).contains("need 33562624"));
    }

    #[test]
    fn a_private_looking_folder_is_fine_outside_containers_or_when_chosen() {
        let shared_memory = Some(SharedMemory::Writable { is_memory: true, is_private: true, free_bytes: 1 << 30 });
        let outside = HostFacts { shared_memory, ..facts() };
        assert!(decide(&requirements(), &outside).capabilities.shared_ring);
        let mut chosen = requirements();
        chosen.ring.as_mut().unwrap().folder_is_chosen = true;
        let inside = HostFacts { in_container: true, ..outside };
        assert!(decide(&chosen, &inside).capabilities.shared_ring);
        assert!(!decide(&requirements(), &inside).capabilities.shared_ring);
    }

    #[test]
    fn without_a_wanted_ring_nothing_is_said_about_it() {
        let requirements = Requirements { ring: None, ..requirements() };
        let report = decide(&requirements, &HostFacts { shared_memory: None, ..facts() });
        assert_eq!(report.warnings, []);
        assert!(!report.capabilities.shared_ring);
    }
}
