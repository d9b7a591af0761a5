//! Swap, huge pages, promises of memory, and who removes rings.

use std::path::Path;

use super::super::requirements::Requirements;
use super::super::row::Row;
use super::super::tuning_facts::TuningFacts;
use super::APPLY;

/// Above, the kernel swaps memory of processes to keep pages of files.
const SWAPPINESS_MAX: u64 = 10;
/// `vm.overcommit_memory`: what was asked for is counted, used or not.
const OVERCOMMIT_COUNTED: u64 = 2;
/// User ids below are the system's (`SYS_UID_MAX` of most distributions); systemd-logind leaves them alone.
const REGULAR_USER_MIN: u32 = 1000;

pub(super) fn rows(requirements: &Requirements, facts: &TuningFacts) -> Vec<Row> {
    let all = [swap(facts), swappiness(facts), huge_pages(facts), overcommit(facts), removal(requirements, facts)];
    all.into_iter().flatten().collect()
}

fn swap(facts: &TuningFacts) -> Option<Row> {
    let swap = facts.swap?;
    let what = "swap in use";
    if swap.used_bytes == 0 {
        return Some(Row::fine(what, "0 bytes"));
    }
    let cost = "a page of a log cache that lies there is a read from disk on the shard's only thread; everything on \
                the shard waits";
    let mend = format!("free memory, then `swapoff -a`; {APPLY} lowers vm.swappiness");
    Some(Row::advice(what, format!("{} of {} bytes", swap.used_bytes, swap.total_bytes), "0 bytes", cost, mend))
}

fn swappiness(facts: &TuningFacts) -> Option<Row> {
    let (what, found) = ("vm.swappiness", *facts.sysctls.get("vm.swappiness")?);
    if facts.swap.is_none_or(|swap| swap.total_bytes == 0) {
        return Some(Row::fine(what, format!("{found}, and no swap")));
    }
    if found <= SWAPPINESS_MAX {
        return Some(Row::fine(what, found.to_string()));
    }
    let cost = "log caches are ordinary memory: while other programs read files, the kernel moves them to swap";
    Some(Row::advice(what, found.to_string(), format!("at most {SWAPPINESS_MAX}"), cost, APPLY))
}

fn huge_pages(facts: &TuningFacts) -> Option<Row> {
    let (what, found) = ("transparent huge pages", facts.huge_pages.as_deref()?);
    if found != "never" {
        return Some(Row::fine(what, found));
    }
    let cost = "log buffers come in pages of 4 KiB, each of which the kernel hands out by itself: a third more \
                latency where sends wait for \
                each other (and 20 MB less of idle memory)";
    Some(Row::advice(what, found, "madvise", cost, APPLY))
}

fn overcommit(facts: &TuningFacts) -> Option<Row> {
    let (what, found) = ("vm.overcommit_memory", *facts.sysctls.get("vm.overcommit_memory")?);
    if found != OVERCOMMIT_COUNTED {
        return Some(Row::fine(what, found.to_string()));
    }
    let cost =
        "memory is refused by what was asked for, not by what is used; a shard that is refused a log buffer ends";
    let mend = "`sysctl -w vm.overcommit_memory=0` as root, and in /etc/sysctl.d";
    Some(Row::advice(what, found.to_string(), "0 (the default)", cost, mend))
}

/// systemd-logind counts every file of a user in `/dev/shm` as the user's shared memory.
fn removal(requirements: &Requirements, facts: &TuningFacts) -> Option<Row> {
    const WHAT: &str = "RemoveIPC of systemd-logind";
    let ring = requirements.ring.as_ref().filter(|ring| ring.folder.starts_with(Path::new("/dev/shm")))?;
    if !facts.logout_removes_memory {
        return Some(Row::fine(WHAT, "no"));
    }
    if facts.user < REGULAR_USER_MIN {
        return Some(Row::fine(WHAT, format!("yes; user {} is exempt", facts.user)));
    }
    let found = format!("yes, and user {} is no system user", facts.user);
    let cost = format!(
        "when this user's last login ends, the rings in {} are removed under the running broker; if it is killed \
         after that, what it \
         acknowledged and had not written is lost",
        ring.folder.display()
    );
    let mend = "run as a system user (tuning/systemd), or set RemoveIPC=no in /etc/systemd/logind.conf and restart \
                systemd-logind";
    Some(Row::advice(WHAT, found, "no, or a system user", cost, mend))
}

#[cfg(test)]
mod tests {
    use super::super::super::row::Level;
    use super::super::super::tuning_facts::Swap;
    use super::super::fixture::{facts, only, requirements};
    use super::*;

    fn with(name: &'static str, value: u64) -> TuningFacts {
        let mut facts = facts();
        facts.sysctls.insert(name, value);
        facts
    }

    #[test]
    fn pages_on_swap_say_how_many_bytes() {
        let swap = Some(Swap { total_bytes: 4096, used_bytes: 1024 });
        assert_eq!(only(rows(&requirements(), &TuningFacts { swap, ..facts() })).found, "1024 of 4096 bytes");
    }

    #[test]
    fn swappiness_matters_only_where_there_is_swap() {
        assert_eq!(only(rows(&requirements(), &with("vm.swappiness", 60))).wanted, "at most 10");
        let none = Some(Swap { total_bytes: 0, used_bytes: 0 });
        let without = TuningFacts { swap: none, ..with("vm.swappiness", 60) };
        assert!(rows(&requirements(), &without).iter().all(|row| row.level == Level::Fine));
    }

    #[test]
    fn huge_pages_must_be_there_for_those_who_ask() {
        let mode = |mode: &str| rows(&requirements(), &TuningFacts { huge_pages: Some(mode.to_owned()), ..facts() });
        assert_eq!(only(mode("never")).wanted, "madvise");
        for fine in ["madvise", "always"] {
            assert!(mode(fine).iter().all(|row| row.level == Level::Fine));
        }
    }

    #[test]
    fn counted_memory_is_the_only_overcommit_mode_that_ends_shards() {
        assert_eq!(only(rows(&requirements(), &with("vm.overcommit_memory", 2))).what, "vm.overcommit_memory");
        assert!(rows(&requirements(), &with("vm.overcommit_memory", 1)).iter().all(|row| row.level == Level::Fine));
    }

    #[test]
    fn rings_of_a_user_who_logs_out_are_removed_and_those_of_a_system_user_are_not() {
        let regular = TuningFacts { user: 1000, ..facts() };
        let row = only(rows(&requirements(), &regular));
        assert!(row.cost.contains("is lost") && row.mend.contains("RemoveIPC=no"), "{row:?}");
        let kept = TuningFacts { logout_removes_memory: false, ..regular.clone() };
        assert!(rows(&requirements(), &kept).iter().all(|row| row.level == Level::Fine));
        let mut elsewhere = requirements();
        elsewhere.ring.as_mut().unwrap().folder = "/mnt/rings".into();
        assert!(rows(&elsewhere, &regular).iter().all(|row| row.level == Level::Fine));
    }
}
