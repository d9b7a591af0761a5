//! The shards of this process: how many, where they run, and what each is called.

use std::collections::BTreeMap;

use super::endpoint::chosen_port;
use super::error::ConfigError;
use super::identity::Identity;
use super::machine_defaults::MachineDefaults;
use super::network::Network;
use super::parse::cpu_choice::{CpuChoice, format_cpus};
use super::replication::{self, Replication};
use super::sources::Mode;
use super::values::Values;

/// Ports of shard i are those of shard 0 plus i times this. Three are used (P - 2, P, P + 1); ten read well.
pub const SHARD_PORT_STEP: u16 = 10;
/// Distance from the main port down to the one that RocketMQ's clients use for urgent requests.
pub const FAST_PORT_DISTANCE: u16 = 2;

/// How many shards there are and where they run.
#[derive(Debug, Clone)]
pub struct ShardLayout {
    /// Number of shards. Fixed in the store at its first start. Default one a physical core this process may use,
    /// `--standalone` at most 2. Own: `shards`.
    pub count: u32,
    /// Processors for the shards, in order. Default one of each physical core of the affinity mask, memory nodes in turn; not
    /// pinned under a CPU quota and in `--standalone`. Own: `cpus`.
    pub cpus: CpuChoice,
}

/// One shard: one broker group of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardIdentity {
    /// From 0.
    pub index: u32,
    /// `NAME` for shard 0, `NAME-i` for shard i, so that a store of one shard can grow.
    pub broker_name: String,
    /// Main port.
    pub listen_port: u16,
    /// The same service on the port that clients derive from the main one.
    pub fast_listen_port: u16,
    /// Port for slaves, as registered.
    pub ha_listen_port: u16,
    /// Port for the other replicas of this shard; `None` unless in Raft mode.
    pub replica_port: Option<u16>,
    /// `host:port` that clients are told.
    pub advertised_address: String,
    /// `host:port` that slaves are told.
    pub ha_advertised_address: String,
    /// The processor its thread is pinned to; `None`: any.
    pub cpu: Option<usize>,
}

impl ShardLayout {
    pub(super) fn from_values(values: &Values, machine: &MachineDefaults, errors: &mut Vec<ConfigError>) -> Self {
        let cpus = values.cpus("cpus").clone();
        if let CpuChoice::List(list) = &cpus {
            let missing: Vec<usize> = list.iter().copied().filter(|cpu| !machine.cpus.contains(cpu)).collect();
            if !missing.is_empty() {
                errors.push(ConfigError::CpusOutsideMask {
                    cpus: format_cpus(list),
                    missing: format_cpus(&missing),
                    mask: format_cpus(&machine.cpus),
                    origin: values.origin("cpus").clone(),
                });
            }
        }
        Self { count: values.number("shards"), cpus }
    }

    /// The processor of shard `index`: the list in turn, several shards a processor if there are more shards.
    fn cpu(&self, index: u32) -> Option<usize> {
        match &self.cpus {
            CpuChoice::Any => None,
            CpuChoice::List(cpus) => Some(cpus[index as usize % cpus.len()]),
        }
    }

    pub(super) fn shard(
        &self,
        index: u32,
        identity: &Identity,
        network: &Network,
        replication: &Replication,
    ) -> ShardIdentity {
        assert!(index < self.count, "shard {index} of {}", self.count);
        let step = u16::try_from(index).expect("SHARDS_MAX fits") * SHARD_PORT_STEP;
        let (listen_port, ha_listen_port) = (network.listen_port + step, network.ha_listen_port + step);
        let suffix = if index == 0 { String::new() } else { format!("-{index}") };
        ShardIdentity {
            index,
            broker_name: format!("{}{suffix}", identity.broker_name),
            listen_port,
            fast_listen_port: listen_port - FAST_PORT_DISTANCE,
            ha_listen_port,
            replica_port: replication.raft().map(|raft| raft.own().port(index)),
            advertised_address: host_and_port(&network.advertised_host, listen_port),
            ha_advertised_address: host_and_port(&network.ha_advertised_host, ha_listen_port),
            cpu: self.cpu(index),
        }
    }
}

/// IPv6 addresses get no brackets: RocketMQ's clients split at the last colon and pass the rest on.
fn host_and_port(host: &str, port: u16) -> String {
    format!("{host}:{port}")
}

/// Whether every listener has a port of its own. Runs before ports become fields: those hold existing ports only.
pub(super) fn check_ports(values: &Values, mode: Mode) -> Result<(), ConfigError> {
    let (shards, listen, ha) = (values.number::<u32>("shards"), values.int("listenPort"), values.int("haListenPort"));
    let mut uses: BTreeMap<i64, String> = BTreeMap::new();
    let mut wanted = Vec::new();
    if mode == Mode::Standalone {
        wanted.push((values.int("namesrvListenPort"), "name server".to_owned()));
    }
    for index in 0..shards {
        let step = i64::from(index) * i64::from(SHARD_PORT_STEP);
        wanted.push((listen + step - i64::from(FAST_PORT_DISTANCE), format!("fast port of shard {index}")));
        wanted.push((listen + step, format!("main port of shard {index}")));
        wanted.push((ha + step, format!("HA port of shard {index}")));
    }
    let ports = || wanted.iter().map(|(port, _)| *port);
    let (first, last) = (ports().min().unwrap_or(listen), ports().max().unwrap_or(listen));
    if first < 1 || last > i64::from(u16::MAX) {
        let listen_port = values.number("listenPort");
        return Err(ConfigError::PortsOutOfRange { listen_port, shards, first, last });
    }
    // Whether these exist is checked with those of the other nodes.
    if let Some(own) = replication::own_peer(values) {
        let port = |index: u32| i64::from(own.address.port) + i64::from(index) * i64::from(SHARD_PORT_STEP);
        wanted.extend((0..shards).map(|index| (port(index), format!("replica port of shard {index}"))));
    }
    if let Some(port) = chosen_port(values) {
        wanted.push((i64::from(port), "metrics endpoint".to_owned()));
    }
    for (port, other) in wanted {
        if let Some(one) = uses.insert(port, other.clone()) {
            let port = u16::try_from(port).expect("of two uses of a port at least one is checked above");
            return Err(ConfigError::PortTwice { port, one, other });
        }
    }
    Ok(())
}
