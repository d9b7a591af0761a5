//! Flags of who receives.

use clap::{Args, ValueEnum};

use crate::plan::{Consumers, PULL_BATCH, ReceiveMode, StartAt};

/// The consumer group without `--group`.
const GROUP: &str = "mqbench";

/// The receivers of `consume`.
#[derive(Debug, Clone, Args)]
pub struct ConsumerArgs {
    /// How to receive
    #[arg(long, value_enum, default_value_t = ReceiveArg::Pull)]
    pub mode: ReceiveArg,
    /// Consumer group; its offsets are committed
    #[arg(long, default_value = GROUP)]
    pub group: String,
    /// Messages that one pull asks for
    #[arg(long, value_name = "B", default_value_t = PULL_BATCH)]
    pub batch: usize,
    /// Connections that receive, over all brokers; at least one a broker is made
    #[arg(long, value_name = "C", default_value_t = 1)]
    pub connections: usize,
    /// Where to begin in every queue: first, last, group (where the group has committed) or an offset
    #[arg(long, value_name = "PLACE", default_value = "first", value_parser = start_at)]
    pub from: StartAt,
    /// End when everything that was in the queues at the start is received
    #[arg(long)]
    pub drain: bool,
    /// Decode every message and compare its checksum instead of only counting
    #[arg(long)]
    pub verify: bool,
}

/// The receivers of `e2e` and `mixed`: they follow those who send, by long polling.
#[derive(Debug, Clone, Args)]
pub struct FollowerArgs {
    /// Consumer group; its offsets are committed
    #[arg(long, default_value = GROUP)]
    pub group: String,
    /// Messages that one pull asks for
    #[arg(long, value_name = "B", default_value_t = PULL_BATCH)]
    pub pull_batch: usize,
    /// Connections that receive, over all brokers; at least one a broker is made
    #[arg(long, value_name = "C", default_value_t = 1)]
    pub consumer_connections: usize,
}

/// `--mode` of receivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReceiveArg {
    /// Pulls that are answered at once
    Pull,
    /// Long polling, as push consumers do
    Push,
}

impl ConsumerArgs {
    /// The receivers.
    #[must_use]
    pub fn consumers(&self) -> Consumers {
        let mode = match self.mode {
            ReceiveArg::Pull => ReceiveMode::Pull,
            ReceiveArg::Push => ReceiveMode::Push,
        };
        Consumers {
            mode,
            group: self.group.clone(),
            connections: self.connections,
            batch: self.batch,
            from: self.from,
            verify: self.verify,
        }
    }
}

impl FollowerArgs {
    /// The receivers.
    #[must_use]
    pub fn consumers(&self) -> Consumers {
        Consumers {
            mode: ReceiveMode::Push,
            group: self.group.clone(),
            connections: self.consumer_connections,
            batch: self.pull_batch,
            from: StartAt::Last,
            verify: false,
        }
    }
}

fn start_at(text: &str) -> Result<StartAt, String> {
    match text {
        "first" => Ok(StartAt::First),
        "last" => Ok(StartAt::Last),
        "group" => Ok(StartAt::Group),
        _ => match text.parse() {
            Ok(offset) if offset >= 0 => Ok(StartAt::Offset(offset)),
            _ => Err("expected first, last, group or an offset from 0".to_owned()),
        },
    }
}
