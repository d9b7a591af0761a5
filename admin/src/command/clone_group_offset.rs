//! `cloneGroupOffset`: one group continues where another is.

use clap::Args;
use client::ClientError;
use protocol::body::MessageQueue;
use serde::Serialize;

use super::Context;
use crate::brokers::ask_each;
use crate::failure::Failure;
use crate::resolve;
use crate::rows::{Row, Rows};
use crate::table::{Align, Table};

/// Have one consumer group continue where another is
#[derive(Debug, Args)]
pub(crate) struct CloneGroupOffset {
    /// The group whose offsets are taken
    #[arg(short = 's', long = "srcGroup", alias = "src-group", value_name = "GROUP")]
    source: String,
    /// The group that gets them
    #[arg(short = 'd', long = "destGroup", alias = "dest-group", value_name = "GROUP")]
    destination: String,
    /// Topic
    #[arg(short = 't', long, value_name = "TOPIC")]
    topic: String,
    /// Accepted for scripts of the original, and without effect there too
    #[arg(short = 'o', long, value_name = "BOOL")]
    offline: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Cloned {
    broker_name: String,
    queue_id: i32,
    offset: i64,
}

impl Row for Cloned {
    const COLUMNS: &'static [(&'static str, Align)] =
        &[("BROKER", Align::Left), ("QID", Align::Right), ("OFFSET", Align::Right)];

    fn fill(&self, table: &mut Table) {
        table.row([&self.broker_name, &self.queue_id, &self.offset]);
    }
}

impl CloneGroupOffset {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let admin = &context.admin;
        let route = resolve::route(admin, &self.topic).await?;
        let clone = |address: String| async move {
            let stats = admin.consume_stats(&address, &self.source, Some(&self.topic)).await?;
            let mut cloned = Vec::new();
            for (queue, offsets) in stats.offset_table {
                // A queue that the group has not begun has nothing to copy.
                if offsets.consumer_offset >= 0 {
                    admin.commit_offset(&address, &self.destination, &queue, offsets.consumer_offset).await?;
                    cloned.push((queue, offsets.consumer_offset));
                }
            }
            Ok::<_, ClientError>(cloned)
        };
        let (answers, errors) = ask_each(resolve::route_brokers(route.data()), clone).await?;
        let row = |(queue, offset): (MessageQueue, i64)| Cloned {
            broker_name: queue.broker_name,
            queue_id: queue.queue_id,
            offset,
        };
        let mut rows: Vec<_> = answers.into_iter().flat_map(|(_, cloned)| cloned).map(row).collect();
        if rows.is_empty() && errors.is_empty() {
            return Err(Failure::Usage(format!("group {} has no offset in topic {}", self.source, self.topic)));
        }
        rows.sort_by(|a, b| (&a.broker_name, a.queue_id).cmp(&(&b.broker_name, b.queue_id)));
        let rows = Rows::new("queues", rows)
            .fact("srcGroup", "From group", self.source.as_str())
            .fact("destGroup", "To group", self.destination.as_str())
            .fact("topic", "Topic", self.topic.as_str());
        context.output.show_rows(rows.errors(errors))
    }
}
