//! What a broker's machine did during a step.

use host::{HostRates, ProcessRates};
use serde::{Deserialize, Serialize};

use super::growth::growth;
use host::BrokerSample;

/// Bytes in a broker's queues swing by this without being a backlog: some writes and answers on their way.
const QUEUE_SWING_BYTES: f64 = 4.0 * 1024.0 * 1024.0;

/// Name of the source that is no endpoint.
pub const THIS_MACHINE: &str = "this machine";

/// What a broker's machine did during a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostFigures {
    /// Where the samples came from: [`THIS_MACHINE`], or the endpoint.
    pub source: String,
    /// The load ran on this machine too: its CPU and memory are in the figures.
    pub is_here: bool,
    /// Rates over the whole step.
    pub rates: HostRates,
    /// The disk that the limit is held against; `None` = the busiest.
    pub disk: Option<String>,
    /// Speed of links whose driver does not say it, in megabits (10⁶) a second.
    pub link_mbit: Option<u64>,
    /// The broker process over the whole step.
    pub process: Option<ProcessRates>,
    /// What the shards worked, each that tells it.
    #[serde(default)]
    pub shards: Vec<ShardWork>,
    /// The brokers' queues; `None` if the source does not show them.
    pub queues: Option<QueueDepth>,
    /// One entry a look, from the second on.
    pub points: Vec<HostPoint>,
}

/// A shard during a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShardWork {
    /// The broker name that its clients know it by.
    pub name: String,
    /// The processor it is pinned to.
    pub cpu: Option<u32>,
    /// Share of the time that it worked: at 1 it can do no more. What the processor shows is more, since a shard sits short pauses
    /// out awake.
    pub worked: f64,
    /// Share of the time that it was awake and found nothing to do.
    pub looked: f64,
}

/// What a broker's shards held in memory during a step. Greatest of all looks, and how it grew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct QueueDepth {
    /// Appended and not yet written.
    pub unwritten_bytes_max: u64,
    /// Written and not yet synced.
    pub unsynced_bytes_max: u64,
    /// Answers not yet sent.
    pub outbox_bytes_max: u64,
    /// Connections that were not read.
    pub stalled_connections_max: u64,
    /// Unwritten and unsent bytes: growth a second.
    pub growth_bytes: f64,
}

/// A machine between two looks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostPoint {
    /// Seconds from the first look to this one.
    pub second: f64,
    /// Between the look before and this one.
    pub rates: HostRates,
    /// The broker's memory in RAM.
    pub rss_bytes: Option<u64>,
    /// Appended and not yet written, of all shards.
    pub unwritten_bytes: u64,
    /// Answers not yet sent, of all shards.
    pub outbox_bytes: u64,
    /// Connections that were not read.
    pub stalled_connections: u64,
}

impl HostFigures {
    /// Of at least two looks, in order; `None` of fewer, or when no time lies between the first and the last.
    #[must_use]
    pub fn of(
        source: &str,
        is_here: bool,
        disk: Option<&str>,
        link_mbit: Option<u64>,
        samples: &[BrokerSample],
    ) -> Option<Self> {
        let (first, last) = (samples.first()?, samples.last()?);
        let process = first.process.as_ref().zip(last.process.as_ref());
        Some(Self {
            source: source.to_owned(),
            is_here,
            rates: HostRates::between(&first.host, &last.host)?,
            disk: disk.map(str::to_owned),
            link_mbit,
            process: process.and_then(|(first, last)| ProcessRates::between(first, last)),
            shards: ShardWork::between(first, last),
            queues: QueueDepth::of(samples),
            points: samples.windows(2).filter_map(|pair| HostPoint::of(first, &pair[0], &pair[1])).collect(),
        })
    }

    /// Share and name of what is busiest on a single processor: a shard, by what it worked; a processor without one, unless the load
    /// runs here, whose threads may be on any. Where no shard tells what it worked, the busiest processor.
    #[must_use]
    pub fn busiest_core(&self) -> Option<(f64, String)> {
        if self.shards.is_empty() {
            return self.rates.busiest_core().map(|core| (core.busy, format!("core {}", core.core)));
        }
        let is_apart = !self.is_here && self.shards.iter().all(|shard| shard.cpu.is_some());
        let without_shard =
            |core: &&host::CoreShare| is_apart && !self.shards.iter().any(|shard| shard.cpu == Some(core.core));
        let cores = self.rates.cores.iter().filter(without_shard);
        let cores = cores.map(|core| (core.busy, format!("core {}", core.core)));
        let shards = self.shards.iter().map(|shard| (shard.worked, format!("shard {}", shard.name)));
        shards.chain(cores).max_by(|left, right| left.0.total_cmp(&right.0))
    }

    /// Share of all processors that was busy with what the brokers' machine is for: without the shards' looking for work, and without
    /// `bench_cores` of load if that ran here too.
    #[must_use]
    pub fn cpu(&self, bench_cores: f64) -> f64 {
        let cores = self.rates.cores.len().max(1) as f64;
        let looked: f64 = self.shards.iter().map(|shard| shard.looked).sum();
        let bench = if self.is_here { bench_cores } else { 0.0 };
        (self.rates.cpu - (looked + bench) / cores).max(0.0)
    }

    /// Processors that were busy with something else than the broker, and than `bench_cores` of load if that ran here too; `None` if
    /// the broker's process is not known.
    #[must_use]
    pub fn foreign_cores(&self, bench_cores: f64) -> Option<f64> {
        let busy = self.rates.cpu * self.rates.cores.len() as f64;
        let bench = if self.is_here { bench_cores } else { 0.0 };
        Some((busy - self.process.as_ref()?.cores - bench).max(0.0))
    }

    /// Share of the memory that is in use.
    #[must_use]
    pub fn memory_share(&self) -> Option<(f64, String)> {
        let memory = &self.rates.memory;
        let known = memory.total_bytes > 0;
        known.then(|| (memory.used_bytes() as f64 / memory.total_bytes as f64, String::new()))
    }

    /// Busy share and name of the disk that counts.
    #[must_use]
    pub fn disk_busy(&self) -> Option<(f64, String)> {
        self.disk_of(&self.rates).map(|disk| (disk.busy, disk.name.clone()))
    }

    /// The disk that counts, in rates of this machine.
    #[must_use]
    pub fn disk_of<'a>(&self, rates: &'a HostRates) -> Option<&'a host::DiskRates> {
        match &self.disk {
            Some(name) => rates.disk(name),
            None => rates.busiest_disk(),
        }
    }

    /// Share and name of the busiest link of known speed.
    #[must_use]
    pub fn link_share(&self) -> Option<(f64, String)> {
        let share = |link: &host::NetRates| link.link_share.or_else(|| link.share_of(self.link_mbit?));
        let links = self.rates.links().filter_map(|link| Some((share(link)?, link.name.clone())));
        links.max_by(|left, right| left.0.total_cmp(&right.0))
    }

    /// Growth of what the brokers hold in memory, bytes a second; `None` if the source does not show it.
    #[must_use]
    pub fn queue_growth_bytes(&self) -> Option<f64> {
        self.queues.map(|queues| queues.growth_bytes)
    }
}

impl ShardWork {
    fn between(first: &BrokerSample, last: &BrokerSample) -> Vec<Self> {
        let elapsed_us = last.host.at_us.saturating_sub(first.host.at_us) as f64;
        let share = |before: u64, after: u64| (after.saturating_sub(before) as f64 / elapsed_us).min(1.0);
        let of = |after: &host::ShardSample| {
            let before = first.shards.iter().find(|before| before.index == after.index && before.name == after.name)?;
            let tells = after.cpu_us > 0 && elapsed_us > 0.0;
            let looked = share(before.looked_us, after.looked_us);
            tells.then(|| Self {
                name: after.name.clone(),
                cpu: after.cpu,
                worked: (share(before.cpu_us, after.cpu_us) - looked).max(0.0),
                looked,
            })
        };
        last.shards.iter().filter_map(of).collect()
    }
}

impl QueueDepth {
    fn of(samples: &[BrokerSample]) -> Option<Self> {
        let seen: Vec<&BrokerSample> = samples.iter().filter(|sample| !sample.shards.is_empty()).collect();
        let first = seen.first()?;
        let greatest = |of: fn(&BrokerSample) -> u64| seen.iter().map(|sample| of(sample)).max().unwrap_or(0);
        let points: Vec<_> =
            seen.iter().map(|sample| (seconds_between(first, sample), sample.queued_bytes() as f64)).collect();
        Some(Self {
            unwritten_bytes_max: greatest(|sample| sample.sum(|shard| shard.unwritten_bytes)),
            unsynced_bytes_max: greatest(|sample| sample.sum(|shard| shard.unsynced_bytes)),
            outbox_bytes_max: greatest(|sample| sample.sum(|shard| shard.outbox_bytes)),
            stalled_connections_max: greatest(|sample| sample.sum(|shard| shard.stalled_connections)),
            growth_bytes: growth(&points, QUEUE_SWING_BYTES),
        })
    }
}

impl HostPoint {
    fn of(first: &BrokerSample, before: &BrokerSample, now: &BrokerSample) -> Option<Self> {
        Some(Self {
            second: seconds_between(first, now),
            rates: HostRates::between(&before.host, &now.host)?,
            rss_bytes: now.process.as_ref().map(|process| process.rss_bytes),
            unwritten_bytes: now.sum(|shard| shard.unwritten_bytes),
            outbox_bytes: now.sum(|shard| shard.outbox_bytes),
            stalled_connections: now.sum(|shard| shard.stalled_connections),
        })
    }
}

/// On the sampled machine's own clock.
fn seconds_between(first: &BrokerSample, later: &BrokerSample) -> f64 {
    later.host.at_us.saturating_sub(first.host.at_us) as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use host::{CoreTimes, DiskCounters, HostSample, Memory, NetCounters, ProcessSample};

    use super::*;
    use host::ShardSample;

    fn look(second: u64, unwritten_bytes: u64) -> BrokerSample {
        let core =
            |core, busy| CoreTimes { core, user_us: busy, idle_us: second * 1_000_000 - busy, ..Default::default() };
        let host = HostSample {
            at_us: second * 1_000_000,
            cpu: core(0, second * 500_000),
            cores: vec![core(0, second * 200_000), core(1, second * 800_000)],
            memory: Memory { total_bytes: 1_000, available_bytes: 600, ..Default::default() },
            disks: vec![disk("vda", second * 900), disk("vdb", second * 100)],
            networks: vec![NetCounters {
                name: "eth0".into(),
                physical: true,
                sent_bytes: second * 12_500_000,
                ..Default::default()
            }],
            ..Default::default()
        };
        let process = ProcessSample {
            at_us: host.at_us,
            pid: 7,
            cpu_us: second * 700_000,
            rss_bytes: 4_096,
            ..Default::default()
        };
        BrokerSample {
            host,
            process: Some(process),
            shards: vec![ShardSample { unwritten_bytes, ..Default::default() }],
        }
    }

    fn disk(name: &str, busy_ms: u64) -> DiskCounters {
        DiskCounters { name: name.into(), busy_ms, ..Default::default() }
    }

    #[test]
    fn a_step_is_what_lies_between_its_first_and_last_look() {
        let figures =
            HostFigures::of(THIS_MACHINE, true, None, Some(1_000), &[look(0, 0), look(1, 9), look(2, 5)]).unwrap();
        assert_eq!((figures.rates.seconds, figures.rates.cpu), (2.0, 0.5));
        assert_eq!(figures.busiest_core(), Some((0.8, "core 1".into())));
        assert_eq!(figures.memory_share().map(|share| share.0), Some(0.4));
        assert_eq!(figures.disk_busy(), Some((0.9, "vda".into())));
        assert_eq!(figures.link_share(), Some((0.1, "eth0".into())));
        assert_eq!(figures.process.as_ref().map(|process| process.cores), Some(0.7));
        assert_eq!(figures.points.iter().map(|point| point.second).collect::<Vec<_>>(), [1.0, 2.0]);
        assert_eq!(figures.queues.unwrap().unwritten_bytes_max, 9);
    }

    /// As [`look`], of a broker with one shard on core 1, which was busy for 0.8 of the time and worked for 0.3.
    fn look_at_shard(second: u64, cpu: Option<u32>) -> BrokerSample {
        let (cpu_us, looked_us) = (5 + second * 800_000, second * 500_000);
        let shard = ShardSample { name: "a".into(), cpu, cpu_us, looked_us, ..Default::default() };
        BrokerSample { shards: vec![shard], ..look(second, 0) }
    }

    fn near(left: Option<(f64, String)>, right: (f64, &str)) {
        let left = left.unwrap();
        assert!((left.0 - right.0).abs() < 1e-9 && left.1 == right.1, "{left:?} {right:?}");
    }

    #[test]
    fn a_shard_is_judged_by_what_it_worked_and_not_by_what_its_processor_shows() {
        let looks = |cpu| [look_at_shard(0, cpu), look_at_shard(2, cpu)];
        let here = HostFigures::of(THIS_MACHINE, true, None, None, &looks(Some(1))).unwrap();
        near(here.busiest_core(), (0.3, "shard a"));
        // Half of two processors were busy: a quarter of one with looking, 0.2 of one with the load.
        assert!((here.cpu(0.2) - 0.15).abs() < 1e-9);
        let remote = HostFigures { is_here: false, ..here };
        near(remote.busiest_core(), (0.3, "shard a"));
        assert!((remote.cpu(0.2) - 0.25).abs() < 1e-9, "the load runs elsewhere");
        let mut crowded = remote.clone();
        crowded.rates.cores[0].busy = 0.6;
        near(crowded.busiest_core(), (0.6, "core 0"));
        let unpinned = HostFigures::of(THIS_MACHINE, false, None, None, &looks(None)).unwrap();
        near(unpinned.busiest_core(), (0.3, "shard a"));
    }

    #[test]
    fn a_shard_that_does_not_tell_what_it_worked_is_judged_by_its_processor() {
        let figures = HostFigures::of(THIS_MACHINE, true, None, None, &[look(0, 0), look(1, 0)]).unwrap();
        assert!(figures.shards.is_empty());
        assert_eq!((figures.busiest_core(), figures.cpu(0.0)), (Some((0.8, "core 1".into())), 0.5));
    }

    #[test]
    fn a_disk_that_was_named_counts_even_if_another_is_busier() {
        let figures = HostFigures::of(THIS_MACHINE, true, Some("vdb"), None, &[look(0, 0), look(1, 0)]).unwrap();
        assert_eq!(figures.disk_busy(), Some((0.1, "vdb".into())));
        assert_eq!(figures.link_share(), None, "nobody knows the link's speed");
        let absent = HostFigures::of(THIS_MACHINE, true, Some("sda"), None, &[look(0, 0), look(1, 0)]).unwrap();
        assert_eq!(absent.disk_busy(), None);
    }

    #[test]
    fn what_is_neither_broker_nor_load_is_foreign() {
        let figures = HostFigures::of(THIS_MACHINE, true, None, None, &[look(0, 0), look(1, 0)]).unwrap();
        // Half of two processors are busy, 0.7 of one with the broker.
        assert!((figures.foreign_cores(0.2).unwrap() - 0.1).abs() < 1e-9);
        let remote = HostFigures { is_here: false, ..figures.clone() };
        assert!((remote.foreign_cores(0.2).unwrap() - 0.3).abs() < 1e-9, "the load runs elsewhere");
        assert_eq!(HostFigures { process: None, ..figures }.foreign_cores(0.0), None);
    }

    #[test]
    fn one_look_is_no_step() {
        assert_eq!(HostFigures::of(THIS_MACHINE, true, None, None, &[look(1, 0)]), None);
        assert_eq!(HostFigures::of(THIS_MACHINE, true, None, None, &[]), None);
        assert_eq!(HostFigures::of(THIS_MACHINE, true, None, None, &[look(1, 0), look(1, 0)]), None);
    }

    #[test]
    fn queues_that_rise_look_after_look_grow() {
        const MIB: u64 = 1 << 20;
        let rising: Vec<_> = (0..10).map(|second| look(second, second * MIB)).collect();
        let figures = HostFigures::of(THIS_MACHINE, true, None, None, &rising).unwrap();
        assert!((figures.queue_growth_bytes().unwrap() - MIB as f64).abs() < 1.0);
        let swinging: Vec<_> = (0..10).map(|second| look(second, second % 2 * MIB)).collect();
        let figures = HostFigures::of(THIS_MACHINE, true, None, None, &swinging).unwrap();
        assert_eq!(figures.queue_growth_bytes(), Some(0.0));
    }

    #[test]
    fn a_source_without_shards_shows_no_queues() {
        let bare = |second| BrokerSample { shards: Vec::new(), ..look(second, 0) };
        let figures = HostFigures::of(THIS_MACHINE, true, None, None, &[bare(0), bare(1)]).unwrap();
        assert_eq!((figures.queues, figures.queue_growth_bytes()), (None, None));
    }
}
