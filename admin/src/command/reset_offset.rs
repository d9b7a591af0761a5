//! `resetOffsetByTime` and `skipAccumulatedMessage`: where a group continues.

use std::collections::BTreeMap;

use clap::Args;
use client::{Admin, ClientError, Consumer, MessageQueue, OffsetReset, TopicRoute};
use protocol::ResponseCode;
use serde::Serialize;

use super::Context;
use crate::brokers::{Place, ask_each};
use crate::failure::Failure;
use crate::resolve;
use crate::rows::{Row, Rows};
use crate::table::{Align, Table};
use crate::timestamp::Timestamp;

/// The time that means "behind the last message".
const END: i64 = -1;

/// Set where a consumer group continues, by time or offset, whether its members run or not
#[derive(Debug, Args)]
pub(crate) struct ResetOffsetByTime {
    /// Consumer group
    #[arg(short = 'g', long, value_name = "GROUP")]
    group: String,
    /// Topic
    #[arg(short = 't', long, value_name = "TOPIC")]
    topic: String,
    /// First message stored from then on: now, ms since 1970, or yyyy-MM-dd#HH:mm:ss:SSS; -1 is the end
    #[arg(short = 's', long, value_name = "TIME", allow_negative_numbers = true)]
    timestamp: Timestamp,
    /// Whether it may go forward, past messages that are not consumed yet
    #[arg(short = 'f', long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    force: bool,
    /// Only this broker, by address
    #[arg(short = 'b', long, value_name = "HOST:PORT", requires = "queue")]
    broker: Option<String>,
    /// Only this queue
    #[arg(short = 'q', long, value_name = "ID", requires = "broker")]
    queue: Option<i32>,
    /// This queue offset instead of the time
    #[arg(short = 'o', long, value_name = "OFFSET", requires = "queue")]
    offset: Option<i64>,
    /// Cluster, or parent of a light topic, by whose route the brokers are found
    #[arg(short = 'c', long, value_name = "NAME")]
    cluster: Option<String>,
}

/// Have a consumer group continue behind the last message
#[derive(Debug, Args)]
pub(crate) struct SkipAccumulatedMessage {
    /// Consumer group
    #[arg(short = 'g', long, value_name = "GROUP")]
    group: String,
    /// Topic
    #[arg(short = 't', long, value_name = "TOPIC")]
    topic: String,
    /// Whether it may go forward, past messages that are not consumed yet
    #[arg(short = 'f', long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    force: bool,
    /// Cluster, or parent of a light topic, by whose route the brokers are found
    #[arg(short = 'c', long, value_name = "NAME")]
    cluster: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NewOffset {
    broker_name: String,
    queue_id: i32,
    offset: i64,
}

impl Row for NewOffset {
    const COLUMNS: &'static [(&'static str, Align)] =
        &[("BROKER", Align::Left), ("QID", Align::Right), ("OFFSET", Align::Right)];

    fn fill(&self, table: &mut Table) {
        table.row([&self.broker_name, &self.queue_id, &self.offset]);
    }
}

impl ResetOffsetByTime {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let reset = OffsetReset {
            topic: &self.topic,
            group: &self.group,
            timestamp: self.timestamp.0,
            is_forced: self.force,
            queue_id: self.queue,
            offset: self.offset,
        };
        run(context, reset, self.broker.as_deref(), self.cluster.as_deref()).await
    }
}

impl SkipAccumulatedMessage {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let (topic, group) = (self.topic.as_str(), self.group.as_str());
        let reset = OffsetReset { topic, group, timestamp: END, is_forced: self.force, queue_id: None, offset: None };
        run(context, reset, None, self.cluster.as_deref()).await
    }
}

async fn run(
    context: &mut Context<'_>,
    reset: OffsetReset<'_>,
    broker: Option<&str>,
    cluster: Option<&str>,
) -> Result<(), Failure> {
    let admin = &context.admin;
    let route = &resolve::route(admin, cluster.unwrap_or(reset.topic)).await?;
    let mut places = resolve::route_brokers(route.data());
    if let Some(broker) = broker {
        let known: Vec<_> = places.iter().map(|place| place.broker_addr.clone()).collect();
        places.retain(|place| place.broker_addr == broker);
        if places.is_empty() {
            let known = known.join(", ");
            return Err(Failure::Usage(format!(
                "broker {broker} does not have topic {}; brokers: {known}",
                reset.topic
            )));
        }
    }
    let consumer = &Consumer::new(&context.client, reset.group);
    let ask = |address: String| async move {
        match admin.reset_offset(&address, reset).await {
            Ok(offsets) => Ok(offsets.offset_table),
            // It leaves the reset to members, and there are none: the offsets are ours to set.
            Err(error) if error.response_code() == Some(ResponseCode::CONSUMER_NOT_ONLINE) => {
                set_offsets(admin, consumer, route, &address, reset).await
            }
            Err(error) => Err(error),
        }
    };
    let (answers, errors) = match ask_each(places, ask).await {
        Err(Failure::Client(error)) if error.response_code() == Some(ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST) => {
            // The brokers of the group are none: looking for them says which group was probably meant.
            return Err(resolve::group_brokers(admin, reset.group).await.err().unwrap_or(Failure::Client(error)));
        }
        other => other?,
    };
    let merged: BTreeMap<_, _> =
        answers.into_iter().flat_map(|(_, offsets): (Place, BTreeMap<MessageQueue, i64>)| offsets).collect();
    let row = |(queue, offset): (MessageQueue, i64)| NewOffset {
        broker_name: queue.broker_name,
        queue_id: queue.queue_id,
        offset,
    };
    let rows = Rows::new("queues", merged.into_iter().map(row).collect()).fact("group", "Group", reset.group).fact(
        "topic",
        "Topic",
        reset.topic,
    );
    context.output.show_rows(rows.errors(errors))
}

/// What a broker would have done, for the queues of one broker.
async fn set_offsets(
    admin: &Admin,
    consumer: &Consumer,
    route: &TopicRoute,
    address: &str,
    reset: OffsetReset<'_>,
) -> Result<BTreeMap<MessageQueue, i64>, ClientError> {
    let is_here = |queue: &&MessageQueue| route.replica_address(&queue.broker_name, 0) == Some(address);
    let is_wanted = |queue: &&MessageQueue| reset.queue_id.is_none_or(|id| id == queue.queue_id);
    let mut offsets = BTreeMap::new();
    for queue in route.readable_queues().iter().filter(is_here).filter(is_wanted) {
        let mut offset = match (reset.offset, reset.timestamp) {
            (Some(offset), _) => offset,
            (None, END) => consumer.max_offset(queue).await?,
            (None, timestamp) => consumer.offset_at(queue, timestamp).await?,
        };
        if !reset.is_forced
            && let Some(known) = consumer.consumer_offset(queue).await?
        {
            offset = offset.min(known);
        }
        admin.commit_offset(address, reset.group, queue, offset).await?;
        offsets.insert(queue.clone(), offset);
    }
    Ok(offsets)
}
