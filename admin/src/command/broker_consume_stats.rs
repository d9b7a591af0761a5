//! `brokerConsumeStats`: how far all groups of a broker are.

use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::Context;
use crate::failure::Failure;
use crate::rows::{Row, Rows};
use crate::table::{Align, Table};
use crate::timestamp::Timestamp;

/// Show how far all consumer groups of a broker are
#[derive(Debug, Args)]
pub(crate) struct BrokerConsumeStats {
    /// Broker
    #[arg(short = 'b', long = "brokerAddr", alias = "broker-addr", value_name = "HOST:PORT")]
    broker_address: String,
    /// How long to wait for the broker
    #[arg(short = 't', long = "timeoutMillis", alias = "timeout-millis", value_name = "MS", default_value_t = 50_000)]
    timeout_ms: u64,
    /// Only queues that a group is behind in by so many messages
    #[arg(short = 'l', long = "level", value_name = "COUNT", default_value_t = 0)]
    diff_min: i64,
    /// Only ordered topics
    #[arg(short = 'o', long, value_name = "BOOL", default_value_t = false, action = clap::ArgAction::Set)]
    order: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct QueueStats {
    topic: String,
    group: String,
    broker_name: String,
    queue_id: i32,
    broker_offset: i64,
    consumer_offset: i64,
    diff: i64,
    last_timestamp: Timestamp,
}

impl Row for QueueStats {
    const COLUMNS: &'static [(&'static str, Align)] = &[
        ("TOPIC", Align::Left),
        ("GROUP", Align::Left),
        ("BROKER", Align::Left),
        ("QID", Align::Right),
        ("BROKER OFFSET", Align::Right),
        ("CONSUMER OFFSET", Align::Right),
        ("DIFF", Align::Right),
        ("LAST TIME", Align::Left),
    ];

    fn fill(&self, table: &mut Table) {
        table.row([
            &self.topic,
            &self.group,
            &self.broker_name,
            &self.queue_id,
            &self.broker_offset,
            &self.consumer_offset,
            &self.diff,
            &self.last_timestamp,
        ]);
    }
}

impl BrokerConsumeStats {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let deadline = Duration::from_millis(self.timeout_ms);
        let list = context.admin.broker_consume_stats(&self.broker_address, self.order, deadline).await?;
        let mut rows = Vec::new();
        for (group, stats) in list.consume_stats_list.into_iter().flatten() {
            for (queue, offsets) in stats.into_iter().flat_map(|stats| stats.offset_table) {
                let diff = offsets.broker_offset - offsets.consumer_offset;
                if diff < self.diff_min {
                    continue;
                }
                rows.push(QueueStats {
                    topic: queue.topic,
                    group: group.clone(),
                    broker_name: queue.broker_name,
                    queue_id: queue.queue_id,
                    broker_offset: offsets.broker_offset,
                    consumer_offset: offsets.consumer_offset,
                    diff,
                    last_timestamp: Timestamp(offsets.last_timestamp),
                });
            }
        }
        rows.sort_by(|a, b| (&a.topic, &a.group, a.queue_id).cmp(&(&b.topic, &b.group, b.queue_id)));
        context.output.show_rows(Rows::new("queues", rows).fact("diffTotal", "Diff total", list.total_diff))
    }
}
