//! What a migration remembers between its stages.
//!
//! It is a value at the source's name servers: they outlive the brokers, the operator's machine and its files, and whoever goes on
//! with the next stage, from anywhere, finds it there. Layout, JSON in namespace [`NAMESPACE`], the key is the source's name:
//!
//! ```text
//! {"version":1,"from":s,"to":[s],"toNameServers":s?,"stage":s,"startedMs":l,"copiedMs":l?,"stoppedMs":l?,"undoneMs":l?,
//!  "wasClosed":b,"left":[s],"created":{target:{"topics":[s],"groups":[s]}},"orders":{topic:{"before":s?,"after":s}}}
//! ```

use std::collections::{BTreeMap, BTreeSet};

use client::Admin;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// Where name servers keep migrations.
pub(super) const NAMESPACE: &str = "TURBOPUMP_MIGRATION";
/// A name server keeps a few MiB for everybody.
const RECORD_BYTES_MAX: usize = 1 << 20;
const VERSION: u32 = 1;

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Stage {
    /// Not everything is at the targets yet.
    Copying,
    /// Everything is there; producers still send to the source.
    Copied,
    /// Producers send to the targets; the source is drained.
    Stopped,
    /// Producers send to the source again; the targets are drained.
    Undoing,
    /// Nothing is left to do, or to undo.
    Finished,
}

impl Stage {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Copying => "copying",
            Self::Copied => "copied",
            Self::Stopped => "writes stopped",
            Self::Undoing => "undoing",
            Self::Finished => "finished",
        }
    }

    /// What the operator does next.
    pub(super) fn next(self) -> &'static str {
        match self {
            Self::Copying => "copy again",
            Self::Copied => "stop-writes, or undo",
            Self::Stopped => "wait, then finish; or undo",
            Self::Undoing => "undo again",
            Self::Finished => "stop the source's process",
        }
    }
}

/// What a target did not have before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Created {
    pub(super) topics: BTreeSet<String>,
    pub(super) groups: BTreeSet<String>,
}

/// A queue order that was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OrderChange {
    pub(super) before: Option<String>,
    pub(super) after: String,
}

/// One migration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    version: u32,
    /// Names: an address may change with a fail-over.
    pub(super) from: String,
    pub(super) to: Vec<String>,
    /// The targets' name servers, where they are others than the source's.
    pub(super) to_name_servers: Option<String>,
    pub(super) stage: Stage,
    pub(super) started_ms: i64,
    pub(super) copied_ms: Option<i64>,
    pub(super) stopped_ms: Option<i64>,
    pub(super) undone_ms: Option<i64>,
    /// Producers were told to send nothing to the source already before, so that undoing leaves it so.
    pub(super) was_closed: bool,
    /// Topics and groups that stay.
    pub(super) left: BTreeSet<String>,
    pub(super) created: BTreeMap<String, Created>,
    pub(super) orders: BTreeMap<String, OrderChange>,
}

impl Record {
    pub(super) fn new(from: &str, to: Vec<String>, to_name_servers: Option<String>, started_ms: i64) -> Self {
        Self {
            version: VERSION,
            from: from.to_owned(),
            to,
            to_name_servers,
            stage: Stage::Copying,
            started_ms,
            copied_ms: None,
            stopped_ms: None,
            undone_ms: None,
            was_closed: false,
            left: BTreeSet::new(),
            created: BTreeMap::new(),
            orders: BTreeMap::new(),
        }
    }

    /// Whether the migration made the topic at this target.
    pub(super) fn made(&self, target: &str, topic: &str) -> bool {
        self.created.get(target).is_some_and(|created| created.topics.contains(topic))
    }

    fn encode(&self) -> Result<String, Failure> {
        let text = serde_json::to_string(self).map_err(|error| Failure::Usage(error.to_string()))?;
        if text.len() > RECORD_BYTES_MAX {
            let bytes = text.len();
            return Err(Failure::Usage(format!(
                "the names of what is copied take {bytes} bytes, the limit is {RECORD_BYTES_MAX}; --leave some, and move them afterwards"
            )));
        }
        Ok(text)
    }

    fn decode(text: &str, from: &str) -> Result<Self, Failure> {
        let wrong = |reason: String| {
            Failure::Usage(format!(
                "value {from} of namespace {NAMESPACE} at the name servers cannot be read: {reason}"
            ))
        };
        let record: Self = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        if record.version != VERSION {
            return Err(wrong(format!("its version is {}, this mqadmin knows {VERSION}", record.version)));
        }
        Ok(record)
    }

    /// The migration of a source, if there is one or was one.
    pub(super) async fn load(admin: &Admin, from: &str) -> Result<Option<Self>, Failure> {
        admin.key_value(NAMESPACE, from).await?.map(|text| Self::decode(&text, from)).transpose()
    }

    /// The same where there has to be one under way.
    pub(super) async fn load_open(admin: &Admin, from: &str) -> Result<Self, Failure> {
        match Self::load(admin, from).await? {
            Some(record) if record.stage != Stage::Finished => Ok(record),
            Some(_) => Err(Failure::Usage(format!("the migration from {from} is finished"))),
            None => Err(Failure::Usage(format!(
                "no migration from {from} is under way; `mqadmin migrate copy --from {from} --to …` begins one"
            ))),
        }
    }

    pub(super) async fn save(&self, admin: &Admin) -> Result<(), Failure> {
        Ok(admin.put_key_value(NAMESPACE, &self.from, &self.encode()?).await?)
    }

    pub(super) async fn remove(&self, admin: &Admin) -> Result<(), Failure> {
        Ok(admin.delete_key_value(NAMESPACE, &self.from).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back() {
        let mut record = Record::new("apache", vec!["tp".to_owned(), "tp-1".to_owned()], None, 5);
        record.created.entry("tp".to_owned()).or_default().topics.insert("orders".to_owned());
        let order = OrderChange { before: None, after: "tp:4".to_owned() };
        record.orders.insert("orders".to_owned(), order);
        let text = record.encode().unwrap();
        assert_eq!(Record::decode(&text, "apache").unwrap(), record);
        assert!(record.made("tp", "orders") && !record.made("tp-1", "orders"));
    }

    #[test]
    fn one_that_cannot_be_read_says_where_it_is() {
        for text in [
            "{}",
            "no",
            &Record::new("a", Vec::new(), None, 0).encode().unwrap().replace("\"version\":1", "\"version\":2"),
        ] {
            let failure = Record::decode(text, "apache").unwrap_err().to_string();
            assert!(failure.starts_with("value apache of namespace TURBOPUMP_MIGRATION"), "{failure}");
        }
    }

    #[test]
    fn one_that_name_servers_could_not_keep_is_refused() {
        let mut record = Record::new("a", Vec::new(), None, 0);
        record.left.insert("x".repeat(RECORD_BYTES_MAX));
        assert!(record.encode().unwrap_err().to_string().contains("the limit is 1048576"));
    }
}
