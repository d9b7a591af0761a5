//! What a broker knows about its topics (17, 18, 21, 103, 351).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::data_version::DataVersion;
use super::named_enum::named_enum;

named_enum! {
    /// How the `TAGS` property of a topic is meant.
    TopicFilterType, default SingleTag;
    /// One tag.
    SingleTag = "SINGLE_TAG";
    /// A list of tags.
    MultiTag = "MULTI_TAG";
}

/// One topic on one broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicConfig {
    /// Free settings.
    pub attributes: BTreeMap<String, String>,
    /// An order topic.
    pub order: bool,
    /// 8 priority, 4 read, 2 write, 1 inherit.
    pub perm: i32,
    /// Queues to consume.
    pub read_queue_nums: i32,
    /// How tags are meant.
    pub topic_filter_type: TopicFilterType,
    /// The topic.
    pub topic_name: String,
    /// 1 unit, 2 has a unit subscription.
    pub topic_sys_flag: i32,
    /// Queues to send to.
    pub write_queue_nums: i32,
}

/// What the reference takes for members that are not there.
impl Default for TopicConfig {
    fn default() -> Self {
        Self {
            attributes: BTreeMap::new(),
            order: false,
            perm: 6,
            read_queue_nums: 16,
            topic_filter_type: TopicFilterType::SingleTag,
            topic_name: String::new(),
            topic_sys_flag: 0,
            write_queue_nums: 16,
        }
    }
}

/// All topics of a broker: the answer to 21, part of a registration, and (without the mappings) `topics.json`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicConfigTable {
    /// Version of the table.
    pub data_version: DataVersion,
    /// Version of the mappings.
    pub mapping_data_version: DataVersion,
    /// The topics by name.
    pub topic_config_table: BTreeMap<String, TopicConfig>,
    /// Static topics, passed on as they came.
    pub topic_queue_mapping_detail_map: BTreeMap<String, serde_json::Value>,
    /// Static topics, passed on as they came.
    pub topic_queue_mapping_info_map: BTreeMap<String, serde_json::Value>,
}

/// Topics to create or change (18).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicConfigList {
    /// The topics.
    pub topic_config_list: Vec<TopicConfig>,
}

json_body!(TopicConfig, TopicConfigTable, TopicConfigList);
