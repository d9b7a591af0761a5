//! Flags of `mqnamesrv`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Parser;

use crate::config::{Config, ConfigError, Loaded};

/// The name server of a RocketMQ cluster.
#[derive(Debug, Parser)]
#[command(name = "mqnamesrv", version)]
pub struct Cli {
    /// Settings as Java properties, with RocketMQ's names
    #[arg(short = 'c', long = "config-file", alias = "configFile", value_name = "FILE")]
    pub config_file: Option<PathBuf>,

    /// Print all settings and exit
    #[arg(short = 'p', long = "print-config", alias = "printConfigItem")]
    pub print_config: bool,

    /// Port to listen on, whatever the file says
    #[arg(long, value_name = "PORT")]
    pub listen_port: Option<u16>,
}

/// Why there are no settings to start with.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its content is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl Cli {
    /// The settings that these flags lead to, for a user whose home folder is `home`.
    ///
    /// # Errors
    /// The configuration file cannot be read, or is refused.
    pub fn settings(&self, home: &Path) -> Result<Loaded, CliError> {
        let defaults = Config::with_home(home);
        let mut loaded = match &self.config_file {
            None => Loaded { config: defaults, warnings: Vec::new() },
            Some(path) => {
                let text = fs::read_to_string(path).map_err(|source| CliError::Read { path: path.clone(), source })?;
                defaults.load(path, &text)?
            }
        };
        loaded.config.listen_port = self.listen_port.unwrap_or(loaded.config.listen_port);
        Ok(loaded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(arguments: &[&str]) -> Result<Loaded, CliError> {
        Cli::try_parse_from([&["mqnamesrv"], arguments].concat()).unwrap().settings(Path::new("/home/mq"))
    }

    #[test]
    fn without_flags_the_defaults_hold() {
        assert_eq!(settings(&[]).unwrap().config, Config::with_home(Path::new("/home/mq")));
    }

    #[test]
    fn the_port_flag_wins_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("namesrv.conf");
        fs::write(&file, "listenPort=19876\norderMessageEnable=true\n").unwrap();
        let file = file.to_str().unwrap();
        assert_eq!(settings(&["-c", file]).unwrap().config.listen_port, 19876);
        let config = settings(&["-c", file, "--listen-port", "29876"]).unwrap().config;
        assert_eq!(config.listen_port, 29876);
        assert!(config.order_message_enable);
        assert_eq!(config.config_store_path, Path::new(file), "changes by tools go where the settings came from");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let error = settings(&["-c", "/nowhere/namesrv.conf"]).unwrap_err();
        assert_eq!(error.to_string(), "cannot read the configuration file /nowhere/namesrv.conf");
    }

    #[test]
    fn a_bad_property_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("namesrv.conf");
        fs::write(&file, "\nlistnPort=9876\n").unwrap();
        let error = settings(&["-c", file.to_str().unwrap()]).unwrap_err().to_string();
        assert!(error.ends_with("line 2: unknown key `listnPort`, the nearest known is `listenPort`"), "{error}");
    }

    #[test]
    fn the_flags_of_rocketmq_are_understood() {
        assert!(Cli::try_parse_from(["mqnamesrv", "-p"]).unwrap().print_config);
        assert!(Cli::try_parse_from(["mqnamesrv", "--printConfigItem"]).unwrap().print_config);
        assert!(Cli::try_parse_from(["mqnamesrv", "--configFile", "x"]).unwrap().config_file.is_some());
    }
}
