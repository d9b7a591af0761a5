//! `getConsumerStatus`: where the members of a group say they are.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;

use super::Context;
use crate::brokers::ask_each;
use crate::failure::Failure;
use crate::resolve;
use crate::rows::{Row, Rows};
use crate::table::{Align, Table};

/// Show where the members of a consumer group say they are
#[derive(Debug, Args)]
pub(crate) struct GetConsumerStatus {
    /// Consumer group
    #[arg(short = 'g', long, value_name = "GROUP")]
    group: String,
    /// Topic
    #[arg(short = 't', long, value_name = "TOPIC")]
    topic: String,
    /// Only this member
    #[arg(short = 'i', long = "originClientId", aliases = ["origin-client-id", "clientId"], value_name = "CLIENT ID")]
    client_id: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Position {
    client_id: String,
    broker_name: String,
    queue_id: i32,
    offset: i64,
}

impl Row for Position {
    const COLUMNS: &'static [(&'static str, Align)] =
        &[("CLIENT ID", Align::Left), ("BROKER", Align::Left), ("QID", Align::Right), ("OFFSET", Align::Right)];

    fn fill(&self, table: &mut Table) {
        table.row([&self.client_id, &self.broker_name, &self.queue_id, &self.offset]);
    }
}

impl GetConsumerStatus {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let admin = &context.admin;
        let route = resolve::route(admin, &self.topic).await?;
        let ask = |address: String| async move {
            admin.consumer_status(&address, &self.topic, &self.group, self.client_id.as_deref()).await
        };
        let (answers, errors) = ask_each(resolve::route_brokers(route.data()), ask).await?;
        // Every broker asks every member: they say the same.
        let mut positions = BTreeMap::new();
        for (client_id, offsets) in answers.into_iter().flat_map(|(_, status)| status.consumer_table) {
            for (queue, offset) in offsets.offsets {
                positions.insert((client_id.clone(), queue), offset);
            }
        }
        let row = |((client_id, queue), offset): ((String, protocol::body::MessageQueue), i64)| Position {
            client_id,
            broker_name: queue.broker_name,
            queue_id: queue.queue_id,
            offset,
        };
        context.output.show_rows(Rows::new("positions", positions.into_iter().map(row).collect()).errors(errors))
    }
}
