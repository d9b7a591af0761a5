//! Flags of every run: how long, and with what of this machine.

use clap::Args;

use super::cluster_args::ClusterArgs;
use super::seconds::Seconds;
use crate::plan::{End, Plan, Work};

/// Measured seconds, when nothing else ends the run.
const DURATION_MS: u64 = 20_000;
/// Warm-up before a measured time. Runs that end by a count measure from the first message.
const WARM_UP_MS: u64 = 3_000;

/// The run.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Seconds of load before the measurement; in no figure [default: 3; with --messages or --drain 0]
    #[arg(long, value_name = "SECONDS")]
    pub warmup: Option<Seconds>,
    /// Seconds to measure [default: 20, unless --messages or --drain ends the run]
    #[arg(long, value_name = "SECONDS")]
    pub duration: Option<Seconds>,
    /// End after so many messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub messages: Option<u64>,
    /// Worker threads of the load
    #[arg(long, value_name = "T", default_value_t = 1)]
    pub threads: usize,
    /// Processors for the worker threads, in order, as 0-3,8
    #[arg(long, value_name = "LIST", default_value = "", hide_default_value = true)]
    pub cpus: CpuList,
    /// Never sleep; only where the load has processors of its own
    #[arg(long)]
    pub spin: bool,
    /// Process of a broker on this machine, to measure its CPU time and memory; may be repeated
    #[arg(long = "pid", value_name = "PID")]
    pub pids: Vec<u32>,
}

/// A list of processors, as `0-3,8`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CpuList(pub Vec<usize>);

/// Highest processor that a thread can be pinned to.
const CPU_MAX: usize = 1_023;

impl std::str::FromStr for CpuList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("expected processors from 0 to {CPU_MAX}, as 0-3,8");
        let number = |text: &str| text.trim().parse::<usize>().ok().filter(|cpu| *cpu <= CPU_MAX).ok_or_else(wrong);
        let mut cpus = Vec::new();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            match part.split_once('-') {
                None => cpus.push(number(part)?),
                Some((first, last)) => {
                    let (first, last) = (number(first)?, number(last)?);
                    if first > last {
                        return Err(wrong());
                    }
                    cpus.extend(first..=last);
                }
            }
        }
        Ok(Self(cpus))
    }
}

impl RunArgs {
    /// The plan for this work, not checked yet.
    #[must_use]
    pub fn plan(&self, cluster: &ClusterArgs, work: Work, drained: bool) -> Plan {
        let ends_by_count = self.messages.is_some() || drained;
        let after_ms = self.duration.map(|seconds| seconds.ms).or((!ends_by_count).then_some(DURATION_MS));
        let warm_up_ms = if ends_by_count { 0 } else { WARM_UP_MS };
        Plan {
            name_servers: cluster.name_servers.clone(),
            topics: cluster.topic_names(),
            create_topics: cluster.create_topics.then_some(cluster.queues),
            work,
            warm_up_ms: self.warmup.map_or(warm_up_ms, |seconds| seconds.ms),
            end: End { after_ms, after_messages: self.messages, drained },
            threads: self.threads,
            cpus: self.cpus.0.clone(),
            spin: self.spin,
            broker_pids: self.pids.clone(),
        }
    }
}
