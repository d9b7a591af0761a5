//! `exportMetrics`: how much a cluster's brokers do and hold, as a file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::Args;
use client::{Admin, ClientError, MASTER_ID};
use protocol::body::{BrokerStatsData, BrokerStatsItem, KvTable};
use protocol::properties_text;
use protocol::topic_name::{
    SCHEDULE_TOPIC, TRANS_HALF_TOPIC, is_dlq_topic, is_retry_topic, is_system_group, is_system_topic,
};
use serde_json::{Value, json};

use super::Context;
use super::export::{DEFAULT_FOLDER, Exported, write};
use crate::brokers::{ask_each, places};
use crate::client_version::ClientVersion;
use crate::concurrently::concurrently;
use crate::failure::Failure;
use crate::resolve;

/// Write how much a cluster's masters do and hold into a file
#[derive(Debug, Args)]
pub(crate) struct ExportMetrics {
    /// Cluster
    #[arg(short = 'c', long = "clusterName", alias = "cluster-name", value_name = "CLUSTER")]
    cluster: String,
    /// Folder of the file: metrics.json
    #[arg(short = 'f', long = "filePath", alias = "file-path", value_name = "FOLDER", default_value = DEFAULT_FOLDER)]
    folder: PathBuf,
}

/// Messages a second of the last minute, or of a day: in, out, half messages in, delayed ones in.
type Rates<T> = [T; 4];

/// What one broker says of itself.
#[derive(Debug, Default)]
struct Report {
    running: KvTable,
    settings: BTreeMap<String, String>,
    topics: usize,
    groups: usize,
    half: BrokerStatsData,
    delayed: BrokerStatsData,
    /// `LANGUAGE%VERSION` of the members of its groups.
    clients: BTreeSet<String>,
}

impl ExportMetrics {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let admin = &context.admin;
        let info = resolve::cluster_info(admin, Some(&self.cluster)).await?;
        let masters = places(&info, Some(&self.cluster), |id| id == MASTER_ID);
        let (reports, errors) = ask_each(masters, |address| async move { Report::of(admin, &address).await }).await?;
        // Totals that lack a broker would be taken for the cluster's.
        Failure::unless_complete(errors)?;
        let (mut tps, mut counts) = ([0.0; 4], [0; 4]);
        let mut brokers = serde_json::Map::new();
        for (place, report) in &reports {
            tps.iter_mut().zip(report.tps()).for_each(|(sum, of_broker)| *sum += of_broker);
            counts.iter_mut().zip(report.counts()).for_each(|(sum, of_broker)| *sum += of_broker);
            brokers.insert(place.name().to_owned(), report.to_json());
        }
        let total_tps = named(["totalNormalInTps", "totalNormalOutTps", "totalTransInTps", "totalScheduleInTps"], tps);
        let content = json!({
            "evaluateReport": brokers,
            "totalData": {"totalTps": total_tps, "totalOneDayNum": named(COUNTS, counts)},
        });
        let file = write(&self.folder, "metrics.json", &content)?;
        context.output.show(&Exported { file, counts: BTreeMap::from([("brokers", reports.len())]) })
    }
}

const COUNTS: [&str; 4] = ["normalOneDayInNum", "normalOneDayOutNum", "transOneDayInNum", "scheduleOneDayInNum"];

fn named<T: Into<Value>>(keys: [&str; 4], values: Rates<T>) -> Value {
    keys.into_iter()
        .zip(values)
        .map(|(key, value)| (key.to_owned(), value.into()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

impl Report {
    async fn of(admin: &Admin, address: &str) -> Result<Self, ClientError> {
        let topics = admin.topic_configs(address).await?.topic_config_table;
        let system = admin.system_topics(address).await?.topic_list;
        let is_user_topic = |name: &&String| {
            !is_system_topic(name) && !is_retry_topic(name) && !is_dlq_topic(name) && !system.contains(name)
        };
        let groups = admin.group_configs(address).await?.subscription_group_table;
        let groups: Vec<_> = groups.into_keys().filter(|group| !is_system_group(group)).collect();
        let ask = |group: String| async move { admin.consumer_connection(address, &group).await };
        let members = concurrently(groups.iter().cloned().map(ask), |_| {}).await;
        let connections = members.into_iter().filter_map(Result::ok).flatten().flat_map(|of| of.connection_set);
        let settings = properties_text::parse(&admin.broker_config(address).await?).unwrap_or_default();
        Ok(Self {
            running: admin.broker_runtime_info(address).await?,
            settings: settings.into_iter().map(|(_, key, value)| (key, value)).collect(),
            topics: topics.keys().filter(is_user_topic).count(),
            groups: groups.len(),
            half: put_stats(admin, address, TRANS_HALF_TOPIC).await?,
            delayed: put_stats(admin, address, SCHEDULE_TOPIC).await?,
            clients: connections.map(|of| format!("{}%{}", of.language, ClientVersion(of.version))).collect(),
        })
    }

    fn value(&self, key: &str) -> Option<&String> {
        self.running.table.get(key)
    }

    /// The first of the averages that a rate consists of: the shortest.
    fn rate(&self, key: &str) -> f64 {
        let rates = self.value(key).and_then(|rates| rates.split(' ').next()?.parse().ok());
        rates.unwrap_or(0.0)
    }

    fn count(&self, key: &str) -> i64 {
        self.value(key).and_then(|count| count.parse().ok()).unwrap_or(0)
    }

    fn tps(&self) -> Rates<f64> {
        // 4.x spells it otherwise.
        let out = if self.value("getTransferredTps").is_some() { "getTransferredTps" } else { "getTransferedTps" };
        [self.rate("putTps"), self.rate(out), self.half.stats_minute.tps, self.delayed.stats_minute.tps]
    }

    fn counts(&self) -> Rates<i64> {
        let yesterday = |what: &str| {
            self.count(&format!("msg{what}TotalTodayMorning")) - self.count(&format!("msg{what}TotalYesterdayMorning"))
        };
        [yesterday("Put"), yesterday("Get"), day_sum(&self.half), day_sum(&self.delayed)]
    }

    fn to_json(&self) -> Value {
        json!({
            "runtimeEnv": {
                "cpuNum": self.settings.get("clientCallbackExecutorThreads"),
                "totalMemKBytes": self.value("totalMemKBytes"),
            },
            "runtimeQuota": {
                "diskRatio": {
                    "commitLogDiskRatio": self.value("commitLogDiskRatio"),
                    "consumeQueueDiskRatio": self.value("consumeQueueDiskRatio"),
                },
                "tps": named(["normalInTps", "normalOutTps", "transInTps", "scheduleInTps"], self.tps()),
                "oneDayNum": named(COUNTS, self.counts()),
                "messageAverageSize": self.value("putMessageAverageSize"),
                "topicSize": self.topics,
                "groupSize": self.groups,
            },
            "runtimeVersion": {"rocketmqVersion": self.value("brokerVersionDesc"), "clientInfo": self.clients},
        })
    }
}

async fn put_stats(admin: &Admin, address: &str, topic: &str) -> Result<BrokerStatsData, ClientError> {
    let body = admin.broker_stats(address, "TOPIC_PUT_NUMS", topic).await?;
    Ok(body.and_then(|body| BrokerStatsData::decode(&body).ok()).unwrap_or_default())
}

/// The longest window that has counted anything: a broker that runs for an hour has no day yet.
fn day_sum(stats: &BrokerStatsData) -> i64 {
    let windows: [BrokerStatsItem; 3] = [stats.stats_day, stats.stats_hour, stats.stats_minute];
    windows.iter().map(|of| of.sum).find(|sum| *sum != 0).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_the_numbers_that_the_broker_tells() {
        let running = [
            ("putTps", "12.5 3.0 1.0"),
            ("getTransferredTps", "2.0 "),
            ("msgPutTotalTodayMorning", "50"),
            ("msgPutTotalYesterdayMorning", "20"),
            ("commitLogDiskRatio", "0.25"),
        ];
        let table = running.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let hour = BrokerStatsItem { sum: 7, ..BrokerStatsItem::default() };
        let half = BrokerStatsData { stats_hour: hour, ..BrokerStatsData::default() };
        let report = Report { running: KvTable { table }, topics: 3, half, ..Report::default() };
        let json = report.to_json();
        let quota = &json["runtimeQuota"];
        assert_eq!(
            quota["tps"],
            json!({"normalInTps": 12.5, "normalOutTps": 2.0, "transInTps": 0.0, "scheduleInTps": 0.0})
        );
        assert_eq!(report.counts(), [30, 0, 7, 0]);
        assert_eq!((&quota["topicSize"], &quota["diskRatio"]["commitLogDiskRatio"]), (&json!(3), &json!("0.25")));
        assert_eq!(json["runtimeEnv"]["totalMemKBytes"], Value::Null);
    }
}
