//! What a machine is: the part of a report that does not change while it is measured.

use std::path::Path;

use procfs::{CpuInfo, Meminfo};
use serde::{Deserialize, Serialize};

use crate::net_counters::LOOPBACK;
use crate::roots::HostRoots;
use crate::{HostError, NetCounters, ProcessorTopology, StoreDevice, sys_file};

/// What a machine is, for reports. What cannot be found out is absent or empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// Its name in the network.
    pub host_name: String,
    /// `Debian GNU/Linux 12 (bookworm)`.
    pub distribution: String,
    /// The kernel's release: `6.1.0-18-amd64`.
    pub kernel: String,
    /// `x86_64`, `aarch64`.
    pub architecture: String,
    /// The processor's name as it says itself.
    pub cpu_model: String,
    /// How many processors.
    pub processors: ProcessorTopology,
    /// How the processor's clock is governed (`performance`, `schedutil`); absent where the kernel does not govern it.
    pub cpu_governor: Option<String>,
    /// What the machine runs on, if it is a virtual one: the maker's name, or "unknown hypervisor".
    pub virtualised: Option<String>,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// Transparent huge pages: `always`, `madvise`, `never`.
    pub huge_pages: Option<String>,
    /// Interfaces with a device behind them, or all but `lo` where there is none.
    pub links: Vec<Link>,
    /// Where the store lies, if it was asked for and can be seen from here.
    pub store: Option<StoreDevice>,
}

/// A network link.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Link {
    /// As in `/proc/net/dev`.
    pub name: String,
    /// In each direction, in megabits (10⁶) a second, if the driver says.
    pub speed_mbit: Option<u64>,
}

impl Machine {
    /// Describes this machine, with the device of `store` if there is a path of interest.
    ///
    /// # Errors
    /// [`HostError::Kernel`] if `/proc` is missing. A store whose device cannot be found is left out.
    pub fn describe(store: Option<&Path>) -> Result<Self, HostError> {
        Self::describe_from(&HostRoots::default(), store)
    }

    /// As [`Self::describe`], with `/proc` and `/sys` elsewhere.
    ///
    /// # Errors
    /// [`HostError::Kernel`].
    pub fn describe_from(roots: &HostRoots, store: Option<&Path>) -> Result<Self, HostError> {
        let memory: Meminfo = roots.read("memory", "meminfo")?;
        let name = rustix::system::uname();
        let cpu: Option<CpuInfo> = roots.read("the processor", "cpuinfo").ok();
        let field = |name: &str| Some(cpu.as_ref()?.fields.get(name)?.clone());
        Ok(Self {
            host_name: name.nodename().to_string_lossy().into_owned(),
            distribution: distribution(),
            kernel: name.release().to_string_lossy().into_owned(),
            architecture: name.machine().to_string_lossy().into_owned(),
            // x86 has the first, many ARM boards only the second.
            cpu_model: field("model name").or_else(|| field("Hardware")).unwrap_or_default(),
            processors: ProcessorTopology::read(roots),
            cpu_governor: sys_file::text(&roots.sys.join("devices/system/cpu/cpu0/cpufreq/scaling_governor")),
            virtualised: virtualised(roots, field("flags").as_deref()),
            memory_bytes: memory.mem_total,
            huge_pages: sys_file::text(&roots.sys.join("kernel/mm/transparent_hugepage/enabled"))
                .map(|line| sys_file::marked(&line)),
            links: links(NetCounters::read(roots)?),
            store: store.and_then(|path| StoreDevice::of(path, roots).ok()),
        })
    }
}

fn links(networks: Vec<NetCounters>) -> Vec<Link> {
    let physical = networks.iter().any(|net| net.physical);
    let out = networks.into_iter().filter(|net| if physical { net.physical } else { net.name != LOOPBACK });
    out.map(|net| Link { name: net.name, speed_mbit: net.speed_mbit }).collect()
}

/// A virtual x86 processor says so itself; others are known by the maker of their mainboard.
fn virtualised(roots: &HostRoots, flags: Option<&str>) -> Option<String> {
    const VIRTUAL_MAKERS: &[&str] = &[
        "QEMU",
        "VMware",
        "Xen",
        "innotek",
        "Parallels",
        "Amazon EC2",
        "Google",
        "Microsoft Corporation",
        "Alibaba",
        "OpenStack",
    ];
    let flag = flags.is_some_and(|flags| flags.split_whitespace().any(|flag| flag == "hypervisor"));
    let maker = sys_file::text(&roots.sys.join("class/dmi/id/sys_vendor"));
    let kind = sys_file::text(&roots.sys.join("hypervisor/type"));
    let named = maker.filter(|maker| flag || VIRTUAL_MAKERS.iter().any(|known| maker.starts_with(known)));
    named.or(kind).or_else(|| flag.then(|| "unknown hypervisor".to_owned()))
}

fn distribution() -> String {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.unwrap_or_default().trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_processors_memory_and_a_kernel() {
        let machine = Machine::describe(Some(Path::new("/"))).unwrap();
        assert!(machine.processors.logical >= machine.processors.physical);
        assert!(machine.processors.physical >= machine.processors.sockets);
        assert!(machine.processors.sockets >= 1 && machine.processors.numa_nodes >= 1);
        assert!(machine.memory_bytes > 0);
        assert!(machine.kernel.contains('.'), "{}", machine.kernel);
        let text = serde_json::to_string(&machine).unwrap();
        assert_eq!(serde_json::from_str::<Machine>(&text).unwrap(), machine);
    }

    #[test]
    fn a_board_of_a_known_maker_is_virtual_without_a_processor_that_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let roots = HostRoots { proc: folder.path().into(), sys: folder.path().into() };
        assert_eq!(virtualised(&roots, Some("fpu sse")), None);
        assert_eq!(virtualised(&roots, Some("fpu hypervisor sse")).as_deref(), Some("unknown hypervisor"));
        let vendor = folder.path().join("class/dmi/id/sys_vendor");
        std::fs::create_dir_all(vendor.parent().unwrap()).unwrap();
        std::fs::write(&vendor, "Dell Inc.\n").unwrap();
        assert_eq!(virtualised(&roots, None), None);
        std::fs::write(&vendor, "QEMU\n").unwrap();
        assert_eq!(virtualised(&roots, None).as_deref(), Some("QEMU"));
    }

    #[test]
    fn siblings_are_one_core_and_chips_are_counted_once() {
        let folder = tempfile::tempdir().unwrap();
        let cpu = folder.path().join("devices/system/cpu");
        for number in 0..4 {
            let topology = cpu.join(format!("cpu{number}/topology"));
            std::fs::create_dir_all(&topology).unwrap();
            std::fs::write(topology.join("thread_siblings_list"), format!("{},{}\n", number % 2, number % 2 + 2))
                .unwrap();
            std::fs::write(topology.join("physical_package_id"), "0\n").unwrap();
        }
        std::fs::write(cpu.join("online"), "0-3\n").unwrap();
        let topology = ProcessorTopology::read(&HostRoots { proc: folder.path().into(), sys: folder.path().into() });
        assert_eq!(topology, ProcessorTopology { logical: 4, physical: 2, sockets: 1, numa_nodes: 1 });
    }
}
