//! `DecodeMessageId`: what the id says that a broker gave to a message. Nobody is asked.

use std::fmt;
use std::str::FromStr;

use clap::Args;
use protocol::message_id::OffsetMessageId;
use serde::Serialize;

use super::Context;
use crate::fact_list::FactList;
use crate::failure::Failure;

/// Show the broker and the place that a message id (offset id) names
#[derive(Debug, Args)]
pub(crate) struct DecodeMessageId {
    /// The id
    #[arg(short = 'i', long = "messageId", aliases = ["message-id", "msgId"], value_name = "ID", value_parser = OffsetMessageId::from_str)]
    id: OffsetMessageId,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    broker_addr: String,
    physical_offset: i64,
}

impl DecodeMessageId {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let OffsetMessageId { store_host, physical_offset } = self.id;
        context.output.show(&Place { broker_addr: store_host.to_string(), physical_offset })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut facts = FactList::default();
        facts.fact("Broker address", &self.broker_addr).fact("Physical offset", self.physical_offset);
        facts.fmt(f)
    }
}
