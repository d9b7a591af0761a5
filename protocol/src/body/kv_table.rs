//! Text to text: runtime information (28), KV configuration of a namespace (219), order configuration (103).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `{"table":{…}}`, all values strings.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KvTable {
    /// The entries.
    pub table: BTreeMap<String, String>,
}

json_body!(KvTable);
