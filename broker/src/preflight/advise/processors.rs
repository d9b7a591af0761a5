//! Where shards run, and how fast that is.

use std::collections::{BTreeMap, BTreeSet};

use super::super::requirements::Requirements;
use super::super::row::Row;
use super::super::tuning_facts::TuningFacts;
use super::APPLY;
use crate::config::parse::cpu_choice::format_cpus;

/// Clocks that are read without a call into the kernel.
const FAST_CLOCKS: [&str; 5] =
    ["tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter", "riscv_clocksource"];

pub(super) fn rows(requirements: &Requirements, facts: &TuningFacts) -> Vec<Row> {
    let all = [
        clock(facts),
        governor(facts),
        quota(facts),
        container(requirements, facts),
        several_on_a_cpu(requirements),
        siblings(requirements, facts),
        nodes(requirements, facts),
    ];
    all.into_iter().flatten().collect()
}

fn clock(facts: &TuningFacts) -> Option<Row> {
    let (what, found) = ("clock source", facts.clock_source.as_deref()?);
    if FAST_CLOCKS.contains(&found) {
        return Some(Row::fine(what, found));
    }
    let cost = "every look at the clock is a call into the kernel, and there are several for each sweep and write";
    let mend = "see in the kernel's log why it distrusts the faster one (`dmesg | grep -i clocksource`); on a \
                virtual machine ask \
                whoever runs the host";
    Some(Row::advice(what, found, "tsc", cost, mend))
}

fn governor(facts: &TuningFacts) -> Option<Row> {
    const WHAT: &str = "frequency governor";
    if facts.governors.is_empty() {
        return None;
    }
    let used = facts.governors.iter().filter(|(cpu, _)| facts.mask.contains(cpu));
    let mut slow: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (cpu, governor) in used.filter(|(_, governor)| *governor != "performance") {
        slow.entry(governor).or_default().push(*cpu);
    }
    if slow.is_empty() {
        return Some(Row::fine(WHAT, "performance"));
    }
    let found: Vec<String> =
        slow.iter().map(|(governor, cpus)| format!("{governor} on {}", format_cpus(cpus))).collect();
    let cost = "a shard that sleeps between messages wakes on a slow clock: latency at low load, not the largest rate";
    Some(Row::advice(WHAT, found.join(", "), "performance", cost, APPLY))
}

fn quota(facts: &TuningFacts) -> Option<Row> {
    const WHAT: &str = "processor quota";
    let (usable, cpus) = (facts.cpus_usable, facts.mask.len());
    if cpus == 0 {
        return None;
    }
    if usable >= cpus {
        return Some(Row::fine(WHAT, format!("none on {cpus} processors")));
    }
    let cost = "shards are not pinned, and once the time is used up all of them stand still until the next period, \
                up to 0.1 s";
    let mend = "give it whole processors instead: docker run --cpuset-cpus, Kubernetes' static CPU manager policy, \
                AllowedCPUs= in systemd";
    Some(Row::advice(WHAT, format!("the time of {usable} on {cpus} processors"), "none", cost, mend))
}

/// Containers that were given no processors of their own all pin their first shard to the same one.
fn container(requirements: &Requirements, facts: &TuningFacts) -> Option<Row> {
    const WHAT: &str = "processors of this container";
    if !facts.in_container || requirements.shard_cpus.is_empty() {
        return None;
    }
    let online: Vec<usize> = facts.topology.cpus().collect();
    if facts.mask.len() < online.len() {
        return Some(Row::fine(WHAT, format_cpus(&facts.mask)));
    }
    let cost = "shards are pinned to processors that other containers of the machine use as well";
    let mend = "docker run --cpuset-cpus, or Kubernetes' static CPU manager policy; or --cpus any, if the machine is \
                to be shared";
    Some(Row::advice(WHAT, format!("all of the machine's, {}", format_cpus(&online)), "some for it alone", cost, mend))
}

fn several_on_a_cpu(requirements: &Requirements) -> Option<Row> {
    const WHAT: &str = "shards a processor";
    let (shards, cpus) = (requirements.shard_cpus.len(), distinct(&requirements.shard_cpus));
    if shards == 0 {
        return None;
    }
    if cpus.len() == shards {
        return Some(Row::fine(WHAT, format!("1, on {}", format_cpus(&cpus))));
    }
    let cost = "shards on one processor wait for each other, each with a log, a cache and connections of its own";
    let mend = format!(
        "fewer shards can not be had in an existing store; name more processors with --cpus. For a new store: \
         --shards {}",
        cpus.len()
    );
    Some(Row::advice(WHAT, format!("{shards} shards on {}", format_cpus(&cpus)), "1", cost, mend))
}

fn siblings(requirements: &Requirements, facts: &TuningFacts) -> Option<Row> {
    const WHAT: &str = "shards a core";
    let cpus = distinct(&requirements.shard_cpus);
    let cores: BTreeSet<usize> = cpus.iter().map(|cpu| facts.topology.place(*cpu).core).collect();
    if cpus.is_empty() {
        return None;
    }
    if cores.len() == cpus.len() {
        return Some(Row::fine(WHAT, "no two on hyper-threads of one core"));
    }
    let found = format!("processors {} are {} cores", format_cpus(&cpus), cores.len());
    let cost = "hyper-threads of a core share its units and caches: two shards do less than twice the work, each \
                with more latency";
    Some(Row::advice(
        WHAT,
        found,
        "one processor a core",
        cost,
        "leave --cpus out: by default it takes one of each core",
    ))
}

fn nodes(requirements: &Requirements, facts: &TuningFacts) -> Option<Row> {
    const WHAT: &str = "memory nodes";
    let nodes = facts.topology.nodes();
    if nodes < 2 {
        return Some(Row::fine(WHAT, "1"));
    }
    let used: BTreeSet<usize> = requirements.shard_cpus.iter().map(|cpu| facts.topology.place(*cpu).node).collect();
    if !used.is_empty() {
        return Some(Row::fine(WHAT, format!("{nodes}, shards pinned on {}", used.len())));
    }
    let cost = "a shard that moves to another node leaves its memory behind and reads it from afar from then on";
    Some(Row::advice(
        WHAT,
        format!("{nodes}, shards not pinned"),
        "pinned shards",
        cost,
        "leave --cpus any out, or name processors",
    ))
}

/// Ascending, each once.
fn distinct(cpus: &[usize]) -> Vec<usize> {
    cpus.iter().copied().collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::row::Level;
    use super::super::fixture::{facts, only, requirements};
    use super::*;
    use crate::placement::{CpuPlace, Topology};

    fn on(cpus: &[usize]) -> Requirements {
        Requirements { shard_cpus: cpus.to_vec(), ..requirements() }
    }

    fn is_fine(rows: &[Row]) -> bool {
        rows.iter().all(|row| row.level == Level::Fine)
    }

    #[test]
    fn slow_clocks_are_named() {
        let clock = |name: &str| rows(&requirements(), &TuningFacts { clock_source: Some(name.to_owned()), ..facts() });
        for slow in ["hpet", "acpi_pm", "xen"] {
            assert_eq!(only(clock(slow)).found, slow);
        }
        assert!(is_fine(&clock("kvm-clock")));
    }

    #[test]
    fn governors_count_on_processors_that_may_be_used() {
        let mut facts = facts();
        facts.governors.insert(2, "powersave".to_owned());
        facts.governors.insert(3, "powersave".to_owned());
        assert_eq!(only(rows(&requirements(), &facts)).found, "powersave on 2-3");
        facts.mask = vec![0, 1, 4, 5];
        facts.cpus_usable = 4;
        assert!(is_fine(&rows(&requirements(), &facts)));
    }

    #[test]
    fn a_quota_stops_shards_for_the_rest_of_a_period() {
        let row = only(rows(&on(&[]), &TuningFacts { cpus_usable: 2, ..facts() }));
        assert_eq!(row.found, "the time of 2 on 8 processors");
    }

    #[test]
    fn a_container_with_all_processors_shares_them() {
        let inside = TuningFacts { in_container: true, ..facts() };
        assert_eq!(only(rows(&requirements(), &inside)).found, "all of the machine's, 0-7");
        assert!(is_fine(&rows(&on(&[]), &inside)), "not pinned, nothing to collide");
        let own = TuningFacts { mask: vec![0, 1], cpus_usable: 2, ..inside };
        assert!(is_fine(&rows(&requirements(), &own)));
    }

    #[test]
    fn shards_that_share_a_processor_are_counted() {
        assert_eq!(only(rows(&on(&[0, 1, 2, 0]), &facts())).found, "4 shards on 0-2");
    }

    #[test]
    fn shards_on_siblings_are_found_by_the_topology() {
        assert_eq!(only(rows(&on(&[0, 1, 4]), &facts())).found, "processors 0-1,4 are 2 cores");
        assert!(is_fine(&rows(&on(&[0, 1, 6]), &facts())));
    }

    #[test]
    fn shards_that_wander_between_memory_nodes_are_advised_against() {
        let topology = Topology::of((0..8).map(|cpu| (cpu, CpuPlace { core: cpu, node: cpu / 4 })));
        let facts = TuningFacts { topology, ..facts() };
        assert_eq!(only(rows(&on(&[]), &facts)).found, "2, shards not pinned");
        assert!(is_fine(&rows(&on(&[0, 4]), &facts)));
    }
}
