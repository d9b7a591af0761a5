//! `consumerProgress`: how far a group is in each queue, or how far behind each group is.

use std::collections::BTreeMap;

use clap::Args;
use client::{Admin, ClientError};
use protocol::body::{ConsumeStats, ConsumeType, ConsumerConnection, ConsumerRunningInfo, MessageQueue};
use protocol::topic_name::{retry_group, retry_topic};
use serde::Serialize;

use super::Context;
use crate::brokers::{Place, ask_each};
use crate::client_version::ClientVersion;
use crate::concurrently::concurrently;
use crate::failure::{Failure, ServerError};
use crate::progress::Progress;
use crate::resolve;
use crate::rows::{Row, Rows};
use crate::silent_servers::SilentServers;
use crate::table::{Align, Table};
use crate::timestamp::Timestamp;

/// Show how far a consumer group is, or how far behind all are
#[derive(Debug, Args)]
pub(crate) struct ConsumerProgress {
    /// Only this group, queue by queue
    #[arg(short = 'g', long = "groupName", alias = "group-name", value_name = "GROUP")]
    group: Option<String>,
    /// Only this topic
    #[arg(short = 't', long = "topicName", alias = "topic-name", value_name = "TOPIC", requires = "group")]
    topic: Option<String>,
    /// Cluster, or parent of a light topic, by whose route the brokers are found
    #[arg(short = 'c', long, value_name = "NAME", requires = "group")]
    cluster: Option<String>,
    /// Whether to ask the group's members which of them has each queue
    #[arg(short = 's', long = "showClientIP", alias = "show-client-ip", value_name = "BOOL")]
    #[arg(default_value_t = false, action = clap::ArgAction::Set)]
    shows_clients: bool,
}

/// A group in one queue.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct QueueProgress {
    topic: String,
    broker_name: String,
    queue_id: i32,
    broker_offset: i64,
    consumer_offset: i64,
    #[serde(rename = "clientIP", skip_serializing_if = "Option::is_none")]
    client_ip: Option<String>,
    diff: i64,
    inflight: i64,
    last_timestamp: Timestamp,
}

impl Row for QueueProgress {
    const COLUMNS: &'static [(&'static str, Align)] = &[
        ("TOPIC", Align::Left),
        ("BROKER", Align::Left),
        ("QID", Align::Right),
        ("BROKER OFFSET", Align::Right),
        ("CONSUMER OFFSET", Align::Right),
        ("CLIENT IP", Align::Left),
        ("DIFF", Align::Right),
        ("INFLIGHT", Align::Right),
        ("LAST TIME", Align::Left),
    ];

    fn fill(&self, table: &mut Table) {
        table.row([
            &self.topic,
            &self.broker_name,
            &self.queue_id,
            &self.broker_offset,
            &self.consumer_offset,
            &self.client_ip.as_deref().unwrap_or_default(),
            &self.diff,
            &self.inflight,
            &self.last_timestamp,
        ]);
    }
}

/// A group as a whole.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupProgress {
    group: String,
    members: usize,
    version: Option<String>,
    consume_type: Option<&'static str>,
    message_model: Option<&'static str>,
    consume_tps: f64,
    diff_total: i64,
}

impl Row for GroupProgress {
    const COLUMNS: &'static [(&'static str, Align)] = &[
        ("GROUP", Align::Left),
        ("COUNT", Align::Right),
        ("VERSION", Align::Left),
        ("TYPE", Align::Left),
        ("MODEL", Align::Left),
        ("TPS", Align::Right),
        ("DIFF TOTAL", Align::Right),
    ];

    fn fill(&self, table: &mut Table) {
        table.row([
            &self.group,
            &self.members,
            &self.version.as_deref().unwrap_or("OFFLINE"),
            &self.consume_type.unwrap_or_default(),
            &self.message_model.unwrap_or_default(),
            &format!("{:.2}", self.consume_tps),
            &self.diff_total,
        ]);
    }
}

impl ConsumerProgress {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        match &self.group {
            Some(group) => self.one(context, group).await,
            None => all(context).await,
        }
    }

    async fn one(&self, context: &mut Context<'_>, group: &str) -> Result<(), Failure> {
        let admin = &context.admin;
        let places = match &self.cluster {
            Some(cluster) => resolve::route_brokers(resolve::route(admin, cluster).await?.data()),
            None => resolve::group_brokers(admin, group).await?,
        };
        let ask = |address: String| async move { admin.consume_stats(&address, group, self.topic.as_deref()).await };
        let (answers, errors) = ask_each(places.clone(), ask).await?;
        let clients = if self.shows_clients { queue_owners(admin, &places, group).await? } else { BTreeMap::new() };
        let consume_tps: f64 = answers.iter().map(|(_, stats)| stats.consume_tps).sum();
        let queues = queues(answers.into_iter().map(|(_, stats)| stats), &clients);
        let diff_total: i64 = queues.iter().map(|queue| queue.diff).sum();
        let inflight_total: i64 = queues.iter().map(|queue| queue.inflight).sum();
        let rows = Rows::new("queues", queues)
            .fact("group", "Group", group)
            .fact("consumeTps", "Consume TPS", consume_tps)
            .fact("diffTotal", "Diff total", diff_total)
            .fact("inflightTotal", "Inflight total", inflight_total);
        context.output.show_rows(rows.errors(errors))
    }
}

fn queues(stats: impl Iterator<Item = ConsumeStats>, clients: &BTreeMap<MessageQueue, String>) -> Vec<QueueProgress> {
    let merged: BTreeMap<_, _> = stats.flat_map(|stats| stats.offset_table).collect();
    merged
        .into_iter()
        .map(|(queue, offsets)| QueueProgress {
            client_ip: clients.get(&queue).cloned(),
            topic: queue.topic,
            broker_name: queue.broker_name,
            queue_id: queue.queue_id,
            broker_offset: offsets.broker_offset,
            consumer_offset: offsets.consumer_offset,
            diff: offsets.broker_offset - offsets.consumer_offset,
            inflight: offsets.pull_offset.max(offsets.consumer_offset) - offsets.consumer_offset,
            last_timestamp: Timestamp(offsets.last_timestamp),
        })
        .collect()
}

/// Which member has each queue, as the members say; one that does not answer has none.
async fn queue_owners(admin: &Admin, places: &[Place], group: &str) -> Result<BTreeMap<MessageQueue, String>, Failure> {
    let Some(place) = places.first() else { return Ok(BTreeMap::new()) };
    let Some(connection) = admin.consumer_connection(&place.broker_addr, group).await? else {
        return Ok(BTreeMap::new());
    };
    let ask = |client_id: String| async move {
        let info = admin.consumer_running_info(&place.broker_addr, group, &client_id, false).await.ok()?;
        let info = ConsumerRunningInfo::decode(&info).ok()?;
        // A client's id begins with its address.
        let ip = client_id.split('@').next().unwrap_or_default().to_owned();
        Some(info.mq_table.into_keys().map(move |queue| (queue, ip.clone())))
    };
    let ids = connection.connection_set.into_iter().map(|connection| connection.client_id);
    Ok(concurrently(ids.map(ask), |_| {}).await.into_iter().flatten().flatten().collect())
}

async fn all(context: &mut Context<'_>) -> Result<(), Failure> {
    let admin = &context.admin;
    let topics = admin.topic_list().await?.topic_list;
    let mut groups: Vec<_> = topics.iter().filter_map(|topic| retry_group(topic)).map(str::to_owned).collect();
    groups.sort_unstable();
    groups.dedup();
    let silent = SilentServers::default();
    let mut progress = Progress::new("groups", groups.len());
    let questions = groups.into_iter().map(|group| group_progress(admin, &silent, group));
    let results = concurrently(questions, |count| progress.done(count)).await;
    drop(progress);
    let rows = results.into_iter().collect::<Result<Vec<_>, ClientError>>()?;
    let mut rows: Vec<_> = rows.into_iter().flatten().collect();
    // Who is farthest behind is what is looked for.
    rows.sort_by_key(|row| -row.diff_total);
    let errors: Vec<ServerError> = silent.into_errors();
    context.output.show_rows(Rows::new("groups", rows).errors(errors))
}

async fn group_progress(
    admin: &Admin,
    silent: &SilentServers,
    group: String,
) -> Result<Option<GroupProgress>, ClientError> {
    let places = match admin.topic_route(&retry_topic(&group)).await {
        Ok(route) => resolve::route_brokers(&route),
        // Deleted between the list and this question.
        Err(ClientError::NoRoute { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let (mut consume_tps, mut diff_total) = (0.0, 0);
    let mut connection = None;
    for place in &places {
        let address = &place.broker_addr;
        let Some(stats) = silent.ask(address, || admin.consume_stats(address, &group, None)).await else { continue };
        consume_tps += stats.consume_tps;
        let diffs = stats.offset_table.values().map(|offsets| offsets.broker_offset - offsets.consumer_offset);
        diff_total += diffs.sum::<i64>();
        if connection.is_none() {
            connection = silent.ask(address, || admin.consumer_connection(address, &group)).await.flatten();
        }
    }
    Ok(Some(GroupProgress::new(group, connection.as_ref(), consume_tps, diff_total)))
}

impl GroupProgress {
    fn new(group: String, connection: Option<&ConsumerConnection>, consume_tps: f64, diff_total: i64) -> Self {
        // The oldest member decides what the group can do.
        let version = connection.and_then(|of| of.connection_set.iter().map(|member| member.version).min());
        Self {
            group,
            members: connection.map_or(0, |of| of.connection_set.len()),
            version: version.map(|version| ClientVersion(version).to_string()),
            consume_type: connection.map(|of| how(of.consume_type)),
            message_model: connection.map(|of| of.message_model.name()),
            consume_tps,
            diff_total,
        }
    }
}

fn how(consume_type: ConsumeType) -> &'static str {
    match consume_type {
        ConsumeType::Actively => "PULL",
        ConsumeType::Passively => "PUSH",
        ConsumeType::Pop => "POP",
    }
}
