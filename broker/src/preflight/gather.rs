//! Asks the machine.

use std::fs;
use std::path::Path;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::facts::{HostFacts, KernelVersion, PortFact};
use super::requirements::Requirements;
use super::{io_uring_probe, port_probe, shared_memory_probe, store_probe};

/// Bit of CAP_IPC_LOCK in a capability set.
const CAP_IPC_LOCK: u32 = 14;

/// Raises the process's soft limits on open files and locked memory to the hard ones: the soft ones are low for
/// programs that cannot cope with more. What is not permitted stays as it is; `decide` says what that means.
pub fn raise_limits() {
    for resource in [Resource::Nofile, Resource::Memlock] {
        let limit = getrlimit(resource);
        let _ = setrlimit(resource, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
}

/// Asks for everything `requirements` depend on. Takes some milliseconds; creates the store's folder and nothing else.
pub fn gather(requirements: &Requirements) -> HostFacts {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let ports = requirements.ports.iter();
    HostFacts {
        // A kernel with an unreadable version is taken for a new one: the probe below tells what it can do.
        kernel: KernelVersion::parse(&release).unwrap_or(KernelVersion { major: u32::MAX, minor: 0 }),
        in_container: is_container(),
        seccomp_filter: has_seccomp_filter(&status),
        may_lock_memory: has_capability(&status, CAP_IPC_LOCK),
        locked_memory: getrlimit(Resource::Memlock).current,
        open_files: getrlimit(Resource::Nofile).current,
        memory_bytes: memory_bytes(),
        io_uring: io_uring_probe::probe(),
        ports: ports.map(|port| PortFact { port: port.clone(), state: port_probe::probe(port.address) }).collect(),
        store: store_probe::probe(&requirements.store_root),
        shared_memory: requirements.ring.as_ref().map(|ring| shared_memory_probe::probe(&ring.folder, ring.bytes)),
    }
}

/// Docker, Podman and Kubernetes leave one of these marks.
fn is_container() -> bool {
    ["/.dockerenv", "/run/.containerenv", "/var/run/secrets/kubernetes.io"].iter().any(|mark| Path::new(mark).exists())
}

fn status_field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// `Seccomp: 2` is a filter.
fn has_seccomp_filter(status: &str) -> bool {
    status_field(status, "Seccomp") == Some("2")
}

fn has_capability(status: &str, bit: u32) -> bool {
    let set = status_field(status, "CapEff").and_then(|text| u64::from_str_radix(text, 16).ok());
    set.is_some_and(|set| set & (1 << bit) != 0)
}

/// The machine's memory or the limit of the control group, whichever is less.
pub(crate) fn memory_bytes() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_memory_bytes(&text));
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let folders = [format!("/sys/fs/cgroup{}", control_group(&own)), "/sys/fs/cgroup".to_owned()];
    let limits = folders.iter().filter_map(|folder| fs::read_to_string(format!("{folder}/memory.max")).ok());
    limits.filter_map(|limit| limit.trim().parse().ok()).chain(machine).min()
}

/// `MemTotal:  16318480 kB`.
fn total_memory_bytes(meminfo: &str) -> Option<u64> {
    let kibibytes: u64 = status_field(meminfo, "MemTotal")?.strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// The path in the line `0::/path` (cgroup v2).
fn control_group(cgroup: &str) -> &str {
    cgroup.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::super::{PortUse, RingRequirement};
    use super::*;

    const STATUS: &str = "Name:\tmqbroker\nCapPrm:\t0000000000000000\nCapEff:\t0000000000004400\nSeccomp:\t2\n";

    #[test]
    fn filters_and_capabilities_are_read_from_the_status() {
        assert!(has_seccomp_filter(STATUS));
        assert!(!has_seccomp_filter("Seccomp:\t0\n") && !has_seccomp_filter(""));
        assert!(has_capability(STATUS, CAP_IPC_LOCK) && has_capability(STATUS, 10));
        assert!(!has_capability(STATUS, 13) && !has_capability("", CAP_IPC_LOCK));
    }

    #[test]
    fn memory_and_control_group_are_read() {
        assert_eq!(total_memory_bytes("MemTotal:       16318480 kB\nMemFree: 1 kB\n"), Some(16_318_480 * 1024));
        assert_eq!(control_group("1:name=x:/a\n0::/system.slice/mqbroker.service\n"), "/system.slice/mqbroker.service");
        assert_eq!(control_group(""), "");
    }

    #[test]
    fn the_running_machine_answers_every_question_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requirements = Requirements {
            ports: vec![PortUse { what: "port".to_owned(), property: "listenPort", address }],
            store_root: folder.path().join("store"),
            shards: 1,
            shard_cpus: Vec::new(),
            segment_bytes: 1 << 20,
            io_memory_bytes: 1 << 20,
            connections_max: 100,
            log_cache_bytes: 1 << 20,
            ring: Some(RingRequirement { folder: folder.path().to_owned(), folder_is_chosen: true, bytes: 1 << 20 }),
        };
        let facts = gather(&requirements);
        assert!(matches!(facts.ports[0].state, super::super::PortState::Taken { .. }));
        assert!(facts.memory_bytes.is_some_and(|bytes| bytes > 1 << 20));
        assert!(facts.kernel.major >= 3);
        let _ = super::super::decide(&requirements, &facts);
        assert_eq!(fs::read_dir(folder.path().join("store")).unwrap().count(), 0);
    }

    #[test]
    fn raising_limits_lowers_none() {
        let before = [Resource::Nofile, Resource::Memlock].map(|resource| getrlimit(resource).maximum);
        raise_limits();
        let after = [Resource::Nofile, Resource::Memlock].map(getrlimit);
        assert_eq!(after.map(|limit| limit.maximum), before);
        assert_eq!(after.map(|limit| limit.current), before);
    }
}
