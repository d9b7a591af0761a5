//! `updateTopicList` and `updateSubGroupList`: topics or groups from a file, with one request a broker.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use protocol::body::{SubscriptionGroupConfig, SubscriptionGroupList, TopicConfig, TopicConfigList};
use serde::de::DeserializeOwned;

use super::Context;
use super::changed::Changed;
use crate::brokers::{Brokers, ask_each};
use crate::failure::Failure;

/// Create or change the topics of a file
#[derive(Debug, Args)]
pub(crate) struct UpdateTopicList {
    #[command(flatten)]
    brokers: Brokers,
    /// File with a JSON list of topics, as in [{"topicName":"a","readQueueNums":8,"writeQueueNums":8,"perm":6}]
    #[arg(short = 'f', long, value_name = "FILE")]
    filename: PathBuf,
}

/// Create or change the consumer groups of a file
#[derive(Debug, Args)]
pub(crate) struct UpdateSubGroupList {
    #[command(flatten)]
    brokers: Brokers,
    /// File with a JSON list of groups, as in [{"groupName":"a","retryMaxTimes":16}]
    #[arg(short = 'f', long, value_name = "FILE")]
    filename: PathBuf,
}

impl UpdateTopicList {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let topics: Vec<TopicConfig> = read_list(&self.filename)?;
        check_named(&self.filename, topics.iter().map(|topic| topic.topic_name.as_str()), "topicName")?;
        let list = &TopicConfigList { topic_config_list: topics };
        let admin = &context.admin;
        let places = self.brokers.masters(admin).await?;
        let create = |address: String| async move { admin.create_topics(&address, list).await };
        let (answers, errors) = ask_each(places, create).await?;
        let what = format!("{} topics", list.topic_config_list.len());
        context.output.show_rows(Changed::at(what, answers).errors(errors))
    }
}

impl UpdateSubGroupList {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let groups: Vec<SubscriptionGroupConfig> = read_list(&self.filename)?;
        check_named(&self.filename, groups.iter().map(|group| group.group_name.as_str()), "groupName")?;
        let list = &SubscriptionGroupList { group_config_list: groups };
        let admin = &context.admin;
        let places = self.brokers.masters(admin).await?;
        let create = |address: String| async move { admin.create_groups(&address, list).await };
        let (answers, errors) = ask_each(places, create).await?;
        let what = format!("{} groups", list.group_config_list.len());
        context.output.show_rows(Changed::at(what, answers).errors(errors))
    }
}

fn read_list<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, Failure> {
    let text = fs::read(path).map_err(|error| Failure::file(path.display(), error))?;
    let list: Vec<T> = serde_json::from_slice(&text).map_err(|error| Failure::file(path.display(), error))?;
    if list.is_empty() {
        return Err(Failure::file(path.display(), "the list is empty"));
    }
    Ok(list)
}

/// A misspelt key is no error of JSON: it would leave the name empty.
fn check_named<'a>(path: &Path, mut names: impl Iterator<Item = &'a str>, key: &str) -> Result<(), Failure> {
    match names.position(str::is_empty) {
        Some(index) => Err(Failure::file(path.display(), format!("entry {} of the list has no {key}", index + 1))),
        None => Ok(()),
    }
}
