//! `topicList`: the names of all topics, or with `-c` also their clusters and groups.

use std::collections::BTreeSet;
use std::fmt;

use clap::Args;
use client::{Admin, ClientError};
use protocol::ResponseCode;
use serde::Serialize;

use super::Context;
use crate::failure::Failure;
use crate::table::{Align, Table};

/// List all topics
#[derive(Debug, Args)]
pub(crate) struct TopicList {
    /// Show the cluster and the consumer groups of each topic too
    #[arg(short = 'c', long = "clusterModel", alias = "cluster-model")]
    cluster_model: bool,
}

/// All topics, by name.
#[derive(Debug, Serialize)]
struct Topics {
    topics: Vec<Topic>,
    #[serde(skip)]
    with_clusters: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Topic {
    topic: String,
    /// Only with `-c`.
    #[serde(skip_serializing_if = "Option::is_none")]
    clusters: Option<BTreeSet<String>>,
    /// Only with `-c`, and when a broker says.
    #[serde(skip_serializing_if = "Option::is_none")]
    consumer_groups: Option<Vec<String>>,
}

impl TopicList {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let mut names = context.admin.topic_list().await?.topic_list;
        names.sort_unstable();
        names.dedup();
        let mut topics = Vec::with_capacity(names.len());
        for topic in names {
            topics.push(if self.cluster_model {
                with_cluster(&context.admin, topic).await?
            } else {
                Topic { topic, clusters: None, consumer_groups: None }
            });
        }
        context.output.show(&Topics { topics, with_clusters: self.cluster_model })
    }
}

async fn with_cluster(admin: &Admin, topic: String) -> Result<Topic, Failure> {
    let route = match admin.topic_route(&topic).await {
        Ok(route) => route,
        // Deleted between the list and this question.
        Err(ClientError::NoRoute { .. }) => return Ok(Topic { topic, clusters: None, consumer_groups: None }),
        Err(error) => return Err(error.into()),
    };
    let clusters = route.broker_datas.iter().map(|broker| broker.cluster.clone()).collect();
    // Every broker knows every group, since consumers tell all brokers of their topics.
    let address = route.broker_datas.iter().flat_map(|broker| broker.broker_addrs.values()).next();
    let consumer_groups = match address {
        Some(address) => match admin.topic_groups(address, &topic).await {
            Ok(groups) => Some(groups),
            Err(error) if error.response_code() == Some(ResponseCode::REQUEST_CODE_NOT_SUPPORTED) => None,
            Err(error) => return Err(error.into()),
        },
        None => None,
    };
    Ok(Topic { topic, clusters: Some(clusters), consumer_groups })
}

impl fmt::Display for Topics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.with_clusters {
            return self.topics.iter().try_for_each(|topic| writeln!(f, "{}", topic.topic));
        }
        let mut table =
            Table::new(&[("CLUSTER", Align::Left), ("TOPIC", Align::Left), ("CONSUMER GROUPS", Align::Left)]);
        for Topic { topic, clusters, consumer_groups } in &self.topics {
            let groups = consumer_groups.as_ref().map(|groups| groups.join(",")).unwrap_or_default();
            for cluster in clusters.clone().unwrap_or_else(|| BTreeSet::from([String::new()])) {
                table.row([&cluster, topic, &groups]);
            }
        }
        table.fmt(f)
    }
}
