//! `queryMsgByOffset`: the message at an offset of a queue.

use std::fmt;

use clap::Args;
use client::{Consumer, Filter};
use serde::Serialize;

use super::Context;
use crate::failure::Failure;
use crate::message_view::{BodyFormat, MessageView};
use crate::resolve;

/// Consumer group of the original mqadmin for looking at messages.
pub(super) const TOOLS_GROUP: &str = "TOOLS_CONSUMER";

/// Show the message at an offset of a queue
#[derive(Debug, Args)]
pub(crate) struct QueryMsgByOffset {
    /// Topic
    #[arg(short = 't', long, value_name = "TOPIC")]
    topic: String,
    /// Broker, by name
    #[arg(short = 'b', long = "brokerName", alias = "broker-name", value_name = "BROKER")]
    broker_name: String,
    /// Queue
    #[arg(short = 'i', long = "queueId", alias = "queue-id", value_name = "ID")]
    queue_id: i32,
    /// Queue offset
    #[arg(short = 'o', long, value_name = "OFFSET")]
    offset: i64,
    /// How to show the body
    #[arg(short = 'f', long = "bodyFormat", alias = "body-format", value_name = "FORMAT", default_value = "UTF-8")]
    body_format: BodyFormat,
}

#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Message(MessageView);

impl QueryMsgByOffset {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let route = resolve::route(&context.admin, &self.topic).await?;
        let (broker, id) = (Some(self.broker_name.as_str()), Some(self.queue_id));
        let queue = resolve::select_queues(&self.topic, route.readable_queues(), broker, id)?.remove(0);
        let consumer = Consumer::new(&context.client, TOOLS_GROUP);
        let result = consumer.pull(&queue, self.offset, 1, &Filter::all()).await?;
        match result.messages().iter().find(|message| message.queue_offset == self.offset) {
            Some(message) => context.output.show(&Message(MessageView::new(message, self.body_format))),
            None => Err(Failure::Usage(format!(
                "topic {} queue {} on {} has no message at offset {}",
                self.topic, self.queue_id, self.broker_name, self.offset
            ))),
        }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.facts().fmt(f)
    }
}
