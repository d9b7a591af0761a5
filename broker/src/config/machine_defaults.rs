//! What defaults take from the machine and its user. Gathered once, then an argument like any other.

use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::{env, thread};

use super::local_address;
use crate::placement::Topology;

/// Facts that defaults are derived from.
#[derive(Debug, Clone)]
pub struct MachineDefaults {
    /// The node name of the machine.
    pub host_name: String,
    /// The address under which other machines most likely reach this one.
    pub local_ipv4: Option<Ipv4Addr>,
    /// The home folder of the user.
    pub home: Option<PathBuf>,
    /// The affinity mask: processors this process may run on, ascending. The kernel has taken those out that its control group
    /// (cpuset) does not have.
    pub cpus: Vec<usize>,
    /// How many of them it may keep busy; fewer than `cpus` under a CPU quota (cgroup).
    pub cpus_usable: usize,
    /// How the machine's processors are made up.
    pub topology: Topology,
    /// Looks up a host name.
    pub resolve: fn(&str) -> Option<IpAddr>,
}

impl MachineDefaults {
    /// Asks the machine. What it does not answer gets a value that works: `localhost`, processor 0.
    pub fn gather() -> Self {
        let host_name = rustix::system::uname().nodename().to_string_lossy().trim().to_owned();
        let mut cpus = affinity_mask();
        if cpus.is_empty() {
            cpus.push(0);
        }
        Self {
            host_name: if host_name.is_empty() { "localhost".to_owned() } else { host_name },
            local_ipv4: local_address::find(),
            home: env::home_dir().filter(|home| home.is_absolute()),
            cpus_usable: thread::available_parallelism().map_or(1, usize::from).min(cpus.len()),
            cpus,
            topology: Topology::gather(Path::new("/sys")),
            resolve: resolve_host,
        }
    }
}

fn affinity_mask() -> Vec<usize> {
    let Ok(mask) = rustix::thread::sched_getaffinity(None) else { return Vec::new() };
    (0..rustix::thread::CpuSet::MAX_CPU).filter(|cpu| mask.is_set(*cpu)).collect()
}

fn resolve_host(host: &str) -> Option<IpAddr> {
    let addresses: Vec<IpAddr> = (host, 0).to_socket_addrs().ok()?.map(|address| address.ip()).collect();
    addresses.iter().find(|address| address.is_ipv4()).or_else(|| addresses.first()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_this_runs_on_answers() {
        let machine = MachineDefaults::gather();
        assert!(!machine.host_name.is_empty());
        assert!((1..=machine.cpus.len()).contains(&machine.cpus_usable));
        assert!(machine.cpus.is_sorted());
    }

    #[test]
    fn an_address_resolves_to_itself() {
        assert_eq!(resolve_host("127.0.0.1"), Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        assert_eq!(resolve_host("no such name"), None);
    }
}
