//! `replaceReplica`: another node in the place of one.

use std::time::Duration;

use clap::Args;

use super::Context;
use crate::failure::Failure;
use crate::group_change::{GroupChange, carry_out, check_node, node_and_address};

/// Put another node in the place of one in a broker group that elects its leader
///
/// The new node runs already, with an empty store, dLegerJoin=true and all nodes in dLegerPeers. When it has the log, it gets
/// its vote and the old one loses it, at one moment: the group never has a node more to wait for. The old one may be gone. May
/// be repeated: it goes on where it was.
#[derive(Debug, Args)]
pub(crate) struct ReplaceReplica {
    /// The broker group
    #[arg(short = 'b', long = "brokerName", alias = "broker-name", value_name = "NAME")]
    broker_name: String,
    /// The node that goes, as in dLegerSelfId
    #[arg(short = 'o', long, value_name = "n1")]
    old: String,
    /// The node that comes, as in dLegerPeers
    #[arg(short = 'r', long, value_name = "n3-HOST:PORT")]
    replica: String,
    /// How long to wait until it is done, seconds
    #[arg(short = 'w', long, value_name = "SECONDS", default_value_t = 3600)]
    wait: u64,
}

impl ReplaceReplica {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        check_node(&self.old)?;
        let (node, address) = node_and_address(&self.replica).await?;
        let change = GroupChange::Add { node, address, replaces: Some(self.old.clone()) };
        carry_out(context, &self.broker_name, &change, Duration::from_secs(self.wait)).await
    }
}
