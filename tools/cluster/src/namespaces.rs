//! Hosts on one machine: network namespaces behind one bridge, on a private network that nothing else uses.
//!
//! The bridge lies in a namespace of its own, so that the machine's packet filters never see what the hosts say to each
//! other. All that the machine itself gets is one interface with the network's first address, by which it reaches the
//! hosts and they reach it:
//!
//! ```text
//! machine: tpPIDxN 10.231.k.1 --- bridge in turbopump-PID-N-hub --- eth0 10.231.k.11 in turbopump-PID-N-NAME
//!                                                               \-- eth0 10.231.k.12 …
//! ```

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{FlockOperation, flock};

use crate::error::ClusterError;
use crate::link::Link;
use crate::run_folder::made::Made;
use crate::run_folder::{PREFIX, RunFolder};
use crate::tool;

/// First two bytes of the networks of 256 addresses that are tried in turn.
const RANGES: [[u8; 2]; 2] = [[10, 231], [172, 29]];
/// Last byte of the machine's own address, and of the first host's.
const MACHINE: u8 = 1;
const FIRST_HOST: u8 = 11;
/// Hosts of a network.
pub const HOSTS_MAX: usize = 64;
const NETNS_FOLDER: &str = "/run/netns";

/// Hosts that can reach each other and the machine. They are gone when the [`RunFolder`] is dropped.
#[derive(Debug)]
pub struct Namespaces {
    prefix: String,
    network: [u8; 3],
    hosts: Vec<String>,
    _network_lock: File,
}

impl Namespaces {
    /// Makes a host for each name.
    /// # Errors
    /// The tools are missing or refuse; no network is free.
    ///
    /// # Panics
    /// With more than [`HOSTS_MAX`] names.
    pub fn make(run: &mut RunFolder, hosts: &[&str]) -> Result<Self, ClusterError> {
        assert!(hosts.len() <= HOSTS_MAX, "a network has room for {HOSTS_MAX} hosts");
        let (network, lock) = free_network(run.path())?;
        let prefix = format!("{PREFIX}-{}", run.name());
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        let made = Self { prefix, network, hosts, _network_lock: lock };
        made.make_hub(run)?;
        (0..made.hosts.len()).try_for_each(|host| made.make_host(run, host))?;
        Ok(made)
    }

    fn make_hub(&self, run: &mut RunFolder) -> Result<(), ClusterError> {
        let (hub, outside) = (self.hub(), format!("tp{}", run.name().replace('-', "x")));
        run.note(Made::Namespace(hub.clone()))?;
        tool::run(&format!("ip netns add {hub}"))?;
        // Links are removed before the namespaces: the kernel would take its time.
        run.note(Made::Link(outside.clone()))?;
        for line in [
            format!("ip -n {hub} link add bridge type bridge"),
            format!("ip -n {hub} link set bridge up"),
            format!("ip link add {outside} type veth peer name machine netns {hub}"),
            format!("ip -n {hub} link set machine master bridge up"),
            format!("ip addr add {}/24 dev {outside}", self.machine()),
            format!("ip link set {outside} up"),
        ] {
            tool::run(&line)?;
        }
        Ok(())
    }

    fn make_host(&self, run: &mut RunFolder, host: usize) -> Result<(), ClusterError> {
        let (hub, name, port) = (self.hub(), self.namespace(host), format!("port{host}"));
        run.note(Made::Namespace(name.clone()))?;
        for line in [
            format!("ip netns add {name}"),
            format!("ip -n {hub} link add {port} type veth peer name eth0 netns {name}"),
            format!("ip -n {hub} link set {port} master bridge up"),
            format!("ip -n {name} addr add {}/24 dev eth0", self.address(host)),
            format!("ip -n {name} link set lo up"),
            format!("ip -n {name} link set eth0 up"),
        ] {
            tool::run(&line)?;
        }
        Ok(())
    }

    fn hub(&self) -> String {
        format!("{}-hub", self.prefix)
    }

    /// Name of a host's namespace, for `ip netns exec`.
    ///
    /// # Panics
    /// When there is no such host.
    #[must_use]
    pub fn namespace(&self, host: usize) -> String {
        format!("{}-{}", self.prefix, self.hosts[host])
    }

    /// The machine's own address in the network.
    #[must_use]
    pub fn machine(&self) -> Ipv4Addr {
        let [a, b, c] = self.network;
        Ipv4Addr::new(a, b, c, MACHINE)
    }

    /// A host's address.
    #[must_use]
    pub fn address(&self, host: usize) -> Ipv4Addr {
        let [a, b, c] = self.network;
        let number = u8::try_from(host).ok().filter(|host| usize::from(*host) < HOSTS_MAX).expect("checked when made");
        Ipv4Addr::new(a, b, c, FIRST_HOST + number)
    }

    /// A command that runs a program on a host. It becomes the program itself, so its process id is the program's.
    #[must_use]
    pub fn command(&self, host: usize, program: &Path) -> Command {
        command_in(&self.namespace(host), program)
    }

    /// What connects a host to all others.
    #[must_use]
    pub fn link(&self, host: usize) -> Link {
        Link::of(&self.namespace(host))
    }
}

/// A command that runs a program in a namespace.
#[must_use]
pub fn command_in(namespace: &str, program: &Path) -> Command {
    let mut net = std::ffi::OsString::from("--net=");
    net.push(PathBuf::from(NETNS_FOLDER).join(namespace));
    let mut command = Command::new("nsenter");
    command.arg(net).arg("--").arg(program);
    command
}

/// A network that no other run has, and that the machine reaches nothing by but its default route.
fn free_network(run: &Path) -> Result<([u8; 3], File), ClusterError> {
    let base = run.parent().unwrap_or(run);
    let mut tried = 0;
    for [a, b] in RANGES {
        for c in 0..=u8::MAX {
            tried += 1;
            let path = base.join(format!("network-{a}.{b}.{c}"));
            let lock = File::create(&path).map_err(ClusterError::file("create", &path))?;
            if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
                continue;
            }
            let routes = tool::run(&format!("ip -4 route show match {a}.{b}.{c}.{MACHINE}"))?;
            if routes.lines().all(|route| route.starts_with("default")) {
                return Ok(([a, b, c], lock));
            }
        }
    }
    Err(ClusterError::NoNetwork { tried })
}
