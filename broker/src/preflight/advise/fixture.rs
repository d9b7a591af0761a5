//! A machine and a broker that go together.

use super::super::requirements::{Requirements, RingRequirement};
use super::super::row::{Level, Row};
use super::super::tuning_facts::{Disk, StoreDisk, Swap, TuningFacts};
use crate::placement::{CpuPlace, Topology};

/// Two pinned shards.
pub(super) fn requirements() -> Requirements {
    Requirements {
        ports: Vec::new(),
        store_root: "/data/store".into(),
        shards: 2,
        shard_cpus: vec![0, 1],
        segment_bytes: 1 << 30,
        io_memory_bytes: 1 << 20,
        connections_max: 1000,
        log_cache_bytes: 256 << 20,
        ring: Some(RingRequirement { folder: "/dev/shm".into(), folder_is_chosen: false, bytes: 16 << 20 }),
    }
}

/// Four cores of two threads on which nothing is left to wish for.
pub(super) fn facts() -> TuningFacts {
    let disk = Disk { name: "nvme0n1".to_owned(), scheduler: Some("none".to_owned()), rotational: Some(false) };
    TuningFacts {
        sysctls: [
            ("net.core.somaxconn", 4096),
            ("net.ipv4.tcp_max_syn_backlog", 2048),
            ("net.ipv4.tcp_rmem", 6 << 20),
            ("net.ipv4.tcp_wmem", 4 << 20),
            ("vm.overcommit_memory", 0),
            ("vm.swappiness", 10),
        ]
        .into(),
        swap: Some(Swap { total_bytes: 1 << 30, used_bytes: 0 }),
        huge_pages: Some("madvise".to_owned()),
        clock_source: Some("tsc".to_owned()),
        governors: (0..8).map(|cpu| (cpu, "performance".to_owned())).collect(),
        topology: Topology::of((0..8).map(|cpu| (cpu, CpuPlace { core: cpu % 4, node: 0 }))),
        mask: (0..8).collect(),
        cpus_usable: 8,
        in_container: false,
        network_interrupts: Vec::new(),
        store: Some(StoreDisk { root: "/data/store".into(), file_system: "xfs".to_owned(), disk: Some(disk) }),
        user: 990,
        logout_removes_memory: true,
    }
}

/// The only row that is not fine.
pub(super) fn only(rows: Vec<Row>) -> Row {
    let mut wrong: Vec<Row> = rows.into_iter().filter(|row| row.level != Level::Fine).collect();
    assert_eq!(wrong.len(), 1, "{wrong:#?}");
    let row = wrong.remove(0);
    assert_eq!(row.level, Level::Advice);
    let columns = [&row.what, &row.found, &row.wanted, &row.cost, &row.mend];
    assert!(columns.iter().all(|text| !text.is_empty()), "{row:?}");
    row
}

#[test]
fn a_machine_with_nothing_left_to_wish_for_is_fine_in_every_row() {
    let rows = super::advise(&requirements(), &facts());
    let wrong: Vec<&Row> = rows.iter().filter(|row| row.level != Level::Fine).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(rows.len() >= 15, "{rows:#?}");
}

#[test]
fn what_the_kernel_does_not_tell_is_no_reason_for_advice() {
    let rows = super::advise(&Requirements { shard_cpus: Vec::new(), ..requirements() }, &TuningFacts::default());
    assert!(rows.iter().all(|row| row.level == Level::Fine), "{rows:#?}");
}
