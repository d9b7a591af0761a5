//! Whether and how a shard's log is kept on other nodes too.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::error::{ConfigError, ConfigWarning};
use super::machine_defaults::MachineDefaults;
use super::parse::host_port::HostPort;
use super::parse::node_id::NodeId;
use super::parse::raft_peers::{RaftPeer, RaftPeers};
use super::shard_layout::SHARD_PORT_STEP;
use super::sources::Mode;
use super::values::Values;

/// The property that switches Raft on.
const RAFT: &str = "enableDLegerCommitLog";

/// Properties that only Raft mode reads.
const RAFT_ONLY: [&str; 6] =
    ["dLegerGroup", "dLegerJoin", "dLegerPeers", "dLegerSelfId", "preferredLeaderId", "electionTimeoutMs"];
/// Properties that only a SYNC_MASTER reads.
const SYNC_MASTER_ONLY: [&str; 5] =
    ["inSyncReplicas", "minInSyncReplicas", "enableAutoInSyncReplicas", "haMaxGapNotInSync", "slaveTimeout"];
/// Properties that only a master with slaves, and these, read.
const MASTER_SLAVE_ONLY: [&str; 2] = ["accessMessageInMemoryMaxRatio", "slaveReadEnable"];

/// Copies on other nodes.
#[derive(Debug, Clone)]
pub struct Replication {
    /// Who is master, and what a send waits for.
    pub mode: ReplicationMode,
    /// When consumers are sent to a slave.
    pub slave_reads: SlaveReads,
    /// What a shard of a leader or master sends to nodes that lack something, bytes a second for all of them together, while no client
    /// is served; beside clients less, down to a 32nd. Default 1 GiB: as much as a fast disk writes. Own:
    /// `catchUpMaxBytesPerSecond`.
    pub catch_up_bytes_per_second: u64,
}

/// Who is master, and what a send waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplicationMode {
    /// There is one copy, and no slave comes: `--standalone`, unless something else was asked for.
    None,
    /// Nodes elect who leads; a send waits for most of them. RocketMQ: `enableDLegerCommitLog`.
    Raft(RaftSettings),
    /// The operator says who is master. RocketMQ: `brokerRole`.
    MasterSlave(BrokerRole),
}

/// Raft mode: one group a shard, the same nodes in all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaftSettings {
    /// Name of the groups. RocketMQ: `dLegerGroup`.
    pub group: String,
    /// This node, one of `members`. RocketMQ: `dLegerSelfId`.
    pub own_id: NodeId,
    /// All nodes, this one too, ascending by id: those that found the group. What its log says of its members later holds
    /// instead. RocketMQ: `dLegerPeers`.
    pub members: Vec<RaftMember>,
    /// Whether this node, with an empty store, waits until it is added to a group that there is. Default false. Own:
    /// `dLegerJoin`.
    pub joins: bool,
    /// The node that should lead shard 0. Default the first. RocketMQ: `preferredLeaderId`.
    pub preferred_id: NodeId,
    /// How long a silent leader is waited for.
    pub timing: RaftTiming,
}

/// A node of the group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaftMember {
    /// Who it is.
    pub id: NodeId,
    /// Where shard 0 of it listens for the other replicas.
    pub address: HostPort,
    /// The host as an address; `None` if it is a name that had no address at start.
    pub ip: Option<IpAddr>,
}

/// Raft's clock. All of it follows from `electionTimeoutMs`, default 500.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RaftTiming {
    /// A follower stands for election after so many ticks without its leader, drawn between this and twice this.
    pub election_ticks: u32,
    /// The leader is heard of every so many ticks; five times within the shortest election timeout.
    pub heartbeat_ticks: u32,
}

/// What this broker is to the others of its name. RocketMQ: `brokerRole`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerRole {
    /// Answers sends without waiting for slaves, if there are any. The default.
    AsyncMaster,
    /// Answers a send when slaves have it too.
    SyncMaster(SyncMaster),
    /// Copies its master's log.
    Slave(Slave),
}

/// What a SYNC_MASTER waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncMaster {
    /// Copies that a message needs, the master's own among them; at least 2. RocketMQ: `inSyncReplicas`, default 1, with which
    /// its version 5 waits for nobody, whatever the role says.
    pub copies: u32,
    /// Copies that are enough while fewer slaves than that keep up; as `copies` unless `enableAutoInSyncReplicas`.
    /// RocketMQ: `minInSyncReplicas`, default 1.
    pub copies_min: u32,
    /// A slave that is behind by more than this does not keep up. Default 256 MiB. RocketMQ: `haMaxGapNotInSync`.
    pub gap_bytes_max: u64,
    /// After this a send is answered FLUSH_SLAVE_TIMEOUT. Default 3 s. RocketMQ: `slaveTimeout`.
    pub timeout: Duration,
}

/// What a SLAVE copies from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slave {
    /// The master's address for slaves, of shard 0. Default what the master registered. RocketMQ: `haMasterAddress`.
    pub master: Option<HostPort>,
}

/// When consumers are sent to a slave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlaveReads {
    /// Whether they are at all. Default false. RocketMQ: `slaveReadEnable`.
    pub enabled: bool,
    /// Percent of the machine's memory that a consumer has to be behind by. Default 40.
    /// RocketMQ: `accessMessageInMemoryMaxRatio`.
    pub memory_percent: u8,
}

impl Replication {
    pub(super) fn from_values(
        values: &Values,
        machine: &MachineDefaults,
        mode: Mode,
        errors: &mut Vec<ConfigError>,
        warnings: &mut Vec<ConfigWarning>,
    ) -> Self {
        let mode = match values.bool(RAFT) {
            true => raft(values, machine, errors, warnings).map_or(ReplicationMode::None, ReplicationMode::Raft),
            false => master_slave(values, mode),
        };
        let replication = Self {
            mode,
            slave_reads: SlaveReads {
                enabled: values.bool("slaveReadEnable"),
                memory_percent: values.number("accessMessageInMemoryMaxRatio"),
            },
            catch_up_bytes_per_second: values.number("catchUpMaxBytesPerSecond"),
        };
        replication.warn_of_unused(values, warnings);
        replication
    }

    /// The settings of Raft mode; `None` in another.
    pub fn raft(&self) -> Option<&RaftSettings> {
        match &self.mode {
            ReplicationMode::Raft(raft) => Some(raft),
            ReplicationMode::None | ReplicationMode::MasterSlave(_) => None,
        }
    }

    /// Whether the operator says who is master.
    pub fn is_master_slave(&self) -> bool {
        matches!(self.mode, ReplicationMode::MasterSlave(_))
    }

    /// Settings of another mode are most likely a mistake in the one that chooses the mode.
    fn warn_of_unused(&self, values: &Values, warnings: &mut Vec<ConfigWarning>) {
        let mut unused = |keys: &[&'static str], reason| {
            for key in keys.iter().copied().filter(|key| values.changed(key).is_some()) {
                warnings.push(ConfigWarning::NoMeaning { key, reason, origin: values.origin(key).clone() });
            }
        };
        if !values.bool(RAFT) {
            unused(&RAFT_ONLY, "enableDLegerCommitLog is not true");
        }
        if !self.is_master_slave() {
            unused(&MASTER_SLAVE_ONLY, "only with brokerRole there are slaves that consumers are sent to");
        }
        if self.mode == ReplicationMode::None {
            unused(&["catchUpMaxBytesPerSecond"], "--standalone has no other node");
        }
        if !matches!(self.mode, ReplicationMode::MasterSlave(BrokerRole::SyncMaster(_))) {
            unused(&SYNC_MASTER_ONLY, "only with brokerRole=SYNC_MASTER sends wait for slaves");
        }
        if !matches!(self.mode, ReplicationMode::MasterSlave(BrokerRole::Slave(_))) {
            unused(&["haMasterAddress"], "only with brokerRole=SLAVE there is a master to copy from");
        }
    }
}

impl RaftSettings {
    /// This node.
    pub fn own(&self) -> &RaftMember {
        self.member(self.own_id).expect("this node is one of the members")
    }

    /// The node of this id.
    pub fn member(&self, id: NodeId) -> Option<&RaftMember> {
        self.members.iter().find(|member| member.id == id)
    }

    /// Of these voters, ascending by Raft id, the one that should lead shard `shard`: those of the shards after 0 follow in
    /// the order of ids, in a circle, so that every node leads as many shards as any other, give or take one.
    pub fn preferred_leader(&self, voters: &[u64], shard: u32) -> Option<u64> {
        let first = voters.iter().position(|id| *id == self.preferred_id.raft_id()).unwrap_or(0);
        voters.get((first + shard as usize) % voters.len().max(1)).copied()
    }
}

impl RaftMember {
    /// Where shard `shard` of this node listens for the other replicas.
    pub fn port(&self, shard: u32) -> u16 {
        u16::try_from(replica_port(self.address.port, shard)).expect("checked at start for all shards")
    }

    /// The same with the host's address; `None` while it has none.
    pub fn socket_address(&self, shard: u32) -> Option<SocketAddr> {
        self.ip.map(|ip| SocketAddr::new(ip, self.port(shard)))
    }
}

impl RaftTiming {
    /// Time between two ticks.
    pub const TICK: Duration = Duration::from_millis(50);
    const HEARTBEATS_IN_ELECTION: u32 = 5;

    fn of_election_timeout(timeout_ms: u32) -> Self {
        let tick_ms = u32::try_from(Self::TICK.as_millis()).expect("a tick is short");
        let election_ticks = timeout_ms.div_ceil(tick_ms);
        Self { election_ticks, heartbeat_ticks: (election_ticks / Self::HEARTBEATS_IN_ELECTION).max(1) }
    }
}

/// The id that this broker has among those of its name.
pub(super) fn broker_id(values: &Values, errors: &mut Vec<ConfigError>, warnings: &mut Vec<ConfigWarning>) -> i64 {
    const MASTER_ID: i64 = 0;
    let broker_id = values.int("brokerId");
    if values.bool(RAFT) {
        return MASTER_ID;
    }
    if values.text("brokerRole") == "SLAVE" {
        if broker_id <= MASTER_ID {
            errors.push(ConfigError::SlaveId { broker_id, origin: values.origin("brokerRole").clone() });
        }
        return broker_id;
    }
    if broker_id != MASTER_ID {
        warnings.push(ConfigWarning::MasterId { value: broker_id, origin: values.origin("brokerId").clone() });
    }
    MASTER_ID
}

/// This node's entry in `dLegerPeers`, in Raft mode.
pub(super) fn own_peer(values: &Values) -> Option<&RaftPeer> {
    let own_id = values.node_id("dLegerSelfId").filter(|_| values.bool(RAFT))?;
    values.raft_peers("dLegerPeers").get(own_id)
}

fn master_slave(values: &Values, mode: Mode) -> ReplicationMode {
    ReplicationMode::MasterSlave(match values.text("brokerRole") {
        "SYNC_MASTER" => BrokerRole::SyncMaster(SyncMaster::from_values(values)),
        "SLAVE" => BrokerRole::Slave(Slave { master: values.host_port("haMasterAddress").cloned() }),
        _ if mode == Mode::Standalone => return ReplicationMode::None,
        _ => BrokerRole::AsyncMaster,
    })
}

impl SyncMaster {
    fn from_values(values: &Values) -> Self {
        const COPIES_MIN: u32 = 2; // its own and a slave's, else it would not be a SYNC_MASTER
        let copies = values.number::<u32>("inSyncReplicas").max(COPIES_MIN);
        let adapts = values.bool("enableAutoInSyncReplicas");
        Self {
            copies,
            copies_min: if adapts { values.number::<u32>("minInSyncReplicas").min(copies) } else { copies },
            gap_bytes_max: values.number("haMaxGapNotInSync"),
            timeout: values.millis("slaveTimeout"),
        }
    }
}

/// `None` if there are errors.
fn raft(
    values: &Values,
    machine: &MachineDefaults,
    errors: &mut Vec<ConfigError>,
    warnings: &mut Vec<ConfigWarning>,
) -> Option<RaftSettings> {
    for key in ["brokerId", "brokerRole"].into_iter().filter(|key| values.is_set(key)) {
        let value = if key == "brokerId" { values.int(key).to_string() } else { values.text(key).to_owned() };
        warnings.push(ConfigWarning::RaftDecides { key, value, origin: values.origin(key).clone() });
    }
    let (group, peers) = (values.text("dLegerGroup"), values.raft_peers("dLegerPeers"));
    let own_id = values.node_id("dLegerSelfId");
    let needs = [
        ("dLegerGroup", group.is_empty(), "broker-a"),
        ("dLegerPeers", peers.is_empty(), "n0-10.0.0.1:40911;n1-10.0.0.2:40911;n2-10.0.0.3:40911"),
        ("dLegerSelfId", own_id.is_none(), "n0"),
    ];
    for (key, _, example) in needs.into_iter().filter(|(_, is_missing, _)| *is_missing) {
        errors.push(ConfigError::RaftNeeds { key, example, origin: values.origin(RAFT).clone() });
    }
    let first = peers.iter().next()?.id;
    let preferred_id = values.node_id("preferredLeaderId").unwrap_or(first);
    for (key, id) in [("dLegerSelfId", own_id), ("preferredLeaderId", Some(preferred_id))] {
        if let Some(id) = id.filter(|id| peers.get(*id).is_none()) {
            errors.push(no_peer(values, key, id, peers));
        }
    }
    let members = members(values, machine, errors, warnings);
    check_replica_ports(values, &members, errors);
    let timing = RaftTiming::of_election_timeout(values.number("electionTimeoutMs"));
    let own_id = own_id.filter(|_| errors.is_empty())?;
    let joins = values.bool("dLegerJoin");
    Some(RaftSettings { group: group.to_owned(), own_id, members, joins, preferred_id, timing })
}

fn no_peer(values: &Values, key: &'static str, id: NodeId, peers: &RaftPeers) -> ConfigError {
    let peers = peers.iter().map(|peer| peer.id.to_string()).collect::<Vec<_>>().join(", ");
    ConfigError::NoPeer { key, id, peers, origin: values.origin(key).clone() }
}

/// A name without address is no error: the node may be away with it, and the others are to start all the same.
fn members(
    values: &Values,
    machine: &MachineDefaults,
    errors: &mut Vec<ConfigError>,
    warnings: &mut Vec<ConfigWarning>,
) -> Vec<RaftMember> {
    let key = "dLegerPeers";
    let origin = || values.origin(key).clone();
    let mut members = Vec::new();
    for RaftPeer { id, address } in values.raft_peers(key).iter() {
        let (id, host) = (*id, address.host.clone());
        let ip = host.parse().ok().or_else(|| (machine.resolve)(&host));
        match ip {
            None => warnings.push(ConfigWarning::PeerUnknown { id, host, origin: origin() }),
            Some(ip) if ip.is_unspecified() => {
                errors.push(ConfigError::UnspecifiedAddress { key, host, origin: origin() });
            }
            Some(_) => {}
        }
        members.push(RaftMember { id, address: address.clone(), ip });
    }
    members
}

/// Whether the ports of all shards of all nodes exist, and no two nodes of a host want the same.
fn check_replica_ports(values: &Values, members: &[RaftMember], errors: &mut Vec<ConfigError>) {
    let shards: u32 = values.number("shards");
    let origin = || values.origin("dLegerPeers").clone();
    for (index, RaftMember { id, address, .. }) in members.iter().enumerate() {
        let (id, port) = (*id, address.port);
        let last = replica_port(port, shards - 1);
        if last > u32::from(u16::MAX) {
            errors.push(ConfigError::ReplicaPortsOutOfRange { id, port, shards, last, origin: origin() });
        }
        for other in members[..index].iter().filter(|other| is_same_host(other, &members[index])) {
            let step = u32::from(SHARD_PORT_STEP);
            let distance = u32::from(port.abs_diff(other.address.port));
            if distance.is_multiple_of(step) && distance / step < shards {
                let port = u32::from(port.max(other.address.port));
                errors.push(ConfigError::ReplicaPortTwice { one: other.id, other: id, shards, port, origin: origin() });
            }
        }
    }
}

fn is_same_host(one: &RaftMember, other: &RaftMember) -> bool {
    let is_same_ip = one.ip.is_some() && one.ip == other.ip;
    is_same_ip || one.address.host.eq_ignore_ascii_case(&other.address.host)
}

fn replica_port(first: u16, shard: u32) -> u32 {
    u32::from(first) + shard * u32::from(SHARD_PORT_STEP)
}

#[cfg(test)]
mod tests;
