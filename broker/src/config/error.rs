//! What can be wrong with a configuration, said so that the user can mend it.

use std::fmt;
use std::io;

use protocol::properties_text::PropertiesTextError;

use super::parse::node_id::NodeId;
use super::shard_layout::SHARD_PORT_STEP;
use super::sources::Origin;

/// One thing that stops the start.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("cannot read the configuration file {path}: {source}")]
    Read {
        /// The file as the user named it.
        path: String,
        /// The cause.
        source: io::Error,
    },
    /// The file is no properties text.
    #[error("{path} {error}")]
    Syntax {
        /// The file as the user named it.
        path: String,
        /// Line and cause.
        error: PropertiesTextError,
    },
    /// Nobody knows this property.
    #[error("{origin}: unknown property {key}{}", did_you_mean(*.nearest))]
    UnknownKey {
        /// As written.
        key: String,
        /// The known name most like it.
        nearest: Option<&'static str>,
        /// Where it stands.
        origin: Origin,
    },
    /// The value is not one of the property's.
    #[error("{origin}: {key}={value} is refused, allowed is {allowed}")]
    BadValue {
        /// The property.
        key: &'static str,
        /// As written.
        value: String,
        /// Completes "allowed is …".
        allowed: String,
        /// Where it stands.
        origin: Origin,
    },
    /// The value asks for something that is not there, and that its user would rely on.
    #[error("{origin}: {key}={value} is refused, {reason}; only {key}={default} works")]
    Refused {
        /// The property.
        key: &'static str,
        /// As written.
        value: String,
        /// Why.
        reason: &'static str,
        /// The value that works.
        default: &'static str,
        /// Where it stands.
        origin: Origin,
    },
    /// An update names a property that `configBlackList` protects.
    #[error("{origin}: {key} is on the configBlackList and cannot be changed from outside")]
    BlackListed {
        /// As written.
        key: String,
        /// Where it stands.
        origin: Origin,
    },
    /// No entry of the log spans two segments.
    #[error(
        "mappedFileSizeCommitLog={segment_bytes} is too small for maxMessageSize={body_bytes}: a segment has to hold the \
         largest message and {reserve_bytes} bytes around it; raise the one or lower the other"
    )]
    SegmentTooSmall {
        /// Bytes of a segment.
        segment_bytes: u32,
        /// Largest body.
        body_bytes: u32,
        /// What an entry needs besides the body.
        reserve_bytes: u32,
    },
    /// The ring would be full after one message.
    #[error(
        "shmRingBytes={ring_bytes} is too small for maxMessageSize={body_bytes}: a ring has to hold two of the largest \
         messages; raise the one, lower the other, or set shmRingBytes=0"
    )]
    RingTooSmall {
        /// Bytes of a ring.
        ring_bytes: u64,
        /// Largest body.
        body_bytes: u32,
    },
    /// The ports of the last shard do not exist.
    #[error(
        "the ports of {shards} shards starting at listenPort={listen_port} run from {first} to {last}, outside 1 to 65535; \
         lower listenPort or shards"
    )]
    PortsOutOfRange {
        /// Port of shard 0.
        listen_port: u16,
        /// Number of shards.
        shards: u32,
        /// Smallest port needed.
        first: i64,
        /// Largest port needed.
        last: i64,
    },
    /// Two listeners of this process want one port.
    #[error(
        "port {port} is wanted twice, as {one} and as {other}; move listenPort, haListenPort, \
         namesrvListenPort, metricsPromExporterPort or this node's address in dLegerPeers"
    )]
    PortTwice {
        /// The port.
        port: u16,
        /// First use.
        one: String,
        /// Second use.
        other: String,
    },
    /// The log would silently go to another disk than the user chose.
    #[error(
        "{origin}: storePathCommitLog={commit_log} is outside storePathRootDir={root}; the log has one place, below the \
         root: set storePathRootDir to the disk that is to hold it"
    )]
    CommitLogOutsideRoot {
        /// The path asked for.
        commit_log: String,
        /// The root in effect.
        root: String,
        /// Where it stands.
        origin: Origin,
    },
    /// Pinning to these would fail.
    #[error("{origin}: cpus={cpus} names processors {missing}; this process may run on {mask} only")]
    CpusOutsideMask {
        /// The list in effect.
        cpus: String,
        /// Those of it that are not in the mask.
        missing: String,
        /// The affinity mask.
        mask: String,
        /// Where it stands.
        origin: Origin,
    },
    /// `~` means nothing for this user.
    #[error("{key}={value} starts at the home folder, and this user has none; give a full path, as with --store")]
    NoHome {
        /// The property.
        key: &'static str,
        /// Its value.
        value: String,
    },
    /// Message ids carry the address as numbers.
    #[error("{origin}: {key}={host} is a name without address; give an IP address or a name that can be looked up")]
    UnknownHost {
        /// The property.
        key: &'static str,
        /// The name.
        host: String,
        /// Where it stands.
        origin: Origin,
    },
    /// Raft replication lacks a setting.
    #[error("{origin}: enableDLegerCommitLog=true needs {key}; set it, as {key}={example}")]
    RaftNeeds {
        /// The property that is not set.
        key: &'static str,
        /// How it could look.
        example: &'static str,
        /// Where Raft replication is switched on.
        origin: Origin,
    },
    /// A node that is none of the group.
    #[error(
        "{origin}: {key}={id} is none of the nodes {peers} in dLegerPeers; name one of them, or add it there on all nodes"
    )]
    NoPeer {
        /// The property.
        key: &'static str,
        /// The node.
        id: NodeId,
        /// Those of the group.
        peers: String,
        /// Where it stands.
        origin: Origin,
    },
    /// A node's last shard has no port for its replicas.
    #[error(
        "{origin}: the replica ports of {shards} shards starting at {port}, as dLegerPeers has it for {id}, run to {last}, \
         beyond 65535; lower the port or shards"
    )]
    ReplicaPortsOutOfRange {
        /// The node.
        id: NodeId,
        /// Port of its shard 0.
        port: u16,
        /// Number of shards.
        shards: u32,
        /// Port of the last one.
        last: u32,
        /// Where it stands.
        origin: Origin,
    },
    /// Shards of two nodes want one address.
    #[error(
        "{origin}: {one} and {other} of dLegerPeers are on the same host, and with {shards} shards, {SHARD_PORT_STEP} ports \
         apart, both would listen on port {port}; move one of them"
    )]
    ReplicaPortTwice {
        /// One node.
        one: NodeId,
        /// The other node.
        other: NodeId,
        /// Number of shards.
        shards: u32,
        /// A port that both want.
        port: u32,
        /// Where it stands.
        origin: Origin,
    },
    /// A slave that would register as master.
    #[error(
        "{origin}: brokerRole=SLAVE needs a brokerId from 1, it is {broker_id}; set one that no other broker of this \
         brokerName has"
    )]
    SlaveId {
        /// The id in effect.
        broker_id: i64,
        /// Where the role stands.
        origin: Origin,
    },
    /// Clients would be told to connect to nowhere.
    #[error("{origin}: {key}={host} cannot be connected to; give the address under which clients reach this machine")]
    UnspecifiedAddress {
        /// The property.
        key: &'static str,
        /// The address.
        host: String,
        /// Where it stands.
        origin: Origin,
    },
}

fn did_you_mean(nearest: Option<&'static str>) -> String {
    nearest.map_or_else(|| "; nothing known looks like it".to_owned(), |name| format!("; the nearest known is {name}"))
}

/// Everything that is wrong, so that it can be mended in one go. Never empty.
#[derive(Debug)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

/// Something the user should know, with which the broker starts all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigWarning {
    /// A property that means nothing here is set.
    NoMeaning {
        /// The property.
        key: &'static str,
        /// Why.
        reason: &'static str,
        /// Where it stands.
        origin: Origin,
    },
    /// A property of something that is not there yet is set to another value than its default.
    NotYet {
        /// The property.
        key: &'static str,
        /// As written.
        value: String,
        /// What is not there.
        reason: &'static str,
        /// Where it stands.
        origin: Origin,
    },
    /// One file sets a property twice.
    SetTwice {
        /// The property.
        key: &'static str,
        /// The line that is overruled.
        overruled: Origin,
        /// The line that counts.
        counts: Origin,
    },
    /// A number was moved into its range.
    Clamped {
        /// The property.
        key: &'static str,
        /// As written.
        value: i64,
        /// What is used.
        used: i64,
        /// Where it stands.
        origin: Origin,
    },
    /// A master's id is 0, whatever is written.
    MasterId {
        /// As written.
        value: i64,
        /// Where it stands.
        origin: Origin,
    },
    /// Who is master is settled by votes.
    RaftDecides {
        /// The property.
        key: &'static str,
        /// As written.
        value: String,
        /// Where it stands.
        origin: Origin,
    },
    /// A node of the group that cannot be reached now.
    PeerUnknown {
        /// The node.
        id: NodeId,
        /// Its host name.
        host: String,
        /// Where it stands.
        origin: Origin,
    },
    /// Nobody will find this broker.
    NoNameServer,
    /// Only clients on this machine will find this broker.
    OnlyLoopback,
}

impl fmt::Display for ConfigWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMeaning { key, reason, origin } => write!(f, "{origin}: {key} has no effect: {reason}"),
            Self::NotYet { key, value, reason, origin } => write!(f, "{origin}: {key}={value} has no effect: {reason}"),
            Self::SetTwice { key, overruled, counts } => {
                write!(f, "{key} is set twice: {overruled} is overruled by {counts}")
            }
            Self::Clamped { key, value, used, origin } => {
                write!(f, "{origin}: {key}={value} is outside its range, {used} is used")
            }
            Self::MasterId { value, origin } => {
                write!(f, "{origin}: brokerId={value} is not used: the id of a master is 0")
            }
            Self::RaftDecides { key, value, origin } => write!(
                f,
                "{origin}: {key}={value} is not used: with enableDLegerCommitLog=true the nodes elect who is master"
            ),
            Self::PeerUnknown { id, host, origin } => write!(
                f,
                "{origin}: the host {host} of {id} in dLegerPeers has no address now; this node goes on without it until it has"
            ),
            Self::NoNameServer => f.write_str(
                "namesrvAddr is not set: this broker registers nowhere and no client finds it; use -n, namesrvAddr or \
                 the environment variable NAMESRV_ADDR",
            ),
            Self::OnlyLoopback => f.write_str(
                "this machine has no IPv4 address besides loopback: the broker registers as 127.0.0.1, which only \
                 clients on this machine can reach; set brokerIP1",
            ),
        }
    }
}
