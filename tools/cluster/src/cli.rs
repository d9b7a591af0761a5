//! The command line of `mqcluster`.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Nodes that can be asked for: a majority of an even number is as large as that of the next odd one.
const NODES_MIN: i64 = 1;
const NODES_MAX: i64 = 9;
const SHARDS_MAX: i64 = 16;

/// Runs a replicated broker and two name servers on this machine: each node in a network namespace of its own when root, on
/// loopback ports otherwise. Shows their state until Ctrl-C, then takes everything back.
#[derive(Debug, Parser)]
#[command(name = "mqcluster", version)]
pub struct Args {
    /// Nodes of the broker.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(NODES_MIN..=NODES_MAX))]
    pub nodes: u16,
    /// Shards of each node: groups of their own, whose leaders spread over the nodes.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=SHARDS_MAX))]
    pub shards: u16,
    /// Name servers.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=4))]
    pub name_servers: u16,
    /// Name of the broker.
    #[arg(long, default_value = "turbopump")]
    pub name: String,
    /// Folder of the nodes' stores and logs, kept at the end. Without it they are temporary.
    #[arg(long, value_name = "FOLDER")]
    pub store: Option<PathBuf>,
    /// What an acknowledgement waits for on a majority: memory that outlives the process, or stable storage.
    #[arg(long, default_value = "async")]
    pub flush: Flush,
    /// End by itself after so many seconds.
    #[arg(long, value_name = "SECONDS")]
    pub duration: Option<u64>,
    /// Loopback ports even when root.
    #[arg(long)]
    pub loopback: bool,
    /// A further line of every node's broker.conf; may be given again.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub properties: Vec<String>,
    /// Folder of mqbroker and mqnamesrv. Default: that of mqcluster.
    #[arg(long, value_name = "FOLDER")]
    pub bin_dir: Option<PathBuf>,
}

/// RocketMQ: `flushDiskType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Flush {
    /// `ASYNC_FLUSH`.
    Async,
    /// `SYNC_FLUSH`.
    Sync,
}

impl Flush {
    /// As broker.conf has it.
    #[must_use]
    pub fn property(self) -> &'static str {
        match self {
            Self::Async => "ASYNC_FLUSH",
            Self::Sync => "SYNC_FLUSH",
        }
    }
}
