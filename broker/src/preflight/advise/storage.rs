//! What the log is written to.

use super::super::row::Row;
use super::super::tuning_facts::{Disk, StoreDisk, TuningFacts};
use super::APPLY;

pub(super) fn rows(facts: &TuningFacts) -> Vec<Row> {
    let Some(store) = &facts.store else { return Vec::new() };
    let scheduler = store.disk.as_ref().and_then(scheduler);
    [Some(file_system(store)), scheduler].into_iter().flatten().collect()
}

/// The log rewrites its last block with every write and syncs data: what that means differs much.
fn file_system(store: &StoreDisk) -> Row {
    let (what, found) = ("file system of the store", store.file_system.clone());
    let cost = match store.file_system.as_str() {
        "tmpfs" | "ramfs" => "everything is lost when the machine stops, SYNC_FLUSH or not",
        "btrfs" | "zfs" | "bcachefs" => {
            "a block that is written again goes to another place: every write of the log is one of the file system's \
             tables too"
        }
        "overlay" => "the log goes through two file systems, and with the container if it is removed",
        "nfs" | "nfs4" | "cifs" | "smb3" | "ceph" | "glusterfs" | "9p" | "virtiofs" => {
            "every write and sync is a round trip to another machine, whose promises are its own"
        }
        kind if kind.starts_with("fuse") => "every write and sync goes through another process",
        _ => return Row::fine(what, found),
    };
    let mend =
        format!("put {} on a file system of its own on a local disk (storePathRootDir, --store)", store.root.display());
    Row::advice(what, found, "XFS or ext4", cost, mend)
}

fn scheduler(disk: &Disk) -> Option<Row> {
    let what = format!("I/O scheduler of {}", disk.name);
    let found = disk.scheduler.as_deref()?;
    let Some(wanted) = wanted_scheduler(disk).filter(|wanted| *wanted != found) else {
        return Some(Row::fine(&what, found));
    };
    let cost = if wanted == "none" {
        "each transfer goes through a queue that is sorted for heads that do not move here"
    } else {
        "reads of old messages may keep the log's writes waiting for long"
    };
    Some(Row::advice(&what, found, wanted, cost, format!("{APPLY} --device {}", disk.name)))
}

/// Sorting pays where a head moves. Disks of a virtual machine say that they turn and do not; there the host decides, and
/// no difference could be measured (`tuning/README.md`).
fn wanted_scheduler(disk: &Disk) -> Option<&'static str> {
    let is_virtual = ["vd", "xvd"].iter().any(|prefix| disk.name.starts_with(prefix));
    match disk.rotational {
        _ if is_virtual => None,
        Some(true) => Some("mq-deadline"),
        Some(false) => Some("none"),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::row::Level;
    use super::super::fixture::{facts, only};
    use super::*;

    fn on(file_system: &str) -> TuningFacts {
        let mut facts = facts();
        facts.store.as_mut().unwrap().file_system = file_system.to_owned();
        facts
    }

    #[test]
    fn file_systems_that_do_more_than_write_in_place_are_named_with_what_that_means() {
        for (kind, cost) in
            [("tmpfs", "lost"), ("btrfs", "another place"), ("nfs4", "round trip"), ("fuse.s3fs", "process")]
        {
            let row = only(rows(&on(kind)));
            assert_eq!(row.found, kind);
            assert!(row.cost.contains(cost) && row.mend.contains("/data/store"), "{row:?}");
        }
        for kind in ["ext4", "xfs", "f2fs"] {
            assert!(rows(&on(kind)).iter().all(|row| row.level == Level::Fine), "{kind}");
        }
    }

    #[test]
    fn only_disks_that_turn_are_sorted_for() {
        let wanted = |name: &str, rotational, scheduler: &str| {
            let mut facts = facts();
            let disk = Disk { name: name.to_owned(), scheduler: Some(scheduler.to_owned()), rotational };
            facts.store.as_mut().unwrap().disk = Some(disk);
            let row = rows(&facts).remove(1);
            (row.level, row.wanted)
        };
        let sort = (Level::Advice, "mq-deadline".to_owned());
        let leave = (Level::Advice, "none".to_owned());
        assert_eq!(wanted("nvme0n1", Some(false), "mq-deadline"), leave);
        assert_eq!(wanted("vda", Some(true), "mq-deadline").0, Level::Fine);
        assert_eq!(wanted("sda", Some(true), "none"), sort);
        assert_eq!(wanted("sda", Some(true), "mq-deadline").0, Level::Fine);
        assert_eq!(wanted("sda", None, "none").0, Level::Fine);
    }
}
