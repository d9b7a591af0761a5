//! Lists of client ids (38) and of groups (300).

use serde::{Deserialize, Serialize};

/// The members of a consumer group. Every member has to see the same list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumerIdList {
    /// One id a connection: a client that reconnects stands there twice for a while.
    pub consumer_id_list: Vec<String>,
}

/// The groups that consume a topic.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GroupList {
    /// The groups.
    pub group_list: Vec<String>,
}

json_body!(ConsumerIdList, GroupList);
