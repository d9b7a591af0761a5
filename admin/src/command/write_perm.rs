//! `wipeWritePerm` and `addWritePerm`: whether producers find a broker.

use clap::Args;
use serde::Serialize;

use super::Context;
use super::namesrv_config::name_servers;
use crate::brokers::{Place, ask_each};
use crate::failure::Failure;
use crate::resolve;
use crate::rows::{Row, Rows};
use crate::table::{Align, Table};

/// Have every name server tell producers to send nothing to a broker
#[derive(Debug, Args)]
pub(crate) struct WipeWritePerm {
    /// Broker, by name
    #[arg(short = 'b', long = "brokerName", alias = "broker-name", value_name = "BROKER")]
    broker_name: String,
}

/// Have every name server tell producers of a broker again
#[derive(Debug, Args)]
pub(crate) struct AddWritePerm {
    /// Broker, by name
    #[arg(short = 'b', long = "brokerName", alias = "broker-name", value_name = "BROKER")]
    broker_name: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TopicCount {
    broker_name: String,
    name_server: String,
    topics: i32,
}

impl Row for TopicCount {
    const COLUMNS: &'static [(&'static str, Align)] =
        &[("BROKER", Align::Left), ("NAME SERVER", Align::Left), ("TOPICS CHANGED", Align::Right)];

    fn fill(&self, table: &mut Table) {
        table.row([&self.broker_name, &self.name_server, &self.topics]);
    }
}

impl WipeWritePerm {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        change(context, &self.broker_name, false).await
    }
}

impl AddWritePerm {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        change(context, &self.broker_name, true).await
    }
}

async fn change(context: &mut Context<'_>, broker_name: &str, is_added: bool) -> Result<(), Failure> {
    let admin = &context.admin;
    // Name servers say "no topic" to a broker they do not know, which would hide a mistyped name.
    let info = admin.cluster_info().await?;
    if !info.broker_addr_table.contains_key(broker_name) {
        return Err(resolve::unregistered_broker(&info, broker_name));
    }
    let ask = |address: String| async move {
        match is_added {
            true => admin.add_write_perm(&address, broker_name).await,
            false => admin.wipe_write_perm(&address, broker_name).await,
        }
    };
    let (answers, errors) = ask_each(name_servers(context), ask).await?;
    let count = |(place, topics): (Place, i32)| TopicCount {
        broker_name: broker_name.to_owned(),
        name_server: place.broker_addr,
        topics,
    };
    let rows = answers.into_iter().map(count).collect();
    context.output.show_rows(Rows::new("nameServers", rows).errors(errors))
}
