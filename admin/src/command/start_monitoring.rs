//! `startMonitoring`: looks again and again for groups that something is wrong with.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use client::{Admin, ClientError};
use protocol::body::{ConsumerConnection, ConsumerRunningInfo};
use protocol::topic_name::{retry_group, retry_topic};
use serde::Serialize;

use super::Context;
use crate::concurrently::concurrently;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::resolve;
use crate::rows::{Row, Rows};
use crate::silent_servers::SilentServers;
use crate::table::{Align, Table};

/// Look again and again for consumer groups that are behind, that nobody is in, or whose members differ
#[derive(Debug, Args)]
pub(crate) struct StartMonitoring {
    /// Seconds between two rounds; 0 is one round
    #[arg(short = 'i', long, value_name = "SECONDS", default_value_t = 60)]
    interval: u64,
    /// Messages that a group may be behind by
    #[arg(short = 'd', long = "diffMax", alias = "diff-max", value_name = "COUNT", default_value_t = 0)]
    diff_max: i64,
}

/// A group, and what is wrong with it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Watched {
    group: String,
    members: usize,
    diff_total: i64,
    problems: Vec<String>,
}

impl Row for Watched {
    const COLUMNS: &'static [(&'static str, Align)] =
        &[("GROUP", Align::Left), ("MEMBERS", Align::Right), ("DIFF TOTAL", Align::Right), ("PROBLEMS", Align::Left)];

    fn fill(&self, table: &mut Table) {
        table.row([&self.group, &self.members, &self.diff_total, &self.problems.join("; ")]);
    }
}

impl StartMonitoring {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        loop {
            let rows = self.round(&context.admin).await?;
            if self.interval == 0 {
                return context.output.show_rows(rows);
            }
            // A broker that is down is one more thing to show, and no end of the watch.
            for error in &rows.errors {
                eprintln!("mqadmin: {}: {}", error.address, error.error);
            }
            context.output.show(&rows)?;
            tokio::time::sleep(Duration::from_secs(self.interval)).await;
        }
    }

    async fn round(&self, admin: &Admin) -> Result<Rows<Watched>, Failure> {
        let topics = admin.topic_list().await?.topic_list;
        let groups: BTreeSet<String> =
            topics.iter().filter_map(|topic| retry_group(topic)).map(str::to_owned).collect();
        let silent = SilentServers::default();
        let mut progress = Progress::new("groups", groups.len());
        let questions = groups.into_iter().map(|group| self.watch(admin, &silent, group));
        let results = concurrently(questions, |count| progress.done(count)).await;
        drop(progress);
        let rows = results.into_iter().collect::<Result<Vec<_>, ClientError>>()?;
        let rows = rows.into_iter().flatten().filter(|row| !row.problems.is_empty()).collect();
        Ok(Rows::new("groups", rows).errors(silent.into_errors()))
    }

    async fn watch(
        &self,
        admin: &Admin,
        silent: &SilentServers,
        group: String,
    ) -> Result<Option<Watched>, ClientError> {
        let places = match admin.topic_route(&retry_topic(&group)).await {
            Ok(route) => resolve::route_brokers(&route),
            // Deleted between the list and this question.
            Err(ClientError::NoRoute { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let (mut diff_total, mut members) = (0, None);
        for place in &places {
            let address = &place.broker_addr;
            let question = || admin.consume_stats(address, &group, None);
            let Some(stats) = silent.ask(address, question).await else { continue };
            let diffs = stats.offset_table.values().map(|offsets| offsets.broker_offset - offsets.consumer_offset);
            diff_total += diffs.sum::<i64>();
            if members.is_none() {
                let connection = silent.ask(address, || admin.consumer_connection(address, &group)).await.flatten();
                members = connection.map(|connection| (address, connection));
            }
        }
        let infos = match &members {
            Some((address, connection)) => running_infos(admin, address, &group, connection).await,
            None => Vec::new(),
        };
        let problems = problems(diff_total, self.diff_max, &infos);
        Ok(Some(Watched { group, members: infos.len(), diff_total, problems }))
    }
}

/// What each member says; `Err` with its id of one that says nothing.
async fn running_infos(
    admin: &Admin,
    address: &str,
    group: &str,
    connection: &ConsumerConnection,
) -> Vec<Result<ConsumerRunningInfo, String>> {
    let ask = |client_id: String| async move {
        let answer = admin.consumer_running_info(address, group, &client_id, false).await;
        answer.ok().and_then(|body| ConsumerRunningInfo::decode(&body).ok()).ok_or(client_id)
    };
    let ids = connection.connection_set.iter().map(|member| member.client_id.clone());
    concurrently(ids.map(ask), |_| {}).await
}

fn problems(diff_total: i64, diff_max: i64, infos: &[Result<ConsumerRunningInfo, String>]) -> Vec<String> {
    let mut problems = Vec::new();
    if diff_total > diff_max {
        problems.push(match infos {
            [] => format!("{diff_total} messages behind, and nobody consumes"),
            _ => format!("{diff_total} messages behind"),
        });
    }
    let silent = infos.iter().filter_map(|info| info.as_ref().err());
    problems.extend(silent.map(|client_id| format!("{client_id} does not answer")));
    let subscriptions: BTreeSet<BTreeSet<_>> = infos
        .iter()
        .flatten()
        .map(|info| info.subscription_set.iter().map(|of| (&of.topic, &of.sub_string)).collect())
        .collect();
    if subscriptions.len() > 1 {
        problems.push("its members do not listen to the same".to_owned());
    }
    problems
}

#[cfg(test)]
mod tests {
    use protocol::body::SubscriptionData;

    use super::*;

    #[test]
    fn a_group_is_in_trouble_when_it_is_behind_or_its_members_are_silent_or_differ() {
        let member = |expression: &str| {
            let of = SubscriptionData {
                topic: "t".to_owned(),
                sub_string: expression.to_owned(),
                ..SubscriptionData::default()
            };
            Ok(ConsumerRunningInfo { subscription_set: vec![of], ..ConsumerRunningInfo::default() })
        };
        assert!(problems(0, 0, &[]).is_empty());
        assert!(problems(5, 5, &[member("*"), member("*")]).is_empty());
        assert_eq!(problems(5, 4, &[]), ["5 messages behind, and nobody consumes"]);
        let silent = Err("c@1".to_owned());
        assert_eq!(
            problems(5, 4, &[member("*"), silent, member("TagA")]),
            ["5 messages behind", "c@1 does not answer", "its members do not listen to the same"]
        );
    }
}
