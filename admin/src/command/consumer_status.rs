//! `consumerStatus`: what the members of a group say about themselves.

use std::collections::BTreeSet;
use std::fmt;

use clap::Args;
use client::WithCauses;
use protocol::body::{Connection, ConsumerRunningInfo};
use serde::Serialize;
use serde_json::value::RawValue;

use super::Context;
use crate::client_version::ClientVersion;
use crate::concurrently::concurrently;
use crate::fact_list::FactList;
use crate::failure::Failure;
use crate::resolve;
use crate::table::{Align, Table};
use crate::timestamp::Timestamp;

/// Show what the members of a consumer group say about themselves: queues, rates, settings
#[derive(Debug, Args)]
pub(crate) struct ConsumerStatus {
    /// Consumer group
    #[arg(short = 'g', long = "consumerGroup", alias = "consumer-group", value_name = "GROUP")]
    group: String,
    /// Only this member
    #[arg(short = 'i', long = "clientId", alias = "client-id", value_name = "CLIENT ID")]
    client_id: Option<String>,
    /// Ask this broker, else one of the group's
    #[arg(short = 'b', long = "brokerAddr", alias = "broker-addr", value_name = "HOST:PORT")]
    broker_address: Option<String>,
    /// Also the stacks of its threads
    #[arg(short = 's', long)]
    jstack: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Members {
    group: String,
    /// Whether all members listen to the same.
    same_subscriptions: bool,
    members: Vec<Member>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Member {
    client_id: String,
    client_addr: String,
    version: String,
    /// As the member says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    running_info: Option<Box<RawValue>>,
    /// Why it says nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip)]
    info: Option<ConsumerRunningInfo>,
}

impl ConsumerStatus {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let admin = &context.admin;
        let address = match &self.broker_address {
            Some(address) => address.clone(),
            None => {
                let place = resolve::group_brokers(admin, &self.group).await?.into_iter().next();
                place.ok_or_else(|| self.offline())?.broker_addr
            }
        };
        let connection = admin.consumer_connection(&address, &self.group).await?.ok_or_else(|| self.offline())?;
        let mut connections = connection.connection_set;
        connections.sort_by(|a, b| a.client_id.cmp(&b.client_id));
        if let Some(client_id) = &self.client_id {
            let known: Vec<_> = connections.iter().map(|member| member.client_id.clone()).collect();
            connections.retain(|member| member.client_id == *client_id);
            if connections.is_empty() {
                let known = known.join(", ");
                return Err(Failure::Usage(format!("{client_id} is no member of {}; members: {known}", self.group)));
            }
        }
        let (address, group) = (&address, &self.group);
        let ask = |connection: Connection| async move {
            let answer = admin.consumer_running_info(address, group, &connection.client_id, self.jstack).await;
            Member::new(connection, answer.map_err(|error| WithCauses(&error).to_string()))
        };
        let members = concurrently(connections.into_iter().map(ask), |_| {}).await;
        context.output.show(&Members::new(&self.group, members))
    }

    fn offline(&self) -> Failure {
        Failure::Usage(format!("no consumer of group {} is connected", self.group))
    }
}

impl Member {
    fn new(connection: Connection, answer: Result<Vec<u8>, String>) -> Self {
        let decoded = answer.and_then(|body| match ConsumerRunningInfo::decode(&body) {
            Ok(info) => Ok((info, body)),
            Err(error) => Err(format!("its answer cannot be read: {error}")),
        });
        let (running_info, info, error) = match decoded {
            Ok((info, body)) => (standard_json(&body), Some(info), None),
            Err(error) => (None, None, Some(error)),
        };
        Self {
            client_id: connection.client_id,
            client_addr: connection.client_addr,
            version: ClientVersion(connection.version).to_string(),
            running_info,
            error,
            info,
        }
    }
}

/// A client writes objects as keys, which no JSON reader takes: they become strings.
fn standard_json(body: &[u8]) -> Option<Box<RawValue>> {
    let standard = protocol::body::fastjson::to_standard(std::str::from_utf8(body).ok()?).ok()?;
    RawValue::from_string(String::from_utf8(standard).ok()?).ok()
}

impl Members {
    fn new(group: &str, members: Vec<Member>) -> Self {
        let infos = members.iter().filter_map(|member| member.info.as_ref());
        let subscriptions: BTreeSet<Vec<_>> = infos
            .map(|info| {
                let mut of: Vec<_> = info.subscription_set.iter().map(|of| (&of.topic, &of.sub_string)).collect();
                of.sort_unstable();
                of
            })
            .collect();
        Self { group: group.to_owned(), same_subscriptions: subscriptions.len() < 2, members }
    }
}

impl fmt::Display for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, member) in self.members.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            member.fmt(f)?;
        }
        if !self.same_subscriptions {
            writeln!(f, "\nThe members of {} do not listen to the same: messages will be missed", self.group)?;
        }
        Ok(())
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut facts = FactList::default();
        facts.fact("Client id", &self.client_id).fact("Address", &self.client_addr).fact("Version", &self.version);
        if let Some(error) = &self.error {
            facts.fact("Error", error);
        }
        let Some(info) = &self.info else { return facts.fmt(f) };
        for (name, value) in &info.properties {
            facts.fact(name, value);
        }
        facts.fmt(f)?;
        subscriptions(info).fmt(f)?;
        queues(info).fmt(f)?;
        rates(info).fmt(f)?;
        match &info.jstack {
            Some(stacks) => writeln!(f, "{stacks}"),
            None => Ok(()),
        }
    }
}

fn subscriptions(info: &ConsumerRunningInfo) -> Table {
    let mut table = Table::new(&[("SUBSCRIBED TOPIC", Align::Left), ("EXPRESSION", Align::Left)]);
    for of in &info.subscription_set {
        table.row([&of.topic, &of.sub_string]);
    }
    table
}

fn queues(info: &ConsumerRunningInfo) -> Table {
    let mut table = Table::new(&[
        ("TOPIC", Align::Left),
        ("BROKER", Align::Left),
        ("QID", Align::Right),
        ("COMMIT OFFSET", Align::Right),
        ("CACHED", Align::Right),
        ("LOCKED", Align::Left),
        ("LAST PULL", Align::Left),
        ("LAST CONSUMED", Align::Left),
    ]);
    for (queue, state) in &info.mq_table {
        table.row([
            &queue.topic,
            &queue.broker_name,
            &queue.queue_id,
            &state.commit_offset,
            &state.cached_msg_count,
            &state.locked,
            &Timestamp(state.last_pull_timestamp),
            &Timestamp(state.last_consume_timestamp),
        ]);
    }
    for (queue, state) in &info.mq_pop_table {
        let (last, never) = (Timestamp(state.last_pop_timestamp), Timestamp(0));
        table.row([&queue.topic, &queue.broker_name, &queue.queue_id, &"", &state.wait_ack_count, &"", &last, &never]);
    }
    table
}

fn rates(info: &ConsumerRunningInfo) -> Table {
    let mut table = Table::new(&[
        ("TOPIC", Align::Left),
        ("PULL MS", Align::Right),
        ("PULL TPS", Align::Right),
        ("CONSUME MS", Align::Right),
        ("OK TPS", Align::Right),
        ("FAILED TPS", Align::Right),
        ("FAILED IN AN HOUR", Align::Right),
    ]);
    for (topic, status) in &info.status_table {
        table.row([
            topic,
            &format!("{:.2}", status.pull_rt),
            &format!("{:.2}", status.pull_tps),
            &format!("{:.2}", status.consume_rt),
            &format!("{:.2}", status.consume_ok_tps),
            &format!("{:.2}", status.consume_failed_tps),
            &status.consume_failed_msgs,
        ]);
    }
    table
}
