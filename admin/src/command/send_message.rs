//! `sendMessage`: send one message.

use std::fmt;
use std::time::{Duration, Instant};

use clap::Args;
use client::{MASTER_ID, Message, MessageQueue, Producer, SendResult, WithCauses};
use protocol::topic_name::TRACE_TOPIC;
use serde::Serialize;

use super::Context;
use crate::failure::Failure;
use crate::message_trace::Published;
use crate::resolve;
use crate::table::{Align, Table};
use crate::timestamp::Timestamp;

/// Producer group of the original mqadmin.
const GROUP: &str = "PID_SMC";

/// Send one message
#[derive(Debug, Args)]
pub(crate) struct SendMessage {
    /// Topic
    #[arg(short = 't', long, value_name = "TOPIC")]
    topic: String,
    /// Body, as text
    #[arg(short = 'p', long, value_name = "TEXT", allow_hyphen_values = true)]
    body: String,
    /// Keys to find it by, separated by blanks
    #[arg(short = 'k', long = "key", alias = "keys", value_name = "KEYS")]
    keys: Option<String>,
    /// Tag
    #[arg(short = 'c', long, value_name = "TAG")]
    tags: Option<String>,
    /// Broker to send it to, by name
    #[arg(short = 'b', long, value_name = "BROKER")]
    broker: Option<String>,
    /// Queue to send it to
    #[arg(short = 'i', long = "qid", value_name = "ID", requires = "broker")]
    queue_id: Option<i32>,
    /// Whether to write its trace, as clients do that trace
    #[arg(
        short = 'm',
        long = "msgTraceEnable",
        alias = "msg-trace-enable",
        value_name = "BOOL",
        default_value_t = false
    )]
    #[arg(action = clap::ArgAction::Set)]
    trace: bool,
}

/// Where the message is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    topic: String,
    broker_name: String,
    queue_id: i32,
    queue_offset: i64,
    send_status: &'static str,
    msg_id: String,
    offset_msg_id: String,
}

impl SendMessage {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let mut message = Message::new(&self.topic, self.body.clone());
        message.keys.clone_from(&self.keys);
        message.tags.clone_from(&self.tags);
        let producer = Producer::new(&context.client, GROUP);
        let (at, start) = (Timestamp::now(), Instant::now());
        let result = match &self.broker {
            None => producer.send(&message).await,
            Some(broker) => producer.send_to(&message, &self.queue(context, &producer, broker).await?).await,
        };
        match result {
            Ok(result) => {
                let traced = match self.trace {
                    true => self.write_trace(context, &producer, &result, (at, start.elapsed())).await,
                    false => Ok(()),
                };
                context.output.show(&Sent::from(result))?;
                traced
            }
            Err(error) => Err(resolve::or_unknown_topic(&context.admin, &self.topic, error).await),
        }
    }

    /// What is asked for by a message's id or keys has these as its own keys.
    async fn write_trace(
        &self,
        context: &Context<'_>,
        producer: &Producer,
        sent: &SendResult,
        (at, took): (Timestamp, Duration),
    ) -> Result<(), Failure> {
        let keys = self.keys.as_deref().unwrap_or_default();
        let route = context.client.route(&sent.queue.topic).await?;
        let entry = Published {
            at,
            group: GROUP,
            topic: &self.topic,
            msg_id: &sent.msg_id,
            tags: self.tags.as_deref().unwrap_or_default(),
            keys,
            broker: route.replica_address(&sent.queue.broker_name, MASTER_ID).unwrap_or_default(),
            body_bytes: self.body.len(),
            cost_ms: i64::try_from(took.as_millis()).unwrap_or(i64::MAX),
            offset_msg_id: &sent.offset_msg_id,
        };
        let trace = Message::new(TRACE_TOPIC, entry.entry()).keys(format!("{} {keys}", sent.msg_id).trim_end());
        match producer.send(&trace).await {
            Ok(_) => Ok(()),
            Err(error) => Err(Failure::Unready {
                what: "the message was sent, and its trace was not:".to_owned(),
                reasons: vec![WithCauses(&error).to_string()],
            }),
        }
    }

    async fn queue(&self, context: &Context<'_>, producer: &Producer, broker: &str) -> Result<MessageQueue, Failure> {
        let queues = match producer.queues(&self.topic).await {
            Ok(queues) => queues,
            Err(error) => return Err(resolve::or_unknown_topic(&context.admin, &self.topic, error).await),
        };
        let mut matching = resolve::select_queues(&self.topic, &queues, Some(broker), self.queue_id)?;
        // A broker name alone leaves the queue open: any will do.
        Ok(matching.swap_remove(0))
    }
}

impl From<SendResult> for Sent {
    fn from(result: SendResult) -> Self {
        Self {
            topic: result.queue.topic,
            broker_name: result.queue.broker_name,
            queue_id: result.queue.queue_id,
            queue_offset: result.queue_offset,
            send_status: result.status.name(),
            msg_id: result.msg_id,
            offset_msg_id: result.offset_msg_id,
        }
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(&[
            ("BROKER", Align::Left),
            ("QID", Align::Right),
            ("OFFSET", Align::Right),
            ("RESULT", Align::Left),
            ("MSG ID", Align::Left),
            ("OFFSET MSG ID", Align::Left),
        ]);
        table.row([
            &self.broker_name,
            &self.queue_id,
            &self.queue_offset,
            &self.send_status,
            &self.msg_id,
            &self.offset_msg_id,
        ]);
        table.fmt(f)
    }
}
