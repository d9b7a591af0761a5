//! `printMsg` and `printMsgByQueue`: all messages of a topic or of a queue, as they are read.

use std::collections::BTreeMap;

use clap::Args;
use client::{Consumer, Filter, MessageQueue, PullResult, ReceivedMessage};
use serde::Serialize;

use super::Context;
use super::query_msg_by_offset::TOOLS_GROUP;
use crate::failure::Failure;
use crate::message_view::{BodyFormat, MESSAGE_COLUMNS, MessageView};
use crate::progress::Progress;
use crate::resolve;
use crate::rows::{Row, Rows};
use crate::table::{Align, Table};
use crate::timestamp::Timestamp;

/// Messages asked for at once; brokers give no more.
const PULL_COUNT_MAX: i32 = 32;

/// Show all messages of a topic; consumeMessage shows a part
#[derive(Debug, Args)]
pub(crate) struct PrintMsg {
    /// Topic
    #[arg(short = 't', long, value_name = "TOPIC")]
    topic: String,
    #[command(flatten)]
    wanted: Wanted,
    /// Whether to show bodies
    #[arg(short = 'd', long = "printBody", alias = "print-body", value_name = "BOOL", default_value_t = true)]
    #[arg(action = clap::ArgAction::Set)]
    shows_body: bool,
    /// Parent of a light topic, by whose route the brokers are found; accepted for scripts of the original
    #[arg(short = 'l', long = "lmqParentTopic", alias = "lmq-parent-topic", value_name = "TOPIC")]
    parent: Option<String>,
}

/// Show all messages of a queue, or count them by tag
#[derive(Debug, Args)]
pub(crate) struct PrintMsgByQueue {
    /// Topic
    #[arg(short = 't', long, value_name = "TOPIC")]
    topic: String,
    /// Broker, by name
    #[arg(short = 'a', long = "brokerName", alias = "broker-name", value_name = "BROKER")]
    broker_name: String,
    /// Queue
    #[arg(short = 'i', long = "queueId", alias = "queue-id", value_name = "ID")]
    queue_id: i32,
    #[command(flatten)]
    wanted: Wanted,
    /// Whether to show messages
    #[arg(short = 'p', long = "printMsg", alias = "print-msg", value_name = "BOOL", default_value_t = false)]
    #[arg(action = clap::ArgAction::Set)]
    shows_messages: bool,
    /// Whether to show bodies
    #[arg(short = 'd', long = "printBody", alias = "print-body", value_name = "BOOL", default_value_t = false)]
    #[arg(action = clap::ArgAction::Set)]
    shows_body: bool,
    /// Whether to count messages by tag
    #[arg(short = 'f', long, value_name = "BOOL", default_value_t = false, action = clap::ArgAction::Set)]
    calculate: bool,
}

/// Which messages, and how.
#[derive(Debug, Args)]
struct Wanted {
    /// How to read bodies
    #[arg(short = 'c', long = "charsetName", alias = "charset-name", value_name = "FORMAT", default_value = "UTF-8")]
    body_format: BodyFormat,
    /// Only messages with these tags, as in TagA || TagB
    #[arg(short = 's', long = "subExpression", alias = "sub-expression", value_name = "TAGS", default_value = "*")]
    expression: String,
    /// Only messages stored from then on: ms since 1970, or yyyy-MM-dd#HH:mm:ss:SSS
    #[arg(short = 'b', long = "beginTimestamp", alias = "begin-timestamp", value_name = "TIME")]
    #[arg(allow_negative_numbers = true)]
    begin: Option<Timestamp>,
    /// Only messages stored up to then
    #[arg(short = 'e', long = "endTimestamp", alias = "end-timestamp", value_name = "TIME")]
    #[arg(allow_negative_numbers = true)]
    end: Option<Timestamp>,
}

/// A message, and what of it is shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Printed {
    broker_name: String,
    #[serde(flatten)]
    message: MessageView,
}

impl Row for Printed {
    const COLUMNS: &'static [(&'static str, Align)] = MESSAGE_COLUMNS;

    fn fill(&self, table: &mut Table) {
        self.message.fill(&self.broker_name, table);
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TagCount {
    tag: String,
    messages: u64,
}

impl Row for TagCount {
    const COLUMNS: &'static [(&'static str, Align)] = &[("TAG", Align::Left), ("MESSAGES", Align::Right)];

    fn fill(&self, table: &mut Table) {
        table.row([&self.tag, &self.messages]);
    }
}

impl PrintMsg {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let route = resolve::route(&context.admin, self.parent.as_ref().unwrap_or(&self.topic)).await?;
        let queues = route.readable_queues().to_vec();
        let mut messages = Vec::new();
        let mut progress = Progress::new("queues", queues.len());
        for (index, queue) in queues.iter().enumerate() {
            progress.done(index);
            self.wanted.read(context, queue, |message| messages.push((queue.broker_name.clone(), message))).await?;
        }
        drop(progress);
        let printed = messages.iter().map(|(broker, message)| self.wanted.printed(broker, message, self.shows_body));
        context.output.show_rows(Rows::new("messages", printed.collect()))
    }
}

impl PrintMsgByQueue {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let route = resolve::route(&context.admin, &self.topic).await?;
        let (broker, id) = (Some(self.broker_name.as_str()), Some(self.queue_id));
        let queue = resolve::select_queues(&self.topic, route.readable_queues(), broker, id)?.remove(0);
        let (mut messages, mut tags, mut count) = (Vec::new(), BTreeMap::<String, u64>::new(), 0_u64);
        let mut take = |message: ReceivedMessage| {
            count += 1;
            *tags.entry(message.tags().unwrap_or_default().to_owned()).or_default() += 1;
            if self.shows_messages {
                messages.push(message);
            }
        };
        self.wanted.read(context, &queue, &mut take).await?;
        if self.calculate {
            let rows = tags.into_iter().map(|(tag, messages)| TagCount { tag, messages }).collect();
            let rows: Rows<TagCount> = Rows::new("tags", rows).fact("messageCount", "Messages", count);
            context.output.show_rows(rows)?;
        }
        if self.shows_messages || !self.calculate {
            let printed = messages.iter().map(|of| self.wanted.printed(&self.broker_name, of, self.shows_body));
            let rows = Rows::new("messages", printed.collect()).fact("messageCount", "Messages", count);
            context.output.show_rows(rows)?;
        }
        Ok(())
    }
}

impl Wanted {
    fn printed(&self, broker_name: &str, message: &ReceivedMessage, shows_body: bool) -> Printed {
        let mut message = MessageView::new(message, self.body_format);
        if !shows_body {
            message.body = None;
        }
        Printed { broker_name: broker_name.to_owned(), message }
    }

    /// Reads a queue up to where it ends now; what arrives meanwhile is left alone.
    async fn read(
        &self,
        context: &Context<'_>,
        queue: &MessageQueue,
        mut take: impl FnMut(ReceivedMessage),
    ) -> Result<(), Failure> {
        let filter = Filter::tags(&self.expression).map_err(|error| Failure::Usage(format!("-s: {error}")))?;
        let consumer = Consumer::new(&context.client, TOOLS_GROUP);
        let mut offset = match self.begin {
            Some(begin) => consumer.offset_at(queue, begin.0).await?,
            None => consumer.min_offset(queue).await?,
        };
        let end = match self.end {
            // The first message after the last wanted millisecond.
            Some(end) => consumer.offset_at(queue, end.0.saturating_add(1)).await?,
            None => consumer.max_offset(queue).await?,
        };
        while offset < end {
            let result = consumer.pull(queue, offset, PULL_COUNT_MAX, &filter).await?;
            let next_offset = result.next_offset();
            if let PullResult::NoNewMessage { .. } = result {
                break;
            }
            result.messages().iter().filter(|message| message.queue_offset < end).cloned().for_each(&mut take);
            if next_offset <= offset {
                break;
            }
            offset = next_offset;
        }
        Ok(())
    }
}
