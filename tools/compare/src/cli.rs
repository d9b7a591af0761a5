//! The command line.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use host::Machine;

use crate::peer::group_plan::REPLICAS;
use crate::scope::Scope;
use crate::settings::Settings;

/// Where this crate's sources are: from there the peer's jars and the repository's folders are found.
const CRATE_FOLDER: &str = env!("CARGO_MANIFEST_DIR");

/// Turbopump and Apache RocketMQ in alternation on one machine, under the same load.
#[derive(Debug, Parser)]
#[command(name = "mqcompare", version)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Measure, and write the report and its raw data
    Run(Box<RunArgs>),
    /// Write the report of raw data again
    Render {
        /// Raw data: NAME.json.gz
        raw: PathBuf,
        /// The report; beside the raw data if absent
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Print all cases and what is to be reached in each
    List,
}

/// Flags of a run. What is absent has a default that fits the machine.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// Three replicas against three (Apache RocketMQ with DLedger), rather than one broker against one
    #[arg(long)]
    pub replicated: bool,
    /// Only these cases, and what they need; a name may end in *
    #[arg(long, value_delimiter = ',', value_name = "ID,…")]
    pub cases: Vec<String>,
    /// Times that everything is measured
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=99))]
    pub rounds: Option<u32>,
    /// Length of each window, seconds
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub seconds: Option<u32>,
    /// Load before each window, seconds
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=3600))]
    pub warmup: Option<u32>,
    /// One round, windows of 3 s, small backlogs: to see whether everything runs. The report stays in the work folder
    #[arg(long)]
    pub quick: bool,
    /// Size of the log for start after kill -9 and for cold reading
    #[arg(long, value_name = "GIB", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub long_log_gib: Option<u32>,
    /// Store size from which on a broker gets a fresh store between two cases
    #[arg(long, value_name = "GIB", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub store_gib: Option<u32>,
    /// Processors to pin the load to, as 1,3. If absent, or `none`, the kernel places it
    #[arg(long, value_name = "LIST", value_parser = processor_list)]
    pub load_cpus: Option<Processors>,
    /// Processors for Turbopump's shards, as its own --cpus
    #[arg(long, value_name = "LIST")]
    pub turbopump_cpus: Option<String>,
    /// Turbopump's shards
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub shards: Option<u16>,
    /// Heap of Apache's broker, GiB
    #[arg(long, value_name = "GIB", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub apache_heap_gib: Option<u32>,
    /// Heap of each of Apache's replicas, GiB
    #[arg(long, value_name = "GIB", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub apache_group_heap_gib: Option<u32>,
    /// Processors for the shards of Turbopump's three replicas, as 0;1;any
    #[arg(long, value_name = "LIST;LIST;LIST", value_parser = group_cpus)]
    pub turbopump_group_cpus: Option<GroupCpus>,
    /// A further line of Apache's configuration; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub apache_set: Vec<String>,
    /// A further line of Turbopump's configuration; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub turbopump_set: Vec<String>,
    /// Folder for stores and logs, on the device to measure; target/compare of the repository if absent
    #[arg(long, value_name = "FOLDER")]
    pub work: Option<PathBuf>,
    /// Folder for the report; docs/benchmarks of the repository if absent
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
    /// Name of the report and its raw data; apache-rocketmq or replicated if absent
    #[arg(long)]
    pub name: Option<String>,
    /// Folder of mqbroker, mqnamesrv, mqbench and bare-ceiling; that of this program if absent
    #[arg(long, value_name = "FOLDER")]
    pub bin_dir: Option<PathBuf>,
    /// The load generator, if it is elsewhere
    #[arg(long, value_name = "FILE")]
    pub mqbench: Option<PathBuf>,
    /// First port to try
    #[arg(long, default_value_t = 21_000, value_parser = clap::value_parser!(u16).range(1024..=60_000))]
    pub first_port: u16,
}

impl RunArgs {
    /// Which comparison.
    #[must_use]
    pub fn scope(&self) -> Scope {
        if self.replicated { Scope::Replicas } else { Scope::Broker }
    }

    /// Name of the report and its raw data.
    #[must_use]
    pub fn report_name(&self) -> &str {
        self.name.as_deref().unwrap_or(self.scope().report())
    }

    /// The settings for this machine.
    #[must_use]
    pub fn settings(&self, machine: &Machine) -> Settings {
        let usual = Settings::usual(machine.memory_bytes);
        let base = if self.quick { usual.quick() } else { usual };
        Settings {
            rounds: self.rounds.unwrap_or(base.rounds),
            window_s: self.seconds.unwrap_or(base.window_s),
            warmup_s: self.warmup.unwrap_or(base.warmup_s),
            long_log_gib: self.long_log_gib.unwrap_or(base.long_log_gib),
            store_gib: self.store_gib.unwrap_or(base.store_gib),
            load_cpus: self.load_cpus.clone().map_or(base.load_cpus, |list| list.0),
            turbopump_cpus: self.turbopump_cpus.clone().unwrap_or(base.turbopump_cpus),
            shards: self.shards.unwrap_or(base.shards),
            apache_heap_gib: self.apache_heap_gib.unwrap_or(base.apache_heap_gib),
            apache_group_heap_gib: self.apache_group_heap_gib.unwrap_or(base.apache_group_heap_gib),
            turbopump_group_cpus: match &self.turbopump_group_cpus {
                Some(GroupCpus(lists)) => lists.to_vec(),
                None => base.turbopump_group_cpus,
            },
            apache_set: self.apache_set.clone(),
            turbopump_set: self.turbopump_set.clone(),
            ..base
        }
    }

    /// The command that makes the comparison again, on another machine too: no folders, no ports.
    #[must_use]
    pub fn repeat_command(&self) -> String {
        let mut words = vec!["mqcompare run".to_owned()];
        if self.replicated {
            words.push("--replicated".to_owned());
        }
        let mut flag = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                words.push(format!("--{name} {value}"));
            }
        };
        flag("cases", (!self.cases.is_empty()).then(|| format!("'{}'", self.cases.join(","))));
        flag("rounds", self.rounds.map(|value| value.to_string()));
        flag("seconds", self.seconds.map(|value| value.to_string()));
        flag("warmup", self.warmup.map(|value| value.to_string()));
        flag("long-log-gib", self.long_log_gib.map(|value| value.to_string()));
        flag("store-gib", self.store_gib.map(|value| value.to_string()));
        flag("load-cpus", self.load_cpus.as_ref().map(Processors::to_string));
        flag("turbopump-cpus", self.turbopump_cpus.clone());
        flag("shards", self.shards.map(|value| value.to_string()));
        flag("apache-heap-gib", self.apache_heap_gib.map(|value| value.to_string()));
        flag("apache-group-heap-gib", self.apache_group_heap_gib.map(|value| value.to_string()));
        let group_cpus = self.turbopump_group_cpus.as_ref();
        flag("turbopump-group-cpus", group_cpus.map(|lists| format!("'{}'", lists.0.join(";"))));
        for line in &self.apache_set {
            flag("apache-set", Some(line.clone()));
        }
        for line in &self.turbopump_set {
            flag("turbopump-set", Some(line.clone()));
        }
        if self.quick {
            words.push("--quick".to_owned());
        }
        words.join(" ")
    }

    /// Folder for stores and logs.
    #[must_use]
    pub fn work_folder(&self) -> PathBuf {
        self.work.clone().unwrap_or_else(|| repository().join("target/compare"))
    }

    /// Folder for the report. A quick run's never replaces a real one.
    #[must_use]
    pub fn out_folder(&self) -> PathBuf {
        match &self.out {
            Some(folder) => folder.clone(),
            None if self.quick => self.work_folder(),
            None => repository().join("docs/benchmarks"),
        }
    }
}

/// The folder that holds all crates.
#[must_use]
pub fn repository() -> &'static Path {
    Path::new(CRATE_FOLDER).ancestors().nth(2).expect("this crate is two folders below the repository")
}

/// Numbers of processors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Processors(pub Vec<usize>);

impl fmt::Display for Processors {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return out.write_str("none");
        }
        out.write_str(&self.0.iter().map(usize::to_string).collect::<Vec<_>>().join(","))
    }
}

/// What each of three replicas is given as `--cpus`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupCpus(pub [String; REPLICAS]);

fn group_cpus(text: &str) -> Result<GroupCpus, String> {
    let lists: Vec<String> = text.split(';').map(|list| list.trim().to_owned()).collect();
    lists
        .try_into()
        .map(GroupCpus)
        .map_err(|lists: Vec<String>| format!("{} lists for {REPLICAS} replicas", lists.len()))
}

fn processor_list(text: &str) -> Result<Processors, String> {
    if text == "none" {
        return Ok(Processors(Vec::new()));
    }
    let number = |word: &str| word.trim().parse().map_err(|_| format!("{word:?} is no number of a processor"));
    text.split(',').map(number).collect::<Result<_, _>>().map(Processors)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_args(line: &str) -> RunArgs {
        let Command::Run(args) = Args::try_parse_from(line.split_whitespace()).unwrap().command else {
            panic!("{line} is a run")
        };
        *args
    }

    #[test]
    fn the_command_is_well_formed() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }

    #[test]
    fn flags_overrule_what_fits_the_machine_and_what_is_quick() {
        let machine = Machine { memory_bytes: 8 << 30, ..Machine::default() };
        let args = run_args("mqcompare run --quick --seconds 5 --cases 1x1,sync-* --load-cpus 2,3 --apache-set a=b");
        let settings = args.settings(&machine);
        assert_eq!((settings.rounds, settings.window_s, settings.long_log_gib), (1, 5, 1));
        assert_eq!(settings.load_cpus, [2, 3]);
        assert_eq!(settings.apache_heap_gib, 2);
        assert_eq!(settings.apache_set, ["a=b"]);
        assert_eq!(args.cases, ["1x1", "sync-*"]);
    }

    #[test]
    fn the_load_can_be_left_unpinned() {
        assert!(run_args("mqcompare run --load-cpus none").settings(&Machine::default()).load_cpus.is_empty());
        assert!(Args::try_parse_from(["mqcompare", "run", "--load-cpus", "1,x"]).is_err());
    }

    #[test]
    fn the_command_to_repeat_it_has_no_folders() {
        let args = run_args("mqcompare run --rounds 5 --work /somewhere --cases 1x1 --mqbench /else --shards 2");
        assert_eq!(args.repeat_command(), "mqcompare run --cases '1x1' --rounds 5 --shards 2");
        let args = run_args("mqcompare run --replicated --turbopump-group-cpus 0;1;any --quick");
        assert_eq!(args.repeat_command(), "mqcompare run --replicated --turbopump-group-cpus '0;1;any' --quick");
        assert_eq!(args.settings(&Machine::default()).turbopump_group_cpus, ["0", "1", "any"]);
        assert!(Args::try_parse_from(["mqcompare", "run", "--turbopump-group-cpus", "0;1"]).is_err());
    }

    #[test]
    fn each_comparison_has_a_report_of_its_own() {
        assert_eq!(run_args("mqcompare run").report_name(), "apache-rocketmq");
        assert_eq!(run_args("mqcompare run --replicated").report_name(), "replicated");
        assert_eq!(run_args("mqcompare run --replicated --name mine").report_name(), "mine");
    }

    #[test]
    fn a_quick_report_does_not_replace_a_real_one() {
        let quick = run_args("mqcompare run --quick --work /w");
        assert_eq!(quick.out_folder(), Path::new("/w"));
        assert!(run_args("mqcompare run --work /w").out_folder().ends_with("docs/benchmarks"));
    }
}
