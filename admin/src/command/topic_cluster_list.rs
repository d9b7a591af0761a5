//! `topicClusterList`: the clusters a topic is in.

use std::collections::BTreeSet;

use clap::Args;
use serde::Serialize;

use super::Context;
use crate::failure::Failure;
use crate::resolve;
use crate::rows::{Row, Rows};
use crate::table::{Align, Table};

/// List the clusters a topic is in
#[derive(Debug, Args)]
pub(crate) struct TopicClusterList {
    /// Topic
    #[arg(short = 't', long, value_name = "TOPIC")]
    topic: String,
}

#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Cluster(String);

impl Row for Cluster {
    const COLUMNS: &'static [(&'static str, Align)] = &[("CLUSTER", Align::Left)];

    fn fill(&self, table: &mut Table) {
        table.row([&self.0]);
    }
}

impl TopicClusterList {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let route = resolve::route(&context.admin, &self.topic).await?;
        let clusters: BTreeSet<_> = route.data().broker_datas.iter().map(|broker| broker.cluster.clone()).collect();
        context.output.show_rows(Rows::new("clusters", clusters.into_iter().map(Cluster).collect()))
    }
}
