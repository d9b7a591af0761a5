//! Asks the machine for [`TuningFacts`].

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use host::HostRoots;

use super::facts::HostFacts;
use super::mount_table::mount_type;
use super::requirements::Requirements;
use super::tuning_facts::{Disk, Interrupt, StoreDisk, Swap, TuningFacts};
use crate::config::MachineDefaults;
use crate::config::parse::cpu_choice::CpuChoice;

/// Kernel settings that are looked at.
const SYSCTLS: [&str; 6] = [
    "net.core.somaxconn",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
    "vm.overcommit_memory",
    "vm.swappiness",
];
/// Where systemd-logind has its settings, the strongest first: one file, and parts of files in a folder beside it.
const LOGIND_FILES: [&str; 3] = ["etc/systemd/logind.conf", "run/systemd/logind.conf", "usr/lib/systemd/logind.conf"];

/// Asks for everything that advice depends on. `root` is `/`, or another tree that looks like it.
pub fn gather_tuning(
    root: &Path,
    requirements: &Requirements,
    machine: &MachineDefaults,
    host: &HostFacts,
) -> TuningFacts {
    let at = |path: &str| root.join(path);
    TuningFacts {
        sysctls: SYSCTLS.iter().filter_map(|name| Some((*name, sysctl(root, name)?))).collect(),
        swap: fs::read_to_string(at("proc/meminfo")).ok().and_then(|text| swap(&text)),
        huge_pages: text(&at("sys/kernel/mm/transparent_hugepage/enabled")).map(|line| marked(&line)),
        clock_source: text(&at("sys/devices/system/clocksource/clocksource0/current_clocksource")),
        governors: governors(&at("sys/devices/system/cpu")),
        topology: machine.topology.clone(),
        mask: machine.cpus.clone(),
        cpus_usable: machine.cpus_usable,
        in_container: host.in_container,
        network_interrupts: network_interrupts(root),
        store: store(root, &requirements.store_root),
        user: rustix::process::geteuid().as_raw(),
        logout_removes_memory: logout_removes_memory(root),
    }
}

fn text(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The choice in use of `always [madvise] never`.
fn marked(line: &str) -> String {
    let marked = line.split_whitespace().find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
    marked.unwrap_or(line).to_owned()
}

/// Of `4096 131072 6291456` the last.
fn sysctl(root: &Path, name: &str) -> Option<u64> {
    text(&root.join("proc/sys").join(name.replace('.', "/")))?.split_whitespace().last()?.parse().ok()
}

fn swap(meminfo: &str) -> Option<Swap> {
    let field = |name: &str| -> Option<u64> {
        let value = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Some(value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
    };
    let total_bytes = field("SwapTotal")?;
    Some(Swap { total_bytes, used_bytes: total_bytes.saturating_sub(field("SwapFree")?) })
}

fn governors(cpus: &Path) -> BTreeMap<usize, String> {
    let number = |name: &str| name.strip_prefix("cpu")?.parse::<usize>().ok();
    let of = |folder: PathBuf| {
        Some((number(folder.file_name()?.to_str()?)?, text(&folder.join("cpufreq/scaling_governor"))?))
    };
    folders(cpus).into_iter().filter_map(of).collect()
}

/// Interrupts of an interface are listed by its device, or (virtio) by the device that one sits on.
fn network_interrupts(root: &Path) -> Vec<Interrupt> {
    let mut found = Vec::new();
    for interface in folders(&root.join("sys/class/net")) {
        let Some(device) = interface.file_name().and_then(|name| name.to_str()).map(str::to_owned) else { continue };
        let below = fs::canonicalize(interface.join("device")).unwrap_or_default();
        let lists = [Some(below.as_path()), below.parent()]
            .into_iter()
            .flatten()
            .map(|folder| folders(&folder.join("msi_irqs")));
        let numbers = lists.into_iter().find(|list| !list.is_empty()).unwrap_or_default();
        for number in numbers.iter().filter_map(|path| path.file_name()?.to_str()?.parse::<u32>().ok()) {
            let folder = root.join(format!("proc/irq/{number}"));
            let list =
                ["effective_affinity_list", "smp_affinity_list"].iter().find_map(|file| text(&folder.join(file)));
            if let Some(Ok(CpuChoice::List(cpus))) = list.as_deref().map(CpuChoice::parse) {
                found.push(Interrupt { number, device: device.clone(), cpus });
            }
        }
    }
    found.sort_by_key(|interrupt| interrupt.number);
    found
}

/// What is in `folder`; nothing if it is none.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

fn store(root: &Path, store_root: &Path) -> Option<StoreDisk> {
    let absolute = std::path::absolute(store_root).ok()?;
    let existing = absolute.ancestors().find_map(|folder| fs::canonicalize(folder).ok())?;
    let mounts = fs::read_to_string(root.join("proc/self/mountinfo")).ok()?;
    let roots = HostRoots { proc: root.join("proc"), sys: root.join("sys") };
    let device = host::StoreDevice::of(&absolute, &roots).ok();
    Some(StoreDisk {
        root: store_root.to_owned(),
        file_system: mount_type(&mounts, &existing)?.to_owned(),
        disk: device.map(|device| Disk {
            name: device.disk,
            scheduler: device.scheduler,
            rotational: device.rotational,
        }),
    })
}

/// Whether logind runs, and what its files say; without a word in them it removes.
fn logout_removes_memory(root: &Path) -> bool {
    if !root.join("run/systemd/seats").exists() && !root.join("run/systemd/users").exists() {
        return false;
    }
    let whole = LOGIND_FILES.iter().find_map(|file| fs::read_to_string(root.join(file)).ok());
    // Parts overrule the whole file, in the order of their names; of two with one name the stronger folder's counts.
    let mut parts = BTreeMap::new();
    for part in LOGIND_FILES.iter().rev().flat_map(|file| folders(&root.join(format!("{file}.d")))) {
        if part.extension().is_some_and(|extension| extension == "conf") {
            parts.insert(part.file_name().map(ToOwned::to_owned), part);
        }
    }
    let texts = whole.into_iter().chain(parts.into_values().filter_map(|part| fs::read_to_string(part).ok()));
    let said: Vec<String> = texts.collect();
    let lines = said.iter().flat_map(|text| text.lines());
    let last = lines.filter_map(|line| line.trim().strip_prefix("RemoveIPC=")).next_back();
    last.is_none_or(|value| matches!(value.trim(), "yes" | "true" | "on" | "1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn settings_are_read_below_the_root_and_of_three_numbers_the_last_counts() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        write(root, "proc/sys/vm/swappiness", "60\n");
        write(root, "proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456\n");
        assert_eq!(sysctl(root, "vm.swappiness"), Some(60));
        assert_eq!(sysctl(root, "net.ipv4.tcp_rmem"), Some(6_291_456));
        assert_eq!(sysctl(root, "net.core.somaxconn"), None);
    }

    #[test]
    fn swap_is_what_is_not_free_of_it() {
        let swap = swap("MemTotal: 1 kB\nSwapTotal:     2048 kB\nSwapFree:      1024 kB\n");
        assert_eq!(swap, Some(Swap { total_bytes: 2 << 20, used_bytes: 1 << 20 }));
    }

    #[test]
    fn every_processor_has_its_governor() {
        let folder = tempfile::tempdir().unwrap();
        for (cpu, governor) in [(0, "performance"), (11, "powersave")] {
            write(folder.path(), &format!("cpu{cpu}/cpufreq/scaling_governor"), &format!("{governor}\n"));
        }
        write(folder.path(), "cpufreq/boost", "1\n");
        let found = governors(folder.path());
        assert_eq!(found, [(0, "performance".to_owned()), (11, "powersave".to_owned())].into());
    }

    #[test]
    fn interrupts_of_an_interface_are_found_at_its_device_or_one_above() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        write(root, "sys/devices/pci0/msi_irqs/41", "msix\n");
        write(root, "sys/devices/pci0/virtio3/vendor", "0x1af4\n");
        write(root, "sys/devices/pci1/msi_irqs/7", "msix\n");
        for (interface, device) in [("eth0", "pci0/virtio3"), ("eth1", "pci1")] {
            fs::create_dir_all(root.join("sys/class/net").join(interface)).unwrap();
            let target = root.join("sys/devices").join(device);
            std::os::unix::fs::symlink(target, root.join(format!("sys/class/net/{interface}/device"))).unwrap();
        }
        write(root, "sys/class/net/lo/type", "772\n");
        write(root, "proc/irq/41/effective_affinity_list", "1\n");
        write(root, "proc/irq/41/smp_affinity_list", "0-3\n");
        write(root, "proc/irq/7/smp_affinity_list", "0,2-3\n");
        let interrupt =
            |number, device: &str, cpus: &[usize]| Interrupt { number, device: device.to_owned(), cpus: cpus.to_vec() };
        assert_eq!(network_interrupts(root), [interrupt(7, "eth1", &[0, 2, 3]), interrupt(41, "eth0", &[1])]);
    }

    #[test]
    fn logind_removes_unless_its_last_word_is_no() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        assert!(!logout_removes_memory(root), "no logind");
        fs::create_dir_all(root.join("run/systemd/users")).unwrap();
        assert!(logout_removes_memory(root));
        write(root, "etc/systemd/logind.conf", "[Login]\n#RemoveIPC=no\n");
        assert!(logout_removes_memory(root), "a comment says nothing");
        write(root, "usr/lib/systemd/logind.conf.d/10-no.conf", "[Login]\nRemoveIPC=no\n");
        assert!(!logout_removes_memory(root));
        write(root, "etc/systemd/logind.conf", "[Login]\nRemoveIPC=yes\n");
        assert!(!logout_removes_memory(root), "parts overrule the whole");
        write(root, "etc/systemd/logind.conf.d/10-no.conf", "[Login]\nRemoveIPC=yes\n");
        assert!(logout_removes_memory(root), "of two parts with one name the administrator's counts");
        write(root, "run/systemd/logind.conf.d/20-no.conf", "[Login]\nRemoveIPC=off\n");
        assert!(!logout_removes_memory(root), "the last part counts");
    }

    #[test]
    fn the_store_of_this_machine_lies_on_a_file_system() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(Path::new("/"), &folder.path().join("not/yet/there")).unwrap();
        assert!(!store.file_system.is_empty());
    }
}
