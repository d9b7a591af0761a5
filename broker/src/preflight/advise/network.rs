//! Kernel settings that connections depend on.

use super::super::requirements::Requirements;
use super::super::row::Row;
use super::super::tuning_facts::TuningFacts;
use super::APPLY;
use crate::config::parse::cpu_choice::format_cpus;
use crate::placement::Placement;

/// A setting that must not be below a number.
struct AtLeast {
    name: &'static str,
    least: u64,
    cost: &'static str,
}

/// Kernels that can run a broker have these by default; they were lowered where a row is not fine.
const SETTINGS: [AtLeast; 4] = [
    AtLeast {
        name: "net.core.somaxconn",
        least: 1024,
        cost: "a listener holds no more connections that wait to be accepted: of clients that all come back at once, \
               those over it \
               try again after a second or more",
    },
    AtLeast {
        name: "net.ipv4.tcp_max_syn_backlog",
        least: 1024,
        cost: "of clients that all come back at once, those over it are answered with SYN cookies or wait for a \
               second try",
    },
    AtLeast {
        name: "net.ipv4.tcp_rmem",
        least: 4 << 20,
        cost: "a connection receives at most this much a round trip: over 10 ms, 4 MiB are 400 MB/s",
    },
    AtLeast {
        name: "net.ipv4.tcp_wmem",
        least: 4 << 20,
        cost: "a connection sends at most this much a round trip: over 10 ms, 4 MiB are 400 MB/s",
    },
];

pub(super) fn rows(requirements: &Requirements, facts: &TuningFacts) -> Vec<Row> {
    let settings = SETTINGS.iter().filter_map(|setting| Some(setting.row(*facts.sysctls.get(setting.name)?)));
    settings.chain(interrupts(requirements, facts)).collect()
}

impl AtLeast {
    fn row(&self, found: u64) -> Row {
        if found >= self.least {
            return Row::fine(self.name, found.to_string());
        }
        let mend = format!(
            "take the line that lowers it out of /etc/sysctl.d and /etc/sysctl.conf, then `sysctl -w` it to {}",
            self.least
        );
        Row::advice(self.name, found.to_string(), format!("at least {}", self.least), self.cost, mend)
    }
}

/// Whether a shard is interrupted for packets although other processors are free for that.
fn interrupts(requirements: &Requirements, facts: &TuningFacts) -> Option<Row> {
    const WHAT: &str = "network interrupts";
    let pinned: Vec<Option<usize>> = requirements.shard_cpus.iter().copied().map(Some).collect();
    let rest = Placement::new(&facts.topology, &facts.mask, &pinned).rest;
    if rest.is_empty() || facts.network_interrupts.is_empty() {
        return None;
    }
    let on_shards = facts
        .network_interrupts
        .iter()
        .filter(|each| each.cpus.iter().any(|cpu| requirements.shard_cpus.contains(cpu)));
    let names: Vec<String> =
        on_shards.map(|each| format!("{} ({}) on {}", each.number, each.device, format_cpus(&each.cpus))).collect();
    if names.is_empty() {
        return Some(Row::fine(WHAT, format!("{}, none on a shard's processor", facts.network_interrupts.len())));
    }
    let found = match names.as_slice() {
        [first, second, more @ ..] if !more.is_empty() => format!("{first}, {second} and {} more", more.len()),
        all => all.join(", "),
    };
    let cost = "packets are handled on a shard's processor while the shard waits";
    let mend = format!("{APPLY} --irq-cpus {}", format_cpus(&rest));
    Some(Row::advice(WHAT, found, format!("on {}", format_cpus(&rest)), cost, mend))
}

#[cfg(test)]
mod tests {
    use super::super::super::row::Level;
    use super::super::super::tuning_facts::Interrupt;
    use super::super::fixture::{facts, only, requirements};
    use super::*;

    #[test]
    fn a_lowered_setting_names_itself_and_the_least_that_is_enough() {
        for setting in &SETTINGS {
            let mut facts = facts();
            facts.sysctls.insert(setting.name, setting.least - 1);
            let row = only(rows(&requirements(), &facts));
            assert_eq!((row.what.as_str(), row.wanted), (setting.name, format!("at least {}", setting.least)));
            facts.sysctls.insert(setting.name, setting.least);
            assert!(rows(&requirements(), &facts).iter().all(|row| row.level == Level::Fine));
        }
    }

    fn interrupt(number: u32, cpus: &[usize]) -> Interrupt {
        Interrupt { number, device: "eth0".to_owned(), cpus: cpus.to_vec() }
    }

    #[test]
    fn interrupts_on_a_shard_are_sent_where_no_shard_is() {
        let network_interrupts = vec![interrupt(40, &[1]), interrupt(41, &[2])];
        let row = only(rows(&requirements(), &TuningFacts { network_interrupts, ..facts() }));
        assert_eq!(row.found, "40 (eth0) on 1");
        assert_eq!(row.mend, "tuning/apply.sh --irq-cpus 2-3,6-7");
        let network_interrupts = (40..60).map(|number| interrupt(number, &[0, 1])).collect();
        let row = only(rows(&requirements(), &TuningFacts { network_interrupts, ..facts() }));
        assert_eq!(row.found, "40 (eth0) on 0-1, 41 (eth0) on 0-1 and 18 more");
    }

    #[test]
    fn where_every_processor_has_a_shard_interrupts_have_nowhere_else_to_go() {
        let facts = TuningFacts { network_interrupts: vec![interrupt(40, &[0])], mask: vec![0, 1], ..facts() };
        assert!(rows(&requirements(), &facts).iter().all(|row| row.what != "network interrupts"));
    }
}
