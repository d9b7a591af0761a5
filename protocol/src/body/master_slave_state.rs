//! What a broker is to the others of its name, where the operator says who is master (own requests 60001 and 60002).

use serde::{Deserialize, Serialize};

/// What a shard of a broker does at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MasterSlavePart {
    /// It serves.
    Master,
    /// It copies its master's log.
    Slave,
    /// A master that was away, and does not know yet whether a slave was promoted meanwhile.
    #[default]
    Asks,
    /// It becomes the other of both, or takes an end of its log back.
    Changes,
}

/// See the module's text. Offsets are physical offsets, the end of a log.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MasterSlaveState {
    /// The shard's broker name.
    pub broker_name: String,
    /// Its number, from 0; shard i listens 10 · i ports above shard 0.
    pub shard: u32,
    /// Shards of the process.
    pub shards: u32,
    /// What it does.
    pub part: MasterSlavePart,
    /// Promotions that led to the present master, as far as it has heard.
    pub epoch: i64,
    /// Term of the last entry of its log.
    pub term: i64,
    /// Where its log ends.
    pub end_offset: i64,
    /// `host:port` where it listens for slaves.
    pub slaves_address: String,
    /// Of a slave: `host:port` where its master serves clients, as far as it knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub master_address: Option<String>,
    /// Of a slave: where its master's log ended when it last heard of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub master_end_offset: Option<i64>,
    /// Of a slave: whether it has heard of its master of late.
    pub master_is_there: bool,
    /// Why a slave copies no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stuck: Option<String>,
}

json_body!(MasterSlaveState);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_the_same() {
        let state = MasterSlaveState {
            broker_name: "a".to_owned(),
            part: MasterSlavePart::Slave,
            master_address: Some("h:1".to_owned()),
            master_end_offset: Some(7),
            ..MasterSlaveState::default()
        };
        let text = state.encode();
        assert_eq!(MasterSlaveState::decode(&text).unwrap(), state);
        assert!(String::from_utf8(text).unwrap().contains(r#""part":"slave""#));
    }
}
