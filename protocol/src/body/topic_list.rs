//! Lists of topics (206, 224, 304, 305, 343).

use serde::{Deserialize, Serialize};

/// In the answer to 304 the list holds cluster and broker names, and the address is that of a broker to ask next.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicList {
    /// A broker that knows more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broker_addr: Option<String>,
    /// The names.
    pub topic_list: Vec<String>,
}

json_body!(TopicList);
