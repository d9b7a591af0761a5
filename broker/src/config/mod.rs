//! From raw file, flags and environment to one checked, immutable [`BrokerConfig`].
//!
//! `sources` collects what the user said, `property_table` knows every property, `values` checks and completes,
//! and each group of fields (`identity`, `network`, …) reads its part. `update` decides about changes at run time.

pub mod assignment;
pub mod consumers;
mod derived_defaults;
pub mod endpoint;
pub mod error;
pub mod group_log_id;
pub mod identity;
mod local_address;
pub mod machine_defaults;
pub mod network;
pub mod parse;
pub mod pops;
pub mod property;
pub mod property_table;
pub mod pulls;
pub mod queries;
pub mod registration;
pub mod replication;
pub mod sends;
pub mod shard_layout;
pub mod sources;
pub mod store;
#[cfg(test)]
pub(crate) mod tests;
pub mod timers;
pub mod topics;
pub mod transactions;
pub mod update;
mod values;

use std::net::SocketAddr;

use protocol::properties_text;

use crate::placement::Placement;

pub use self::assignment::Assignment;
pub use self::consumers::Consumers;
pub use self::endpoint::EndpointConfig;
pub use self::error::{ConfigError, ConfigErrors, ConfigWarning};
pub use self::identity::Identity;
pub use self::machine_defaults::MachineDefaults;
pub use self::network::Network;
pub use self::pops::Pops;
pub use self::pulls::{Pulls, TransferLimits};
pub use self::queries::Queries;
pub use self::registration::Registration;
pub use self::replication::{Replication, ReplicationMode};
pub use self::sends::Sends;
pub use self::shard_layout::{SHARD_PORT_STEP, ShardIdentity, ShardLayout};
pub use self::sources::{Mode, Sources};
pub use self::store::{FlushDiskType, Store};
pub use self::timers::Timers;
pub use self::topics::Topics;
pub use self::transactions::Transactions;
pub use self::update::ConfigUpdate;
use self::values::Values;

/// All settings of a broker process. Its shards share it; a change at run time is a new one.
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// How the process was started.
    pub mode: Mode,
    /// Who this broker is in its cluster.
    pub identity: Identity,
    /// Addresses, ports and connections.
    pub network: Network,
    /// How many shards there are and where they run.
    pub shards: ShardLayout,
    /// Where messages are kept, how safely and for how long.
    pub store: Store,
    /// Topics and groups that come to be by themselves.
    pub topics: Topics,
    /// Timer messages.
    pub timers: Timers,
    /// Limits of sends.
    pub sends: Sends,
    /// Transactional messages.
    pub transactions: Transactions,
    /// Limits of pulls.
    pub pulls: Pulls,
    /// POP consumption.
    pub pops: Pops,
    /// Finding messages by key.
    pub queries: Queries,
    /// What the broker remembers of clients.
    pub consumers: Consumers,
    /// Queues that the broker shares out.
    pub assignment: Assignment,
    /// How shards register with name servers.
    pub registration: Registration,
    /// Copies on other nodes.
    pub replication: Replication,
    /// Metrics and health.
    pub endpoint: EndpointConfig,
    values: Values,
    machine: MachineDefaults,
}

impl BrokerConfig {
    /// Checks what `sources` say and takes the rest from the property table and `machine`.
    ///
    /// # Errors
    /// Everything that is wrong, not only the first.
    pub fn load(sources: &Sources, machine: MachineDefaults) -> Result<(Self, Vec<ConfigWarning>), ConfigErrors> {
        let (values, mut warnings) = Values::resolve(sources, &machine)?;
        let (config, more) = Self::from_values(sources.mode, values, machine)?;
        warnings.extend(more);
        Ok((config, warnings))
    }

    fn from_values(
        mode: Mode,
        values: Values,
        machine: MachineDefaults,
    ) -> Result<(Self, Vec<ConfigWarning>), ConfigErrors> {
        shard_layout::check_ports(&values, mode)?;
        let (mut errors, mut warnings) = (Vec::new(), Vec::new());
        let config = Self {
            mode,
            identity: Identity::from_values(&values, &mut errors, &mut warnings),
            network: Network::from_values(&values, &machine, mode, &mut errors, &mut warnings),
            shards: ShardLayout::from_values(&values, &machine, &mut errors),
            store: Store::from_values(&values, &mut errors),
            topics: Topics::from_values(&values),
            timers: Timers::from_values(&values),
            sends: Sends::from_values(&values),
            transactions: Transactions::from_values(&values),
            pulls: Pulls::from_values(&values),
            pops: Pops::from_values(&values),
            queries: Queries::from_values(&values),
            consumers: Consumers::from_values(&values),
            assignment: Assignment::from_values(&values),
            registration: Registration::from_values(&values, &mut warnings),
            replication: Replication::from_values(&values, &machine, mode, &mut errors, &mut warnings),
            endpoint: EndpointConfig::from_values(&values, &machine, &mut errors, &mut warnings),
            values,
            machine,
        };
        if errors.is_empty() { Ok((config, warnings)) } else { Err(ConfigErrors(errors)) }
    }

    /// Shard `index` of `self.shards.count`.
    pub fn shard(&self, index: u32) -> ShardIdentity {
        self.shards.shard(index, &self.identity, &self.network, &self.replication)
    }

    /// Id of the log of shard `index` where replicas share it: [`group_log_id`](group_log_id::group_log_id). `None` unless in
    /// Raft mode.
    pub fn group_log_id(&self, index: u32) -> Option<u64> {
        let raft = self.replication.raft()?;
        Some(group_log_id::group_log_id(&self.identity.cluster_name, &raft.group, index))
    }

    /// Every shard, shard 0 first.
    pub fn all_shards(&self) -> impl Iterator<Item = ShardIdentity> {
        (0..self.shards.count).map(|index| self.shard(index))
    }

    /// Where every thread runs.
    pub fn placement(&self) -> Placement {
        let shards: Vec<Option<usize>> = self.all_shards().map(|shard| shard.cpu).collect();
        Placement::new(&self.machine.topology, &self.machine.cpus, &shards)
    }

    /// The machine and the user that defaults were taken from.
    pub fn machine(&self) -> &MachineDefaults {
        &self.machine
    }

    /// Where the name server of `--standalone` listens; `None` without it.
    pub fn own_name_server(&self) -> Option<SocketAddr> {
        (self.mode == Mode::Standalone)
            .then(|| SocketAddr::new(self.network.bind_address, self.network.namesrv_listen_port))
    }

    /// Every property with its value in effect, as properties text sorted by name.
    pub fn format_properties(&self) -> String {
        self.format_properties_with(&[])
    }

    /// The same as one shard has it, under its own name and ports: the answer to GET_BROKER_CONFIG.
    pub fn format_properties_of(&self, shard: &ShardIdentity) -> String {
        let (port, slaves_port) = (shard.listen_port.to_string(), shard.ha_listen_port.to_string());
        let own = [("brokerName", &shard.broker_name), ("listenPort", &port), ("haListenPort", &slaves_port)];
        self.format_properties_with(&own)
    }

    fn format_properties_with(&self, own: &[(&str, &String)]) -> String {
        let of_shard = |name: &str| own.iter().find(|(own, _)| *own == name).map(|(_, text)| (*text).clone());
        let texts = self.values.texts().map(|(property, text)| (property, of_shard(property.name).unwrap_or(text)));
        let texts: Vec<_> = texts.collect();
        properties_text::format(texts.iter().map(|(property, text)| (property.name, text.as_str())))
    }

    /// What `mqbroker -p` prints: one `key=value` a line, sorted by name.
    pub fn print_all(&self) -> String {
        self.print_where(|_| true)
    }

    /// What `mqbroker -m` prints: as [`Self::print_all`], the important ones.
    pub fn print_important(&self) -> String {
        self.print_where(|property| property.important)
    }

    /// The value in effect of one property, as text.
    pub fn property(&self, name: &str) -> Option<String> {
        self.values.texts().find(|(property, _)| property.name == name).map(|(_, text)| text)
    }

    fn print_where(&self, keep: impl Fn(&property::Property) -> bool) -> String {
        let lines = self.values.texts().filter(|(property, _)| keep(property));
        lines.map(|(property, text)| format!("{}={text}\n", property.name)).collect()
    }
}
