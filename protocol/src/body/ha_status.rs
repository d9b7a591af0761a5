//! How copies of a broker's log are doing (907).

use serde::{Deserialize, Serialize};

/// The master's view of its slaves, or a slave's of its master.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HaStatus {
    /// A slave's connection to its master; all 0 on a master.
    pub ha_client_runtime_info: HaClientStatus,
    /// A master's slaves; none on a slave.
    pub ha_connection_info: Vec<HaConnectionStatus>,
    /// Of these, the ones that keep up.
    pub in_sync_slave_nums: i32,
    /// Which of both it is.
    pub master: bool,
    /// Physical offset where a master's log ends.
    pub master_commit_log_max_offset: i64,
}

/// A slave as its master sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HaConnectionStatus {
    /// `host:port`.
    pub addr: String,
    /// Bytes between the ends of both logs.
    pub diff: i64,
    /// Whether it keeps up.
    pub in_sync: bool,
    /// Physical offset up to where it has confirmed the log.
    pub slave_ack_offset: i64,
    /// Physical offset of what it is sent next.
    pub transfer_from_where: i64,
    /// Bytes a second, lately.
    pub transferred_byte_in_second: i64,
}

/// A master as its slave sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HaClientStatus {
    /// When the master was last heard of, ms since 1970; 0 = never.
    pub last_read_timestamp: i64,
    /// When it was last told how far this log goes, ms since 1970; 0 = never.
    pub last_write_timestamp: i64,
    /// `host:port`; absent without a master.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub master_addr: Option<String>,
    /// Physical offset up to where the master's log is safe, as far as the slave was told.
    pub master_flush_offset: i64,
    /// Physical offset where the slave's log ends.
    pub max_offset: i64,
    /// Bytes a second, lately.
    pub transferred_byte_in_second: i64,
}

json_body!(HaStatus);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_s_answer_has_the_reference_s_keys() {
        let slave = HaConnectionStatus {
            addr: "10.0.0.2:10911".to_owned(),
            diff: 3,
            in_sync: true,
            slave_ack_offset: 7,
            transfer_from_where: 7,
            transferred_byte_in_second: 1024,
        };
        let status = HaStatus {
            ha_connection_info: vec![slave],
            in_sync_slave_nums: 1,
            master: true,
            master_commit_log_max_offset: 10,
            ..HaStatus::default()
        };
        let text = String::from_utf8(status.encode()).unwrap();
        assert_eq!(
            text,
            concat!(
                r#"{"haClientRuntimeInfo":{"lastReadTimestamp":0,"lastWriteTimestamp":0,"masterFlushOffset":0,"maxOffset":0,"#,
                r#""transferredByteInSecond":0},"haConnectionInfo":[{"addr":"10.0.0.2:10911","diff":3,"inSync":true,"#,
                r#""slaveAckOffset":7,"transferFromWhere":7,"transferredByteInSecond":1024}],"inSyncSlaveNums":1,"#,
                r#""master":true,"masterCommitLogMaxOffset":10}"#
            )
        );
        assert_eq!(HaStatus::decode(text.as_bytes()).unwrap(), status);
    }
}
