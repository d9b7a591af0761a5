//! Flags of `mqbench ceiling`.

use clap::Args;

use super::cluster_args::ClusterArgs;
use super::consumer_args::FollowerArgs;
use super::output_args::OutputArgs;
use super::producer_args::ProducerArgs;
use super::run_args::CpuList;
use super::seconds::Seconds;
use crate::ceiling::CeilingSettings;
use crate::ceiling::limits::Limits;
use crate::ceiling::search_settings::SearchSettings;
use crate::ceiling::source::SourceChoice;
use crate::plan::{End, Plan, Work};

/// Shortest and longest time between two looks at a machine, unless it is given: ten a step, but no more than one a second.
const SAMPLE_MS: std::ops::RangeInclusive<u64> = 100..=1_000;

/// `mqbench ceiling`.
#[derive(Debug, Clone, Args)]
#[command(mut_arg("topic", |topic| topic.required(false).required_unless_present("join")))]
#[command(mut_arg("rate", |rate| rate.hide(true).value_parser(no_rate)))]
pub struct CeilingArgs {
    /// Where to.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// How to send; the search sets the rate.
    #[command(flatten)]
    pub producers: ProducerArgs,
    /// Receive too, so that a backlog of consumers counts
    #[arg(long)]
    pub with_consumers: bool,
    /// How to receive.
    #[command(flatten)]
    pub followers: FollowerArgs,
    /// Worker threads of the load
    #[arg(long, value_name = "T", default_value_t = 1)]
    pub threads: usize,
    /// Processors for the worker threads, in order, as 0-3,8
    #[arg(long, value_name = "LIST", default_value = "", hide_default_value = true)]
    pub cpus: CpuList,
    /// Never sleep; only where the load has processors of its own
    #[arg(long)]
    pub spin: bool,
    /// How to go about it.
    #[command(flatten)]
    pub search: SearchArgs,
    /// What has to hold.
    #[command(flatten)]
    pub limits: LimitArgs,
    /// How to look at the brokers' machines.
    #[command(flatten)]
    pub sampling: SamplingArgs,
    /// Other load machines.
    #[command(flatten)]
    pub team: TeamArgs,
    /// Where the results go.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// How to go about it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Search")]
pub struct SearchArgs {
    /// First load, in messages a second
    #[arg(long, value_name = "RATE", default_value_t = SearchSettings::default().start)]
    pub start: f64,
    /// Highest load that is tried
    #[arg(long, value_name = "RATE", default_value_t = SearchSettings::default().rate_max)]
    pub max_rate: f64,
    /// The load is raised by this factor a step
    #[arg(long, value_name = "FACTOR", default_value_t = SearchSettings::default().growth)]
    pub growth: f64,
    /// The search ends when it is this near, in per cent of the load
    #[arg(long, value_name = "PERCENT", default_value = "5", value_parser = percent)]
    pub tolerance: f64,
    /// A load that does not hold through the soak window is lowered by this
    #[arg(long, value_name = "PERCENT", default_value = "10", value_parser = percent)]
    pub soak_back_off: f64,
    /// Steps in all, soak windows not counted
    #[arg(long, value_name = "N", default_value_t = SearchSettings::default().steps_max)]
    pub max_steps: u32,
    /// Soak windows in all
    #[arg(long, value_name = "N", default_value_t = SearchSettings::default().soaks_max)]
    pub max_soaks: u32,
    /// Load before each measured time, in no figure
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = span)]
    pub warmup: Seconds,
    /// Measured time of a step
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = span)]
    pub step: Seconds,
    /// Measured time in which the safe load has to hold at the end
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = span)]
    pub soak: Seconds,
    /// Pause between two steps
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = span)]
    pub settle: Seconds,
}

/// What has to hold for a load to be safe.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits of a safe load")]
pub struct LimitArgs {
    /// CPU of a broker's machine, all processors together
    #[arg(long, value_name = "PERCENT", default_value = "80", value_parser = percent)]
    pub max_cpu: f64,
    /// Its busiest processor
    #[arg(long, value_name = "PERCENT", default_value = "90", value_parser = percent)]
    pub max_core: f64,
    /// Its memory in use that could not be had
    #[arg(long, value_name = "PERCENT", default_value = "90", value_parser = percent)]
    pub max_memory: f64,
    /// Time in which its disk has something to do
    #[arg(long, value_name = "PERCENT", default_value = "80", value_parser = percent)]
    pub max_disk_busy: f64,
    /// Share of a link's speed, in the busier direction
    #[arg(long, value_name = "PERCENT", default_value = "70", value_parser = percent)]
    pub max_network: f64,
    /// 99 % of the sends, from when they were due
    #[arg(long = "max-p99-ms", value_name = "MS", default_value_t = Limits::default().p99_ms)]
    pub max_p99_ms: f64,
    /// 99.9 % of the sends
    #[arg(long = "max-p99-9-ms", value_name = "MS", default_value_t = Limits::default().p99_9_ms)]
    pub max_p99_9_ms: f64,
    /// Failed requests a step
    #[arg(long, value_name = "N", default_value_t = Limits::default().errors)]
    pub max_errors: u64,
    /// What is acknowledged of what is offered, at least
    #[arg(long, value_name = "PERCENT", default_value = "99", value_parser = percent)]
    pub min_achieved: f64,
    /// Growth of a backlog, of what is offered: unsent, unconsumed, or unwritten in a broker
    #[arg(long, value_name = "PERCENT", default_value = "1", value_parser = percent)]
    pub max_backlog_growth: f64,
}

/// How to look at the brokers' machines.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Brokers' machines")]
pub struct SamplingArgs {
    /// Endpoint of a broker, as http://10.0.0.5:5557/host; once for each broker. Without it this machine, if the brokers run on it
    #[arg(long = "sample", value_name = "URL")]
    pub endpoints: Vec<String>,
    /// Search by latency, errors and backlog alone if a broker's machine cannot be seen
    #[arg(long)]
    pub unsampled: bool,
    /// Time between two looks [default: a tenth of a step, 0.1 to 1]
    #[arg(long, value_name = "SECONDS", value_parser = span)]
    pub sample_every: Option<Seconds>,
    /// Process of the broker on this machine [default: the one that listens on its port]
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,
    /// Disk of the store, as lsblk lists it [default: the busiest]
    #[arg(long, value_name = "NAME")]
    pub disk: Option<String>,
    /// Speed of the brokers' links, where their drivers do not say it
    #[arg(long, value_name = "MEGABITS")]
    pub link_mbit: Option<u64>,
}

/// Other load machines.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Several load machines")]
pub struct TeamArgs {
    /// Lead others: wait for them here, as 10.0.0.1:7070
    #[arg(long, value_name = "ADDRESS", requires = "expect", conflicts_with = "join")]
    pub lead: Option<String>,
    /// How many machines join this one
    #[arg(long, value_name = "N", requires = "lead", value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub expect: Option<u16>,
    /// Join the machine that leads, as 10.0.0.1:7070, and do as it says; other flags mean nothing then
    #[arg(long, value_name = "ADDRESS")]
    pub join: Option<String>,
    /// How long to wait for each other
    #[arg(long, value_name = "SECONDS", default_value = "120", value_parser = span)]
    pub join_within: Seconds,
}

impl CeilingArgs {
    /// Everything that the flags set, not checked yet.
    #[must_use]
    pub fn settings(&self) -> CeilingSettings {
        let step_ms = self.search.step.ms;
        CeilingSettings {
            plan: self.plan(),
            search: self.search.settings(),
            limits: self.limits.limits(),
            step_ms,
            soak_ms: self.search.soak.ms,
            settle_ms: self.search.settle.ms,
            sample_ms: self
                .sampling
                .sample_every
                .map_or_else(|| (step_ms / 10).clamp(*SAMPLE_MS.start(), *SAMPLE_MS.end()), |every| every.ms),
            sources: Vec::new(),
            disk: self.sampling.disk.clone(),
            link_mbit: self.sampling.link_mbit,
        }
    }

    /// How to look at the brokers' machines.
    #[must_use]
    pub fn sources(&self) -> SourceChoice {
        let SamplingArgs { endpoints, pid, unsampled, .. } = &self.sampling;
        SourceChoice { endpoints: endpoints.clone(), pid: *pid, may_be_unsampled: *unsampled }
    }

    fn plan(&self) -> Plan {
        // With a rate, so that the defaults are those of an open loop; the search sets another one for each step.
        let producers = ProducerArgs { rate: Some(self.search.start), ..self.producers.clone() }.producers();
        let work = if self.with_consumers {
            Work::Mixed { producers, consumers: self.followers.consumers() }
        } else {
            Work::Produce { producers }
        };
        Plan {
            name_servers: self.cluster.name_servers.clone(),
            topics: self.cluster.topic_names(),
            create_topics: self.cluster.create_topics.then_some(self.cluster.queues),
            work,
            warm_up_ms: self.search.warmup.ms,
            end: End::default(),
            threads: self.threads,
            cpus: self.cpus.0.clone(),
            spin: self.spin,
            broker_pids: Vec::new(),
        }
    }
}

impl SearchArgs {
    fn settings(&self) -> SearchSettings {
        SearchSettings {
            start: self.start,
            rate_max: self.max_rate,
            growth: self.growth,
            tolerance: self.tolerance,
            soak_back_off: self.soak_back_off,
            steps_max: self.max_steps,
            soaks_max: self.max_soaks,
        }
    }
}

impl LimitArgs {
    fn limits(&self) -> Limits {
        Limits {
            cpu: self.max_cpu,
            core: self.max_core,
            memory: self.max_memory,
            disk_busy: self.max_disk_busy,
            network: self.max_network,
            p99_ms: self.max_p99_ms,
            p99_9_ms: self.max_p99_9_ms,
            errors: self.max_errors,
            achieved: self.min_achieved,
            backlog_growth: self.max_backlog_growth,
        }
    }
}

/// `--rate` is a flag of every other load.
fn no_rate(_: &str) -> Result<f64, String> {
    Err("the search sets the rate, from --start to --max-rate".to_owned())
}

/// `80` or `80%` as 0.8.
fn percent(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').trim_end().parse::<f64>() {
        Ok(percent) if percent > 0.0 && percent <= 100.0 => Ok(percent / 100.0),
        _ => Err("expected per cent above 0 and up to 100, as 80".to_owned()),
    }
}

/// `10`, `10s` or `0.5`.
fn span(text: &str) -> Result<Seconds, String> {
    text.strip_suffix('s').unwrap_or(text).parse()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};
    use crate::plan::{OPEN_LOOP_IN_FLIGHT, SendMode};

    fn ceiling(line: &str) -> Result<CeilingArgs, String> {
        match Cli::try_parse_from(line.split_whitespace()).map_err(|error| error.to_string())?.command {
            Command::Ceiling(args) => Ok(*args),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn the_defaults_are_those_that_the_report_states() {
        let settings = ceiling("mqbench ceiling -t T").unwrap().settings();
        assert_eq!((settings.limits, settings.search), (Limits::default(), SearchSettings::default()));
        assert_eq!(
            (settings.step_ms, settings.soak_ms, settings.settle_ms, settings.sample_ms),
            (10_000, 30_000, 1_000, 1_000)
        );
        assert_eq!(settings.plan.warm_up_ms, 2_000);
        settings.check(1).unwrap();
    }

    #[test]
    fn the_load_is_that_of_an_open_loop_whatever_its_mode() {
        let producers = |line: &str| ceiling(line).unwrap().settings().plan.work.producers().unwrap().clone();
        assert_eq!(producers("mqbench ceiling -t T").in_flight, OPEN_LOOP_IN_FLIGHT);
        let sync = producers("mqbench ceiling -t T --mode sync --connections 64 --size 128");
        assert_eq!((sync.mode, sync.in_flight, sync.connections), (SendMode::Sync, 1, 64));
        let error = ceiling("mqbench ceiling -t T --rate 5").unwrap_err();
        assert!(error.contains("the search sets the rate"), "{error}");
    }

    #[test]
    fn limits_are_given_in_per_cent_and_times_in_seconds() {
        let settings = ceiling(
            "mqbench ceiling -t T --max-cpu 60 --max-disk-busy 50% --max-p99-ms 2.5 --step 2s --soak 3 --warmup 0.5",
        )
        .unwrap()
        .settings();
        assert_eq!((settings.limits.cpu, settings.limits.disk_busy, settings.limits.p99_ms), (0.6, 0.5, 2.5));
        assert_eq!(
            (settings.step_ms, settings.soak_ms, settings.plan.warm_up_ms, settings.sample_ms),
            (2_000, 3_000, 500, 200)
        );
        for wrong in ["--max-cpu 0", "--max-cpu 120", "--step soon"] {
            assert!(ceiling(&format!("mqbench ceiling -t T {wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn who_joins_needs_no_topic_and_who_leads_says_for_how_many() {
        assert_eq!(
            ceiling("mqbench ceiling --join 10.0.0.1:7070").unwrap().team.join.as_deref(),
            Some("10.0.0.1:7070")
        );
        assert!(ceiling("mqbench ceiling").unwrap_err().contains("--topic"));
        assert!(ceiling("mqbench ceiling -t T --lead 0.0.0.0:7070").unwrap_err().contains("--expect"));
        assert!(
            ceiling("mqbench ceiling -t T --lead a:1 --expect 1 --join b:1")
                .unwrap_err()
                .contains("cannot be used with")
        );
    }

    #[test]
    fn with_consumers_both_sides_are_loaded() {
        let settings = ceiling("mqbench ceiling -t T --with-consumers --group readers").unwrap().settings();
        assert_eq!(settings.plan.work.consumers().map(|consumers| consumers.group.as_str()), Some("readers"));
    }
}
