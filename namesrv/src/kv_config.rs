//! The key-value table that tools keep in a name server (100, 101, 102, 219), and its file `kvConfig.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The file and every answer that carries a namespace stay far below the frame limit.
pub const KV_CONFIG_BYTES_MAX: usize = 4 << 20;

/// The namespace of the order topics' queue lists, `topic -> broker:queues;broker:queues`.
pub const NAMESPACE_ORDER_TOPIC_CONFIG: &str = "ORDER_TOPIC_CONFIG";

/// Namespace → key → value. The file has the shape that an Apache name server writes, so it can be taken over.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KvConfig {
    #[serde(rename = "configTable", default)]
    namespaces: BTreeMap<String, BTreeMap<String, String>>,
}

/// Why a change was not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the KV table would take {bytes} bytes, the limit is {KV_CONFIG_BYTES_MAX}")]
pub struct KvConfigFull {
    /// Size of the file with the change.
    pub bytes: usize,
}

impl KvConfig {
    /// Reads the file's text.
    ///
    /// # Errors
    /// The text is not `{"configTable":{namespace:{key:value}}}`.
    pub fn decode(text: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(text)
    }

    /// The file's text, indented for people.
    ///
    /// # Errors
    /// [`KvConfigFull`] above [`KV_CONFIG_BYTES_MAX`].
    pub fn encode(&self) -> Result<Vec<u8>, KvConfigFull> {
        let text = serde_json::to_vec_pretty(self).expect("maps of strings are always JSON");
        if text.len() > KV_CONFIG_BYTES_MAX {
            return Err(KvConfigFull { bytes: text.len() });
        }
        Ok(text)
    }

    /// Sets one value.
    pub fn put(&mut self, namespace: &str, key: &str, value: &str) {
        self.namespaces.entry(namespace.to_owned()).or_default().insert(key.to_owned(), value.to_owned());
    }

    /// One value.
    pub fn get(&self, namespace: &str, key: &str) -> Option<&str> {
        self.namespaces.get(namespace)?.get(key).map(String::as_str)
    }

    /// Removes one value; a namespace stays when its last key goes, as in the reference.
    pub fn delete(&mut self, namespace: &str, key: &str) {
        if let Some(table) = self.namespaces.get_mut(namespace) {
            table.remove(key);
        }
    }

    /// All values of a namespace; `None` when it never had any.
    pub fn namespace(&self, namespace: &str) -> Option<&BTreeMap<String, String>> {
        self.namespaces.get(namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_until_it_is_deleted() {
        let mut kv = KvConfig::default();
        kv.put("N", "k", "1");
        kv.put("N", "k", "2");
        assert_eq!(kv.get("N", "k"), Some("2"));
        assert_eq!(kv.get("other", "k"), None);
        kv.delete("N", "k");
        assert_eq!(kv.get("N", "k"), None);
    }

    #[test]
    fn an_emptied_namespace_is_still_there() {
        let mut kv = KvConfig::default();
        assert_eq!(kv.namespace("N"), None);
        kv.put("N", "k", "1");
        kv.delete("N", "k");
        assert_eq!(kv.namespace("N"), Some(&BTreeMap::new()));
    }

    #[test]
    fn the_file_reads_back_to_the_same_table() {
        let mut kv = KvConfig::default();
        kv.put(NAMESPACE_ORDER_TOPIC_CONFIG, "OT2", "fake:4");
        kv.put("N", "k", "quote \" and é");
        assert_eq!(KvConfig::decode(&kv.encode().unwrap()).unwrap(), kv);
    }

    #[test]
    fn a_file_of_an_apache_name_server_is_read() {
        let text = b"{\n\t\"configTable\":{\"ORDER_TOPIC_CONFIG\":{\n\t\t\"OT2\":\"fake:4\"\n\t\t}\n\t}\n}";
        assert_eq!(KvConfig::decode(text).unwrap().get("ORDER_TOPIC_CONFIG", "OT2"), Some("fake:4"));
    }

    #[test]
    fn a_table_above_the_limit_is_refused() {
        let mut kv = KvConfig::default();
        kv.put("N", "k", &"x".repeat(KV_CONFIG_BYTES_MAX));
        assert!(kv.encode().unwrap_err().bytes > KV_CONFIG_BYTES_MAX);
    }
}
