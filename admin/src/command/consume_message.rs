//! `consumeMessage`: show messages of a topic. Nothing is committed, so nobody misses them.

use std::fmt;

use clap::Args;
use client::{Consumer, Filter, MessageQueue, PullResult};
use serde::Serialize;

use super::Context;
use crate::failure::Failure;
use crate::message_view::{BodyFormat, MESSAGE_COLUMNS, MessageView};
use crate::resolve;
use crate::table::Table;
use crate::timestamp::Timestamp;

/// Messages asked for at once; brokers give no more.
const PULL_COUNT_MAX: i32 = 32;

/// Show messages of a topic
#[derive(Debug, Args)]
pub(crate) struct ConsumeMessage {
    /// Topic
    #[arg(short = 't', long, value_name = "TOPIC")]
    topic: String,
    /// Only this broker's queues
    #[arg(short = 'b', long = "brokerName", alias = "broker-name", value_name = "BROKER")]
    broker_name: Option<String>,
    /// Only this queue
    #[arg(short = 'i', long = "queueId", alias = "queue-id", value_name = "ID", requires = "broker_name")]
    queue_id: Option<i32>,
    /// Queue offset to begin at
    #[arg(short = 'o', long, value_name = "OFFSET", requires = "queue_id")]
    offset: Option<i64>,
    /// Consumer group
    #[arg(short = 'g', long = "consumerGroup", alias = "consumer-group", value_name = "GROUP")]
    #[arg(default_value = "TOOLS_CONSUMER")]
    group: String,
    /// Only messages stored from then on: ms since 1970, or yyyy-MM-dd#HH:mm:ss:SSS
    #[arg(short = 's', long = "beginTimestamp", alias = "begin-timestamp", value_name = "TIME")]
    #[arg(conflicts_with = "offset", allow_negative_numbers = true)]
    begin: Option<Timestamp>,
    /// Only messages stored up to then
    #[arg(short = 'e', long = "endTimestamp", alias = "end-timestamp", value_name = "TIME")]
    #[arg(allow_negative_numbers = true)]
    end: Option<Timestamp>,
    /// Messages to show at most
    #[arg(short = 'c', long = "MessageNumber", alias = "message-number", value_name = "COUNT", default_value_t = 128)]
    #[arg(value_parser = clap::value_parser!(i64).range(1..))]
    count_max: i64,
}

/// What was found, queue by queue.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Consumed {
    topic: String,
    messages: Vec<Found>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    broker_name: String,
    #[serde(flatten)]
    message: MessageView,
}

impl ConsumeMessage {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        if self.begin.zip(self.end).is_some_and(|(begin, end)| begin > end) {
            return Err(Failure::Usage("-s is later than -e: no message can be between them".to_owned()));
        }
        let route = resolve::route(&context.admin, &self.topic).await?;
        let queues =
            resolve::select_queues(&self.topic, route.readable_queues(), self.broker_name.as_deref(), self.queue_id)?;
        let consumer = Consumer::new(&context.client, &self.group);
        let mut messages = Vec::new();
        for queue in &queues {
            if self.missing(&messages) == 0 {
                break;
            }
            self.read(&consumer, queue, &mut messages).await?;
        }
        context.output.show(&Consumed { topic: self.topic.clone(), messages })
    }

    fn missing(&self, messages: &[Found]) -> i64 {
        self.count_max - i64::try_from(messages.len()).unwrap_or(i64::MAX)
    }

    /// Reads one queue from where it begins up to where it ends now; what arrives meanwhile is left alone.
    async fn read(&self, consumer: &Consumer, queue: &MessageQueue, into: &mut Vec<Found>) -> Result<(), Failure> {
        let mut offset = match (self.offset, self.begin) {
            (Some(offset), _) => offset,
            (None, Some(begin)) => consumer.offset_at(queue, begin.0).await?,
            (None, None) => consumer.min_offset(queue).await?,
        };
        let end = match self.end {
            // The first message after the last wanted millisecond.
            Some(end) => consumer.offset_at(queue, end.0.saturating_add(1)).await?,
            None => consumer.max_offset(queue).await?,
        };
        while offset < end && self.missing(into) > 0 {
            let count = self.missing(into).min(end - offset).min(i64::from(PULL_COUNT_MAX)) as i32;
            let result = consumer.pull(queue, offset, count, &Filter::all()).await?;
            let next_offset = result.next_offset();
            if let PullResult::NoNewMessage { .. } = result {
                break;
            }
            // A broker is free to give more than it was asked for.
            let wanted = result.messages().iter().filter(|message| message.queue_offset < end).take(count as usize);
            into.extend(wanted.map(|message| Found {
                broker_name: queue.broker_name.clone(),
                message: MessageView::new(message, BodyFormat::default()),
            }));
            if next_offset <= offset {
                break;
            }
            offset = next_offset;
        }
        Ok(())
    }
}

impl fmt::Display for Consumed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(MESSAGE_COLUMNS);
        for Found { broker_name, message } in &self.messages {
            message.fill(broker_name, &mut table);
        }
        table.fmt(f)
    }
}
