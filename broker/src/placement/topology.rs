//! How the processors of a machine are made up.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::config::parse::cpu_choice::CpuChoice;

/// Where a processor sits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuPlace {
    /// Its physical core, named by the lowest processor number on it: hyper-thread siblings have the same.
    pub core: usize,
    /// The memory node next to it.
    pub node: usize,
}

/// The processors that are switched on, and where each sits. Empty where `/sys` tells nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topology {
    places: BTreeMap<usize, CpuPlace>,
}

impl Topology {
    /// Reads what is mounted at `sys` (`/sys`). A processor of which nothing is known is a core of its own on node 0.
    pub fn gather(sys: &Path) -> Self {
        let system = sys.join("devices/system");
        let list = |path: &str| numbers(&fs::read_to_string(system.join(path)).unwrap_or_default());
        let mut node_of = BTreeMap::new();
        for node in list("node/has_cpu") {
            node_of.extend(list(&format!("node/node{node}/cpulist")).into_iter().map(|cpu| (cpu, node)));
        }
        let place = |cpu: usize| {
            // Older kernels know the second name only, which newer ones call outdated.
            let siblings =
                ["core_cpus_list", "thread_siblings_list"].map(|file| list(&format!("cpu/cpu{cpu}/topology/{file}")));
            let core = siblings.into_iter().flatten().filter(|sibling| *sibling < cpu).min().unwrap_or(cpu);
            CpuPlace { core, node: node_of.get(&cpu).copied().unwrap_or(0) }
        };
        Self { places: list("cpu/online").into_iter().map(|cpu| (cpu, place(cpu))).collect() }
    }

    /// A machine from its processors: for what decides about one that is not this one.
    pub fn of(places: impl IntoIterator<Item = (usize, CpuPlace)>) -> Self {
        Self { places: places.into_iter().collect() }
    }

    /// Where `cpu` sits; one of which nothing is known is a core of its own on node 0.
    pub fn place(&self, cpu: usize) -> CpuPlace {
        self.places.get(&cpu).copied().unwrap_or(CpuPlace { core: cpu, node: 0 })
    }

    /// Every processor that is switched on, ascending.
    pub fn cpus(&self) -> impl Iterator<Item = usize> {
        self.places.keys().copied()
    }

    /// Memory nodes that have processors; 1 where nothing is known.
    pub fn nodes(&self) -> usize {
        let nodes: std::collections::BTreeSet<usize> = self.places.values().map(|place| place.node).collect();
        nodes.len().max(1)
    }
}

/// Reads `0-3,8`; nothing if it is something else.
fn numbers(text: &str) -> Vec<usize> {
    match CpuChoice::parse(text.trim()) {
        Ok(CpuChoice::List(list)) => list,
        Ok(CpuChoice::Any) | Err(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join("devices/system").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{text}\n")).unwrap();
    }

    #[test]
    fn siblings_and_nodes_are_read_from_sys() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        write(root, "cpu/online", "0-3,5");
        for (cpu, siblings) in [(0, "0,2"), (1, "1,3"), (2, "0,2")] {
            write(root, &format!("cpu/cpu{cpu}/topology/core_cpus_list"), siblings);
        }
        write(root, "cpu/cpu3/topology/thread_siblings_list", "1,3");
        write(root, "node/has_cpu", "0-1");
        write(root, "node/node0/cpulist", "0,2");
        write(root, "node/node1/cpulist", "1,3");
        let topology = Topology::gather(root);
        let places: Vec<_> =
            topology.cpus().map(|cpu| (cpu, topology.place(cpu).core, topology.place(cpu).node)).collect();
        assert_eq!(places, [(0, 0, 0), (1, 1, 1), (2, 0, 0), (3, 1, 1), (5, 5, 0)]);
        assert_eq!(topology.nodes(), 2);
    }

    #[test]
    fn without_sys_every_processor_is_a_core_on_one_node() {
        let topology = Topology::gather(Path::new("/nowhere"));
        assert_eq!(topology, Topology::default());
        assert_eq!(topology.place(7), CpuPlace { core: 7, node: 0 });
        assert_eq!(topology.nodes(), 1);
    }

    #[test]
    fn this_machine_has_at_least_the_processor_this_runs_on() {
        let topology = Topology::gather(Path::new("/sys"));
        let mask = rustix::thread::sched_getaffinity(None).unwrap();
        assert!(topology.cpus().any(|cpu| mask.is_set(cpu)), "{topology:?}");
        assert!(topology.cpus().all(|cpu| topology.place(cpu).core <= cpu));
    }
}
