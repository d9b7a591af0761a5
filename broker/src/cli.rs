//! The command line of `mqbroker`.

use std::path::PathBuf;

use clap::Parser;

use crate::config::sources::{Assignment, NAMESRV_ADDR};
use crate::config::{ConfigErrors, Mode, Sources};

/// Message broker that speaks the RocketMQ protocol.
///
/// Every property of a configuration file can be given as --set key=value too. Flags overrule the file, the file
/// overrules the environment variable NAMESRV_ADDR.
#[derive(Debug, Clone, Parser)]
#[command(name = "mqbroker", version)]
pub struct Args {
    /// Name servers to register with, as 10.0.0.1:9876;10.0.0.2:9876 [property: namesrvAddr]
    #[arg(short = 'n', long = "namesrvAddr", value_name = "ADDRESSES")]
    pub namesrv_addr: Option<String>,
    /// Properties file, as RocketMQ's broker.conf
    #[arg(short = 'c', long = "configFile", value_name = "FILE")]
    pub config_file: Option<PathBuf>,
    /// Print all properties with the values in effect, and exit
    #[arg(short = 'p', long = "printConfigItem")]
    pub print_all: bool,
    /// Print the important properties with the values in effect, and exit
    #[arg(short = 'm', long = "printImportantConfig")]
    pub print_important: bool,
    /// Run name server and broker together in this process, for one machine, with the store in ~/turbopump
    #[arg(long)]
    pub standalone: bool,
    /// Number of shards, each a broker of its own with its own thread; default one a physical core [property: shards]
    #[arg(long, value_name = "N")]
    pub shards: Option<String>,
    /// Processors for the shards, in order, as 0-3,8, or any for no pinning; default one of each physical core [property: cpus]
    #[arg(long, value_name = "LIST")]
    pub cpus: Option<String>,
    /// Print a table of what on this host is not as it should be, what that costs and how to mend it, and exit: with 0 if the
    /// broker would start, else with 1
    #[arg(long)]
    pub preflight: bool,
    /// With --preflight: print JSON
    #[arg(long, requires = "preflight")]
    pub json: bool,
    /// Folder of the store [property: storePathRootDir]
    #[arg(long, value_name = "FOLDER")]
    pub store: Option<String>,
    /// Set any property; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = split_pair)]
    pub set: Vec<(String, String)>,
}

/// What the process is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Serve.
    Run,
    /// Print all properties, and exit.
    PrintAll,
    /// Print the important properties, and exit.
    PrintImportant,
    /// Print what on this host is not as it should be, and exit.
    Preflight,
}

impl Args {
    /// What the process is asked to do. Of `-p` and `-m` the first counts, as in RocketMQ.
    pub fn action(&self) -> Action {
        match (self.print_all, self.print_important, self.preflight) {
            (true, _, _) => Action::PrintAll,
            (false, true, _) => Action::PrintImportant,
            (false, false, true) => Action::Preflight,
            (false, false, false) => Action::Run,
        }
    }

    /// Everything the user said, unchecked: environment, file, flags. `namesrv_addr` is what [`NAMESRV_ADDR`] says.
    ///
    /// # Errors
    /// The configuration file cannot be read.
    pub fn sources(&self, namesrv_addr: Option<String>) -> Result<Sources, ConfigErrors> {
        let mode = if self.standalone { Mode::Standalone } else { Mode::Server };
        let mut sources = Sources::new(mode, namesrv_addr);
        if let Some(path) = &self.config_file {
            sources.read_file(path)?;
        }
        let flags = [
            ("-n", self.namesrv_addr.as_deref().map(|value| ("namesrvAddr", value))),
            ("--shards", self.shards.as_deref().map(|value| ("shards", value))),
            ("--cpus", self.cpus.as_deref().map(|value| ("cpus", value))),
            ("--store", self.store.as_deref().map(|value| ("storePathRootDir", value))),
        ];
        let named = flags.into_iter().filter_map(|(flag, pair)| pair.map(|pair| (flag, pair)));
        let set = self.set.iter().map(|(key, value)| ("--set", (key.as_str(), value.as_str())));
        sources
            .assignments
            .extend(named.chain(set).map(|(flag, (key, value))| Assignment::from_flag(flag, key, value)));
        Ok(sources)
    }

    /// The value of [`NAMESRV_ADDR`], for [`Args::sources`].
    pub fn namesrv_addr_of_environment() -> Option<String> {
        std::env::var(NAMESRV_ADDR).ok().filter(|value| !value.trim().is_empty())
    }
}

fn split_pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| "it has no =, as in listenPort=10921".to_owned())?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Args {
        Args::try_parse_from(line.split_whitespace()).unwrap_or_else(|error| panic!("{error}"))
    }

    fn assignments(args: &Args) -> Vec<String> {
        let sources = args.sources(None).unwrap();
        sources.assignments.iter().map(|each| format!("{}={} by {}", each.key, each.value, each.origin)).collect()
    }

    #[test]
    fn the_command_is_well_formed() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }

    #[test]
    fn flags_set_the_properties_they_stand_for() {
        let args = parse("mqbroker -n a:9876;b:9876 --shards 2 --cpus 0-1 --store /data --set listenPort=20911");
        assert_eq!(
            assignments(&args),
            [
                "namesrvAddr=a:9876;b:9876 by flag -n",
                "shards=2 by flag --shards",
                "cpus=0-1 by flag --cpus",
                "storePathRootDir=/data by flag --store",
                "listenPort=20911 by flag --set",
            ]
        );
    }

    #[test]
    fn the_long_names_are_those_of_rocketmq() {
        let args =
            parse("mqbroker --namesrvAddr a:1 --configFile broker.conf --printConfigItem --printImportantConfig");
        assert_eq!(args.namesrv_addr.as_deref(), Some("a:1"));
        assert_eq!(args.config_file, Some("broker.conf".into()));
        assert_eq!(args.action(), Action::PrintAll);
    }

    #[test]
    fn printing_is_asked_for_by_p_and_m() {
        assert_eq!(parse("mqbroker -p").action(), Action::PrintAll);
        assert_eq!(parse("mqbroker -m").action(), Action::PrintImportant);
        assert_eq!(parse("mqbroker").action(), Action::Run);
        assert_eq!(parse("mqbroker --preflight").action(), Action::Preflight);
        assert!(parse("mqbroker --preflight --json").json);
        assert!(Args::try_parse_from(["mqbroker", "--json"]).is_err(), "it would do nothing");
    }

    #[test]
    fn standalone_is_a_mode() {
        assert_eq!(parse("mqbroker --standalone").sources(None).unwrap().mode, Mode::Standalone);
        assert_eq!(parse("mqbroker").sources(None).unwrap().mode, Mode::Server);
    }

    #[test]
    fn a_pair_splits_at_its_first_equals_sign_and_needs_one() {
        assert_eq!(parse("mqbroker --set a=b=c").set, [("a".to_owned(), "b=c".to_owned())]);
        let error = Args::try_parse_from(["mqbroker", "--set", "listenPort"]).unwrap_err().to_string();
        assert!(error.contains("it has no ="), "{error}");
    }

    #[test]
    fn flags_come_after_the_lines_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("broker.conf");
        std::fs::write(&path, "shards=4\n").unwrap();
        let args = Args { config_file: Some(path), ..parse("mqbroker --shards 2") };
        let all = assignments(&args);
        assert!(all[0].starts_with("shards=4 by ") && all[1] == "shards=2 by flag --shards", "{all:?}");
    }

    #[test]
    fn a_missing_file_is_an_error_that_names_it() {
        let error = parse("mqbroker -c /nowhere/broker.conf").sources(None).unwrap_err().to_string();
        assert!(error.contains("/nowhere/broker.conf"), "{error}");
    }
}
