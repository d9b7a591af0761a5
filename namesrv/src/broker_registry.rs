//! Brokers come and go here: keeps the routes and the live brokers in step.

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::body::{DataVersion, QueueData, TopicConfig, TopicRouteData};
use tracing::{info, warn};

use crate::Connection;
use crate::broker_liveness::{BrokerIdentity, BrokerLiveness, LiveBroker, SILENCE_MAX_DEFAULT};
use crate::topic_routes::{MASTER_ID, PERM_WRITE, TopicQueueMapping, TopicRoutes};

/// Live brokers; another one is refused. Far above any cluster, far below what would hurt this process.
pub const BROKERS_MAX: usize = 10_000;

/// Known topics; a registration that could bring more is refused.
pub const TOPICS_MAX: usize = 1_000_000;

/// One registration, decoded.
#[derive(Debug)]
pub struct Registration<'a> {
    /// Cluster that the broker belongs to.
    pub cluster: &'a str,
    /// Its group.
    pub broker_name: &'a str,
    /// Its id in the group; 0 is the master.
    pub broker_id: i64,
    /// `ip:port` for clients.
    pub address: &'a str,
    /// `ip:port` for slaves.
    pub ha_server_address: Option<&'a str>,
    /// Zone for clients in zone mode.
    pub zone: Option<&'a str>,
    /// How long the broker may be silent; `None` means [`SILENCE_MAX_DEFAULT`].
    pub silence_max: Option<Duration>,
    /// A slave may stand in for a lost master; `None` from brokers that do not know of it.
    pub acting_master: Option<bool>,
    /// Version of `topics`.
    pub data_version: DataVersion,
    /// The broker's topics.
    pub topics: BTreeMap<String, TopicConfig>,
    /// Static-topic mappings by topic.
    pub mappings: BTreeMap<String, TopicQueueMapping>,
    /// Filter servers of the broker.
    pub filter_servers: Vec<String>,
    /// Where the registration came from.
    pub connection: Connection,
}

/// What a slave is told about its master; empty for a master, and for a slave without one.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct MasterOfGroup {
    /// `ip:port` of the master for clients.
    pub address: Option<String>,
    /// `ip:port` of the master for slaves.
    pub ha_server_address: Option<String>,
}

/// Why a registration was refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// It would replace the whole table that the broker never sent by a single topic.
    #[error("register broker failed")]
    SingleTopicOfUnknownBroker,
    /// [`BROKERS_MAX`].
    #[error("{count} brokers are registered, the limit is {BROKERS_MAX}")]
    TooManyBrokers {
        /// Live brokers.
        count: usize,
    },
    /// [`TOPICS_MAX`].
    #[error("{known} topics are known and {more} more were sent, the limit is {TOPICS_MAX}")]
    TooManyTopics {
        /// Known topics.
        known: usize,
        /// Topics of the registration.
        more: usize,
    },
}

/// Routes and live brokers. Every address of a group is the address of a live broker.
#[derive(Debug, Default)]
pub struct BrokerRegistry {
    routes: TopicRoutes,
    liveness: BrokerLiveness,
}

impl BrokerRegistry {
    /// Groups and topics.
    pub fn routes(&self) -> &TopicRoutes {
        &self.routes
    }

    /// Live brokers.
    pub fn liveness(&self) -> &BrokerLiveness {
        &self.liveness
    }

    /// Notes that a broker is there, and what it serves. `drop_missing_topics`: a topic that the broker had and no
    /// longer lists is dropped.
    ///
    /// A registration for an id whose holder has a larger state version is out of date (its sender lost an election
    /// it does not know of): nothing is noted, what was noted of its sender goes, and the answer is a success that says
    /// nothing, as in the reference.
    ///
    /// # Errors
    /// See [`RegisterError`]; nothing is noted then.
    pub fn register(
        &mut self,
        now: Duration,
        registration: Registration<'_>,
        drop_missing_topics: bool,
    ) -> Result<MasterOfGroup, RegisterError> {
        let Registration { cluster, broker_name, broker_id, address, .. } = registration;
        let identity = BrokerIdentity::new(cluster, address);
        let known_version = self.liveness.get(&identity).map(|broker| broker.data_version);
        self.check(&registration, known_version.is_some())?;
        if self.is_out_of_date(&registration) {
            warn!(cluster, broker_name, broker_id, address, "registration ignored, a newer broker holds the id");
            self.remove(&identity);
            return Ok(MasterOfGroup::default());
        }

        self.leave_other_group(&identity, broker_name);
        // Not only a new id but also a new holder counts: it may have synced its version from the old holder.
        let is_new = !self.routes.join(broker_name, broker_id, address);
        let acting_master = registration.acting_master == Some(true);
        self.routes.describe_group(broker_name, cluster, acting_master, registration.zone);

        let first_id = self.routes.group(broker_name).and_then(|group| group.first_id());
        let is_first_slave =
            registration.acting_master.is_some() && broker_id != MASTER_ID && first_id == Some(broker_id);
        if broker_id == MASTER_ID || is_first_slave {
            let perm_mask = if is_first_slave && acting_master { !PERM_WRITE } else { !0 };
            let changed = is_new || known_version != Some(registration.data_version);
            if drop_missing_topics && registration.mappings.is_empty() {
                self.routes.retain_topics(broker_name, |topic| registration.topics.contains_key(topic));
            }
            self.apply_topics(broker_name, registration.topics, perm_mask, changed);
            if changed {
                self.apply_mappings(registration.mappings);
            }
        }

        let broker = LiveBroker {
            broker_name: broker_name.to_owned(),
            connection: registration.connection,
            heard_at: now,
            silence_max: registration.silence_max.unwrap_or(SILENCE_MAX_DEFAULT),
            data_version: registration.data_version,
            ha_server_address: registration.ha_server_address.unwrap_or_default().to_owned(),
            filter_servers: registration.filter_servers,
        };
        if self.liveness.register(identity, broker).is_none() {
            info!(cluster, broker_name, broker_id, address, "broker registered");
        }
        Ok(if broker_id == MASTER_ID { MasterOfGroup::default() } else { self.master_of(cluster, broker_name) })
    }

    fn check(&self, registration: &Registration<'_>, is_known: bool) -> Result<(), RegisterError> {
        let group = self.routes.group(registration.broker_name);
        let has_id = group.is_some_and(|group| group.addresses.contains_key(&registration.broker_id));
        if !has_id && registration.topics.len() == 1 {
            return Err(RegisterError::SingleTopicOfUnknownBroker);
        }
        let count = self.liveness.count();
        if !is_known && count >= BROKERS_MAX {
            return Err(RegisterError::TooManyBrokers { count });
        }
        let more = registration.topics.keys().filter(|topic| !self.routes.is_known(topic)).count();
        self.check_topic_count(more)
    }

    fn check_topic_count(&self, more: usize) -> Result<(), RegisterError> {
        let known = self.routes.topic_count();
        if known + more > TOPICS_MAX { Err(RegisterError::TooManyTopics { known, more }) } else { Ok(()) }
    }

    fn is_out_of_date(&self, registration: &Registration<'_>) -> bool {
        let group = self.routes.group(registration.broker_name);
        let holder = group.and_then(|group| group.addresses.get(&registration.broker_id));
        let Some(holder) = holder.filter(|holder| *holder != registration.address) else { return false };
        let holder = self.liveness.get(&BrokerIdentity::new(registration.cluster, holder));
        holder.is_some_and(|holder| holder.data_version.state_version > registration.data_version.state_version)
    }

    /// A broker that came back under another name left its old group without saying so.
    fn leave_other_group(&mut self, identity: &BrokerIdentity, broker_name: &str) {
        let Some(known) = self.liveness.get(identity) else { return };
        if known.broker_name != broker_name {
            self.routes.leave(&known.broker_name, &identity.address);
        }
    }

    fn apply_topics(
        &mut self,
        broker_name: &str,
        topics: BTreeMap<String, TopicConfig>,
        perm_mask: i32,
        changed: bool,
    ) {
        for (topic, config) in topics {
            if changed || !self.routes.has_topic(&topic, broker_name) {
                let queues = QueueData {
                    broker_name: broker_name.to_owned(),
                    read_queue_nums: config.read_queue_nums,
                    write_queue_nums: config.write_queue_nums,
                    perm: config.perm & perm_mask,
                    topic_sys_flag: config.topic_sys_flag,
                };
                self.routes.set_queues(&topic, queues);
            }
        }
    }

    fn apply_mappings(&mut self, mappings: BTreeMap<String, TopicQueueMapping>) {
        for (topic, mapping) in mappings {
            let Some(broker_name) = mapping.get("bname").and_then(|name| name.as_str()) else { continue };
            let broker_name = broker_name.to_owned();
            self.routes.set_mapping(&topic, &broker_name, mapping);
        }
    }

    fn master_of(&self, cluster: &str, broker_name: &str) -> MasterOfGroup {
        let group = self.routes.group(broker_name);
        let Some(address) = group.and_then(|group| group.addresses.get(&MASTER_ID)) else {
            return MasterOfGroup::default();
        };
        match self.liveness.get(&BrokerIdentity::new(cluster, address)) {
            Some(master) => MasterOfGroup {
                address: Some(address.clone()),
                ha_server_address: Some(master.ha_server_address.clone()).filter(|address| !address.is_empty()),
            },
            None => MasterOfGroup::default(),
        }
    }

    /// A broker says goodbye. One that is not known is no error.
    pub fn unregister(&mut self, identity: &BrokerIdentity) {
        if let Some(broker) = self.remove(identity) {
            let BrokerIdentity { cluster, address } = identity;
            info!(cluster, broker_name = broker.broker_name, address, "broker unregistered");
        }
    }

    fn remove(&mut self, identity: &BrokerIdentity) -> Option<LiveBroker> {
        let broker = self.liveness.remove(identity)?;
        self.routes.leave(&broker.broker_name, &identity.address);
        Some(broker)
    }

    /// A sign of life other than a registration.
    pub fn heard(&mut self, identity: &BrokerIdentity, now: Duration) {
        self.liveness.heard(identity, now);
    }

    /// Version of the topics that `identity` last registered; `None` for a broker that is not alive.
    pub fn data_version(&self, identity: &BrokerIdentity) -> Option<DataVersion> {
        self.liveness.get(identity).map(|broker| broker.data_version)
    }

    /// Evicts the brokers whose last registration came over `connection`. (The reference evicts one of them and leaves
    /// the others to their silence; whoever closed the connection cannot serve under any address of it.)
    pub fn connection_closed(&mut self, connection: Connection) {
        for (identity, broker) in self.liveness.take_connection(connection) {
            self.evict(&identity, &broker, "its connection closed");
        }
    }

    /// Evicts the brokers that were silent for too long; returns the connections that no live broker uses any more.
    pub fn evict_silent(&mut self, now: Duration) -> Vec<Connection> {
        let silent = self.liveness.take_silent(now);
        let mut connections = Vec::new();
        for (identity, broker) in silent {
            self.evict(&identity, &broker, "it was silent for too long");
            if !self.liveness.is_used(broker.connection) && !connections.contains(&broker.connection) {
                connections.push(broker.connection);
            }
        }
        connections
    }

    fn evict(&mut self, identity: &BrokerIdentity, broker: &LiveBroker, why: &str) {
        let BrokerIdentity { cluster, address } = identity;
        warn!(cluster, broker_name = broker.broker_name, address, "broker evicted, {why}");
        self.routes.leave(&broker.broker_name, address);
    }

    /// Registers queues of one topic at known groups (217). Nothing is noted if one of the groups is not known.
    ///
    /// # Errors
    /// [`RegisterError::TooManyTopics`].
    pub fn register_topic(&mut self, topic: &str, queue_lists: Vec<QueueData>) -> Result<(), RegisterError> {
        if let Some(unknown) = queue_lists.iter().find(|queues| self.routes.group(&queues.broker_name).is_none()) {
            warn!(topic, broker_name = unknown.broker_name, "topic of an unknown broker ignored");
            return Ok(());
        }
        self.check_topic_count(usize::from(!self.routes.is_known(topic)))?;
        for queues in queue_lists {
            self.routes.set_queues(topic, queues);
        }
        Ok(())
    }

    /// Deletes a topic, see [`TopicRoutes::delete_topic`].
    pub fn delete_topic(&mut self, topic: &str, cluster: Option<&str>) {
        self.routes.delete_topic(topic, cluster);
    }

    /// Changes permissions, see [`TopicRoutes::change_permission`].
    pub fn change_permission(&mut self, broker_name: &str, change: impl Fn(i32) -> i32) -> usize {
        self.routes.change_permission(broker_name, change)
    }

    /// The route of a topic, see [`TopicRoutes::route`], with the filter servers of its brokers.
    pub fn route(&self, topic: &str, show_acting_master: bool) -> Option<TopicRouteData> {
        let mut route = self.routes.route(topic, show_acting_master)?;
        // Filter servers are gone since 4.9: without any there is nothing to look up.
        for (identity, broker) in self.liveness.iter().filter(|(_, broker)| !broker.filter_servers.is_empty()) {
            let serves = |data: &protocol::body::BrokerData| {
                data.cluster == identity.cluster && data.broker_addrs.values().any(|member| *member == identity.address)
            };
            if route.broker_datas.iter().any(serves) {
                route.filter_server_table.insert(identity.address.clone(), broker.filter_servers.clone());
            }
        }
        Some(route)
    }
}

#[cfg(test)]
mod tests;
