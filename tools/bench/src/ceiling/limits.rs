//! What has to hold for a load to be safe.

use serde::{Deserialize, Serialize};

use super::host_figures::HostFigures;
use super::load_figures::LoadFigures;

/// What has to hold for a load to be safe. Shares are 0..=1. The reasons for the defaults are in the bench's README.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Busy share of all processors of a broker's machine.
    pub cpu: f64,
    /// Busy share of its busiest processor.
    pub core: f64,
    /// Share of its memory that is in use and could not be had.
    pub memory: f64,
    /// Share of the time in which its disk had something to do.
    pub disk_busy: f64,
    /// Share of a link's speed, in the busier direction.
    pub network: f64,
    /// 99 % of the sends take at most this, from when they were due.
    pub p99_ms: f64,
    /// 99.9 % of them.
    pub p99_9_ms: f64,
    /// Failed requests a step.
    pub errors: u64,
    /// What is acknowledged, as a share of what is offered: at least.
    pub achieved: f64,
    /// Growth of any backlog, as a share of what is offered: of messages that are due and unsent, or sent and not
    /// consumed, and of bytes that a broker has not written or not sent.
    pub backlog_growth: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cpu: 0.80,
            core: 0.90,
            memory: 0.90,
            disk_busy: 0.80,
            network: 0.70,
            p99_ms: 10.0,
            p99_9_ms: 50.0,
            errors: 0,
            achieved: 0.99,
            backlog_growth: 0.01,
        }
    }
}

/// Which limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    /// [`Limits::achieved`].
    Achieved,
    /// [`Limits::errors`].
    Errors,
    /// [`Limits::p99_ms`].
    P99,
    /// [`Limits::p99_9_ms`].
    P999,
    /// [`Limits::cpu`].
    Cpu,
    /// [`Limits::core`].
    Core,
    /// [`Limits::memory`].
    Memory,
    /// [`Limits::disk_busy`].
    DiskBusy,
    /// [`Limits::network`].
    Network,
    /// [`Limits::backlog_growth`] of messages.
    Backlog,
    /// [`Limits::backlog_growth`] of bytes in a broker.
    BrokerQueues,
}

/// How a figure is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// 0..=1, shown as per cent.
    Share,
    /// Milliseconds.
    Milliseconds,
    /// A plain number.
    Count,
}

impl LimitKind {
    /// For people: `p99 latency`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Achieved => "achieved of offered",
            Self::Errors => "failed requests",
            Self::P99 => "p99 latency",
            Self::P999 => "p99.9 latency",
            Self::Cpu => "CPU, whole",
            Self::Core => "CPU, busiest core",
            Self::Memory => "memory in use",
            Self::DiskBusy => "disk busy",
            Self::Network => "network, share of link",
            Self::Backlog => "backlog growth",
            Self::BrokerQueues => "growth of broker queues",
        }
    }

    /// The flag of `mqbench ceiling` that sets it.
    #[must_use]
    pub fn flag(self) -> &'static str {
        match self {
            Self::Achieved => "--min-achieved",
            Self::Errors => "--max-errors",
            Self::P99 => "--max-p99-ms",
            Self::P999 => "--max-p99-9-ms",
            Self::Cpu => "--max-cpu",
            Self::Core => "--max-core",
            Self::Memory => "--max-memory",
            Self::DiskBusy => "--max-disk-busy",
            Self::Network => "--max-network",
            Self::Backlog | Self::BrokerQueues => "--max-backlog-growth",
        }
    }

    /// How its figure is written.
    #[must_use]
    pub fn unit(self) -> Unit {
        match self {
            Self::P99 | Self::P999 => Unit::Milliseconds,
            Self::Errors => Unit::Count,
            _ => Unit::Share,
        }
    }

    /// Whether the figure has to be at least, and not at most, the limit.
    #[must_use]
    pub fn is_minimum(self) -> bool {
        self == Self::Achieved
    }
}

/// A figure held against its limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LimitCheck {
    /// Which.
    pub limit: LimitKind,
    /// The limit itself.
    pub bound: f64,
    /// What was measured; `None` if it could not be, and then it counts as held.
    pub value: Option<f64>,
    /// What it was measured of, if there are several: `core 1`, `vda of 10.0.0.5`.
    pub of: Option<String>,
}

impl LimitCheck {
    /// Whether the limit held.
    #[must_use]
    pub fn held(&self) -> bool {
        self.value.is_none_or(|value| if self.limit.is_minimum() { value >= self.bound } else { value <= self.bound })
    }

    /// How much of the limit is used up: 1 is the limit itself. Of a limit of zero, anything is infinitely much.
    #[must_use]
    pub fn used(&self) -> f64 {
        match self.value {
            None => 0.0,
            Some(value) if self.limit.is_minimum() => ratio(self.bound, value),
            Some(value) => ratio(value, self.bound),
        }
    }
}

fn ratio(part: f64, whole: f64) -> f64 {
    if part <= 0.0 { 0.0 } else { part / whole }
}

/// A figure and what it is of.
type Figure = (Option<f64>, Option<String>);

impl Limits {
    /// Holds everything against its limit: always one entry a kind, in a fixed order.
    #[must_use]
    pub fn check(&self, offered: f64, load: &LoadFigures, hosts: &[HostFigures]) -> Vec<LimitCheck> {
        let plain = |value: f64| (Some(value), None);
        let worst = |of: fn(&HostFigures) -> Option<(f64, String)>| worst(hosts, of);
        let cpu = |host: &HostFigures| Some((host.cpu(load.bench_cores), String::new()));
        let share = |growth: f64| if offered > 0.0 { growth / offered } else { 0.0 };
        let rows = [
            (LimitKind::Achieved, self.achieved, plain(share(load.achieved))),
            (LimitKind::Errors, self.errors as f64, plain(load.errors as f64)),
            (LimitKind::P99, self.p99_ms, plain(load.latency.percentiles.p99_us as f64 / 1e3)),
            (LimitKind::P999, self.p99_9_ms, plain(load.latency.percentiles.p99_9_us as f64 / 1e3)),
            (LimitKind::Cpu, self.cpu, self::worst(hosts, cpu)),
            (LimitKind::Core, self.core, worst(HostFigures::busiest_core)),
            (LimitKind::Memory, self.memory, worst(HostFigures::memory_share)),
            (LimitKind::DiskBusy, self.disk_busy, worst(HostFigures::disk_busy)),
            (LimitKind::Network, self.network, worst(HostFigures::link_share)),
            (LimitKind::Backlog, self.backlog_growth, plain(share(load.backlog_growth()))),
            (LimitKind::BrokerQueues, self.backlog_growth, broker_queues(load, hosts)),
        ];
        rows.into_iter().map(|(limit, bound, (value, of))| LimitCheck { limit, bound, value, of }).collect()
    }
}

/// The greatest figure of all machines that have one, and where that is.
fn worst(hosts: &[HostFigures], of: impl Fn(&HostFigures) -> Option<(f64, String)>) -> Figure {
    let all = hosts.iter().filter_map(|host| of(host).map(|(value, part)| (value, part, host)));
    match all.max_by(|left, right| left.0.total_cmp(&right.0)) {
        None => (None, None),
        Some((value, part, host)) => {
            let machine = (hosts.len() > 1).then(|| host.source.clone());
            let words = match (part.is_empty(), machine) {
                (true, machine) => machine,
                (false, None) => Some(part),
                (false, Some(machine)) => Some(format!("{part} of {machine}")),
            };
            (Some(value), words)
        }
    }
}

/// Growth of what brokers hold in memory, against what they are sent.
fn broker_queues(load: &LoadFigures, hosts: &[HostFigures]) -> Figure {
    let arriving = load.bytes as f64 / load.measured_s.max(f64::MIN_POSITIVE);
    let growths: Vec<f64> = hosts.iter().filter_map(HostFigures::queue_growth_bytes).collect();
    if growths.is_empty() || arriving <= 0.0 {
        return (None, None);
    }
    (Some(growths.iter().sum::<f64>() / arriving), None)
}
