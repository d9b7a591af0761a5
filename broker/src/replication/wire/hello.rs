//! The first frame of each side of a connection, and the last one where it ends in a refusal.
//!
//! ```text
//! hello:   class u8 (0 log, 1 beat, 2 bulk) | flush u8 (0 async, 1 sync) | segment bytes u64 | run u64 | nonce u64
//!          | cluster text | group text | broker name text | client address text
//! refused: reason text
//! ```

use super::error::WireError;
use super::fields::{FieldReader, FieldWriter, is_plain};
use crate::config::FlushDiskType;

/// Longest name of a cluster, group or broker, bytes. Settings allow 127 and what tells shards apart.
pub const NAME_BYTES_MAX: usize = 255;
/// Longest `host:port`, bytes: a host name of 253, and room.
pub const ADDRESS_BYTES_MAX: usize = 300;
/// Longest reason of a refusal, bytes.
pub const REASON_BYTES_MAX: usize = 1024;

/// What a connection is for. A pair of replicas has one of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectionClass {
    /// Everything else.
    Log,
    /// Heartbeats, votes and their answers, which must not wait behind a large append.
    Beat,
    /// What a replica lacks that is far behind, which no append must wait behind either.
    Bulk,
}

/// Who is there, and on what both have to agree. The node's id and the log's are in the envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hello<'a> {
    /// What this connection is for; the listener repeats what the dialer said.
    pub class: ConnectionClass,
    /// When this replica calls an entry persisted.
    pub flush: FlushDiskType,
    /// Bytes of a log segment. Has to be the same everywhere: where fillers lie follows from it.
    pub segment_bytes: u64,
    /// Drawn when the process started: tells a replica that restarted from one that only connects again.
    pub run: u64,
    /// Drawn for this connection, see [`Link::establish`](super::Link::establish).
    pub nonce: u64,
    /// `brokerClusterName`.
    pub cluster: &'a str,
    /// `dLegerGroup`.
    pub group: &'a str,
    /// Broker name of the shard.
    pub broker_name: &'a str,
    /// `host:port` where this replica serves clients: for redirects, and for what is forwarded.
    pub client_address: &'a str,
}

impl<'a> Hello<'a> {
    /// Why two replicas do not belong together, as reason for the other side; `None` if they do.
    pub fn mismatch(&self, own: &Hello<'_>) -> Option<String> {
        let texts = [
            ("brokerClusterName", self.cluster, own.cluster),
            ("dLegerGroup", self.group, own.group),
            ("brokerName", self.broker_name, own.broker_name),
        ];
        if let Some((key, theirs, ours)) = texts.into_iter().find(|(_, theirs, ours)| theirs != ours) {
            return Some(format!("{key} is {ours} here, {theirs} there"));
        }
        let (theirs, ours) = (self.segment_bytes, own.segment_bytes);
        (theirs != ours).then(|| {
            format!("mappedFileSizeCommitLog is {ours} here, {theirs} there; all nodes of a group need the same")
        })
    }

    pub(super) fn decode(fields: &mut FieldReader<'a>) -> Result<Self, WireError> {
        Ok(Self {
            class: match fields.u8("connection class")? {
                0 => ConnectionClass::Log,
                1 => ConnectionClass::Beat,
                2 => ConnectionClass::Bulk,
                other => {
                    let (field, found) = ("connection class", other.into());
                    return Err(WireError::BadValue { field, found, allowed: "a number from 0 to 2" });
                }
            },
            flush: match fields.u8("flush mode")? {
                0 => FlushDiskType::Async,
                1 => FlushDiskType::Sync,
                other => return Err(not_one_of_two("flush mode", other)),
            },
            segment_bytes: fields.u64("segment bytes")?,
            run: fields.u64("run")?,
            nonce: fields.u64("nonce")?,
            cluster: fields.text("cluster", NAME_BYTES_MAX)?,
            group: fields.text("group", NAME_BYTES_MAX)?,
            broker_name: fields.text("broker name", NAME_BYTES_MAX)?,
            client_address: fields.text("client address", ADDRESS_BYTES_MAX)?,
        })
    }

    pub(super) fn encode(&self, mut fields: FieldWriter<'_>) {
        fields.u8(match self.class {
            ConnectionClass::Log => 0,
            ConnectionClass::Beat => 1,
            ConnectionClass::Bulk => 2,
        });
        fields.u8(match self.flush {
            FlushDiskType::Async => 0,
            FlushDiskType::Sync => 1,
        });
        fields.u64s([self.segment_bytes, self.run, self.nonce]);
        for name in [self.cluster, self.group, self.broker_name] {
            fields.text(name, NAME_BYTES_MAX);
        }
        fields.text(self.client_address, ADDRESS_BYTES_MAX);
    }
}

fn not_one_of_two(field: &'static str, found: u8) -> WireError {
    WireError::BadValue { field, found: found.into(), allowed: "0 or 1" }
}

/// The other side is not wanted here; the connection is closed behind this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused<'a> {
    /// Why, as part of a sentence.
    pub reason: &'a str,
}

impl<'a> Refused<'a> {
    /// With as much of `reason` as fits: a refusal must not fail for its length or for what the other side sent.
    pub fn because(reason: &'a str) -> Self {
        let line = reason.split(char::is_control).next().unwrap_or_default();
        let reason = &line[..line.floor_char_boundary(REASON_BYTES_MAX)];
        assert!(is_plain(reason));
        Self { reason }
    }

    pub(super) fn decode(fields: &mut FieldReader<'a>) -> Result<Self, WireError> {
        Ok(Self { reason: fields.text("reason", REASON_BYTES_MAX)? })
    }

    pub(super) fn encode(&self, mut fields: FieldWriter<'_>) {
        fields.text(self.reason, REASON_BYTES_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: Hello<'_> = Hello {
        class: ConnectionClass::Log,
        flush: FlushDiskType::Async,
        segment_bytes: 1 << 30,
        run: 1,
        nonce: 2,
        cluster: "C",
        group: "g",
        broker_name: "g-1",
        client_address: "10.0.0.1:10921",
    };

    #[test]
    fn replicas_of_one_group_belong_together_whatever_else_differs() {
        let other = Hello {
            class: ConnectionClass::Beat,
            flush: FlushDiskType::Sync,
            run: 8,
            nonce: 9,
            client_address: "x",
            ..HELLO
        };
        assert_eq!(other.mismatch(&HELLO), None);
    }

    #[test]
    fn the_setting_that_differs_is_named_with_both_values() {
        let foreign = Hello { cluster: "D", group: "h", ..HELLO };
        assert_eq!(foreign.mismatch(&HELLO).unwrap(), "brokerClusterName is C here, D there");
        let other_shard = Hello { broker_name: "g-2", ..HELLO };
        assert_eq!(other_shard.mismatch(&HELLO).unwrap(), "brokerName is g-1 here, g-2 there");
        let segments = Hello { segment_bytes: 1 << 20, ..HELLO };
        assert!(segments.mismatch(&HELLO).unwrap().contains("1073741824 here, 1048576 there"));
    }

    #[test]
    fn a_reason_is_cut_to_one_line_that_fits() {
        assert_eq!(Refused::because("no\nInjected: line").reason, "no");
        let long = "华".repeat(REASON_BYTES_MAX);
        let reason = Refused::because(&long).reason;
        assert!(reason.len() <= REASON_BYTES_MAX && reason.len() > REASON_BYTES_MAX - 3);
    }
}
