//! `removeReplica`: a node less in a broker group.

use std::time::Duration;

use clap::Args;

use super::Context;
use crate::failure::Failure;
use crate::group_change::{GroupChange, carry_out, check_node};

/// Remove a node from a broker group that elects its leader
///
/// A node that leads hands its lead over first. Refused if of those that stay no majority is there. May be repeated. The
/// node's store is left as it is.
#[derive(Debug, Args)]
pub(crate) struct RemoveReplica {
    /// The broker group
    #[arg(short = 'b', long = "brokerName", alias = "broker-name", value_name = "NAME")]
    broker_name: String,
    /// The node, as in dLegerSelfId
    #[arg(short = 'r', long, value_name = "n1")]
    replica: String,
    /// How long to wait until it is done, seconds
    #[arg(short = 'w', long, value_name = "SECONDS", default_value_t = 60)]
    wait: u64,
}

impl RemoveReplica {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        check_node(&self.replica)?;
        let change = GroupChange::Remove { node: self.replica.clone() };
        carry_out(context, &self.broker_name, &change, Duration::from_secs(self.wait)).await
    }
}
