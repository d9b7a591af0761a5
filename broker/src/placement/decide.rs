//! From the machine's processors and the shards to a place for every thread. Asks nobody.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use runtime::shard::ShardCpus;

use super::topology::Topology;

/// One processor of every physical core that `mask` (ascending) reaches: the lowest-numbered one of each. Memory nodes
/// take turns, so that the first shards already use the caches and the memory channels of all of them; within a node
/// the order is ascending.
pub fn one_per_core(topology: &Topology, mask: &[usize]) -> Vec<usize> {
    let mut cores = BTreeSet::new();
    let mut nodes: BTreeMap<usize, VecDeque<usize>> = BTreeMap::new();
    for &cpu in mask {
        let place = topology.place(cpu);
        if cores.insert(place.core) {
            nodes.entry(place.node).or_default().push_back(cpu);
        }
    }
    let mut order = Vec::new();
    while !nodes.is_empty() {
        nodes.retain(|_, cpus| {
            order.extend(cpus.pop_front());
            !cpus.is_empty()
        });
    }
    order
}

/// Where every thread of the process runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placement {
    /// A shard's threads, shard 0 first.
    pub shards: Vec<ShardCpus>,
    /// Processors for the control thread and a name server in the same process; empty if they may run anywhere, because no
    /// shard is pinned or because shards take every processor there is.
    pub rest: Vec<usize>,
}

impl Placement {
    /// Places shards on `shards` (`None`: not pinned) and everything else of the process on what is left of `mask`: on cores
    /// without a shard if there are any, else on hyper-thread siblings of the shards.
    ///
    /// A shard's *helper* thread makes the file system's slow calls (remove, rename, list) for it. It goes where the rest
    /// goes, on the shard's memory node if that has some; only where nothing is left does it share the shard's processor.
    pub fn new(topology: &Topology, mask: &[usize], shards: &[Option<usize>]) -> Self {
        let taken: BTreeSet<usize> = shards.iter().flatten().copied().collect();
        let rest = if taken.is_empty() { Vec::new() } else { left_over(topology, mask, &taken) };
        let on_node = |node: usize| rest.iter().copied().filter(|cpu| topology.place(*cpu).node == node).collect();
        let place = |own: &Option<usize>| {
            let Some(own) = *own else { return ShardCpus::default() };
            let near: Vec<usize> = on_node(topology.place(own).node);
            ShardCpus { own: Some(own), helpers: if near.is_empty() { rest.clone() } else { near } }
        };
        Self { shards: shards.iter().map(place).collect(), rest }
    }
}

fn left_over(topology: &Topology, mask: &[usize], taken: &BTreeSet<usize>) -> Vec<usize> {
    let cores: BTreeSet<usize> = taken.iter().map(|cpu| topology.place(*cpu).core).collect();
    let whole: Vec<usize> = mask.iter().copied().filter(|cpu| !cores.contains(&topology.place(*cpu).core)).collect();
    if !whole.is_empty() {
        return whole;
    }
    mask.iter().copied().filter(|cpu| !taken.contains(cpu)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::CpuPlace;
    use super::*;

    /// No processor.
    const NOBODY: [usize; 0] = [];

    /// `cores` cores in equal parts on `nodes` nodes, numbered as Linux on x86 does: first one thread of every core, then
    /// the second ones.
    fn machine(cores: usize, threads: usize, nodes: usize) -> Topology {
        let per_node = cores / nodes;
        Topology::of((0..cores * threads).map(|cpu| {
            let core = cpu % cores;
            (cpu, CpuPlace { core, node: core / per_node })
        }))
    }

    fn all(topology: &Topology) -> Vec<usize> {
        topology.cpus().collect()
    }

    fn pinned(cpus: &[usize]) -> Vec<Option<usize>> {
        cpus.iter().copied().map(Some).collect()
    }

    #[test]
    fn a_single_core_carries_everything() {
        let topology = machine(1, 1, 1);
        assert_eq!(one_per_core(&topology, &[0]), [0]);
        let placement = Placement::new(&topology, &[0], &pinned(&[0]));
        assert_eq!(placement.rest, NOBODY);
        assert_eq!(placement.shards, [ShardCpus { own: Some(0), helpers: vec![] }]);
    }

    #[test]
    fn the_sibling_of_a_single_core_takes_what_is_no_shard() {
        let topology = machine(1, 2, 1);
        assert_eq!(one_per_core(&topology, &[0, 1]), [0]);
        let placement = Placement::new(&topology, &[0, 1], &pinned(&[0]));
        assert_eq!(placement.rest, [1]);
        assert_eq!(placement.shards[0].helpers, [1]);
    }

    #[test]
    fn two_cores_are_two_shards_or_one_and_the_rest() {
        let topology = machine(2, 1, 1);
        assert_eq!(one_per_core(&topology, &[0, 1]), [0, 1]);
        assert_eq!(Placement::new(&topology, &[0, 1], &pinned(&[0, 1])).rest, NOBODY);
        let one = Placement::new(&topology, &[0, 1], &pinned(&[0]));
        assert_eq!((one.rest, one.shards[0].helpers.clone()), (vec![1], vec![1]));
    }

    #[test]
    fn siblings_get_no_shard_of_their_own() {
        let topology = machine(64, 2, 1);
        let cpus = one_per_core(&topology, &all(&topology));
        assert_eq!(cpus, (0..64).collect::<Vec<_>>());
        let placement = Placement::new(&topology, &all(&topology), &pinned(&cpus));
        assert_eq!(placement.rest, (64..128).collect::<Vec<_>>(), "the siblings are left");
    }

    #[test]
    fn neighbouring_siblings_are_told_apart_too() {
        let topology = Topology::of((0..8).map(|cpu| (cpu, CpuPlace { core: cpu / 2 * 2, node: 0 })));
        assert_eq!(one_per_core(&topology, &all(&topology)), [0, 2, 4, 6]);
        assert_eq!(one_per_core(&topology, &[1, 2, 3, 7]), [1, 2, 7], "of each core what the mask has of it");
    }

    #[test]
    fn free_cores_come_before_siblings_for_the_rest() {
        let topology = machine(4, 2, 1);
        let placement = Placement::new(&topology, &all(&topology), &pinned(&[0, 1]));
        assert_eq!(placement.rest, [2, 3, 6, 7]);
    }

    #[test]
    fn shards_take_memory_nodes_in_turn_and_their_helpers_stay_near() {
        let topology = machine(64, 1, 2);
        let cpus = one_per_core(&topology, &all(&topology));
        assert_eq!(cpus[..6], [0, 32, 1, 33, 2, 34]);
        assert_eq!(cpus.len(), 64);
        let four = Placement::new(&topology, &all(&topology), &pinned(&cpus[..4]));
        assert_eq!(four.shards[0].helpers, (2..32).collect::<Vec<_>>());
        assert_eq!(four.shards[1].helpers, (34..64).collect::<Vec<_>>());
    }

    #[test]
    fn helpers_cross_to_another_node_rather_than_share_a_shards_processor() {
        let topology = machine(4, 1, 2);
        let placement = Placement::new(&topology, &all(&topology), &pinned(&[0, 1, 2]));
        assert_eq!(placement.rest, [3]);
        assert_eq!(placement.shards[0].helpers, [3]);
    }

    #[test]
    fn nodes_of_unequal_size_are_used_up_in_turn() {
        let places = [(0, 0), (1, 0), (2, 0), (3, 1)];
        let topology = Topology::of(places.map(|(cpu, node)| (cpu, CpuPlace { core: cpu, node })));
        assert_eq!(one_per_core(&topology, &all(&topology)), [0, 3, 1, 2]);
    }

    #[test]
    fn a_restricted_mask_is_never_left() {
        let topology = machine(64, 2, 2);
        let mask = [3, 4, 67, 68, 100];
        assert_eq!(one_per_core(&topology, &mask), [3, 100, 4]);
        assert_eq!(Placement::new(&topology, &mask, &pinned(&[3, 100, 4])).rest, [67, 68]);
        let placement = Placement::new(&topology, &mask, &pinned(&[3]));
        assert_eq!(placement.rest, [4, 68, 100]);
        assert_eq!(placement.shards[0].helpers, [4, 68]);
    }

    #[test]
    fn several_shards_on_a_processor_leave_the_others_free() {
        let topology = machine(2, 1, 1);
        let placement = Placement::new(&topology, &[0, 1], &pinned(&[0, 0, 0]));
        assert_eq!(placement.rest, [1]);
        assert_eq!(placement.shards.len(), 3);
    }

    #[test]
    fn shards_that_are_not_pinned_keep_nobody_away() {
        let topology = machine(2, 1, 1);
        let placement = Placement::new(&topology, &[0, 1], &[None, None]);
        assert_eq!(placement, Placement { shards: vec![ShardCpus::default(); 2], rest: vec![] });
    }
}
