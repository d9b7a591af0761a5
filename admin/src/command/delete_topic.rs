//! `deleteTopic`: delete a topic and its messages.

use std::fmt;

use clap::Args;
use client::ClientError;
use protocol::ResponseCode;
use serde::Serialize;

use super::Context;
use crate::failure::Failure;
use crate::resolve;
use crate::table::{Align, Table};

/// Delete a topic and its messages
#[derive(Debug, Args)]
pub(crate) struct DeleteTopic {
    /// Cluster to delete it from
    #[arg(short = 'c', long = "clusterName", alias = "cluster-name", value_name = "CLUSTER")]
    cluster: String,
    /// Topic
    #[arg(short = 't', long, value_name = "TOPIC")]
    topic: String,
}

/// Where the topic was.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DeletedTopic {
    topic: String,
    cluster_name: String,
    brokers: Vec<Broker>,
    name_servers: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Broker {
    broker_name: String,
    broker_addr: String,
}

impl DeleteTopic {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let masters = resolve::masters(&context.admin, &self.cluster).await?;
        self.check_exists(context, masters.values()).await?;
        // Brokers first: one that still had the topic would register it again.
        for address in masters.values() {
            context.admin.delete_topic_in_broker(address, &self.topic).await?;
        }
        context.admin.delete_topic_in_name_servers(&self.topic).await?;
        let broker = |(broker_name, broker_addr)| Broker { broker_name, broker_addr };
        context.output.show(&DeletedTopic {
            topic: self.topic.clone(),
            cluster_name: self.cluster.clone(),
            brokers: masters.into_iter().map(broker).collect(),
            name_servers: context.client.name_servers().to_vec(),
        })
    }

    /// Brokers say "done" to the deletion of a topic they never had, which would hide a mistyped name. What is left
    /// of a deletion that stopped half-way can still be deleted.
    async fn check_exists(&self, context: &Context<'_>, masters: impl Iterator<Item = &String>) -> Result<(), Failure> {
        match context.admin.topic_route(&self.topic).await {
            Ok(_) => return Ok(()),
            Err(ClientError::NoRoute { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        for address in masters {
            match context.admin.topic_config(address, &self.topic).await {
                Err(error) if error.response_code() == Some(ResponseCode::TOPIC_NOT_EXIST) => {}
                // The broker has it, or does not say: leave it to the deletion.
                _ => return Ok(()),
            }
        }
        Err(resolve::unknown_topic(&context.admin, &self.topic).await)
    }
}

impl fmt::Display for DeletedTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(&[("DELETED TOPIC", Align::Left), ("FROM", Align::Left), ("ADDRESS", Align::Left)]);
        for Broker { broker_name, broker_addr } in &self.brokers {
            table.row([&self.topic, broker_name, broker_addr]);
        }
        for address in &self.name_servers {
            table.row([&self.topic, &"name server", address]);
        }
        table.fmt(f)
    }
}
