//! `exportMetadata` and `exportConfigs`: what a cluster is made of, as files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use client::{Admin, MASTER_ID};
use protocol::body::{SubscriptionGroupConfig, TopicConfig};
use protocol::properties_text;
use protocol::topic_name::{is_dlq_topic, is_retry_topic, is_system_group, is_system_topic};
use serde::Serialize;
use serde_json::{Value, json};

use super::Context;
use crate::brokers::{Brokers, ask_each, places};
use crate::fact_list::FactList;
use crate::failure::Failure;
use crate::resolve;
use crate::timestamp::Timestamp;

pub(super) const DEFAULT_FOLDER: &str = "/tmp/rocketmq/export";
/// The settings that an exported configuration has.
const EXPORTED_SETTINGS: [&str; 16] = [
    "autoCreateSubscriptionGroup",
    "autoCreateTopicEnable",
    "brokerClusterName",
    "brokerId",
    "brokerName",
    "brokerRole",
    "fileReservedTime",
    "filterServerNums",
    "flushDiskType",
    "maxMessageSize",
    "messageDelayLevel",
    "msgTraceTopicName",
    "slaveReadEnable",
    "traceOn",
    "traceTopicEnable",
    "useTLS",
];

/// Write the topics and consumer groups of a broker or cluster into a file
#[derive(Debug, Args)]
pub(crate) struct ExportMetadata {
    #[command(flatten)]
    brokers: Brokers,
    /// Folder of the file: metadata.json, topic.json or subscriptionGroup.json
    #[arg(short = 'f', long = "filePath", alias = "file-path", value_name = "FOLDER", default_value = DEFAULT_FOLDER)]
    folder: PathBuf,
    /// Only topics
    #[arg(short = 't', long, conflicts_with = "group_only")]
    topic: bool,
    /// Only consumer groups
    #[arg(short = 'g', long = "subscriptionGroup", alias = "subscription-group", id = "group_only")]
    group: bool,
    /// Also retry and dead letter topics
    #[arg(short = 's', long = "specialTopic", alias = "special-topic")]
    special: bool,
}

/// Write the settings of a cluster's masters, and how large it is, into a file
#[derive(Debug, Args)]
pub(crate) struct ExportConfigs {
    /// Cluster
    #[arg(short = 'c', long = "clusterName", alias = "cluster-name", value_name = "CLUSTER")]
    cluster: String,
    /// Folder of the file: configs.json
    #[arg(short = 'f', long = "filePath", alias = "file-path", value_name = "FOLDER", default_value = DEFAULT_FOLDER)]
    folder: PathBuf,
}

/// What was written.
#[derive(Debug, Serialize)]
pub(super) struct Exported {
    pub(super) file: String,
    #[serde(flatten)]
    pub(super) counts: BTreeMap<&'static str, usize>,
}

impl std::fmt::Display for Exported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut facts = FactList::default();
        facts.fact("file", &self.file);
        for (name, count) in &self.counts {
            facts.fact(*name, count);
        }
        facts.fmt(f)
    }
}

impl ExportMetadata {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let admin = &context.admin;
        let places = self.brokers.masters(admin).await?;
        let mut content = json!({});
        let mut counts = BTreeMap::new();
        let mut errors = Vec::new();
        if !self.group {
            let ask = |address: String| async move {
                let table = admin.topic_configs(&address).await?.topic_config_table;
                Ok((table, admin.system_topics(&address).await?.topic_list))
            };
            let (tables, failed) = ask_each(places.clone(), ask).await?;
            errors.extend(failed);
            let topics = merge_topics(tables.into_iter().map(|(_, table)| table), self.special);
            counts.insert("topics", topics.len());
            content["topicConfigTable"] = json!(topics);
        }
        if !self.topic {
            let ask = |address: String| async move { admin.group_configs(&address).await };
            let (tables, failed) = ask_each(places, ask).await?;
            errors.extend(failed);
            let tables = tables.into_iter().flat_map(|(_, table)| table.subscription_group_table);
            let groups: BTreeMap<String, SubscriptionGroupConfig> =
                tables.filter(|(group, _)| !is_system_group(group)).collect();
            counts.insert("subscriptionGroups", groups.len());
            content["subscriptionGroupTable"] = json!(groups);
        }
        // A part that is taken for the whole would lose topics where it is read again.
        Failure::unless_complete(errors)?;
        let name = match (self.topic, self.group) {
            (true, _) => "topic.json",
            (_, true) => "subscriptionGroup.json",
            _ => "metadata.json",
        };
        content["exportTime"] = json!(Timestamp::now());
        let file = write(&self.folder, name, &content)?;
        context.output.show(&Exported { file, counts })
    }
}

/// User topics over all brokers: a topic's queues are those of all.
fn merge_topics(
    tables: impl Iterator<Item = (BTreeMap<String, TopicConfig>, Vec<String>)>,
    with_special: bool,
) -> BTreeMap<String, TopicConfig> {
    let mut merged: BTreeMap<String, TopicConfig> = BTreeMap::new();
    for (topics, system) in tables {
        for (name, topic) in topics {
            let is_special = is_retry_topic(&name) || is_dlq_topic(&name);
            if is_system_topic(&name) || system.contains(&name) || (is_special && !with_special) {
                continue;
            }
            match merged.get_mut(&name) {
                Some(known) => {
                    known.read_queue_nums += topic.read_queue_nums;
                    known.write_queue_nums += topic.write_queue_nums;
                }
                None => _ = merged.insert(name, topic),
            }
        }
    }
    merged
}

impl ExportConfigs {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let admin: &Admin = &context.admin;
        let info = resolve::cluster_info(admin, Some(&self.cluster)).await?;
        let masters = places(&info, Some(&self.cluster), |id| id == MASTER_ID);
        let slaves = places(&info, Some(&self.cluster), |id| id != MASTER_ID).len();
        let ask = |address: String| async move { admin.broker_config(&address).await };
        let (answers, errors) = ask_each(masters, ask).await?;
        Failure::unless_complete(errors)?;
        let masters = answers.len();
        let configs: BTreeMap<String, Value> =
            answers.into_iter().map(|(place, text)| (place.name().to_owned(), exported(&text))).collect();
        let content = json!({
            "brokerConfigs": configs,
            "clusterScale": {
                "namesrvSize": context.client.name_servers().len(),
                "masterBrokerSize": masters,
                "slaveBrokerSize": slaves,
            },
        });
        let file = write(&self.folder, "configs.json", &content)?;
        context.output.show(&Exported { file, counts: BTreeMap::from([("brokers", masters)]) })
    }
}

fn exported(text: &str) -> Value {
    let pairs = properties_text::parse(text).unwrap_or_default();
    let wanted = pairs.into_iter().filter(|(_, key, _)| EXPORTED_SETTINGS.contains(&key.as_str()));
    wanted.map(|(_, key, value)| (key, Value::String(value))).collect::<serde_json::Map<_, _>>().into()
}

pub(super) fn write(folder: &Path, name: &str, content: &Value) -> Result<String, Failure> {
    let path = folder.join(name);
    let text = serde_json::to_vec_pretty(content).map_err(|error| Failure::file(path.display(), error))?;
    fs::create_dir_all(folder).map_err(|error| Failure::file(folder.display(), error))?;
    fs::write(&path, text).map_err(|error| Failure::file(path.display(), error))?;
    Ok(path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_on_two_brokers_has_the_queues_of_both() {
        let topic =
            |queues| TopicConfig { write_queue_nums: queues, read_queue_nums: queues, ..TopicConfig::default() };
        let table = |queues| {
            let names = ["orders", "%RETRY%g", "%DLQ%g", "SELF_TEST_TOPIC", "broker-a"];
            let table = names.map(|name| (name.to_owned(), topic(queues))).into();
            (table, vec!["broker-a".to_owned()])
        };
        let merged = merge_topics([table(4), table(8)].into_iter(), false);
        assert_eq!(merged.keys().collect::<Vec<_>>(), ["orders"]);
        assert_eq!(merged["orders"].write_queue_nums, 12);
        assert_eq!(merge_topics([table(4)].into_iter(), true).len(), 3);
    }

    #[test]
    fn an_exported_configuration_has_what_tells_clusters_apart() {
        let exported = exported("brokerRole=ASYNC_MASTER\nlistenPort=10911\nflushDiskType=SYNC_FLUSH\n");
        assert_eq!(exported, json!({"brokerRole": "ASYNC_MASTER", "flushDiskType": "SYNC_FLUSH"}));
    }
}
