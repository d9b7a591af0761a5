//! `addReplica`: a further node of a broker group.

use std::time::Duration;

use clap::Args;

use super::Context;
use crate::failure::Failure;
use crate::group_change::{GroupChange, carry_out, node_and_address};

/// Add a node to a broker group that elects its leader
///
/// The node runs already, with an empty store, dLegerJoin=true and all nodes in dLegerPeers. It gets the log first and its
/// vote when it has it. May be repeated: it goes on where it was.
#[derive(Debug, Args)]
pub(crate) struct AddReplica {
    /// The broker group
    #[arg(short = 'b', long = "brokerName", alias = "broker-name", value_name = "NAME")]
    broker_name: String,
    /// The node, as in dLegerPeers
    #[arg(short = 'r', long, value_name = "n3-HOST:PORT")]
    replica: String,
    /// How long to wait until it is done, seconds
    #[arg(short = 'w', long, value_name = "SECONDS", default_value_t = 3600)]
    wait: u64,
}

impl AddReplica {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let (node, address) = node_and_address(&self.replica).await?;
        let change = GroupChange::Add { node, address, replaces: None };
        carry_out(context, &self.broker_name, &change, Duration::from_secs(self.wait)).await
    }
}
