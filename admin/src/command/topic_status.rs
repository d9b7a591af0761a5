//! `topicStatus`: the range of every queue of a topic.

use std::fmt;

use clap::Args;
use protocol::ResponseCode;
use serde::Serialize;

use super::Context;
use crate::failure::Failure;
use crate::resolve;
use crate::table::{Align, Table};
use crate::timestamp::Timestamp;

/// Show the range of every queue of a topic
#[derive(Debug, Args)]
pub(crate) struct TopicStatus {
    /// Topic
    #[arg(short = 't', long, value_name = "TOPIC")]
    topic: String,
    /// Cluster, or parent of a light topic, by whose route the brokers are found
    #[arg(short = 'c', long, value_name = "NAME")]
    cluster: Option<String>,
}

/// The queues, by broker and id.
#[derive(Debug, Serialize)]
struct Status {
    topic: String,
    queues: Vec<Queue>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
struct Queue {
    broker_name: String,
    queue_id: i32,
    min_offset: i64,
    max_offset: i64,
    last_update_timestamp: Timestamp,
}

impl TopicStatus {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let route = resolve::route(&context.admin, self.cluster.as_ref().unwrap_or(&self.topic)).await?;
        let masters = route.data().queue_datas.iter().filter_map(|queue| route.master_address(&queue.broker_name));
        let mut queues = Vec::new();
        for address in masters {
            let stats = match context.admin.topic_stats(address, &self.topic).await {
                Ok(stats) => stats,
                Err(error) if error.response_code() == Some(ResponseCode::TOPIC_NOT_EXIST) => continue,
                Err(error) => return Err(error.into()),
            };
            queues.extend(stats.offset_table.into_iter().map(|(queue, offsets)| Queue {
                broker_name: queue.broker_name,
                queue_id: queue.queue_id,
                min_offset: offsets.min_offset,
                max_offset: offsets.max_offset,
                last_update_timestamp: Timestamp(offsets.last_update_timestamp),
            }));
        }
        if queues.is_empty() {
            return Err(resolve::unknown_topic(&context.admin, &self.topic).await);
        }
        queues.sort_unstable();
        context.output.show(&Status { topic: self.topic.clone(), queues })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(&[
            ("BROKER", Align::Left),
            ("QID", Align::Right),
            ("MIN OFFSET", Align::Right),
            ("MAX OFFSET", Align::Right),
            ("MESSAGES", Align::Right),
            ("LAST UPDATED", Align::Left),
        ]);
        for queue in &self.queues {
            table.row([
                &queue.broker_name,
                &queue.queue_id,
                &queue.min_offset,
                &queue.max_offset,
                &queue.max_offset.saturating_sub(queue.min_offset),
                &queue.last_update_timestamp,
            ]);
        }
        table.fmt(f)
    }
}
