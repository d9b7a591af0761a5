//! All producers that are connected to a broker (328).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One connected producer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProducerInfo {
    /// What the client calls itself.
    pub client_id: String,
    /// What it is written in.
    pub language: String,
    /// When its last heartbeat came, ms since 1970.
    pub last_update_timestamp: i64,
    /// `/ip:port`.
    #[serde(rename = "remoteIP")]
    pub remote_ip: String,
    /// Its version, an ordinal.
    pub version: i32,
}

/// The producers by group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ProducerTable {
    /// One list a group.
    pub data: BTreeMap<String, Vec<ProducerInfo>>,
}

json_body!(ProducerTable);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_keeps_the_reference_s_spelling() {
        let text = br#"{"data":{"g":[{"clientId":"c","language":"JAVA","lastUpdateTimestamp":1,"remoteIP":"/127.0.0.1:5","version":513}]}}"#;
        let table = ProducerTable::decode(text).unwrap();
        assert_eq!(table.data["g"][0].remote_ip, "/127.0.0.1:5");
        assert_eq!(table.encode(), text);
    }
}
