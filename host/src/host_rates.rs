//! What a host did between two looks at it.

use serde::{Deserialize, Serialize};

use crate::counter::share;
use crate::{CoreTimes, DiskRates, HostSample, Memory, NetRates};

/// What a host did between two samples. Shares are 0..=1.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostRates {
    /// Time between the samples.
    pub seconds: f64,
    /// Busy share of all processors together. Stolen time counts as busy: it was not there for more work.
    pub cpu: f64,
    /// Share of all processors that idled while a task waited for a disk.
    pub iowait: f64,
    /// Share that the hypervisor gave to somebody else.
    pub steal: f64,
    /// Each processor that is in both samples.
    pub cores: Vec<CoreShare>,
    /// The later sample's load averages.
    pub load: [f64; 3],
    /// The later sample's memory.
    pub memory: Memory,
    /// Each device that is in both samples.
    pub disks: Vec<DiskRates>,
    /// Each interface that is in both samples.
    pub networks: Vec<NetRates>,
}

/// How busy one processor was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CoreShare {
    /// The processor's number.
    pub core: u32,
    /// Its busy share, 0..=1.
    pub busy: f64,
}

impl HostRates {
    /// From `earlier` to `later`, samples of one host; `None` if no time lies between them (or the host was started anew).
    /// What is in one sample only, because it was plugged in or taken away meanwhile, has no rate.
    pub fn between(earlier: &HostSample, later: &HostSample) -> Option<Self> {
        let span_us = later.at_us.checked_sub(earlier.at_us).filter(|span| *span > 0)?;
        let seconds = span_us as f64 / 1e6;
        let spent = later.cpu.since(&earlier.cpu);
        let all = spent.all_us() as f64;
        Some(Self {
            seconds,
            cpu: share(spent.busy_us() as f64, all),
            iowait: share(spent.iowait_us as f64, all),
            steal: share(spent.steal_us as f64, all),
            cores: both(&earlier.cores, &later.cores, |core| core.core)
                .map(|(old, new)| core_share(old, new))
                .collect(),
            load: later.load,
            memory: later.memory,
            disks: both(&earlier.disks, &later.disks, |disk| &disk.name)
                .map(|(old, new)| DiskRates::between(old, new, seconds))
                .collect(),
            networks: both(&earlier.networks, &later.networks, |net| &net.name)
                .map(|(old, new)| NetRates::between(old, new, seconds))
                .collect(),
        })
    }

    /// The busiest processor.
    pub fn busiest_core(&self) -> Option<CoreShare> {
        self.cores.iter().copied().max_by(|left, right| left.busy.total_cmp(&right.busy))
    }

    /// The device of this name.
    pub fn disk(&self, name: &str) -> Option<&DiskRates> {
        self.disks.iter().find(|disk| disk.name == name)
    }

    /// The busiest whole disk.
    pub fn busiest_disk(&self) -> Option<&DiskRates> {
        let whole = self.disks.iter().filter(|disk| disk.is_whole());
        whole.max_by(|left, right| left.busy.total_cmp(&right.busy))
    }

    /// The interfaces that lead out of the machine: those with a device behind them, or, where there is none (in a
    /// container), all but `lo`. Adding up others too would count a byte twice: on the bridge and on its link.
    pub fn links(&self) -> impl Iterator<Item = &NetRates> {
        let physical = self.networks.iter().any(|net| net.physical);
        self.networks.iter().filter(move |net| if physical { net.physical } else { !net.is_loopback() })
    }
}

fn core_share(earlier: &CoreTimes, later: &CoreTimes) -> CoreShare {
    let spent = later.since(earlier);
    CoreShare { core: later.core, busy: share(spent.busy_us() as f64, spent.all_us() as f64) }
}

/// The later sample's entries that the earlier one has too, in the later one's order.
fn both<'a, T, K: PartialEq>(
    earlier: &'a [T],
    later: &'a [T],
    key: impl Fn(&'a T) -> K,
) -> impl Iterator<Item = (&'a T, &'a T)> {
    later.iter().filter_map(move |new| {
        let same = |old: &&'a T| key(old) == key(new);
        earlier.iter().find(same).map(|old| (old, new))
    })
}

#[cfg(test)]
mod tests;
