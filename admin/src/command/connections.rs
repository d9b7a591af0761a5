//! `consumerConnection` and `producerConnection`: who is connected in a group.

use std::fmt;

use clap::Args;
use protocol::ResponseCode;
use protocol::body::{Connection, ConsumerConnection as Answer};
use serde::Serialize;

use super::Context;
use crate::client_version::ClientVersion;
use crate::fact_list::FactList;
use crate::failure::Failure;
use crate::resolve;
use crate::rows::{Row, Rows};
use crate::table::{Align, Table};

/// Show the members of a consumer group, and what they listen to
#[derive(Debug, Args)]
pub(crate) struct ConsumerConnection {
    /// Consumer group
    #[arg(short = 'g', long = "consumerGroup", alias = "consumer-group", value_name = "GROUP")]
    group: String,
    /// Ask this broker, else one of the group's
    #[arg(short = 'b', long = "brokerAddr", alias = "broker-addr", value_name = "HOST:PORT")]
    broker_address: Option<String>,
}

/// Show the members of a producer group
#[derive(Debug, Args)]
pub(crate) struct ProducerConnection {
    /// Producer group
    #[arg(short = 'g', long = "producerGroup", alias = "producer-group", value_name = "GROUP")]
    group: String,
    /// A topic it sends to, by which its brokers are found
    #[arg(short = 't', long, value_name = "TOPIC")]
    topic: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Member {
    client_id: String,
    client_addr: String,
    language: String,
    version: String,
}

impl Row for Member {
    const COLUMNS: &'static [(&'static str, Align)] =
        &[("CLIENT ID", Align::Left), ("ADDRESS", Align::Left), ("LANGUAGE", Align::Left), ("VERSION", Align::Left)];

    fn fill(&self, table: &mut Table) {
        table.row([&self.client_id, &self.client_addr, &self.language, &self.version]);
    }
}

impl From<Connection> for Member {
    fn from(connection: Connection) -> Self {
        Self {
            client_id: connection.client_id,
            client_addr: connection.client_addr,
            language: connection.language.to_string(),
            version: ClientVersion(connection.version).to_string(),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Subscription {
    topic: String,
    expression_type: String,
    expression: String,
}

/// A consumer group's members and subscriptions.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Consumers {
    group: String,
    consume_type: &'static str,
    message_model: &'static str,
    consume_from_where: &'static str,
    #[serde(flatten)]
    members: Rows<Member>,
    subscriptions: Vec<Subscription>,
}

impl ConsumerConnection {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let admin = &context.admin;
        let address = match &self.broker_address {
            Some(address) => address.clone(),
            // Members tell every broker, so that each knows all of them.
            None => match resolve::group_brokers(admin, &self.group).await?.into_iter().next() {
                Some(place) => place.broker_addr,
                None => return Err(offline(&self.group)),
            },
        };
        let answer = admin.consumer_connection(&address, &self.group).await?;
        let consumers = Consumers::new(&self.group, answer.ok_or_else(|| offline(&self.group))?);
        context.output.show(&consumers)
    }
}

impl ProducerConnection {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let admin = &context.admin;
        let route = resolve::route(admin, &self.topic).await?;
        let Some(place) = resolve::route_brokers(route.data()).into_iter().next() else {
            return Err(Failure::Usage(format!("topic {} has no broker at present", self.topic)));
        };
        let members = match admin.producer_connection(&place.broker_addr, &self.group).await {
            Ok(answer) => answer.connection_set,
            Err(error) if error.response_code() == Some(ResponseCode::SYSTEM_ERROR) => {
                return Err(Failure::Usage(format!("no producer of group {} is connected", self.group)));
            }
            Err(error) => return Err(error.into()),
        };
        let mut members: Vec<_> = members.into_iter().map(Member::from).collect();
        members.sort_by(|a, b| a.client_id.cmp(&b.client_id));
        context.output.show_rows(Rows::new("connections", members))
    }
}

/// A group nobody is in now may still exist.
fn offline(group: &str) -> Failure {
    Failure::Usage(format!("no consumer of group {group} is connected"))
}

impl Consumers {
    fn new(group: &str, answer: Answer) -> Self {
        let mut members: Vec<_> = answer.connection_set.into_iter().map(Member::from).collect();
        members.sort_by(|a, b| a.client_id.cmp(&b.client_id));
        let subscription = |data: protocol::body::SubscriptionData| Subscription {
            topic: data.topic,
            expression_type: data.expression_type,
            expression: data.sub_string,
        };
        Self {
            group: group.to_owned(),
            consume_type: answer.consume_type.name(),
            message_model: answer.message_model.name(),
            consume_from_where: answer.consume_from_where.name(),
            members: Rows::new("connections", members),
            subscriptions: answer.subscription_table.into_values().map(subscription).collect(),
        }
    }
}

impl fmt::Display for Consumers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut facts = FactList::default();
        facts
            .fact("Group", &self.group)
            .fact("Consume type", self.consume_type)
            .fact("Message model", self.message_model)
            .fact("Consume from", self.consume_from_where);
        writeln!(f, "{facts}\n{}", self.members)?;
        let mut table =
            Table::new(&[("TOPIC", Align::Left), ("EXPRESSION TYPE", Align::Left), ("EXPRESSION", Align::Left)]);
        for of in &self.subscriptions {
            table.row([&of.topic, &of.expression_type, &of.expression]);
        }
        table.fmt(f)
    }
}
