//! `statsAll`: how much each topic gets and each of its groups takes.

use clap::Args;
use client::{Admin, ClientError};
use protocol::topic_name::{is_dlq_topic, is_retry_topic};
use serde::{Deserialize, Serialize};

use super::Context;
use crate::brokers::Place;
use crate::concurrently::concurrently;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::resolve;
use crate::rows::{Row, Rows};
use crate::silent_servers::SilentServers;
use crate::table::{Align, Table};

/// Show what each topic gets and each of its consumer groups takes
#[derive(Debug, Args)]
pub(crate) struct StatsAll {
    /// Only topics with messages in or out today
    #[arg(short = 'a', long = "activeTopic", alias = "active-topic")]
    active_only: bool,
    /// Only this topic
    #[arg(short = 't', long, value_name = "TOPIC")]
    topic: Option<String>,
}

/// A topic and one of its groups, or a topic without any.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TopicStats {
    topic: String,
    group: Option<String>,
    accumulation: Option<i64>,
    in_tps: f64,
    out_tps: Option<f64>,
    in_24_hours: i64,
    out_24_hours: Option<i64>,
}

impl Row for TopicStats {
    const COLUMNS: &'static [(&'static str, Align)] = &[
        ("TOPIC", Align::Left),
        ("CONSUMER GROUP", Align::Left),
        ("ACCUMULATION", Align::Right),
        ("IN TPS", Align::Right),
        ("OUT TPS", Align::Right),
        ("IN 24 H", Align::Right),
        ("OUT 24 H", Align::Right),
    ];

    fn fill(&self, table: &mut Table) {
        let count = |value: Option<i64>| value.map(|value| value.to_string()).unwrap_or_default();
        table.row([
            &self.topic,
            &self.group.as_deref().unwrap_or_default(),
            &count(self.accumulation),
            &format!("{:.2}", self.in_tps),
            &self.out_tps.map(|tps| format!("{tps:.2}")).unwrap_or_default(),
            &self.in_24_hours,
            &count(self.out_24_hours),
        ]);
    }
}

/// A broker's counts of one thing.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct StatsItem {
    stats_minute: Window,
    stats_hour: Window,
    stats_day: Window,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct Window {
    sum: i64,
    tps: f64,
}

impl StatsItem {
    /// The longest window that has counted anything: a broker that runs for an hour has no day yet.
    fn day_sum(&self) -> i64 {
        [self.stats_day, self.stats_hour, self.stats_minute].iter().map(|of| of.sum).find(|sum| *sum != 0).unwrap_or(0)
    }
}

impl StatsAll {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let admin = &context.admin;
        let topics = match &self.topic {
            // The route is asked for first: an unknown name comes with the nearest.
            Some(topic) => {
                resolve::route(admin, topic).await?;
                vec![topic.clone()]
            }
            None => {
                let mut topics = admin.topic_list().await?.topic_list;
                topics.retain(|topic| !is_retry_topic(topic) && !is_dlq_topic(topic));
                topics.sort_unstable();
                topics
            }
        };
        let silent = SilentServers::default();
        let mut progress = Progress::new("topics", topics.len());
        let questions = topics.into_iter().map(|topic| topic_stats(admin, &silent, topic));
        let results = concurrently(questions, |count| progress.done(count)).await;
        drop(progress);
        let rows = results.into_iter().collect::<Result<Vec<_>, ClientError>>()?;
        let mut rows: Vec<_> = rows.into_iter().flatten().collect();
        if self.active_only {
            rows.retain(|row| row.in_24_hours > 0 || row.out_24_hours.is_some_and(|count| count > 0));
        }
        context.output.show_rows(Rows::new("topics", rows).errors(silent.into_errors()))
    }
}

async fn topic_stats(admin: &Admin, silent: &SilentServers, topic: String) -> Result<Vec<TopicStats>, ClientError> {
    let places = match admin.topic_route(&topic).await {
        Ok(route) => resolve::route_brokers(&route),
        // Deleted between the list and this question.
        Err(ClientError::NoRoute { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let (in_tps, in_24_hours) = counted(admin, silent, &places, "TOPIC_PUT_NUMS", &topic).await;
    let mut groups = Vec::new();
    for Place { broker_addr, .. } in &places {
        // Every broker knows every group: the first that answers will do.
        if let Some(of_broker) = silent.ask(broker_addr, || admin.topic_groups(broker_addr, &topic)).await {
            groups = of_broker;
            break;
        }
    }
    groups.sort_unstable();
    if groups.is_empty() {
        let (group, accumulation, out_tps, out_24_hours) = (None, None, None, None);
        return Ok(vec![TopicStats { topic, group, accumulation, in_tps, out_tps, in_24_hours, out_24_hours }]);
    }
    let mut rows = Vec::new();
    for group in groups {
        let key = format!("{topic}@{group}");
        let (out_tps, out_24_hours) = counted(admin, silent, &places, "GROUP_GET_NUMS", &key).await;
        let mut accumulation = 0;
        for Place { broker_addr, .. } in &places {
            let question = || admin.consume_stats(broker_addr, &group, Some(&topic));
            if let Some(stats) = silent.ask(broker_addr, question).await {
                let offsets = stats.offset_table.iter().filter(|(queue, _)| queue.topic == topic);
                accumulation += offsets.map(|(_, of)| of.broker_offset - of.consumer_offset).sum::<i64>();
            }
        }
        rows.push(TopicStats {
            topic: topic.clone(),
            group: Some(group),
            accumulation: Some(accumulation),
            in_tps,
            out_tps: Some(out_tps),
            in_24_hours,
            out_24_hours: Some(out_24_hours),
        });
    }
    Ok(rows)
}

/// Messages a second and in a day, over all brokers. One that did not count yet adds nothing.
async fn counted(admin: &Admin, silent: &SilentServers, places: &[Place], name: &str, key: &str) -> (f64, i64) {
    let (mut tps, mut sum) = (0.0, 0);
    for Place { broker_addr, .. } in places {
        let body = silent.ask(broker_addr, || admin.broker_stats(broker_addr, name, key)).await.flatten();
        if let Some(item) = body.and_then(|body| serde_json::from_slice::<StatsItem>(&body).ok()) {
            tps += item.stats_minute.tps;
            sum += item.day_sum();
        }
    }
    (tps, sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_window_that_has_counted_is_the_day() {
        let item = |text: &str| serde_json::from_str::<StatsItem>(text).unwrap().day_sum();
        assert_eq!(item(r#"{"statsDay":{"sum":5},"statsHour":{"sum":3},"statsMinute":{"sum":1,"tps":0.5}}"#), 5);
        assert_eq!(item(r#"{"statsDay":{"sum":0},"statsHour":{"sum":3},"statsMinute":{"sum":1}}"#), 3);
        assert_eq!(item("{}"), 0);
    }
}
