//! The command line of `mqbench`: flags, and the plan they make.

mod ceiling_args;
mod ceiling_command;
mod cluster_args;
mod consumer_args;
mod output_args;
mod producer_args;
mod run_args;
mod run_command;
mod seconds;

use clap::{Args, Parser, Subcommand};

use crate::plan::{Plan, Work};

pub use ceiling_args::CeilingArgs;
pub use ceiling_command::ReportArgs;
pub use cluster_args::ClusterArgs;
pub use consumer_args::{ConsumerArgs, FollowerArgs};
pub use output_args::{OutputArgs, OutputError};
pub use producer_args::ProducerArgs;
pub use run_args::RunArgs;
pub use run_command::{CommandError, Interrupts, run_command};
pub use seconds::Seconds;

/// Load and measurement for clusters that speak the RocketMQ protocol.
#[derive(Debug, Clone, Parser)]
#[command(name = "mqbench", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Send messages, as fast as the answers come or at a fixed rate
    Produce(ProduceArgs),
    /// Receive messages, by pulls or by long polling
    Consume(ConsumeArgs),
    /// Send at a fixed rate and measure until a consumer has each message
    E2e(PairArgs),
    /// Send and receive at the same time
    Mixed(PairArgs),
    /// Search for the highest load that a cluster can do, and the highest that is safe
    ///
    /// Raises the load in steps, open loop, until the cluster cannot follow; searches between the highest load at which
    /// all limits held and the lowest at which one did not; and lets the result hold for a soak window. Reports the
    /// extreme, the safe load and the limit that was hit first.
    Ceiling(Box<CeilingArgs>),
    /// Write the page of a report
    Report(ReportArgs),
}

/// `mqbench produce`.
#[derive(Debug, Clone, Args)]
pub struct ProduceArgs {
    /// Where to.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// How.
    #[command(flatten)]
    pub producers: ProducerArgs,
    /// For how long, and with what.
    #[command(flatten)]
    pub run: RunArgs,
    /// Where the results go.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `mqbench consume`.
#[derive(Debug, Clone, Args)]
pub struct ConsumeArgs {
    /// Where from.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// How.
    #[command(flatten)]
    pub consumers: ConsumerArgs,
    /// For how long, and with what.
    #[command(flatten)]
    pub run: RunArgs,
    /// Where the results go.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `mqbench e2e` and `mqbench mixed`.
#[derive(Debug, Clone, Args)]
pub struct PairArgs {
    /// Where to and from.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// How to send.
    #[command(flatten)]
    pub producers: ProducerArgs,
    /// How to receive.
    #[command(flatten)]
    pub followers: FollowerArgs,
    /// For how long, and with what.
    #[command(flatten)]
    pub run: RunArgs,
    /// Where the results go.
    #[command(flatten)]
    pub output: OutputArgs,
}

impl ProduceArgs {
    /// The plan that the flags make, not checked yet.
    #[must_use]
    pub fn plan(&self) -> Plan {
        let work = Work::Produce { producers: self.producers.producers() };
        self.run.plan(&self.cluster, work, false)
    }
}

impl ConsumeArgs {
    /// The plan that the flags make, not checked yet.
    #[must_use]
    pub fn plan(&self) -> Plan {
        let work = Work::Consume { consumers: self.consumers.consumers() };
        self.run.plan(&self.cluster, work, self.consumers.drain)
    }
}

impl PairArgs {
    /// The plan of `e2e`, not checked yet.
    #[must_use]
    pub fn e2e_plan(&self) -> Plan {
        let (producers, consumers) = (self.producers.producers(), self.followers.consumers());
        self.run.plan(&self.cluster, Work::E2e { producers, consumers }, false)
    }

    /// The plan of `mixed`, not checked yet.
    #[must_use]
    pub fn mixed_plan(&self) -> Plan {
        let (producers, consumers) = (self.producers.producers(), self.followers.consumers());
        self.run.plan(&self.cluster, Work::Mixed { producers, consumers }, false)
    }
}

#[cfg(test)]
mod tests;
